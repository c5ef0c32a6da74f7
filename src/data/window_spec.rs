//! What a model hears of a moment: the window of sound and its spectrogram.
//!
//! Belongs here: the numbers of each audio front end, its name in a model's
//! header, and where a place in the spectrogram lies in hertz and seconds. Does
//! not: cutting windows (`window`), computing spectrograms (`features`).
//!
//! Another front end is one more constant in [`WindowSpec::ALL`]: the code that cuts
//! windows, computes spectrograms or draws them takes the spec of its model as an
//! argument.

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
    /// Silence before the window, in which the first frames begin.
    pub lead_samples: usize,
    /// Samples in a frame of the spectrogram.
    pub frame_samples: usize,
    /// Samples from the start of a frame to the start of the next.
    pub step_samples: usize,
    /// Length of the Fourier transform; frames are zero-padded to it.
    pub fft_size: usize,
    /// Rows of the spectrogram, from low to high frequencies.
    pub bins: usize,
    /// Columns of the spectrogram: frames in the order of time.
    pub frames: usize,
    /// How the transform is computed.
    pub transform: Transform,
    /// What the rows stand for.
    pub frequencies: Frequencies,
    /// How a magnitude becomes a value.
    pub levels: Levels,
}

/// How the Fourier transform is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transform {
    /// In double precision.
    Double,
    /// As Eigen does in single precision, rounding errors included.
    Eigen,
}

/// What the rows of a spectrogram stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frequencies {
    /// Row k is bin k of the Fourier transform.
    Linear,
    /// A row is a triangular filter over the bins; the filters' centres are evenly spaced
    /// on Slaney's mel scale ([`mel`]) between 0 Hz and half the sample rate, and each has
    /// the area 1.
    Mel,
}

/// How the magnitude |X| of a row becomes a value of the spectrogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Levels {
    /// `scale * ln(|X| + floor)`.
    Log {
        /// Factor of the logarithm.
        scale: f32,
        /// Added to the magnitude, which keeps the logarithm of silence finite.
        floor: f32,
    },
    /// `10 log10(max(|X|, 1e-10))`, less the greatest of the window, at least `-range`: the
    /// loudest value of every window is 0.
    BelowPeak {
        /// Difference between the loudest and the quietest value.
        range: f32,
    },
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
            lead_samples: 0,
            frame_samples,
            step_samples,
            fft_size,
            bins: fft_size / 2 + 1,
            // Only whole frames: no centring.
            frames: (window_samples - frame_samples) / step_samples + 1,
            transform: Transform::Double,
            frequencies: Frequencies::Linear,
            levels: Levels::Log {
                scale: 0.2,
                floor: 1e-4,
            },
        }
    };

    /// OpenL3's `linear`: 257 × 197 values, frames of 512 samples every 242.
    pub const OPENL3_LINEAR: Self = {
        let spec = Self::openl3("openl3-linear", 512, 257, Frequencies::Linear);
        Self {
            // Only whole frames.
            frames: (spec.window_samples - spec.frame_samples) / spec.step_samples + 1,
            ..spec
        }
    };

    /// OpenL3's `mel128`: 128 × 199 values, frames of 2048 samples every 242.
    pub const OPENL3_MEL128: Self = Self::openl3("openl3-mel128", 2048, 128, Frequencies::Mel);

    /// OpenL3's `mel256`: 256 × 199 values.
    pub const OPENL3_MEL256: Self = Self::openl3("openl3-mel256", 2048, 256, Frequencies::Mel);

    /// With a frame at every step, of which the last ones go on in silence.
    const fn openl3(
        name: &'static str,
        frame_samples: usize,
        bins: usize,
        frequencies: Frequencies,
    ) -> Self {
        let window_samples = SAMPLE_RATE as usize;
        let step_samples = 242;
        Self {
            name,
            sample_rate: SAMPLE_RATE,
            window_samples,
            lead_samples: 0,
            frame_samples,
            step_samples,
            fft_size: frame_samples,
            bins,
            frames: window_samples.div_ceil(step_samples),
            transform: Transform::Eigen,
            frequencies,
            levels: Levels::BelowPeak { range: 80.0 },
        }
    }

    /// Every spec that this version can compute.
    pub const ALL: &'static [Self] = &[
        Self::PAPER,
        Self::OPENL3_LINEAR,
        Self::OPENL3_MEL128,
        Self::OPENL3_MEL256,
    ];

    /// The same as OpenL3 computes it with librosa instead of TensorFlow: in double
    /// precision, and mel spectrograms from half a frame before the window on.
    #[must_use]
    pub const fn by_librosa(self) -> Self {
        Self {
            transform: Transform::Double,
            lead_samples: match self.frequencies {
                Frequencies::Linear => 0,
                Frequencies::Mel => self.fft_size / 2,
            },
            ..self
        }
    }

    /// The spec of a model's `audio_frontend`; `None` for one that this version
    /// cannot compute.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|spec| spec.name == name)
    }

    /// Values of a spectrogram.
    pub const fn spectrogram_len(&self) -> usize {
        self.bins * self.frames
    }

    /// Length of a window.
    pub fn window_length(&self) -> MediaTime {
        SamplePos::ZERO.plus(self.window_samples).to_time()
    }

    /// The least value that a spectrogram can have.
    pub fn quietest(&self) -> f32 {
        match self.levels {
            Levels::Log { scale, floor } => scale * floor.ln(),
            Levels::BelowPeak { range } => -range,
        }
    }

    /// The greatest value: with [`Levels::Log`] that of a full-scale sine, half of whose
    /// amplitude times the sum of a Hann window is on one side of the spectrum.
    pub fn loudest(&self) -> f32 {
        match self.levels {
            Levels::Log { scale, floor } => scale * (self.frame_samples as f32 / 4.0 + floor).ln(),
            Levels::BelowPeak { .. } => 0.0,
        }
    }

    /// The difference between the values of two sounds, one of them `decibels` louder.
    pub fn decibels(&self, decibels: f32) -> f32 {
        match self.levels {
            Levels::Log { scale, .. } => scale * decibels * (std::f32::consts::LN_10 / 20.0),
            // 10 log10 of an amplitude.
            Levels::BelowPeak { .. } => decibels / 2.0,
        }
    }

    /// Makes a spectrogram that was changed one of this spec again: of [`Levels::BelowPeak`]
    /// the loudest value is 0, and none is below the range.
    pub fn settle(&self, spectrogram: &mut [f32]) {
        if let Levels::BelowPeak { range } = self.levels {
            let peak = spectrogram.iter().copied().fold(f32::MIN, f32::max);
            (spectrogram.iter_mut()).for_each(|value| *value = (*value - peak).max(-range));
        }
    }

    /// Half the sample rate, in Hz.
    pub const fn nyquist_hz(&self) -> f32 {
        self.sample_rate as f32 / 2.0
    }

    /// The frequency in Hz at a height of the spectrogram, 0 to 1 from its lower edge.
    /// A row stands for its centre frequency.
    pub fn hz_at(&self, height: f32) -> f32 {
        let row = height * self.bins as f32 - 0.5;
        match self.frequencies {
            Frequencies::Linear => row * self.sample_rate as f32 / self.fft_size as f32,
            Frequencies::Mel => {
                let highest = mel(f64::from(self.nyquist_hz()));
                hz_of_mel((f64::from(row) + 1.0) / (self.bins + 1) as f64 * highest) as f32
            }
        }
    }

    /// The height of a frequency in Hz: the inverse of [`hz_at`](Self::hz_at).
    pub fn height_of(&self, hz: f32) -> f32 {
        let row = match self.frequencies {
            Frequencies::Linear => hz * self.fft_size as f32 / self.sample_rate as f32,
            Frequencies::Mel => {
                let part = mel(hz.into()) / mel(f64::from(self.nyquist_hz()));
                (part * (self.bins + 1) as f64 - 1.0) as f32
            }
        };
        (row + 0.5) / self.bins as f32
    }

    /// The time in seconds from the start of the window at a width of the
    /// spectrogram, 0 to 1 from its left edge. A frame stands for its middle, or for the
    /// window's end where its middle is past it.
    pub fn seconds_at(&self, width: f32) -> f32 {
        let frame = width * self.frames as f32 - 0.5;
        let middle = frame * self.step_samples as f32 + self.first_middle();
        middle.clamp(0.0, self.window_samples as f32) / self.sample_rate as f32
    }

    /// The width of a time in seconds: the inverse of [`seconds_at`](Self::seconds_at).
    pub fn width_of(&self, seconds: f32) -> f32 {
        let after = seconds * self.sample_rate as f32 - self.first_middle();
        (after / self.step_samples as f32 + 0.5) / self.frames as f32
    }

    /// The middle of the first frame, in samples from the window's start.
    fn first_middle(&self) -> f32 {
        self.frame_samples as f32 / 2.0 - self.lead_samples as f32
    }

    /// The filters of [`Frequencies::Mel`], one a row: the first bin that it takes, and the
    /// weight of each from there on.
    pub fn mel_filters(&self) -> Vec<(usize, Vec<f64>)> {
        let highest = mel(f64::from(self.nyquist_hz()));
        let edge = |k: usize| hz_of_mel(k as f64 / (self.bins + 1) as f64 * highest);
        let bin_hz = f64::from(self.sample_rate) / self.fft_size as f64;
        let filter = |row: usize| {
            let [low, centre, high] = [edge(row), edge(row + 1), edge(row + 2)];
            let weight = |bin: usize| {
                let hz = bin as f64 * bin_hz;
                let slope = ((hz - low) / (centre - low)).min((high - hz) / (high - centre));
                slope.max(0.0) * 2.0 / (high - low)
            };
            let first = (low / bin_hz).floor() as usize;
            let last = ((high / bin_hz).ceil() as usize).min(self.fft_size / 2);
            (first, (first..=last).map(weight).collect())
        };
        (0..self.bins).map(filter).collect()
    }
}

/// Where Slaney's mel scale (Auditory Toolbox, 1998) changes from linear to logarithmic.
const MEL_BREAK_HZ: f64 = 1000.0;
const HZ_PER_MEL: f64 = 200.0 / 3.0;
/// Mels for each factor e above the break: 27 for a factor of 6.4.
const MELS_PER_E: f64 = 27.0 / 1.856_297_990_365_626_4; // ln 6.4

/// A frequency on Slaney's mel scale.
pub fn mel(hz: f64) -> f64 {
    match hz < MEL_BREAK_HZ {
        true => hz / HZ_PER_MEL,
        false => MEL_BREAK_HZ / HZ_PER_MEL + (hz / MEL_BREAK_HZ).ln() * MELS_PER_E,
    }
}

/// The frequency in Hz of a place on the mel scale.
fn hz_of_mel(mel: f64) -> f64 {
    let over = mel - MEL_BREAK_HZ / HZ_PER_MEL;
    match over < 0.0 {
        true => mel * HZ_PER_MEL,
        false => MEL_BREAK_HZ * (over / MELS_PER_E).exp(),
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
        assert!((spec.hz_at(1.5 / 257.0) - 93.75).abs() < 0.01);
        assert!((spec.loudest() - 0.2 * 120.0_f32.ln()).abs() < 1e-6);
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
    fn openl3s_shapes_are_as_published() {
        let shape = |spec: WindowSpec| (spec.bins, spec.frames);
        assert_eq!(shape(WindowSpec::OPENL3_LINEAR), (257, 197));
        assert_eq!(shape(WindowSpec::OPENL3_MEL128), (128, 199));
        assert_eq!(shape(WindowSpec::OPENL3_MEL256), (256, 199));
    }

    #[test]
    fn places_and_their_inverses_agree_in_every_spec() {
        for spec in WindowSpec::ALL {
            for part in [0.01, 0.2, 0.5, 0.77, 0.98] {
                let height = spec.height_of(spec.hz_at(part));
                assert!((height - part).abs() < 1e-4, "{}: {height}", spec.name);
                let width = spec.width_of(spec.seconds_at(part));
                let off = (width - part).abs();
                assert!(off < 1e-4 || spec.seconds_at(part) == 1.0, "{}", spec.name);
            }
        }
    }

    #[test]
    fn mel_filters_have_the_area_1_and_overlap_by_half() {
        // 1000 Hz is at 15 mel, 6400 Hz 27 mel above.
        assert!((mel(1000.0) - 15.0).abs() < 1e-12 && (mel(6400.0) - 42.0).abs() < 1e-12);
        let spec = WindowSpec::OPENL3_MEL128;
        let filters = spec.mel_filters();
        assert_eq!(filters.len(), 128);
        let (_, last) = filters.last().expect("filters");
        let area: f64 = last.iter().sum::<f64>() * 48_000.0 / 2048.0;
        assert!((area - 1.0).abs() < 1e-2, "{area}");
        for (first, weights) in &filters {
            assert!(first + weights.len() <= 1025 && weights.iter().all(|w| *w >= 0.0));
        }
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
