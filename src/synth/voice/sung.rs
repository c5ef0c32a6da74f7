//! Throats: a mouth that sings vowels, a bird that chirps.

use std::f32::consts::TAU;

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

/// Vowels, one a beat, with a melody of their own.
pub struct Mouth {
    beats: Beats,
    breath: Hiss,
    glottis: Phase,
    soft: LowPass,
    formants: [Resonance; 3],
    from: [f32; 3],
    to: [f32; 3],
    pitch_hz: f32,
    note_hz: f32,
    melody: f32,
    vibrato: Phase,
    vibrato_hz: f32,
    /// Length of the throat against a man's.
    throat: f32,
    since_s: f32,
    /// Samples of this syllable.
    moved: u32,
    length_s: f32,
    force: f32,
}

impl Mouth {
    /// A voice with its own pitch and throat.
    pub fn draw(beats: Beats, rng: &mut Rng) -> Self {
        let pitch_hz = 85.0 * 3.5_f32.powf(rng.random_range(0.0..1.0));
        let length_s = beats.period_s() * rng.random_range(0.7..0.95);
        Self {
            beats,
            breath: Hiss::draw(rng),
            glottis: Phase(0.0),
            soft: LowPass::at(rng.random_range(500.0..2_000.0)),
            formants: [Resonance::default(); 3],
            from: VOWELS[0],
            to: VOWELS[0],
            pitch_hz,
            note_hz: pitch_hz,
            melody: rng.random_range(0.05..0.4),
            vibrato: Phase(0.0),
            vibrato_hz: rng.random_range(3.0..7.0),
            throat: 0.9 + 0.35 * (pitch_hz / 300.0),
            since_s: 1e3,
            moved: 0,
            length_s,
            force: 0.0,
        }
    }
}

impl Voice for Mouth {
    fn render(&mut self, out: &mut [f32]) {
        for sample in out {
            if let Some(beat) = self.beats.step() {
                let vowel = (self.beats.chance(&beat, 0) * VOWELS.len() as f32) as usize;
                (self.from, self.to) = (self.to, VOWELS[vowel.min(VOWELS.len() - 1)]);
                let up = self.beats.chance(&beat, 1) * 2.0 - 1.0;
                self.note_hz = self.pitch_hz * (1.0 + self.melody * up);
                (self.since_s, self.moved, self.force) = (0.0, 0, beat.force);
            }
            let way = (self.since_s / 0.08).min(1.0);
            // The throat moves slowly: every 64th sample of a syllable is enough.
            if self.moved.is_multiple_of(64) {
                for (i, formant) in self.formants.iter_mut().enumerate() {
                    let hz = self.from[i] + (self.to[i] - self.from[i]) * way;
                    formant.tune(hz * self.throat, 70.0 + 40.0 * i as f32);
                }
            }
            self.moved += 1;
            let left = (self.length_s - self.since_s) / 0.06;
            let open = (self.since_s / 0.03).min(left).clamp(0.0, 1.0) * self.force;
            self.since_s += 1.0 / RATE;
            let sway = 1.0 + 0.02 * self.vibrato.sine(self.vibrato_hz);
            let pulse = 1.0 - 2.0 * self.glottis.step(self.note_hz * sway);
            let source = self.soft.next(pulse + 0.1 * self.breath.next()) * open;
            let [a, b, c] = &mut self.formants;
            *sample = 1.5 * (a.next(source) + 0.7 * b.next(source) + 0.5 * c.next(source));
        }
    }
}

/// A few quick sweeps a beat.
pub struct Bird {
    beats: Beats,
    phase: Phase,
    hz: f32,
    sweep: f32,
    trill_hz: f32,
    trill: f32,
    notes: u32,
    note_s: f32,
    pause_s: f32,
    since_s: f32,
    force: f32,
    up: f32,
}

impl Bird {
    /// A bird with its own song.
    pub fn draw(beats: Beats, rng: &mut Rng) -> Self {
        let notes = rng.random_range(1..5_u32);
        let room = beats.period_s() / notes as f32;
        let note_s = (room * rng.random_range(0.4..0.8_f32)).clamp(0.03, 0.18);
        Self {
            beats,
            phase: Phase(0.0),
            hz: 2_000.0 * 2.6_f32.powf(rng.random_range(0.0..1.0)),
            sweep: rng.random_range(0.1..0.5) * if rng.random_bool(0.5) { 1.0 } else { -1.0 },
            trill_hz: rng.random_range(20.0..60.0),
            trill: if rng.random_bool(0.4) {
                rng.random_range(0.02..0.1)
            } else {
                0.0
            },
            notes,
            note_s,
            pause_s: (room - note_s).clamp(0.01, 0.08),
            since_s: 1e3,
            force: 0.0,
            up: 0.0,
        }
    }
}

impl Voice for Bird {
    fn render(&mut self, out: &mut [f32]) {
        for sample in out {
            if let Some(beat) = self.beats.step() {
                self.up = self.beats.chance(&beat, 0) * 0.3;
                (self.since_s, self.force) = (0.0, beat.force);
            }
            let each = self.note_s + self.pause_s;
            let (note, at) = (self.since_s / each, self.since_s % each);
            self.since_s += 1.0 / RATE;
            if note >= self.notes as f32 || at > self.note_s {
                *sample = 0.0;
                continue;
            }
            let way = at / self.note_s;
            let trill = self.trill * (TAU * self.trill_hz * at).sin();
            let hz = self.hz * (1.0 + self.up + self.sweep * (way - 0.5) + trill);
            let swell = (std::f32::consts::PI * way).sin();
            *sample = 0.36 * self.force * swell * self.phase.sine(hz);
        }
    }
}
