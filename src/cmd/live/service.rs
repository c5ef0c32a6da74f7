//! `live` as a systemd service: ready, alive, stopping.
//!
//! Does nothing unless systemd asks for it (`NOTIFY_SOCKET`).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender};
use sd_notify::NotifyState;

use crate::stats::{RunStats, RunStream};
use crate::text::plural;

/// Moments that wait while the network judges none for this long: it hangs, and systemd is to
/// start us again.
const STUCK_AFTER: Duration = Duration::from_secs(60);
/// How often the state is looked at without a watchdog.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Tells systemd until it is dropped.
#[derive(Debug)]
pub struct Service {
    _stop: Sender<()>,
}

impl Service {
    /// Says that so many streams are being watched from now on, whose counters are `stats`.
    pub fn start(streams: usize, stats: &Arc<RunStats>) -> Option<Self> {
        std::env::var_os("NOTIFY_SOCKET")?;
        tell(&[NotifyState::Ready, NotifyState::Status(&watching(streams))]);
        // Three signs of life within the time that is allowed.
        let every = sd_notify::watchdog_enabled().map_or(LOOK_EVERY, |time| time / 3);
        let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
        let stats = Arc::clone(stats);
        let watch = move || {
            let mut life = Life::new(&stats);
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                if life.goes_on(&stats, Instant::now()) {
                    tell(&[NotifyState::Watchdog]);
                }
            }
            tell(&[NotifyState::Stopping]);
        };
        let thread = std::thread::Builder::new().name("service".to_owned());
        thread.spawn(watch).ok()?;
        Some(Self { _stop: stop })
    }
}

/// The settings are being read anew; what is returned says how many streams there are then.
pub fn reloading() -> impl FnOnce(usize) {
    let is_service = std::env::var_os("NOTIFY_SOCKET").is_some();
    if is_service {
        tell(&[NotifyState::Reloading]);
    }
    move |streams| {
        if is_service {
            tell(&[NotifyState::Ready, NotifyState::Status(&watching(streams))]);
        }
    }
}

fn watching(streams: usize) -> String {
    format!("watching {}", plural(streams as u64, "stream"))
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("systemd cannot be told: {error}");
    }
}

/// Whether the network judges what waits for it.
struct Life {
    batches: u64,
    since: Instant,
}

impl Life {
    fn new(stats: &RunStats) -> Self {
        Self {
            batches: stats.network.batches(),
            since: Instant::now(),
        }
    }

    fn goes_on(&mut self, stats: &RunStats, now: Instant) -> bool {
        let batches = stats.network.batches();
        let waiting = |of: &RunStream| of.stats.queued_moments.load(Ordering::Relaxed);
        let is_idle = stats.streams().iter().all(|of| waiting(of) == 0);
        if batches != self.batches || is_idle {
            (self.batches, self.since) = (batches, now);
        }
        now.duration_since(self.since) < STUCK_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_hangs_shows_no_life() {
        let stats = RunStats::default();
        let stream = stats.add(&"cam".into(), false);
        let mut life = Life::new(&stats);
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        assert!(life.goes_on(&stats, after(1000)), "idle is not stuck");
        stream.queued_moments.store(3, Ordering::Relaxed);
        assert!(life.goes_on(&stats, after(1050)));
        assert!(!life.goes_on(&stats, after(1061)));
        stats.network.record(1, Duration::ZERO, Duration::ZERO);
        assert!(life.goes_on(&stats, after(1062)));
    }
}
