//! The present state of a stream, as in the interfaces.

use l3net_data::result::StreamName;
use serde::Serialize;

use crate::time::UtcMs;

/// Whether a stream delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamState {
    /// It has not delivered yet.
    Connecting,
    /// It delivers.
    Live,
    /// It has delivered, and is being opened again.
    Reconnecting,
    /// It is over.
    Ended,
}

/// The normal of a stream: what most of its moments are like.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Normal {
    /// Correspondence that 95 % of the moments are over.
    pub low: f32,
    /// Correspondence in the middle.
    pub median: f32,
}

/// How far sound and picture have come apart since a stream was opened, by their timestamps
/// and arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct AvDrift {
    /// Milliseconds by which the sound has become early against the picture (EBU R37's
    /// sign); late, if negative. `None` while it is not known.
    pub av_drift_ms: Option<f32>,
    /// Millionths by which the timestamps of the sound run fast against the clock of this
    /// machine.
    pub sound_clock_ppm: Option<f32>,
    /// The same of the picture.
    pub picture_clock_ppm: Option<f32>,
}

/// All that is known of a stream at present.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StreamStatus {
    /// The stream.
    pub name: StreamName,
    /// Its name for people.
    pub label: String,
    /// Whether it delivers.
    pub state: StreamState,
    /// Names of kinds of events that are going on, and `lagging`.
    pub problems: Vec<&'static str>,
    /// Since when it is in its state.
    pub since_ms: UtcMs,
    /// End of the newest moment.
    pub last_ms: Option<UtcMs>,
    /// Of the newest moment, 0 to 1.
    pub correspondence: Option<f32>,
    /// Of the newest moment, where the model knows the camera.
    pub z_score: Option<f32>,
    /// Of the newest moment.
    pub level_dbfs: Option<f32>,
    /// How far it is behind the clock.
    pub lag_s: f32,
    /// How far sound and picture have come apart.
    #[serde(flatten)]
    pub drift: AvDrift,
    /// Width of the picture in pixels.
    pub width: Option<u32>,
    /// Height of the picture in pixels.
    pub height: Option<u32>,
    /// Of this stream's own correspondence, once it is known.
    pub normal: Option<Normal>,
    /// x and y of the heatmap's strongest cell, 0 to 1 from the picture's top left.
    pub peak: Option<[f32; 2]>,
    /// Changes whenever there is a new picture.
    pub picture: Option<String>,
}

impl StreamStatus {
    /// Of a stream that has not delivered yet.
    pub fn new(name: StreamName, label: String, now: UtcMs) -> Self {
        Self {
            name,
            label,
            state: StreamState::Connecting,
            problems: Vec::new(),
            since_ms: now,
            last_ms: None,
            correspondence: None,
            z_score: None,
            level_dbfs: None,
            lag_s: 0.0,
            drift: AvDrift::default(),
            width: None,
            height: None,
            normal: None,
            peak: None,
            picture: None,
        }
    }
}
