//! What `live`, `launch` and `batch` share: their options, and running sources
//! through the engine into the sinks.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::common::{
    MapArgs, NetArgs, TalkArgs, Usage, WindowArgs, output_folder, reader_has_gone,
};
use super::learning::Learning;
#[cfg(feature = "monitor")]
use super::live::reload::Model;
#[cfg(feature = "monitor")]
use super::live::watch::{Watch, Watched};
use super::outputs::{Outcome, OutputArgs, Outputs, SinkContext};
use super::progress::Bar;
use crate::cancel::CancelToken;
use crate::engine::{Engine, EngineOptions, Judge, Task};
use crate::features::Features;
use crate::media::{GraphFiles, ProcessOpener, Source, SourceKind};
#[cfg(feature = "store")]
use crate::media::{StagedOpener, Staging};
use crate::memory::Returning;
use crate::net::{ModelRecord, Weights};
use crate::sink::archive::Archive;
use crate::sink::heatmaps::Heatmaps;
use crate::sink::metrics;
use crate::sink::retention::KeepLimits;
use crate::sink::{Sink, SinkError};
use crate::stats::RunStats;
use crate::text::plural;
use crate::time::{Hop, MediaTime};

/// Options of all three commands.
#[derive(clap::Args, Clone, Debug)]
pub struct StreamArgs {
    /// Windows and crop.
    #[command(flatten)]
    pub window: WindowArgs,
    /// Heatmap.
    #[command(flatten)]
    pub map: MapArgs,
    /// Model and device.
    #[command(flatten)]
    pub net: NetArgs,
    /// Sinks.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Look at a frame every SECONDS at most, 0 to 1; default is the nearest of all
    ///
    /// For short hops: windows between two frames share what the network saw.
    #[arg(long, value_name = "SECONDS", value_parser = parse_frame_every)]
    pub frame_every: Option<MediaTime>,
    /// Draw each stream's pipeline to this folder, as .dot files
    #[arg(long, value_name = "DIR", value_parser = output_folder)]
    pub dot: Option<PathBuf>,
    /// Verbosity.
    #[command(flatten)]
    pub talk: TalkArgs,
}

fn parse_frame_every(text: &str) -> Result<MediaTime, String> {
    match text.parse() {
        // Longer, and some windows would have no frame.
        Ok(seconds) if (0.0..=1.0).contains(&seconds) => Ok(MediaTime::from_secs_f64(seconds)),
        _ => Err("not a number of seconds from 0 to 1".to_owned()),
    }
}

/// A run of several sources.
pub struct Run<'a> {
    /// The streams.
    pub sources: Vec<Source>,
    /// Sources that were named, including finished ones.
    pub asked: usize,
    /// The options.
    pub args: &'a StreamArgs,
    /// Requests the end of the run.
    pub cancel: CancelToken,
    /// The model.
    pub weights: Arc<Weights>,
    /// What results say of it; slow to compute.
    pub model: Arc<ModelRecord>,
    /// The output that a later run resumes from; results go to stdout without it.
    pub archive: Option<Archive>,
    /// Sinks besides those of the arguments.
    pub sinks: Vec<Box<dyn Sink>>,
    /// Copies what is in object stores.
    #[cfg(feature = "store")]
    pub staging: Option<Staging>,
    /// What it learns with meanwhile.
    pub learning: Option<Learning>,
    /// Times between windows of streams that have their own, in the order of the sources.
    pub hops: Vec<Option<Hop>>,
    /// What watches the streams for events.
    #[cfg(feature = "monitor")]
    pub watch: Watch,
    /// Which live pictures are kept.
    pub keep: KeepLimits,
    /// Play in real time.
    pub real_time: bool,
    /// Wait for cameras that are not there yet.
    pub wait_for_cameras: bool,
    /// Decode files in processes of their own, so that none can end the run.
    pub isolated: bool,
    /// Measure all sound and frames of each file.
    pub qc: bool,
    /// Decode key pictures only.
    pub keyframes: bool,
    /// Streams to read in parallel.
    pub jobs: usize,
    /// The progress bar.
    pub bar: Bar,
}

impl Run<'_> {
    /// Runs to the end.
    ///
    /// # Errors
    /// What made the whole run impossible: the model, an output, the network.
    pub fn run(self) -> anyhow::Result<Outcome> {
        let Self {
            sources,
            asked,
            args,
            cancel,
            weights,
            model,
            archive,
            sinks: mut more,
            #[cfg(feature = "store")]
                staging: _staging,
            learning,
            hops,
            #[cfg(feature = "monitor")]
            watch,
            keep,
            real_time,
            wait_for_cameras,
            isolated,
            qc,
            keyframes,
            jobs,
            bar,
        } = self;
        if let Some(folder) = &args.dot {
            GraphFiles::check(folder).map_err(SinkError::io(folder, "write"))?;
        }
        let window = &args.window;
        let processes = ProcessOpener::new(jobs);
        if isolated {
            processes.prepare(jobs.min(sources.len()));
        }
        let net = args.net.place(&weights)?;
        drop(weights);
        let _returning = real_time.then(Returning::start).flatten();
        let (replace, replacements) = crossbeam_channel::unbounded();
        let skip: Vec<u64> = sources
            .iter()
            .map(|source| there_already(source, archive.as_ref(), args))
            .collect();
        let begun = Instant::now();
        let written_to = archive.as_ref().map(|archive| archive.out().to_owned());
        let names: Vec<_> = sources.iter().map(|source| source.name.clone()).collect();
        let stats = Arc::new(RunStats::default());
        let context = SinkContext {
            args: &args.output,
            keep,
            names: &names,
            asked,
            has_archive: archive.is_some(),
            hop: window.hop,
            stats: &stats,
            cancel: &cancel,
            bar: &bar,
        };
        let mut options = EngineOptions {
            hop: window.hop,
            every: 1,
            frame_every: args.frame_every.unwrap_or(MediaTime::ZERO),
            crop: window.crop,
            spec: net.describe().variant.spec,
            real_time,
            limit: window.seconds.map(MediaTime::from_secs_f64),
            jobs,
            batch: EngineOptions::batch_for(&net),
            max_wait: EngineOptions::MAX_WAIT,
            keep_pictures: false,
            wait_for_cameras,
        };
        #[cfg(feature = "monitor")]
        let reloaded = learning.is_none().then(|| Model {
            args: args.net.clone(),
            variant: net.describe().variant,
        });
        let learner = learning.map(|learning| {
            let (device, messages) = (net.describe().device, (&bar, args.talk.quiet));
            let replace = replace.clone();
            learning.start(&sources, window.hop, device, replace, &cancel, messages)
        });
        if let Some(address) = &args.output.metrics {
            // Before anything counts: what is counted earlier is lost.
            let at = metrics::serve(address)?;
            tracing::info!("metrics at http://{at}/metrics");
        }
        if let Some(learner) = learner.transpose()? {
            more.push(Box::new(learner));
        }
        #[cfg(feature = "monitor")]
        let watching = watch.start(Watched {
            names: &names,
            stats: &stats,
            record: &model,
            model: reloaded,
            network: replace,
            output: &args.output,
            dot: args.dot.as_deref(),
            cancel: &cancel,
        })?;
        #[cfg(feature = "monitor")]
        more.extend(watching.sink.map(|sink| Box::new(sink) as Box<dyn Sink>));
        let mut outputs = Outputs::open(&context, archive, more, &options, Arc::clone(&model))?;
        options.keep_pictures = outputs.needs_pictures();
        let mut judge = Judge {
            net,
            heatmap: args.map.heatmap,
            model,
            keep_features: outputs.needs_features(),
            replacements,
        };
        let judge = move |batch: &[&Features]| judge.answer(batch);
        let hops = hops.into_iter().chain(std::iter::repeat(None));
        let task = |((source, skip), hop): ((Source, u64), Option<Hop>)| Task {
            watchers: outputs.watchers(&source.name),
            skip,
            hop,
            meter: qc.then(Arc::default),
            keyframes,
            graphs: args
                .dot
                .as_deref()
                .map(|dir| GraphFiles::in_folder(dir, &source.name)),
            #[cfg(feature = "monitor")]
            packets: (watching.recorder.as_ref()).and_then(|packets| packets.ring(&source.name)),
            ..Task::new(source)
        };
        let tasks = sources.into_iter().zip(skip).zip(hops).map(task).collect();
        #[cfg(feature = "monitor")]
        let _service = real_time
            .then(|| super::live::service::Service::start(names.len(), &stats))
            .flatten();
        #[cfg(feature = "store")]
        let processes = StagedOpener { inner: &processes };
        let mut engine = Engine::new(&options, &cancel, &stats);
        #[cfg(feature = "monitor")]
        {
            engine.changes = watching.changes;
        }
        if isolated {
            engine.opener = &processes;
        }
        let ended = engine.run(tasks, judge, |output| {
            let taken = outputs.take(output);
            bar.show(&stats);
            taken
        });
        bar.finish();
        // Everything is closed properly before an error is reported. An error cancels
        // the run too; that is not being stopped.
        let quiet = args.talk.quiet;
        let closed = outputs.finish(cancel.is_cancelled() && ended.is_ok(), quiet);
        if let (Err(_), Err(error)) = (&ended, &closed)
            && !reader_has_gone(error)
        {
            // Only the first one is the command's; the other would be lost.
            bar.say(&format!("l3net: {error:#}"));
        }
        ended?;
        let outcome = closed?;
        let (moments, batches) = (stats.network.moments(), stats.network.batches());
        if let Some(out) = written_to.filter(|_| !quiet) {
            bar.say(&format!(
                "{} of {} in {:.1} s: {}",
                plural(moments, "moment"),
                plural(names.len(), "file"),
                begun.elapsed().as_secs_f64(),
                out.display()
            ));
        }
        tracing::info!(
            "{moments} moments in {batches} forward passes; the network waited {:.1} % of its time",
            stats.network.idle_share() * 100.0
        );
        Ok(outcome)
    }
}

/// Moments at the start of a source that need not be judged again. An overlay video
/// starts at the beginning, so with one all are judged again (but none is written twice).
fn there_already(source: &Source, archive: Option<&Archive>, args: &StreamArgs) -> u64 {
    if args.output.overlay.is_some() {
        return 0;
    }
    let judged = archive
        .and_then(|a| a.index().stream(&source.name))
        .map_or(0, |p| p.contiguous());
    // A run that was killed may have recorded moments whose pictures still waited.
    let pictures = args.output.heatmaps.as_deref();
    pictures.map_or(judged, |dir| {
        judged.min(Heatmaps::numbered(dir, &source.name, judged))
    })
}

/// What to do about an endless source in a command that judges files.
pub const LIMIT_OR_LIVE: &str = "limit it with --seconds, or use `l3net live`";

/// Refuses endless sources unless `seconds` limits them; `next` is what to do instead.
pub fn refuse_endless(sources: &[Source], seconds: Option<f64>, next: &str) -> anyhow::Result<()> {
    let endless = sources.iter().find(|s| s.is_endless());
    match endless.filter(|_| seconds.is_none()) {
        Some(source) => Err(Usage::error(format!("{}: has no end: {next}", source.name))),
        None => Ok(()),
    }
}

/// Refuses descriptions that GStreamer cannot parse, before anything runs.
pub fn check_descriptions(sources: &[Source]) -> anyhow::Result<()> {
    for source in sources {
        if let SourceKind::Launch(description) = &source.kind {
            gstreamer::init()?;
            description
                .build()
                .map_err(|e| Usage::error(format!("{}: {e}", source.name)))?;
        }
    }
    Ok(())
}
