//! Where the results of `live`, `launch` and `batch` go: the list of sinks, from their
//! arguments.
//!
//! Belongs here: which sinks a run has, its messages on stderr. Does not: how a sink
//! works, queues ([`crate::sink`]).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::common::{CLOSE_WITHIN, output_folder};
use super::progress::Bar;
use crate::cancel::CancelToken;
use crate::engine::{Answer, Assembler, EngineOptions, Output};
use crate::event::Event;
use crate::net::ModelRecord;
use crate::result::StreamName;
use crate::sink::archive::Archive;
use crate::sink::bus::{Bus, BusOptions};
use crate::sink::console::TableSink;
use crate::sink::heatmaps::Heatmaps;
use crate::sink::jsonl::JsonSink;
use crate::sink::metrics::Metrics;
use crate::sink::overlay::Overlays;
use crate::sink::publish::Publisher;
use crate::sink::retention::KeepLimits;
use crate::sink::{Sink, Watcher};
use crate::stats::RunStats;
use crate::time::Hop;

/// The part of [`CLOSE_WITHIN`] that sinks do not get, so that the run can end properly
/// after one of them was abandoned.
const CLOSING_MARGIN: Duration = Duration::from_secs(2);

/// Options of the sinks.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct OutputArgs {
    /// Append results as JSON lines to a file; - is stdout
    #[arg(long, value_name = "FILE|-")]
    pub json: Option<PathBuf>,
    /// Write a picture of each heatmap to this folder
    #[arg(long, value_name = "DIR", value_parser = output_folder)]
    pub heatmaps: Option<PathBuf>,
    /// Write a video with heatmap and score (.mkv or .mp4)
    #[arg(long, value_name = "FILE")]
    pub overlay: Option<PathBuf>,
    /// Serve Prometheus metrics at this address, such as :9000
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<String>,
    /// Print a table of moments on stderr
    #[arg(long)]
    pub table: bool,
}

/// What the sinks of a run are made from.
pub struct SinkContext<'a> {
    /// Their arguments.
    pub args: &'a OutputArgs,
    /// Which live pictures are kept.
    pub keep: KeepLimits,
    /// The streams.
    pub names: &'a [StreamName],
    /// Sources that were named, including finished ones.
    pub asked: usize,
    /// There is an archive, so the run is useful without readers.
    pub has_archive: bool,
    /// Time between windows.
    pub hop: Hop,
    /// The run's counters.
    pub stats: &'a Arc<RunStats>,
    /// Requests the end of the run.
    pub cancel: &'a CancelToken,
    /// Prints messages.
    pub bar: &'a Bar,
}

type MakeSink = fn(&SinkContext<'_>) -> anyhow::Result<Option<Box<dyn Sink>>>;

/// All sinks but those that need more than their arguments (what learns, what watches).
/// Each is made if its arguments request it.
const SINKS: &[MakeSink] = &[json, table, metrics, heatmaps, overlay];

fn boxed<S: Sink + 'static>(sink: Option<S>) -> anyhow::Result<Option<Box<dyn Sink>>> {
    Ok(sink.map(|sink| Box::new(sink) as Box<dyn Sink>))
}

/// Without an archive, stdout is the default.
fn json(context: &SinkContext<'_>) -> anyhow::Result<Option<Box<dyn Sink>>> {
    let needs_reader = !context.has_archive;
    let stdout = || JsonSink::stdout(needs_reader);
    boxed(match &context.args.json {
        Some(path) if path.as_os_str() == "-" => Some(stdout()),
        Some(path) => Some(JsonSink::append(path, needs_reader)?),
        None => needs_reader.then(stdout),
    })
}

fn table(context: &SinkContext<'_>) -> anyhow::Result<Option<Box<dyn Sink>>> {
    let table = || TableSink::new(Box::new(context.bar.lines()), !context.has_archive);
    boxed(context.args.table.then(table))
}

fn metrics(context: &SinkContext<'_>) -> anyhow::Result<Option<Box<dyn Sink>>> {
    let sink = || Metrics::new(Arc::clone(context.stats));
    boxed(context.args.metrics.is_some().then(sink))
}

fn heatmaps(context: &SinkContext<'_>) -> anyhow::Result<Option<Box<dyn Sink>>> {
    let create = |dir: &PathBuf| Heatmaps::create(dir, context.keep);
    boxed(context.args.heatmaps.as_ref().map(create).transpose()?)
}

fn overlay(context: &SinkContext<'_>) -> anyhow::Result<Option<Box<dyn Sink>>> {
    let several = context.asked > 1;
    let videos =
        |path: &PathBuf| Overlays::new(path, context.names, several, context.hop, context.cancel);
    boxed(context.args.overlay.as_ref().map(videos).transpose()?)
}

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Streams that failed.
    pub failed: usize,
    /// Streams that did not reach their end.
    pub left: usize,
    /// Failures of sinks that did not end the run.
    pub failed_sinks: usize,
}

impl Outcome {
    /// Whether all was done and nothing failed.
    pub fn is_good(self) -> bool {
        self.failed == 0 && self.left == 0 && self.failed_sinks == 0
    }
}

/// All outputs of a run.
pub struct Outputs {
    assembler: Assembler,
    publisher: Publisher,
    bar: Bar,
    /// Streams that failed.
    failed: usize,
    /// Streams that have not reached their end. When a run is stopped, most have not even
    /// been opened.
    left: usize,
    resumes: bool,
}

impl Outputs {
    /// Opens them, for a run that begins with `model`, and with `more` sinks.
    ///
    /// # Errors
    /// Names the file or folder that cannot be written.
    pub fn open(
        context: &SinkContext<'_>,
        archive: Option<Archive>,
        more: Vec<Box<dyn Sink>>,
        engine: &EngineOptions,
        model: Arc<ModelRecord>,
    ) -> anyhow::Result<Self> {
        let mut sinks = Vec::new();
        for make in SINKS {
            sinks.extend(make(context)?);
        }
        sinks.extend(more);
        let bar = context.bar.clone();
        let lines = bar.clone();
        let options = BusOptions {
            cancel: context.cancel.clone(),
            grace: CLOSE_WITHIN - CLOSING_MARGIN,
            report: Arc::new(move |line| lines.say(line)),
            stats: Arc::clone(context.stats),
        };
        Ok(Self {
            assembler: Assembler::new(engine, model),
            resumes: archive.is_some(),
            publisher: Publisher::new(archive, Bus::start(sinks, options)?),
            bar,
            failed: 0,
            left: 0,
        })
    }

    /// Whether a sink needs pictures.
    pub fn needs_pictures(&self) -> bool {
        self.publisher.bus().needs_pictures()
    }

    /// Whether a sink needs what the fusion compares.
    pub fn needs_features(&self) -> bool {
        self.publisher.bus().needs_features()
    }

    /// Watchers of the sinks that want a stream's raw sound and frames.
    pub fn watchers(&self, stream: &StreamName) -> Vec<Box<dyn Watcher>> {
        self.publisher.bus().watchers(stream)
    }

    /// Takes an output of the engine.
    ///
    /// # Errors
    /// Names the sink that ended the run; or the network's error.
    pub fn take(&mut self, output: Output<Answer>) -> anyhow::Result<()> {
        match &output {
            Output::Begun { .. } => self.left += 1,
            Output::Ended { end, .. } => self.left -= usize::from(!end.stopped),
            _ => {}
        }
        for event in self.assembler.events(output, Instant::now())? {
            if let Event::Ended(summary) = &event
                && let Some(error) = &summary.error
            {
                self.failed += 1;
                self.bar.say_failed(&summary.stream, error);
            }
            self.publisher.publish(event)?;
        }
        Ok(())
    }

    /// Closes everything.
    ///
    /// # Errors
    /// Names the sink that could not be closed.
    pub fn finish(self, stopped: bool, quiet: bool) -> anyhow::Result<Outcome> {
        let failures = self.publisher.finish();
        if stopped && self.left > 0 && !quiet {
            self.bar.say(if self.resumes {
                "l3net: stopped; the same command resumes the run"
            } else {
                "l3net: stopped before the end"
            });
        }
        Ok(Outcome {
            failed: self.failed,
            left: self.left,
            failed_sinks: failures?,
        })
    }
}
