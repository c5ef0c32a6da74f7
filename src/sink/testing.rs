//! Made-up results, shared by the tests of the sinks.

use crate::qc::{AudioReport, Loudness, Stretch, VideoReport};
use crate::result::{Failure, Gap, GapReason, Qc, Record, Summary};
use crate::time::MediaTime;

pub use moments::{judged, moment};

#[path = "../data/testing.rs"]
mod moments;

const SECOND: u64 = 1_000_000_000;

pub fn gap(stream: &str, second: u64, why: GapReason) -> Record {
    Record::Gap(Gap {
        stream: stream.into(),
        start_ns: MediaTime(second * SECOND),
        end_ns: MediaTime((second + 1) * SECOND),
        why,
        lost: 1,
    })
}

pub fn summary(stream: &str, moments: u64) -> Record {
    Record::Summary(Summary {
        stream: stream.into(),
        moments,
        mean_correspondence: (moments > 0).then_some(0.83),
        gaps: 1,
        seconds: moments as f64,
        wall_s: 0.4,
        model: None,
        bytes: None,
        fps: None,
        keyframes: false,
        interrupted: false,
        error: None,
    })
}

/// The same, of a file of this size.
pub fn summary_of(stream: &str, moments: u64, bytes: u64) -> Record {
    let Record::Summary(mut end) = summary(stream, moments) else {
        unreachable!("a summary")
    };
    end.bytes = Some(bytes);
    end.model = Some("cameras@0f3a91c2".into());
    Record::Summary(end)
}

/// How a stream that failed ends: both lines.
pub fn failed(stream: &str, moments: u64, text: &str) -> [Record; 2] {
    let Record::Summary(mut end) = summary(stream, moments) else {
        unreachable!("a summary")
    };
    end.error = Some(text.into());
    [Record::Summary(end), error(stream, text)]
}

pub fn error(stream: &str, text: &str) -> Record {
    Record::Error(Failure {
        stream: stream.into(),
        error: text.into(),
    })
}

/// What was measured of a file of this size.
pub fn measured(stream: &str, bytes: Option<u64>) -> Record {
    let stretch = |start: u64, end: u64| {
        let [start, end] = [start, end].map(|ms| MediaTime(ms * 1_000_000));
        Stretch::between(start, end)
    };
    Record::Qc(Qc {
        stream: stream.into(),
        video: Some(VideoReport {
            frames: 250,
            unreadable_frames: 0,
            blackdetect: vec![stretch(0, 2_400)],
            freezedetect: vec![stretch(0, 2_400), stretch(6_040, 9_960)],
        }),
        audio: Some(AudioReport {
            channels: 2,
            sample_rate: 48_000,
            silencedetect: vec![],
            ebur128: Some(Loudness {
                integrated_lufs: Some(-23.12),
                range_lu: 4.2,
                true_peak_dbtp: Some(-1.04),
                sample_peak_dbfs: Some(-1.31),
            }),
        }),
        bytes,
    })
}

/// The same of one without picture and sound.
pub fn nothing_measured(stream: &str) -> Record {
    Record::Qc(Qc {
        stream: stream.into(),
        video: None,
        audio: None,
        bytes: None,
    })
}

/// One of each type that a table has columns for, with every optional field once present and
/// once not.
pub fn every_kind_of_record() -> Vec<Record> {
    let mut live = moment("cam \"1\"\n", 7);
    live.utc = Some("2024-05-01T12:00:00.25Z".into());
    live.padded = true;
    live.z_score = Some(2.5);
    live.audio.dc_offset = Some(-0.25);
    live.audio.invalid_samples = 3;
    live.audio.clipped_samples = 1;
    live.heatmap.file = None;
    live.sound_heatmap.file = Some("cam/000007.sound.png".into());
    vec![
        Record::Moment(moment("clip.mp4", 0)),
        Record::Moment(live),
        gap("clip.mp4", 1, GapReason::NoAudio),
        summary("clip.mp4", 1),
        summary_of("empty.mp4", 0, 12_345),
        error("bad.mp4", "not a media file: truncated"),
    ]
}
