//! What `live`, `launch` and `batch` share: run sources through the engine into
//! the ways out.

use std::path::PathBuf;
use std::time::Duration;

use super::common::{NetArgs, Usage, WindowArgs};
use super::outputs::Outputs;
use super::progress::Bar;
use crate::engine::{self, EngineOptions, Gauges, Stop, Task};
use crate::media::{Kind, Source};
use crate::sink::metrics;
use crate::time::MediaTime;

/// Ways out that all three have.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct OutputArgs {
    /// Write results as JSON lines to a file; - is stdout
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
    /// How they are cut.
    pub window: &'a WindowArgs,
    /// The network.
    pub net: &'a NetArgs,
    /// Play by the clock.
    pub real_time: bool,
    /// Streams open at a time.
    pub jobs: usize,
    /// Where everything goes.
    pub outputs: Outputs,
    /// Moments that are there already, for each source.
    pub skip: Vec<u64>,
    /// The bar, for whoever waits for an end.
    pub bar: Bar,
}

impl Run<'_> {
    /// Runs to the end. True if nothing failed.
    ///
    /// # Errors
    /// What made the whole run impossible: the model, an output, the network.
    pub fn run(self) -> anyhow::Result<bool> {
        let Self {
            sources,
            window,
            net,
            real_time,
            jobs,
            mut outputs,
            skip,
            bar,
        } = self;
        let stop = stop_on_signal()?;
        let net = net.load()?;
        let batch = if net.describe().device.is_cuda() {
            32
        } else {
            4
        };
        let options = EngineOptions {
            hop: window.hop,
            crop: window.crop,
            heatmap: window.heatmap,
            real_time,
            limit: window.seconds.map(MediaTime::from_secs_f64),
            jobs,
            batch,
            keep_pictures: outputs.draws(),
        };
        let gauges = Gauges::new(sources.len());
        let mut tasks = Vec::new();
        for (stream, (source, skip)) in sources.into_iter().zip(skip).enumerate() {
            let watcher = outputs.watcher(stream, real_time || source.is_endless(), window.hop)?;
            tasks.push(Task {
                source,
                skip,
                watcher,
            });
        }
        let ended = engine::run(tasks, net, &options, &stop, &gauges, |output| {
            let taken = outputs.take(output);
            bar.show(&gauges);
            taken
        });
        bar.finish();
        // Everything is closed properly before an error is told.
        let closed = outputs.finish(stop.is_asked());
        ended?;
        let well = closed?;
        let (moments, batches) = gauges.occupation.counts();
        tracing::info!(
            "{moments} moments in {batches} forward passes; the network waited {:.1} % of its time",
            gauges.occupation.idle_share() * 100.0
        );
        Ok(well)
    }
}

/// Starts the metrics if asked to.
pub fn start_metrics(address: Option<&str>) -> anyhow::Result<()> {
    if let Some(address) = address {
        let at = metrics::serve(address)?;
        tracing::info!("metrics at http://{at}/metrics");
    }
    Ok(())
}

/// The first Ctrl-C (or SIGTERM) asks for an orderly end, a second one ends at once.
fn stop_on_signal() -> anyhow::Result<Stop> {
    let stop = Stop::default();
    let asked = stop.clone();
    ctrlc::set_handler(move || {
        if asked.is_asked() {
            std::process::exit(130);
        }
        asked.ask();
    })?;
    Ok(stop)
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
