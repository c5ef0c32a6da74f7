//! The log-spectrogram of a window of sound (paper, section 2.1).
//!
//! Frames without centring, periodic Hann, zero-padded, real FFT, magnitude, mel filters
//! where the [`WindowSpec`] has them, and its logarithm.
//!
//! The transform of the paper's is in double precision: in single, its rounding of a loud
//! sound (some 1e-5) is not small beside the 1e-4 under the logarithm in the quiet bins,
//! and put values off by 1.4e-3. Double costs a tenth of a millisecond.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use super::eigen::{self, EigenFft};
use crate::window_spec::{Frequencies, Levels, Transform, WindowSpec};

/// Frames transformed before they are transposed into the output: enough to
/// fill half a cache line of each row written.
const GROUP: usize = 8;

/// Computes log-spectrograms; the plan and all scratch memory are reused.
pub struct LogSpectrogram {
    spec: WindowSpec,
    fourier: Fourier,
    hann: Vec<f64>,                          // [frame_samples], of f32 for Eigen
    magnitudes: Vec<f32>,                    // [fft_size / 2 + 1]
    filters: Option<Vec<(usize, Vec<f32>)>>, // [bins]: first bin of the transform, weights
    group: Vec<f32>,                         // [GROUP, bins]
}

/// A transform with its scratch memory.
enum Fourier {
    Double {
        fft: Arc<dyn RealToComplex<f64>>,
        frame: Vec<f64>,
        spectrum: Vec<Complex<f64>>,
        scratch: Vec<Complex<f64>>,
    },
    Eigen {
        fft: EigenFft,
        frame: Vec<f32>,
    },
}

impl Fourier {
    fn new(spec: &WindowSpec) -> Self {
        match spec.transform {
            Transform::Double => {
                let fft = RealFftPlanner::<f64>::new().plan_fft_forward(spec.fft_size);
                Self::Double {
                    frame: fft.make_input_vec(),
                    spectrum: fft.make_output_vec(),
                    scratch: fft.make_scratch_vec(),
                    fft,
                }
            }
            Transform::Eigen => Self::Eigen {
                fft: EigenFft::new(spec.fft_size),
                frame: vec![0.0; spec.fft_size],
            },
        }
    }

    /// Writes the magnitudes of a frame under a window: `samples` from place `first` on, and
    /// zeros.
    fn magnitudes(&mut self, first: usize, samples: &[f32], hann: &[f64], out: &mut [f32]) {
        let hann = &hann[first..];
        let last = first + samples.len();
        match self {
            Self::Double {
                fft,
                frame,
                spectrum,
                scratch,
            } => {
                // The transform uses its input as scratch: the padding is set each time.
                frame[..first].fill(0.0);
                frame[last..].fill(0.0);
                let slots = frame[first..].iter_mut().zip(samples).zip(hann);
                for ((slot, &sample), &weight) in slots {
                    *slot = f64::from(sample) * weight;
                }
                fft.process_with_scratch(frame, spectrum, scratch)
                    .expect("the buffers were made by the plan");
                for (value, bin) in out.iter_mut().zip(spectrum) {
                    *value = ((bin.re * bin.re + bin.im * bin.im) as f32).sqrt();
                }
            }
            Self::Eigen { fft, frame } => {
                frame[..first].fill(0.0);
                frame[last..].fill(0.0);
                let slots = frame[first..].iter_mut().zip(samples).zip(hann);
                for ((slot, &sample), &weight) in slots {
                    *slot = sample * weight as f32;
                }
                fft.magnitudes(frame, out);
            }
        }
    }
}

impl LogSpectrogram {
    /// Plans the transform.
    pub fn new(spec: WindowSpec) -> Self {
        let hann = (0..spec.frame_samples).map(|i| match spec.transform {
            Transform::Double => {
                let turn = std::f64::consts::TAU * i as f64 / spec.frame_samples as f64;
                0.5 - 0.5 * turn.cos()
            }
            Transform::Eigen => eigen::hann(i, spec.frame_samples).into(),
        });
        let filters = || {
            let single = |weights: Vec<f64>| weights.into_iter().map(|w| w as f32).collect();
            let filters = spec.mel_filters().into_iter();
            filters
                .map(|(first, weights)| (first, single(weights)))
                .collect()
        };
        Self {
            spec,
            fourier: Fourier::new(&spec),
            hann: hann.collect(),
            magnitudes: vec![0.0; spec.fft_size / 2 + 1],
            filters: (spec.frequencies == Frequencies::Mel).then(filters),
            group: vec![0.0; GROUP * spec.bins],
        }
    }

    /// The log-spectrogram of a window, see [`write`](Self::write).
    pub fn of(&mut self, pcm: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; self.spec.spectrogram_len()];
        self.write(pcm, &mut out);
        out
    }

    /// Writes the log-spectrogram of a window to `out`, `[bins, frames]`, from low to high
    /// frequencies.
    ///
    /// A shorter `pcm` counts as followed by silence; samples beyond the window are
    /// ignored. Allocates nothing.
    ///
    /// # Panics
    /// If `out` does not hold [`WindowSpec::spectrogram_len`] values.
    pub fn write(&mut self, pcm: &[f32], out: &mut [f32]) {
        let WindowSpec { bins, frames, .. } = self.spec;
        assert_eq!(
            out.len(),
            bins * frames,
            "a spectrogram has {bins} × {frames} values"
        );
        let pcm = &pcm[..pcm.len().min(self.spec.window_samples)];
        for first in (0..frames).step_by(GROUP) {
            let count = GROUP.min(frames - first);
            for place in 0..count {
                self.transform(pcm, first + place, place);
            }
            for (bin, row) in out.chunks_exact_mut(frames).enumerate() {
                for (place, value) in row[first..first + count].iter_mut().enumerate() {
                    *value = self.group[place * bins + bin];
                }
            }
        }
        self.spec.settle(out);
    }

    /// Writes the levels of one frame to its place in the group.
    fn transform(&mut self, pcm: &[f32], frame: usize, place: usize) {
        let WindowSpec {
            bins,
            frame_samples,
            step_samples,
            lead_samples,
            levels,
            ..
        } = self.spec;
        // Samples of the frame before the window begins.
        let first = lead_samples.saturating_sub(frame * step_samples);
        let start = (frame * step_samples).saturating_sub(lead_samples);
        let start = start.min(pcm.len());
        let samples = &pcm[start..(start + frame_samples - first).min(pcm.len())];
        self.fourier
            .magnitudes(first, samples, &self.hann, &mut self.magnitudes);
        let values = &mut self.group[place * bins..(place + 1) * bins];
        match &self.filters {
            None => values.copy_from_slice(&self.magnitudes),
            Some(filters) => {
                for (value, (first, weights)) in values.iter_mut().zip(filters) {
                    let products = weights.iter().zip(&self.magnitudes[*first..]);
                    *value = products.map(|(w, x)| w * x).sum();
                }
            }
        }
        match levels {
            Levels::Log { scale, floor } => {
                (values.iter_mut()).for_each(|value| *value = scale * ln(*value + floor));
            }
            Levels::BelowPeak { .. } => {
                (values.iter_mut()).for_each(|value| *value = DECIBELS * ln(value.max(LEAST)));
            }
        }
    }
}

/// `10 log10(x)` over `ln(x)`.
const DECIBELS: f32 = 4.342_945;
/// Magnitudes below it count as the same (OpenL3's `amin`).
const LEAST: f32 = 1e-10;

/// The natural logarithm of a positive normal number, within 1e-6 of its value
/// or of 1, whichever is greater.
///
/// The standard library's is a call per value: 51 143 of them cost as much as
/// all the transforms. This is branch-free, so the loop over it is vectorised.
/// The mantissa is brought to [√½, √2), the rest is the polynomial of Cephes'
/// `logf` (S. Moshier).
#[inline(always)]
fn ln(x: f32) -> f32 {
    const SQRT_HALF_BITS: u32 = 0x3f35_04f3;
    // Subtracting the bits of √½ makes the exponent field count from there.
    let shifted = x.to_bits().wrapping_sub(SQRT_HALF_BITS);
    let exponent = (shifted as i32 >> 23) as f32;
    let mantissa = f32::from_bits((shifted & 0x007f_ffff) + SQRT_HALF_BITS);
    let m = mantissa - 1.0;
    let mut p = 7.037_683_6e-2_f32;
    for c in [
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ] {
        p = p * m + c;
    }
    let square = m * m;
    // ln 2 in two parts, so that its product with the exponent stays exact.
    let tail = p * m * square + exponent * -2.121_944_4e-4 - 0.5 * square;
    m + tail + exponent * 0.693_359_4
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: WindowSpec = WindowSpec::PAPER;
    const WINDOW: usize = SPEC.window_samples;

    fn sound(len: usize) -> Vec<f32> {
        // A chirp over noise: every bin and every frame has something of its own.
        let mut state = 1_u64;
        (0..len)
            .map(|i| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let noise = (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5;
                let t = i as f32 / SPEC.sample_rate as f32;
                0.4 * (t * (400.0 + 3000.0 * t)).sin() + 0.01 * noise
            })
            .collect()
    }

    fn spectrogram(pcm: &[f32]) -> Vec<f32> {
        let mut out = vec![f32::NAN; SPEC.spectrogram_len()];
        LogSpectrogram::new(SPEC).write(pcm, &mut out);
        out
    }

    #[test]
    fn the_logarithm_is_that_of_the_standard_library() {
        let mut worst = 0.0_f64;
        for i in 0..2_000_000 {
            let x = 1e-4_f32 * (1.0 + i as f32 * 1e-5).powf(5.9);
            let exact = f64::from(x).ln();
            worst = worst.max((f64::from(ln(x)) - exact).abs() / exact.abs().max(1.0));
        }
        assert!(worst < 2e-7, "worst error {worst:e}");
    }

    #[test]
    fn silence_is_the_floor_everywhere() {
        let floor = 0.2 * 1e-4_f64.ln();
        for value in spectrogram(&vec![0.0; WINDOW]) {
            assert!((f64::from(value) - floor).abs() < 1e-6);
        }
    }

    #[test]
    fn a_sine_is_loudest_in_its_own_bin() {
        let bin = 40;
        let pcm: Vec<f32> = (0..WINDOW)
            .map(|i| {
                (std::f64::consts::TAU * bin as f64 * i as f64 / SPEC.fft_size as f64).sin() as f32
            })
            .collect();
        let out = spectrogram(&pcm);
        for t in 0..SPEC.frames {
            let loudest = (0..SPEC.bins)
                .max_by(|&a, &b| out[a * SPEC.frames + t].total_cmp(&out[b * SPEC.frames + t]));
            assert_eq!(loudest, Some(bin));
        }
        // A sine of amplitude 1 under a Hann window of 480 has magnitude 480 / 4.
        assert!((out[bin * SPEC.frames] - 0.2 * 120.0_f32.ln()).abs() < 1e-3);
    }

    #[test]
    fn windows_cut_from_a_clip_are_columns_of_the_whole_clip() {
        // Any hop of whole steps: column t of the window that starts k steps in
        // is column t + k of a spectrogram computed over the whole clip.
        let clip = sound(3 * WINDOW);
        let mut streaming = LogSpectrogram::new(SPEC);
        let mut out = vec![0.0; SPEC.spectrogram_len()];
        for hop in [4_800, 7_200, 24_000, 48_000] {
            for start in (0..=clip.len() - WINDOW).step_by(hop) {
                streaming.write(&clip[start..start + WINDOW], &mut out);
                for t in [0, 1, 7, 8, 100, SPEC.frames - 1] {
                    let at = start + t * SPEC.step_samples;
                    let alone = spectrogram(&clip[at..at + SPEC.frame_samples]);
                    for bin in 0..SPEC.bins {
                        assert_eq!(
                            out[bin * SPEC.frames + t],
                            alone[bin * SPEC.frames],
                            "hop {hop}, frame {t}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_missing_counts_as_silence_and_too_much_is_not_looked_at() {
        let clip = sound(WINDOW + 1000);
        let mut padded = clip[..20_123].to_vec();
        padded.resize(WINDOW, 0.0);
        assert_eq!(spectrogram(&clip[..20_123]), spectrogram(&padded));
        assert_eq!(spectrogram(&clip), spectrogram(&clip[..WINDOW]));
        assert_eq!(spectrogram(&[]), spectrogram(&vec![0.0; WINDOW]));
    }
}
