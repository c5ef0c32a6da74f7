//! Things that are struck: drums, balls that bounce, bells, clocks.

use rand::RngExt;

use super::Voice;
use super::beats::Beats;
use super::filters::{Hiss, Mode, Phase, Resonance, decay};
use crate::corpus::Rng;

/// Modes that ring, a burst of noise at the stroke, and a tone that glides.
struct Struck {
    modes: Vec<Mode>,
    burst: Burst,
    glide: Option<Glide>,
    /// How much weaker the second of two strokes is: tick, tock.
    tock: f32,
    count: u32,
    level: f32,
}

struct Burst {
    hiss: Hiss,
    colour: Resonance,
    level: f32,
    keep: f32,
    now: f32,
}

impl Burst {
    /// Noise in a band of `width` Hz around `hz` that falls by 60 dB in `seconds`.
    fn new(hiss: Hiss, hz: f32, width: f32, level: f32, seconds: f32) -> Self {
        Self {
            hiss,
            colour: Resonance::at(hz, width),
            level,
            keep: decay(seconds),
            now: 0.0,
        }
    }
}

struct Glide {
    phase: Phase,
    from_hz: f32,
    to_hz: f32,
    /// How much of the way is left after a sample.
    pace: f32,
    way: f32,
    keep: f32,
    now: f32,
}

impl Glide {
    /// A tone that reaches `to_hz` in about `seconds` and rings for `ring` seconds.
    fn new(from_hz: f32, to_hz: f32, seconds: f32, ring: f32) -> Self {
        Self {
            phase: Phase(0.0),
            from_hz,
            to_hz,
            pace: decay(seconds),
            way: 0.0,
            keep: decay(ring),
            now: 0.0,
        }
    }
}

impl Struck {
    fn at(mut self, mut beats: Beats) -> Box<dyn Voice> {
        Box::new(move || {
            if let Some(beat) = beats.step() {
                self.strike(beat.force);
            }
            self.next()
        })
    }

    fn strike(&mut self, force: f32) {
        self.count += 1;
        let is_tock = self.count.is_multiple_of(2);
        let force = force * if is_tock { self.tock } else { 1.0 };
        for mode in &mut self.modes {
            mode.strike(force);
        }
        self.burst.now = force;
        if let Some(glide) = &mut self.glide {
            (glide.now, glide.way, glide.phase) = (force, 1.0, Phase(0.0));
        }
    }

    fn next(&mut self) -> f32 {
        let mut sum: f32 = self.modes.iter_mut().map(Mode::next).sum();
        if self.burst.now > 1e-4 {
            let noise = self.burst.hiss.next() * self.burst.now;
            sum += self.burst.colour.next(noise) * self.burst.level;
            self.burst.now *= self.burst.keep;
        }
        if let Some(glide) = &mut self.glide {
            let hz = glide.to_hz + (glide.from_hz - glide.to_hz) * glide.way;
            sum += glide.phase.sine(hz) * glide.now;
            glide.way *= glide.pace;
            glide.now *= glide.keep;
        }
        sum * self.level
    }
}

/// A drum: a falling tone, inharmonic modes of the skin, a rattle.
pub fn drum(beats: Beats, rng: &mut Rng) -> Box<dyn Voice> {
    let hz: f32 = 60.0 * (4.0_f32).powf(rng.random_range(0.0..1.0));
    let ring = rng.random_range(0.15..0.5);
    let mode = |ratio| Mode::new(hz * ratio, ring * 0.6, rng.random_range(0.05..0.3));
    Struck {
        modes: [1.593, 2.136, 2.653].map(mode).into(),
        burst: Burst::new(
            Hiss::draw(rng),
            rng.random_range(900.0..4_000.0),
            2_500.0,
            rng.random_range(0.1..1.2),
            rng.random_range(0.03..0.25),
        ),
        glide: Some(Glide::new(hz * rng.random_range(1.3..2.5), hz, 0.12, ring)),
        tock: rng.random_range(0.6..1.0),
        count: rng.random_range(0..2),
        level: 0.65,
    }
    .at(beats)
}

/// Rubber on a floor: a short rising tone, and the air inside that pings.
pub fn ball(beats: Beats, rng: &mut Rng) -> Box<dyn Voice> {
    let hz: f32 = rng.random_range(260.0..620.0);
    let ring: f32 = rng.random_range(0.1..0.22);
    let ping: f32 = rng.random_range(3.1..4.3);
    Struck {
        modes: vec![
            Mode::new(hz * ping, ring * 1.5, rng.random_range(0.15..0.5)),
            Mode::new(hz * ping * 1.71, ring, rng.random_range(0.05..0.25)),
        ],
        burst: Burst::new(
            Hiss::draw(rng),
            rng.random_range(300.0..900.0),
            600.0,
            rng.random_range(0.2..0.6),
            0.03,
        ),
        glide: Some(Glide::new(
            hz,
            hz * rng.random_range(1.5..2.2),
            rng.random_range(0.2..0.5),
            ring,
        )),
        tock: 1.0,
        count: 0,
        level: 0.95,
    }
    .at(beats)
}

/// Bronze: many inharmonic modes that ring long, high ones shorter.
pub fn bell(beats: Beats, rng: &mut Rng) -> Box<dyn Voice> {
    const RATIOS: [f32; 7] = [0.5, 1.0, 1.19, 1.5, 2.0, 2.74, 3.76];
    let hz = 330.0 * (4.0_f32).powf(rng.random_range(0.0..1.0));
    let ring: f32 = rng.random_range(0.8..2.5);
    let bright = rng.random_range(0.4..1.0_f32);
    let mode = |ratio: f32| {
        let off: f32 = rng.random_range(0.99..1.01);
        let weight = 0.5 * bright.powf(ratio - 0.5);
        Mode::new(hz * ratio * off, ring / ratio.max(0.7), weight)
    };
    Struck {
        modes: RATIOS.map(mode).into(),
        burst: Burst::new(
            Hiss::draw(rng),
            5_000.0,
            4_000.0,
            rng.random_range(0.05..0.3),
            0.02,
        ),
        glide: None,
        tock: rng.random_range(0.7..1.0),
        count: 0,
        level: 0.5,
    }
    .at(beats)
}

/// Clockwork: very short clicks in pairs, high and a little less high.
pub fn clock(beats: Beats, rng: &mut Rng) -> Box<dyn Voice> {
    let hz: f32 = rng.random_range(1_800.0..4_500.0);
    let ring: f32 = rng.random_range(0.015..0.05);
    Struck {
        modes: vec![
            Mode::new(hz, ring, 0.8),
            Mode::new(hz * rng.random_range(1.3..1.6), ring, 0.5),
            Mode::new(hz * rng.random_range(0.25..0.4), ring * 1.5, 0.3),
        ],
        burst: Burst::new(
            Hiss::draw(rng),
            rng.random_range(3_000.0..8_000.0),
            3_000.0,
            rng.random_range(0.3..1.0),
            0.012,
        ),
        glide: None,
        tock: rng.random_range(0.35..0.8),
        count: rng.random_range(0..2),
        level: 1.7,
    }
    .at(beats)
}
