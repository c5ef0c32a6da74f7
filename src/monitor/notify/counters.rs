//! How much somebody was told.
//!
//! Belongs here: counting, readable from any thread. Does not: who counts what.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use metrics::{Counter, Gauge, counter, gauge};

/// What became of the messages of a notifier since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// They have arrived.
    pub sent: u64,
    /// They were refused, or tried in vain for too long.
    pub failed: u64,
    /// They wait to be sent now.
    pub waiting: u64,
    /// There was no room for them, because the other side was away for too long.
    pub dropped: u64,
}

/// Counters in the making, and in the metrics: `l3net_notifications_total` and
/// `l3net_notifications_waiting`.
pub(super) struct Tally {
    sent: Count,
    failed: Count,
    dropped: Count,
    waiting: AtomicU64,
    shown_waiting: Gauge,
}

struct Count {
    here: AtomicU64,
    shown: Counter,
}

impl Count {
    fn of(name: &str, result: &'static str) -> Self {
        let to = name.to_owned();
        Self {
            here: AtomicU64::new(0),
            shown: counter!("l3net_notifications_total", "to" => to, "result" => result),
        }
    }

    fn add(&self, more: u64) {
        self.here.fetch_add(more, Relaxed);
        self.shown.increment(more);
    }

    fn read(&self) -> u64 {
        self.here.load(Relaxed)
    }
}

impl std::fmt::Debug for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.read().fmt(f)
    }
}

impl Tally {
    /// Of a notifier with this name.
    pub(super) fn of(name: &str) -> Self {
        Self {
            sent: Count::of(name, "sent"),
            failed: Count::of(name, "failed"),
            dropped: Count::of(name, "dropped"),
            waiting: AtomicU64::new(0),
            shown_waiting: gauge!("l3net_notifications_waiting", "to" => name.to_owned()),
        }
    }

    pub(super) fn sent(&self) {
        self.sent.add(1);
    }

    pub(super) fn failed(&self) {
        self.failed.add(1);
    }

    pub(super) fn dropped(&self, more: u64) {
        self.dropped.add(more);
    }

    pub(super) fn waiting(&self, now: usize) {
        self.waiting.store(now as u64, Relaxed);
        self.shown_waiting.set(now as f64);
    }

    pub(super) fn read(&self) -> Counters {
        Counters {
            sent: self.sent.read(),
            failed: self.failed.read(),
            waiting: self.waiting.load(Relaxed),
            dropped: self.dropped.read(),
        }
    }
}
