//! Program tables: which streams there are, and what type each is said to have.

/// Table of programs, on this PID.
pub(super) const PAT_PID: u16 = 0;
const PAT: u8 = 0;
const PMT: u8 = 2;
/// Registration of Blu-ray's types.
const HDMV: &[u8] = b"HDMV";
/// "Private data": any codec.
const PRIVATE: u8 = 0x06;

/// Length of a table from its first bytes; `None` until there are three.
pub(super) fn length(section: &[u8]) -> Option<usize> {
    let &[_, high, low, ..] = section else {
        return None;
    };
    Some(3 + usize::from(u16::from_be_bytes([high & 0x0f, low])))
}

/// A whole table that is valid now, without its checksum.
fn body(section: &[u8], id: u8) -> Option<&[u8]> {
    let is_current = section.get(5)? & 1 == 1;
    let is_whole = length(section) == Some(section.len()) && section.len() >= 12;
    let is_one = section[0] == id && is_current && is_whole && checksum(section) == 0;
    is_one.then(|| &section[..section.len() - 4])
}

/// PIDs of the tables of programs.
pub(super) fn programs(section: &[u8]) -> Option<Vec<u16>> {
    let entries = body(section, PAT)?[8..].chunks_exact(4);
    // Program 0 is the network's table.
    let programs = entries.filter(|entry| entry[..2] != [0, 0]);
    Some(
        programs
            .map(|e| u16::from_be_bytes([e[2] & 0x1f, e[3]]))
            .collect(),
    )
}

/// A stream of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Declared {
    pub pid: u16,
    /// Place of its type in the table.
    pub at: usize,
    /// Whether the demuxer understands the type.
    pub is_known: bool,
    /// The program has Blu-ray's types.
    pub is_bluray: bool,
}

/// The streams of a program.
pub(super) fn streams(section: &[u8]) -> Option<Vec<Declared>> {
    let body = body(section, PMT)?;
    let of_program = usize::from(u16::from_be_bytes([body.get(10)? & 0x0f, *body.get(11)?]));
    let is_bluray = registration(body.get(12..12 + of_program)?) == Some(HDMV);
    let mut at = 12 + of_program;
    let mut streams = Vec::new();
    while let Some(&[kind, high, low, more, less]) = body.get(at..at + 5) {
        let length = usize::from(u16::from_be_bytes([more & 0x0f, less]));
        let descriptors = body.get(at + 5..at + 5 + length)?;
        streams.push(Declared {
            pid: u16::from_be_bytes([high & 0x1f, low]),
            at,
            is_known: is_known(kind, descriptors, is_bluray),
            is_bluray,
        });
        at += 5 + length;
    }
    Some(streams)
}

fn descriptors(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&[tag, length], rest) = bytes.split_first_chunk::<2>()?;
        let (content, rest) = rest.split_at_checked(usize::from(length))?;
        bytes = rest;
        Some((tag, content))
    })
}

fn registration(bytes: &[u8]) -> Option<&[u8]> {
    let found = descriptors(bytes).find(|(tag, _)| *tag == 0x05);
    found.and_then(|(_, content)| content.get(..4))
}

/// Whether tsdemux (1.22) makes a pad for a stream, or is right not to.
fn is_known(kind: u8, own: &[u8], is_bluray: bool) -> bool {
    match kind {
        // What follows a descriptor needs no guess: AC-3, E-AC-3, teletext, subtitles, AC-4
        // and Opus by extension.
        PRIVATE => {
            registration(own).is_some()
                || descriptors(own).any(|(tag, _)| matches!(tag, 0x56 | 0x59 | 0x6a | 0x7a | 0x7f))
        }
        // DTS; without Blu-ray's registration perhaps subtitles.
        0x82 => false,
        // Blu-ray's further audio. 0x86 is a splicing table elsewhere.
        0x84 | 0x85 | 0xa1 | 0xa2 => is_bluray,
        _ => true,
    }
}

/// CRC-32 of MPEG tables; 0 over a table with its checksum.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            (crc << 1) ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    })
}

/// The table with other types, and a checksum that fits.
pub(super) fn with_types(section: &[u8], types: &[(usize, u8)]) -> Vec<u8> {
    let mut section = section.to_vec();
    for &(at, kind) in types {
        section[at] = kind;
    }
    let end = section.len() - 4;
    let checksum = checksum(&section[..end]);
    section[end..].copy_from_slice(&checksum.to_be_bytes());
    section
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A table with its length and checksum.
    pub fn table(id: u8, content: &[u8]) -> Vec<u8> {
        let length = (5 + content.len() + 4) as u16;
        let [high, low] = length.to_be_bytes();
        let mut table = vec![id, 0xb0 | high, low, 0, 1, 0xc1, 0, 0];
        table.extend_from_slice(content);
        let sum = checksum(&table);
        table.extend_from_slice(&sum.to_be_bytes());
        table
    }

    pub fn pmt(of_program: &[u8], streams: &[(u8, u16, &[u8])]) -> Vec<u8> {
        let mut content = vec![0xe1, 0x00, 0xf0, of_program.len() as u8];
        content.extend_from_slice(of_program);
        for (kind, pid, own) in streams {
            let [high, low] = pid.to_be_bytes();
            content.extend_from_slice(&[*kind, 0xe0 | high, low, 0xf0, own.len() as u8]);
            content.extend_from_slice(own);
        }
        table(PMT, &content)
    }

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(checksum(b"123456789"), 0x0376_e6e7);
    }

    #[test]
    fn programs_and_streams_are_read() {
        let pat = table(PAT, &[0, 0, 0xe0, 0x10, 0, 1, 0xe1, 0x00, 0, 2, 0xff, 0xfe]);
        assert_eq!(programs(&pat), Some(vec![0x100, 0x1ffe]));
        let ours = pmt(
            b"\x05\x04HDMV",
            &[(0x1b, 0x1011, b""), (6, 0x1100, b"\x0a\x04eng\0")],
        );
        let found = streams(&ours).expect("it is whole");
        let listed: Vec<_> = found
            .iter()
            .map(|s| (s.pid, s.is_known, s.is_bluray))
            .collect();
        assert_eq!(listed, [(0x1011, true, true), (0x1100, false, true)]);
        let corrected = with_types(&ours, &[(found[1].at, 0x0f)]);
        assert_eq!(corrected.len(), ours.len());
        assert!(streams(&corrected).expect("still whole")[1].is_known);
        let mut damaged = ours.clone();
        damaged[14] ^= 1;
        assert_eq!(streams(&damaged), None);
        assert_eq!(streams(&ours[..20]), None);
    }

    #[test]
    fn what_the_demuxer_does_not_know() {
        let known = |kind, own: &[u8], is_bluray| is_known(kind, own, is_bluray);
        assert!(!known(6, b"", true) && !known(6, b"", false));
        assert!(
            !known(6, b"\x0a\x04eng\0", false),
            "a language says nothing"
        );
        assert!(known(6, b"\x6a\x01\0", false), "AC-3");
        assert!(known(6, b"\x05\x04Opus", false));
        assert!(!known(0x82, b"", true) && !known(0x82, b"", false));
        assert!(known(0x85, b"", true) && !known(0x85, b"", false));
        assert!(known(0x86, b"", false), "a splicing table");
        assert!(known(0x81, b"", false) && known(0x0f, b"", true));
    }
}
