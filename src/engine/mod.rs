//! The threads, and who waits for whom.
//!
//! Belongs here: running streams side by side, sharing the one network between
//! them, shutting down. Does not: what a window is (`window`), what is written
//! (`sink`).
//!
//! ```text
//! stream threads  Session -> MomentMaker -> Features --+
//! stream threads  …                                    +-> Dispatcher -> net thread -> Outputs
//! ```
//!
//! A stream thread makes features, as decoding does on its side; the network
//! thread does nothing else; the caller of [`Engine::run`] takes the outputs. Each hands
//! over through a bounded queue, so the slowest sets the pace: files wait, live
//! streams drop their oldest moment and report a gap.
//!
//! Sources and clocks are parameters ([`Engine::opener`], [`Engine::clock`]), so that
//! hours of a failing camera are tested in milliseconds.

mod assemble;
mod dispatch;
mod extract;
mod network;
#[cfg(test)]
mod simulated_tests;
mod stream;
#[cfg(test)]
mod tests;
mod utc;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::cancel::CancelToken;
use crate::clock::{Clock, SystemClock};
use crate::features::Features;
use crate::media::{GstOpener, Opener, Source};
use crate::net::{L3Net, NetError};
use crate::result::Crop;
use crate::sink::Watcher;
use crate::stats::RunStats;
use crate::time::{Hop, MediaTime, SAMPLE_RATE};
use crate::window_spec::WindowSpec;

pub use assemble::Assembler;
pub use dispatch::{Dispatcher, Droppable, Item, QueueLimits, StreamEnd};
pub use network::{Job, Output};

/// How to run.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// How far windows start after each other.
    pub hop: Hop,
    /// Which part of the picture the network sees.
    pub crop: Crop,
    /// The window and spectrogram that the network takes.
    pub spec: WindowSpec,
    /// Play by the clock, also what is not live by itself.
    pub real_time: bool,
    /// Stop each stream after this much of it.
    pub limit: Option<MediaTime>,
    /// Streams that are open at a time; all of them where it plays by the clock.
    pub jobs: usize,
    /// Moments in one forward pass, at most.
    pub batch: usize,
    /// How long a moment of a live stream may wait for the network before it is dropped.
    pub max_wait: Duration,
    /// Keep the pictures for somebody who draws them.
    pub keep_pictures: bool,
}

impl EngineOptions {
    /// What has waited longer is too old to matter.
    pub const MAX_WAIT: Duration = Duration::from_secs(2);

    /// As many moments in one forward pass as serve several streams well: more make each
    /// wait for the others.
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
    /// Where it comes from.
    pub source: Source,
    /// Moments at its start that are judged already and only counted.
    pub skip: u64,
    /// Those who see all of it.
    pub watchers: Vec<Box<dyn Watcher>>,
}

impl Task {
    /// All of a source, without watchers.
    pub fn new(source: Source) -> Self {
        Self {
            source,
            skip: 0,
            watchers: Vec::new(),
        }
    }
}

/// Runs streams through the network.
pub struct Engine<'a> {
    /// How.
    pub options: &'a EngineOptions,
    /// Requests the end of the run.
    pub cancel: &'a CancelToken,
    /// What is counted meanwhile, of as many streams as there are tasks.
    pub stats: &'a RunStats,
    /// Opens the sources.
    pub opener: &'a dyn Opener,
    /// The clocks of the run. Those that GStreamer stamps arrivals with are the system's.
    pub clock: &'a dyn Clock,
}

/// Ends the run if its thread panics: all others would wait for it for ever.
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
        }
    }

    /// Runs all streams to their end or until cancelled. `network` runs on a thread of
    /// its own and answers each of a batch of moments; what comes out goes to `emit`, on
    /// the calling thread, in each stream's order. Where `emit` fails, everything is
    /// stopped and its error comes back.
    ///
    /// # Errors
    /// What `emit` returns.
    ///
    /// # Panics
    /// If `emit`, a stream or the network does; the others are stopped before.
    pub fn run<A: Send, E>(
        &self,
        tasks: Vec<Task>,
        network: impl FnMut(&[&Features]) -> Result<Vec<A>, NetError> + Send,
        mut emit: impl FnMut(Output<A>) -> Result<(), E>,
    ) -> Result<(), E> {
        let options = self.options;
        let streams = tasks.len();
        let open = if options.real_time {
            streams
        } else {
            options.jobs.clamp(1, streams.max(1))
        };
        let hops_a_second = (SAMPLE_RATE as usize).div_ceil(options.hop.samples());
        let limits = QueueLimits {
            live: (options.max_wait.as_secs_f64() * hops_a_second as f64) as usize,
            file: 2,
        };
        let dispatcher = Dispatcher::new(streams, limits);
        let (sender, outputs) = crossbeam_channel::bounded(2 * options.batch.max(1));
        let tasks: Vec<_> = tasks.into_iter().map(|t| Mutex::new(Some(t))).collect();
        let next = AtomicUsize::new(0);
        let left = AtomicUsize::new(open);
        let end_if_panicking = || EndIfPanicking {
            cancel: self.cancel,
            dispatcher: &dispatcher,
        };

        std::thread::scope(|scope| {
            let _guard = end_if_panicking();
            for _ in 0..open {
                scope.spawn(|| {
                    let _guard = end_if_panicking();
                    loop {
                        let stream = next.fetch_add(1, Ordering::Relaxed);
                        let Some(slot) = tasks.get(stream) else {
                            break;
                        };
                        let task = slot.lock().ok().and_then(|mut t| t.take());
                        // Cancelled: what has not begun is left for a later run.
                        if let Some(task) = task.filter(|_| !self.cancel.is_cancelled()) {
                            stream::run(self, stream, task, &dispatcher);
                        }
                    }
                    if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                        dispatcher.close();
                    }
                });
            }
            {
                let guard = end_if_panicking();
                let thread = network::NetworkThread {
                    network,
                    max_batch: options.batch,
                    dispatcher: &dispatcher,
                    outputs: sender,
                    stats: &self.stats.network,
                    clock: self.clock,
                };
                scope.spawn(move || {
                    let _guard = guard;
                    thread.run();
                });
            }
            let mut result = Ok(());
            for output in &outputs {
                result = emit(output);
                if result.is_err() {
                    break;
                }
            }
            if result.is_err() {
                self.cancel.cancel();
                dispatcher.close();
            }
            // The network thread may wait to hand over what nobody takes now.
            drop(outputs);
            result
        })
    }
}
