//! The table of `l3net batch --clips`: a row a clip.
//!
//! Policy:
//! - The rows are made at the end of a run from all that OUT holds, of this run and of
//!   earlier ones, and replace the table atomically. So each clip that has ended is in it
//!   exactly once, whatever stopped the runs before.
//! - `chance` needs the features, which OUT does not hold. It is noted in a journal when a
//!   clip ends, and is `null` for clips that an earlier run judged without `--clips`.

mod chances;
mod rows;
mod table;

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use chances::Chances;

use super::SinkError;
use super::archive::TableFiles;
use crate::clips::Chance;
use crate::lock::lock;
use crate::net::Fusion;
use crate::result::StreamName;

/// The table, and what is known of its clips already.
pub struct ClipsTable {
    files: TableFiles,
    journal: File,
    threshold: f32,
}

/// Where the results are that the rows are made of.
#[derive(Clone, Debug)]
pub struct Results {
    /// OUT: lines or a table.
    pub out: PathBuf,
    /// What `--qc` measured, if that is not in OUT.
    pub measured: Option<PathBuf>,
}

/// A line of the journal.
#[derive(Serialize, Deserialize)]
struct Noted {
    stream: StreamName,
    z: f32,
    clips: u32,
}

impl ClipsTable {
    /// Opens the table, whose rows say how many moments were at or over `threshold`.
    ///
    /// # Errors
    /// If it holds anything that is not ours, cannot be written, or another run writes it.
    pub fn open(files: TableFiles, threshold: f32) -> Result<Self, SinkError> {
        table::check(&files.table)?;
        let journal = OpenOptions::new()
            .append(true)
            .read(true)
            .create(true)
            .open(&files.journal)
            .map_err(SinkError::io(&files.journal, "write"))?;
        if !lock(&journal) {
            return Err(SinkError::Busy { path: files.table });
        }
        Ok(Self {
            files,
            journal,
            threshold,
        })
    }

    /// The sink that compares the clips of a run, by the fusion of its model.
    ///
    /// # Errors
    /// If the journal cannot be opened once more.
    pub fn chances(&self, fusion: Fusion) -> Result<Chances, SinkError> {
        let path = &self.files.journal;
        let journal = self.journal.try_clone();
        let journal = journal.map_err(SinkError::io(path, "write"))?;
        Ok(Chances::new(fusion, journal, path.clone()))
    }

    /// Writes the table of all clips in `results`; their number.
    ///
    /// # Errors
    /// Names the file that cannot be read or written. An older table is still there then.
    pub fn finish(self, results: &Results) -> Result<usize, SinkError> {
        let chances = self.chances_so_far()?;
        let rows = rows::read(results, self.threshold, &chances)?;
        table::write(&self.files, self.threshold, &rows)?;
        // Removed while still locked, so that nobody appends to it.
        let journal = &self.files.journal;
        std::fs::remove_file(journal).map_err(SinkError::io(journal, "remove"))?;
        Ok(rows.len())
    }

    /// Those in the table, and later ones in the journal.
    fn chances_so_far(&self) -> Result<HashMap<StreamName, Chance>, SinkError> {
        let path = &self.files.journal;
        let mut chances = table::chances(&self.files.table)?;
        let journal = File::open(path).map_err(SinkError::io(path, "read"))?;
        for line in BufReader::new(journal).split(b'\n') {
            let line = line.map_err(SinkError::io(path, "read"))?;
            // A killed run may have left a torn line.
            if let Ok(Noted { stream, z, clips }) = serde_json::from_slice(&line) {
                chances.insert(stream, Chance { z, clips });
            }
        }
        Ok(chances)
    }
}

/// Notes what was found of a clip.
fn note(mut journal: &File, stream: &StreamName, chance: Chance) -> std::io::Result<()> {
    let Chance { z, clips } = chance;
    let stream = stream.clone();
    // The newline first: before it there may be a torn line.
    let mut line = b"\n".to_vec();
    serde_json::to_writer(&mut line, &Noted { stream, z, clips })?;
    line.push(b'\n');
    journal.write_all(&line)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
