//! What `live`, `launch` and `batch` share: their options, and running sources
//! through the engine into the ways out.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::common::{MapArgs, NetArgs, TalkArgs, Usage, WindowArgs};
use super::outputs::Outputs;
use super::progress::Bar;
use crate::cancel::CancelToken;
use crate::engine::{self, EngineOptions, Gauges, Task};
use crate::features::Features;
use crate::media::{Kind, Source};
use crate::net::Weights;
use crate::sink::archive::Archive;
use crate::sink::metrics;
use crate::text::plural;
use crate::time::MediaTime;

/// Options that all three have.
#[derive(clap::Args, Clone, Debug)]
pub struct StreamArgs {
    /// What is looked at.
    #[command(flatten)]
    pub window: WindowArgs,
    /// Where it comes from.
    #[command(flatten)]
    pub map: MapArgs,
    /// By which network.
    #[command(flatten)]
    pub net: NetArgs,
    /// Where it goes.
    #[command(flatten)]
    pub output: OutputArgs,
    /// How much is said.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// Ways out.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct OutputArgs {
    /// Add results as JSON lines to a file; - is stdout
    #[arg(long, value_name = "FILE|-")]
    pub json: Option<PathBuf>,
    /// Write a picture of each heatmap below this folder
    #[arg(long, value_name = "DIR")]
    pub heatmaps: Option<PathBuf>,
    /// Write a video with heatmap and score drawn in (.mkv or .mp4)
    #[arg(long, value_name = "FILE")]
    pub overlay: Option<PathBuf>,
    /// Serve Prometheus metrics at this address, such as :9000
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<String>,
    /// Print a table of moments for people on stderr
    #[arg(long)]
    pub table: bool,
}

/// A run of several sources.
pub struct Run<'a> {
    /// The streams.
    pub sources: Vec<Source>,
    /// Sources that were asked for, with those that are done already.
    pub asked: usize,
    /// The options.
    pub args: &'a StreamArgs,
    /// Asked to end by whoever runs it.
    pub stop: CancelToken,
    /// What judges.
    pub weights: Weights,
    /// What results say of it: [`Weights::identity`], which takes a while.
    pub model: String,
    /// Where results go that a later run goes on with; stdout without it.
    pub archive: Option<Archive>,
    /// Play by the clock.
    pub real_time: bool,
    /// Streams open at a time.
    pub jobs: usize,
    /// The bar, for whoever waits for an end.
    pub bar: Bar,
}

impl Run<'_> {
    /// Runs to the end. True if all was done and nothing failed.
    ///
    /// # Errors
    /// What made the whole run impossible: the model, an output, the network.
    pub fn run(self) -> anyhow::Result<bool> {
        let Self {
            sources,
            asked,
            args,
            stop,
            weights,
            model,
            archive,
            real_time,
            jobs,
            bar,
        } = self;
        let window = &args.window;
        let net = args.net.place(&weights)?;
        drop(weights);
        if let Some(address) = &args.output.metrics {
            let at = metrics::serve(address)?;
            tracing::info!("metrics at http://{at}/metrics");
        }
        let skip: Vec<u64> = sources
            .iter()
            .map(|source| there_already(source, archive.as_ref(), args))
            .collect();
        let begun = Instant::now();
        let written_to = archive.as_ref().map(|archive| archive.out().to_owned());
        let mut outputs = Outputs::open(args, &model, archive, &sources, asked, &bar)?;
        let options = EngineOptions {
            hop: window.hop,
            crop: window.crop,
            real_time,
            limit: window.seconds.map(MediaTime::from_secs_f64),
            jobs,
            batch: EngineOptions::batch_for(&net),
            keep_pictures: outputs.draws(),
        };
        let heatmap = args.map.heatmap;
        let ask = move |batch: &[&Features]| net.judge(batch, heatmap);
        let gauges = Gauges::new(sources.len());
        let mut tasks = Vec::new();
        let streams = sources.len();
        for (stream, (source, skip)) in sources.into_iter().zip(skip).enumerate() {
            tasks.push(Task {
                source,
                skip,
                watcher: outputs.watcher(stream),
            });
        }
        let ended = engine::run(tasks, ask, &options, &stop, &gauges, |output| {
            let taken = outputs.take(output);
            bar.show(&gauges);
            taken
        });
        bar.finish();
        // Everything is closed properly before an error is told. An error, too,
        // asks to stop.
        let closed = outputs.finish(stop.is_cancelled() && ended.is_ok());
        ended?;
        let well = closed?;
        let (moments, batches) = gauges.occupation.counts();
        if let Some(out) = written_to.filter(|_| !args.talk.quiet) {
            bar.say(&format!(
                "{} of {} in {:.1} s: {}",
                plural(moments, "moment"),
                plural(streams, "file"),
                begun.elapsed().as_secs_f64(),
                out.display()
            ));
        }
        tracing::info!(
            "{moments} moments in {batches} forward passes; the network waited {:.1} % of its time",
            gauges.occupation.idle_share() * 100.0
        );
        Ok(well)
    }
}

/// Moments of a source that need not be judged again. A video begins at the
/// beginning, so for it they are, but none is written twice.
fn there_already(source: &Source, archive: Option<&Archive>, args: &StreamArgs) -> u64 {
    if args.output.overlay.is_some() {
        return 0;
    }
    archive
        .and_then(|a| a.progress().stream(&source.name))
        .map_or(0, |p| p.contiguous())
}

/// Refuses what has no end where all of it is wanted.
pub fn refuse_endless(sources: &[Source], window: &WindowArgs) -> anyhow::Result<()> {
    let endless = sources.iter().find(|s| s.is_endless());
    match endless.filter(|_| window.seconds.is_none()) {
        Some(source) => Err(Usage::error(format!(
            "{}: has no end: say how much of it with --seconds (`l3net live` needs none)",
            source.name
        ))),
        None => Ok(()),
    }
}

/// Refuses descriptions that GStreamer does not understand before anything runs.
pub fn check_descriptions(sources: &[Source]) -> anyhow::Result<()> {
    for source in sources {
        if let Kind::Launch(description) = &source.kind {
            gstreamer::init()?;
            description
                .build()
                .map_err(|e| Usage::error(format!("{}: {e}", source.name)))?;
        }
    }
    Ok(())
}

/// How often a bar is drawn.
pub const BAR_STEP: Duration = Duration::from_millis(200);
