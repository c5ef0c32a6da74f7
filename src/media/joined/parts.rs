//! Finds the recordings in a file: where each begins. Pure; believes no size.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// The most atoms, elements or chunks that are looked at: a day of fragments of a second.
const MOST: usize = 1 << 18;

/// Bytes that can be read anywhere.
pub(super) trait ReadAt {
    /// Reads what is there; returns how many bytes.
    fn read_at(&self, at: u64, into: &mut [u8]) -> usize;

    /// How many there are.
    fn len(&self) -> u64;
}

impl ReadAt for File {
    fn read_at(&self, at: u64, into: &mut [u8]) -> usize {
        let mut done = 0;
        while done < into.len() {
            match FileExt::read_at(self, &mut into[done..], at + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        done
    }

    fn len(&self) -> u64 {
        self.metadata().map_or(0, |meta| meta.len())
    }
}

/// The recordings in a file of MP4, MOV, Matroska, WebM or AVI that were joined byte by byte.
/// One, the whole file, if there are no others.
pub(super) fn parts(bytes: &dyn ReadAt) -> Vec<Range<u64>> {
    let head = head(bytes, 0);
    let starts = match (&head[..4], &head[4..8]) {
        (b"RIFF", _) => riff(bytes),
        (b"\x1a\x45\xdf\xa3", _) => matroska(bytes),
        (_, b"ftyp" | b"moov" | b"mdat" | b"wide" | b"free" | b"skip" | b"pnot") => movie(bytes),
        _ => Vec::new(),
    };
    let ends = starts.iter().copied().chain([bytes.len()]);
    let begins = [0].into_iter().chain(starts.iter().copied());
    begins.zip(ends).map(|(begin, end)| begin..end).collect()
}

/// The bytes at a place, and zeros behind the end.
fn head(bytes: &dyn ReadAt, at: u64) -> [u8; 16] {
    let mut head = [0; 16];
    bytes.read_at(at, &mut head);
    head
}

/// Where further movies begin in MP4 or MOV: at each `ftyp` that follows an index (`moov`)
/// and has one itself. Those of fragments are `styp`.
fn movie(bytes: &dyn ReadAt) -> Vec<u64> {
    let (mut starts, mut at) = (Vec::new(), 0_u64);
    let (mut has_index, mut begins) = (false, None);
    let len = bytes.len();
    for _ in 0..MOST {
        if at >= len {
            break;
        }
        let head = head(bytes, at);
        match &head[4..8] {
            b"ftyp" if has_index => begins = Some(at),
            b"moov" => {
                starts.extend(begins.take());
                has_index = true;
            }
            _ => {}
        }
        let small = u64::from(u32::from_be_bytes([head[0], head[1], head[2], head[3]]));
        let size = match small {
            0 => break,
            1 => u64::from_be_bytes([8, 9, 10, 11, 12, 13, 14, 15].map(|i: usize| head[i])),
            size => size,
        };
        match at.checked_add(size) {
            Some(next) if size >= 8 => at = next,
            _ => break,
        }
    }
    starts
}

/// Where further files begin in AVI. `AVIX` continues a long one.
fn riff(bytes: &dyn ReadAt) -> Vec<u64> {
    let (mut starts, mut at) = (Vec::new(), 0_u64);
    for _ in 0..MOST {
        let head = head(bytes, at);
        match (&head[..4], &head[8..12]) {
            (b"RIFF", b"AVI ") if at > 0 => starts.push(at),
            (b"RIFF", b"AVI " | b"AVIX") => {}
            _ => break,
        }
        let size = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        if size == 0 {
            break;
        }
        at += 8 + size + size % 2;
    }
    starts
}

/// Where further files begin in Matroska: at each later EBML header. Elements of unknown
/// size, as recorders write them, are searched through.
fn matroska(bytes: &dyn ReadAt) -> Vec<u64> {
    const HEADER: u32 = 0x1a45_dfa3;
    const SEGMENT: u32 = 0x1853_8067;
    let (mut starts, mut at) = (Vec::new(), 0_u64);
    let (file_len, mut begins) = (bytes.len(), None);
    for _ in 0..MOST {
        let Some((id, len, size)) = element(&head(bytes, at)) else {
            break;
        };
        match id {
            HEADER if at > 0 => begins = Some(at),
            SEGMENT => starts.extend(begins.take()),
            _ => {}
        }
        match at.checked_add(len as u64 + size.unwrap_or(0)) {
            Some(next) if next < file_len => at = next,
            _ => break,
        }
    }
    starts
}

/// An element's identifier, the bytes of its head, and its size, if known.
fn element(head: &[u8; 16]) -> Option<(u32, usize, Option<u64>)> {
    let id_len = head[0].leading_zeros() as usize + 1;
    if id_len > 4 {
        return None;
    }
    let number = |bytes: &[u8]| bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b));
    let id = u32::try_from(number(&head[..id_len])).ok()?;
    let size_len = head[id_len].leading_zeros() as usize + 1;
    if size_len > 8 {
        return None;
    }
    let len = id_len + size_len;
    let size = number(&head[id_len..len]) & ((1 << (7 * size_len)) - 1);
    let unknown = size == (1 << (7 * size_len)) - 1;
    Some((id, len, (!unknown).then_some(size)))
}

#[cfg(test)]
mod tests {
    use super::*;

    impl ReadAt for Vec<u8> {
        fn read_at(&self, at: u64, into: &mut [u8]) -> usize {
            let from = self.get(at as usize..).unwrap_or_default();
            let len = from.len().min(into.len());
            into[..len].copy_from_slice(&from[..len]);
            len
        }

        fn len(&self) -> u64 {
            Vec::len(self) as u64
        }
    }

    /// Atoms of 16 bytes each.
    fn atoms(kinds: &[&[u8; 4]]) -> Vec<u8> {
        let atom = |kind: &&[u8; 4]| [&[0, 0, 0, 16][..], *kind, &[7; 8]].concat();
        kinds.iter().flat_map(atom).collect()
    }

    fn starts(bytes: &[u8]) -> Vec<u64> {
        let found = parts(&bytes.to_vec());
        assert_eq!(found.first().map(|p| p.start), Some(0));
        assert_eq!(found.last().map(|p| p.end), Some(bytes.len() as u64));
        assert!(found.windows(2).all(|pair| pair[0].end == pair[1].start));
        found[1..].iter().map(|part| part.start).collect()
    }

    #[test]
    fn movies_begin_at_a_type_that_has_an_index() {
        // (atoms, the numbers of those that begin a movie, after the first)
        type Case<'a> = (&'a [&'a [u8; 4]], &'a [u64]);
        let cases: [Case<'_>; 9] = [
            (&[b"ftyp", b"moov", b"mdat"], &[]),
            (
                &[b"ftyp", b"mdat", b"moov", b"ftyp", b"mdat", b"moov"],
                &[3],
            ),
            (
                &[b"ftyp", b"moov", b"mdat", b"ftyp", b"mdat", b"moov"],
                &[3],
            ),
            (
                &[
                    b"ftyp", b"moov", b"moof", b"mdat", b"ftyp", b"moov", b"moof", b"ftyp", b"moov",
                ],
                &[4, 7],
            ),
            (
                &[
                    b"ftyp", b"moov", b"styp", b"moof", b"mdat", b"styp", b"moof",
                ],
                &[],
            ),
            (&[b"ftyp", b"moov", b"mdat", b"ftyp", b"mdat"], &[]),
            (&[b"ftyp", b"ftyp", b"mdat", b"moov"], &[]),
            (
                &[
                    b"wide", b"mdat", b"moov", b"free", b"ftyp", b"wide", b"moov",
                ],
                &[4],
            ),
            (&[b"ftyp", b"mdat", b"moov", b"moov"], &[]),
        ];
        for (kinds, expected) in cases {
            let expected: Vec<u64> = expected.iter().map(|n| n * 16).collect();
            assert_eq!(starts(&atoms(kinds)), expected, "{kinds:?}");
        }
        let mut long = atoms(&[b"ftyp", b"moov", b"mdat", b"ftyp", b"moov"]);
        long[35] = 1; // the size of mdat in 64 bits
        long[40..48].copy_from_slice(&16_u64.to_be_bytes());
        assert_eq!(starts(&long), [48]);
        long[40..48].copy_from_slice(&u64::MAX.to_be_bytes());
        assert!(starts(&long).is_empty());
    }

    #[test]
    fn files_of_avi_begin_at_riff_unless_they_continue_one() {
        let chunk = |kind: &[u8; 4], size: usize| {
            let size_told = (4 + size) as u32;
            let body = vec![1; size + size % 2];
            [b"RIFF", &size_told.to_le_bytes()[..], kind, &body].concat()
        };
        let (one, more) = (chunk(b"AVI ", 11), chunk(b"AVIX", 20));
        assert!(starts(&one).is_empty());
        assert!(starts(&[&one[..], &more].concat()).is_empty());
        assert_eq!(starts(&[&one[..], &more, &one, &one].concat()), [56, 80]);
        assert!(starts(&[&one[..], b"JUNK", &one].concat()).is_empty());
        assert!(starts(&[b"RIFF\0\0\0\0AVI ", &one[..]].concat()).is_empty());
        assert!(starts(&[b"RIFF\x24\0\0\0WAVE", &one[..]].concat()).is_empty());
    }

    #[test]
    fn files_of_matroska_begin_at_their_header() {
        let header = b"\x1a\x45\xdf\xa3\x83abc";
        let cluster = |size: u8| [&[0x1f, 0x43, 0xb6, 0x75, size][..], b"\xa3\x82xy"].concat();
        let known = [b"\x18\x53\x80\x67\x89", &cluster(0x84)[..]].concat();
        let unknown = [b"\x18\x53\x80\x67\xff", &cluster(0xff)[..], &cluster(0x84)].concat();
        for segment in [&known, &unknown] {
            let one = [header, &segment[..]].concat();
            assert!(starts(&one).is_empty());
            let size = one.len() as u64;
            assert_eq!(starts(&one.repeat(3)), [size, 2 * size]);
            // A header without a segment, or something else.
            assert!(starts(&[&one[..], header].concat()).is_empty());
            assert!(starts(&[&one[..], b"\0\0\0\0"].concat()).is_empty());
        }
    }

    #[test]
    fn anything_else_is_one() {
        for bytes in [
            &b""[..],
            b"RI",
            b"OggS and so on and on",
            &[0; 64],
            &[0xff; 64],
        ] {
            assert!(starts(bytes).is_empty());
        }
    }
}
