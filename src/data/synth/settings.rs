//! How scenes are drawn.

use std::ops::{Range, RangeInclusive};

/// What scenes are like. The default is what a network is trained on: hard, and
/// of every kind.
#[derive(Clone, Debug, PartialEq)]
pub struct SynthSettings {
    /// Things that are seen, each of another class.
    pub objects: RangeInclusive<usize>,
    /// Shapes without a sound or a class that clutter the background.
    pub distractors: RangeInclusive<usize>,
    /// The larger side of a thing, as a share of the picture's short side.
    pub scale: RangeInclusive<f32>,
    /// How often nothing sounds, 0 to 1.
    pub silent: f64,
    /// How often what sounds is not seen, 0 to 1.
    pub off_screen: f64,
    /// How often there is background noise, 0 to 1.
    pub noise: f64,
    /// How far that noise lies below what sounds, in dB.
    pub snr_db: Range<f32>,
    /// How often the scene is in a room that echoes, 0 to 1.
    pub reverberation: f64,
    /// How often the background is a photograph, where there are any, 0 to 1.
    pub photo_backdrop: f64,
    /// Seconds after which the sound changes to that of a thing that is not seen.
    pub swap_at_s: Option<f64>,
    /// Seconds for which each visible thing sounds in turn, then one that is not
    /// seen, then the first again. Takes precedence over a swap.
    pub turn_s: Option<f64>,
    /// Length in seconds of the recorded sounds before they repeat.
    pub seconds: f64,
    /// Pictures are made sharp for a picture with this short side, in pixels.
    pub short_side: u32,
    /// Another seed is another family of scenes.
    pub seed: u64,
}

impl Default for SynthSettings {
    fn default() -> Self {
        Self {
            objects: 1..=4,
            distractors: 0..=12,
            scale: 0.15..=0.6,
            silent: 0.08,
            off_screen: 0.1,
            noise: 0.7,
            snr_db: 5.0..40.0,
            reverberation: 0.5,
            photo_backdrop: 0.4,
            swap_at_s: None,
            turn_s: None,
            seconds: 1.0,
            short_side: 256,
            seed: 0,
        }
    }
}
