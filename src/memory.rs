//! Freed memory goes back to the system.
//!
//! The C library returns only what was freed at the end of an arena, and each thread has an
//! arena. What a model takes while it is loaded, and the pictures of one thread that another
//! one frees, would stay with a process that runs for months.

#![allow(unsafe_code, reason = "malloc_trim has no safe wrapper")]

use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

/// How often. It takes some milliseconds.
const EVERY: Duration = Duration::from_secs(60);

/// Returns freed memory now and each minute, until it is dropped.
#[derive(Debug)]
pub struct Returning {
    _stop: Sender<()>,
}

impl Returning {
    /// Starts a thread for it; `None` if the system has none.
    pub fn start() -> Option<Self> {
        let (stop, stopped) = bounded::<()>(0);
        let thread = std::thread::Builder::new().name("memory".to_owned());
        let run = move || {
            return_freed();
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                return_freed();
            }
        };
        thread.spawn(run).ok()?;
        Some(Self { _stop: stop })
    }
}

/// Returns what was freed in all arenas. Does nothing if the C library is not glibc.
fn return_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim takes an integer and may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;
    use crate::footprint::{Footprint, alone};

    #[test]
    fn what_was_freed_before_what_is_used_goes_back() {
        let test = "memory::tests::what_was_freed_before_what_is_used_goes_back";
        alone(test, || {
            let mut blocks: Vec<_> = (0..64_000).map(|_| vec![1_u8; 1_000]).collect();
            let used = blocks.pop();
            drop(blocks);
            let before = Footprint::now();
            return_freed();
            let after = Footprint::now();
            assert!(
                before.memory_mb - after.memory_mb > 40.0,
                "{before:?} {after:?}"
            );
            drop(used);
        });
    }
}
