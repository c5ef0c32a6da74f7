//! How far the shards of a run have come.

use std::fmt::Write as _;

use super::{DONE, Dataset, OWN, RunRecord, Shard, ShardReport};
use crate::file_error::FileError;

/// Records that are read at once.
const AT_ONCE: usize = 32;

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
        // One look at the folder instead of two at each of 10,000 shards, which on a network
        // file system is a minute.
        let there = self.place.names(OWN)?;
        let count = run.shards;
        let mut status = Status {
            run,
            done: 0,
            sources: 0,
            failed: 0,
            failed_in: Vec::new(),
            missing: Vec::new(),
            begun: 0,
        };
        let shards = (0..count).map(|index| Shard { index, count });
        let is_marked = |shard: &Shard| there.contains(&format!("{}.{DONE}", shard.stem()));
        let (marked, missing): (Vec<_>, Vec<_>) = shards.partition(is_marked);
        for (shard, report) in self.reports(&marked)? {
            status.done += 1;
            status.sources += report.sources;
            status.failed += report.failed;
            if report.failed > 0 {
                status.failed_in.push(shard.index);
            }
        }
        for shard in missing {
            status.missing.push(shard.index);
            let has_begun = there.contains(&format!("{}.jsonl", shard.stem()));
            status.begun += u32::from(has_begun);
        }
        Ok(Some(status))
    }

    /// The reports of shards that are done, many at once: a store takes 20 ms for each.
    fn reports(&self, shards: &[Shard]) -> Result<Vec<(Shard, ShardReport)>, FileError> {
        let read = |shard: Shard| -> Result<Option<(Shard, ShardReport)>, FileError> {
            let report = self.read(&Self::marker(shard))?;
            Ok(report.map(|report| (shard, report)))
        };
        let part = shards.len().div_ceil(AT_ONCE).max(1);
        std::thread::scope(|scope| {
            let readers: Vec<_> = shards
                .chunks(part)
                .map(|part| scope.spawn(move || part.iter().map(|s| read(*s)).collect()))
                .collect();
            let mut all = Vec::with_capacity(shards.len());
            for reader in readers {
                let found: Result<Vec<_>, FileError> = reader.join().expect("it does not panic");
                all.extend(found?.into_iter().flatten());
            }
            Ok(all)
        })
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
