//! Cooperative cancellation: asks a run for an orderly end.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Tells everybody who holds a clone to come to an orderly end.
///
/// Nothing is interrupted: each loop checks [`is_cancelled`](Self::is_cancelled) where it
/// can stop without losing what it has.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<OnceLock<Instant>>);

impl CancelToken {
    /// Requests the end. It cannot be taken back.
    pub fn cancel(&self) {
        self.0.get_or_init(Instant::now);
    }

    /// Whether the end has been requested.
    pub fn is_cancelled(&self) -> bool {
        self.0.get().is_some()
    }

    /// How long ago the end was requested, if it was.
    pub fn cancelled_for(&self) -> Option<Duration> {
        self.0.get().map(Instant::elapsed)
    }
}
