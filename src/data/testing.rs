//! Made-up moments, shared by the tests of what draws and passes them on.
//!
//! Also a module of `l3net`'s tests (`sink/testing.rs`): a package's tests see nothing of
//! another's.

use std::sync::Arc;

use crate::event::{Evidence, JudgedMoment, Region};
use crate::features::Crop;
use crate::picture::Picture;
use crate::result::{
    AudioFacts, Heatmap, HeatmapFacts, Judgement, Latency, SoundHeatmapFacts, Verdict, VideoFacts,
};
use crate::time::MediaTime;
use crate::window_spec::WindowSpec;

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
        z_score: None,
        audio: AudioFacts {
            rms_dbfs: -21.4,
            silent: false,
            dc_offset: None,
            invalid_samples: 0,
            clipped_samples: 0,
        },
        video: VideoFacts {
            width: 1280,
            height: 720,
            still: false,
            black: false,
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
            spec: WindowSpec::PAPER,
            covered: Region::FULL,
            features: None,
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
    let WindowSpec { bins, frames, .. } = WindowSpec::PAPER;
    let (rows, cols) = (bins as u32, frames as u32);
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
