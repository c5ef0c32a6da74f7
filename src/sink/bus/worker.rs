//! The threads of a sink: they take events from its queue and apply what a failure does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Shared;
use super::queue::{Next, Queue};
use crate::event::Event;
use crate::sink::{OnFailure, Policy, Sink, SinkError, metrics};
use crate::sync::lock;

/// A thread of a sink.
pub(super) struct Worker {
    pub sink: Box<dyn Sink>,
    pub name: &'static str,
    pub policy: Policy,
    pub queue: Arc<Queue>,
    pub shared: Arc<Shared>,
    /// The last moment of any worker of the sink failed.
    pub failing: Arc<AtomicBool>,
}

/// Dropped when a worker's thread ends, for whatever reason.
struct Leaving {
    name: &'static str,
    policy: Policy,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    in_service: bool,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let what = format!("{} broke down; please report it", self.name);
            self.shared.fail(&what);
            if self.shared.failure_ends_run(&self.policy) {
                self.shared.options.cancel.cancel();
            }
        }
        self.queue.leave(self.in_service);
    }
}

impl Worker {
    pub fn run(mut self) {
        let mut leaving = Leaving {
            name: self.name,
            policy: self.policy,
            queue: Arc::clone(&self.queue),
            shared: Arc::clone(&self.shared),
            in_service: false,
        };
        loop {
            let stays = match self.queue.next(self.policy.tick) {
                Next::Event(event) => {
                    leaving.in_service = true;
                    let received = self.sink.receive(&event);
                    let is_moment = matches!(*event, Event::Moment(_));
                    drop(event);
                    let stays = self.stays_after(received, is_moment);
                    leaving.in_service = false;
                    self.queue.served();
                    stays
                }
                Next::Idle => {
                    let ticked = self.sink.tick();
                    self.stays_after(ticked, false)
                }
                Next::Closed => break,
            };
            if !stays {
                return;
            }
        }
        let finished = self.sink.finish();
        self.stays_after(finished, false);
    }

    /// Applies [`Policy::on_failure`]; whether the sink gets more events.
    fn stays_after(&mut self, result: Result<(), SinkError>, is_moment: bool) -> bool {
        let Err(error) = result else {
            // A gap that nothing is written of does not show that writing works again.
            if is_moment {
                self.failing.store(false, Ordering::Relaxed);
            }
            return true;
        };
        let was_failing = self.failing.swap(true, Ordering::Relaxed);
        let closed = error.is_closed();
        if !closed {
            metrics::sink_failed(self.name);
        }
        if self.shared.failure_ends_run(&self.policy) {
            lock(&self.shared.fatal).get_or_insert(error);
            self.shared.options.cancel.cancel();
            return false;
        }
        match self.policy.on_failure {
            OnFailure::Detach => {
                if !closed {
                    self.shared.fail(&error.to_string());
                }
                false
            }
            OnFailure::ReportFirstIfLive if was_failing => true,
            OnFailure::EndRun | OnFailure::ReportEach | OnFailure::ReportFirstIfLive => {
                self.shared.fail(&error.to_string());
                true
            }
        }
    }
}
