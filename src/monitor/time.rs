//! Wall time in milliseconds, as in the interfaces.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A time of day: Unix milliseconds, UTC.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UtcMs(pub i64);

impl UtcMs {
    /// Now, by this machine's clock.
    pub fn now() -> Self {
        Self::from(Timestamp::now())
    }

    /// This much later.
    #[must_use]
    pub fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(millis(time)))
    }

    /// This much earlier.
    #[must_use]
    pub fn minus(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(millis(time)))
    }

    /// How long ago `earlier` was; zero if it is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// For names of files and for people; the ends of jiff's range beyond it.
    pub fn to_timestamp(self) -> Timestamp {
        Timestamp::from_millisecond(self.0).unwrap_or(if self.0 < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        })
    }
}

impl From<Timestamp> for UtcMs {
    fn from(at: Timestamp) -> Self {
        Self(at.as_millisecond())
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_never_negative_and_never_overflow() {
        let (early, late) = (UtcMs(1_000), UtcMs(3_500));
        assert_eq!(late.since(early), Duration::from_millis(2_500));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(UtcMs(i64::MAX).plus(Duration::MAX), UtcMs(i64::MAX));
        assert_eq!(UtcMs(i64::MAX).to_timestamp(), Timestamp::MAX);
        assert_eq!(UtcMs::from(late.to_timestamp()), late);
    }
}
