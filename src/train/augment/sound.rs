//! What is changed about a second of sound, and about its log-spectrogram.

use std::ops::Range;

use rand::RngExt;
use rand::seq::SliceRandom;

use crate::corpus::Rng;
use crate::features::{BINS, FRAMES};

/// Frames of the quietest stretch, which is the background.
const QUIET: usize = FRAMES / 10;
/// By how much a part of the second becomes softer: 0.2 ln of 60 dB, which is a
/// pause.
const SOFTEST: f32 = 1.38;
/// How much softer the background of a pause may be than the quietest stretch of a
/// second that has none: 12 dB.
const UNDER: f32 = 0.276;
/// What a log-spectrogram says of silence: 0.2 ln(1e-4).
const SILENCE: f32 = -1.842_068_1;

/// Speed by up to 12 %, tone, level from −12 to +6 dB, and noise now and then.
pub(super) fn disturbed(pcm: &[f32], rng: &mut Rng) -> Vec<f32> {
    let speed: f64 = rng.random_range(0.88..=1.12);
    let len = pcm.len().max(1);
    let mut out: Vec<f32> = (0..pcm.len())
        .map(|i| {
            // Beyond the end it begins anew: a faster sound is too short.
            let at = i as f64 * speed;
            let (whole, part) = (at as usize, at.fract() as f32);
            pcm[whole % len] * (1.0 - part) + pcm[(whole + 1) % len] * part
        })
        .collect();
    // A one-pole filter mixed in: duller below 0, sharper above.
    let tone: f32 = rng.random_range(-0.8..=1.5);
    let pole: f32 = rng.random_range(0.02..=0.6);
    let gain = 10.0_f32.powf(rng.random_range(-12.0..=6.0) / 20.0);
    let mut low = 0.0;
    for v in &mut out {
        low += pole * (*v - low);
        *v = (*v + tone * (*v - low)) * gain;
    }
    if rng.random_bool(0.5) {
        let power: f32 = out.iter().map(|v| v * v).sum::<f32>() / len as f32;
        let below = 10.0_f32.powf(-rng.random_range(5.0..=40.0_f32) / 20.0);
        let level = power.sqrt() * below * 3.0_f32.sqrt();
        let colour: f32 = rng.random_range(0.0..=0.95);
        let mut noise = 0.0;
        for v in &mut out {
            noise = colour * noise + (1.0 - colour * colour).sqrt() * rng.random_range(-1.0..=1.0);
            *v += level * noise;
        }
    }
    for v in &mut out {
        *v = v.clamp(-1.0, 1.0);
    }
    out
}

/// A band of frequencies and a stretch of time that are not heard (SpecAugment,
/// Park et al. 2019).
pub(super) fn holes(spectrogram: &mut [f32], rng: &mut Rng) {
    band(spectrogram, rng);
    if rng.random_bool(0.5) {
        let frames = rng.random_range(4..=40);
        let first = rng.random_range(0..FRAMES - frames);
        for line in spectrogram.chunks_exact_mut(FRAMES) {
            line[first..first + frames].fill(SILENCE);
        }
    }
}

fn band(spectrogram: &mut [f32], rng: &mut Rng) {
    if rng.random_bool(0.5) {
        let bins = rng.random_range(4..=40);
        let first = rng.random_range(0..BINS - bins);
        spectrogram[first * FRAMES..(first + bins) * FRAMES].fill(SILENCE);
    }
}

/// What might be heard in the same place at another time: parts of the second in
/// another order, softer for a while, and without a band of frequencies.
pub(super) fn other_events(spectrogram: &mut [f32], rng: &mut Rng) {
    rearrange(spectrogram, rng);
    // Rather long and deep: in most places little happens most of the time.
    let frames = rng
        .random_range(0..=FRAMES)
        .max(rng.random_range(0..=FRAMES));
    let first = rng.random_range(0..=FRAMES - frames);
    soften(spectrogram, first..first + frames, rng);
    band(spectrogram, rng);
}

/// Cuts the second into up to ten parts and puts them in another order: without it
/// the words of a short recording are learnt by heart rather than the voice.
fn rearrange(spectrogram: &mut [f32], rng: &mut Rng) {
    let mut cuts: Vec<usize> = (0..rng.random_range(1..=9))
        .map(|_| rng.random_range(1..FRAMES))
        .chain([0, FRAMES])
        .collect();
    cuts.sort_unstable();
    let mut parts: Vec<Range<usize>> = cuts.windows(2).map(|cut| cut[0]..cut[1]).collect();
    parts.shuffle(rng);
    let order: Vec<usize> = parts.into_iter().flatten().collect();
    for line in spectrogram.chunks_exact_mut(FRAMES) {
        let before: [f32; FRAMES] = std::array::from_fn(|frame| line[frame]);
        for (to, &from) in line.iter_mut().zip(&order) {
            *to = before[from];
        }
    }
}

/// For a while what happens is softer, down to a pause, and the background is hardly:
/// nothing falls far below one of the quiet stretches, again and again.
fn soften(spectrogram: &mut [f32], frames: Range<usize>, rng: &mut Rng) {
    let by = rng
        .random_range(0.0..=SOFTEST)
        .max(rng.random_range(0.0..=SOFTEST));
    let under = rng.random_range(0.0..=UNDER);
    let from = background(spectrogram, rng);
    for line in spectrogram.chunks_exact_mut(FRAMES) {
        let quiet: [f32; QUIET] = std::array::from_fn(|frame| line[from + frame]);
        for (value, quiet) in line[frames.clone()].iter_mut().zip(quiet.iter().cycle()) {
            *value = value.min((*value - by).max(*quiet - under));
        }
    }
}

/// Where a stretch of [`QUIET`] frames begins: one of the quietest tenth of all.
fn background(spectrogram: &[f32], rng: &mut Rng) -> usize {
    let mut loudness = [0.0; FRAMES];
    for line in spectrogram.chunks_exact(FRAMES) {
        for (sum, value) in loudness.iter_mut().zip(line) {
            *sum += value;
        }
    }
    let stretches = loudness.windows(QUIET).map(|w| w.iter().sum::<f32>());
    let mut quietest: Vec<(usize, f32)> = stretches.enumerate().collect();
    quietest.sort_unstable_by(|a, b| a.1.total_cmp(&b.1));
    quietest[rng.random_range(0..quietest.len() / 10)].0
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::Tones;
    use super::*;
    use crate::corpus::{Corpus, Split, rng};
    use crate::features::SPECTROGRAM_LEN;

    #[test]
    fn disturbed_sound_stays_sound() {
        let example = Tones::default()
            .draw(Split::Train, &mut rng(3, 0, 0))
            .expect("a draw");
        for seed in 0..50 {
            let out = disturbed(&example.pcm, &mut rng(seed, 3, 0));
            assert_eq!(out.len(), example.pcm.len());
            assert!(out.iter().all(|v| v.abs() <= 1.0));
            let rms = (out.iter().map(|v| v * v).sum::<f32>() / out.len() as f32).sqrt();
            assert!((0.01..=1.0).contains(&rms), "{rms}");
        }
    }

    /// A spectrogram whose values say where they were.
    fn numbered() -> Vec<f32> {
        (0..SPECTROGRAM_LEN).map(|i| i as f32).collect()
    }

    #[test]
    fn another_order_keeps_every_moment_whole() {
        let mut moved = 0;
        for seed in 0..50 {
            let mut spectrogram = numbered();
            rearrange(&mut spectrogram, &mut rng(seed, 4, 0));
            let from: Vec<usize> = spectrogram[..FRAMES].iter().map(|v| *v as usize).collect();
            for (bin, line) in spectrogram.chunks_exact(FRAMES).enumerate() {
                let here = line.iter().map(|v| *v as usize - bin * FRAMES);
                assert!(here.eq(from.iter().copied()));
            }
            let mut all = from.clone();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..FRAMES));
            moved += usize::from(!from.is_sorted());
        }
        assert!(moved > 25, "{moved} of 50");
    }

    #[test]
    fn what_is_softer_falls_to_the_background_and_no_further() {
        for seed in 0..50 {
            let mut rng = rng(seed, 5, 0);
            let mut spectrogram = vec![SOFTEST; SPECTROGRAM_LEN];
            for line in spectrogram.chunks_exact_mut(FRAMES) {
                line[100..100 + 2 * QUIET].fill(0.0);
            }
            soften(&mut spectrogram, 10..90, &mut rng);
            for line in spectrogram.chunks_exact(FRAMES) {
                let softer = line[10];
                assert!((0.0..SOFTEST).contains(&softer), "{softer}");
                assert!(line[10..90].iter().all(|v| *v == softer));
                assert!(line[..10].iter().all(|v| *v == SOFTEST));
            }
            soften(&mut spectrogram, 100..110, &mut rng);
            assert!(
                spectrogram[100..110]
                    .iter()
                    .all(|v| (-UNDER..=0.0).contains(v))
            );
        }
    }

    #[test]
    fn nothing_grows_louder_and_what_is_quiet_stays() {
        for seed in 0..50 {
            let mut rng = rng(seed, 6, 0);
            let mut spectrogram: Vec<f32> = (0..SPECTROGRAM_LEN)
                .map(|_| rng.random_range(-1.0..1.0))
                .collect();
            let before = spectrogram.clone();
            soften(&mut spectrogram, 0..FRAMES, &mut rng);
            for (after, before) in spectrogram.iter().zip(&before) {
                assert!(after <= before && *after >= before - SOFTEST);
            }
            assert_ne!(spectrogram, before);
        }
    }
}
