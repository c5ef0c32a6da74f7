//! `l3net live`: real time, never behind.

use std::sync::Arc;

#[cfg(feature = "monitor")]
mod check;
#[cfg(feature = "monitor")]
pub mod reload;
#[cfg(feature = "monitor")]
pub mod service;
#[cfg(feature = "monitor")]
mod telling;
#[cfg(feature = "monitor")]
pub mod watch;

use super::clash;
use super::common::{Usage, cancel_or_reload, parse_time, say};
use super::learning::{Learning, LearningArgs};
use super::outputs::Outcome;
use super::progress::Bar;
use super::sources::{TrackArgs, expand};
use super::streams::{Run, StreamArgs, check_descriptions};
use bytesize::ByteSize;
use jiff::SignedDuration;

use crate::media::{Source, SourceKind};
use crate::net::{ModelRecord, Weights};
use crate::sink::retention::KeepLimits;

/// Monitor cameras, microphones and streams in real time
///
/// Never falls behind: what cannot be judged in time is dropped, counted and
/// reported as a gap. Cameras and network streams that fail are reopened.
#[derive(clap::Args, Clone, Debug)]
pub struct LiveArgs {
    /// What to monitor: camera, camera:N, rtsp://…, test, a file, a description
    #[arg(value_name = "SOURCE")]
    #[cfg_attr(feature = "monitor", arg(required_unless_present = "streams"))]
    #[cfg_attr(not(feature = "monitor"), arg(required = true))]
    pub sources: Vec<String>,
    /// Wait for cameras that are not there yet, beyond three tries
    #[arg(long)]
    pub wait: bool,
    #[command(flatten)]
    tracks: TrackArgs,
    #[command(flatten)]
    pub(super) stream: StreamArgs,
    #[command(flatten)]
    keep: KeepArgs,
    #[command(flatten)]
    learning: LearningArgs,
    #[cfg(feature = "monitor")]
    #[command(flatten)]
    watch: watch::WatchArgs,
}

/// Which pictures are kept.
#[derive(clap::Args, Clone, Debug)]
struct KeepArgs {
    /// Delete the oldest --heatmaps beyond this size, such as 20GB
    #[arg(long, value_name = "SIZE", requires = "heatmaps")]
    heatmaps_max_size: Option<ByteSize>,
    /// Delete --heatmaps older than this, such as 7d or 12h
    #[arg(long, value_name = "TIME", requires = "heatmaps", value_parser = parse_time)]
    heatmaps_max_age: Option<SignedDuration>,
}

impl From<&KeepArgs> for KeepLimits {
    fn from(args: &KeepArgs) -> Self {
        Self {
            bytes: args.heatmaps_max_size.map(|size| size.0),
            age: args.heatmaps_max_age,
        }
    }
}

/// Says once of which streams little can be expected, and what helps.
fn say_what_it_knows(weights: &Weights, is_default: bool, sources: &[Source]) {
    let known = weights.cameras();
    let unknown: Vec<&Source> = (sources.iter())
        .filter(|source| !known.contains_key(source.camera()))
        .filter(|source| !matches!(source.kind, SourceKind::Test(_)))
        .collect();
    let Some(first) = unknown.first() else {
        return;
    };
    let model = weights.source().display();
    if !known.is_empty() {
        say(&format!(
            "l3net: {} has none of the names that {model} has learnt ({}): no z_score",
            first.name,
            known.keys().cloned().collect::<Vec<_>>().join(", ")
        ));
    } else if is_default && weights.is_trained() {
        say(&format!(
            "l3net: {model} has not learnt these streams. It knows some common things and their \
             sounds; of real film that it has not seen it judges 55 % of the seconds rightly, \
             hardly more than by chance. Once it has learnt them, it tells whose sound is whose; it \
             learns during the run with --adapt cameras.safetensors"
        ));
    }
}

/// The streams of a file, then those of the command line.
fn all_sources(mut from_file: Vec<Source>, named: Vec<Source>) -> anyhow::Result<Vec<Source>> {
    if let Some(twice) = named
        .iter()
        .find(|s| from_file.iter().any(|f| f.name == s.name))
    {
        return Err(Usage::error(format!(
            "{}: the file of --streams has a stream of this name; write NAME=SOURCE",
            twice.name
        )));
    }
    from_file.extend(named);
    match from_file.is_empty() {
        true => Err(Usage::error(
            "there is nothing to monitor: the file of --streams has no [[stream]]; add one, or \
             name a SOURCE",
        )),
        false => Ok(from_file),
    }
}

/// Runs until all sources end, or Ctrl-C.
///
/// # Errors
/// Wrong usage, or what made the whole run impossible.
pub fn run(args: &LiveArgs) -> anyhow::Result<bool> {
    let bar = Bar::none();
    args.stream.talk.start_log(bar.writer());
    #[cfg(feature = "monitor")]
    let mut watch = watch::Watch::open(&args.watch, args.stream.output.metrics.is_some())?;
    #[cfg(feature = "monitor")]
    let (from_file, hops): (Vec<_>, Vec<_>) =
        watch::sources_of(watch.settings())?.into_iter().unzip();
    #[cfg(not(feature = "monitor"))]
    let (from_file, hops) = (Vec::new(), Vec::new());
    let from_file = args.tracks.of(from_file);
    let named = args.tracks.of(expand(&args.sources)?);
    let sources = all_sources(from_file.clone(), named.clone())?;
    check_descriptions(&sources)?;
    #[cfg(feature = "monitor")]
    if args.watch.check {
        return check::run(&sources);
    }
    clash::refuse(&args.stream.output, &args.learning.files(), &sources)?;
    // Before the weights: reading them may take long.
    #[cfg(feature = "monitor")]
    let reload = args.watch.file().map(|_| {
        let (ask, asked) = crossbeam_channel::bounded(1);
        watch.reload = Some(reload::Given {
            watch: args.watch.clone(),
            tracks: args.tracks,
            named,
            opened: from_file.into_iter().zip(hops.iter().copied()).collect(),
            asked,
        });
        ask
    });
    #[cfg(not(feature = "monitor"))]
    let reload = None;
    let cancel = cancel_or_reload(reload)?;
    let base = Arc::new(args.stream.net.weights()?);
    let learning = Learning::open(&args.learning, &base, args.stream.window.crop, &sources)?;
    let weights = match &learning {
        Some(learning) => learning.present(),
        None => base,
    };
    weights.check_judges()?;
    match &learning {
        _ if args.stream.talk.quiet => {}
        Some(learning) => learning.announce(sources.len()),
        None => say_what_it_knows(&weights, args.stream.net.model.is_none(), &sources),
    }
    Run {
        jobs: sources.len(),
        asked: sources.len(),
        sources,
        args: &args.stream,
        cancel,
        model: Arc::new(ModelRecord::of(&weights)),
        weights,
        archive: None,
        sinks: Vec::new(),
        #[cfg(feature = "store")]
        staging: None,
        learning,
        hops,
        #[cfg(feature = "monitor")]
        watch,
        keep: (&args.keep).into(),
        real_time: true,
        wait_for_cameras: args.wait,
        isolated: false,
        qc: false,
        keyframes: false,
        bar,
    }
    .run()
    .map(Outcome::is_good)
}
