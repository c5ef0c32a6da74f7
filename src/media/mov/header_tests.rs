//! Headers put together field by field, as files of different makers have them.

use super::*;

fn atom(kind: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let size = 8 + body.len() as u32;
    [&size.to_be_bytes()[..], kind, &body].concat()
}

fn fields(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_be_bytes()).collect()
}

/// A full atom with a timescale and a length.
fn clock(kind: &[u8], timescale: u32, length: u32) -> Vec<u8> {
    let rest = [0_u8; 80];
    atom(kind, &[&fields(&[0, 0, 0, timescale, length]), &rest])
}

/// The same in version 1, with a length of 64 bits.
fn long_clock(kind: &[u8], timescale: u32, length: u64) -> Vec<u8> {
    let head = fields(&[0x0100_0000, 0, 0, 0, 0, timescale]);
    atom(kind, &[&head, &length.to_be_bytes(), &[0; 80]])
}

/// A track of a kind with a length in ms, and its sample descriptions. Each of its
/// samples lasts one unit.
fn track(id: u32, kind: &[u8], ms: u32, entries: &[Vec<u8>]) -> Vec<u8> {
    timed_track(id, kind, ms, entries, 1)
}

fn timed_track(id: u32, kind: &[u8], ms: u32, entries: &[Vec<u8>], unit: u32) -> Vec<u8> {
    let table = [
        atom(b"stsd", &[&fields(&[0, 1]), &entries.concat()]),
        atom(b"stts", &[&fields(&[0, 2, 900, unit, 100, unit])]),
    ];
    let media = [
        clock(b"mdhd", 1_000, ms),
        atom(b"hdlr", &[&fields(&[0, 0]), kind, &[0; 13]]),
        atom(b"minf", &[&atom(b"stbl", &[&table.concat()])]),
    ];
    let head = atom(b"tkhd", &[&fields(&[7, 0, 0, id, 0, ms]), &[0; 60]]);
    atom(b"trak", &[&head, &atom(b"mdia", &[&media.concat()])])
}

fn movie(ms: u32, tracks: &[Vec<u8>]) -> Vec<u8> {
    atom(b"moov", &[&clock(b"mvhd", 1_000, ms), &tracks.concat()])
}

fn corrected(moov: &[u8]) -> (Movie, Vec<u8>) {
    let movie = Movie::read(moov).expect("a header");
    let mut bytes = moov.to_vec();
    assert!(movie.correct(&mut bytes));
    assert_eq!(bytes.len(), moov.len());
    (movie, bytes)
}

#[test]
fn the_length_becomes_unknown_and_is_reported() {
    let sound = track(1, b"soun", 18_000, &[]);
    let (movie_of, bytes) = corrected(&movie(10_000, std::slice::from_ref(&sound)));
    assert_eq!(movie_of.length_ns, Some(10_000_000_000));
    assert_eq!(bytes, movie(0, &[sound]));

    let long = |length| atom(b"moov", &[&long_clock(b"mvhd", 90_000, length)]);
    let (movie_of, bytes) = corrected(&long(u64::from(u32::MAX) * 2));
    assert_eq!(movie_of.length_ns, Some(95_443_717_666_666));
    assert_eq!(bytes, long(0));

    let fragmented = |ms: u32| {
        let extends = atom(b"mvex", &[&atom(b"mehd", &[&fields(&[0, ms])])]);
        atom(b"moov", &[&clock(b"mvhd", 1_000, ms), &extends])
    };
    assert_eq!(corrected(&fragmented(4_000)).1, fragmented(0));
}

#[test]
fn lengths_that_say_nothing_are_not_reported() {
    for (timescale, length) in [(1_000, 0), (1_000, u32::MAX), (0, 5_000)] {
        let moov = atom(b"moov", &[&clock(b"mvhd", timescale, length)]);
        let (movie, _) = corrected(&moov);
        assert_eq!(movie.length_ns, None, "{length} of {timescale}");
    }
    let huge = atom(b"moov", &[&long_clock(b"mvhd", 1, u64::MAX)]);
    assert_eq!(corrected(&huge).0.length_ns, None);
}

#[test]
fn a_short_track_is_hidden_beside_a_longer_one_of_its_kind() {
    // (kinds and lengths in ms of the tracks of a movie of 10 s, the hidden ones)
    type Case<'a> = (&'a [(&'a [u8; 4], u32)], &'a [usize]);
    let cases: [Case<'_>; 6] = [
        (&[(b"vide", 40), (b"vide", 10_000), (b"soun", 10_000)], &[0]),
        (&[(b"vide", 10_000), (b"soun", 1_900)], &[]),
        (
            &[(b"vide", 10_000), (b"soun", 1_900), (b"soun", 2_000)],
            &[1],
        ),
        (&[(b"vide", 10_000), (b"soun", 0), (b"soun", 10_000)], &[1]),
        (&[(b"vide", 10_000), (b"tmcd", 40)], &[1]),
        (&[(b"vide", 900), (b"vide", 800), (b"soun", 500)], &[]),
    ];
    for (tracks, hidden) in cases {
        let tracks = tracks.iter().enumerate();
        let tracks = tracks.map(|(i, (kind, ms))| track(i as u32, *kind, *ms, &[]));
        let tracks: Vec<_> = tracks.collect();
        let mut expected = tracks.clone();
        for track in hidden {
            expected[*track][4..8].copy_from_slice(b"free");
        }
        let (_, bytes) = corrected(&movie(10_000, &tracks));
        assert_eq!(bytes, movie(0, &expected), "{hidden:?}");
    }
}

/// A sound's sample description of a version, with atoms in it.
fn entry(kind: &[u8], version: u16, atoms: &[u8]) -> Vec<u8> {
    let rate = 48_000_u32 << 16;
    let fixed = [
        &[0; 8][..], // of every description; the data's place
        &version.to_be_bytes(),
        &[0; 6],
        &[0, 1, 0, 16], // one channel, of 16 bits
        &[0; 4],
        &rate.to_be_bytes(),
    ];
    let more = match version {
        1 => fields(&[1, 4, 4, 4]),
        2 => fields(&[72, 0, 0, 1, 0x7f00_0000, 32, 1, 4, 1]),
        _ => Vec::new(),
    };
    atom(kind, &[&fixed.concat(), &more, atoms])
}

#[test]
fn the_byte_order_of_pcm_is_found_wherever_it_is_written() {
    let order = |value: u8| atom(b"enda", &[&[0, value]]);
    let wave = |inner: &[u8]| {
        let format = atom(b"frma", &[b"fl32"]);
        atom(b"wave", &[&format, &entry(b"fl32", 0, &[]), inner])
    };
    // (name, version, atoms, format that qtdemux takes it for)
    type Case<'a> = (&'a [u8; 4], u16, Vec<u8>, Option<&'a str>);
    let cases: [Case<'_>; 9] = [
        (b"fl32", 1, wave(&order(1)), Some("F32BE")),
        (b"fl64", 1, wave(&order(1)), Some("F64BE")),
        (b"in32", 1, wave(&order(1)), Some("S32BE")),
        (b"in24", 2, wave(&order(1)), Some("S24BE")),
        (b"fl32", 0, order(1), Some("F32BE")),
        (b"fl32", 1, wave(&order(0)), None),
        (b"fl32", 1, wave(&[]), None),
        (b"in32", 1, Vec::new(), None),
        (b"sowt", 1, order(1), None),
    ];
    for (kind, version, atoms, format) in cases {
        let track = track(3, b"soun", 10_000, &[entry(kind, version, &atoms)]);
        let (found, bytes) = corrected(&movie(10_000, std::slice::from_ref(&track)));
        let expected: Vec<_> = format.map(|format| (3, format)).into_iter().collect();
        assert_eq!(
            found.little_endian, expected,
            "{kind:?} {version} {atoms:?}"
        );
        assert_eq!(bytes, movie(0, &[track]));
    }
}

#[test]
fn pcm_by_the_names_of_iso_gets_those_of_quicktime() {
    let config = |flags: u8, bits: u8| atom(b"pcmC", &[&[0, 0, 0, 0, flags, bits]]);
    let sized = |mut entry: Vec<u8>, bits: u8| {
        entry[8 + 19] = bits;
        entry
    };
    // (name, flags, bits, name after, format that qtdemux takes it for)
    type Case<'a> = (&'a [u8; 4], u8, u8, &'a [u8; 4], Option<&'a str>);
    let cases: [Case<'_>; 7] = [
        (b"ipcm", 1, 16, b"sowt", None),
        (b"ipcm", 0, 24, b"twos", None),
        (b"ipcm", 1, 32, b"sowt", None),
        (b"fpcm", 0, 32, b"fl32", None),
        (b"fpcm", 1, 32, b"fl32", Some("F32BE")),
        (b"fpcm", 1, 64, b"fl64", Some("F64BE")),
        (b"ipcm", 1, 20, b"ipcm", None),
    ];
    for (kind, flags, bits, after, format) in cases {
        let of = |kind, bits, said| {
            let entry = sized(entry(kind, 0, &config(flags, bits)), said);
            track(1, b"soun", 10_000, &[entry])
        };
        let (found, bytes) = corrected(&movie(10_000, &[of(kind, bits, 16)]));
        let said = if kind == after { 16 } else { bits };
        assert_eq!(bytes, movie(0, &[of(after, bits, said)]), "{kind:?} {bits}");
        assert_eq!(found.little_endian.len(), usize::from(format.is_some()));
        assert_eq!(found.little_endian.first().map(|(_, f)| *f), format);
    }
}

#[test]
fn pcm_is_sent_by_chunks_where_a_sample_is_a_frame() {
    let config = atom(b"pcmC", &[&[0, 0, 0, 0, 1, 16]]);
    // (name, version, units of a sample, compression before and after)
    type Case<'a> = (&'a [u8; 4], u16, u32, [u8; 2], [u8; 2]);
    let cases: [Case<'_>; 6] = [
        (b"lpcm", 2, 1, [0xff, 0xfe], [0, 0]),
        (b"in24", 1, 1, [0xff, 0xfe], [0, 0]),
        (b"lpcm", 2, 1_024, [0xff, 0xfe], [0xff, 0xfe]),
        (b"mp4a", 2, 1, [0xff, 0xfe], [0xff, 0xfe]),
        (b"sowt", 1, 1, [0, 0], [0, 0]),
        (b"ipcm", 0, 1_024, [0, 0], [0xff, 0xfe]),
    ];
    for (kind, version, unit, before, after) in cases {
        let of = |kind: &[u8], compression: [u8; 2]| {
            let mut entry = entry(kind, version, &config);
            entry[28..30].copy_from_slice(&compression);
            timed_track(1, b"soun", 10_000, &[entry], unit)
        };
        let (_, bytes) = corrected(&movie(10_000, &[of(kind, before)]));
        let kind = if kind == b"ipcm" { b"sowt" } else { kind };
        assert_eq!(bytes, movie(0, &[of(kind, after)]), "{kind:?} {unit}");
    }
}

#[test]
fn a_damaged_header_is_read_as_far_as_it_goes() {
    let pcm = entry(b"fl32", 2, &atom(b"enda", &[&[0, 1]]));
    let tracks = [
        track(1, b"soun", 10_000, &[pcm]),
        track(2, b"vide", 10_000, &[]),
    ];
    let whole = movie(10_000, &tracks);
    for len in 0..whole.len() {
        assert_eq!(Movie::read(&whole[..len]), None, "cut at {len}");
        // The same, but every size says that it is whole.
        let mut cut = whole[..len].to_vec();
        if len >= 4 {
            cut[..4].copy_from_slice(&(len as u32).to_be_bytes());
        }
        if let Some(movie) = Movie::read(&cut) {
            movie.correct(&mut cut);
        }
    }
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut wrong = whole.clone();
            wrong[at] = value;
            if let Some(movie) = Movie::read(&wrong) {
                movie.correct(&mut wrong);
            }
        }
    }
}

#[test]
fn a_single_edit_that_ends_with_its_media_is_left_open_for_pushed_input() {
    const EMPTY: u32 = u32::MAX;
    // (edits of a track of 18 s: ms and begin in the media in ms; the one that is opened)
    type Case<'a> = (&'a [(u32, u32)], Option<usize>);
    let cases: [Case<'_>; 6] = [
        (&[(10_000, 8_000)], Some(0)),
        (&[(10_000, 8_050)], Some(0)),
        (&[(9_950, 8_000)], Some(0)),
        (&[(500, EMPTY), (10_000, 8_000)], Some(1)),
        (&[(5_000, 8_000)], None),
        (&[(5_000, 1_000), (10_000, 8_000)], None),
    ];
    let with = |edits: &[(u32, u32)]| {
        let rows: Vec<u8> = edits
            .iter()
            .flat_map(|(ms, at)| fields(&[*ms, *at, 1 << 16]))
            .collect();
        let list = atom(b"elst", &[&fields(&[0, edits.len() as u32]), &rows]);
        let mut track = track(1, b"soun", 18_000, &[]);
        track.extend(atom(b"edts", &[&list]));
        let size = track.len() as u32;
        track[..4].copy_from_slice(&size.to_be_bytes());
        track
    };
    for (edits, open) in cases {
        let moov = movie(10_000, &[with(edits)]);
        let mut bytes = moov.clone();
        Movie::read_pushed(&moov)
            .expect("a header")
            .correct(&mut bytes);
        let mut expected = edits.to_vec();
        if let Some(open) = open {
            expected[open].0 = 0;
        }
        assert_eq!(bytes, movie(0, &[with(&expected)]), "{edits:?}");
    }
}
