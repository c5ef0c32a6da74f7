//! The unit that a timeline computes in, and its conversions.

use std::time::Duration;

use crate::time::MediaTime;

/// Times in thirds of a nanosecond: of these a sample and a nanosecond are whole numbers.
pub type Ticks = i64;

const TICKS_PER_NS: Ticks = 3;
const TICKS_PER_SAMPLE: Ticks = 62_500;
pub const MS: Ticks = 1_000_000 * TICKS_PER_NS;
pub const SECOND: Ticks = 1_000 * MS;
pub const HOUR: Ticks = 3_600 * SECOND;

/// No time is further than this (24 years), so that sums of a few never overflow. One that
/// is was never a time.
pub const FURTHEST: Ticks = i64::MAX / 4;

pub fn from_time(time: MediaTime) -> Ticks {
    scaled(time.0, TICKS_PER_NS)
}

pub fn from_samples(samples: u64) -> Ticks {
    scaled(samples, TICKS_PER_SAMPLE)
}

fn scaled(count: u64, by: Ticks) -> Ticks {
    let ticks = i128::from(count) * i128::from(by);
    i64::try_from(ticks).unwrap_or(FURTHEST).min(FURTHEST)
}

pub fn from_duration(time: Duration) -> Ticks {
    from_time(MediaTime::from_duration(time))
}

pub fn to_time(ticks: Ticks) -> MediaTime {
    MediaTime(u64::try_from(ticks).unwrap_or(0) / TICKS_PER_NS as u64)
}

/// Rounded up, so that sound stays on its grid.
pub fn whole_samples(ticks: Ticks) -> Ticks {
    let rest = ticks.rem_euclid(TICKS_PER_SAMPLE);
    if rest == 0 {
        ticks
    } else {
        ticks - rest + TICKS_PER_SAMPLE
    }
}
