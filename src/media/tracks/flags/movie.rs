//! Flags of the tracks of an MP4 or MOV: the lowest bit of each track's header says whether
//! it is enabled.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use super::Flags;

/// Largest index that is read, in bytes: beyond it no recording is known.
const LARGEST: u64 = 1 << 28;

/// The flags in the movie that begins where the file is.
pub(super) fn read(file: File) -> Option<BTreeMap<u32, Flags>> {
    index(file).map(|moov| tracks(&moov))
}

/// The content of the `moov` box.
fn index(mut file: File) -> Option<Vec<u8>> {
    loop {
        let mut header = [0; 8];
        file.read_exact(&mut header).ok()?;
        let [a, b, c, d, kind @ ..] = header;
        let mut size = u64::from(u32::from_be_bytes([a, b, c, d])).checked_sub(8);
        if size.is_none() && [a, b, c, d] == [0, 0, 0, 1] {
            let mut long = [0; 8];
            file.read_exact(&mut long).ok()?;
            size = u64::from_be_bytes(long).checked_sub(16);
        }
        match &kind {
            b"moov" => {
                let mut content = Vec::new();
                file.take(size?.min(LARGEST))
                    .read_to_end(&mut content)
                    .ok()?;
                return Some(content);
            }
            kind if kind.iter().all(|c| c.is_ascii_alphanumeric() || *c == b' ') => {
                file.seek(SeekFrom::Current(i64::try_from(size?).ok()?))
                    .ok()?;
            }
            _ => return None,
        }
    }
}

fn tracks(moov: &[u8]) -> BTreeMap<u32, Flags> {
    let headers = boxes(moov).filter(|(kind, _)| kind == b"trak");
    let headers = headers.filter_map(|(_, trak)| boxes(trak).find(|(kind, _)| kind == b"tkhd"));
    let flags = headers.filter_map(|(_, header)| {
        let &[version, _, _, flags, ..] = header else {
            return None;
        };
        // After two times, of 32 or 64 bits.
        let at = if version == 1 { 20 } else { 12 };
        let number = header.get(at..at + 4)?;
        let flags = Flags {
            is_default: Some(flags & 1 == 1),
            is_beside: false,
        };
        Some((u32::from_be_bytes(number.try_into().ok()?), flags))
    });
    flags.collect()
}

/// The boxes in a box. Those in `moov` are never longer than 32 bits can tell.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (&[a, b, c, d, kind @ ..], _) = bytes.split_first_chunk::<8>()?;
        let size = u32::from_be_bytes([a, b, c, d]) as usize;
        let (whole, rest) = bytes.split_at_checked(size)?;
        bytes = rest;
        Some((kind, whole.get(8..)?))
    })
}

#[cfg(test)]
mod tests {
    use super::super::flags;
    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = (8 + content.len()) as u32;
        [&size.to_be_bytes(), kind.as_slice(), content].concat()
    }

    fn trak(version: u8, number: u8, flags: u8) -> Vec<u8> {
        let times = if version == 1 { 16 } else { 8 };
        let mut header = vec![version, 0, 0, flags];
        header.resize(4 + times, 0xee);
        header.extend_from_slice(&[0, 0, 0, number, 9, 9]);
        boxed(
            b"trak",
            &[boxed(b"edts", &[1, 2]), boxed(b"tkhd", &header)].concat(),
        )
    }

    #[test]
    fn flags_of_each_track() {
        let moov = [
            boxed(b"mvhd", &[0; 100]),
            trak(0, 1, 3),
            trak(1, 2, 2),
            trak(0, 7, 0xf),
        ];
        let file = [
            boxed(b"ftyp", b"qt  "),
            boxed(b"mdat", &[7; 999]),
            boxed(b"moov", &moov.concat()),
        ];
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.mov");
        std::fs::write(&path, file.concat()).expect("written");
        let enabled = |at| {
            let flags = flags(&path, at).into_iter();
            flags
                .map(|(track, flags)| (track, flags.is_default == Some(true)))
                .collect::<Vec<_>>()
        };
        assert_eq!(enabled(0), [(1, true), (2, false), (7, true)]);
        // As a recording that another goes before.
        std::fs::write(&path, [&b"12345"[..], &file.concat()].concat()).expect("written");
        assert_eq!(enabled(5), [(1, true), (2, false), (7, true)]);
        // Cut anywhere, and other files, it is no panic.
        let whole = file.concat();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).expect("written");
            assert!(enabled(0).len() <= 3);
        }
        assert_eq!(flags(&dir.path().join("none"), 0), BTreeMap::new());
    }
}
