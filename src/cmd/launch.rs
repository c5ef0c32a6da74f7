//! `l3net launch`: a gst-launch description; live if its pipeline is.

use std::sync::Arc;

use super::clash;
use super::common::{Usage, cancel_on_signal_in_time};
#[cfg(feature = "monitor")]
use super::live::watch::Watch;
use super::outputs::Outcome;
use super::progress::Bar;
use super::sources::expand;
use super::streams::{Run, StreamArgs, check_descriptions};
use crate::media::{Description, Source};
use crate::net::ModelRecord;
use crate::sink::retention::KeepLimits;

/// Run on a gst-launch description
///
/// The description sends its streams to audio. and video., which convert and
/// resample as needed:
///
///   l3net launch 'uridecodebin uri=file:///clip.mp4 name=d
///                 d. ! queue ! audio.  d. ! queue ! video.'
#[derive(clap::Args, Clone, Debug)]
#[command(verbatim_doc_comment)]
pub struct LaunchArgs {
    /// The description, or a .launch file that holds it
    #[arg(required = true, value_name = "DESCRIPTION")]
    pub description: Vec<String>,
    #[command(flatten)]
    pub(super) stream: StreamArgs,
}

/// Runs until the pipeline ends, or Ctrl-C.
///
/// # Errors
/// Wrong usage, with the place in the description; or what made the run impossible.
pub fn run(args: &LaunchArgs) -> anyhow::Result<bool> {
    let bar = Bar::none();
    args.stream.talk.start_log(bar.writer());
    let sources = match &args.description[..] {
        [file] if file.ends_with(".launch") => expand(std::slice::from_ref(file))?,
        words => vec![Source::launch(
            Description::new(&words.join(" ")).map_err(Usage::error)?,
        )],
    };
    check_descriptions(&sources)?;
    clash::refuse(&args.stream.output, &[], &sources)?;
    // Before the weights: reading them may take long.
    let cancel = cancel_on_signal_in_time()?;
    let weights = Arc::new(args.stream.net.judging_weights()?);
    Run {
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
        learning: None,
        hops: Vec::new(),
        #[cfg(feature = "monitor")]
        watch: Watch::default(),
        keep: KeepLimits::default(),
        real_time: false,
        wait_for_cameras: false,
        isolated: false,
        qc: false,
        keyframes: false,
        jobs: 1,
        bar,
    }
    .run()
    .map(Outcome::is_good)
}
