//! `l3net live`: real time, never behind.

use super::clash;
use super::common::{cancel_on_signal_in_time, say};
use super::progress::Bar;
use super::sources::{TrackArgs, expand};
use super::streams::{Run, StreamArgs, check_descriptions};
use bytesize::ByteSize;
use jiff::SignedDuration;

use crate::media::{Source, SourceKind};
use crate::net::Weights;
use crate::sink::retention::KeepLimits;

/// Monitor cameras, microphones and streams in real time
///
/// Never falls behind: what cannot be judged in time is dropped, counted and
/// reported as a gap. Cameras and network streams that fail are reopened.
#[derive(clap::Args, Clone, Debug)]
pub struct LiveArgs {
    /// What to monitor: camera, camera:N, rtsp://…, test, a file, a description
    #[arg(required = true, value_name = "SOURCE")]
    pub sources: Vec<String>,
    /// Wait for cameras and streams that are not there yet, beyond three tries
    #[arg(long)]
    pub wait: bool,
    #[command(flatten)]
    tracks: TrackArgs,
    #[command(flatten)]
    pub(super) stream: StreamArgs,
    #[command(flatten)]
    keep: KeepArgs,
}

/// Which pictures are kept.
#[derive(clap::Args, Clone, Debug)]
struct KeepArgs {
    /// Delete the oldest --heatmaps beyond this size, such as 20GB
    #[arg(long, value_name = "SIZE", requires = "heatmaps")]
    heatmaps_max_size: Option<ByteSize>,
    /// Delete --heatmaps older than this, such as 7d or 12h
    #[arg(long, value_name = "TIME", requires = "heatmaps", value_parser = parse_age)]
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

fn parse_age(text: &str) -> Result<SignedDuration, String> {
    let wrong = |_| format!("{text} is not a time: write it like 7d, 12h or 90m");
    let age: jiff::Span = text.parse().map_err(wrong)?;
    let age = age.to_duration(jiff::SpanRelativeTo::days_are_24_hours());
    age.map_err(wrong).and_then(|age| match age.is_positive() {
        true => Ok(age),
        false => Err(format!("{text} is not a time over 0")),
    })
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
             hardly more than by chance. Once it has learnt them, it tells whose sound is whose:\n  \
             l3net adapt SOURCE… --seconds 600 -o cameras.safetensors\n  \
             l3net live SOURCE… --model cameras.safetensors"
        ));
    }
}

/// Runs until all sources end, or Ctrl-C.
///
/// # Errors
/// Wrong usage, or what made the whole run impossible.
pub fn run(args: &LiveArgs) -> anyhow::Result<bool> {
    let bar = Bar::none();
    args.stream.talk.start_log(bar.writer());
    let sources = args.tracks.of(expand(&args.sources)?);
    check_descriptions(&sources)?;
    clash::refuse(&args.stream.output, None, &sources)?;
    // Before the weights: reading them may take long.
    let cancel = cancel_on_signal_in_time()?;
    let weights = args.stream.net.weights()?;
    if !args.stream.talk.quiet {
        say_what_it_knows(&weights, args.stream.net.model.is_none(), &sources);
    }
    Run {
        jobs: sources.len(),
        asked: sources.len(),
        sources,
        args: &args.stream,
        cancel,
        model: weights.identity(),
        weights,
        archive: None,
        keep: (&args.keep).into(),
        real_time: true,
        wait_for_sources: args.wait,
        isolated: false,
        bar,
    }
    .run()
}
