//! Files of a few bytes, with what begins in them.

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
fn files_of_flv_begin_at_their_header() {
    let header = b"FLV\x01\x05\0\0\0\x09\0\0\0\0";
    let tag = |kind: u8, size: u8| {
        let head = [kind, 0, 0, size, 1, 2, 3, 4, 0, 0, 0];
        [&head[..], &vec![7; size.into()], &[0, 0, 0, size + 11]].concat()
    };
    let one = [&header[..], &tag(18, 3), &tag(8, 20), &tag(9, 0)].concat();
    let size = one.len() as u64;
    assert!(starts(&one).is_empty());
    assert_eq!(starts(&one.repeat(3)), [size, 2 * size]);
    let damaged = [&one[..], &tag(30, 5), &one].concat();
    assert!(starts(&damaged).is_empty());
}

fn asf() -> Vec<u8> {
    let object = |id: [u8; 16], size: u64| {
        let content = vec![5; size as usize - 24];
        [&id[..], &size.to_le_bytes(), &content].concat()
    };
    let mut header = [0; 16];
    header.copy_from_slice(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c");
    let mut data = header;
    data[0] = 0x36;
    [object(header, 40), object(data, 300)].concat()
}

#[test]
fn files_of_asf_begin_at_their_header() {
    let one = asf();
    assert!(starts(&one).is_empty());
    assert_eq!(starts(&one.repeat(3)), [340, 680]);
    // Live streams do not know the length of their data.
    let mut unknown = one.repeat(2);
    unknown[56..64].fill(0);
    assert!(starts(&unknown).is_empty());
}

fn page(kind: u8, track: u8, lengths: &[u8]) -> Vec<u8> {
    let head = [
        0, kind, 0, 0, 0, 0, 0, 0, 0, 0, track, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4,
    ];
    let count = [lengths.len() as u8];
    let content = vec![b'O'; lengths.iter().map(|l| usize::from(*l)).sum()];
    [b"OggS", &head[..], &count, lengths, &content].concat()
}

fn ogg() -> Vec<u8> {
    let pages = [
        page(2, 1, &[30]),
        page(2, 2, &[19, 0]),
        page(0, 1, &[255, 255, 9]),
    ];
    [&pages.concat()[..], &page(1, 2, &[200]), &page(4, 1, &[])].concat()
}

#[test]
fn files_of_ogg_begin_where_tracks_begin_after_others() {
    let one = ogg();
    assert!(starts(&one).is_empty());
    let size = one.len() as u64;
    assert_eq!(starts(&one.repeat(3)), [size, 2 * size]);
}

#[test]
fn files_may_be_followed_by_those_of_another_container() {
    let transport = [&[0x47][..], &[0; 187]].concat().repeat(20_000);
    let disc = [&[1, 2, 3, 4, 0x47][..], &[0; 187]].concat().repeat(9);
    let pack = b"\0\0\x01\xba\x44\0\0\0\0\0\0\0\0\xf9\xff\0\0\x01\xe0\0\x03abc";
    let program = [&pack.repeat(3)[..], b"\0\0\x01\xb9"].concat();
    let movie = atoms(&[b"ftyp", b"mdat", b"moov"]);
    let avi = b"RIFF\x08\0\0\0AVI JUNK".to_vec();
    let matroska = b"\x1a\x45\xdf\xa3\x81x\x18\x53\x80\x67\x82\xec\x80".to_vec();
    let flv = b"FLV\x01\x05\0\0\0\x09\0\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\x0b".to_vec();
    let all = [
        movie,
        avi,
        matroska,
        flv,
        asf(),
        ogg(),
        transport,
        disc,
        program,
    ];
    for first in &all {
        for second in all.iter().filter(|second| *second != first) {
            let both = [&first[..], second].concat();
            assert_eq!(starts(&both), [first.len() as u64], "{:?}", &second[..16]);
        }
        assert!(starts(&[&first[..], b"some text behind it, and more of it"].concat()).is_empty());
        assert!(starts(&[&first[..], &[0; 100]].concat()).is_empty());
    }
}

#[test]
fn anything_else_is_one() {
    for bytes in [
        &b""[..],
        b"RI",
        b"OggS and so on and on",
        b"FLV",
        &[0; 64],
        &[0xff; 64],
    ] {
        assert!(starts(bytes).is_empty());
    }
}

/// Whatever is in them, files are searched to an end.
#[test]
fn damaged_files_are_searched_without_panic() {
    let whole = [atoms(&[b"ftyp", b"mdat", b"moov"]), asf(), ogg(), ogg()].concat();
    for at in 0..whole.len() {
        starts(&whole[..at]);
        for value in [0, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] = value;
            starts(&damaged);
        }
    }
}
