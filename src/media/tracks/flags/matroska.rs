//! Flags of the tracks of Matroska and WebM: matroskademux tells which are default, and not
//! which are commentaries.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use super::Flags;
use crate::media::joined::element;

/// What a file begins with.
pub(super) const MAGIC: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];

/// Elements, by their identifiers.
const SEGMENT: u32 = 0x1853_8067;
const TRACKS: u32 = 0x1654_ae6b;
const CLUSTER: u32 = 0x1f43_b675;
const TRACK_ENTRY: u32 = 0xae;
const TRACK_NUMBER: u32 = 0xd7;
const FLAG_COMMENTARY: u32 = 0x55af;
/// For those who do not see.
const FLAG_VISUAL_IMPAIRED: u32 = 0x55ac;

/// Largest list of tracks that is read, in bytes: fonts and the like are elsewhere.
const LARGEST: u64 = 1 << 24;
/// Most elements before it.
const MOST: usize = 1_000;

/// The flags in the file that begins where this one is.
pub(super) fn read(file: File) -> Option<BTreeMap<u32, Flags>> {
    let tracks = tracks(file)?;
    let entries = elements(&tracks).filter(|(id, _)| *id == TRACK_ENTRY);
    Some(entries.filter_map(|(_, entry)| track(entry)).collect())
}

/// The content of the list of tracks. What comes after the first cluster is not looked at.
fn tracks(mut file: File) -> Option<Vec<u8>> {
    for _ in 0..MOST {
        let mut head = [0; 16];
        let begin = file.stream_position().ok()?;
        let read = (&file).take(16).read(&mut head).ok()?;
        let (id, len, size) = element(head.get(..read)?)?;
        let inside = begin.checked_add(len as u64)?;
        file.seek(SeekFrom::Start(inside)).ok()?;
        match (id, size) {
            (SEGMENT, _) => {}
            (TRACKS, Some(size)) => {
                let mut content = Vec::new();
                file.take(size.min(LARGEST))
                    .read_to_end(&mut content)
                    .ok()?;
                return Some(content);
            }
            (CLUSTER, _) | (_, None) => return None,
            (_, Some(size)) => {
                file.seek(SeekFrom::Start(inside.checked_add(size)?)).ok()?;
            }
        }
    }
    None
}

fn track(entry: &[u8]) -> Option<(u32, Flags)> {
    let number = |wanted| {
        let (_, value) = elements(entry).find(|(id, _)| *id == wanted)?;
        Some(
            value
                .iter()
                .fold(0_u64, |n, byte| n << 8 | u64::from(*byte)),
        )
    };
    let flags = Flags {
        is_default: None,
        is_beside: [FLAG_COMMENTARY, FLAG_VISUAL_IMPAIRED]
            .iter()
            .any(|flag| number(*flag).is_some_and(|value| value != 0)),
    };
    Some((u32::try_from(number(TRACK_NUMBER)?).ok()?, flags))
}

/// The elements in an element.
fn elements(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let (id, len, size) = element(bytes)?;
        let (value, rest) = bytes
            .get(len..)?
            .split_at_checked(usize::try_from(size?).ok()?)?;
        bytes = rest;
        Some((id, value))
    })
}

#[cfg(test)]
mod tests {
    use super::super::flags;
    use super::*;

    fn of(id: &[u8], content: &[u8]) -> Vec<u8> {
        [id, &[0x80 | content.len() as u8], content].concat()
    }

    #[test]
    fn commentaries_are_found_by_their_flags() {
        let entry = |number: u8, more: &[u8]| {
            let content = [&of(&[0xd7], &[number])[..], &of(&[0x83], &[2]), more].concat();
            of(&[0xae], &content)
        };
        let tracks = [
            of(&[0xec], &[0; 9]),
            entry(1, &of(&[0x55, 0xaf], &[1])),
            entry(2, &of(&[0x55, 0xaf], &[0])),
            entry(3, &of(&[0x55, 0xac], &[0, 1])),
            entry(4, &[]),
        ];
        let file = [
            of(&MAGIC, b"matroska"),
            b"\x18\x53\x80\x67\xff".to_vec(), // a segment of unknown size
            of(&[0x15, 0x49, 0xa9, 0x66], &[1; 30]),
            of(&[0x16, 0x54, 0xae, 0x6b], &tracks.concat()),
        ]
        .concat();
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.mkv");
        std::fs::write(&path, &file).expect("written");
        let beside = |at| {
            let flags = flags(&path, at).into_iter();
            flags
                .map(|(track, flags)| (track, flags.is_beside))
                .collect::<Vec<_>>()
        };
        let expected = [(1, true), (2, false), (3, true), (4, false)];
        assert_eq!(beside(0), expected);
        std::fs::write(&path, [&b"1234567"[..], &file].concat()).expect("written");
        assert_eq!(beside(7), expected);
        // Cut anywhere it is no panic.
        for length in 0..file.len() {
            std::fs::write(&path, &file[..length]).expect("written");
            assert!(beside(0).len() <= 4);
        }
    }
}
