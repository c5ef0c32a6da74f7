//! What quality control asks of a file, by ffmpeg's definitions: black and frozen pictures,
//! silence, loudness.
//!
//! Belongs here: the detectors and the report, in plain numbers. Each sees one thing at a
//! time and holds no more than it compares with, so that the length of a file does not
//! matter. Does not: where pictures and sound come from (`media`), files.
//!
//! Names, thresholds and rules are those of ffmpeg's filters `blackdetect`, `freezedetect`
//! and `silencedetect` with their defaults, and of `ebur128` for which channel counts how
//! much. A stretch is told in full only: ffmpeg does not tell the end of a freeze or of
//! silence that lasts until the file ends.

mod black;
mod freeze;
mod loudness;
mod silence;

use serde::{Deserialize, Serialize};

use crate::time::MediaTime;

pub use crate::plane::Plane;
pub use black::{Black, black_level, is_black};
pub use freeze::{Freeze, is_still};
pub use loudness::{ChannelWeight, Loudness, LoudnessMeter};
pub use silence::Silence;

/// How long a stretch has to be: 2 s, the default of all three filters.
const AT_LEAST_US: u64 = 2_000_000;

/// A part of a stream, in seconds from its start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    /// Where it begins.
    pub start_s: f64,
    /// Where it ends.
    pub end_s: f64,
    /// Its length.
    pub duration_s: f64,
}

impl Stretch {
    /// From one time to another.
    pub fn between(start: MediaTime, end: MediaTime) -> Self {
        Self {
            start_s: seconds(start.0),
            end_s: seconds(end.0),
            duration_s: seconds(end.0.saturating_sub(start.0)),
        }
    }
}

/// Microseconds are as fine as ffmpeg tells it.
fn seconds(ns: u64) -> f64 {
    microseconds(ns) as f64 / 1e6
}

/// To the nearest, so that times that a container has rounded count as what was meant.
fn microseconds(ns: u64) -> u64 {
    (ns.saturating_add(500)) / 1_000
}

fn is_long(start: MediaTime, end: MediaTime) -> bool {
    microseconds(end.0.saturating_sub(start.0)) >= AT_LEAST_US
}

/// What was measured of a whole file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Of its picture; `None` if it has none.
    pub video: Option<VideoReport>,
    /// Of its sound; `None` if it has none.
    pub audio: Option<AudioReport>,
}

/// What was measured of the picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VideoReport {
    /// Frames that were looked at.
    pub frames: u64,
    /// Frames that could not be looked at, as their format cannot be converted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unreadable_frames: u64,
    /// Where at least 98 % of the picture are darker than a tenth of the luma range.
    pub blackdetect: Vec<Stretch>,
    /// Where the picture differs by at most -60 dB from that at the start.
    pub freezedetect: Vec<Stretch>,
}

/// What was measured of the sound.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AudioReport {
    /// Channels of the track that was taken.
    pub channels: u32,
    /// Samples in a second.
    pub sample_rate: u32,
    /// Where all channels stay below -60 dB of full scale.
    pub silencedetect: Vec<Stretch>,
    /// Loudness by ITU-R BS.1770 and EBU R128; `None` if it cannot be measured at this rate
    /// or with so many channels.
    pub ebur128: Option<Loudness>,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seconds_are_long_enough_however_the_container_rounds() {
        let third = MediaTime(333_333_333);
        for (end, long) in [
            (2_333_333_333, true),
            (2_333_332_900, true),
            (2_333_332_000, false),
        ] {
            assert_eq!(is_long(third, MediaTime(end)), long, "{end}");
        }
        assert!(!is_long(MediaTime(3), MediaTime(1)));
    }

    #[test]
    fn a_stretch_is_told_in_microseconds() {
        let stretch = Stretch::between(MediaTime(33_333_333), MediaTime(2_066_666_667));
        assert_eq!(stretch.start_s, 0.033_333);
        assert_eq!(stretch.end_s, 2.066_667);
        assert_eq!(stretch.duration_s, 2.033_333);
    }
}
