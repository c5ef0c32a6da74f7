//! What a model hears of a moment: the window of sound and its spectrogram.
//!
//! Belongs here: the numbers of each audio front end, its name in a model's
//! header, and where a place in the spectrogram lies in hertz and seconds. Does
//! not: cutting windows (`window`), computing spectrograms (`features`).
//!
//! The paper's front end is the only one so far. Another is one more constant in
//! [`WindowSpec::ALL`]: the code that cuts windows or computes spectrograms takes the
//! spec of its model as an argument.

use crate::time::{MediaTime, SAMPLE_RATE, SamplePos};

/// The window of sound and the shape of its log-spectrogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowSpec {
    /// The `audio_frontend` in the header of models that were trained on it.
    pub name: &'static str,
    /// Samples per second.
    pub sample_rate: u32,
    /// Samples in a window.
    pub window_samples: usize,
    /// Samples in a frame of the spectrogram.
    pub frame_samples: usize,
    /// Samples from the start of a frame to the start of the next.
    pub step_samples: usize,
    /// Length of the Fourier transform; frames are zero-padded to it.
    pub fft_size: usize,
    /// Rows of the spectrogram: frequencies from 0 Hz up.
    pub bins: usize,
    /// Columns of the spectrogram: frames in the order of time.
    pub frames: usize,
    /// Factor of the logarithm.
    pub log_scale: f32,
    /// Added to the magnitude, which keeps the logarithm of silence finite.
    pub log_floor: f32,
}

impl WindowSpec {
    /// The paper's (section 2.1): one second at 48 kHz, frames of 10 ms every 5 ms,
    /// 257 × 199 values `0.2 * ln(|X| + 1e-4)`.
    ///
    /// The paper gives the frames and the shape; the padding to 512 is what makes
    /// 257 bins of a frame of 10 ms. 0.2 brings the logarithm to about the range of
    /// the picture's values, 1e-4 is about the noise floor of 16-bit sound.
    pub const PAPER: Self = {
        let window_samples = SAMPLE_RATE as usize;
        let (frame_samples, step_samples, fft_size) = (480, 240, 512);
        Self {
            name: "log-magnitude",
            sample_rate: SAMPLE_RATE,
            window_samples,
            frame_samples,
            step_samples,
            fft_size,
            bins: fft_size / 2 + 1,
            // Only whole frames: no centring.
            frames: (window_samples - frame_samples) / step_samples + 1,
            log_scale: 0.2,
            log_floor: 1e-4,
        }
    };

    /// Every spec that this version can compute.
    pub const ALL: &'static [Self] = &[Self::PAPER];

    /// The spec of a model's `audio_frontend`; `None` for one that this version
    /// cannot compute.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|spec| spec.name == name)
    }

    /// Values of a spectrogram.
    pub const fn spectrogram_len(&self) -> usize {
        self.bins * self.frames
    }

    /// Width of a bin in Hz.
    pub const fn bin_hz(&self) -> f32 {
        self.sample_rate as f32 / self.fft_size as f32
    }

    /// Length of a window.
    pub fn window_length(&self) -> MediaTime {
        SamplePos::ZERO.plus(self.window_samples).to_time()
    }

    /// The value of digital silence.
    pub fn silence(&self) -> f32 {
        self.log_scale * self.log_floor.ln()
    }

    /// The frequency in Hz at a height of the spectrogram, 0 to 1 from its lower edge.
    /// A bin stands for its centre frequency.
    pub fn hz_at(&self, height: f32) -> f32 {
        (height * self.bins as f32 - 0.5) * self.bin_hz()
    }

    /// The time in seconds from the start of the window at a width of the
    /// spectrogram, 0 to 1 from its left edge. A frame stands for its middle.
    pub fn seconds_at(&self, width: f32) -> f32 {
        let frame = width * self.frames as f32 - 0.5;
        let middle = frame * self.step_samples as f32 + self.frame_samples as f32 / 2.0;
        middle / self.sample_rate as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_shape_is_257_by_199() {
        let spec = WindowSpec::PAPER;
        assert_eq!((spec.bins, spec.frames), (257, 199));
        assert_eq!(spec.spectrogram_len(), 51_143);
        assert_eq!(spec.bin_hz(), 93.75);
        assert_eq!(spec.window_length(), MediaTime(1_000_000_000));
    }

    #[test]
    fn a_spec_is_found_by_its_name_and_names_differ() {
        for (i, spec) in WindowSpec::ALL.iter().enumerate() {
            assert_eq!(WindowSpec::by_name(spec.name), Some(*spec));
            assert!(WindowSpec::ALL[..i].iter().all(|s| s.name != spec.name));
        }
        assert_eq!(WindowSpec::by_name("mel"), None);
    }

    #[test]
    fn places_are_centres_of_bins_and_middles_of_frames() {
        let spec = WindowSpec::PAPER;
        let centre = |i: usize, of: usize| (i as f32 + 0.5) / of as f32;
        assert!(spec.hz_at(centre(0, 257)).abs() < 0.01);
        assert!((spec.hz_at(centre(256, 257)) - 24_000.0).abs() < 0.01);
        assert!((spec.seconds_at(centre(0, 199)) - 0.005).abs() < 1e-6);
        assert!((spec.seconds_at(centre(198, 199)) - 0.995).abs() < 1e-6);
    }
}
