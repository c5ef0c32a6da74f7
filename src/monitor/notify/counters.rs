//! How much somebody was told.
//!
//! Belongs here: counting, readable from any thread. Does not: who counts what.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

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

/// Counters in the making.
#[derive(Debug, Default)]
pub(super) struct Tally {
    sent: AtomicU64,
    failed: AtomicU64,
    waiting: AtomicU64,
    dropped: AtomicU64,
}

impl Tally {
    pub(super) fn sent(&self) {
        self.sent.fetch_add(1, Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    pub(super) fn dropped(&self, more: u64) {
        self.dropped.fetch_add(more, Relaxed);
    }

    pub(super) fn waiting(&self, now: usize) {
        self.waiting.store(now as u64, Relaxed);
    }

    pub(super) fn read(&self) -> Counters {
        Counters {
            sent: self.sent.load(Relaxed),
            failed: self.failed.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
        }
    }
}

/// The counters of all notifiers, for metrics: readable as long as one likes, also while
/// the notifiers end.
#[derive(Clone, Debug)]
pub struct Tallies(pub(super) Arc<[(String, Arc<Tally>)]>);

impl Tallies {
    /// Each notifier's name and what became of its messages so far.
    pub fn counters(&self) -> Vec<(String, Counters)> {
        let all = self.0.iter();
        all.map(|(name, tally)| (name.clone(), tally.read()))
            .collect()
    }
}
