//! Trying again, and ending.
//!
//! Belongs here: how long to wait after failures, what has been said of them already, until
//! when there is time. Does not: what is tried.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use l3net_data::sync::lock;

/// How long to wait after failures: twice as long after each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// After the first failure.
    pub(super) first: Duration,
    /// At most.
    pub(super) most: Duration,
}

impl Pace {
    /// How long to wait after this many failures in a row.
    pub(super) fn delay(self, failures: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1));
        let delay = doubled.and_then(|times| self.first.checked_mul(times));
        delay.unwrap_or(self.most).min(self.most)
    }
}

/// What was last said to be wrong, so that the same is not said again and again.
#[derive(Debug, Default)]
pub(super) struct Warned(Option<String>);

impl Warned {
    /// Whether this is new, and is to be said now.
    pub(super) fn is_new(&mut self, cause: &str) -> bool {
        let new = self.0.as_deref() != Some(cause);
        if new {
            self.0 = Some(cause.to_owned());
        }
        new
    }

    /// All is well again. Whether something had been said before.
    pub(super) fn clear(&mut self) -> bool {
        self.0.take().is_some()
    }
}

/// Asks a thread to end, and tells it how much time it has.
#[derive(Debug, Default)]
pub(super) struct Stop(Mutex<Option<Instant>>);

impl Stop {
    /// Ends it until then. The first call counts.
    pub(super) fn ask(&self, until: Instant) {
        let mut asked = lock(&self.0);
        asked.get_or_insert(until);
    }

    /// The time that is left until the end; `None` while nobody has asked for it.
    pub(super) fn left(&self) -> Option<Duration> {
        let asked = lock(&self.0);
        asked.map(|until| until.saturating_duration_since(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_bound() {
        let pace = Pace {
            first: Duration::from_secs(1),
            most: Duration::from_secs(60),
        };
        let delays = [0, 1, 2, 3, 6, 7, 8, 40, u32::MAX].map(|n| pace.delay(n).as_secs());
        assert_eq!(delays, [1, 1, 2, 4, 32, 60, 60, 60, 60]);
    }

    #[test]
    fn the_same_cause_is_said_once_until_all_is_well() {
        let mut said = Warned::default();
        assert!(said.is_new("a") && !said.is_new("a") && said.is_new("b"));
        assert!(said.clear() && !said.clear() && said.is_new("b"));
    }
}
