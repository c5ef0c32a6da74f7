//! The results of a run: plain data, one JSON object per line.
//!
//! Belongs here: the records of the output and the arithmetic that makes them from
//! plain numbers. Does not: tensors, files, drawing, so that sinks and their tests
//! need no libtorch.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use crate::features::{Crop, Damage, Level};
use crate::qc;
use crate::time::MediaTime;

/// The name of a stream in results, file names and metrics.
pub type StreamName = Arc<str>;

/// One line of output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Record {
    /// A window that was judged.
    Moment(Verdict),
    /// A part of the stream that was not judged.
    Gap(Gap),
    /// What `--qc` measured of a whole file.
    Qc(Qc),
    /// The end of a stream.
    Summary(Summary),
    /// A stream that failed, with the cause.
    Error(Failure),
}

impl Record {
    /// The stream of the record.
    pub fn stream(&self) -> &StreamName {
        match self {
            Self::Moment(r) => &r.stream,
            Self::Gap(r) => &r.stream,
            Self::Qc(r) => &r.stream,
            Self::Summary(r) => &r.stream,
            Self::Error(r) => &r.stream,
        }
    }
}

/// The judgement of one moment: a window of sound and the frame inside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The stream.
    pub stream: StreamName,
    /// Counts the stream's moments from 0.
    pub seq: u64,
    /// Start of the window.
    pub start_ns: MediaTime,
    /// End of the window; one second after its start, even if padded.
    pub end_ns: MediaTime,
    /// Time of the frame.
    pub frame_ns: MediaTime,
    /// Wall-clock time of the window's end (RFC 3339), for live sources.
    pub utc: Option<String>,
    /// Probability that sound and picture correspond, 0 to 1.
    #[serde(deserialize_with = "nan_from_null")]
    pub correspondence: f32,
    /// The network's two outputs before softmax; index 1 = corresponds.
    #[serde(deserialize_with = "nans_from_null")]
    pub logits: [f32; 2],
    /// How far the difference of the logits lies over that of this camera's pictures with
    /// other cameras' sounds, in standard deviations; only of a camera that the model was
    /// adapted to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub z_score: Option<f32>,
    /// Properties of the sound.
    pub audio: AudioFacts,
    /// Properties of the picture.
    pub video: VideoFacts,
    /// Where in the picture the sound comes from.
    pub heatmap: HeatmapFacts,
    /// Which frequencies and times of the sound match the picture.
    pub sound_heatmap: SoundHeatmapFacts,
    /// Processing time.
    pub latency_ms: Latency,
    /// The clip is shorter than a window, which was padded with silence.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub padded: bool,
}

/// JSON has no NaN and writes null; a resumed run must be able to read what an earlier
/// one wrote.
fn nan_from_null<'de, D: Deserializer<'de>>(from: D) -> Result<f32, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f32::NAN))
}

fn nans_from_null<'de, D: Deserializer<'de>>(from: D) -> Result<[f32; 2], D::Error> {
    let values = <[Option<f32>; 2]>::deserialize(from)?;
    Ok(values.map(|v| v.unwrap_or(f32::NAN)))
}

/// Level of a window of sound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AudioFacts {
    /// Root mean square relative to full scale, without the constant offset; not under
    /// [`SILENCE_FLOOR_DBFS`].
    pub rms_dbfs: f32,
    /// Under [`SILENT_BELOW_DBFS`].
    pub silent: bool,
    /// The constant offset (mean of the samples; 1 is full scale), if it is at least
    /// [`LARGE_OFFSET`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dc_offset: Option<f32>,
    /// Samples that were NaN or infinite, and are judged as silence.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub invalid_samples: u64,
    /// Samples beyond ±[`MAX_SAMPLE`](crate::features::MAX_SAMPLE), and clipped to it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub clipped_samples: u64,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A window quieter than this is silent: below the noise of a quiet room through a
/// camera's microphone, above the dither of 16-bit sound.
pub const SILENT_BELOW_DBFS: f32 = -70.0;
/// The level of digital silence, which has no finite one.
pub const SILENCE_FLOOR_DBFS: f32 = -120.0;
/// An offset from here on is reported, half a percent of full scale: more than sound cards
/// have, less than the -1/128 of 8-bit silence.
pub const LARGE_OFFSET: f32 = 0.005;

impl AudioFacts {
    /// Measures a window that was cleaned, in which `damage` was found.
    pub fn of(pcm: &[f32], damage: Damage) -> Self {
        let level = Level::of(pcm);
        let rms_dbfs = level.dbfs(SILENCE_FLOOR_DBFS);
        let offset = level.offset as f32;
        Self {
            rms_dbfs,
            silent: rms_dbfs < SILENT_BELOW_DBFS,
            dc_offset: (offset.abs() >= LARGE_OFFSET).then_some(offset),
            invalid_samples: damage.invalid,
            clipped_samples: damage.clipped,
        }
    }

    /// What was damaged in the window.
    pub fn damage(&self) -> Damage {
        Damage {
            invalid: self.invalid_samples,
            clipped: self.clipped_samples,
        }
    }
}

/// The picture of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoFacts {
    /// Displayed width in pixels: upright, with square pixels.
    pub width: u32,
    /// Displayed height in pixels.
    pub height: u32,
    /// The picture has not changed since the previous moment.
    pub still: bool,
    /// 98 % of the picture are darker than a tenth of white.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub black: bool,
}

/// The heatmap over the picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeatmapFacts {
    /// Rows of the map.
    pub rows: u32,
    /// Columns of the map.
    pub cols: u32,
    /// The part of the picture that the map covers.
    pub crop: Crop,
    /// x and y of the strongest cell, 0 to 1 from the picture's top left.
    pub peak: [f32; 2],
    /// Strength at the peak.
    #[serde(deserialize_with = "nan_from_null")]
    pub max: f32,
    /// Its image file, relative to the folder of `--heatmaps`.
    pub file: Option<String>,
}

/// The heatmap over the log-spectrogram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SoundHeatmapFacts {
    /// Rows of the map, from low to high frequencies.
    pub rows: u32,
    /// Columns of the map, over time.
    pub cols: u32,
    /// Frequency of the strongest cell.
    pub peak_hz: f32,
    /// Time of the strongest cell, in seconds from the window's start.
    pub peak_s: f32,
    /// Strength at the peak.
    #[serde(deserialize_with = "nan_from_null")]
    pub max: f32,
    /// Its image file, relative to the folder of `--heatmaps`.
    pub file: Option<String>,
}

/// Processing times in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// From the arrival of the window's last sound to the start of the features.
    pub wait: f32,
    /// Log-spectrogram and frame.
    pub features: f32,
    /// Network, including the wait for it.
    pub net: f32,
    /// From the arrival of the window's last sound to the result.
    pub total: f32,
}

/// A part of a stream without moments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The stream.
    pub stream: StreamName,
    /// Where it starts.
    pub start_ns: MediaTime,
    /// Where it ends.
    pub end_ns: MediaTime,
    /// Why there are no moments.
    pub why: GapReason,
    /// Moments that there would have been.
    pub lost: u64,
}

/// Why moments are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The machine was too slow for a live source.
    Overload,
    /// A hole or jump of the sound, or a source that was reopened.
    Discontinuity,
    /// There is a picture but no sound.
    NoAudio,
    /// There is sound but no picture.
    NoVideo,
}

impl GapReason {
    /// The name in results and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Overload => "overload",
            Self::Discontinuity => "discontinuity",
            Self::NoAudio => "no_audio",
            Self::NoVideo => "no_video",
        }
    }
}

/// What `--qc` measured of a whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Qc {
    /// The stream.
    pub stream: StreamName,
    /// Of the picture; null if there is none.
    pub video: Option<qc::VideoReport>,
    /// Of the sound; null if there is none.
    pub audio: Option<qc::AudioReport>,
    /// Size of the file; of a file only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// The totals of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The stream.
    pub stream: StreamName,
    /// Moments judged.
    pub moments: u64,
    /// Mean of their correspondence; none without moments.
    pub mean_correspondence: Option<f32>,
    /// Gaps reported.
    pub gaps: u64,
    /// Length of the stream, to the end of its sound or picture.
    pub seconds: f64,
    /// Time taken.
    pub wall_s: f64,
    /// The model: the name of its file, `@`, and a hash of its weights. A later run that
    /// resumes checks that it uses the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Size of the file; none for other sources. A later run checks that a file of the
    /// same name is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Frames a second, where the source says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// Only key pictures were decoded, of which each moment has the nearest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keyframes: bool,
    /// It was stopped, or reached a limit, before its end; a later run resumes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// Why it failed, as in the stream's `error` line. A later run tries it again. Here
    /// as well, so that a lost or torn line cannot make a failure look like an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A stream that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The stream.
    pub stream: StreamName,
    /// The cause and the next step, in one line.
    pub error: String,
}

/// A map of strengths on a coarse grid, not upsampled.
#[derive(Clone, Debug, PartialEq)]
pub struct Heatmap {
    /// Rows: y in a picture, frequency in a spectrogram.
    pub rows: u32,
    /// Columns: x in a picture, time in a spectrogram.
    pub cols: u32,
    /// `rows × cols` strengths, row by row.
    pub values: Vec<f32>,
}

impl Heatmap {
    /// Row, column and strength of the strongest cell (the first of equals).
    pub fn peak(&self) -> (u32, u32, f32) {
        let best = self
            .values
            .iter()
            .enumerate()
            .fold((0, f32::NEG_INFINITY), |best, (i, &v)| {
                if v > best.1 { (i, v) } else { best }
            });
        let cols = self.cols.max(1);
        (best.0 as u32 / cols, best.0 as u32 % cols, best.1)
    }
}

/// The network's outputs for one moment, as plain data.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Before softmax; index 1 = corresponds.
    pub logits: [f32; 2],
    /// Softmax of the logits at index 1.
    pub correspondence: f32,
    /// Over the part of the picture that the network sees.
    pub vision: Heatmap,
    /// Over the log-spectrogram, from low to high frequencies.
    pub audio: Heatmap,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_of_a_full_scale_square_wave_is_zero() {
        let wave: Vec<f32> = (0..480)
            .map(|i| if i % 2 == 0 { 1.0 } else { -1.0 })
            .collect();
        let facts = AudioFacts::of(&wave, Damage::default());
        assert!(facts.rms_dbfs.abs() < 1e-4);
        assert!(!facts.silent);
    }

    #[test]
    fn digital_silence_has_a_finite_level() {
        let facts = AudioFacts::of(&[0.0; 100], Damage::default());
        assert_eq!(facts.rms_dbfs, SILENCE_FLOOR_DBFS);
        assert!(facts.silent);
    }

    #[test]
    fn what_is_wrong_with_the_sound_is_in_the_record_only_where_something_is() {
        let line = |pcm: &[f32], damage| {
            serde_json::to_string(&AudioFacts::of(pcm, damage)).expect("plain data")
        };
        assert_eq!(
            line(&[0.004; 480], Damage::default()),
            r#"{"rms_dbfs":-120.0,"silent":true}"#
        );
        let damage = Damage {
            invalid: 3,
            clipped: 1,
        };
        let damaged = line(&[-0.25; 480], damage);
        assert_eq!(
            damaged,
            r#"{"rms_dbfs":-120.0,"silent":true,"dc_offset":-0.25,"invalid_samples":3,"clipped_samples":1}"#
        );
        let read: AudioFacts = serde_json::from_str(&damaged).expect("it was written so");
        assert_eq!(read, AudioFacts::of(&[-0.25; 480], damage));
    }

    #[test]
    fn the_peak_is_found_by_row_and_column() {
        let map = Heatmap {
            rows: 2,
            cols: 3,
            values: vec![0.0, 1.0, 2.0, 9.0, 3.0, 4.0],
        };
        assert_eq!(map.peak(), (1, 0, 9.0));
    }
}
