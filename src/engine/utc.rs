//! The time of day of a live stream.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// How often the wall clock is looked at. Not at every moment: each look is some
/// milliseconds off, which would show between moments that follow each other.
const STEP: Duration = Duration::from_secs(60);

/// What the wall clock showed at stream time zero.
///
/// The clock that a source runs by and the wall clock drift apart, by seconds in a
/// few days, so this is found anew every minute.
#[derive(Default)]
pub(super) struct UtcZero(Option<(Instant, Timestamp)>);

impl UtcZero {
    /// As it was found last.
    pub fn get(&self) -> Option<Timestamp> {
        self.0.map(|(_, zero)| zero)
    }

    /// Finds it by `look`, if it is time to. Where that gives nothing, the last one
    /// stands.
    pub fn refresh(&mut self, now: Instant, look: impl FnOnce() -> Option<Timestamp>) {
        if self.0.is_none_or(|(at, _)| now.duration_since(at) >= STEP)
            && let Some(zero) = look()
        {
            self.0 = Some((now, zero));
        }
    }

    /// The source is opened again, and starts a clock of its own.
    pub fn forget(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drifting_clock_is_followed_every_minute_and_after_an_outage() {
        let begun = Instant::now();
        let mut zero = UtcZero::default();
        let mut look = |after_s: u64, ms: i64| {
            let time = Timestamp::from_millisecond(ms).expect("in range");
            zero.refresh(begun + Duration::from_secs(after_s), || Some(time));
            zero.get().map(Timestamp::as_millisecond)
        };
        assert_eq!(look(0, 100), Some(100));
        assert_eq!(look(59, 140), Some(100), "no jitter between moments");
        assert_eq!(look(60, 141), Some(141));
        assert_eq!(look(119, 190), Some(141));
        zero.refresh(begun + Duration::from_secs(300), || None);
        assert!(zero.get().is_some(), "the last one stands");
        zero.forget();
        assert_eq!(zero.get(), None);
    }
}
