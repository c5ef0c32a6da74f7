//! Flags of tracks that GStreamer's demuxers (1.22) keep to themselves, read from the file.

mod matroska;
mod movie;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// What a container says of a track.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    /// It is to be played; `None` where the demuxer tells it.
    pub is_default: Option<bool>,
    /// It goes with the recording: a commentary, or a description for the blind.
    pub is_beside: bool,
}

/// The flags of each track, by its number, in the recording that begins at a place of a file;
/// none if the container has none. A file that cannot be read, or is damaged, has none either;
/// its demuxer says more.
pub(super) fn flags(path: &Path, begin: u64) -> BTreeMap<u32, Flags> {
    let read = || {
        let mut file = File::open(path).ok()?;
        let mut head = [0; 4];
        file.seek(SeekFrom::Start(begin)).ok()?;
        file.read_exact(&mut head).ok()?;
        file.seek(SeekFrom::Start(begin)).ok()?;
        match head {
            matroska::MAGIC => matroska::read(file),
            _ => movie::read(file),
        }
    };
    read().unwrap_or_default()
}
