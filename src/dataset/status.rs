//! How far the shards of a run have come.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::io;

use super::{DONE, Dataset, RunRecord, Shard, ShardReport, read};
use crate::file_error::FileError;

/// How far a run has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// What its shards have in common.
    pub run: RunRecord,
    /// Shards that are done.
    pub done: u32,
    /// Sources of the shards that are done.
    pub sources: u64,
    /// Those of them that could not be read.
    pub failed: u64,
    /// Shards in which some failed.
    pub failed_in: Vec<u32>,
    /// Shards that are not done …
    pub missing: Vec<u32>,
    /// … of which so many have begun.
    pub begun: u32,
}

impl Dataset {
    /// How far the run has come; `None` if none has begun.
    ///
    /// # Errors
    /// If the folder or a record in it cannot be read.
    pub fn status(&self) -> Result<Option<Status>, FileError> {
        let Some(run) = self.run()? else {
            return Ok(None);
        };
        let there = self.own_names()?;
        let mut status = Status {
            run,
            done: 0,
            sources: 0,
            failed: 0,
            failed_in: Vec::new(),
            missing: Vec::new(),
            begun: 0,
        };
        for index in 0..status.run.shards {
            let shard = Shard {
                index,
                count: status.run.shards,
            };
            let stem = shard.stem();
            let marked = there.contains(&format!("{stem}.{DONE}"));
            let report: Option<ShardReport> = match marked {
                true => read(&self.marker(shard))?,
                false => None,
            };
            if let Some(report) = report {
                status.done += 1;
                status.sources += report.sources;
                status.failed += report.failed;
                if report.failed > 0 {
                    status.failed_in.push(index);
                }
            } else {
                status.missing.push(index);
                status.begun += u32::from(there.contains(&format!("{stem}.jsonl")));
            }
        }
        Ok(Some(status))
    }

    /// The names of our own files: one look at the folder instead of two at each of 10,000
    /// shards, which on a network file system is a minute.
    fn own_names(&self) -> Result<HashSet<String>, FileError> {
        let folder = self.own("");
        let names = |folder| -> io::Result<HashSet<String>> {
            fs::read_dir(folder)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect()
        };
        names(&folder).map_err(FileError::io(&folder, "read"))
    }
}

/// Numbers in order as Slurm takes them: `3,7-9,20-40:5`.
pub fn array(numbers: &[u32]) -> String {
    let mut text = String::new();
    let mut rest = numbers;
    while let [first, ..] = *rest {
        let step = rest.get(1).map_or(1, |second| second - first);
        let even = rest.windows(2).take_while(|pair| pair[1] - pair[0] == step);
        let mut count = even.count() + 1;
        if count == 2 && step > 1 {
            count = 1;
        }
        let last = rest[count - 1];
        let comma = if text.is_empty() { "" } else { "," };
        let _ = match (count, step) {
            (1, _) => write!(text, "{comma}{first}"),
            (_, 1) => write!(text, "{comma}{first}-{last}"),
            _ => write!(text, "{comma}{first}-{last}:{step}"),
        };
        rest = &rest[count..];
    }
    text
}
