//! UTC of a live stream.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::time::MediaTime;

/// How often the wall clock is read. Not at every moment: each reading is off by some
/// milliseconds, and consecutive moments would show that.
const STEP: Duration = Duration::from_secs(60);

/// A moment that ends further ahead of the wall clock than this ends now instead: the source's
/// timestamps have jumped ahead. Half of it is what they are ahead by anyway.
const MOST_AHEAD: SignedDuration = SignedDuration::from_secs(1);

/// The wall-clock time at stream time zero.
///
/// The source's clock and the wall clock drift apart, by seconds in a few days, so this
/// is measured again every minute.
#[derive(Default)]
pub(super) struct UtcZero {
    measured: Option<(Instant, Timestamp)>,
    /// How far the timestamps have jumped ahead since the source was opened.
    ahead: SignedDuration,
}

impl UtcZero {
    /// The last measurement.
    pub fn get(&self) -> Option<Timestamp> {
        let (_, zero) = self.measured?;
        zero.checked_sub(self.ahead).ok()
    }

    /// Measures with `look`, if due. If that gives nothing, the last measurement stays.
    pub fn refresh(&mut self, now: Instant, look: impl FnOnce() -> Option<Timestamp>) {
        if self
            .measured
            .is_none_or(|(at, _)| now.duration_since(at) >= STEP)
            && let Some(zero) = look()
        {
            // A wall clock that was set back in between is no jump of the source's.
            if let Some((_, before)) = self.measured {
                let back = before.duration_since(zero).max(SignedDuration::ZERO);
                self.ahead = (self.ahead.saturating_sub(back)).max(SignedDuration::ZERO);
            }
            self.measured = Some((now, zero));
        }
    }

    /// A moment that ends at `end` is there at `now`: nothing ends later than that.
    pub fn limit(&mut self, end: MediaTime, now: Timestamp) {
        let ns = SignedDuration::from_nanos(i64::try_from(end.0).unwrap_or(i64::MAX));
        let ends = self.get().and_then(|zero| zero.checked_add(ns).ok());
        let ahead = ends.map(|ends| ends.duration_since(now));
        if let Some(ahead) = ahead.filter(|ahead| *ahead > MOST_AHEAD) {
            self.ahead = self.ahead.saturating_add(ahead);
        }
    }

    /// The source is being reopened, and its clock starts anew.
    pub fn forget(&mut self) {
        *self = Self::default();
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

    #[test]
    fn a_source_whose_timestamps_jump_ahead_is_not_in_the_future() {
        let day = |ms: i64| Timestamp::from_millisecond(ms).expect("in range");
        let begun = Instant::now();
        let mut zero = UtcZero::default();
        let mut ends = |end_s: u64, now_ms: i64| {
            let now = begun + Duration::from_millis(now_ms.unsigned_abs());
            zero.refresh(now, || Some(day(0)));
            let end = MediaTime(end_s * 1_000_000_000);
            zero.limit(end, day(now_ms));
            zero.get()
                .map(|zero| zero.as_millisecond() + end_s as i64 * 1000)
        };
        assert_eq!(ends(5, 5_100), Some(5_000));
        assert_eq!(ends(6, 5_800), Some(6_000), "a little ahead is usual");
        // Seven seconds ahead from here on.
        assert_eq!(ends(14, 7_100), Some(7_100));
        assert_eq!(ends(15, 8_150), Some(8_100));
        // Measured again.
        assert_eq!(ends(80, 73_100), Some(73_100));
    }

    #[test]
    fn a_wall_clock_that_is_set_back_is_believed_once_it_is_read_again() {
        let day = |ms: i64| Timestamp::from_millisecond(ms).expect("in range");
        let begun = Instant::now();
        let mut zero = UtcZero::default();
        zero.refresh(begun, || Some(day(3_600_000)));
        // An hour earlier.
        zero.limit(MediaTime(5_000_000_000), day(5_000));
        let ends = zero.get().expect("measured").as_millisecond() + 5_000;
        assert_eq!(ends, 5_000, "not in the future");
        zero.refresh(begun + STEP, || Some(day(0)));
        assert_eq!(zero.get(), Some(day(0)));
    }
}
