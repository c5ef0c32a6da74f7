//! The queues between the streams and the network.
//!
//! Belongs here: order within a stream, fairness between streams, full queues. Does
//! not: threads, tensors.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::qc;
use crate::result::GapReason;
use crate::stats::StreamStats;
use crate::window::{GapSpan, Pace};

/// What a stream submits, in order.
#[derive(Debug)]
pub enum Item<J> {
    /// Work for the network.
    Job(J),
    /// A part of the stream without moments.
    Gap(GapSpan),
    /// The stream is over.
    Ended(StreamEnd),
}

/// A job that can be dropped; its span is then reported as a gap.
pub trait Droppable {
    /// The part of the stream that the job covers.
    fn span(&self) -> GapSpan;
}

/// Lets streams share the network.
///
/// Each stream has its own queue. When it is full, a file waits; a live stream drops its
/// oldest job, and a gap takes the job's place in the order.
#[derive(Debug)]
pub struct Dispatcher<J> {
    state: Mutex<State<J>>,
    /// There is work, or never will be again; the network waits for it.
    work: Condvar,
}

/// How many jobs of a stream may wait.
#[derive(Clone, Copy, Debug)]
pub struct QueueLimits {
    /// For files: enough to keep the network busy.
    pub file: usize,
    /// For live streams: as many as are recent enough to matter.
    pub live: usize,
}

#[derive(Debug)]
struct State<J> {
    queues: Vec<Queue<J>>,
    /// Streams that have items, in the order of their turns; each at most once.
    ready: VecDeque<usize>,
    closed: bool,
    /// The network waits for work. Who waits is known, so that nobody is woken for nothing,
    /// which is a call to the system each time.
    idle: bool,
}

#[derive(Debug)]
struct Queue<J> {
    items: VecDeque<Item<J>>,
    /// How many of them are jobs.
    jobs: usize,
    limits: QueueLimits,
    /// Where its file waits for room, if it does. One for each: with one for all, every batch
    /// would wake all files that wait, and most of them only to wait again.
    room: Option<Arc<Condvar>>,
    /// Tell how many jobs wait.
    stats: Arc<StreamStats>,
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamEnd {
    /// Its length in seconds.
    pub seconds: f64,
    /// Wall time in seconds.
    pub wall_s: f64,
    /// The run was cancelled before its end.
    pub stopped: bool,
    /// It reached the limit of the run ([`EngineOptions::limit`](super::EngineOptions::limit)).
    pub limited: bool,
    /// Frames a second, as far as the source says.
    pub fps: Option<f64>,
    /// Only key pictures were decoded.
    pub keyframes: bool,
    /// Why it failed, in one line.
    pub error: Option<String>,
    /// What was measured of it, if that was asked for and all of it was read.
    pub measured: Option<Box<qc::Report>>,
}

/// For no streams yet.
impl<J> Default for Dispatcher<J> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                queues: Vec::new(),
                ready: VecDeque::new(),
                closed: false,
                idle: false,
            }),
            work: Condvar::new(),
        }
    }
}

impl<J: Droppable> Dispatcher<J> {
    /// One more stream, whose jobs that wait are counted in `stats`; its index.
    pub fn add(&self, limits: QueueLimits, stats: Arc<StreamStats>) -> usize {
        let queues = &mut self.lock().queues;
        queues.push(Queue {
            items: VecDeque::new(),
            jobs: 0,
            limits,
            room: None,
            stats,
        });
        queues.len() - 1
    }

    /// Queues a job of `stream`. If the queue is full, blocks at the pace of a file, and
    /// drops old jobs at the pace of a live stream; returns how many. After
    /// [`close`](Self::close) the job is discarded.
    pub fn submit(&self, stream: usize, job: J, pace: Pace) -> u64 {
        let mut state = self.lock();
        let mut dropped = 0;
        loop {
            if state.closed {
                return dropped;
            }
            let queue = &mut state.queues[stream];
            let limit = match pace {
                Pace::Live => queue.limits.live,
                Pace::File => queue.limits.file,
            };
            if queue.jobs < limit.max(1) {
                break;
            }
            match pace {
                Pace::Live => {
                    queue.drop_oldest();
                    dropped += 1;
                }
                Pace::File => {
                    let room = Arc::clone(queue.room.get_or_insert_default());
                    state = room.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
        self.push_to(state, stream, Item::Job(job));
        dropped
    }

    /// Queues a gap, in its place between the jobs.
    pub fn gap(&self, stream: usize, gap: GapSpan) {
        self.push(stream, Item::Gap(gap));
    }

    /// Queues the end of a stream, after its last job.
    pub fn end(&self, stream: usize, end: StreamEnd) {
        self.push(stream, Item::Ended(end));
    }

    fn push(&self, stream: usize, item: Item<J>) {
        self.push_to(self.lock(), stream, item);
    }

    fn push_to(&self, mut state: MutexGuard<'_, State<J>>, stream: usize, item: Item<J>) {
        state.push(stream, item);
        if std::mem::take(&mut state.idle) {
            drop(state);
            self.work.notify_one();
        }
    }

    /// Waits for a batch: at most `max` jobs, one of each stream in turn, and the gaps and
    /// ends before and between them. `None` when closed and empty. One thread calls it.
    pub fn next_batch(&self, max: usize) -> Option<Vec<(usize, Item<J>)>> {
        let mut state = self.lock();
        loop {
            let batch = state.batch(max);
            if !batch.is_empty() {
                return Some(batch);
            }
            if state.closed {
                return None;
            }
            state.idle = true;
            state = self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends submission and wakes all threads. What is queued can still be taken.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        for room in state.queues.iter().filter_map(|queue| queue.room.as_ref()) {
            room.notify_all();
        }
        self.work.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        // The queues are consistent between any two statements, so poisoning is harmless.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J> State<J> {
    fn push(&mut self, stream: usize, item: Item<J>) {
        let queue = &mut self.queues[stream];
        if queue.items.is_empty() {
            self.ready.push_back(stream);
        }
        queue.jobs += usize::from(matches!(item, Item::Job(_)));
        queue.items.push_back(item);
        queue.tell();
    }

    /// Takes from the streams in turn, so that none starves. What it costs does not depend on
    /// how many streams there are: a run may have 100,000 files.
    fn batch(&mut self, max: usize) -> Vec<(usize, Item<J>)> {
        let mut batch = Vec::new();
        let mut taken = 0;
        while let Some(&stream) = self.ready.front() {
            let queue = &mut self.queues[stream];
            while let Some(item) = queue.items.pop_front() {
                let is_job = matches!(item, Item::Job(_));
                if is_job && taken == max {
                    queue.items.push_front(item);
                    return batch;
                }
                batch.push((stream, item));
                if is_job {
                    queue.jobs -= 1;
                    if let Some(room) = queue.room.take() {
                        room.notify_all();
                    }
                    taken += 1;
                    break;
                }
            }
            queue.tell();
            self.ready.pop_front();
            if !queue.items.is_empty() {
                self.ready.push_back(stream);
            } else if matches!(batch.last(), Some((_, Item::Ended(_)))) {
                // Nothing follows. With 100,000 files their memory adds up.
                queue.items = VecDeque::new();
            }
        }
        batch
    }
}

impl<J> Queue<J> {
    /// Tells how many jobs wait.
    fn tell(&self) {
        let waiting = self.jobs as u64;
        self.stats.queued_moments.store(waiting, Ordering::Relaxed);
    }
}

impl<J: Droppable> Queue<J> {
    /// Replaces the oldest job by an overload gap; consecutive jobs share one gap.
    fn drop_oldest(&mut self) {
        let items = &mut self.items;
        let Some(at) = items.iter().position(|i| matches!(i, Item::Job(_))) else {
            return;
        };
        let Some(Item::Job(job)) = items.remove(at) else {
            return;
        };
        self.jobs -= 1;
        let span = job.span();
        if let Some(Item::Gap(gap)) = at.checked_sub(1).and_then(|i| items.get_mut(i))
            && gap.why == GapReason::Overload
        {
            gap.end = span.end;
            gap.lost += span.lost;
            return;
        }
        items.insert(at, Item::Gap(span));
    }
}

#[cfg(test)]
impl<J: Droppable> Dispatcher<J> {
    /// For so many streams with the same limits.
    pub(super) fn of(streams: usize, limits: QueueLimits) -> Self {
        let dispatcher = Self::default();
        for _ in 0..streams {
            let _ = dispatcher.add(limits, Arc::default());
        }
        dispatcher
    }
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
