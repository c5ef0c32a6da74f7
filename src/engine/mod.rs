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
//! thread does nothing else; whoever called [`run`] takes the outputs. Each hands
//! over through a bounded queue, so the slowest sets the pace: files wait, live
//! streams drop their oldest moment and say so.

mod dispatch;
mod judge;
mod prepare;
mod stream;
#[cfg(test)]
mod tests;
mod utc;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::features::Features;
use crate::media::{AudioBlock, Frame, Source};
use crate::net::{L3Net, NetError};
use crate::result::Crop;
use crate::time::{Hop, MediaTime};

pub use dispatch::{Dispatcher, Droppable, Item, Room, Said};
pub use judge::{Job, Occupation, Output};

pub use crate::cancel::CancelToken;

/// How to run.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// How far windows start after each other.
    pub hop: Hop,
    /// Which part of the picture the network sees.
    pub crop: Crop,
    /// Play by the clock, also what is not live by itself.
    pub real_time: bool,
    /// Stop each stream after this much of it.
    pub limit: Option<MediaTime>,
    /// Streams that are open at a time; all of them where it plays by the clock.
    pub jobs: usize,
    /// Moments in one forward pass, at most.
    pub batch: usize,
    /// Keep the pictures for somebody who draws them.
    pub keep_pictures: bool,
}

impl EngineOptions {
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

/// Somebody who sees all the sound and all the frames of a stream, not only the
/// moments. Runs on the stream's thread; may wait where the source is a file.
pub trait Watcher: Send {
    /// The source has been opened, perhaps again. Where it is live, nobody may wait.
    fn opened(&mut self, live: bool);
    /// A block of sound.
    fn sound(&mut self, block: &AudioBlock<'_>);
    /// A frame.
    fn frame(&mut self, frame: &Frame);
}

/// One stream of a run.
pub struct Task {
    /// Where it comes from.
    pub source: Source,
    /// Moments at its start that are judged already and only counted.
    pub skip: u64,
    /// Who else looks at it.
    pub watcher: Option<Box<dyn Watcher>>,
}

impl Task {
    /// All of a source, which nobody else looks at.
    pub fn new(source: Source) -> Self {
        Self {
            source,
            skip: 0,
            watcher: None,
        }
    }
}

/// How far the streams are, for a progress bar.
#[derive(Debug, Default)]
pub struct Position {
    /// How far it has been read, in nanoseconds.
    pub at_ns: AtomicU64,
    /// Its length in nanoseconds; 0 where it is not known.
    pub length_ns: AtomicU64,
}

/// What is known of a run while it goes on.
#[derive(Debug)]
pub struct Gauges {
    /// How the network spends its time.
    pub occupation: Occupation,
    /// Where each stream is.
    pub positions: Vec<Position>,
}

impl Gauges {
    /// Gauges for this many streams.
    pub fn new(streams: usize) -> Self {
        Self {
            occupation: Occupation::default(),
            positions: (0..streams).map(|_| Position::default()).collect(),
        }
    }
}

/// Ends the run if its thread panics: all others would wait for it for ever.
struct EndIfPanicking<'a> {
    stop: &'a CancelToken,
    dispatcher: &'a Dispatcher<Box<Job>>,
}

impl Drop for EndIfPanicking<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.stop.cancel();
            self.dispatcher.close();
        }
    }
}

/// Runs all streams to their end or until asked to stop. `ask` owns the network, on a
/// thread of its own, and answers each of a batch of moments; what comes out goes to
/// `output`, on the calling thread, in each stream's order. Where `output` fails,
/// everything is stopped and its error comes back.
///
/// # Errors
/// What `output` returns.
///
/// # Panics
/// If `output`, a stream or the network does; the others are stopped before.
pub fn run<A: Send, E>(
    tasks: Vec<Task>,
    ask: impl FnMut(&[&Features]) -> Result<Vec<A>, NetError> + Send,
    options: &EngineOptions,
    stop: &CancelToken,
    gauges: &Gauges,
    mut output: impl FnMut(Output<A>) -> Result<(), E>,
) -> Result<(), E> {
    let streams = tasks.len();
    let open = if options.real_time {
        streams
    } else {
        options.jobs.clamp(1, streams.max(1))
    };
    let hops_a_second = 48_000_usize.div_ceil(options.hop.samples());
    let room = Room {
        // What waits longer than about two seconds is too old to matter.
        live: 2 * hops_a_second,
        file: 2,
    };
    let dispatcher = Dispatcher::new(streams, room);
    let (sender, outputs) = crossbeam_channel::bounded(2 * options.batch.max(1));
    let tasks: Vec<_> = tasks
        .into_iter()
        .map(|t| std::sync::Mutex::new(Some(t)))
        .collect();
    let next = AtomicUsize::new(0);
    let left = AtomicUsize::new(open);
    let end_if_panicking = || EndIfPanicking {
        stop,
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
                    // Asked to stop: what has not begun is left for a later run.
                    if let Some(task) = task.filter(|_| !stop.is_cancelled()) {
                        let position = &gauges.positions[stream];
                        stream::run(stream, task, options, &dispatcher, stop, position);
                    }
                }
                if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    dispatcher.close();
                }
            });
        }
        {
            let (dispatcher, occupation) = (&dispatcher, &gauges.occupation);
            let guard = end_if_panicking();
            scope.spawn(move || {
                let _guard = guard;
                judge::run(ask, options.batch, dispatcher, &sender, occupation);
            });
        }
        let mut result = Ok(());
        for item in &outputs {
            result = output(item);
            if result.is_err() {
                break;
            }
        }
        if result.is_err() {
            stop.cancel();
            dispatcher.close();
        }
        // The network thread may wait to hand over what nobody takes now.
        drop(outputs);
        result
    })
}
