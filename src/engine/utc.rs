//! UTC of a live stream.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// How often the wall clock is read. Not at every moment: each reading is off by some
/// milliseconds, and consecutive moments would show that.
const STEP: Duration = Duration::from_secs(60);

/// The wall-clock time at stream time zero.
///
/// The source's clock and the wall clock drift apart, by seconds in a few days, so this
/// is measured again every minute.
#[derive(Default)]
pub(super) struct UtcZero(Option<(Instant, Timestamp)>);

impl UtcZero {
    /// The last measurement.
    pub fn get(&self) -> Option<Timestamp> {
        self.0.map(|(_, zero)| zero)
    }

    /// Measures with `look`, if due. If that gives nothing, the last measurement stays.
    pub fn refresh(&mut self, now: Instant, look: impl FnOnce() -> Option<Timestamp>) {
        if self.0.is_none_or(|(at, _)| now.duration_since(at) >= STEP)
            && let Some(zero) = look()
        {
            self.0 = Some((now, zero));
        }
    }

    /// The source is being reopened, and its clock starts anew.
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
