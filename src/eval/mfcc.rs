//! The classic features of a sound: mel-frequency cepstral coefficients.
//!
//! As the baseline of ESC-50 has it (Piczak, "ESC: Dataset for Environmental
//! Sound Classification", 2015): mean and deviation over the whole sound of 12
//! coefficients (without the first, loudness) and of the zero-crossing rate.
//! Verified against SciPy (`tests/oracle/mfcc.py`).

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use super::classify::Described;
use super::error::EvalError;
use super::feed::in_order;
use super::labelled::Labelled;
use crate::corpus::CorpusError;
use crate::learn::Rows;
use crate::time::SAMPLE_RATE;

/// Samples of a frame, 43 ms.
const FRAME: usize = 2048;
/// Samples between frames.
const HOP: usize = 1024;
const BINS: usize = FRAME / 2 + 1;
/// Bands of the mel scale.
const MELS: usize = 40;
/// Coefficients of each frame.
const COEFFICIENTS: usize = 12;
/// Coefficients and zero crossings, mean and deviation of each.
const WIDTH: usize = 2 * (COEFFICIENTS + 1);
/// Lowest energy of a band: the logarithm must be finite.
const FLOOR: f32 = 1e-10;

/// A row for each sound that could be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// 26 wide.
    pub rows: Rows,
    /// The file of each row, ascending.
    pub file_of: Vec<usize>,
}

impl Description {
    /// The rows to classify by.
    pub fn described(&self) -> Described<'_> {
        Described {
            rows: &self.rows,
            file_of: &self.file_of,
            // Reported by the extraction of the same files.
            unreadable: &[],
        }
    }
}

/// Describes all sounds. Unreadable files have no row.
///
/// # Errors
/// If no file can be read, or threads cannot be started.
pub fn describe(data: &Labelled, threads: usize) -> Result<Description, EvalError> {
    let (mut values, mut file_of) = (Vec::new(), Vec::new());
    in_order(
        data.files.len(),
        threads,
        Mfcc::new,
        |mfcc, index| Ok((index, mfcc.describe(&data.files[index].media.sound()?))),
        |described: Result<(usize, [f32; WIDTH]), CorpusError>| match described {
            Ok((index, row)) => {
                values.extend(row);
                file_of.push(index);
                Ok(())
            }
            Err(CorpusError::File { .. }) => Ok(()),
            Err(other) => Err(other.into()),
        },
    )?;
    Ok(Description {
        rows: Rows::new(values, WIDTH),
        file_of,
    })
}

/// FFT plan and tables.
struct Mfcc {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    /// MELS × BINS.
    filters: Vec<f32>,
    /// COEFFICIENTS × MELS.
    cosines: Vec<f32>,
}

impl Mfcc {
    fn new() -> Self {
        let window = (0..FRAME).map(|n| {
            // Periodic Hann.
            let turn = std::f64::consts::TAU * n as f64 / FRAME as f64;
            (0.5 - 0.5 * turn.cos()) as f32
        });
        let cosines = (1..=COEFFICIENTS).flat_map(|k| {
            (0..MELS).map(move |m| {
                let turn = std::f64::consts::PI * k as f64 * (m as f64 + 0.5) / MELS as f64;
                ((2.0 / MELS as f64).sqrt() * turn.cos()) as f32
            })
        });
        Self {
            fft: RealFftPlanner::new().plan_fft_forward(FRAME),
            window: window.collect(),
            filters: filters(),
            cosines: cosines.collect(),
        }
    }

    /// Means, then standard deviations, of coefficients and zero crossings.
    fn describe(&self, pcm: &[f32]) -> [f32; WIDTH] {
        let count = if pcm.len() < FRAME {
            1
        } else {
            1 + (pcm.len() - FRAME) / HOP
        };
        let (mut sum, mut square) = ([0.0_f64; WIDTH / 2], [0.0_f64; WIDTH / 2]);
        let mut frame = self.fft.make_input_vec();
        let mut spectrum = self.fft.make_output_vec();
        for nth in 0..count {
            let start = nth * HOP;
            let part = &pcm[start.min(pcm.len())..pcm.len().min(start + FRAME)];
            let values = self.frame(part, &mut frame, &mut spectrum);
            for (i, value) in values.into_iter().enumerate() {
                sum[i] += f64::from(value);
                square[i] += f64::from(value).powi(2);
            }
        }
        let n = count as f64;
        let mut row = [0.0; WIDTH];
        for i in 0..WIDTH / 2 {
            let mean = sum[i] / n;
            row[i] = mean as f32;
            row[WIDTH / 2 + i] = (square[i] / n - mean * mean).max(0.0).sqrt() as f32;
        }
        row
    }

    fn frame(
        &self,
        pcm: &[f32],
        frame: &mut [f32],
        spectrum: &mut [Complex<f32>],
    ) -> [f32; WIDTH / 2] {
        frame.fill(0.0);
        for ((to, &from), w) in frame.iter_mut().zip(pcm).zip(&self.window) {
            *to = from * w;
        }
        self.fft
            .process(frame, spectrum)
            .expect("the lengths are those of the plan");
        let power: Vec<f32> = spectrum.iter().map(Complex::norm_sqr).collect();
        let mut logs = [0.0; MELS];
        for (log, filter) in logs.iter_mut().zip(self.filters.chunks_exact(BINS)) {
            let energy: f32 = filter.iter().zip(&power).map(|(f, p)| f * p).sum();
            *log = 10.0 * energy.max(FLOOR).log10();
        }
        let mut values = [0.0; WIDTH / 2];
        for (value, row) in values.iter_mut().zip(self.cosines.chunks_exact(MELS)) {
            *value = row.iter().zip(&logs).map(|(c, l)| c * l).sum();
        }
        let crossings = pcm.windows(2).filter(|w| (w[0] < 0.0) != (w[1] < 0.0));
        values[COEFFICIENTS] = crossings.count() as f32 / FRAME as f32;
        values
    }
}

/// Triangular filters of height 1, equally spaced on the mel scale (2595 log10(1 +
/// f/700)), from 0 Hz to half of the sample rate.
fn filters() -> Vec<f32> {
    let nyquist = f64::from(SAMPLE_RATE) / 2.0;
    let mel = |f: f64| 2595.0 * (1.0 + f / 700.0).log10();
    let hertz = |m: f64| 700.0 * (10.0_f64.powf(m / 2595.0) - 1.0);
    let edge = |i: usize| hertz(mel(nyquist) * i as f64 / (MELS + 1) as f64);
    let mut filters = Vec::with_capacity(MELS * BINS);
    for band in 0..MELS {
        let (low, middle, high) = (edge(band), edge(band + 1), edge(band + 2));
        filters.extend((0..BINS).map(|bin| {
            let f = nyquist * bin as f64 / (BINS - 1) as f64;
            let rising = (f - low) / (middle - low);
            let falling = (high - f) / (high - middle);
            rising.min(falling).max(0.0) as f32
        }));
    }
    filters
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        pcm: Vec<f32>,
        row: Vec<f32>,
    }

    #[test]
    fn values_are_those_of_scipy() {
        let text = include_str!("../../tests/data/mfcc.json");
        let cases: Vec<Golden> = serde_json::from_str(text).expect("the oracle's JSON");
        let mfcc = Mfcc::new();
        for case in cases {
            let row = mfcc.describe(&case.pcm);
            for (value, expected) in row.iter().zip(&case.row) {
                let allowed = 1e-3 * expected.abs().max(1.0);
                assert!((value - expected).abs() < allowed, "{row:?} {:?}", case.row);
            }
        }
    }

    #[test]
    fn silence_and_nothing_are_numbers() {
        let mfcc = Mfcc::new();
        for len in [0, 1, 48_000] {
            let row = mfcc.describe(&vec![0.0; len]);
            assert!(row.iter().all(|v| v.is_finite()), "{row:?}");
        }
    }
}
