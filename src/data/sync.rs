//! Locks that a panic elsewhere does not break.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after another thread has panicked with the lock held. For values that are
/// consistent between any two statements.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
