//! `l3net live`: real time, never behind.

use super::clash;
use super::common::stop_on_signal;
use super::progress::Bar;
use super::sources::expand;
use super::streams::{Run, StreamArgs, check_descriptions};

/// Watch cameras, microphones and streams in real time
///
/// Never falls behind: what cannot be judged in time is dropped, counted and
/// told as a gap. Cameras and network streams that fail are opened again.
#[derive(clap::Args, Clone, Debug)]
pub struct LiveArgs {
    /// What to watch: camera, camera:N, rtsp://…, test, a file, a description
    #[arg(required = true, value_name = "SOURCE")]
    pub sources: Vec<String>,
    #[command(flatten)]
    pub(super) stream: StreamArgs,
}

/// Runs until all sources end, or Ctrl-C.
///
/// # Errors
/// Wrong usage, or what made the whole run impossible.
pub fn run(args: &LiveArgs) -> anyhow::Result<bool> {
    let bar = Bar::none();
    args.stream.talk.start_log(bar.writer());
    let sources = expand(&args.sources)?;
    check_descriptions(&sources)?;
    clash::refuse(&args.stream.output, None, &sources)?;
    // Before the weights: reading them may take long.
    let stop = stop_on_signal()?;
    let weights = args.stream.net.weights()?;
    Run {
        jobs: sources.len(),
        asked: sources.len(),
        sources,
        args: &args.stream,
        stop,
        model: weights.identity(),
        weights,
        archive: None,
        real_time: true,
        bar,
    }
    .run()
}
