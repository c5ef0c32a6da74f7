//! `l3net batch`: files, as fast as the machine goes.

use std::path::PathBuf;

use super::clash;
use super::common::{Usage, WindowArgs, cancel_on_signal_in_time};
use super::progress::Bar;
use super::sources::find;
use super::streams::{Run, StreamArgs, check_descriptions, refuse_endless};
use crate::cores::cores;
use crate::media::{Held, Source, name};
use crate::result::StreamName;
use crate::sink::archive::Archive;
use crate::sink::retention::KeepLimits;
use crate::sink::{ArchiveIndex, SinkError};

/// Go through files and directories as fast as the machine can
///
/// Run again with the same OUT it goes on where it was: files that are done are
/// not decoded again, and each moment stands in OUT exactly once. A file with the
/// name of one that is done but another size goes in by its path.
#[derive(clap::Args, Clone, Debug)]
pub struct BatchArgs {
    /// Files, directories (walked), URIs
    #[arg(required = true, value_name = "SOURCE")]
    pub sources: Vec<String>,
    /// Where results go: a .jsonl or .parquet file
    #[arg(long, short, value_name = "OUT")]
    pub output: PathBuf,
    /// Files that are decoded side by side; fitting the cores if not given
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    #[command(flatten)]
    pub(super) stream: StreamArgs,
}

/// Runs over all files.
///
/// # Errors
/// Wrong usage, or what made the whole run impossible.
pub fn run(args: &BatchArgs) -> anyhow::Result<bool> {
    let mut sources = find(&args.sources)?;
    refuse_endless(&sources, &args.stream.window)?;
    check_descriptions(&sources)?;
    let archive = Archive::open(&args.output).map_err(|error| match error {
        SinkError::Extension { .. } => Usage::error(error),
        other => other.into(),
    })?;
    let all = sources.len();
    let progress = archive.index();
    let renamed = name(&mut sources, |source, name| match progress.stream(name) {
        None => Held::Free,
        Some(_) if progress.is_of_another(name, source.bytes()) => Held::ByOther,
        Some(_) => Held::ByIt,
    });
    clash::refuse(&args.stream.output, Some(&args.output), &sources)?;
    let cancel = cancel_on_signal_in_time()?;
    let weights = args.stream.net.weights()?;
    let model = weights.identity();
    if let Err(refused) = refuse_other_settings(args, &model, progress, &sources) {
        archive.leave()?;
        return Err(refused);
    }
    let sources: Vec<Source> = sources
        .into_iter()
        .filter(|s| !progress.is_finished(&s.name))
        .collect();
    let bar = Bar::for_files(&sources, args.stream.talk.quiet);
    args.stream.talk.start_log(bar.writer());
    for source in &sources {
        let is_it = |[_, longer]: &&[StreamName; 2]| *longer == source.name;
        if let Some([short, longer]) = renamed.iter().find(is_it)
            && progress.is_of_another(short, source.bytes())
        {
            tracing::warn!(
                "{short}: {} holds a file of that name and another size; this one goes in as \
                 {longer}",
                args.output.display()
            );
        }
    }
    let done = all - sources.len();
    if done > 0 && !args.stream.talk.quiet {
        bar.say(&format!(
            "{done} of {all} done already in {}",
            args.output.display()
        ));
    }
    if sources.is_empty() {
        bar.finish();
        archive.finish()?;
        return Ok(true);
    }
    Run {
        sources,
        asked: all,
        args: &args.stream,
        cancel,
        weights,
        model,
        archive: Some(archive),
        keep: KeepLimits::default(),
        real_time: false,
        jobs: args.jobs.map_or_else(default_jobs, usize::from),
        bar,
    }
    .run()
}

/// Moments of two hops of a file in one OUT would leave out some and have others twice;
/// those of two models, or of two parts of the picture, cannot be held against each other,
/// whatever they are of.
fn refuse_other_settings(
    args: &BatchArgs,
    model: &str,
    progress: &ArchiveIndex,
    sources: &[Source],
) -> anyhow::Result<()> {
    let WindowArgs { hop, crop, .. } = args.stream.window;
    let mut there: Vec<_> = progress.streams().collect();
    there.sort_by_key(|(name, _)| *name);
    for (name, there) in there {
        let is_asked = || sources.iter().any(|source| source.name == *name);
        let (what, how) = if let Some(ns) = there.other_hop(hop).filter(|_| is_asked()) {
            let seconds = ns as f64 / 1e9;
            let what = format!("a moment of {name} every {seconds:.3} s");
            (what, format!("--hop {seconds:.3}"))
        } else if let Some(other) = there.other_crop(crop) {
            let other = other.name();
            let what = format!("{name} judged with --crop {other}");
            (what, format!("--crop {other}"))
        } else if let Some(other) = there.other_model(model) {
            let what = format!("{name} judged by {other}, not by {model}");
            (what, "that --model".to_owned())
        } else {
            continue;
        };
        return Err(Usage::error(format!(
            "{}: holds {what}: go on with {how}, or name another output",
            args.output.display()
        )));
    }
    Ok(())
}

/// Two keep the network busy over the end of a file; more where cores are idle.
pub(super) fn default_jobs() -> usize {
    (cores() / 2).clamp(2, 16)
}
