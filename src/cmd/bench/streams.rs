//! Benchmarks of the whole pipeline, from the appsink to the result.
//!
//! They run the engine of `live` and `batch`; the only sink is a list of times.

use std::io::Write;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::stats::{Timings, memory_now, peak_memory};
use super::throughput::NetworkArgs;
use crate::cancel::CancelToken;
use crate::cmd::common::{ComputeArgs, MapArgs, NetArgs, TalkArgs, WindowArgs};
use crate::cmd::sources::expand;
use crate::engine::{Engine, EngineOptions, Output, Task};
use crate::features::{Crop, Features};
use crate::net::{HeatmapKind, L3Net};
use crate::stats::RunStats;
use crate::time::{Hop, MediaTime};

/// Measures the latency of live streams
#[derive(clap::Args, Debug)]
pub struct LatencyArgs {
    /// Sources to watch
    #[arg(value_name = "SOURCE", default_value = "test")]
    pub sources: Vec<String>,
    #[command(flatten)]
    window: WindowArgs,
    #[command(flatten)]
    map: MapArgs,
    #[command(flatten)]
    net: NetArgs,
    /// Write one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// How long `bench latency` runs by default.
const LATENCY_SECONDS: f64 = 30.0;

#[derive(Debug, Serialize)]
struct LatencyReport {
    bench: &'static str,
    network: String,
    streams: usize,
    hop_s: f64,
    seconds: f64,
    moments: usize,
    gaps: u64,
    lost: u64,
    /// Milliseconds from the arrival of a window's last sound at the appsink.
    stages: Vec<(&'static str, Timings)>,
    memory_mib_after_a_tenth: f64,
    memory_mib_at_the_end: f64,
    peak_memory_mib: f64,
}

/// Runs live streams for a while and writes the latency of their results.
///
/// # Errors
/// Wrong usage; a source or model that cannot be opened.
pub fn latency(args: &LatencyArgs, out: &mut dyn Write) -> anyhow::Result<bool> {
    TalkArgs::default().start_log(std::io::stderr);
    let seconds = args.window.seconds.unwrap_or(LATENCY_SECONDS);
    let net = args.net.load()?;
    let (batch, spec) = (EngineOptions::batch_for(&net), net.describe().variant.spec);
    let run = measure(
        &args.sources,
        net,
        args.map.heatmap,
        &EngineOptions {
            hop: args.window.hop,
            every: 1,
            frame_every: MediaTime::ZERO,
            crop: args.window.crop,
            spec,
            real_time: true,
            limit: Some(MediaTime::from_secs_f64(seconds)),
            jobs: 1,
            batch,
            max_wait: EngineOptions::MAX_WAIT,
            keep_pictures: false,
            wait_for_cameras: false,
        },
    )?;
    let of = |part: fn(&Moment) -> Duration| {
        Timings::of(&run.moments.iter().map(part).collect::<Vec<_>>())
    };
    let early = run
        .moments
        .get(run.moments.len() / 10)
        .map_or(0, |m| m.memory);
    let report = LatencyReport {
        bench: "latency",
        network: run.network.clone(),
        streams: run.streams,
        hop_s: args.window.hop.samples() as f64 / 48e3,
        seconds,
        moments: run.moments.len(),
        gaps: run.gaps,
        lost: run.lost,
        stages: vec![
            ("wait", of(|m| m.wait)),
            ("features", of(|m| m.features)),
            ("net", of(|m| m.net)),
            ("total", of(|m| m.total)),
        ],
        memory_mib_after_a_tenth: mib(early),
        memory_mib_at_the_end: mib(run.moments.last().map_or(0, |m| m.memory)),
        peak_memory_mib: mib(peak_memory()),
    };
    if args.json {
        serde_json::to_writer(&mut *out, &report).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        writeln!(
            out,
            "{}; {} stream(s), hop {} s",
            report.network, report.streams, report.hop_s
        )?;
        writeln!(
            out,
            "{:<12} {:>8} {:>8} {:>8} {:>8} {:>7}",
            "ms", "p50", "p95", "p99", "max", "runs"
        )?;
        for (stage, t) in &report.stages {
            writeln!(
                out,
                "{stage:<12} {:>8.1} {:>8.1} {:>8.1} {:>8.1} {:>7}",
                t.p50, t.p95, t.p99, t.max, t.runs
            )?;
        }
        writeln!(
            out,
            "{} moments, {} gaps ({} moments lost); memory {:.0} MiB after a tenth, {:.0} MiB at the end, peak {:.0} MiB",
            report.moments,
            report.gaps,
            report.lost,
            report.memory_mib_after_a_tenth,
            report.memory_mib_at_the_end,
            report.peak_memory_mib
        )?;
    }
    Ok(run.failed == 0)
}

#[derive(Debug, Serialize)]
struct ThroughputReport {
    bench: &'static str,
    network: String,
    sources: usize,
    moments: usize,
    wall_s: f64,
    moments_per_s: f64,
    times_real_time: f64,
    /// Share of the time between the first and the last moment in which the
    /// network waited for work.
    network_idle: f64,
    mean_batch: f64,
    peak_memory_mib: f64,
}

/// Processes files as `batch` does and writes the throughput.
///
/// # Errors
/// Wrong usage; a model that cannot be opened.
pub fn throughput(
    sources: &[String],
    args: &NetworkArgs,
    out: &mut dyn Write,
) -> anyhow::Result<bool> {
    TalkArgs::default().start_log(std::io::stderr);
    let net = NetArgs {
        model: args.model.clone(),
        compute: ComputeArgs {
            device: args.device,
            precision: args.precision.first().copied().unwrap_or_default(),
            threads: args.threads.and_then(|t| u16::try_from(t).ok()),
        },
    };
    let net = net.load()?;
    let (batch, spec) = (EngineOptions::batch_for(&net), net.describe().variant.spec);
    let begun = Instant::now();
    let run = measure(
        sources,
        net,
        HeatmapKind::default(),
        &EngineOptions {
            hop: Hop::SECOND,
            every: 1,
            frame_every: MediaTime::ZERO,
            crop: Crop::Full,
            spec,
            real_time: false,
            limit: None,
            jobs: crate::cmd::batch::default_jobs(),
            batch,
            max_wait: EngineOptions::MAX_WAIT,
            keep_pictures: false,
            wait_for_cameras: false,
        },
    )?;
    let wall_s = begun.elapsed().as_secs_f64();
    let moments = run.moments.len();
    let report = ThroughputReport {
        bench: "throughput",
        network: run.network,
        sources: run.streams,
        moments,
        wall_s,
        moments_per_s: moments as f64 / wall_s,
        times_real_time: run.seconds / wall_s,
        network_idle: run.idle,
        mean_batch: moments as f64 / (run.batches.max(1)) as f64,
        peak_memory_mib: mib(peak_memory()),
    };
    if args.json {
        serde_json::to_writer(&mut *out, &report).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{}; {} source(s)", report.network, report.sources)?;
        writeln!(
            out,
            "{} moments in {:.1} s: {:.1} a second, {:.1} × real time; the network waited {:.1} % of its time, {:.1} moments a batch; peak memory {:.0} MiB",
            report.moments,
            report.wall_s,
            report.moments_per_s,
            report.times_real_time,
            report.network_idle * 100.0,
            report.mean_batch,
            report.peak_memory_mib
        )?;
    }
    Ok(run.failed == 0)
}

struct Moment {
    wait: Duration,
    features: Duration,
    net: Duration,
    total: Duration,
    memory: u64,
}

struct Run {
    network: String,
    streams: usize,
    moments: Vec<Moment>,
    gaps: u64,
    lost: u64,
    failed: usize,
    seconds: f64,
    idle: f64,
    batches: u64,
}

fn measure(
    sources: &[String],
    net: L3Net,
    heatmap: HeatmapKind,
    options: &EngineOptions,
) -> anyhow::Result<Run> {
    let sources = expand(sources)?;
    let stats = RunStats::default();
    let mut run = Run {
        network: net.describe().to_string(),
        streams: sources.len(),
        moments: Vec::new(),
        gaps: 0,
        lost: 0,
        failed: 0,
        seconds: 0.0,
        idle: 0.0,
        batches: 0,
    };
    let tasks = sources.into_iter().map(Task::new).collect();
    let judge = move |batch: &[&Features]| net.judge(batch, heatmap);
    let cancel = CancelToken::default();
    Engine::new(options, &cancel, &stats).run(tasks, judge, |output| {
        match output {
            Output::Answered { job, answered, .. } => run.moments.push(Moment {
                wait: job.begun - job.arrived,
                features: job.featured - job.begun,
                net: answered - job.featured,
                total: job.arrived.elapsed(),
                memory: memory_now(),
            }),
            Output::Begun { .. } => {}
            Output::Gap { gap, .. } => {
                run.gaps += 1;
                run.lost += gap.lost;
            }
            Output::Ended { end, .. } => {
                run.seconds += end.seconds;
                if let Some(cause) = end.error {
                    run.failed += 1;
                    tracing::warn!("{cause}");
                }
            }
            Output::NetworkFailed(error) => return Err(error),
        }
        Ok(())
    })?;
    run.idle = stats.network.idle_share();
    run.batches = stats.network.batches();
    Ok(run)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
