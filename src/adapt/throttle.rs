//! A thread's share of a core.

use std::time::{Duration, Instant};

use crate::priority::time_on_core;

/// Shorter rests cost more than they give.
const LEAST: Duration = Duration::from_millis(20);
/// How often a rest looks whether the run is over.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Makes a thread rest, so that it has a core for no more than a share of the time. The time
/// that it waits for one, behind other threads, counts as rest.
#[derive(Debug)]
pub struct Throttle {
    share: f64,
    since: Instant,
    on_core: Duration,
    owed: Duration,
}

impl Throttle {
    /// `share` of the time, over 0 to 1. The thread is busy from now on.
    pub fn new(share: f64) -> Self {
        Self {
            share: share.clamp(0.001, 1.0),
            since: Instant::now(),
            on_core: time_on_core(),
            owed: Duration::ZERO,
        }
    }

    /// Rests for as long as the thread has been busy too much. False if it is to end.
    pub fn rest(&mut self, is_over: impl Fn() -> bool) -> bool {
        let busy = time_on_core().saturating_sub(self.on_core);
        let waited = self.since.elapsed().saturating_sub(busy);
        self.owed = (self.owed + rest_after(busy, self.share)).saturating_sub(waited);
        let begun = Instant::now();
        if self.owed >= LEAST {
            while begun.elapsed() < self.owed && !is_over() {
                std::thread::sleep((self.owed - begun.elapsed().min(self.owed)).min(POLL_INTERVAL));
            }
            // A system that sleeps longer than it was asked to has given some of the next.
            self.owed = Duration::ZERO;
        }
        self.since = Instant::now();
        self.on_core = time_on_core();
        !is_over()
    }
}

/// The rest that makes `busy` a `share` of the whole.
fn rest_after(busy: Duration, share: f64) -> Duration {
    busy.mul_f64(1.0 / share - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_and_rest_together_have_the_share() {
        let busy = Duration::from_millis(30);
        assert_eq!(rest_after(busy, 1.0), Duration::ZERO);
        assert_eq!(rest_after(busy, 0.25), Duration::from_millis(90));
        assert_eq!(rest_after(busy, 0.1).as_millis(), 270);
    }

    #[test]
    fn a_run_that_is_over_ends_the_rest() {
        let mut throttle = Throttle::new(0.001);
        throttle.owed = Duration::from_secs(3600);
        assert!(!throttle.rest(|| true));
    }
}
