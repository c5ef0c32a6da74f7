//! `l3net launch`: a gst-launch description, live or not as it says itself.

use super::common::{NetArgs, TalkArgs, Usage, WindowArgs};
use super::outputs::Outputs;
use super::progress::Bar;
use super::streams::{OutputArgs, Run, check_descriptions, start_metrics};
use crate::media::{Description, Source};

/// Judge what a gst-launch description brings
///
/// The description sends its streams to the ends audio. and video., which convert
/// and resample by themselves:
///
///   l3net launch 'uridecodebin uri=file:///clip.mp4 name=d
///                 d. ! queue ! audio.  d. ! queue ! video.'
#[derive(clap::Args, Clone, Debug)]
#[command(verbatim_doc_comment)]
pub struct LaunchArgs {
    /// The description; words are joined, so quotes are only for the shell
    #[arg(required = true, value_name = "DESCRIPTION", trailing_var_arg = false)]
    pub description: Vec<String>,
    #[command(flatten)]
    pub(super) window: WindowArgs,
    #[command(flatten)]
    pub(super) net: NetArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    #[command(flatten)]
    pub(super) talk: TalkArgs,
}

/// Runs until the pipeline ends, or Ctrl-C.
///
/// # Errors
/// Wrong usage, with the place in the description; or what made the run impossible.
pub fn run(args: LaunchArgs) -> anyhow::Result<bool> {
    let bar = Bar::none();
    args.talk.start_log(bar.writer());
    let description = Description::new(&args.description.join(" ")).map_err(Usage::error)?;
    let sources = vec![Source::launch(description)];
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
        sources,
        window: &args.window,
        net: &args.net,
        real_time: false,
        jobs: 1,
        outputs,
        skip: vec![0],
        bar,
    }
    .run()
}
