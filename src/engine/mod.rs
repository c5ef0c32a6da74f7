//! The threads of a run, and who waits for whom.
//!
//! Belongs here: running streams in parallel, sharing one network between them,
//! events, shutdown. Does not: what a window is (`window`), what is written (`sink`).
//!
//! ```text
//! stream threads  Feed -> MomentMaker -> Features --+
//! stream threads  …                                 +-> Dispatcher -> network thread -> Output
//! ```
//!
//! Features are computed on the stream threads; the network thread only runs the
//! network; the caller of [`Engine::run`] takes the outputs, which an [`Assembler`] turns
//! into events. Queues in between are bounded, so the slowest stage sets the pace: files
//! wait, live streams drop their oldest moment and report a gap.
//!
//! Sources and clocks are parameters ([`Engine::opener`], [`Engine::clock`]): tests run
//! hours of a failing camera in milliseconds.

mod assemble;
mod dispatch;
mod extract;
mod judge;
mod network;
mod roster;
#[cfg(test)]
mod simulated_tests;
mod stream;
#[cfg(test)]
mod tests;
mod utc;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, never, select};

use crate::cancel::CancelToken;
use crate::clock::{Clock, SystemClock};
use crate::features::{Crop, Features};
use crate::media::packets::PacketRing;
use crate::media::{GraphFiles, GstOpener, Meter, Opener, Source};
use crate::net::{L3Net, NetError};
use crate::sink::Watcher;
use crate::stats::RunStats;
use crate::time::{Hop, MediaTime, SAMPLE_RATE};
use crate::window_spec::WindowSpec;

pub use assemble::Assembler;
pub use dispatch::{Dispatcher, Droppable, Item, QueueLimits, StreamEnd};
pub use judge::{Answer, Judge, Part, Replacement};
pub use network::{Job, Output};
pub use roster::Change;
use roster::Roster;

/// How to run.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Time from the start of a window to the start of the next.
    pub hop: Hop,
    /// Every n-th moment goes through the network; the others are passed over.
    pub every: u64,
    /// Only one frame in each step of so long is looked at; zero: the nearest of all.
    pub frame_every: MediaTime,
    /// Which part of the picture the network sees.
    pub crop: Crop,
    /// The window and spectrogram of the model.
    pub spec: WindowSpec,
    /// Play in real time, including sources that are not live.
    pub real_time: bool,
    /// Stop each stream after this much of it.
    pub limit: Option<MediaTime>,
    /// Streams that are open at a time; ignored in real time, where all are.
    pub jobs: usize,
    /// Moments in one forward pass, at most.
    pub batch: usize,
    /// How long after its sound a moment of a live stream may be answered; later it is
    /// dropped.
    pub max_wait: Duration,
    /// Keep the pictures, for sinks that draw.
    pub keep_pictures: bool,
    /// Wait for cameras that were not there yet, instead of giving up.
    pub wait_for_cameras: bool,
}

impl EngineOptions {
    /// What has waited longer is too old to matter.
    pub const MAX_WAIT: Duration = Duration::from_secs(2);

    /// A batch size that suits several streams: with larger batches, moments would wait
    /// for each other.
    pub fn batch_for(net: &L3Net) -> usize {
        if net.describe().device.is_cuda() {
            32
        } else {
            4
        }
    }
}

/// One stream of a run.
pub struct Task {
    /// The source.
    pub source: Source,
    /// Moments at its start that an earlier run judged: counted, not judged again.
    pub skip: u64,
    /// Get all of its sound and frames.
    pub watchers: Vec<Box<dyn Watcher>>,
    /// Its own time between windows, instead of [`EngineOptions::hop`].
    pub hop: Option<Hop>,
    /// Keeps its encoded packets, over all its openings.
    pub packets: Option<Arc<PacketRing>>,
    /// Measures all of it, if it is a file.
    pub meter: Option<Arc<Meter>>,
    /// Decode key pictures only, if it is a file.
    pub keyframes: bool,
    /// Where its pipeline is drawn.
    pub graphs: Option<GraphFiles>,
}

impl Task {
    /// All of a source, without watchers.
    pub fn new(source: Source) -> Self {
        Self {
            source,
            skip: 0,
            watchers: Vec::new(),
            hop: None,
            packets: None,
            meter: None,
            keyframes: false,
            graphs: None,
        }
    }
}

/// Runs streams through the network.
pub struct Engine<'a> {
    /// Options.
    pub options: &'a EngineOptions,
    /// Requests the end of the run.
    pub cancel: &'a CancelToken,
    /// Counters; each stream is added when the run knows of it.
    pub stats: &'a RunStats,
    /// Opens the sources.
    pub opener: &'a dyn Opener,
    /// The clocks of the run. Arrivals in GStreamer's threads are stamped by the system's.
    pub clock: &'a dyn Clock,
    /// Changes of the streams of a run in real time. One that comes when all streams are over
    /// is too late.
    pub changes: Receiver<Change>,
}

/// Ends the run if its thread panics; the others would wait for it for ever.
struct EndIfPanicking<'a> {
    cancel: &'a CancelToken,
    dispatcher: &'a Dispatcher<Box<Job>>,
}

impl Drop for EndIfPanicking<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.cancel.cancel();
            self.dispatcher.close();
        }
    }
}

impl<'a> Engine<'a> {
    /// With GStreamer and the system's clocks.
    pub fn new(options: &'a EngineOptions, cancel: &'a CancelToken, stats: &'a RunStats) -> Self {
        Self {
            options,
            cancel,
            stats,
            opener: &GstOpener,
            clock: &SystemClock,
            changes: never(),
        }
    }

    /// Runs all streams to their end or until cancelled. `network` runs on its own thread
    /// and returns an answer for each moment of a batch. Outputs go to `emit` on the
    /// calling thread, in order within each stream. If `emit` fails, the run stops and
    /// its error is returned.
    ///
    /// # Errors
    /// What `emit` returns.
    ///
    /// # Panics
    /// If `emit`, a stream or the network panics; the others are stopped first.
    pub fn run<A: Send, E>(
        &self,
        tasks: Vec<Task>,
        network: impl FnMut(&[&Features]) -> Result<Vec<A>, NetError> + Send,
        mut emit: impl FnMut(Output<A>) -> Result<(), E>,
    ) -> Result<(), E> {
        let options = self.options;
        let open = if options.real_time {
            tasks.len()
        } else {
            options.jobs.clamp(1, tasks.len().max(1))
        };
        let dispatcher = Dispatcher::default();
        let (sender, outputs) = crossbeam_channel::bounded(2 * options.batch.max(1));
        let mut roster = Roster::default();
        let mut slots = Vec::with_capacity(tasks.len());
        for task in tasks {
            // No two of the same name: it need not be looked for among all of them.
            let (_, stop) = self.announce(&task, false, &dispatcher, &mut roster, &mut emit)?;
            slots.push(Mutex::new(Some((task, stop))));
        }
        let next = AtomicUsize::new(0);
        // Threads that read, and streams that wait for one of their name to end.
        let (left, waiting) = (AtomicUsize::new(open), AtomicUsize::new(0));
        let one_less = || {
            let is_last = left.fetch_sub(1, Ordering::AcqRel) == 1;
            // Who waits begins when the end of the other is taken. Once cancelled, one that
            // was never opened has no end.
            if is_last && (waiting.load(Ordering::Acquire) == 0 || self.cancel.is_cancelled()) {
                dispatcher.close();
            }
        };
        let end_if_panicking = || EndIfPanicking {
            cancel: self.cancel,
            dispatcher: &dispatcher,
        };
        // If cancelled, streams that have not begun are left for a later run.
        let read = |stream, task, stop| {
            if !self.cancel.is_cancelled() {
                stream::run(self, stream, task, stop, &dispatcher);
            }
        };
        let (one_less, read) = (&one_less, &read);

        std::thread::scope(|scope| {
            let _guard = end_if_panicking();
            for _ in 0..open {
                scope.spawn(|| {
                    let _guard = end_if_panicking();
                    loop {
                        let stream = next.fetch_add(1, Ordering::Relaxed);
                        let Some(slot) = slots.get(stream) else {
                            break;
                        };
                        let task = slot.lock().ok().and_then(|mut t| t.take());
                        if let Some((task, stop)) = task {
                            read(stream, task, stop);
                        }
                    }
                    one_less();
                });
            }
            {
                let guard = end_if_panicking();
                let thread = network::NetworkThread {
                    network,
                    max_batch: options.batch,
                    max_wait: options.max_wait,
                    dispatcher: &dispatcher,
                    outputs: sender,
                    stats: &self.stats.network,
                    clock: self.clock,
                };
                // Named, so that a list of threads tells the network's share.
                let named = std::thread::Builder::new().name("network".to_owned());
                let run = move || {
                    let _guard = guard;
                    thread.run();
                };
                (named.spawn_scoped(scope, run)).expect("the system has a thread");
            }
            let begin = |task: Task, roster: &mut Roster, emit: &mut _| -> Result<(), E> {
                let known = roster.knows(&task.source.name);
                let (stream, stop) = self.announce(&task, known, &dispatcher, roster, emit)?;
                left.fetch_add(1, Ordering::AcqRel);
                waiting.store(roster.waiting(), Ordering::Release);
                let guard = end_if_panicking();
                scope.spawn(move || {
                    let _guard = guard;
                    read(stream, task, stop);
                    one_less();
                });
                Ok(())
            };
            let mut changes = self.changes.clone();
            let mut result = Ok(());
            while result.is_ok() {
                select! {
                    recv(outputs) -> output => match output {
                        Ok(output) => {
                            let over = match &output {
                                Output::Ended { stream, .. } => Some(*stream),
                                _ => None,
                            };
                            result = emit(output);
                            let next = over.and_then(|stream| roster.over(stream));
                            if let Some(task) = next.filter(|_| result.is_ok()) {
                                result = begin(task, &mut roster, &mut emit);
                            }
                        }
                        Err(_) => break,
                    },
                    recv(changes) -> change => match change {
                        // One more, so that the run does not end meanwhile.
                        Ok(change) if add_unless_zero(&left, &waiting) => {
                            roster.end(&change.end);
                            let now = roster.begin(change.begin);
                            waiting.store(roster.waiting(), Ordering::Release);
                            result = (now.into_iter())
                                .try_for_each(|task| begin(task, &mut roster, &mut emit));
                            one_less();
                        }
                        Ok(_) => {}
                        Err(_) => changes = never(),
                    },
                }
            }
            if result.is_err() {
                self.cancel.cancel();
                dispatcher.close();
            }
            // Unblocks the network thread, which may be waiting to send.
            drop(outputs);
            result
        })
    }

    /// Gives a stream its index and what ends it, and tells of it. `known`: a stream of its
    /// name was part of the run before.
    fn announce<A, E>(
        &self,
        task: &Task,
        known: bool,
        dispatcher: &Dispatcher<Box<Job>>,
        roster: &mut Roster,
        emit: &mut impl FnMut(Output<A>) -> Result<(), E>,
    ) -> Result<(usize, CancelToken), E> {
        let name = &task.source.name;
        let limits = self.queue_limits(task.hop.unwrap_or(self.options.hop));
        let stream = dispatcher.add(limits, self.stats.add(name, known));
        let stop = self.cancel.part();
        roster.add(name.clone(), stop.clone());
        let source = Box::new(task.source.clone());
        emit(Output::Begun { stream, source })?;
        Ok((stream, stop))
    }

    fn queue_limits(&self, hop: Hop) -> QueueLimits {
        let hops_a_second = (SAMPLE_RATE as usize).div_ceil(hop.samples());
        QueueLimits {
            live: (self.options.max_wait.as_secs_f64() * hops_a_second as f64) as usize,
            file: 2,
        }
    }
}

/// Adds one, unless nobody is left: then the run is over.
fn add_unless_zero(left: &AtomicUsize, waiting: &AtomicUsize) -> bool {
    let some_wait = waiting.load(Ordering::Acquire) > 0;
    let add = |left| (left > 0 || some_wait).then_some(left + 1);
    let added = left.fetch_update(Ordering::AcqRel, Ordering::Acquire, add);
    added.is_ok()
}
