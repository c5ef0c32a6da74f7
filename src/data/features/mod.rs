//! The input of the network: the log-spectrogram of a window of sound and the scaled
//! picture of its frame.
//!
//! Belongs here: from plain samples and pixels to plain numbers of the network's
//! shape, and the geometry from a heatmap's cell back to a place in the picture; which
//! samples are no sound, and how loud the rest is; whether a picture stands or is black.
//! Does not: tensors, pairing of sound and frame.
//!
//! Live, batch, evaluation and training share one [`FeatureExtractor`], so that a
//! model never gets features other than those it was trained on.

mod clean;
mod eigen;
mod frame;
mod level;
mod spectrogram;
mod still;
mod yuv;

pub use clean::{Damage, MAX_SAMPLE, clean};
pub use frame::{Crop, FrameScaler, SHORT_SIDE, ScaledFrame, Seen, Viewport};
pub use level::{Level, LevelSums};
pub use spectrogram::LogSpectrogram;
pub use still::{is_black, is_still};
pub use yuv::{Colours, YuvPicture};

use crate::picture::Picture;
use crate::window_spec::WindowSpec;

/// The network's input for one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// `[bins, frames]` of the [`WindowSpec`], from low to high frequencies: the value of bin `f` at
    /// frame `t` is at `f * frames + t`.
    pub spectrogram: Vec<f32>,
    /// `image_height × image_width × 3` bytes of RGB, rows from the top.
    pub image: Vec<u8>,
    /// Width of `image` in pixels.
    pub image_width: u32,
    /// Height of `image` in pixels.
    pub image_height: u32,
    /// The part of the picture that `image` shows.
    pub view: Viewport,
}

impl Features {
    /// Of a log-spectrogram and an image.
    pub fn of(spectrogram: Vec<f32>, image: ScaledFrame) -> Self {
        Self {
            spectrogram,
            image: image.rgb,
            image_width: image.width,
            image_height: image.height,
            view: image.view,
        }
    }
}

/// Makes [`Features`]; reuses plans and scratch memory.
pub struct FeatureExtractor {
    spectrogram: LogSpectrogram,
    frame: FrameScaler,
}

impl FeatureExtractor {
    /// An extractor for a model that hears `spec` and sees `crop`.
    pub fn new(spec: WindowSpec, crop: Crop) -> Self {
        Self {
            spectrogram: LogSpectrogram::new(spec),
            frame: FrameScaler::new(crop),
        }
    }

    /// The features of a window of mono sound, [`clean`] samples in `[-1, 1]`, and a picture.
    ///
    /// A shorter `pcm` counts as followed by silence; samples beyond the window are
    /// ignored.
    pub fn extract(&mut self, pcm: &[f32], picture: &Picture) -> Features {
        Features::of(self.hear(pcm), self.see(picture))
    }

    /// The log-spectrogram of a window, as of [`extract`](Self::extract).
    pub fn hear(&mut self, pcm: &[f32]) -> Vec<f32> {
        self.spectrogram.of(pcm)
    }

    /// The network's image of a picture.
    pub fn see(&mut self, picture: &Picture) -> ScaledFrame {
        self.frame.scale(picture)
    }
}
