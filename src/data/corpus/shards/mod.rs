//! Shards: recordings that were decoded once, in `.tar` files for training.
//!
//! Belongs here: how a clip is stored in a shard, writing shards, reading them. Does
//! not: decoding media (`prepare`), what is drawn from a clip (`Clips`).
//!
//! A shard is a plain tar in the layout of Python's `webdataset`: the members of a
//! clip share what stands before the first dot of their names.
//!
//! ```text
//! shard-000000.tar
//!     cam1_mp4-9f0c51d2a7e34b66-000000000.json        what it is (ClipInfo)
//!     cam1_mp4-9f0c51d2a7e34b66-000000000.flac        48 kHz, mono, 16 bits, 1 to 11 s
//!     cam1_mp4-9f0c51d2a7e34b66-000000000.0000.jpg    short side 256
//!     cam1_mp4-9f0c51d2a7e34b66-000000000.0001.jpg
//!     …
//!     cam1_mp4-9f0c51d2a7e34b66-000010000.json        the next piece of the recording
//! ```

mod codec;
mod format;
mod reader;
#[cfg(test)]
pub(in crate::corpus) mod testing;
#[cfg(test)]
mod tests;
mod writer;

pub use codec::{JPEG_QUALITY, encode_picture, encode_sound};
pub use format::{ClipInfo, FORMAT, Settings};
pub use reader::{StoredClip, read_shard};
pub use writer::{Clip, ShardWriter};

use std::path::{Path, PathBuf};

use super::error::CorpusError;

/// Whether it is a shard, or a folder of shards: of those that have the names that
/// [`ShardWriter`] gives, or of other tars and no folders. Beside folders another tar
/// is most likely what they were unpacked from.
pub fn holds_shards(path: &Path) -> bool {
    if !path.is_dir() {
        return path.extension().is_some_and(|e| e == "tar");
    }
    let is_folder = |entry: std::fs::DirEntry| entry.path().is_dir();
    let folders = std::fs::read_dir(path).map(|mut all| all.any(|e| e.is_ok_and(is_folder)));
    let found = find_shards(path).unwrap_or_default();
    let has_our_name = |shard: &PathBuf| {
        let name = shard.file_name().and_then(|name| name.to_str());
        name.and_then(writer::number).is_some()
    };
    found.iter().any(has_our_name) || !found.is_empty() && !folders.unwrap_or(true)
}

/// The shards that a path names: itself, or all in the folder, by name. Empty for
/// a folder without any.
///
/// # Errors
/// If the path does not exist or cannot be read.
pub fn find_shards(path: &Path) -> Result<Vec<PathBuf>, CorpusError> {
    let is_shard = |path: &Path| path.extension().is_some_and(|e| e == "tar");
    let meta = std::fs::metadata(path).map_err(|e| CorpusError::file(path, e))?;
    if !meta.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|e| CorpusError::layout(path, e))? {
        let file = entry.map_err(|e| CorpusError::layout(path, e))?.path();
        if is_shard(&file) && file.is_file() {
            found.push(file);
        }
    }
    found.sort();
    Ok(found)
}
