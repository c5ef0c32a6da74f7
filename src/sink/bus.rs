//! The bus: one publisher, many sinks, none of which holds up another.
//!
//! Belongs here: queues, threads, and enforcing each sink's [`Policy`]. Does not: what a
//! sink does with an event.
//!
//! Each sink has a bounded queue and one or more threads. A full queue blocks the
//! publisher or drops its oldest moment, as the policy says. Once the run is cancelled,
//! sinks have [`BusOptions::grace`] to drain their queues and close. One that hangs longer
//! is abandoned and reported; its thread ends with the process.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, TrySendError};

use super::{Annotator, OnFailure, Policy, Sink, SinkError, WhenFull, metrics};
#[cfg(feature = "gst")]
use super::{WatchStream, Watcher};
use crate::cancel::CancelToken;
use crate::event::Event;
#[cfg(feature = "gst")]
use crate::result::StreamName;
use crate::result::{Gap, GapReason};

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

/// A sink's queue and threads.
struct Lane {
    name: &'static str,
    policy: Policy,
    queue: Sender<Arc<Event>>,
    /// Receives the oldest event of a full queue, to drop it.
    oldest: Receiver<Arc<Event>>,
    overflow: Arc<Mutex<Overflow>>,
    /// Workers that are still running.
    alive: Arc<AtomicUsize>,
    /// Disconnected once all workers have ended.
    finished: Receiver<()>,
    workers: Vec<JoinHandle<()>>,
}

/// What replaces events dropped from a full queue. It is older than everything in the queue,
/// so it is delivered first.
#[derive(Default)]
struct Overflow(Vec<Event>);

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

/// A lane that takes no more events.
struct Closing {
    name: &'static str,
    finished: Receiver<()>,
    workers: Vec<JoinHandle<()>>,
}

impl Lane {
    fn start(sink: Box<dyn Sink>, shared: &Arc<Shared>) -> Result<Self, SinkError> {
        let (name, policy) = (sink.name(), sink.policy());
        let (queue, oldest) = crossbeam_channel::bounded(policy.queue.max(1));
        let overflow: Arc<Mutex<Overflow>> = Arc::default();
        let (last_word, finished) = crossbeam_channel::bounded(0);
        let more = (1..policy.workers).map_while(|_| sink.another_worker());
        let mut sinks: Vec<_> = more.collect();
        sinks.push(sink);
        let alive = Arc::new(AtomicUsize::new(sinks.len()));
        let start = |sink| {
            let worker = Worker {
                sink,
                name,
                policy,
                queue: oldest.clone(),
                overflow: Arc::clone(&overflow),
                shared: Arc::clone(shared),
                failing: false,
            };
            let leaving = Leaving {
                name,
                policy,
                alive: Arc::clone(&alive),
                shared: Arc::clone(shared),
                _finished: last_word.clone(),
            };
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || {
                    let _leaving = leaving;
                    worker.run();
                })
                .map_err(SinkError::io(name.as_ref(), "start a thread for"))
        };
        let workers = sinks.into_iter().map(start).collect::<Result<_, _>>()?;
        Ok(Self {
            name,
            policy,
            queue,
            oldest,
            overflow,
            alive,
            finished,
            workers,
        })
    }

    /// Never waits: if the queue is full, drops the oldest event and returns the new one to
    /// be tried again.
    fn push(&self, event: Arc<Event>) -> Result<(), SendTimeoutError<Arc<Event>>> {
        let back = match self.queue.try_send(event) {
            Err(TrySendError::Full(back)) => back,
            _ => return Ok(()),
        };
        // Locked before receiving, so that a worker that already holds a newer event sees
        // the replacement first.
        let mut overflow = lock(&self.overflow);
        if let Ok(oldest) = self.oldest.try_recv()
            && overflow.add(&oldest)
        {
            metrics::sink_dropped(self.name);
        }
        Err(SendTimeoutError::Timeout(back))
    }

    fn close(self) -> Closing {
        // Dropping the sender lets workers end once the queue is empty.
        Closing {
            name: self.name,
            finished: self.finished,
            workers: self.workers,
        }
    }
}

impl Overflow {
    /// Keeps what must not be lost of a dropped event; true if that was a moment.
    fn add(&mut self, event: &Event) -> bool {
        let gap = match event {
            Event::Ended(_) => {
                self.0.push(event.clone());
                return false;
            }
            Event::Gap(gap) => gap.clone(),
            Event::Moment(moment) => Gap {
                stream: moment.verdict.stream.clone(),
                start_ns: moment.verdict.start_ns,
                end_ns: moment.verdict.end_ns,
                why: GapReason::Overload,
                lost: 1,
            },
        };
        let of_stream = |e: &&mut Event| *e.stream() == gap.stream;
        match self.0.iter_mut().rev().find(of_stream) {
            Some(Event::Gap(last)) if last.why == gap.why => {
                last.end_ns = last.end_ns.max(gap.end_ns);
                last.lost += gap.lost;
            }
            _ => self.0.push(Event::Gap(gap)),
        }
        matches!(event, Event::Moment(_))
    }
}

/// Dropped when a worker's thread ends, for whatever reason.
struct Leaving {
    name: &'static str,
    policy: Policy,
    alive: Arc<AtomicUsize>,
    shared: Arc<Shared>,
    _finished: Sender<()>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let what = format!("{} broke down; please report it", self.name);
            self.shared.fail(&what);
            if self.policy.on_failure == OnFailure::EndRun {
                self.shared.options.cancel.cancel();
            }
        }
        self.alive.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A thread of a sink.
struct Worker {
    sink: Box<dyn Sink>,
    name: &'static str,
    policy: Policy,
    queue: Receiver<Arc<Event>>,
    overflow: Arc<Mutex<Overflow>>,
    shared: Arc<Shared>,
    /// The last event failed.
    failing: bool,
}

/// What a worker does after an event.
#[derive(PartialEq)]
enum Next {
    Continue,
    Leave,
}

impl Worker {
    fn run(mut self) {
        loop {
            let next = match self.next_event() {
                Ok(event) => self.serve(&event),
                Err(RecvTimeoutError::Timeout) => {
                    let ticked = self.sink.tick();
                    self.judge(ticked)
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if next == Next::Leave {
                return;
            }
        }
        if self.serve_overflow() == Next::Continue {
            let finished = self.sink.finish();
            self.judge(finished);
        }
    }

    fn next_event(&self) -> Result<Arc<Event>, RecvTimeoutError> {
        match self.policy.tick {
            Some(tick) => self.queue.recv_timeout(tick),
            None => self
                .queue
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    fn serve(&mut self, event: &Event) -> Next {
        if self.policy.when_full == WhenFull::DropOldest && self.serve_overflow() == Next::Leave {
            return Next::Leave;
        }
        let received = self.sink.receive(event);
        self.judge(received)
    }

    fn serve_overflow(&mut self) -> Next {
        let older = std::mem::take(&mut lock(&self.overflow).0);
        for event in older {
            let received = self.sink.receive(&event);
            if self.judge(received) == Next::Leave {
                return Next::Leave;
            }
        }
        Next::Continue
    }

    /// Applies [`Policy::on_failure`].
    fn judge(&mut self, result: Result<(), SinkError>) -> Next {
        let Err(error) = result else {
            self.failing = false;
            return Next::Continue;
        };
        let was_failing = std::mem::replace(&mut self.failing, true);
        let closed = error.is_closed();
        if !closed {
            metrics::sink_failed(self.name);
        }
        match self.policy.on_failure {
            OnFailure::EndRun => {
                lock(&self.shared.fatal).get_or_insert(error);
                self.shared.options.cancel.cancel();
                Next::Leave
            }
            OnFailure::Detach => {
                if !closed {
                    self.shared.fail(&error.to_string());
                }
                Next::Leave
            }
            OnFailure::ReportFirst if was_failing => Next::Continue,
            OnFailure::ReportEach | OnFailure::ReportFirst => {
                self.shared.fail(&error.to_string());
                Next::Continue
            }
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
#[path = "bus_tests.rs"]
mod tests;
