//! Augmentation of a window of sound and of its log-spectrogram.

use std::ops::Range;

use rand::RngExt;
use rand::seq::SliceRandom;

use crate::corpus::Rng;
use crate::window_spec::WindowSpec;

/// How much softer a part of the window becomes at most: a pause.
const MAX_SOFTENING_DB: f32 = 60.0;
/// How far a pause may lie below the quietest stretch of the window.
const MAX_BELOW_QUIET_DB: f32 = 12.0;

/// Frames of the quietest stretch, which is the background.
fn quiet_frames(spec: &WindowSpec) -> usize {
    spec.frames / 10
}

/// Changes the speed by up to 12 %, the tone, the level from −12 to +6 dB, and adds noise
/// to every other sound.
pub(super) fn perturb(pcm: &[f32], rng: &mut Rng) -> Vec<f32> {
    let speed: f64 = rng.random_range(0.88..=1.12);
    let len = pcm.len().max(1);
    let mut out: Vec<f32> = (0..pcm.len())
        .map(|i| {
            // A faster sound is too short and continues from its start.
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

/// Silences a band of frequencies and a stretch of time (SpecAugment, Park et al. 2019).
pub(super) fn mask(spectrogram: &mut [f32], spec: &WindowSpec, rng: &mut Rng) {
    mask_band(spectrogram, spec, rng);
    if rng.random_bool(0.5) {
        let frames = rng.random_range(4..=40);
        let first = rng.random_range(0..spec.frames - frames);
        for row in spectrogram.chunks_exact_mut(spec.frames) {
            row[first..first + frames].fill(spec.quietest());
        }
    }
    spec.settle(spectrogram);
}

fn mask_band(spectrogram: &mut [f32], spec: &WindowSpec, rng: &mut Rng) {
    if rng.random_bool(0.5) {
        let bins = rng.random_range(4..=40);
        let first = rng.random_range(0..spec.bins - bins);
        spectrogram[first * spec.frames..(first + bins) * spec.frames].fill(spec.quietest());
    }
}

/// A window as it might sound in the same place at another time: its parts in another
/// order, softer for a while, and without a band of frequencies.
pub(super) fn change_events(spectrogram: &mut [f32], spec: &WindowSpec, rng: &mut Rng) {
    shuffle_parts(spectrogram, spec, rng);
    // Mostly long and deep: in most places little happens most of the time.
    let frames = rng
        .random_range(0..=spec.frames)
        .max(rng.random_range(0..=spec.frames));
    let first = rng.random_range(0..=spec.frames - frames);
    soften(spectrogram, first..first + frames, spec, rng);
    mask_band(spectrogram, spec, rng);
    spec.settle(spectrogram);
}

/// Cuts the window into up to ten parts and shuffles them: otherwise the network
/// memorises the words of a short recording instead of the voice.
fn shuffle_parts(spectrogram: &mut [f32], spec: &WindowSpec, rng: &mut Rng) {
    let mut cuts: Vec<usize> = (0..rng.random_range(1..=9))
        .map(|_| rng.random_range(1..spec.frames))
        .chain([0, spec.frames])
        .collect();
    cuts.sort_unstable();
    let mut parts: Vec<Range<usize>> = cuts.windows(2).map(|cut| cut[0]..cut[1]).collect();
    parts.shuffle(rng);
    let order: Vec<usize> = parts.into_iter().flatten().collect();
    let mut before = vec![0.0; spec.frames];
    for row in spectrogram.chunks_exact_mut(spec.frames) {
        before.copy_from_slice(row);
        for (to, &from) in row.iter_mut().zip(&order) {
            *to = before[from];
        }
    }
}

/// Makes the events in some frames softer, down to a pause, and leaves the background
/// nearly as it is: nothing falls far below a quiet stretch, which is repeated.
fn soften(spectrogram: &mut [f32], frames: Range<usize>, spec: &WindowSpec, rng: &mut Rng) {
    let most = spec.decibels(MAX_SOFTENING_DB);
    let by = rng
        .random_range(0.0..=most)
        .max(rng.random_range(0.0..=most));
    let below_quiet = rng.random_range(0.0..=spec.decibels(MAX_BELOW_QUIET_DB));
    let start = quiet_stretch(spectrogram, spec, rng);
    let mut quiet = vec![0.0; quiet_frames(spec)];
    for row in spectrogram.chunks_exact_mut(spec.frames) {
        quiet.copy_from_slice(&row[start..start + quiet_frames(spec)]);
        for (value, quiet) in row[frames.clone()].iter_mut().zip(quiet.iter().cycle()) {
            *value = value.min((*value - by).max(*quiet - below_quiet));
        }
    }
}

/// Start of one of the quietest tenth of all stretches of [`quiet_frames`].
fn quiet_stretch(spectrogram: &[f32], spec: &WindowSpec, rng: &mut Rng) -> usize {
    let mut loudness = vec![0.0; spec.frames];
    for row in spectrogram.chunks_exact(spec.frames) {
        for (sum, value) in loudness.iter_mut().zip(row) {
            *sum += value;
        }
    }
    let stretches = loudness
        .windows(quiet_frames(spec))
        .map(|w| w.iter().sum::<f32>());
    let mut quietest: Vec<(usize, f32)> = stretches.enumerate().collect();
    quietest.sort_unstable_by(|a, b| a.1.total_cmp(&b.1));
    quietest[rng.random_range(0..quietest.len() / 10)].0
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::Tones;
    use super::*;
    use crate::corpus::{Corpus, Split, rng};

    const SPEC: WindowSpec = WindowSpec::PAPER;

    #[test]
    fn perturbed_sound_stays_in_range() {
        let example = Tones::default()
            .draw(Split::Train, &mut rng(3, 0, 0))
            .expect("a draw");
        for seed in 0..50 {
            let out = perturb(&example.pcm, &mut rng(seed, 3, 0));
            assert_eq!(out.len(), example.pcm.len());
            assert!(out.iter().all(|v| v.abs() <= 1.0));
            let rms = (out.iter().map(|v| v * v).sum::<f32>() / out.len() as f32).sqrt();
            assert!((0.01..=1.0).contains(&rms), "{rms}");
        }
    }

    /// A spectrogram whose values are their positions.
    fn numbered() -> Vec<f32> {
        (0..SPEC.spectrogram_len()).map(|i| i as f32).collect()
    }

    #[test]
    fn shuffling_keeps_every_frame_whole() {
        let mut changed = 0;
        for seed in 0..50 {
            let mut spectrogram = numbered();
            shuffle_parts(&mut spectrogram, &SPEC, &mut rng(seed, 4, 0));
            let from: Vec<usize> = spectrogram[..SPEC.frames]
                .iter()
                .map(|v| *v as usize)
                .collect();
            for (bin, row) in spectrogram.chunks_exact(SPEC.frames).enumerate() {
                let here = row.iter().map(|v| *v as usize - bin * SPEC.frames);
                assert!(here.eq(from.iter().copied()));
            }
            let mut all = from.clone();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..SPEC.frames));
            changed += usize::from(!from.is_sorted());
        }
        assert!(changed > 25, "{changed} of 50");
    }

    #[test]
    fn softened_events_fall_no_further_than_the_background() {
        let most = SPEC.decibels(MAX_SOFTENING_DB);
        let below_quiet = SPEC.decibels(MAX_BELOW_QUIET_DB);
        for seed in 0..50 {
            let mut rng = rng(seed, 5, 0);
            let mut spectrogram = vec![most; SPEC.spectrogram_len()];
            for row in spectrogram.chunks_exact_mut(SPEC.frames) {
                row[100..100 + 2 * quiet_frames(&SPEC)].fill(0.0);
            }
            soften(&mut spectrogram, 10..90, &SPEC, &mut rng);
            for row in spectrogram.chunks_exact(SPEC.frames) {
                let softer = row[10];
                assert!((0.0..most).contains(&softer), "{softer}");
                assert!(row[10..90].iter().all(|v| *v == softer));
                assert!(row[..10].iter().all(|v| *v == most));
            }
            soften(&mut spectrogram, 100..110, &SPEC, &mut rng);
            assert!(
                spectrogram[100..110]
                    .iter()
                    .all(|v| (-below_quiet..=0.0).contains(v))
            );
        }
    }

    #[test]
    fn softening_makes_nothing_louder() {
        let most = SPEC.decibels(MAX_SOFTENING_DB);
        for seed in 0..50 {
            let mut rng = rng(seed, 6, 0);
            let mut spectrogram: Vec<f32> = (0..SPEC.spectrogram_len())
                .map(|_| rng.random_range(-1.0..1.0))
                .collect();
            let before = spectrogram.clone();
            soften(&mut spectrogram, 0..SPEC.frames, &SPEC, &mut rng);
            for (after, before) in spectrogram.iter().zip(&before) {
                assert!(after <= before && *after >= before - most);
            }
            assert_ne!(spectrogram, before);
        }
    }
}
