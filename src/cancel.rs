//! Cooperative cancellation: asks a run for an orderly end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tells everybody who holds a clone to come to an orderly end.
///
/// Nothing is interrupted: each loop asks [`is_cancelled`](Self::is_cancelled) where it
/// can stop without losing what it has.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Requests the end. It cannot be taken back.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the end has been requested.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
