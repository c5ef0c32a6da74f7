//! `--clips`: one row a clip, beside the moments.

use std::path::PathBuf;

use tch::Device;

use super::BatchArgs;
use super::destination::Destination;
use crate::cmd::common::{Usage, say};
use crate::dataset::Dataset;
use crate::net::{Fusion, Weights};
use crate::sink::Sink;
use crate::sink::archive::{Archive, TableFiles};
use crate::sink::clips::{ClipsTable, Results};
use crate::text::plural;

/// The table of a run.
pub struct Clips {
    table: ClipsTable,
    files: TableFiles,
    /// If it is one of parts.
    dataset: Option<Dataset>,
    path: PathBuf,
    results: Results,
    quiet: bool,
}

impl Clips {
    /// Opens it, if it was asked for.
    ///
    /// # Errors
    /// [`Usage`] for a table that does not fit to OUT; one that cannot be written.
    pub fn open(
        args: &BatchArgs,
        to: &Destination<'_>,
        archive: &Archive,
    ) -> anyhow::Result<Option<Self>> {
        if !(0.0..=1.0).contains(&args.threshold) {
            return Err(Usage::error("--threshold is a probability: 0 to 1"));
        }
        let Some(path) = &args.clips else {
            return Ok(None);
        };
        let (files, dataset) = to.beside(path)?;
        let table = ClipsTable::open(files.clone(), args.threshold)?;
        let results = Results {
            out: archive.out().to_owned(),
            measured: archive.table_files().map(|files| files.measured.clone()),
        };
        Ok(Some(Self {
            table,
            files,
            dataset,
            path: path.clone(),
            results,
            quiet: args.stream.talk.quiet,
        }))
    }

    /// What has to listen to the run.
    ///
    /// # Errors
    /// If libtorch cannot take the weights, or the journal cannot be opened.
    pub fn sinks(clips: Option<&Self>, weights: &Weights) -> anyhow::Result<Vec<Box<dyn Sink>>> {
        let Some(clips) = clips else {
            return Ok(Vec::new());
        };
        let fusion = Fusion::new(weights, Device::Cpu)?;
        Ok(vec![Box::new(clips.table.chances(fusion)?)])
    }

    /// Writes the rows of all clips that OUT holds.
    ///
    /// # Errors
    /// Names the file that cannot be read or written.
    pub fn finish(self) -> anyhow::Result<()> {
        let rows = self.table.finish(&self.results)?;
        if let Some(dataset) = &self.dataset {
            dataset.publish(&self.files)?;
        }
        if !self.quiet {
            say(&format!(
                "{}: {}",
                plural(rows, "clip"),
                self.path.display()
            ));
        }
        Ok(())
    }
}
