//! The OUT of `l3net batch`: `.jsonl` or `.parquet` that survives being killed.
//!
//! Policy:
//! - Every record is in the file's memory of the system before `append` comes
//!   back: a killed program loses at most the line it was writing.
//! - On opening, an incomplete last line is cut off; nothing else is ever
//!   removed or changed. A file with anything but our records is refused.
//! - A record that is there is not written again, so an unfinished stream can
//!   simply be decoded from its start: each moment is there exactly once.
//! - A stream that failed is tried again: its summary says that it did, in
//!   files of older versions an error behind the summary. What was said stays,
//!   as history; of a stream's summaries the last one holds. An error, or a
//!   summary of a try that came no further, is not told twice.
//! - `.parquet` cannot be appended to: records go to the journal
//!   `OUT.parquet.part.jsonl` and become `OUT.parquet` at [`Archive::finish`],
//!   in one step, with the rows that an older `OUT.parquet` held.
//! - One program at a time: the file is locked while it is open.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::archive_index::{End, Entry, EntryKind};
use super::lines::{beside, foreign};
use super::{ArchiveIndex, SinkError, jsonl, parquet};
use crate::lock::lock;
use crate::result::{Crop, GapReason, Record};

/// A line longer than this is not ours: ours are under 2 kB and hold a stream's
/// name or an error twice at most. Keeps memory bounded on foreign files.
const LONGEST_LINE: u64 = 1 << 20;
/// What each of our lines starts with.
const LINE_START: &[u8] = br#"{"type":""#;

/// An output file that can be gone on with.
pub struct Archive {
    out: PathBuf,
    /// The file of JSON lines: OUT itself, or the journal of a table.
    lines: PathBuf,
    file: File,
    /// Bytes of whole lines; `None` for a device or pipe.
    len: Option<u64>,
    line: Vec<u8>,
    progress: ArchiveIndex,
    table: bool,
}

impl Archive {
    /// Opens OUT, or makes it, and reads what it holds.
    ///
    /// # Errors
    /// Names the file if its ending is neither `.jsonl` nor `.parquet`, if it
    /// cannot be written, if another run writes it, or if it holds anything
    /// that is not ours.
    pub fn open(out: &Path) -> Result<Self, SinkError> {
        let ending = out.extension().unwrap_or_default();
        let table = match ending.to_str() {
            Some(e) if e.eq_ignore_ascii_case("jsonl") => false,
            Some(e) if e.eq_ignore_ascii_case("parquet") => true,
            _ => {
                return Err(SinkError::Extension {
                    path: out.to_owned(),
                    expected: ".jsonl or .parquet",
                });
            }
        };
        let mut progress = ArchiveIndex::default();
        let lines = if table {
            if let Some(found) = is_regular(out)? {
                if !found {
                    return Err(foreign(out, "it is no regular file"));
                }
                parquet::read_progress(out, &mut progress)?;
            }
            beside(out, ".part.jsonl")
        } else {
            out.to_owned()
        };
        let regular = is_regular(&lines)?.unwrap_or(true);
        let mut file = OpenOptions::new()
            .append(true)
            .read(regular)
            .create(true)
            .open(&lines)
            .map_err(SinkError::io(&lines, "write"))?;
        let mut len = None;
        if regular {
            if !lock(&file) {
                return Err(SinkError::Busy {
                    path: out.to_owned(),
                });
            }
            let whole = read_lines(&file, &lines, |line| {
                progress.admit(&line.entry()?);
                Some(())
            })?;
            len = Some(
                whole
                    .mend(&mut file)
                    .map_err(SinkError::io(&lines, "write"))?,
            );
        }
        Ok(Self {
            out: out.to_owned(),
            lines,
            file,
            len,
            line: Vec::with_capacity(1024),
            progress,
            table,
        })
    }

    /// The output.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// What the output holds, with all that was appended.
    pub fn index(&self) -> &ArchiveIndex {
        &self.progress
    }

    /// Writes the record, unless it is there; true if it was written.
    ///
    /// # Errors
    /// Names the file and the cause. The file then holds whole lines still, and
    /// the record counts as not written.
    pub fn append(&mut self, record: &Record) -> Result<bool, SinkError> {
        let entry = Entry::from(record);
        if !self.progress.is_new(&entry) {
            return Ok(false);
        }
        jsonl::to_line(record, &mut self.line);
        if let Err(cause) = self.file.write_all(&self.line) {
            if let Some(len) = self.len {
                // What fails here is mended when the file is opened again.
                let _ = self.file.set_len(len);
            }
            return Err(SinkError::io(&self.lines, "write")(cause));
        }
        if let Some(len) = &mut self.len {
            *len += self.line.len() as u64;
        }
        self.progress.admit(&entry);
        Ok(true)
    }

    /// Closes it without having written anything.
    ///
    /// # Errors
    /// Names the journal of a table that cannot be removed.
    pub fn leave(self) -> Result<(), SinkError> {
        if self.table && self.len == Some(0) {
            return std::fs::remove_file(&self.lines).map_err(SinkError::io(&self.lines, "remove"));
        }
        Ok(())
    }

    /// Brings everything to the disk; a journal becomes the table.
    ///
    /// Without this (the program was killed) nothing is lost either: the next
    /// [`Archive::open`] finds the lines.
    ///
    /// # Errors
    /// Names the file and the cause; the journal of a table then stays.
    pub fn finish(self) -> Result<(), SinkError> {
        if self.len.is_some() {
            let synced = self.file.sync_all();
            synced.map_err(SinkError::io(&self.lines, "write"))?;
        }
        if !self.table {
            return Ok(());
        }
        let old = is_regular(&self.out)?.is_some();
        if self.len != Some(0) || !old {
            parquet::write_table(&self.out, old, &self.lines)?;
        }
        // Locked until it is gone: nobody else appends to a journal that dies.
        std::fs::remove_file(&self.lines).map_err(SinkError::io(&self.lines, "remove"))
    }
}

/// Whether there is something of that name, and whether it is a regular file.
fn is_regular(path: &Path) -> Result<Option<bool>, SinkError> {
    match std::fs::metadata(path) {
        Ok(m) if m.is_dir() => Err(SinkError::io(path, "write")(
            io::ErrorKind::IsADirectory.into(),
        )),
        Ok(m) => Ok(Some(m.is_file())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(SinkError::io(path, "read")(e)),
    }
}

/// As much of a line as [`ArchiveIndex`] needs; borrows from it where it can.
#[derive(Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    stream: std::borrow::Cow<'a, str>,
    seq: Option<u64>,
    correspondence: Option<f32>,
    heatmap: Option<Looked>,
    start_ns: Option<u64>,
    why: Option<GapReason>,
    moments: Option<u64>,
    gaps: Option<u64>,
    #[serde(borrow)]
    model: Option<std::borrow::Cow<'a, str>>,
    bytes: Option<u64>,
    #[serde(default)]
    interrupted: bool,
    #[serde(borrow)]
    error: Option<std::borrow::Cow<'a, str>>,
}

/// What a moment looked at.
#[derive(Deserialize)]
struct Looked {
    crop: Crop,
}

impl Line<'_> {
    fn entry(&self) -> Option<Entry<'_>> {
        let kind = match &*self.kind {
            "moment" => EntryKind::Moment {
                seq: self.seq?,
                start_ns: self.start_ns?,
                crop: self.heatmap.as_ref().map(|looked| looked.crop),
                correspondence: self.correspondence.unwrap_or(f32::NAN),
            },
            "gap" => EntryKind::Gap {
                start_ns: self.start_ns?,
                why: self.why?,
            },
            "summary" => EntryKind::Summary(End {
                moments: self.moments?,
                gaps: self.gaps?,
                model: self.model.as_deref(),
                bytes: self.bytes,
                interrupted: self.interrupted,
                error: self.error.as_deref(),
            }),
            "error" => EntryKind::Error {
                text: self.error.as_deref()?,
            },
            _ => return None,
        };
        Some(Entry {
            stream: &self.stream,
            kind,
        })
    }
}

/// How a file of lines ends.
struct Whole {
    /// Bytes up to where the file is whole.
    len: u64,
    /// There is half a line behind that.
    torn: bool,
    /// The last record is whole and lacks only the end of its line.
    open: bool,
}

impl Whole {
    /// Makes the file end with a whole line; gives its length.
    fn mend(self, file: &mut File) -> io::Result<u64> {
        if self.torn {
            file.set_len(self.len)?;
        }
        if self.open {
            file.write_all(b"\n")?;
        }
        Ok(self.len + u64::from(self.open))
    }
}

/// Reads line by line, in memory of one line, and changes nothing.
fn read_lines(
    file: &File,
    path: &Path,
    mut take: impl FnMut(&Line<'_>) -> Option<()>,
) -> Result<Whole, SinkError> {
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut line = Vec::new();
    let (mut len, mut number) = (0_u64, 0_u64);
    loop {
        line.clear();
        let read = reader
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
            .map_err(SinkError::io(path, "read"))?;
        number += 1;
        let whole = line.last() == Some(&b'\n');
        let parsed = serde_json::from_slice::<Line<'_>>(&line).ok();
        if read == 0 || (whole && line.trim_ascii().is_empty()) {
            // Nothing to judge.
        } else if parsed.as_ref().and_then(&mut take).is_some() {
            if !whole {
                return Ok(Whole {
                    len: len + read as u64,
                    torn: false,
                    open: true,
                });
            }
        } else if whole || read as u64 == LONGEST_LINE || (len == 0 && !could_be_ours(&line)) {
            let why = format!("line {number} is no record of l3net");
            return Err(foreign(path, why));
        }
        if !whole {
            return Ok(Whole {
                len,
                torn: read > 0,
                open: false,
            });
        }
        len += read as u64;
    }
}

fn could_be_ours(torn: &[u8]) -> bool {
    torn.starts_with(LINE_START) || LINE_START.starts_with(torn)
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
