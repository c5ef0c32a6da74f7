//! The bus: one publisher, many sinks, none of which holds up another.
//!
//! Belongs here: queues, threads, and enforcing each sink's [`Policy`]. Does not: what a
//! sink does with an event.
//!
//! Each sink has a bounded queue and one or more threads. A full queue blocks the
//! publisher or drops its oldest moment, as the policy says. Once the run is cancelled,
//! sinks have [`BusOptions::grace`] to drain their queues and close. One that hangs longer
//! is abandoned and reported; its thread ends with the process.

mod lane;
mod worker;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, SendTimeoutError};

use super::{Annotator, Sink, SinkError, WhenFull, metrics};
#[cfg(feature = "gst")]
use super::{WatchStream, Watcher};
use crate::cancel::CancelToken;
use crate::event::Event;
#[cfg(feature = "gst")]
use crate::result::StreamName;
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
}

/// Delivers events to sinks.
pub struct Bus {
    lanes: Vec<Lane>,
    annotators: Vec<Annotator>,
    #[cfg(feature = "gst")]
    watch: Vec<WatchStream>,
    shared: Arc<Shared>,
    /// When a cancelled run was first noticed.
    cancelled_at: Mutex<Option<Instant>>,
}

struct Shared {
    options: BusOptions,
    failures: AtomicUsize,
    /// The failure that ended the run.
    fatal: Mutex<Option<SinkError>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Guarded values are consistent between any two statements, so poisoning is harmless.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
            cancelled_at: Mutex::default(),
        })
    }

    /// Whether any sink needs moments with their picture and spectrogram.
    pub fn needs_pictures(&self) -> bool {
        self.lanes.iter().any(|lane| lane.policy.pictures)
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
    /// A sink's failure that ends the run; returned once.
    pub fn publish(&self, event: Event, repeated: bool) -> Result<(), SinkError> {
        if let Some(error) = lock(&self.shared.fatal).take() {
            return Err(error);
        }
        let event = Arc::new(event);
        for lane in &self.lanes {
            if !repeated || lane.policy.repeats {
                self.hand_over(lane, Arc::clone(&event));
            }
        }
        Ok(())
    }

    fn hand_over(&self, lane: &Lane, mut event: Arc<Event>) {
        // No workers: the sink is detached, which has been reported.
        while lane.alive.load(Ordering::Acquire) > 0 {
            let pushed = match lane.policy.when_full {
                WhenFull::DropOldest => lane.push(event),
                WhenFull::Wait => lane.queue.send_timeout(event, POLL_INTERVAL),
            };
            match pushed {
                Ok(()) | Err(SendTimeoutError::Disconnected(_)) => break,
                Err(SendTimeoutError::Timeout(back)) => event = back,
            }
            if self.is_out_of_time() {
                break;
            }
        }
        metrics::queue_depth(lane.name, None, lane.queue.len());
    }

    /// Whether the grace period after cancellation is over.
    fn is_out_of_time(&self) -> bool {
        let options = &self.shared.options;
        options.cancel.is_cancelled()
            && lock(&self.cancelled_at)
                .get_or_insert_with(Instant::now)
                .elapsed()
                >= options.grace
    }

    /// Waits until all sinks have drained their queues and closed. Returns the number of
    /// failures that did not end the run.
    ///
    /// # Errors
    /// The failure that ended the run, if [`publish`](Self::publish) has not returned it.
    pub fn finish(mut self) -> Result<usize, SinkError> {
        let lanes = std::mem::take(&mut self.lanes);
        // Close all of them before waiting for any.
        let closing: Vec<_> = lanes.into_iter().map(Lane::close).collect();
        for lane in closing {
            let mut closed = lane.finished.recv_timeout(POLL_INTERVAL);
            while closed == Err(RecvTimeoutError::Timeout) && !self.is_out_of_time() {
                closed = lane.finished.recv_timeout(POLL_INTERVAL);
            }
            if closed == Err(RecvTimeoutError::Timeout) {
                let grace = self.shared.options.grace.as_secs();
                self.shared.fail(&format!(
                    "{} did not close within {grace} s; its last output may be missing",
                    lane.name
                ));
                continue;
            }
            for worker in lane.workers {
                // A panic has been reported when the thread unwound.
                let _ = worker.join();
            }
        }
        match lock(&self.shared.fatal).take() {
            Some(error) => Err(error),
            None => Ok(self.shared.failures.load(Ordering::Relaxed)),
        }
    }
}

impl Shared {
    /// Counts and reports a failure that does not end the run.
    fn fail(&self, what: &str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        (self.options.report)(&format!("l3net: {what}"));
    }
}

#[cfg(test)]
mod tests;
