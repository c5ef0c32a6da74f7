//! The fields of a clip's JSON, and the names of its members.

use serde::{Deserialize, Serialize};

use crate::time::{MediaTime, SAMPLE_RATE, SamplePos};

/// The format that this program writes and reads.
pub const FORMAT: &str = "l3net-shard/1";

/// A recording's name in keys is cut to this: a tar's plain header has room for
/// 100 bytes.
const NAME_IN_KEY: usize = 48;

/// A clip has 11 s; of one that says it has more than an hour the number is damaged.
const MAX_SAMPLES: usize = 3600 * SAMPLE_RATE as usize;

/// How clips were made. All clips of a folder are made alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Pictures that were kept of each second, at most.
    pub fps: f64,
    /// Length of the pictures' short side in pixels.
    pub short_side: u32,
    /// Quality of the JPEGs, of 100.
    pub jpeg_quality: u8,
    /// Seconds after which a recording is cut.
    pub piece_s: u32,
}

/// A clip: a piece of a recording without holes in its sound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClipInfo {
    /// [`FORMAT`].
    pub format: String,
    /// The recording's name, such as its path below the folder that was prepared.
    pub source: String,
    /// Tells recordings apart: a number made of the file's size and content.
    pub fingerprint: String,
    /// The class, if a folder gives one.
    pub label: Option<String>,
    /// Of the sound; always 48 000.
    pub sample_rate: u32,
    /// Where the sound begins in the recording.
    pub start_sample: u64,
    /// Its length.
    pub samples: usize,
    /// Its length in seconds.
    pub duration_s: f64,
    /// When each frame is shown first, in the recording, in nanoseconds. All lie
    /// within the sound.
    pub frame_times_ns: Vec<u64>,
    /// How it was made.
    pub settings: Settings,
}

impl ClipInfo {
    /// The start of its members' names: the same for the same piece of the same
    /// recording, whatever run made it.
    pub fn key(&self) -> String {
        key(
            &self.source,
            &self.fingerprint,
            SamplePos(self.start_sample),
        )
    }

    /// The name of its JSON.
    pub fn json_name(&self) -> String {
        format!("{}.json", self.key())
    }

    /// The name of its sound.
    pub fn sound_name(&self) -> String {
        format!("{}.flac", self.key())
    }

    /// The name of its frame number `i`.
    pub fn frame_name(&self, i: usize) -> String {
        format!("{}.{i:04}.jpg", self.key())
    }

    /// What contradicts itself in it.
    pub(super) fn defect(&self) -> Option<String> {
        if self.samples > MAX_SAMPLES {
            return Some(format!("it is {} samples long", self.samples));
        }
        // What is later has no time in nanoseconds, which is 584 years.
        if self.start_sample > SamplePos::heard_at(MediaTime(u64::MAX)).0 {
            return Some(format!("it begins at sample {}", self.start_sample));
        }
        let end = SamplePos(self.start_sample).plus(self.samples);
        let outside = |&ns: &u64| {
            let at = SamplePos::heard_at(MediaTime(ns));
            at.0 < self.start_sample || at >= end
        };
        if self.sample_rate != SAMPLE_RATE {
            Some(format!("its sound has {} Hz", self.sample_rate))
        } else if self.frame_times_ns.iter().any(outside) {
            Some("a frame lies outside its sound".to_owned())
        } else if !self.frame_times_ns.is_sorted() {
            Some("its frames are not in their order".to_owned())
        } else {
            None
        }
    }
}

/// The key of the clip of a recording that begins at `start`. Without dots, as
/// what follows the first dot is the member's kind.
pub(super) fn key(source: &str, fingerprint: &str, start: SamplePos) -> String {
    let plain = |c: char| {
        let kept = c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if kept { c } else { '_' }
    };
    // The end of a path says more than its beginning.
    let name: Vec<char> = source.chars().map(plain).collect();
    let name: String = name[name.len().saturating_sub(NAME_IN_KEY)..]
        .iter()
        .collect();
    let ms = start.to_time().0 / 1_000_000;
    format!("{name}-{fingerprint}-{ms:09}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_no_dot_and_sort_by_time() {
        let of = |start| key("cams/a b.tar.mp4", "0123456789abcdef", SamplePos(start));
        assert_eq!(of(0), "cams_a_b_tar_mp4-0123456789abcdef-000000000");
        assert!(of(48_000 * 9) < of(48_000 * 10));
        assert!(of(48_000 * 90_000) < of(48_000 * 100_000));
    }

    #[test]
    fn keys_of_long_names_fit_a_plain_tar_header() {
        let name = format!("{}é/clip.mp4", "x".repeat(300));
        let key = key(&name, "0123456789abcdef", SamplePos(48_000 * 3600 * 300));
        assert!(key.contains("clip_mp4"), "{key}");
        assert!(key.len() + ".0000.jpg".len() <= 100, "{}", key.len());
    }
}
