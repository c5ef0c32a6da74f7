//! Made-up results, shared by the tests of the sinks.

use std::sync::Arc;

use crate::draw;
use crate::event::{Evidence, JudgedMoment, Region};
use crate::picture::Picture;
use crate::result::{
    AudioFacts, Crop, Failure, Gap, GapReason, Heatmap, HeatmapFacts, Judgement, Latency, Record,
    SoundHeatmapFacts, Summary, Verdict, VideoFacts,
};
use crate::time::MediaTime;

const SECOND: u64 = 1_000_000_000;

/// The moment of second `seq`.
pub fn moment(stream: &str, seq: u64) -> Verdict {
    Verdict {
        stream: stream.into(),
        seq,
        start_ns: MediaTime(seq * SECOND),
        end_ns: MediaTime((seq + 1) * SECOND),
        frame_ns: MediaTime(seq * SECOND + 520_000_000),
        utc: None,
        correspondence: 0.83,
        logits: [-0.7, 0.9],
        audio: AudioFacts {
            rms_dbfs: -21.4,
            silent: false,
        },
        video: VideoFacts {
            width: 1280,
            height: 720,
            still: false,
        },
        heatmap: HeatmapFacts {
            rows: 16,
            cols: 28,
            crop: Crop::Full,
            peak: [0.61, 0.42],
            max: 3.2,
            file: Some(format!("{stream}/{seq:06}.png")),
        },
        sound_heatmap: SoundHeatmapFacts {
            rows: 16,
            cols: 12,
            peak_hz: 2625.0,
            peak_s: 0.375,
            max: 1.9,
            file: None,
        },
        latency_ms: Latency {
            wait: 1.2,
            features: 0.6,
            net: 31.0,
            total: 33.1,
        },
        padded: false,
    }
}

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

/// One of each type, with every optional field once present and once not.
pub fn every_kind_of_record() -> Vec<Record> {
    let mut live = moment("cam \"1\"\n", 7);
    live.utc = Some("2024-05-01T12:00:00.25Z".into());
    live.padded = true;
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

/// A moment whose glow lies at the right of the picture, in the middle third.
pub fn judged(stream: &str, seq: u64, picture: Picture, correspondence: f32) -> JudgedMoment {
    let mut verdict = moment(stream, seq);
    verdict.correspondence = correspondence;
    let (rows, cols) = (9, 16);
    let vision = bump(rows, cols, 4.0, 12.0, 1.6);
    let audio = bump(16, 12, 3.0, 7.0, 1.5);
    let judgement = Judgement {
        logits: verdict.logits,
        correspondence,
        vision,
        audio,
    };
    JudgedMoment {
        verdict,
        evidence: Evidence {
            judgement,
            picture: Some(Arc::new(picture)),
            spectrogram: Some(spectrogram().into()),
            covered: Region::FULL,
        },
    }
}

/// A smooth hill of height 3 on a floor of 0.2.
pub fn bump(rows: u32, cols: u32, row: f32, col: f32, width: f32) -> Heatmap {
    let values = (0..rows * cols)
        .map(|i| {
            let (dy, dx) = ((i / cols) as f32 - row, (i % cols) as f32 - col);
            0.2 + 2.8 * (-(dx * dx + dy * dy) / (2.0 * width * width)).exp()
        })
        .collect();
    Heatmap { rows, cols, values }
}

/// A voice of five harmonics over a quiet room.
fn spectrogram() -> Vec<f32> {
    let (rows, cols) = (draw::SPECTROGRAM_ROWS, draw::SPECTROGRAM_COLS);
    (0..rows * cols)
        .map(|i| {
            let (hz, s) = (f64::from(i / cols) * 93.75, f64::from(i % cols) / 200.0);
            let pitch = 400.0 + 120.0 * (s * 9.0).sin();
            let voice: f64 = (1..6)
                .map(|k| {
                    let off = (hz - pitch * f64::from(k)) / 90.0;
                    40.0 / f64::from(k) * (-off * off).exp()
                })
                .sum();
            (0.2 * (voice + 0.01 + 1e-4).ln()) as f32
        })
        .collect()
}
