//! The threads of a sink: deliver events from its queue, and handle its failures.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::overflow::Overflow;
use super::{Shared, lock};
use crate::event::Event;
use crate::sink::{OnFailure, Policy, Sink, SinkError, WhenFull, metrics};

/// Dropped when a worker's thread ends, for whatever reason.
pub(super) struct Leaving {
    pub(super) name: &'static str,
    pub(super) policy: Policy,
    pub(super) alive: Arc<AtomicUsize>,
    pub(super) shared: Arc<Shared>,
    pub(super) _finished: Sender<()>,
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
pub(super) struct Worker {
    pub(super) sink: Box<dyn Sink>,
    pub(super) name: &'static str,
    pub(super) policy: Policy,
    pub(super) queue: Receiver<Arc<Event>>,
    pub(super) overflow: Arc<Mutex<Overflow>>,
    pub(super) shared: Arc<Shared>,
    /// The last event failed.
    pub(super) failing: bool,
}

/// What a worker does after an event.
#[derive(PartialEq)]
pub(super) enum Next {
    Continue,
    Leave,
}

impl Worker {
    pub(super) fn run(mut self) {
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
