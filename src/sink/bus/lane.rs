//! A sink on the bus: its queue and its threads.

use std::sync::Arc;
use std::thread::JoinHandle;

use super::Shared;
use super::queue::Queue;
use super::worker::Worker;
use crate::sink::{Policy, Sink, SinkError};

/// A sink's queue and threads.
pub(super) struct Lane {
    pub name: &'static str,
    pub policy: Policy,
    pub queue: Arc<Queue>,
    pub workers: Vec<JoinHandle<()>>,
}

impl Lane {
    pub fn start(sink: Box<dyn Sink>, shared: &Arc<Shared>) -> Result<Self, SinkError> {
        let (name, policy) = (sink.name(), sink.policy());
        let more = (1..policy.workers).map_while(|_| sink.another_worker());
        let mut sinks: Vec<_> = more.collect();
        sinks.push(sink);
        let queue = Arc::new(Queue::new(sinks.len()));
        let failing = Arc::default();
        let start = |sink| {
            let worker = Worker {
                sink,
                name,
                policy,
                queue: Arc::clone(&queue),
                shared: Arc::clone(shared),
                failing: Arc::clone(&failing),
            };
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || worker.run())
                .map_err(SinkError::io(name.as_ref(), "start a thread for"))
        };
        let workers = sinks.into_iter().map(start).collect::<Result<_, _>>()?;
        Ok(Self {
            name,
            policy,
            queue,
            workers,
        })
    }
}
