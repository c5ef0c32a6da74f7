//! The bus: one publisher, many sinks, none of which holds up another.
//!
//! Belongs here: queues, threads, and enforcing each sink's [policy](super::Policy). Does
//! not: what a sink does with an event.
//!
//! Each sink has a bounded queue and one or more threads. A full queue blocks the
//! publisher or drops its oldest moment, as the policy says. Once the run is cancelled,
//! sinks have [`BusOptions::grace`] to drain their queues and close. One that hangs longer
//! is abandoned and reported; its thread ends with the process.

mod lane;
mod overflow;
mod queue;
mod worker;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Annotator, OnFailure, Policy, Sink, SinkError, WhenFull, metrics};
#[cfg(feature = "gst")]
use super::{WatchStream, Watcher};
use crate::cancel::CancelToken;
use crate::event::Event;
#[cfg(feature = "gst")]
use crate::result::StreamName;
use crate::stats::RunStats;
use crate::sync::lock;
use lane::Lane;

/// How often a blocked publisher checks for cancellation.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Options of a bus.
#[derive(Clone)]
pub struct BusOptions {
    /// Cancelled by the caller to stop the run, and by the bus if a sink's failure ends it.
    pub cancel: CancelToken,
    /// How long sinks may take to close after the run is cancelled.
    pub grace: Duration,
    /// Reports a failure of a sink to the user, in one line.
    pub report: Arc<dyn Fn(&str) + Send + Sync>,
    /// Of the run: they tell whether it is live.
    pub stats: Arc<RunStats>,
}

/// Delivers events to sinks.
pub struct Bus {
    lanes: Vec<Lane>,
    annotators: Vec<Annotator>,
    #[cfg(feature = "gst")]
    watch: Vec<WatchStream>,
    shared: Arc<Shared>,
}

struct Shared {
    options: BusOptions,
    failures: AtomicUsize,
    /// The failure that ended the run.
    fatal: Mutex<Option<SinkError>>,
}

impl Bus {
    /// Starts the sinks' threads.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn start(sinks: Vec<Box<dyn Sink>>, options: BusOptions) -> Result<Self, SinkError> {
        let shared = Arc::new(Shared {
            options,
            failures: AtomicUsize::new(0),
            fatal: Mutex::default(),
        });
        let annotators = sinks.iter().filter_map(|sink| sink.annotator()).collect();
        #[cfg(feature = "gst")]
        let watch = sinks
            .iter()
            .filter_map(|sink| sink.watch_stream())
            .collect();
        let lanes = sinks
            .into_iter()
            .map(|sink| Lane::start(sink, &shared))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            lanes,
            annotators,
            #[cfg(feature = "gst")]
            watch,
            shared,
        })
    }

    /// Whether any sink needs moments with their picture and spectrogram.
    pub fn needs_pictures(&self) -> bool {
        self.lanes.iter().any(|lane| lane.policy.pictures)
    }

    /// Whether any sink needs what the fusion compared.
    pub fn needs_features(&self) -> bool {
        self.lanes.iter().any(|lane| lane.policy.features)
    }

    /// Watchers of the sinks that want all sound and frames of a stream.
    #[cfg(feature = "gst")]
    pub fn watchers(&self, stream: &StreamName) -> Vec<Box<dyn Watcher>> {
        self.watch.iter().map(|watch| watch(stream)).collect()
    }

    /// Runs the sinks' annotators on a moment.
    pub fn annotate(&self, event: &mut Event) {
        if let Event::Moment(moment) = event {
            self.annotators.iter().for_each(|annotate| annotate(moment));
        }
    }

    /// Queues an event for all sinks; `repeated` if the archive already has it from an
    /// earlier run.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn publish(&self, event: Event, repeated: bool) -> Result<(), SinkError> {
        self.check()?;
        let event = Arc::new(event);
        let light = event.without_pictures().map(Arc::new);
        for lane in &self.lanes {
            if !repeated || lane.policy.repeats {
                // Hundreds may wait in the queues of sinks that need no pictures.
                let light = light.as_ref().filter(|_| !lane.policy.pictures);
                self.hand_over(lane, light.unwrap_or(&event));
            }
        }
        Ok(())
    }

    /// Whether no sink has ended the run.
    ///
    /// # Errors
    /// A sink's failure that ends the run; returned once.
    pub fn check(&self) -> Result<(), SinkError> {
        match lock(&self.shared.fatal).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Waits until the pictures of all events so far are written, where a failure to write
    /// them ends the run.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn drain_pictures(&self) -> Result<(), SinkError> {
        let ends_run = |lane: &&Lane| self.shared.failure_ends_run(&lane.policy);
        let lanes = self.lanes.iter().filter(|lane| lane.policy.pictures);
        for lane in lanes.filter(ends_run) {
            while !lane.queue.drained_within(POLL_INTERVAL) && !self.is_over(self.sink_timeout()) {}
        }
        self.check()
    }

    fn hand_over(&self, lane: &Lane, event: &Arc<Event>) {
        let max = lane.policy.queue.max(1);
        match lane.policy.when_full {
            WhenFull::DropOldestIfLive if self.shared.options.stats.is_live() => {
                let dropped = lane.queue.push_or_drop(event, max);
                metrics::sink_dropped(lane.name, dropped);
            }
            WhenFull::Wait | WhenFull::DropOldestIfLive => {
                while !lane.queue.push_or_wait(event, max, POLL_INTERVAL)
                    && !self.is_over(self.sink_timeout())
                {}
            }
        }
        metrics::queue_depth(lane.name, None, lane.queue.len());
    }

    /// The share of the grace period for which one sink may delay closing the others.
    fn sink_timeout(&self) -> Duration {
        self.shared.options.grace / 4
    }

    /// Whether the run was cancelled longer ago than this.
    fn is_over(&self, time: Duration) -> bool {
        let since = self.shared.options.cancel.cancelled_for();
        since.is_some_and(|since| since >= time)
    }

    /// Waits until all sinks have drained their queues and closed. Returns the number of
    /// failures that did not end the run.
    ///
    /// # Errors
    /// The failure that ended the run, if [`publish`](Self::publish) has not returned it.
    pub fn finish(mut self) -> Result<usize, SinkError> {
        let lanes = std::mem::take(&mut self.lanes);
        // Close all of them before waiting for any.
        lanes.iter().for_each(|lane| lane.queue.close());
        let grace = self.shared.options.grace;
        for lane in lanes {
            let mut closed = lane.queue.stopped_within(POLL_INTERVAL);
            while !closed && !self.is_over(grace) {
                closed = lane.queue.stopped_within(POLL_INTERVAL);
            }
            if !closed {
                self.shared.fail(&format!(
                    "{} did not close within {} s; its last output may be missing",
                    lane.name,
                    grace.as_secs()
                ));
                continue;
            }
            for worker in lane.workers {
                // A panic has been reported when the thread unwound.
                let _ = worker.join();
            }
        }
        self.check()?;
        Ok(self.shared.failures.load(Ordering::Relaxed))
    }
}

impl Shared {
    /// Whether a failure of a sink with this policy ends the run.
    fn failure_ends_run(&self, policy: &Policy) -> bool {
        match policy.on_failure {
            OnFailure::EndRun => true,
            OnFailure::ReportFirstIfLive => !self.options.stats.is_live(),
            OnFailure::Detach | OnFailure::ReportEach => false,
        }
    }

    /// Counts and reports a failure that does not end the run.
    fn fail(&self, what: &str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        (self.options.report)(&format!("l3net: {what}"));
    }
}

#[cfg(test)]
mod tests;
