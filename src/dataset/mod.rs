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

mod place;
mod run;
mod shard;
mod status;

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use self::place::Place;
pub use run::{RUN_FORMAT, RunRecord};
pub use shard::{AskedShard, Shard, resolve};
pub use status::{Status, array};

use crate::file_error::FileError;
#[cfg(feature = "store")]
use crate::hash::fnv1a;
use crate::sink::archive::TableFiles;

/// What is not for readers of the table.
const OWN: &str = "_l3net";
const RUN: &str = "_l3net/run.json";
const MEASURED: &str = "_qc";
const DONE: &str = "done";
/// Extensions of outputs that are files.
const FORMATS: [&str; 3] = ["jsonl", "parquet", "npz"];

/// The folder, or place in a store, of a run that may have many shards.
#[derive(Clone)]
pub struct Dataset {
    root: PathBuf,
    place: Place,
    /// Where the files of its shards are while they are written.
    local: PathBuf,
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

/// Whether an output is a URL; only `batch` writes to such.
pub fn is_url(out: &Path) -> bool {
    Place::is_url(out)
}

impl Dataset {
    /// The dataset at OUT, which need not be there yet.
    ///
    /// # Errors
    /// If it is in a store that cannot be opened.
    pub fn at(root: &Path) -> Result<Self, FileError> {
        let place = Place::of(root)?;
        let local = match &place {
            Place::Folder(root) => root.clone(),
            #[cfg(feature = "store")]
            Place::Store { at, .. } => {
                // With and without a slash it is the same place.
                let key = fnv1a(at.to_string().trim_end_matches('/').as_bytes());
                crate::cache::folder()
                    .join("batch")
                    .join(format!("{key:016x}"))
            }
        };
        Ok(Self {
            root: root.to_owned(),
            place,
            local,
        })
    }

    /// Whether an output of this name is a folder of parts: a URL, ends in a slash, or has no
    /// extension that says the format of a file and is a folder, or nothing yet.
    pub fn is_meant_by(out: &Path) -> bool {
        let slash = out.as_os_str().as_encoded_bytes().ends_with(b"/");
        let is_format = |e: &std::ffi::OsStr| FORMATS.iter().any(|f| e.eq_ignore_ascii_case(f));
        let is_file = out.extension().is_some_and(is_format);
        let is_new = || out.extension().is_none() && !out.exists();
        Place::is_url(out) || slash || !is_file && (out.is_dir() || is_new())
    }

    /// OUT.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn marker(shard: Shard) -> String {
        format!("{OWN}/{}.{DONE}", shard.stem())
    }

    /// Makes the folders of a shard. If the dataset is in a store, they are on the local
    /// disk, and what the store has of the shard is fetched, unless there is something left
    /// that was not sent there.
    ///
    /// # Errors
    /// Names the folder that cannot be made, or what cannot be fetched.
    pub fn files(&self, shard: Shard) -> Result<TableFiles, FileError> {
        let stem = shard.stem();
        let lines = format!("{stem}.jsonl");
        let files = TableFiles {
            table: self.local.join(format!("{stem}.parquet")),
            journal: self.local.join(OWN).join(&lines),
            measured: self.local.join(MEASURED).join(lines),
        };
        make(&self.local.join(OWN))?;
        #[cfg(feature = "store")]
        self.fetch(&files)?;
        Ok(files)
    }

    /// Makes the folder for what is measured of a shard.
    ///
    /// # Errors
    /// Names the folder that cannot be made.
    pub fn expect_measured(&self) -> Result<(), FileError> {
        make(&self.local.join(MEASURED))
    }

    /// Sends the files of a shard to the store, each whole, and removes them here. False if
    /// there is nothing to do, as in a folder.
    ///
    /// # Errors
    /// Names what cannot be sent; it is still here then, and is sent by the next run.
    pub fn publish(&self, files: &TableFiles) -> Result<bool, FileError> {
        #[cfg(feature = "store")]
        if let Place::Store { store, at } = &self.place {
            for (key, file) in self.sent(files) {
                if file.exists() {
                    let sent = store.upload(at.join(&key).key(), file, &|| true);
                    sent.map_err(|error| place::failed(file, "send it", error))?;
                    fs::remove_file(file).map_err(FileError::io(file, "remove"))?;
                }
            }
            return Ok(true);
        }
        #[cfg(not(feature = "store"))]
        let _ = files;
        Ok(false)
    }

    #[cfg(feature = "store")]
    fn fetch(&self, files: &TableFiles) -> Result<(), FileError> {
        let Place::Store { store, at } = &self.place else {
            return Ok(());
        };
        for (key, file) in self.sent(files) {
            let at = at.join(&key);
            let failed = |error| place::failed(file, "fetch it", error);
            if !file.exists() && store.find(at.key()).map_err(failed)?.is_some() {
                make(file.parent().unwrap_or(&self.local))?;
                store.fetch(at.key(), file, &|| true).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// What is in the store of a shard, and where it is here.
    #[cfg(feature = "store")]
    fn sent<'a>(&self, files: &'a TableFiles) -> [(String, &'a PathBuf); 2] {
        [&files.table, &files.measured].map(|file| {
            let below = file.strip_prefix(&self.local).unwrap_or(file);
            (below.to_string_lossy().into_owned(), file)
        })
    }

    /// Records a run that begins, or compares it with the one that is recorded: what
    /// differs, in words.
    ///
    /// Of many processes that begin at once, one writes the record.
    ///
    /// # Errors
    /// If the record cannot be written, or is none of ours.
    pub fn settle(&self, run: &RunRecord) -> Result<Vec<String>, FileError> {
        let recorded = match self.run()? {
            Some(recorded) => Some(recorded),
            None => {
                let text = serde_json::to_vec_pretty(run).expect("plain data");
                self.place.create(RUN, &text)?;
                self.run()?
            }
        };
        Ok(recorded.map_or_else(Vec::new, |recorded| run.differences(&recorded)))
    }

    /// What all shards have in common; `None` if no run has begun.
    ///
    /// # Errors
    /// If it cannot be read, or is none of ours.
    pub fn run(&self) -> Result<Option<RunRecord>, FileError> {
        let found: Option<RunRecord> = self.read(RUN)?;
        match found {
            Some(run) if run.format != RUN_FORMAT => {
                let why = format!("its format is {}, not {RUN_FORMAT}", run.format);
                Err(FileError::format(&self.root.join(RUN), "read")(why))
            }
            found => Ok(found),
        }
    }

    /// A record of ours; `None` if there is no such file.
    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, FileError> {
        let Some(bytes) = self.place.read(name)? else {
            return Ok(None);
        };
        let parsed = serde_json::from_slice(&bytes);
        let path = self.root.join(name);
        parsed.map(Some).map_err(FileError::format(&path, "read"))
    }

    /// Marks a shard as done, or as not done any more (`None`).
    ///
    /// # Errors
    /// If the marker cannot be written.
    pub fn mark(&self, shard: Shard, report: Option<&ShardReport>) -> Result<(), FileError> {
        let name = Self::marker(shard);
        match report {
            Some(report) => {
                let text = serde_json::to_vec(report).expect("plain data");
                self.place.write(&name, &text)
            }
            None => self.place.remove(&name),
        }
    }
}

fn make(folder: &Path) -> Result<(), FileError> {
    fs::create_dir_all(folder).map_err(FileError::io(folder, "make the folder"))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
