//! Things that are struck: drums, balls that bounce, bells, clocks.

use rand::RngExt;

use super::Voice;
use super::beats::Beats;
use super::filters::{Hiss, Mode, Phase, Resonance, decay};
use crate::corpus::Rng;

/// Modes that ring, a burst of noise at the stroke, and a tone that glides.
pub struct Struck {
    beats: Beats,
    modes: Vec<Mode>,
    burst: Burst,
    glide: Option<Glide>,
    /// The second of two strokes may be a little lower: tick, tock.
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

impl Voice for Struck {
    fn render(&mut self, out: &mut [f32]) {
        for sample in out {
            if let Some(beat) = self.beats.step() {
                self.count += 1;
                let force = beat.force
                    * if self.count.is_multiple_of(2) {
                        self.tock
                    } else {
                        1.0
                    };
                for mode in &mut self.modes {
                    mode.strike(force);
                }
                self.burst.now = force;
                if let Some(glide) = &mut self.glide {
                    (glide.now, glide.way, glide.phase) = (force, 1.0, Phase(0.0));
                }
            }
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
            *sample = sum * self.level;
        }
    }
}

/// A skin: a tone that falls, a few modes that are no harmonics, a rattle.
pub fn drum(beats: Beats, rng: &mut Rng) -> Struck {
    let hz: f32 = 60.0 * (4.0_f32).powf(rng.random_range(0.0..1.0));
    let ring = rng.random_range(0.15..0.5);
    let modes = [1.593, 2.136, 2.653]
        .iter()
        .map(|ratio| Mode::new(hz * ratio, ring * 0.6, rng.random_range(0.05..0.3)))
        .collect();
    Struck {
        beats,
        modes,
        burst: Burst {
            hiss: Hiss::draw(rng),
            colour: Resonance::at(rng.random_range(900.0..4_000.0), 2_500.0),
            level: rng.random_range(0.1..1.2),
            keep: decay(rng.random_range(0.03..0.25)),
            now: 0.0,
        },
        glide: Some(Glide {
            phase: Phase(0.0),
            from_hz: hz * rng.random_range(1.3..2.5),
            to_hz: hz,
            pace: decay(0.12),
            way: 0.0,
            keep: decay(ring),
            now: 0.0,
        }),
        tock: rng.random_range(0.6..1.0),
        count: rng.random_range(0..2),
        level: 0.65,
    }
}

/// Rubber on a floor: a short tone that rises, and the air inside that pings.
pub fn ball(beats: Beats, rng: &mut Rng) -> Struck {
    let hz = rng.random_range(260.0..620.0);
    let ring = rng.random_range(0.1..0.22);
    let ping = rng.random_range(3.1..4.3);
    Struck {
        beats,
        modes: vec![
            Mode::new(hz * ping, ring * 1.5, rng.random_range(0.15..0.5)),
            Mode::new(hz * ping * 1.71, ring, rng.random_range(0.05..0.25)),
        ],
        burst: Burst {
            hiss: Hiss::draw(rng),
            colour: Resonance::at(rng.random_range(300.0..900.0), 600.0),
            level: rng.random_range(0.2..0.6),
            keep: decay(0.03),
            now: 0.0,
        },
        glide: Some(Glide {
            phase: Phase(0.0),
            from_hz: hz,
            to_hz: hz * rng.random_range(1.5..2.2),
            pace: decay(rng.random_range(0.2..0.5)),
            way: 0.0,
            keep: decay(ring),
            now: 0.0,
        }),
        tock: 1.0,
        count: 0,
        level: 0.95,
    }
}

/// Bronze: many modes that are no harmonics and ring long, high ones shorter.
pub fn bell(beats: Beats, rng: &mut Rng) -> Struck {
    const RATIOS: [f32; 7] = [0.5, 1.0, 1.19, 1.5, 2.0, 2.74, 3.76];
    let hz = 330.0 * (4.0_f32).powf(rng.random_range(0.0..1.0));
    let ring = rng.random_range(0.8..2.5);
    let bright = rng.random_range(0.4..1.0_f32);
    let modes = RATIOS
        .iter()
        .map(|ratio| {
            let off = rng.random_range(0.99..1.01);
            let weight = 0.5 * bright.powf(ratio - 0.5);
            Mode::new(hz * ratio * off, ring / ratio.max(0.7), weight)
        })
        .collect();
    Struck {
        beats,
        modes,
        burst: Burst {
            hiss: Hiss::draw(rng),
            colour: Resonance::at(5_000.0, 4_000.0),
            level: rng.random_range(0.05..0.3),
            keep: decay(0.02),
            now: 0.0,
        },
        glide: None,
        tock: rng.random_range(0.7..1.0),
        count: 0,
        level: 0.5,
    }
}

/// Clockwork: very short clicks in pairs, high and a little less high.
pub fn clock(beats: Beats, rng: &mut Rng) -> Struck {
    let hz = rng.random_range(1_800.0..4_500.0);
    let ring = rng.random_range(0.015..0.05);
    Struck {
        beats,
        modes: vec![
            Mode::new(hz, ring, 0.8),
            Mode::new(hz * rng.random_range(1.3..1.6), ring, 0.5),
            Mode::new(hz * rng.random_range(0.25..0.4), ring * 1.5, 0.3),
        ],
        burst: Burst {
            hiss: Hiss::draw(rng),
            colour: Resonance::at(rng.random_range(3_000.0..8_000.0), 3_000.0),
            level: rng.random_range(0.3..1.0),
            keep: decay(0.012),
            now: 0.0,
        },
        glide: None,
        tock: rng.random_range(0.35..0.8),
        count: rng.random_range(0..2),
        level: 1.7,
    }
}
