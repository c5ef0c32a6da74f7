//! What tests of several modules need.

use std::sync::Arc;

use l3net_data::event::{Evidence, JudgedMoment, Region};
use l3net_data::features::Crop;
use l3net_data::picture::Picture;
use l3net_data::result::{
    AudioFacts, Heatmap, HeatmapFacts, Judgement, Latency, SoundHeatmapFacts, Verdict, VideoFacts,
};
use l3net_data::time::MediaTime;
use l3net_data::window_spec::WindowSpec;
use ulid::Ulid;

use crate::event::{ClipState, Kind, StreamEvent};
use crate::time::UtcMs;

/// A moment of the stream `door` that is as most are.
pub fn moment(seq: u64) -> Verdict {
    Verdict {
        stream: "door".into(),
        seq,
        start_ns: MediaTime(seq * 1_000_000_000),
        end_ns: MediaTime((seq + 1) * 1_000_000_000),
        frame_ns: MediaTime(seq * 1_000_000_000 + 500_000_000),
        utc: None,
        correspondence: 0.88,
        logits: [-1.0, 1.0],
        z_score: None,
        audio: AudioFacts {
            rms_dbfs: -40.0,
            silent: false,
            dc_offset: None,
            invalid_samples: 0,
            clipped_samples: 0,
        },
        video: VideoFacts {
            width: 640,
            height: 360,
            still: false,
            black: false,
        },
        heatmap: HeatmapFacts {
            rows: 16,
            cols: 28,
            crop: Crop::Full,
            peak: [0.5, 0.5],
            max: 1.0,
            file: None,
        },
        sound_heatmap: SoundHeatmapFacts {
            rows: 16,
            cols: 12,
            peak_hz: 1000.0,
            peak_s: 0.5,
            max: 1.0,
            file: None,
        },
        latency_ms: Latency::default(),
        padded: false,
    }
}

/// The same with a picture, a spectrogram and heatmaps.
pub fn judged(seq: u64, width: u32, height: u32) -> JudgedMoment {
    let verdict = moment(seq);
    let spec = WindowSpec::PAPER;
    let map = |rows: u32, cols: u32| Heatmap {
        rows,
        cols,
        values: (0..rows * cols).map(|i| i as f32).collect(),
    };
    JudgedMoment {
        evidence: Evidence {
            judgement: Judgement {
                logits: verdict.logits,
                correspondence: verdict.correspondence,
                vision: map(16, 28),
                audio: map(16, 12),
            },
            picture: Some(Arc::new(Picture::filled(width, height, [90, 120, 60]))),
            spectrogram: Some(vec![-1.0; spec.spectrogram_len()].into()),
            spec,
            covered: Region::FULL,
            features: None,
        },
        verdict,
    }
}

/// An event.
pub fn event(stream: &str, begin_ms: i64, end_ms: Option<i64>) -> StreamEvent {
    StreamEvent {
        id: Ulid::generate(),
        stream: stream.into(),
        kind: Kind::Mute,
        begin_ms: UtcMs(begin_ms),
        end_ms: end_ms.map(UtcMs),
        score: 0.5,
        top_score: 0.75,
        what: "no sound for 12 s".into(),
        snapshot: false,
        clip: ClipState::None,
        clip_s: None,
        protected: false,
    }
}
