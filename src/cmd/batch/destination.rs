//! OUT of `l3net batch`: a file, or this process's part of a folder.

use std::path::Path;

use super::BatchArgs;
use crate::cmd::common::{Usage, say};
use crate::cmd::sources::SourceArgs;
use crate::dataset::{Dataset, RUN_FORMAT, RunRecord, Shard, ShardReport};
use crate::file_error::FileError;
use crate::sink::SinkError;
use crate::sink::archive::{Archive, TableFiles};

use crate::time::{MediaTime, SAMPLE_RATE};

/// Where the results go, and of which sources.
pub struct Destination<'a> {
    out: &'a Path,
    /// If OUT is a folder or in a store.
    dataset: Option<Dataset>,
    /// The share of the sources that this process judges.
    pub shard: Shard,
}

impl<'a> Destination<'a> {
    /// Of OUT and `--shard`, else the scheduler's variables. Those count only if OUT is a
    /// folder: a job array may as well run over files of its own, one each.
    ///
    /// # Errors
    /// [`Usage`] if the shard is none of the run, or a scheduler has to say it and does not.
    pub fn of(out: &'a Path, from: &SourceArgs) -> anyhow::Result<Self> {
        let dataset = Dataset::is_meant_by(out)
            .then(|| Dataset::at(out))
            .transpose()?;
        let recorded = match &dataset {
            Some(dataset) => dataset.run()?.map(|run| run.shards),
            None => None,
        };
        let shard = match (&dataset, from.shard) {
            (None, None) => Shard::WHOLE,
            _ => from.shard(recorded)?,
        };
        Ok(Self {
            out,
            dataset,
            shard,
        })
    }

    /// Opens what the shard's results are written to.
    ///
    /// # Errors
    /// [`Usage`] if the shard does not fit to the run in that folder; what cannot be written.
    pub fn open(&self, args: &BatchArgs, model: &str) -> anyhow::Result<Archive> {
        let opened = match &self.dataset {
            None => Archive::open(self.out),
            Some(dataset) => {
                let differences = dataset.settle(&record(args, model, self.shard))?;
                if !differences.is_empty() {
                    return Err(Usage::error(format!(
                        "{}: holds a run with {}: join it with the same, or name another folder",
                        self.out.display(),
                        differences.join(", "),
                    )));
                }
                if args.qc {
                    dataset.expect_measured()?;
                }
                Archive::table(dataset.files(self.shard)?)
            }
        };
        opened.map_err(|error| match error {
            SinkError::File(FileError::Extension { path, .. }) => {
                Usage::error(FileError::Extension {
                    path,
                    expected: ".jsonl or .parquet (or be a folder)",
                })
            }
            other => other.into(),
        })
    }

    /// The files of another table for the same sources: a file, or this shard's part of a
    /// folder if OUT is one.
    ///
    /// # Errors
    /// [`Usage`] if the one is a folder and the other is not.
    #[cfg(feature = "parquet")]
    pub fn beside(&self, table: &Path) -> anyhow::Result<(TableFiles, Option<Dataset>)> {
        let refuse = |what: &str| {
            let out = self.out.display();
            Err(Usage::error(format!("{}: {what} {out}", table.display())))
        };
        let is_table = table
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("parquet"));
        match (&self.dataset, Dataset::is_meant_by(table)) {
            (Some(_), true) if is_same(table, self.out) => {
                refuse("is OUT already; name another folder than")
            }
            (Some(_), true) => {
                let dataset = Dataset::at(table)?;
                Ok((dataset.files(self.shard)?, Some(dataset)))
            }
            (Some(_), false) => refuse("must be a folder, as is"),
            (None, false) if is_table => Ok((TableFiles::beside(table), None)),
            (None, _) => refuse("must be a .parquet file, beside"),
        }
    }

    /// The shard is being worked on: it is not done any more.
    ///
    /// # Errors
    /// If its marker cannot be removed.
    pub fn begin(&self) -> Result<(), FileError> {
        match &self.dataset {
            Some(dataset) => dataset.mark(self.shard, None),
            None => Ok(()),
        }
    }

    /// What was written here goes to the store, if OUT is in one.
    ///
    /// # Errors
    /// Names what cannot be sent; it is still here then.
    pub fn publish(&self, written: Option<&TableFiles>, quiet: bool) -> Result<(), FileError> {
        let (Some(dataset), Some(files)) = (&self.dataset, written) else {
            return Ok(());
        };
        if dataset.publish(files)? && !quiet {
            say(&format!("sent to {}", self.out.display()));
        }
        Ok(())
    }

    /// All sources of the shard have been judged, but for those that `failed`.
    ///
    /// # Errors
    /// If the marker cannot be written.
    pub fn end(&self, sources: usize, failed: usize) -> Result<(), FileError> {
        let Some(dataset) = &self.dataset else {
            return Ok(());
        };
        let report = ShardReport {
            sources: sources as u64,
            failed: failed as u64,
            ended: now(),
        };
        dataset.mark(self.shard, Some(&report))
    }
}

/// Whatever the paths are called; URLs as they are written.
#[cfg(feature = "parquet")]
fn is_same(a: &Path, b: &Path) -> bool {
    let text = |path: &Path| {
        path.as_os_str()
            .to_string_lossy()
            .trim_end_matches('/')
            .to_owned()
    };
    text(a) == text(b) || same_file::is_same_file(a, b).unwrap_or(false)
}

fn now() -> String {
    format!("{:.0}", jiff::Timestamp::now())
}

/// What all shards of a run have in common: whatever changes its results.
fn record(args: &BatchArgs, model: &str, shard: Shard) -> RunRecord {
    let window = &args.stream.window;
    let tracks = &args.from.tracks;
    let number = |n: Option<u16>| n.map_or("default".to_owned(), |n| n.to_string());
    let seconds = window.seconds.map_or("all".to_owned(), |s| s.to_string());
    let hop = window.hop.samples() as f64 / f64::from(SAMPLE_RATE);
    let every = args.stream.frame_every.unwrap_or(MediaTime::ZERO);
    let every = every.as_secs_f64();
    let settings = [
        ("--hop", hop.to_string()),
        ("--crop", window.crop.name().to_owned()),
        ("--frame-every", every.to_string()),
        ("--seconds", seconds),
        ("--heatmap", args.stream.map.heatmap.to_string()),
        ("--audio-track", number(tracks.audio_track)),
        ("--video-track", number(tracks.video_track)),
        ("--qc", args.qc.to_string()),
        ("--keyframes", args.keyframes.to_string()),
    ];
    RunRecord {
        format: RUN_FORMAT.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        model: model.to_owned(),
        shards: shard.count,
        settings: settings
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec(),
        begun: now(),
    }
}
