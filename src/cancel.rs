//! Cooperative cancellation: asks a run for an orderly end.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Tells everybody who holds a clone to come to an orderly end.
///
/// Nothing is interrupted: each loop checks [`is_cancelled`](Self::is_cancelled) where it
/// can stop without losing what it has.
#[derive(Clone, Debug, Default)]
pub struct CancelToken {
    requested: Arc<OnceLock<Instant>>,
    /// Of the whole that this is a part of.
    whole: Option<Arc<OnceLock<Instant>>>,
}

impl CancelToken {
    /// A token for one part of what this one is for: cancelled with it, or alone. The parts
    /// of a part end with the part, not with the whole.
    pub fn part(&self) -> Self {
        Self {
            requested: Arc::default(),
            whole: Some(Arc::clone(&self.requested)),
        }
    }

    /// Requests the end. It cannot be taken back.
    pub fn cancel(&self) {
        self.requested.get_or_init(Instant::now);
    }

    /// Whether the end has been requested.
    pub fn is_cancelled(&self) -> bool {
        self.since().is_some()
    }

    /// How long ago the end was requested, if it was.
    pub fn cancelled_for(&self) -> Option<Duration> {
        self.since().map(Instant::elapsed)
    }

    fn since(&self) -> Option<&Instant> {
        let whole = self.whole.as_ref().and_then(|whole| whole.get());
        self.requested.get().into_iter().chain(whole).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_ends_alone_or_with_the_whole() {
        let whole = CancelToken::default();
        let [first, second] = [whole.part(), whole.part()];
        first.cancel();
        assert!(first.is_cancelled() && first.clone().is_cancelled());
        assert!(!whole.is_cancelled() && !second.is_cancelled());
        whole.cancel();
        assert!(second.is_cancelled());
        assert!(first.cancelled_for() >= second.cancelled_for());
    }
}
