//! `l3net batch`: files, as fast as the machine can.

#[cfg(feature = "parquet")]
mod clips;
mod destination;
mod status;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::destination::Destination;
use super::clash;
use super::common::{Usage, WindowArgs, cancel_on_signal_in_time, output_folder};
#[cfg(feature = "monitor")]
use super::live::watch::Watch;
use super::progress::Bar;
use super::sources::SourceArgs;
use super::streams::{LIMIT_OR_LIVE, Run, StreamArgs, check_descriptions, refuse_endless};
use crate::cores::cores;
use crate::dataset::Shard;
use crate::media::{Held, Source, name};
use crate::net::ModelRecord;
use crate::result::StreamName;
use crate::sink::ArchiveIndex;
use crate::sink::retention::KeepLimits;
use crate::text::plural;

/// Process files and directories as fast as the machine can
///
/// The same command resumes where it stopped: finished files are not decoded again,
/// and each moment is in OUT exactly once. A file with the name of a finished one
/// but another size is recorded under its full path.
#[derive(clap::Args, Clone, Debug)]
pub struct BatchArgs {
    #[command(flatten)]
    pub(super) from: SourceArgs,
    /// Write results to this .jsonl or .parquet file, or to parts in a folder
    ///
    /// Into one folder, many processes may write, each its --shard: a file
    /// part-00003-of-00020.parquet, all together one table. There the default of
    /// --shard is what the scheduler says, if there is one.
    #[arg(long, short, required = true, value_name = "OUT", value_parser = output_folder)]
    pub output: Option<PathBuf>,
    /// Tell which shards of the run in DIR are missing, for sbatch; judge nothing
    #[arg(long, value_name = "DIR", exclusive = true)]
    pub status: Option<PathBuf>,
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
    /// Decode key frames only: faster, with different results
    ///
    /// Each window uses the nearest key frame, which may be seconds away (see frame_ns).
    /// Without this option, only frames that cannot change a result are skipped.
    #[arg(long, conflicts_with_all = ["qc", "frame_every", "overlay"])]
    pub keyframes: bool,
    /// Write one row a clip to this .parquet file (to a folder if OUT is one)
    ///
    /// Mean, percentiles and shares of the clip's moments, its longest mismatch, level,
    /// size; and chance_z: how much better its sound matches its own pictures than those
    /// of other clips of the run, in standard deviations.
    #[cfg(feature = "parquet")]
    #[arg(long, value_name = "CLIPS", value_parser = output_folder)]
    pub clips: Option<PathBuf>,
    /// Correspondence from which on --clips counts a moment as a match
    #[cfg(feature = "parquet")]
    #[arg(long, value_name = "P", default_value_t = 0.5, requires = "clips")]
    pub threshold: f32,
    #[command(flatten)]
    pub(super) stream: StreamArgs,
}

/// Runs over all files. True if all was done and nothing failed.
///
/// # Errors
/// Wrong usage, or what made the whole run impossible.
pub fn run(args: &BatchArgs) -> anyhow::Result<bool> {
    if let Some(folder) = &args.status {
        return status::run(folder, &mut std::io::stdout().lock());
    }
    let out = args.output.as_deref().expect("clap requires it");
    let to = Destination::of(out, &args.from)?;
    let listed = args.from.find(to.shard)?;
    let mut sources = listed.sources;
    refuse_endless(&sources, args.stream.window.seconds, LIMIT_OR_LIVE)?;
    check_descriptions(&sources)?;
    let cancel = cancel_on_signal_in_time()?;
    let weights = Arc::new(args.stream.net.judging_weights()?);
    let model = Arc::new(ModelRecord::of(&weights));
    let mut archive = to.open(args, &model.name)?;
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
    let refused = clash::refuse(
        &args.stream.output,
        &[(out.to_owned(), "OUT, where all lines are already")],
        &sources,
    )
    .and_then(|()| refuse_other_settings(args, out, &model.name, progress, &sources));
    if let Err(refused) = refused {
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
                out.display()
            );
        }
    }
    let done = all - sources.len();
    if !args.stream.talk.quiet {
        if to.shard != Shard::WHOLE {
            let of = plural(listed.all, "source");
            bar.say(&format!("{}: {all} of {of}", to.shard));
        }
        if done > 0 {
            bar.say(&format!(
                "{done} of {all} done already in {}",
                out.display()
            ));
        }
    }
    #[cfg(feature = "parquet")]
    let clips = clips::Clips::open(args, &to, &archive)?;
    let written = archive.table_files().cloned();
    if sources.is_empty() {
        bar.finish();
        archive.finish()?;
        #[cfg(feature = "parquet")]
        clips.map(clips::Clips::finish).transpose()?;
        to.publish(written.as_ref(), args.stream.talk.quiet)?;
        to.end(all, 0)?;
        return Ok(true);
    }
    #[cfg(feature = "store")]
    let staging = args.from.staging(&sources, &cancel)?;
    to.begin()?;
    #[cfg(feature = "parquet")]
    let sinks = clips::Clips::sinks(clips.as_ref(), &weights)?;
    #[cfg(not(feature = "parquet"))]
    let sinks = Vec::new();
    let outcome = Run {
        sources,
        asked: all,
        args: &args.stream,
        cancel,
        weights,
        model,
        archive: Some(archive),
        sinks,
        #[cfg(feature = "store")]
        staging: Some(staging),
        learning: None,
        hops: Vec::new(),
        #[cfg(feature = "monitor")]
        watch: Watch::default(),
        keep: KeepLimits::default(),
        real_time: false,
        wait_for_cameras: false,
        isolated: true,
        qc: args.qc,
        keyframes: args.keyframes,
        jobs: args.jobs.map_or_else(default_jobs, usize::from),
        bar,
    }
    .run()?;
    #[cfg(feature = "parquet")]
    clips.map(clips::Clips::finish).transpose()?;
    to.publish(written.as_ref(), args.stream.talk.quiet)?;
    if outcome.left == 0 && outcome.failed_sinks == 0 {
        to.end(all, outcome.failed)?;
    }
    Ok(outcome.is_good())
}

/// Refuses to mix settings in one OUT. With two hops of one file, some moments would be
/// missing and others there twice; moments of two models or crops, or of key frames and of
/// all, cannot be compared, whatever their files.
fn refuse_other_settings(
    args: &BatchArgs,
    out: &Path,
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
            (what, format!("with --hop {seconds:.3}"))
        } else if let Some(other) = there.other_crop(crop) {
            let other = other.name();
            let what = format!("{name} judged with --crop {other}");
            (what, format!("with --crop {other}"))
        } else if let Some(other) = there.other_keyframes(args.keyframes) {
            let (of, how) = match other {
                true => ("key frames only", "with --keyframes"),
                false => ("all frames", "without --keyframes"),
            };
            (format!("{name} judged by {of}"), how.to_owned())
        } else if let Some(other) = there.other_model(model) {
            let what = format!("{name} judged by {other}, not by {model}");
            (what, "with that --model".to_owned())
        } else {
            continue;
        };
        return Err(Usage::error(format!(
            "{}: holds {what}: resume {how}, or name another output",
            out.display()
        )));
    }
    Ok(())
}

/// Two keep the network busy while one file ends; more if cores would be idle.
pub(super) fn default_jobs() -> usize {
    (cores() / 2).clamp(2, 16)
}
