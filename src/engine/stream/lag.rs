//! How far a live source is behind the clock, by what arrives from it.
//!
//! Belongs here: lag of sound and pictures, and when it is hopeless. Does not: how lag is
//! measured, skipping pictures ([`crate::media`]).

use std::time::{Duration, Instant};

use crate::media::{LAG_LIMIT, LagMeter};
use crate::time::MediaTime;

/// How long a live source may be far behind before it is opened again. Skipping late
/// pictures brings most back within a second or at their next key picture.
const CATCH_UP: Duration = Duration::from_secs(10);

/// How far a live source is behind, since it was opened.
pub(super) struct Lag {
    opened: Instant,
    sound: LagMeter,
    picture: LagMeter,
    /// The newest of both.
    current: [Duration; 2],
    /// Since when it has been behind by more than [`LAG_LIMIT`].
    behind: Option<Instant>,
}

impl Lag {
    pub fn new(opened: Instant) -> Self {
        Self {
            opened,
            sound: LagMeter::default(),
            picture: LagMeter::default(),
            current: [Duration::ZERO; 2],
            behind: None,
        }
    }

    pub fn current(&self) -> Duration {
        self.current[0].max(self.current[1])
    }

    fn since_opening(&self, at: Instant) -> u64 {
        MediaTime::from_duration(at.saturating_duration_since(self.opened)).0
    }

    pub fn measure_sound(&mut self, at: MediaTime, arrived: Instant) {
        self.current[0] = self.sound.measure(at.0, self.since_opening(arrived));
    }

    pub fn measure_picture(&mut self, at: MediaTime, arrived: Instant) {
        self.current[1] = self.picture.measure(at.0, self.since_opening(arrived));
    }

    /// Whether it began to be behind by more than [`LAG_LIMIT`] just now.
    pub fn begins(&mut self, now: Instant) -> bool {
        let is_behind = self.current() > LAG_LIMIT;
        let begins = is_behind && self.behind.is_none();
        self.behind = is_behind.then_some(self.behind.unwrap_or(now));
        begins
    }

    /// Whether it has been behind for longer than [`CATCH_UP`].
    pub fn is_hopeless(&self, now: Instant) -> bool {
        let since = self
            .behind
            .map(|since| now.saturating_duration_since(since));
        since.is_some_and(|since| since > CATCH_UP)
    }
}

/// How late the moments of an open live source are, beyond the least delay. One that waited
/// for its picture is as late as the picture.
pub(super) struct Lateness {
    opened: Instant,
    meter: LagMeter,
}

impl Lateness {
    pub fn new(opened: Instant) -> Self {
        Self {
            opened,
            meter: LagMeter::default(),
        }
    }

    /// Whether a moment that ended at `end` is of no use any more: a live answer that is
    /// older than [`LAG_LIMIT`] would be taken for one of now.
    pub fn is_too_late(&mut self, end: MediaTime, now: Instant) -> bool {
        let now = MediaTime::from_duration(now.saturating_duration_since(self.opened));
        self.meter.measure(end.0, now.0) > LAG_LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_that_comes_long_after_its_second_is_too_late_and_a_steady_delay_is_not() {
        let opened = Instant::now();
        let mut lateness = Lateness::new(opened);
        let mut late = |second: u64, delay: f64| {
            let now = opened + Duration::from_secs(second) + Duration::from_secs_f64(delay);
            lateness.is_too_late(MediaTime(second * 1_000_000_000), now)
        };
        assert!((1..60).all(|second| !late(second, 3.0)));
        assert!(!late(60, 4.9));
        assert!(late(61, 5.1));
        assert!(!late(62, 3.5));
    }
}
