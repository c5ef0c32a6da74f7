//! Clips into shards.
//!
//! Policy:
//! - A shard is written as `shard-000000.tar.part` and gets its name when it is
//!   whole and on the disk: a program that is killed leaves whole shards only.
//! - What a run left as `.part` is removed when the folder is opened again.
//! - A shard is closed with the first clip that brings it to its size; no clip is
//!   in two shards.
//! - The same clips give the same bytes: no time of day, no user in the headers.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::format::ClipInfo;
use crate::corpus::error::CorpusError;

/// A clip with its members, encoded.
#[derive(Clone, Debug)]
pub struct Clip {
    /// What it is.
    pub info: ClipInfo,
    /// FLAC.
    pub sound: Vec<u8>,
    /// JPEGs, one for each time in `info`.
    pub frames: Vec<Vec<u8>>,
}

/// Writes clips into a folder of shards.
pub struct ShardWriter {
    folder: PathBuf,
    /// Bytes from which on a shard is closed.
    size: u64,
    next: u32,
    open: Option<OpenShard>,
}

struct OpenShard {
    tar: tar::Builder<BufWriter<File>>,
    part: PathBuf,
    whole: PathBuf,
    bytes: u64,
}

impl ShardWriter {
    /// Opens a folder, or makes it, and continues after the shards that it has.
    ///
    /// # Errors
    /// If the folder cannot be made, read or cleared of unfinished shards.
    pub fn open(folder: &Path, size: u64) -> Result<Self, CorpusError> {
        std::fs::create_dir_all(folder)
            .map_err(|e| CorpusError::layout(folder, format!("cannot be made: {e}")))?;
        let mut next = 0;
        for entry in std::fs::read_dir(folder).map_err(|e| CorpusError::layout(folder, e))? {
            let file = entry.map_err(|e| CorpusError::layout(folder, e))?.path();
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            match number(&name) {
                Some((number, true)) => next = next.max(number + 1),
                Some((_, false)) => std::fs::remove_file(&file)
                    .map_err(|e| CorpusError::file(&file, format!("cannot be removed: {e}")))?,
                None => {}
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            size,
            next,
            open: None,
        })
    }

    /// Adds a clip. True if its shard is whole now, with all that came before.
    ///
    /// # Errors
    /// Names the shard and the cause. The shards that are whole stay.
    pub fn append(&mut self, clip: &Clip) -> Result<bool, CorpusError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        let part = open.part.clone();
        let open = self.open.insert(open);
        write(open, clip).map_err(|e| {
            // A shard that lacks a member would only fill the disk.
            self.open = None;
            refuse(&part, &e)
        })?;
        if self.open.as_ref().is_some_and(|o| o.bytes >= self.size) {
            self.close()?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether clips are written that no whole shard holds yet.
    pub fn has_unfinished(&self) -> bool {
        self.open.is_some()
    }

    /// Closes the shard that is being written, however small it is.
    ///
    /// # Errors
    /// Names the shard and the cause.
    pub fn close(&mut self) -> Result<(), CorpusError> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        let whole = open.whole.clone();
        finish(&mut open).map_err(|e| refuse(&whole, &e))?;
        self.next += 1;
        Ok(())
    }

    fn begin(&self) -> Result<OpenShard, CorpusError> {
        let whole = self.folder.join(format!("shard-{:06}.tar", self.next));
        let part = whole.with_extension("tar.part");
        let file = File::create(&part).map_err(|e| refuse(&part, &e))?;
        Ok(OpenShard {
            tar: tar::Builder::new(BufWriter::with_capacity(1 << 20, file)),
            part,
            whole,
            bytes: 0,
        })
    }
}

impl Drop for OpenShard {
    fn drop(&mut self) {
        // Renamed if it is whole; otherwise of no use to anybody.
        let _ = std::fs::remove_file(&self.part);
    }
}

fn write(open: &mut OpenShard, clip: &Clip) -> io::Result<()> {
    let json = serde_json::to_vec(&clip.info)?;
    add(open, &clip.info.json_name(), &json)?;
    add(open, &clip.info.sound_name(), &clip.sound)?;
    for (i, frame) in clip.frames.iter().enumerate() {
        add(open, &clip.info.frame_name(i), frame)?;
    }
    Ok(())
}

fn add(open: &mut OpenShard, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_size(bytes.len() as u64);
    open.tar.append_data(&mut header, name, bytes)?;
    open.bytes += (512 + bytes.len().next_multiple_of(512)) as u64;
    Ok(())
}

fn finish(open: &mut OpenShard) -> io::Result<()> {
    open.tar.finish()?;
    let file = open.tar.get_mut();
    file.flush()?;
    file.get_ref().sync_all()?;
    std::fs::rename(&open.part, &open.whole)
}

fn refuse(file: &Path, cause: &io::Error) -> CorpusError {
    let next_step = match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make room and run the same command again to resume"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; name a folder that can be written to"
        }
        _ => "",
    };
    CorpusError::file(file, format!("cannot be written: {cause}{next_step}"))
}

/// The number of a shard, and whether it is whole.
pub(super) fn number(name: &str) -> Option<(u32, bool)> {
    let rest = name.strip_prefix("shard-")?;
    let (digits, whole) = match rest.strip_suffix(".tar.part") {
        Some(digits) => (digits, false),
        None => (rest.strip_suffix(".tar")?, true),
    };
    Some((digits.parse().ok()?, whole))
}
