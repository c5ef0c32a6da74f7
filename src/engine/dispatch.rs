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
    changed: Condvar,
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
}

#[derive(Debug)]
struct Queue<J> {
    items: VecDeque<Item<J>>,
    limits: QueueLimits,
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
            }),
            changed: Condvar::new(),
        }
    }
}

impl<J: Droppable> Dispatcher<J> {
    /// One more stream, whose jobs that wait are counted in `stats`; its index.
    pub fn add(&self, limits: QueueLimits, stats: Arc<StreamStats>) -> usize {
        let queues = &mut self.lock().queues;
        queues.push(Queue {
            items: VecDeque::new(),
            limits,
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
            let Queue { items, limits, .. } = &mut state.queues[stream];
            let limit = match pace {
                Pace::Live => limits.live,
                Pace::File => limits.file,
            };
            if jobs(items) < limit.max(1) {
                break;
            }
            match pace {
                Pace::Live => {
                    drop_oldest(items);
                    dropped += 1;
                }
                Pace::File => {
                    state = self
                        .changed
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
        state.push(stream, Item::Job(job));
        drop(state);
        self.changed.notify_all();
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
        self.lock().push(stream, item);
        self.changed.notify_all();
    }

    /// Waits for a batch: at most `max` jobs, one of each stream in turn, and the gaps and
    /// ends before and between them. `None` when closed and empty.
    pub fn next_batch(&self, max: usize) -> Option<Vec<(usize, Item<J>)>> {
        let mut state = self.lock();
        loop {
            let batch = state.batch(max);
            if !batch.is_empty() {
                self.changed.notify_all();
                return Some(batch);
            }
            if state.closed {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends submission and wakes all threads. What is queued can still be taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
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
        queue.items.push_back(item);
        queue.count();
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
                    taken += 1;
                    break;
                }
            }
            queue.count();
            self.ready.pop_front();
            if !queue.items.is_empty() {
                self.ready.push_back(stream);
            }
        }
        batch
    }
}

impl<J> Queue<J> {
    fn count(&self) {
        let waiting = jobs(&self.items) as u64;
        self.stats.queued_moments.store(waiting, Ordering::Relaxed);
    }
}

fn jobs<J>(queue: &VecDeque<Item<J>>) -> usize {
    queue.iter().filter(|i| matches!(i, Item::Job(_))).count()
}

/// Replaces the oldest job by an overload gap; consecutive jobs share one gap.
fn drop_oldest<J: Droppable>(queue: &mut VecDeque<Item<J>>) {
    let Some(at) = queue.iter().position(|i| matches!(i, Item::Job(_))) else {
        return;
    };
    let Some(Item::Job(job)) = queue.remove(at) else {
        return;
    };
    let span = job.span();
    if let Some(Item::Gap(gap)) = at.checked_sub(1).and_then(|i| queue.get_mut(i))
        && gap.why == GapReason::Overload
    {
        gap.end = span.end;
        gap.lost += span.lost;
        return;
    }
    queue.insert(at, Item::Gap(span));
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
mod tests {
    use super::*;
    use crate::time::MediaTime;

    const LIMITS: QueueLimits = QueueLimits { file: 9, live: 2 };

    #[derive(Debug, PartialEq)]
    struct Second(u64);

    impl Droppable for Second {
        fn span(&self) -> GapSpan {
            GapSpan {
                start: MediaTime(self.0),
                end: MediaTime(self.0 + 1),
                why: GapReason::Overload,
                lost: 1,
            }
        }
    }

    fn seconds(batch: &[(usize, Item<Second>)]) -> Vec<(usize, u64)> {
        batch
            .iter()
            .filter_map(|(stream, item)| match item {
                Item::Job(Second(s)) => Some((*stream, *s)),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn streams_take_turns() {
        let dispatcher = Dispatcher::of(3, LIMITS);
        for s in 0..4 {
            dispatcher.submit(0, Second(s), Pace::File);
        }
        dispatcher.submit(2, Second(7), Pace::File);
        let batch = dispatcher.next_batch(3).expect("work");
        assert_eq!(seconds(&batch), [(0, 0), (2, 7), (0, 1)]);
        assert_eq!(
            seconds(&dispatcher.next_batch(9).expect("work")),
            [(0, 2), (0, 3)]
        );
    }

    #[test]
    fn a_busy_stream_does_not_starve_another() {
        let dispatcher = Dispatcher::of(2, LIMITS);
        for s in 0..3 {
            dispatcher.submit(0, Second(s), Pace::File);
            dispatcher.submit(1, Second(s), Pace::File);
        }
        let order: Vec<_> = (0..6)
            .flat_map(|_| seconds(&dispatcher.next_batch(1).expect("work")))
            .collect();
        assert_eq!(order, [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]);
    }

    #[test]
    fn a_live_stream_drops_its_oldest_and_says_so() {
        let (dispatcher, stats) = (Dispatcher::default(), Arc::<StreamStats>::default());
        dispatcher.add(LIMITS, Arc::clone(&stats));
        let waiting = || stats.queued_moments.load(Ordering::Relaxed);
        let dropped: u64 = (0..5)
            .map(|s| dispatcher.submit(0, Second(s), Pace::Live))
            .sum();
        assert_eq!((dropped, waiting()), (3, 2));
        let batch = dispatcher.next_batch(9).expect("work");
        assert_eq!(seconds(&batch), [(0, 3), (0, 4)]);
        let Item::Gap(gap) = &batch[0].1 else {
            panic!("a gap comes first")
        };
        assert_eq!((gap.start.0, gap.end.0, gap.lost), (0, 3, 3));
        assert_eq!(waiting(), 0);
    }

    #[test]
    fn a_file_waits_and_loses_nothing() {
        let dispatcher = Arc::new(Dispatcher::of(1, QueueLimits { file: 2, live: 9 }));
        let feeder = {
            let dispatcher = Arc::clone(&dispatcher);
            std::thread::spawn(move || {
                for s in 0..100 {
                    dispatcher.submit(0, Second(s), Pace::File);
                    dispatcher.gap(0, Second(s).span());
                }
                dispatcher.close();
            })
        };
        let mut got = Vec::new();
        while let Some(batch) = dispatcher.next_batch(3) {
            got.extend(seconds(&batch));
        }
        feeder.join().expect("no panic");
        assert_eq!(got, (0..100).map(|s| (0, s)).collect::<Vec<_>>());
    }
}
