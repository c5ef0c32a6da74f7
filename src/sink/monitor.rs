//! Watches live streams: status, timeline and events, and who is told of them
//! ([`l3net_monitor`]).
//!
//! Policy: live, the oldest is dropped. What cannot be kept is reported by the monitor, and
//! never ends a run. It holds at most 64 pictures.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::Receiver;
use l3net_monitor::monitor::{Monitor, Stream};
use l3net_monitor::status::AvDrift;
use l3net_monitor::time::UtcMs;

use super::{OnFailure, Policy, Sink, SinkError, WhenFull};
use crate::cancel::CancelToken;
use crate::event::Event;
use crate::result::StreamName;
use crate::stats::{RunStats, StreamStats};

/// Events that wait; each may hold a picture of several megabytes.
const QUEUE: usize = 64;

/// What is watched from now on.
pub struct Watching {
    /// The streams.
    pub streams: Vec<Stream>,
    /// The name of the model that judges them.
    pub model: String,
}

/// The sink. Whatever else is to live as long as it (the page, messages) is closed with it.
pub struct MonitorSink {
    monitor: Monitor,
    changes: Receiver<Watching>,
    stats: Arc<RunStats>,
    cancel: CancelToken,
    pictures: bool,
    close: Option<Box<dyn FnOnce() + Send>>,
}

impl MonitorSink {
    /// Watches the streams of `stats`, with their `pictures` if anybody sees them, until
    /// `changes` says otherwise. `close` is called at the end, when all is kept.
    pub fn new(
        monitor: Monitor,
        changes: Receiver<Watching>,
        stats: Arc<RunStats>,
        cancel: CancelToken,
        pictures: bool,
        close: Box<dyn FnOnce() + Send>,
    ) -> Self {
        Self {
            monitor,
            changes,
            stats,
            cancel,
            pictures,
            close: Some(close),
        }
    }

    fn counters(&self, stream: &StreamName) -> Arc<StreamStats> {
        let streams = self.stats.streams();
        let found = streams.iter().find(|of| of.name == *stream);
        found.map_or_else(Arc::default, |of| Arc::clone(&of.stats))
    }

    fn take_changes(&mut self) {
        for Watching { streams, model } in self.changes.try_iter() {
            self.monitor.set_model(&model);
            if let Err(error) = self.monitor.set_streams(&streams, UtcMs::now()) {
                tracing::warn!("timeline: {error}; streams that are new are not watched");
            }
        }
    }
}

/// As the monitor wants it.
fn drift_of(counters: &StreamStats) -> AvDrift {
    let drift = counters.drift();
    drift.map_or_else(AvDrift::default, |drift| AvDrift {
        av_drift_ms: Some(drift.sound_early_ns as f32 / 1e6),
        sound_clock_ppm: drift.sound_ppm,
        picture_clock_ppm: drift.picture_ppm,
    })
}

impl Sink for MonitorSink {
    fn name(&self) -> &'static str {
        "monitor"
    }

    fn policy(&self) -> Policy {
        Policy {
            pictures: self.pictures,
            queue: QUEUE,
            when_full: WhenFull::DropOldestIfLive,
            on_failure: OnFailure::ReportFirstIfLive,
            tick: Some(Duration::from_secs(1)),
            ..Policy::LOSSLESS
        }
    }

    fn receive(&mut self, event: &Event) -> Result<(), SinkError> {
        // A run that is stopped ends its streams, but not what happens to them.
        if matches!(event, Event::Ended(_)) && self.cancel.is_cancelled() {
            return Ok(());
        }
        self.take_changes();
        let counters = self.counters(event.stream());
        let lag_s = counters.lag_ns.load(Ordering::Relaxed) as f32 / 1e9;
        self.monitor.drift(event.stream(), drift_of(&counters));
        self.monitor.receive(event, lag_s, UtcMs::now());
        Ok(())
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        self.take_changes();
        self.monitor.tick(UtcMs::now());
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.monitor.finish(UtcMs::now());
        if let Some(close) = self.close.take() {
            close();
        }
        Ok(())
    }
}
