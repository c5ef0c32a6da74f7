//! `--metrics ADDR`: Prometheus metrics at `http://ADDR/metrics`.
//!
//! Policy: counts the records of the output, so metrics and lines agree. The engine's
//! counters ([`RunStats`]) are copied with every event, and every second without one. It
//! does no slow work, and is detached if it fails. By default only this machine can
//! connect, because there is no password.
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `l3net_moments_total` | counter | `stream` |
//! | `l3net_gaps_total`, `l3net_lost_moments_total` | counter | `stream`, `why` |
//! | `l3net_errors_total` | counter | `stream` |
//! | `l3net_dropped_blocks_total`, `l3net_dropped_frames_total` | counter | `stream` |
//! | `l3net_untimed_blocks_total`, `l3net_doubted_times_total`, `l3net_time_jumps_total` | counter | `stream` |
//! | `l3net_invalid_samples_total`, `l3net_clipped_samples_total` | counter | `stream` |
//! | `l3net_sink_dropped_total`, `l3net_sink_failures_total` | counter | `sink` |
//! | `l3net_correspondence` | gauge | `stream` |
//! | `l3net_stream_up`, `l3net_audio_level_dbfs`, `l3net_ring_fill_ratio` | gauge | `stream` (`l3net live`) |
//! | `l3net_av_drift_seconds` | gauge: how much earlier the sound has become against the picture, negative: later; not a number while unknown | `stream` (`l3net live`) |
//! | `l3net_reconnects_total` | counter | `stream` (`l3net live`) |
//! | `l3net_events_total` | counter | `stream`, `event` (`l3net live`) |
//! | `l3net_notifications_total` | counter | `to`, `result`: sent, failed or dropped (`l3net live`) |
//! | `l3net_notifications_waiting` | gauge | `to` (`l3net live`) |
//! | `l3net_clips_bytes` | gauge | (`l3net live --record`) |
//! | `l3net_build_info` | gauge, always 1 | `version` |
//! | `l3net_lag_seconds` | gauge | `stream` |
//! | `l3net_queue_depth` | gauge | `queue`; `stream`, if the queue belongs to one |
//! | `l3net_wait_seconds`, `l3net_features_seconds`, `l3net_net_seconds`, `l3net_latency_seconds` | histogram | `stream` |

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
#[cfg(feature = "metrics")]
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use super::{OnFailure, Policy, Sink, SinkError};
use crate::event::Event;
use crate::result::{Record, StreamName, Verdict};
use crate::stats::{RunStats, RunStream};

/// In seconds: from a GPU's batch to a network that does not keep up.
#[cfg(feature = "metrics")]
const BUCKETS: [f64; 14] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// How often the engine's counters are copied.
const COPY_EVERY: Duration = Duration::from_secs(1);

/// The sink of `--metrics`.
pub struct Metrics {
    stats: Arc<RunStats>,
    copied: Option<Instant>,
}

impl Metrics {
    /// For the streams of `stats`.
    pub fn new(stats: Arc<RunStats>) -> Self {
        Self {
            stats,
            copied: None,
        }
    }

    fn copy_counters(&self) {
        for RunStream { name, stats } in self.stats.streams().iter() {
            let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
            counter!("l3net_dropped_blocks_total", "stream" => name.clone())
                .absolute(of(&stats.dropped_blocks));
            counter!("l3net_dropped_frames_total", "stream" => name.clone())
                .absolute(of(&stats.dropped_frames));
            gauge!("l3net_lag_seconds", "stream" => name.clone())
                .set(of(&stats.lag_ns) as f64 / 1e9);
            counter!("l3net_untimed_blocks_total", "stream" => name.clone())
                .absolute(of(&stats.untimed_blocks));
            counter!("l3net_doubted_times_total", "stream" => name.clone())
                .absolute(of(&stats.doubted_times));
            counter!("l3net_time_jumps_total", "stream" => name.clone())
                .absolute(of(&stats.time_jumps));
            let waiting = usize::try_from(of(&stats.queued_moments)).unwrap_or(usize::MAX);
            queue_depth("moments", Some(name), waiting);
        }
    }
}

impl Sink for Metrics {
    fn name(&self) -> &'static str {
        "metrics"
    }

    fn policy(&self) -> Policy {
        Policy {
            on_failure: OnFailure::Detach,
            tick: Some(COPY_EVERY),
            ..Policy::LOSSLESS
        }
    }

    fn receive(&mut self, event: &Event) -> Result<(), SinkError> {
        event.records().for_each(|record| observe(&record));
        // All streams: not at each event of one.
        match self.copied {
            Some(at) if at.elapsed() < COPY_EVERY => Ok(()),
            _ => self.tick(),
        }
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        self.copy_counters();
        self.copied = Some(Instant::now());
        Ok(())
    }
}

/// Starts serving the metrics of this process. Returns the address; the system chooses the
/// port if it was 0.
///
/// # Errors
/// If the address is invalid or taken, or if metrics are already served.
pub fn serve(address: &str) -> Result<SocketAddr, SinkError> {
    // The exporter's own error does not distinguish a taken port, and port 0 must be
    // resolved.
    let fail = failed(address);
    let found = bind(address)?.local_addr();
    let found = found.map_err(|cause| fail(cause.to_string()))?;
    install(found).map_err(fail)?;
    describe();
    Ok(found)
}

fn failed(address: &str) -> impl Fn(String) -> SinkError + '_ {
    move |cause| SinkError::Address {
        address: address.to_owned(),
        cause,
    }
}

/// A listener at an address such as `9000`, `:9000` (both on this machine only) or
/// `0.0.0.0:9000`.
///
/// # Errors
/// If the address is invalid or taken.
pub fn bind(address: &str) -> Result<TcpListener, SinkError> {
    let fail = failed(address);
    TcpListener::bind(parse(address).map_err(&fail)?).map_err(|cause| {
        fail(match cause.kind() {
            std::io::ErrorKind::AddrInUse => {
                "the port is taken; name another one, or stop the program that has it".into()
            }
            std::io::ErrorKind::PermissionDenied => {
                "ports under 1024 are for root; name a higher one".into()
            }
            std::io::ErrorKind::AddrNotAvailable => {
                "this machine has no such address; 0.0.0.0 means all that it has".into()
            }
            _ => format!("{cause}; an address is as 9000 or 0.0.0.0:9000"),
        })
    })
}

#[cfg(feature = "metrics")]
fn install(at: SocketAddr) -> Result<(), String> {
    // As the exporter's own `install`, which gives no handle.
    let said = |cause: &dyn std::fmt::Display| cause.to_string();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| said(&cause))?;
    let built = {
        let _entered = runtime.enter();
        builder().with_http_listener(at).build()
    };
    let (recorder, exporter) = built.map_err(|cause| said(&cause))?;
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| "metrics are already served".to_owned())?;
    let _ = HANDLE.set(handle);
    let serve = move || {
        // It ends only with the process.
        let _ = runtime.block_on(exporter);
    };
    let thread = std::thread::Builder::new().name("metrics".to_owned());
    thread.spawn(serve).map(drop).map_err(|cause| said(&cause))
}

/// What writes the metrics of this process as text.
#[cfg(feature = "metrics")]
static HANDLE: std::sync::OnceLock<PrometheusHandle> = std::sync::OnceLock::new();

/// Starts counting without serving ([`text`] gives what was counted), unless it has begun.
///
/// # Errors
/// If another part of the process counts in its own way.
#[cfg(feature = "metrics")]
pub fn count() -> Result<(), SinkError> {
    if HANDLE.get().is_some() {
        return Ok(());
    }
    let installed = builder().install_recorder();
    let handle = installed.map_err(|cause| SinkError::Address {
        address: "/metrics".to_owned(),
        cause: cause.to_string(),
    })?;
    let _ = HANDLE.set(handle);
    describe();
    Ok(())
}

/// The metrics of this process as Prometheus reads them.
#[cfg(feature = "metrics")]
pub fn text() -> String {
    HANDLE.get().map_or_else(String::new, |handle| {
        handle.run_upkeep();
        handle.render()
    })
}

#[cfg(not(feature = "metrics"))]
fn install(_: SocketAddr) -> Result<(), String> {
    Err("this build serves none; build with the cargo feature `metrics`".to_owned())
}

#[cfg(feature = "metrics")]
fn builder() -> PrometheusBuilder {
    PrometheusBuilder::new()
        .set_buckets(&BUCKETS)
        .expect("there are buckets")
}

/// An address to serve at; `9000` and `:9000` are on the loopback interface only.
///
/// # Errors
/// Says how an address is written.
pub fn parse(address: &str) -> Result<SocketAddr, String> {
    let port = address.strip_prefix(':').unwrap_or(address);
    let full = if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) {
        format!("127.0.0.1:{port}")
    } else {
        address.to_owned()
    };
    full.to_socket_addrs()
        .ok()
        .and_then(|mut found| found.next())
        .ok_or_else(|| "this is no address; it is as 9000, :9000 or 0.0.0.0:9000".to_owned())
}

fn describe() {
    describe_counter!("l3net_moments_total", "Moments judged");
    describe_counter!("l3net_gaps_total", "Parts of a stream that were not judged");
    describe_counter!(
        "l3net_lost_moments_total",
        "Moments that were lost in gaps of the stream"
    );
    describe_counter!("l3net_errors_total", "Failures of a stream");
    describe_counter!(
        "l3net_dropped_frames_total",
        "Frames of a live source dropped because they were not read in time"
    );
    describe_counter!(
        "l3net_dropped_blocks_total",
        "Blocks of sound dropped because the ring was full"
    );
    describe_counter!(
        "l3net_untimed_blocks_total",
        "Blocks of sound that came without a timestamp"
    );
    describe_counter!(
        "l3net_doubted_times_total",
        "Blocks and frames whose timestamps were not believed"
    );
    describe_counter!(
        "l3net_time_jumps_total",
        "Jumps of the timestamps of sound or picture"
    );
    describe_counter!(
        "l3net_invalid_samples_total",
        "NaN and infinite samples of the sound, judged as silence"
    );
    describe_counter!(
        "l3net_clipped_samples_total",
        "Samples of the sound far over full scale, clipped"
    );
    describe_counter!(
        "l3net_sink_dropped_total",
        "Moments that a sink dropped because it was too slow"
    );
    describe_counter!("l3net_sink_failures_total", "Failures of a sink");
    describe_gauge!(
        "l3net_correspondence",
        "Probability that sound and picture of the latest moment belong together"
    );
    describe_gauge!("l3net_queue_depth", "Items waiting in a queue");
    describe_gauge!("l3net_stream_up", "Whether the stream delivers, 0 or 1");
    describe_gauge!(
        "l3net_audio_level_dbfs",
        "Level of the latest moment, relative to full scale"
    );
    describe_gauge!(
        "l3net_av_drift_seconds",
        Unit::Seconds,
        "How much earlier the sound has become against the picture since the stream was opened"
    );
    describe_gauge!(
        "l3net_ring_fill_ratio",
        "How full the ring of packets for clips is, 0 to 1"
    );
    describe_gauge!(
        "l3net_clips_bytes",
        Unit::Bytes,
        "Clips and snapshots on disk"
    );
    describe_gauge!("l3net_build_info", "The version of the program; always 1");
    gauge!("l3net_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    describe_counter!("l3net_reconnects_total", "Streams that came back");
    describe_counter!("l3net_events_total", "Events of streams, by their kind");
    describe_counter!(
        "l3net_notifications_total",
        "Messages about events, by whom they were for and what became of them"
    );
    describe_gauge!(
        "l3net_notifications_waiting",
        "Messages about events that have not been sent yet"
    );
    describe_gauge!(
        "l3net_lag_seconds",
        Unit::Seconds,
        "How far a live source is behind the clock"
    );
    let seconds = [
        (
            "l3net_wait_seconds",
            "From the last sound of a window to the start of its features",
        ),
        ("l3net_features_seconds", "Log-spectrogram and frame"),
        ("l3net_net_seconds", "Network, with the wait for it"),
        (
            "l3net_latency_seconds",
            "From the last sound of a window to its result",
        ),
    ];
    for (name, what) in seconds {
        describe_histogram!(name, Unit::Seconds, what);
    }
}

/// Counts a record of the output.
pub fn observe(record: &Record) {
    let stream = record.stream().clone();
    match record {
        Record::Moment(verdict) => observe_moment(verdict),
        Record::Gap(gap) => {
            let why = gap.why.name();
            counter!("l3net_gaps_total", "stream" => stream.clone(), "why" => why).increment(1);
            counter!("l3net_lost_moments_total", "stream" => stream, "why" => why)
                .increment(gap.lost);
        }
        Record::Qc(_) | Record::Summary(_) => {}
        Record::Error(_) => counter!("l3net_errors_total", "stream" => stream).increment(1),
    }
}

fn observe_moment(verdict: &Verdict) {
    let stream = || verdict.stream.clone();
    counter!("l3net_moments_total", "stream" => stream()).increment(1);
    counter!("l3net_invalid_samples_total", "stream" => stream())
        .increment(verdict.audio.invalid_samples);
    counter!("l3net_clipped_samples_total", "stream" => stream())
        .increment(verdict.audio.clipped_samples);
    gauge!("l3net_correspondence", "stream" => stream()).set(verdict.correspondence);
    let latency = verdict.latency_ms;
    let seconds = |ms: f32| f64::from(ms) / 1e3;
    histogram!("l3net_wait_seconds", "stream" => stream()).record(seconds(latency.wait));
    histogram!("l3net_features_seconds", "stream" => stream()).record(seconds(latency.features));
    histogram!("l3net_net_seconds", "stream" => stream()).record(seconds(latency.net));
    histogram!("l3net_latency_seconds", "stream" => stream()).record(seconds(latency.total));
}

/// Length of a queue ("moments", or the name of a sink), of one stream or of all.
pub fn queue_depth(queue: &'static str, stream: Option<&StreamName>, waiting: usize) {
    match stream {
        Some(stream) => gauge!("l3net_queue_depth", "queue" => queue, "stream" => stream.clone()),
        None => gauge!("l3net_queue_depth", "queue" => queue),
    }
    .set(waiting as f64);
}

/// A sink dropped a moment because it was too slow.
pub(super) fn sink_dropped(sink: &'static str, moments: u64) {
    if moments > 0 {
        counter!("l3net_sink_dropped_total", "sink" => sink).increment(moments);
    }
}

/// A sink failed.
pub(super) fn sink_failed(sink: &'static str) {
    counter!("l3net_sink_failures_total", "sink" => sink).increment(1);
}

#[cfg(all(test, feature = "metrics"))]
#[path = "metrics_tests.rs"]
mod tests;
