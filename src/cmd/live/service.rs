//! `live` as a systemd service: ready, alive, stopping.
//!
//! Does nothing unless systemd asks for it (`NOTIFY_SOCKET`).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender};
use sd_notify::NotifyState;

use crate::stats::RunStats;
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
    /// Says that the streams of `stats` are being watched from now on.
    pub fn start(stats: &Arc<RunStats>) -> Option<Self> {
        std::env::var_os("NOTIFY_SOCKET")?;
        let streams = stats.streams.len() as u64;
        tell(&[
            NotifyState::Ready,
            NotifyState::Status(&format!("watching {}", plural(streams, "stream"))),
        ]);
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
        let mut streams = stats.streams.iter();
        let is_idle = streams.all(|s| s.queued_moments.load(Ordering::Relaxed) == 0);
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
        let stats = RunStats::new(1);
        let mut life = Life::new(&stats);
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        assert!(life.goes_on(&stats, after(1000)), "idle is not stuck");
        stats.streams[0].queued_moments.store(3, Ordering::Relaxed);
        assert!(life.goes_on(&stats, after(1050)));
        assert!(!life.goes_on(&stats, after(1061)));
        stats.network.record(1, Duration::ZERO, Duration::ZERO);
        assert!(life.goes_on(&stats, after(1062)));
    }
}
