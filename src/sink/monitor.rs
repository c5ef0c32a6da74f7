//! Watches live streams: status, timeline and events, and who is told of them
//! ([`l3net_monitor`]).
//!
//! Policy: live, the oldest is dropped. What cannot be kept is reported by the monitor, and
//! never ends a run. It holds at most 64 pictures.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use l3net_monitor::monitor::Monitor;
use l3net_monitor::status::AvDrift;
use l3net_monitor::time::UtcMs;

use super::{OnFailure, Policy, Sink, SinkError, WhenFull};
use crate::cancel::CancelToken;
use crate::event::Event;
use crate::result::StreamName;
use crate::stats::{RunStats, StreamStats};

/// Events that wait; each may hold a picture of several megabytes.
const QUEUE: usize = 64;

/// The sink. Whatever else is to live as long as it (the page, messages) is closed with it.
pub struct MonitorSink {
    monitor: Monitor,
    names: Vec<StreamName>,
    stats: Arc<RunStats>,
    cancel: CancelToken,
    pictures: bool,
    close: Option<Box<dyn FnOnce() + Send>>,
}

impl MonitorSink {
    /// Watches the streams `names`, whose counters are `stats` in the same order, with their
    /// `pictures` if anybody sees them. `close` is called at the end, when all is kept.
    pub fn new(
        monitor: Monitor,
        names: Vec<StreamName>,
        stats: Arc<RunStats>,
        cancel: CancelToken,
        pictures: bool,
        close: Box<dyn FnOnce() + Send>,
    ) -> Self {
        Self {
            monitor,
            names,
            stats,
            cancel,
            pictures,
            close: Some(close),
        }
    }

    fn lag_s(&self, stream: &StreamName) -> f32 {
        let index = self.names.iter().position(|name| name == stream);
        let counters = index.and_then(|index| self.stats.streams.get(index));
        counters.map_or(0.0, |of| of.lag_ns.load(Ordering::Relaxed) as f32 / 1e9)
    }
}

impl MonitorSink {
    fn drift(&self, stream: &StreamName) -> AvDrift {
        let index = self.names.iter().position(|name| name == stream);
        let counters = index.and_then(|index| self.stats.streams.get(index));
        let drift = counters.and_then(StreamStats::drift);
        drift.map_or_else(AvDrift::default, |drift| AvDrift {
            av_drift_ms: Some(drift.sound_early_ns as f32 / 1e6),
            sound_clock_ppm: drift.sound_ppm,
            picture_clock_ppm: drift.picture_ppm,
        })
    }
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
        let lag = self.lag_s(event.stream());
        let drift = self.drift(event.stream());
        self.monitor.drift(event.stream(), drift);
        self.monitor.receive(event, lag, UtcMs::now());
        Ok(())
    }

    fn tick(&mut self) -> Result<(), SinkError> {
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
