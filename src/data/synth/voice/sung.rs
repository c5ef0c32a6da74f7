//! Throats: a mouth that sings vowels, a bird that chirps.

use std::f32::consts::{PI, TAU};

use rand::RngExt;

use super::Voice;
use super::beats::Beats;
use super::filters::{Hiss, LowPass, Phase, RATE, Resonance};
use crate::corpus::Rng;

/// The first three formants of a, e, i, o, u in Hz (Peterson and Barney 1952, rounded).
const VOWELS: [[f32; 3]; 5] = [
    [730.0, 1_090.0, 2_440.0],
    [530.0, 1_840.0, 2_480.0],
    [270.0, 2_290.0, 3_010.0],
    [570.0, 840.0, 2_410.0],
    [300.0, 870.0, 2_240.0],
];
/// Samples between tunings of the filters: the throat moves slowly.
const TUNE_EVERY: u32 = 64;

/// A mouth: vowels, one a beat, with their own melody, pitch and throat.
pub fn mouth(mut beats: Beats, rng: &mut Rng) -> Box<dyn Voice> {
    let pitch_hz = 85.0 * 3.5_f32.powf(rng.random_range(0.0..1.0));
    let length_s = beats.period_s() * rng.random_range(0.7..0.95);
    let mut breath = Hiss::draw(rng);
    let mut soft = LowPass::at(rng.random_range(500.0..2_000.0));
    let melody: f32 = rng.random_range(0.05..0.4);
    let vibrato_hz = rng.random_range(3.0..7.0);
    // Its length against a man's.
    let throat = 0.9 + 0.35 * (pitch_hz / 300.0);
    let (mut glottis, mut vibrato) = (Phase(0.0), Phase(0.0));
    let mut formants = [Resonance::default(); 3];
    let (mut from, mut to, mut note_hz) = (VOWELS[0], VOWELS[0], pitch_hz);
    // Of the current syllable.
    let (mut since_s, mut samples, mut force) = (1e3_f32, 0_u32, 0.0);
    Box::new(move || {
        if let Some(beat) = beats.step() {
            let vowel = (beats.chance(&beat, 0) * VOWELS.len() as f32) as usize;
            (from, to) = (to, VOWELS[vowel.min(VOWELS.len() - 1)]);
            let up = beats.chance(&beat, 1) * 2.0 - 1.0;
            note_hz = pitch_hz * (1.0 + melody * up);
            (since_s, samples, force) = (0.0, 0, beat.force);
        }
        let way = (since_s / 0.08).min(1.0);
        if samples.is_multiple_of(TUNE_EVERY) {
            for (i, formant) in formants.iter_mut().enumerate() {
                let hz = from[i] + (to[i] - from[i]) * way;
                formant.tune(hz * throat, 70.0 + 40.0 * i as f32);
            }
        }
        samples += 1;
        let left = (length_s - since_s) / 0.06;
        let open = (since_s / 0.03).min(left).clamp(0.0, 1.0) * force;
        since_s += 1.0 / RATE;
        let sway = 1.0 + 0.02 * vibrato.sine(vibrato_hz);
        let pulse = 1.0 - 2.0 * glottis.step(note_hz * sway);
        let source = soft.next(pulse + 0.1 * breath.next()) * open;
        let [a, b, c] = &mut formants;
        1.5 * (a.next(source) + 0.7 * b.next(source) + 0.5 * c.next(source))
    })
}

/// A bird: a few quick sweeps a beat.
pub fn bird(mut beats: Beats, rng: &mut Rng) -> Box<dyn Voice> {
    let notes = rng.random_range(1..5_u32) as f32;
    let each_s = beats.period_s() / notes;
    let note_s = (each_s * rng.random_range(0.4..0.8_f32)).clamp(0.03, 0.18);
    let pause_s = (each_s - note_s).clamp(0.01, 0.08);
    let song_hz = 2_000.0 * 2.6_f32.powf(rng.random_range(0.0..1.0));
    let sweep = rng.random_range(0.1..0.5) * if rng.random_bool(0.5) { 1.0 } else { -1.0 };
    let trill_hz: f32 = rng.random_range(20.0..60.0);
    let trill: f32 = match rng.random_bool(0.4) {
        true => rng.random_range(0.02..0.1),
        false => 0.0,
    };
    let mut phase = Phase(0.0);
    let (mut since_s, mut force, mut up) = (1e3_f32, 0.0, 0.0);
    Box::new(move || {
        if let Some(beat) = beats.step() {
            up = beats.chance(&beat, 0) * 0.3;
            (since_s, force) = (0.0, beat.force);
        }
        let each = note_s + pause_s;
        let (note, at) = (since_s / each, since_s % each);
        since_s += 1.0 / RATE;
        if note >= notes || at > note_s {
            return 0.0;
        }
        let way = at / note_s;
        let trill = trill * (TAU * trill_hz * at).sin();
        let hz = song_hz * (1.0 + up + sweep * (way - 0.5) + trill);
        let swell = (PI * way).sin();
        0.36 * force * swell * phase.sine(hz)
    })
}
