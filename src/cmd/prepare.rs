//! `l3net prepare`: recordings, decoded once, into shards for training.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::clash::refuse_url;
use super::common::{TalkArgs, Usage, cancel_on_signal_in_time, output_folder};
use super::progress::Bar;
use super::sources::{SourceArgs, read_names};
use super::streams::{check_descriptions, refuse_endless};
use crate::dataset::Shard;
use crate::media::ProcessOpener;
#[cfg(feature = "store")]
use crate::media::StagedOpener;
use crate::prepare::{PrepareOptions, PrepareProgress, PrepareReport, prepare};
use crate::text::{plural, printable};

/// Decode recordings once into shards for training
///
/// DIR gets shard-000000.tar and so on, in the layout of Python's webdataset: for
/// each piece of up to 11 s its sound (FLAC, 48 kHz, mono), frames (JPEG, short
/// side 256) and a JSON. Files below a directory are labelled with the first
/// folder they lie in. Run again with the same DIR, it resumes.
#[derive(clap::Args, Clone, Debug)]
pub struct PrepareArgs {
    #[command(flatten)]
    from: SourceArgs,
    /// Of these, only the streams that FILE names, one a line
    ///
    /// Names as in the results of `l3net batch` for the same SOURCEs.
    #[arg(long, value_name = "FILE")]
    pub only: Option<PathBuf>,
    /// Folder for the shards; with --shard, for one of shards, part-I-of-N, of each
    #[arg(long, short, value_name = "DIR", value_parser = output_folder)]
    pub output: PathBuf,
    /// Frames that are kept of each second, at most
    #[arg(long, default_value = "4", value_name = "N", value_parser = parse_fps)]
    pub fps: f64,
    /// Files that are decoded side by side; fitting the cores if not given
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Size from which on a new shard is begun
    #[arg(long, default_value = "256", value_name = "MB", value_parser = parse_size)]
    pub shard_size: f64,
    #[command(flatten)]
    pub(super) talk: TalkArgs,
}

fn parse_fps(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(fps) if fps > 0.0 && fps <= 60.0 => Ok(fps),
        _ => Err("not a number over 0 and up to 60".to_owned()),
    }
}

fn parse_size(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(size) if size > 0.0 && size < 1e9 => Ok(size),
        _ => Err("not a number of megabytes over 0".to_owned()),
    }
}

/// Prepares all files. True if none failed.
///
/// # Errors
/// Wrong usage, or what made the whole run impossible.
pub fn run(args: &PrepareArgs) -> anyhow::Result<bool> {
    refuse_url(&args.output)?;
    let (mut sources, shard) = args.from.expand()?;
    if let Some(file) = &args.only {
        let names = read_names(file)?;
        sources.retain(|source| names.contains(&*source.name));
        if sources.is_empty() && shard == Shard::WHOLE {
            return Err(Usage::error(format!(
                "{}: names none of these SOURCEs",
                file.display()
            )));
        }
    }
    let out = match args.from.shard {
        None => args.output.clone(),
        Some(_) => args.output.join(shard.stem()),
    };
    let next = "record it to a file first, and prepare that";
    refuse_endless(&sources, None, next)?;
    check_descriptions(&sources)?;
    let bar = Bar::for_files(&sources, args.talk.quiet);
    args.talk.start_log(bar.writer());
    let mut options = PrepareOptions {
        fps: args.fps,
        shard_bytes: (args.shard_size * 1e6) as u64,
        ..PrepareOptions::default()
    };
    if let Some(jobs) = args.jobs {
        options.jobs = usize::from(jobs);
    }
    let stop = cancel_on_signal_in_time()?;
    let opener = ProcessOpener::new(options.jobs);
    #[cfg(feature = "store")]
    let opener = StagedOpener { inner: &opener };
    #[cfg(feature = "store")]
    let _staging = args.from.staging(&sources, &stop)?;
    let report = prepare(sources, &out, &options, &opener, &stop, |progress| {
        show_progress(&bar, progress);
    });
    bar.finish();
    let report = report?;
    print_report(&report, &bar, args.talk.quiet);
    Ok(report.failed.is_empty() && !report.interrupted)
}

/// Draws the progress.
pub(super) fn show_progress(bar: &Bar, progress: &PrepareProgress) {
    let seconds = progress.ms.load(Ordering::Relaxed) / 1_000;
    let frames = progress.frames.load(Ordering::Relaxed);
    bar.show_at(progress.positions.iter(), || {
        format!("{seconds} s with {frames} frames")
    });
}

/// Prints the report on stderr; with `quiet`, only what failed.
pub(super) fn print_report(report: &PrepareReport, bar: &Bar, quiet: bool) {
    if !quiet {
        if report.done_already > 0 {
            bar.say(&format!(
                "{} done already in {}",
                recordings(report.done_already),
                report.folder.display()
            ));
        }
        let (shards, bytes) = report.shards;
        bar.say(&format!(
            "{} prepared: {:.0} s with {} frames; {} in {} ({:.1} MB)",
            recordings(report.prepared),
            report.seconds,
            report.frames,
            plural(shards, "shard"),
            report.folder.display(),
            bytes as f64 / 1e6,
        ));
        for (name, damage) in &report.damaged {
            bar.say(&format!("  {}: damaged sound: {damage}", printable(name)));
        }
        if !report.skipped.is_empty() {
            bar.say(&format!("{} skipped:", recordings(report.skipped.len())));
        }
        for (name, why) in &report.skipped {
            bar.say(&format!("  {}: {why}", printable(name)));
        }
    }
    if !report.failed.is_empty() {
        bar.say(&format!("{} failed:", recordings(report.failed.len())));
    }
    for (name, why) in &report.failed {
        bar.say(&format!("  {}: {why}", printable(name)));
    }
    if report.interrupted {
        bar.say("l3net: stopped; the same command resumes the run");
    }
}

fn recordings(n: usize) -> String {
    plural(n, "recording")
}
