//! The queue of a sink: adding events, overflow, closing.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, TrySendError};

use super::overflow::Overflow;
use super::worker::{Leaving, Worker};
use super::{Shared, lock};
use crate::event::Event;
use crate::sink::{Policy, Sink, SinkError, metrics};

/// A sink's queue and threads.
pub(super) struct Lane {
    pub(super) name: &'static str,
    pub(super) policy: Policy,
    pub(super) queue: Sender<Arc<Event>>,
    /// Receives the oldest event of a full queue, to drop it.
    pub(super) oldest: Receiver<Arc<Event>>,
    pub(super) overflow: Arc<Mutex<Overflow>>,
    /// Workers that are still running.
    pub(super) alive: Arc<AtomicUsize>,
    /// Disconnected once all workers have ended.
    pub(super) finished: Receiver<()>,
    pub(super) workers: Vec<JoinHandle<()>>,
}

/// A lane that takes no more events.
pub(super) struct Closing {
    pub(super) name: &'static str,
    pub(super) finished: Receiver<()>,
    pub(super) workers: Vec<JoinHandle<()>>,
}

impl Lane {
    pub(super) fn start(sink: Box<dyn Sink>, shared: &Arc<Shared>) -> Result<Self, SinkError> {
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
    pub(super) fn push(&self, event: Arc<Event>) -> Result<(), SendTimeoutError<Arc<Event>>> {
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

    pub(super) fn close(self) -> Closing {
        // Dropping the sender lets workers end once the queue is empty.
        Closing {
            name: self.name,
            finished: self.finished,
            workers: self.workers,
        }
    }
}
