//! The log-spectrogram: 257 frequencies × 199 moments of one second of sound.
//!
//! Frames of 480 samples (10 ms), step 240, no centring, periodic Hann,
//! zero-padded to 512, real FFT, magnitude, `0.2 * ln(|X| + 1e-4)`. The paper
//! (section 2.1) gives the frames and the shape; the padding to 512 is what
//! makes 257 bins of a 10 ms frame.
//!
//! The transform is in double precision: in single, its rounding of a loud sound
//! (some 1e-5) is not small beside the 1e-4 under the logarithm in the quiet bins,
//! and put values off by 1.4e-3. Double costs a tenth of a millisecond.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use crate::time::{SAMPLE_RATE, WINDOW_SAMPLES};

/// Samples in one frame of the spectrogram: 10 ms.
pub const FRAME_SAMPLES: usize = 480;
/// Samples from the start of one frame to the start of the next: 5 ms.
pub const STEP_SAMPLES: usize = 240;
/// Length of the Fourier transform.
const FFT: usize = 512;
/// Frequencies of a spectrogram, from 0 Hz to 24 kHz.
pub const BINS: usize = FFT / 2 + 1;
/// Frames of a spectrogram: as many as fit wholly into a second.
pub const FRAMES: usize = (WINDOW_SAMPLES - FRAME_SAMPLES) / STEP_SAMPLES + 1;
/// Values of a spectrogram.
pub const SPECTROGRAM_LEN: usize = BINS * FRAMES;
/// Width of one bin in Hz.
pub const BIN_HZ: f32 = SAMPLE_RATE as f32 / FFT as f32;

/// About the noise floor of 16-bit sound; keeps the logarithm finite.
const FLOOR: f32 = 1e-4;
/// Brings the logarithm to about the range of the picture's values.
const SCALE: f32 = 0.2;
/// Frames transformed before they are transposed into the output: enough to
/// fill half a cache line at each of the 257 places written.
const GROUP: usize = 8;

/// Computes log-spectrograms; the plan and all scratch memory are kept.
pub struct LogSpectrogram {
    fft: Arc<dyn RealToComplex<f64>>,
    window: [f64; FRAME_SAMPLES],
    frame: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    rows: Vec<f32>, // [GROUP, BINS]
}

impl Default for LogSpectrogram {
    fn default() -> Self {
        Self::new()
    }
}

impl LogSpectrogram {
    /// Plans the transform.
    pub fn new() -> Self {
        let fft = RealFftPlanner::<f64>::new().plan_fft_forward(FFT);
        let window = std::array::from_fn(|i| {
            let turn = std::f64::consts::TAU * i as f64 / FRAME_SAMPLES as f64;
            0.5 - 0.5 * turn.cos()
        });
        Self {
            window,
            frame: fft.make_input_vec(),
            spectrum: fft.make_output_vec(),
            scratch: fft.make_scratch_vec(),
            rows: vec![0.0; GROUP * BINS],
            fft,
        }
    }

    /// Writes the log-spectrogram of `pcm` to `out`, frequency by frequency.
    ///
    /// `pcm` is one second; what is missing counts as silence, what is too much
    /// is not looked at. Allocates nothing.
    ///
    /// # Panics
    /// If `out` does not hold [`SPECTROGRAM_LEN`] values.
    pub fn write(&mut self, pcm: &[f32], out: &mut [f32]) {
        assert_eq!(
            out.len(),
            SPECTROGRAM_LEN,
            "a spectrogram is 257 × 199 values"
        );
        for first in (0..FRAMES).step_by(GROUP) {
            let group = GROUP.min(FRAMES - first);
            for row in 0..group {
                self.frame_to_row(pcm, first + row, row);
            }
            for (bin, line) in out.chunks_exact_mut(FRAMES).enumerate() {
                for (row, value) in line[first..first + group].iter_mut().enumerate() {
                    *value = self.rows[row * BINS + bin];
                }
            }
        }
    }

    fn frame_to_row(&mut self, pcm: &[f32], index: usize, row: usize) {
        let start = (index * STEP_SAMPLES).min(pcm.len());
        let samples = &pcm[start..(start + FRAME_SAMPLES).min(pcm.len())];
        for ((slot, &sample), &weight) in self.frame.iter_mut().zip(samples).zip(&self.window) {
            *slot = f64::from(sample) * weight;
        }
        // The transform uses its input as scratch: the padding is set each time.
        self.frame[samples.len()..].fill(0.0);
        self.fft
            .process_with_scratch(&mut self.frame, &mut self.spectrum, &mut self.scratch)
            .expect("the buffers were made by the plan");
        let row = &mut self.rows[row * BINS..(row + 1) * BINS];
        for (value, bin) in row.iter_mut().zip(&self.spectrum) {
            let magnitude = ((bin.re * bin.re + bin.im * bin.im) as f32).sqrt();
            *value = SCALE * ln(magnitude + FLOOR);
        }
    }
}

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

    fn sound(len: usize) -> Vec<f32> {
        // A chirp over noise: every bin and every frame has something of its own.
        let mut state = 1_u64;
        (0..len)
            .map(|i| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let noise = (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5;
                let t = i as f32 / SAMPLE_RATE as f32;
                0.4 * (t * (400.0 + 3000.0 * t)).sin() + 0.01 * noise
            })
            .collect()
    }

    fn spectrogram(pcm: &[f32]) -> Vec<f32> {
        let mut out = vec![f32::NAN; SPECTROGRAM_LEN];
        LogSpectrogram::new().write(pcm, &mut out);
        out
    }

    #[test]
    fn the_shape_is_that_of_the_paper() {
        assert_eq!((BINS, FRAMES), (257, 199));
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
        for value in spectrogram(&vec![0.0; WINDOW_SAMPLES]) {
            assert!((f64::from(value) - floor).abs() < 1e-6);
        }
    }

    #[test]
    fn a_sine_is_loudest_in_its_own_bin() {
        let bin = 40;
        let pcm: Vec<f32> = (0..WINDOW_SAMPLES)
            .map(|i| (std::f64::consts::TAU * bin as f64 * i as f64 / FFT as f64).sin() as f32)
            .collect();
        let out = spectrogram(&pcm);
        for t in 0..FRAMES {
            let loudest =
                (0..BINS).max_by(|&a, &b| out[a * FRAMES + t].total_cmp(&out[b * FRAMES + t]));
            assert_eq!(loudest, Some(bin));
        }
        // A sine of amplitude 1 under a Hann window of 480 has magnitude 480 / 4.
        assert!((out[bin * FRAMES] - 0.2 * 120.0_f32.ln()).abs() < 1e-3);
    }

    #[test]
    fn windows_cut_from_a_clip_are_columns_of_the_whole_clip() {
        // Any hop of whole steps: column t of the window that starts k steps in
        // is column t + k of a spectrogram computed over the whole clip.
        let clip = sound(3 * WINDOW_SAMPLES);
        let mut streaming = LogSpectrogram::new();
        let mut out = vec![0.0; SPECTROGRAM_LEN];
        for hop in [4_800, 7_200, 24_000, 48_000] {
            for start in (0..=clip.len() - WINDOW_SAMPLES).step_by(hop) {
                streaming.write(&clip[start..start + WINDOW_SAMPLES], &mut out);
                for t in [0, 1, 7, 8, 100, FRAMES - 1] {
                    let at = start + t * STEP_SAMPLES;
                    let alone = spectrogram(&clip[at..at + FRAME_SAMPLES]);
                    for bin in 0..BINS {
                        assert_eq!(
                            out[bin * FRAMES + t],
                            alone[bin * FRAMES],
                            "hop {hop}, frame {t}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_missing_counts_as_silence_and_too_much_is_not_looked_at() {
        let clip = sound(WINDOW_SAMPLES + 1000);
        let mut padded = clip[..20_123].to_vec();
        padded.resize(WINDOW_SAMPLES, 0.0);
        assert_eq!(spectrogram(&clip[..20_123]), spectrogram(&padded));
        assert_eq!(spectrogram(&clip), spectrogram(&clip[..WINDOW_SAMPLES]));
        assert_eq!(spectrogram(&[]), spectrogram(&vec![0.0; WINDOW_SAMPLES]));
    }
}
