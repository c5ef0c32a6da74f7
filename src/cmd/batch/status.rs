//! `l3net batch --status DIR`: how far the shards of a run have come.

use std::io::Write;
use std::path::Path;

use crate::cmd::common::{Usage, say};
use crate::dataset::{Dataset, Status, array};
use crate::text::plural;

/// Tells on stderr what is done, and on stdout, for a scheduler, what is missing. True if
/// nothing is.
///
/// # Errors
/// [`Usage`] if the folder holds no run; what cannot be read.
pub fn run(folder: &Path, out: &mut impl Write) -> anyhow::Result<bool> {
    let Some(status) = Dataset::at(folder)?.status()? else {
        return Err(Usage::error(format!(
            "{}: no run has begun here; `l3net batch SOURCE -o {0}` begins one",
            folder.display()
        )));
    };
    for line in lines(&status) {
        say(&line);
    }
    if status.missing.is_empty() {
        return Ok(true);
    }
    writeln!(out, "--array={}", array(&status.missing))?;
    Ok(false)
}

fn lines(status: &Status) -> Vec<String> {
    let run = &status.run;
    let mut lines = vec![
        format!("{}, begun {}, l3net {}", run.model, run.begun, run.version),
        format!(
            "{} of {} done: {}",
            status.done,
            plural(run.shards, "shard"),
            plural(status.sources, "source")
        ),
    ];
    if status.failed > 0 {
        lines.push(format!(
            "{} failed in {}; their shards try them again with --array={}",
            plural(status.failed, "source"),
            plural(status.failed_in.len(), "shard"),
            array(&status.failed_in)
        ));
    }
    if !status.missing.is_empty() {
        lines.push(format!(
            "{} missing, of which {} begun",
            status.missing.len(),
            status.begun
        ));
    }
    lines
}
