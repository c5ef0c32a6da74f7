//! The runtime below the stores, and work that can be stopped.
//!
//! Belongs here: how async work is waited for. Does not: any of that work.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::StoreError;

/// How often it is asked whether to go on. Within a second work has to stop.
const LOOK: Duration = Duration::from_millis(100);

/// The runtime of all stores of the process: they wait for the network most of the time,
/// and TLS is the most that they compute.
///
/// # Errors
/// If the system has no threads left.
pub(crate) fn runtime() -> Result<&'static Runtime, StoreError> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let made = RUNTIME.get_or_init(|| {
        // Another package may have chosen: then it stays with that.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("store")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())
    });
    made.as_ref().map_err(|cause| StoreError::Settings {
        cause: format!("no threads for connections: {cause}; run fewer programs"),
    })
}

/// Waits on this thread.
///
/// # Errors
/// What the work says, and if the thread is one that must not wait.
pub(crate) fn block<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    if Handle::try_current().is_ok() {
        // To wait here would be a panic of tokio's.
        return Err(StoreError::Settings {
            cause: "stores are not used within async tasks; use a thread".to_owned(),
        });
    }
    runtime()?.block_on(work)
}

/// Does the work for as long as it may go on.
///
/// # Errors
/// What the work says; [`StoreError::Stopped`], and then the work is dropped.
pub(crate) async fn while_it_may<T>(
    go_on: &dyn Fn() -> bool,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tokio::pin!(work);
    loop {
        tokio::select! {
            // Looked at first: work that never waits is stopped as well.
            biased;
            _ = look.tick() => if !go_on() {
                return Err(StoreError::Stopped);
            },
            done = &mut work => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_waits_for_ever_is_stopped() {
        let looks = std::cell::Cell::new(0);
        let go_on = || {
            looks.set(looks.get() + 1);
            looks.get() < 3
        };
        let stopped = block(while_it_may(
            &go_on,
            std::future::pending::<Result<(), _>>(),
        ));
        assert!(matches!(stopped, Err(StoreError::Stopped)));
        assert_eq!(looks.get(), 3);
    }

    #[test]
    fn within_a_task_it_is_an_error() {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let said = runtime.block_on(async { block(async { Ok(()) }) });
        assert!(matches!(said, Err(StoreError::Settings { .. })));
    }
}
