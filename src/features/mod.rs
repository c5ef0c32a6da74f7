//! What the network is fed: the log-spectrogram of a second of sound and the
//! scaled picture of its frame.
//!
//! Belongs here: turning plain samples and pixels into plain numbers of the
//! network's shape, and the geometry that leads back from a heatmap's cell to a
//! place in the picture. Does not: tensors, pairing of sound and frame.
//!
//! There is one [`FeatureExtractor`] for live, batch, evaluation and training, so
//! that no model ever meets features other than those it was trained on.

mod frame;
mod spectrogram;

pub use frame::{FrameScaler, SHORT_SIDE, ScaledFrame, Viewport};
pub use spectrogram::{
    BIN_HZ, BINS, FRAME_SAMPLES, FRAMES, LogSpectrogram, SPECTROGRAM_LEN, STEP_SAMPLES,
};

use crate::picture::Picture;
use crate::result::Crop;

/// What the network sees and hears of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// [`BINS`] × [`FRAMES`] log magnitudes, frequency by frequency from 0 Hz up:
    /// the value of bin `f` at frame `t` is at `f * FRAMES + t`.
    pub spectrogram: Vec<f32>,
    /// `image_height × image_width × 3` bytes of RGB, rows from the top.
    pub image: Vec<u8>,
    /// Width of `image` in pixels.
    pub image_width: u32,
    /// Height of `image` in pixels.
    pub image_height: u32,
    /// Which part of the picture `image` shows.
    pub view: Viewport,
}

/// Makes [`Features`]; plans and scratch memory are made once and used again.
pub struct FeatureExtractor {
    spectrogram: LogSpectrogram,
    frame: FrameScaler,
}

impl FeatureExtractor {
    /// An extractor whose pictures are cut as `crop` says.
    pub fn new(crop: Crop) -> Self {
        Self {
            spectrogram: LogSpectrogram::new(),
            frame: FrameScaler::new(crop),
        }
    }

    /// The features of one second of mono sound at 48 kHz and one picture.
    ///
    /// `pcm` has 48 000 samples in `[-1, 1]`; what is missing counts as silence,
    /// what is too much is not looked at.
    pub fn extract(&mut self, pcm: &[f32], picture: &Picture) -> Features {
        let mut spectrogram = vec![0.0; SPECTROGRAM_LEN];
        self.spectrogram.write(pcm, &mut spectrogram);
        let frame = self.frame.scale(picture);
        Features {
            spectrogram,
            image: frame.rgb,
            image_width: frame.width,
            image_height: frame.height,
            view: frame.view,
        }
    }
}
