//! `l3net live`: real time, never behind.

use super::common::{NetArgs, TalkArgs, Usage, WindowArgs};
use super::outputs::Outputs;
use super::progress::Bar;
use super::streams::{OutputArgs, Run, check_descriptions, start_metrics};
use crate::media::expand;

/// Watch cameras, microphones and streams in real time
///
/// Never falls behind: what cannot be judged in time is dropped, counted and
/// told as a gap. Cameras and network streams that fail are opened again.
#[derive(clap::Args, Clone, Debug)]
pub struct LiveArgs {
    /// What to watch: camera[:N], rtsp://…, test, a file, a description
    #[arg(required = true, value_name = "SOURCE")]
    pub sources: Vec<String>,
    #[command(flatten)]
    pub(super) window: WindowArgs,
    #[command(flatten)]
    pub(super) net: NetArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    #[command(flatten)]
    pub(super) talk: TalkArgs,
}

/// Runs until all sources end, or Ctrl-C.
///
/// # Errors
/// Wrong usage, or what made the whole run impossible.
pub fn run(args: LiveArgs) -> anyhow::Result<bool> {
    let bar = Bar::none();
    args.talk.start_log(bar.writer());
    let sources = expand(&args.sources).map_err(Usage::error)?;
    check_descriptions(&sources)?;
    start_metrics(args.output.metrics.as_deref())?;
    let outputs = Outputs::open(
        &args.output,
        None,
        true,
        &sources,
        args.window.crop,
        args.talk,
        &bar,
    )?;
    Run {
        skip: vec![0; sources.len()],
        jobs: sources.len(),
        sources,
        window: &args.window,
        net: &args.net,
        real_time: true,
        outputs,
        bar,
    }
    .run()
}
