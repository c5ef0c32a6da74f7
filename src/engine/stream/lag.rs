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
