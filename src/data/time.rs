//! Units of time and the only conversions between them.
//!
//! Belongs here: positions on a stream's timeline in samples and in nanoseconds, and
//! their conversions. Does not: clocks, wall time, GStreamer's timestamps (`media`
//! converts those once, at the edge).

#![warn(clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Samples in a second of sound, everywhere after `media`.
pub const SAMPLE_RATE: u32 = 48_000;
const NS_PER_S: u128 = 1_000_000_000;

/// A place on the stream's one timeline, counted in samples.
///
/// Not nanoseconds: 1/48000 s is not a whole number of them, so adding
/// durations buffer by buffer drifts. Convert from the absolute running time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SamplePos(pub u64);

impl SamplePos {
    /// The start of the stream.
    pub const ZERO: Self = Self(0);

    /// The sample nearest to a running time.
    pub fn from_time(time: MediaTime) -> Self {
        let samples = (u128::from(time.0) * u128::from(SAMPLE_RATE) + NS_PER_S / 2) / NS_PER_S;
        Self(u64::try_from(samples).unwrap_or(u64::MAX))
    }

    /// The sample that is playing at a running time: the last one that has started.
    pub fn heard_at(time: MediaTime) -> Self {
        let samples = u128::from(time.0) * u128::from(SAMPLE_RATE) / NS_PER_S;
        Self(u64::try_from(samples).unwrap_or(u64::MAX))
    }

    /// The running time of this sample, rounded to the nearest nanosecond.
    pub fn to_time(self) -> MediaTime {
        let rate = u128::from(SAMPLE_RATE);
        let ns = (u128::from(self.0) * NS_PER_S + rate / 2) / rate;
        MediaTime(u64::try_from(ns).unwrap_or(u64::MAX))
    }

    /// The position `samples` later.
    #[must_use]
    pub fn plus(self, samples: usize) -> Self {
        Self(self.0.saturating_add(samples as u64))
    }

    /// Samples from `other` to here; negative where `other` is later.
    pub fn minus(self, other: Self) -> i64 {
        let ahead = i64::try_from(self.0.abs_diff(other.0)).unwrap_or(i64::MAX);
        if self >= other { ahead } else { -ahead }
    }
}

/// A time on the stream's timeline in nanoseconds, as in results.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct MediaTime(pub u64);

impl MediaTime {
    /// The start of the stream.
    pub const ZERO: Self = Self(0);

    /// A time this long after the start.
    pub fn from_duration(time: Duration) -> Self {
        Self(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    /// A time from seconds; negative and unordered values become zero.
    pub fn from_secs_f64(seconds: f64) -> Self {
        Duration::try_from_secs_f64(seconds).map_or(Self::ZERO, Self::from_duration)
    }

    /// This time in seconds, for display.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Distance of two times in nanoseconds.
    pub fn distance(self, other: Self) -> u64 {
        self.0.abs_diff(other.0)
    }
}

/// Distance of the starts of consecutive windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop(usize);

impl Hop {
    /// One second: windows are adjacent and do not overlap.
    pub const SECOND: Self = Self(SAMPLE_RATE as usize);

    /// A hop in seconds, from 0.1 to 1.
    ///
    /// # Errors
    /// Says the range if `seconds` lies outside it.
    pub fn from_secs(seconds: f64) -> Result<Self, String> {
        if !(0.1..=1.0).contains(&seconds) {
            return Err(format!("a hop is 0.1 to 1 second, not {seconds}"));
        }
        let samples = SamplePos::from_time(MediaTime::from_secs_f64(seconds)).0;
        Ok(Self(usize::try_from(samples).unwrap_or(Self::SECOND.0)))
    }

    /// The hop in samples.
    pub fn samples(self) -> usize {
        self.0
    }
}

#[cfg(test)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of a test are small"
)]
mod tests {
    use super::*;

    #[test]
    fn positions_do_not_drift_over_a_day_of_odd_blocks() {
        // 1024 samples are 21 333 333.33 ns: the sum of rounded durations would be off by
        // 1.35 ms after a day, a conversion of the absolute time never is.
        let blocks = 24 * 3600 * 48_000 / 1024;
        let end = SamplePos(blocks * 1024);
        assert_eq!(SamplePos::from_time(end.to_time()), end);
    }

    #[test]
    fn a_time_between_two_samples_goes_to_the_nearer() {
        assert_eq!(SamplePos::from_time(MediaTime(10_416)), SamplePos(0));
        assert_eq!(SamplePos::from_time(MediaTime(10_417)), SamplePos(1));
    }

    #[test]
    fn between_two_samples_the_earlier_one_is_playing() {
        assert_eq!(SamplePos::heard_at(MediaTime(20_833)), SamplePos(0));
        assert_eq!(SamplePos::heard_at(MediaTime(20_834)), SamplePos(1));
        assert_eq!(
            SamplePos::heard_at(MediaTime(1_000_000_000)),
            SamplePos(48_000)
        );
    }

    #[test]
    fn a_hop_outside_its_range_is_refused() {
        assert!(Hop::from_secs(0.05).is_err());
        assert!(Hop::from_secs(1.5).is_err());
        assert!(Hop::from_secs(f64::NAN).is_err());
        assert_eq!(Hop::from_secs(0.1).map(Hop::samples), Ok(4_800));
    }
}
