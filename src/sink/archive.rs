//! The OUT of `l3net batch`: `.jsonl` or `.parquet` that survives being killed.
//!
//! Policy:
//! - Every record has been passed to the system before `append` returns: a killed program
//!   loses at most the line that it was writing.
//! - On opening, an incomplete last line is cut off; nothing else is ever removed or
//!   changed. A file with anything but our records is refused.
//! - A record that is already there is not written again, so an unfinished stream can simply
//!   be decoded from its start: each moment is there exactly once.
//! - A stream that failed is tried again. Its summary has the error; in files of older
//!   versions an error record follows the summary. Earlier records stay as history; the
//!   last summary of a stream is valid. An error, or the summary of a try that got no
//!   further, is not repeated.
//! - `.parquet` cannot be appended to: records go to the journal `OUT.parquet.part.jsonl`.
//!   At [`Archive::finish`] they atomically become `OUT.parquet`, together with the rows
//!   of an older `OUT.parquet`.
//! - The table's columns are fixed, so what `--qc` measures lies beside it, as lines:
//!   `OUT.parquet` has `OUT.qc.jsonl`, by the same rules. It is there only if asked for.
//! - The file is locked while it is open: one program at a time.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::archive_index::{End, Entry, EntryKind};
use super::lines::foreign;
use super::{ArchiveIndex, SinkError, jsonl, parquet};
use crate::features::Crop;
use crate::file_error::FileError;
use crate::lock::lock;
use crate::result::{GapReason, Record};

/// A line longer than this is not ours: those of a moment are under 2 kB, plus at most two
/// names or errors, and a day of which every other 2 s are black, frozen and silent takes
/// 5 MB. Bounds memory for foreign files.
const LONGEST_LINE: u64 = 16 << 20;
/// The start of each of our lines.
const LINE_START: &[u8] = br#"{"type":""#;

/// An output file that a later run can resume.
pub struct Archive {
    out: PathBuf,
    /// OUT itself, or the journal of a table.
    lines: LineFile,
    /// Of a table only: what was measured.
    measured: Option<LineFile>,
    line: Vec<u8>,
    progress: ArchiveIndex,
    /// If OUT is a table.
    table: Option<TableFiles>,
}

/// The files of a table.
#[derive(Clone, Debug)]
pub struct TableFiles {
    /// The table.
    pub table: PathBuf,
    /// Lines that are not in the table yet.
    pub journal: PathBuf,
    /// What was measured.
    pub measured: PathBuf,
}

impl TableFiles {
    /// All in one folder: `OUT.parquet`, `OUT.parquet.part.jsonl`, `OUT.qc.jsonl`.
    pub fn beside(table: &Path) -> Self {
        let mut journal = table.as_os_str().to_owned();
        journal.push(".part.jsonl");
        Self {
            table: table.to_owned(),
            journal: journal.into(),
            measured: table.with_extension("qc.jsonl"),
        }
    }

    /// The table while it is being written: beside the journal, on the same disk.
    pub(super) fn unfinished(&self) -> PathBuf {
        self.journal.with_extension("")
    }
}

/// A file of JSON lines that is appended to.
struct LineFile {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines; `None` for a device or pipe.
    len: Option<u64>,
}

impl LineFile {
    /// Opens or creates it, takes what it holds into `progress` and mends its end. `out` is
    /// what it belongs to.
    fn open(path: PathBuf, out: &Path, progress: &mut ArchiveIndex) -> Result<Self, SinkError> {
        let regular = is_regular(&path)?.unwrap_or(true);
        let mut file = OpenOptions::new()
            .append(true)
            .read(regular)
            .create(true)
            .open(&path)
            .map_err(SinkError::io(&path, "write"))?;
        let mut len = None;
        if regular {
            if !lock(&file) {
                return Err(SinkError::Busy {
                    path: out.to_owned(),
                });
            }
            let whole = read_lines(&file, &path, |line| {
                progress.admit(&line.entry()?);
                Some(())
            })?;
            len = Some(
                whole
                    .mend(&mut file)
                    .map_err(SinkError::io(&path, "write"))?,
            );
        }
        Ok(Self { path, file, len })
    }

    fn append(&mut self, line: &[u8]) -> Result<(), SinkError> {
        if let Err(cause) = self.file.write_all(line) {
            if let Some(len) = self.len {
                // If this fails, the next opening repairs the file.
                let _ = self.file.set_len(len);
            }
            return Err(SinkError::io(&self.path, "write")(cause));
        }
        if let Some(len) = &mut self.len {
            *len += line.len() as u64;
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), SinkError> {
        match self.len {
            Some(_) => (self.file.sync_all()).map_err(SinkError::io(&self.path, "write")),
            None => Ok(()),
        }
    }

    fn remove(self) -> Result<(), SinkError> {
        std::fs::remove_file(&self.path).map_err(SinkError::io(&self.path, "remove"))
    }

    /// Nothing was ever written to it.
    fn is_empty(&self) -> bool {
        self.len == Some(0)
    }
}

impl Archive {
    /// Opens or creates OUT and reads what it holds.
    ///
    /// # Errors
    /// If the extension is neither `.jsonl` nor `.parquet`, if the file cannot be written, if
    /// another run is writing it, or if it holds anything that is not ours.
    pub fn open(out: &Path) -> Result<Self, SinkError> {
        let ending = out.extension().unwrap_or_default();
        match ending.to_str() {
            Some(e) if e.eq_ignore_ascii_case("jsonl") => Self::open_files(out, None),
            Some(e) if e.eq_ignore_ascii_case("parquet") => Self::table(TableFiles::beside(out)),
            _ => Err(FileError::Extension {
                path: out.to_owned(),
                expected: ".jsonl or .parquet",
            }
            .into()),
        }
    }

    /// As [`open`](Self::open), of a table whose files are anywhere.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn table(files: TableFiles) -> Result<Self, SinkError> {
        let out = files.table.clone();
        Self::open_files(&out, Some(files))
    }

    fn open_files(out: &Path, table: Option<TableFiles>) -> Result<Self, SinkError> {
        let mut progress = ArchiveIndex::default();
        if table.is_some() {
            parquet::check(out)?;
            if let Some(found) = is_regular(out)? {
                if !found {
                    return Err(foreign(out, "it is no regular file"));
                }
                parquet::read_progress(out, &mut progress)?;
            }
        }
        let lines = table.as_ref().map_or(out, |files| &files.journal);
        Ok(Self {
            out: out.to_owned(),
            lines: LineFile::open(lines.to_owned(), out, &mut progress)?,
            measured: None,
            line: Vec::with_capacity(1024),
            progress,
            table,
        })
    }

    /// Prepares for records of what was measured ([`Record::Qc`]). They go to OUT, or, as a
    /// table has no columns for them, to the file beside it.
    ///
    /// # Errors
    /// As [`open`](Self::open), about the file beside the table.
    pub fn expect_measured(&mut self) -> Result<(), SinkError> {
        if let Some(files) = self.table.as_ref().filter(|_| self.measured.is_none()) {
            let path = files.measured.clone();
            self.measured = Some(LineFile::open(path, &self.out, &mut self.progress)?);
        }
        Ok(())
    }

    /// The output.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// Its files, if the output is a table.
    pub fn table_files(&self) -> Option<&TableFiles> {
        self.table.as_ref()
    }

    /// What the output holds, including what has been appended.
    pub fn index(&self) -> &ArchiveIndex {
        &self.progress
    }

    /// Writes the record unless it is already there; true if it was written.
    ///
    /// # Errors
    /// Names the file and the cause. The file still holds whole lines only, and the record
    /// counts as not written.
    pub fn append(&mut self, record: &Record) -> Result<bool, SinkError> {
        let entry = Entry::from(record);
        let is_measured = matches!(record, Record::Qc(_));
        if is_measured {
            self.expect_measured()?;
        }
        if !self.progress.is_new(&entry) {
            return Ok(false);
        }
        jsonl::to_line(record, &mut self.line);
        let beside = self.measured.as_mut().filter(|_| is_measured);
        beside.unwrap_or(&mut self.lines).append(&self.line)?;
        self.progress.admit(&entry);
        Ok(true)
    }

    /// Closes an archive to which nothing was written.
    ///
    /// # Errors
    /// If the journal of a table cannot be removed.
    pub fn leave(self) -> Result<(), SinkError> {
        if let Some(measured) = self.measured.filter(LineFile::is_empty) {
            measured.remove()?;
        }
        match self.table.is_some() && self.lines.is_empty() {
            true => self.lines.remove(),
            false => Ok(()),
        }
    }

    /// Syncs everything to the disk; a journal becomes the table.
    ///
    /// Without this call (if the program is killed) nothing is lost either: the next
    /// [`Archive::open`] finds the lines.
    ///
    /// # Errors
    /// Names the file and the cause; the journal of a table is kept.
    pub fn finish(mut self) -> Result<(), SinkError> {
        // Half a gigabyte for a million streams; the table is made with an index of its own.
        self.progress = ArchiveIndex::default();
        self.lines.sync()?;
        if let Some(measured) = &self.measured {
            measured.sync()?;
        }
        let Some(files) = &self.table else {
            return Ok(());
        };
        let old = is_regular(&self.out)?.is_some();
        if !self.lines.is_empty() || !old {
            parquet::write_table(&self.out, old, &files.journal, &files.unfinished())?;
        }
        // Removed while still locked, so that nobody appends to it.
        self.lines.remove()
    }
}

/// Whether the path exists, and whether it is a regular file.
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

/// The part of a line that [`ArchiveIndex`] needs; borrows from the line where possible.
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
    keyframes: bool,
    #[serde(default)]
    interrupted: bool,
    #[serde(borrow)]
    error: Option<std::borrow::Cow<'a, str>>,
}

/// The `heatmap` of a moment's line.
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
            "qc" => EntryKind::Qc { bytes: self.bytes },
            "summary" => EntryKind::Summary(End {
                moments: self.moments?,
                gaps: self.gaps?,
                model: self.model.as_deref(),
                bytes: self.bytes,
                keyframes: self.keyframes,
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
    /// Bytes up to the end of the last complete record.
    len: u64,
    /// An incomplete line follows.
    torn: bool,
    /// The last record is complete except for its newline.
    open: bool,
}

impl Whole {
    /// Repairs the end of the file; returns its length.
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

/// Reads line by line, with memory for one line, and changes nothing.
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
            // Empty.
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

#[cfg(all(test, feature = "parquet"))]
#[path = "archive_tests.rs"]
mod tests;
