//! `l3net batch`: files, as fast as the machine can.

use std::sync::Arc;

use std::path::PathBuf;

use super::clash;
use super::common::{Usage, WindowArgs, cancel_on_signal_in_time};
#[cfg(feature = "monitor")]
use super::live::watch::Watch;
use super::progress::Bar;
use super::sources::{TrackArgs, find};
use super::streams::{LIMIT_OR_LIVE, Run, StreamArgs, check_descriptions, refuse_endless};
use crate::cores::cores;
use crate::file_error::FileError;
use crate::media::{Held, Source, name};
use crate::net::ModelRecord;
use crate::result::StreamName;
use crate::sink::archive::Archive;
use crate::sink::retention::KeepLimits;
use crate::sink::{ArchiveIndex, SinkError};

/// Process files and directories as fast as the machine can
///
/// The same command resumes where it stopped: finished files are not decoded again,
/// and each moment is in OUT exactly once. A file with the name of a finished one
/// but another size is recorded under its full path.
#[derive(clap::Args, Clone, Debug)]
pub struct BatchArgs {
    /// Files, directories (walked), URIs
    #[arg(required = true, value_name = "SOURCE")]
    pub sources: Vec<String>,
    #[command(flatten)]
    tracks: TrackArgs,
    /// Write results to this .jsonl or .parquet file
    #[arg(long, short, value_name = "OUT")]
    pub output: PathBuf,
    /// Files to decode in parallel; by the number of cores if not given
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Measure all of each file: black, frozen, silent, loudness
    ///
    /// By the definitions of ffmpeg's blackdetect, freezedetect and silencedetect,
    /// and of EBU R128. One record of type qc for each file, in OUT, or, if OUT is
    /// a table, in OUT.qc.jsonl. Files that were finished without it are read again
    /// for it, but not judged again.
    #[arg(long, conflicts_with = "seconds")]
    pub qc: bool,
    #[command(flatten)]
    pub(super) stream: StreamArgs,
}

/// Runs over all files. True if all was done and nothing failed.
///
/// # Errors
/// Wrong usage, or what made the whole run impossible.
pub fn run(args: &BatchArgs) -> anyhow::Result<bool> {
    let mut sources = args.tracks.of(find(&args.sources)?);
    refuse_endless(&sources, args.stream.window.seconds, LIMIT_OR_LIVE)?;
    check_descriptions(&sources)?;
    let mut archive = Archive::open(&args.output).map_err(|error| match error {
        SinkError::File(FileError::Extension { .. }) => Usage::error(error),
        other => other.into(),
    })?;
    if args.qc {
        archive.expect_measured()?;
    }
    let all = sources.len();
    let progress = archive.index();
    let renamed = name(&mut sources, |source, name| match progress.stream(name) {
        None => Held::Free,
        Some(_) if progress.is_of_another(name, source.bytes()) => Held::ByOther,
        Some(_) => Held::ByIt,
    });
    let out = (args.output.clone(), "OUT, where all lines are already");
    clash::refuse(&args.stream.output, &[out], &sources)?;
    let cancel = cancel_on_signal_in_time()?;
    let weights = Arc::new(args.stream.net.judging_weights()?);
    let model = Arc::new(ModelRecord::of(&weights));
    if let Err(refused) = refuse_other_settings(args, &model.name, progress, &sources) {
        archive.leave()?;
        return Err(refused);
    }
    let sources: Vec<Source> = sources
        .into_iter()
        .filter(|s| {
            let is_measured = !args.qc || progress.is_measured(&s.name, s.bytes());
            !(progress.is_finished(&s.name) && is_measured)
        })
        .collect();
    let bar = Bar::for_files(&sources, args.stream.talk.quiet);
    args.stream.talk.start_log(bar.writer());
    for source in &sources {
        let is_it = |[_, longer]: &&[StreamName; 2]| *longer == source.name;
        if let Some([short, longer]) = renamed.iter().find(is_it)
            && progress.is_of_another(short, source.bytes())
        {
            tracing::warn!(
                "{short}: {} has a file of that name and another size; this one is recorded as \
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
        learning: None,
        hops: Vec::new(),
        #[cfg(feature = "monitor")]
        watch: Watch::default(),
        keep: KeepLimits::default(),
        real_time: false,
        wait_for_cameras: false,
        isolated: true,
        qc: args.qc,
        jobs: args.jobs.map_or_else(default_jobs, usize::from),
        bar,
    }
    .run()
}

/// Refuses to mix settings in one OUT. With two hops of one file, some moments would be
/// missing and others there twice; moments of two models or crops cannot be compared,
/// whatever their files.
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
            "{}: holds {what}: resume with {how}, or name another output",
            args.output.display()
        )));
    }
    Ok(())
}

/// Two keep the network busy while one file ends; more if cores would be idle.
pub(super) fn default_jobs() -> usize {
    (cores() / 2).clamp(2, 16)
}
