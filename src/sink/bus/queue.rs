//! The queue of a sink.
//!
//! Belongs here: order, room, and what takes the place of dropped events. Does not:
//! threads, failures.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::overflow::Overflow;
use crate::event::Event;

/// A bounded queue from the publisher to the workers of a sink.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Something was added or taken, or somebody left.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    events: VecDeque<Arc<Event>>,
    /// What replaces dropped events: older than all of `events`, so delivered first.
    overflow: Overflow,
    /// Events that workers have taken and not finished.
    in_service: usize,
    workers: usize,
    closed: bool,
}

/// What a worker gets from a queue.
pub(super) enum Next {
    Event(Arc<Event>),
    /// Nothing came for the time given.
    Idle,
    /// No more will come.
    Closed,
}

impl Queue {
    /// A queue for this many workers, each of which calls [`leave`](Self::leave).
    pub fn new(workers: usize) -> Self {
        let queue = Self::default();
        queue.lock().workers = workers;
        queue
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is consistent between any two statements, so poisoning is harmless.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, time);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Adds an event if there is room, after waiting for at most `time`; false if there
    /// is none. Without workers, events go nowhere.
    pub fn push_or_wait(&self, event: &Arc<Event>, max: usize, time: Duration) -> bool {
        let mut state = self.lock();
        if state.workers > 0 && state.events.len() >= max {
            state = self.wait(state, time);
        }
        if state.workers > 0 {
            if state.events.len() >= max {
                return false;
            }
            state.events.push_back(Arc::clone(event));
        }
        self.changed.notify_all();
        true
    }

    /// Adds an event, and drops the oldest ones where there is no room; returns how many
    /// moments that were.
    pub fn push_or_drop(&self, event: &Arc<Event>, max: usize) -> u64 {
        let mut state = self.lock();
        let mut dropped = 0;
        if state.workers > 0 {
            while state.events.len() >= max
                && let Some(oldest) = state.events.pop_front()
            {
                dropped += u64::from(state.overflow.add(&oldest));
            }
            state.events.push_back(Arc::clone(event));
        }
        self.changed.notify_all();
        dropped
    }

    /// Waits for the next event, or for `idle` if given. The caller calls
    /// [`served`](Self::served) after each event.
    pub fn next(&self, idle: Option<Duration>) -> Next {
        let mut state = self.lock();
        loop {
            let next = state.overflow.take_first().map(Arc::new);
            if let Some(event) = next.or_else(|| state.events.pop_front()) {
                state.in_service += 1;
                self.changed.notify_all();
                return Next::Event(event);
            }
            if state.closed {
                return Next::Closed;
            }
            let Some(idle) = idle else {
                let waited = self.changed.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let waited = self.changed.wait_timeout(state, idle);
            let (back, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() {
                return Next::Idle;
            }
            state = back;
        }
    }

    /// An event that a worker took is done with.
    pub fn served(&self) {
        self.lock().in_service -= 1;
        self.changed.notify_all();
    }

    /// A worker has ended; `in_service` if it was still busy with an event.
    pub fn leave(&self, in_service: bool) {
        let mut state = self.lock();
        state.workers -= 1;
        state.in_service -= usize::from(in_service);
        if state.workers == 0 {
            // Nobody will take them: pictures in full size, perhaps.
            state.events.clear();
        }
        self.changed.notify_all();
    }

    /// No more will come.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits for at most `time` until all events have been served; whether they have.
    pub fn drained_within(&self, time: Duration) -> bool {
        let drained = |s: &State| s.workers == 0 || (s.events.is_empty() && s.in_service == 0);
        let mut state = self.lock();
        if !drained(&state) {
            state = self.wait(state, time);
        }
        drained(&state)
    }

    /// Waits for at most `time` until all workers have ended; whether they have.
    pub fn stopped_within(&self, time: Duration) -> bool {
        let mut state = self.lock();
        if state.workers > 0 {
            state = self.wait(state, time);
        }
        state.workers == 0
    }

    /// Events that wait.
    pub fn len(&self) -> usize {
        self.lock().events.len()
    }
}
