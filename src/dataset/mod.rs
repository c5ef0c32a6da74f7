//! An output of many parts, each written by a process of its own, on any machines that
//! share a folder.
//!
//! ```text
//! DIR/part-00003-of-00020.parquet          the table of shard 3, there once the shard is done
//! DIR/_qc/part-00003-of-00020.jsonl        what --qc measured
//! DIR/_l3net/run.json                      what all shards have in common
//! DIR/_l3net/part-00003-of-00020.done      a shard that is done, and what came of it
//! DIR/_l3net/part-00003-of-00020.jsonl     lines of a shard that is not
//! ```
//!
//! Readers of datasets (Spark, Hive, Arrow) pass over names that begin with `_`, so `DIR` as
//! a whole is one table.
//!
//! Belongs here: the layout, what is recorded of a run and its shards, what is missing. Does
//! not: the lines and tables themselves ([`crate::sink::archive`]).

mod run;
mod shard;
mod status;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use run::{RUN_FORMAT, RunRecord};
pub use shard::{AskedShard, Shard, resolve};
pub use status::{Status, array};

use crate::atomic_file;
use crate::file_error::FileError;
use crate::sink::archive::TableFiles;

/// What is not for readers of the table.
const OWN: &str = "_l3net";
const RUN: &str = "run.json";
const DONE: &str = "done";
/// Bytes of a record of ours, at most: what is longer is none.
const LONGEST: u64 = 1 << 20;

/// The folder of a run that may have many shards.
#[derive(Clone, Debug)]
pub struct Dataset {
    root: PathBuf,
}

/// What came of a shard that is done: the content of its marker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardReport {
    /// Sources in it.
    pub sources: u64,
    /// Those that could not be read; the same command tries them again.
    pub failed: u64,
    /// When it ended, in UTC (RFC 3339).
    pub ended: String,
}

impl Dataset {
    /// The dataset in this folder, which need not be there yet.
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Whether an output of this name is a folder of parts: it is a folder already, ends in
    /// a slash, or has no extension that would say the format of a file.
    pub fn is_meant_by(out: &Path) -> bool {
        let slash = out.as_os_str().as_encoded_bytes().ends_with(b"/");
        slash || out.is_dir() || (out.extension().is_none() && !out.exists())
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn own(&self, name: &str) -> PathBuf {
        self.root.join(OWN).join(name)
    }

    fn marker(&self, shard: Shard) -> PathBuf {
        self.own(&format!("{}.{DONE}", shard.stem()))
    }

    /// Makes the folders of a shard.
    ///
    /// # Errors
    /// Names the folder that cannot be made.
    pub fn files(&self, shard: Shard) -> Result<TableFiles, FileError> {
        let stem = shard.stem();
        let lines = format!("{stem}.jsonl");
        let files = TableFiles {
            table: self.root.join(format!("{stem}.parquet")),
            journal: self.own(&lines),
            measured: self.root.join("_qc").join(lines),
        };
        make(&self.root.join(OWN))?;
        Ok(files)
    }

    /// Records a run that begins, or compares it with the one that is recorded: what
    /// differs, in words.
    ///
    /// Of many processes that begin at once, one writes the record.
    ///
    /// # Errors
    /// If the record cannot be written, or is none of ours.
    pub fn settle(&self, run: &RunRecord) -> Result<Vec<String>, FileError> {
        make(&self.root.join(OWN))?;
        let path = self.own(RUN);
        if self.run()?.is_none() {
            let written = tempfile::NamedTempFile::new_in(self.root.join(OWN))
                .and_then(|mut file| {
                    serde_json::to_writer_pretty(&mut file, run)?;
                    file.as_file().sync_all()?;
                    readable(file.as_file())?;
                    Ok(file)
                })
                .map_err(FileError::io(&path, "write"))?
                .persist_noclobber(&path);
            match written {
                Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(FileError::io(&path, "write")(error.error));
                }
                _ => {}
            }
        }
        let recorded = self.run()?;
        Ok(recorded.map_or_else(Vec::new, |recorded| run.differences(&recorded)))
    }

    /// What all shards have in common; `None` if no run has begun.
    ///
    /// # Errors
    /// If it cannot be read, or is none of ours.
    pub fn run(&self) -> Result<Option<RunRecord>, FileError> {
        let path = self.own(RUN);
        let found: Option<RunRecord> = read(&path)?;
        match found {
            Some(run) if run.format != RUN_FORMAT => {
                let why = format!("its format is {}, not {RUN_FORMAT}", run.format);
                Err(FileError::format(&path, "read")(why))
            }
            found => Ok(found),
        }
    }

    /// Marks a shard as done, or as not done any more (`None`).
    ///
    /// # Errors
    /// If the marker cannot be written.
    pub fn mark(&self, shard: Shard, report: Option<&ShardReport>) -> Result<(), FileError> {
        let path = self.marker(shard);
        let done = match report {
            Some(report) => {
                let text = serde_json::to_vec(report).expect("plain data");
                atomic_file::write_to_disk(&path, &text)
            }
            None => match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                removed => removed,
            },
        };
        done.map_err(FileError::io(&path, "write"))
    }
}

fn make(folder: &Path) -> Result<(), FileError> {
    fs::create_dir_all(folder).map_err(FileError::io(folder, "make the folder"))
}

/// Temporary files are their owner's alone; the record is for all who may see the folder.
#[cfg(unix)]
fn readable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &fs::File) -> io::Result<()> {
    Ok(())
}

/// A record of ours; `None` if there is no such file.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FileError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Ok(found) if found.len() > LONGEST => {
            return Err(FileError::format(path, "read")("it is no record of l3net"));
        }
        _ => {}
    }
    let bytes = fs::read(path).map_err(FileError::io(path, "read"))?;
    let parsed = serde_json::from_slice(&bytes);
    parsed.map(Some).map_err(FileError::format(path, "read"))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
