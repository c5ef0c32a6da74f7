//! Things that sound on and on: fans, engines, sirens, rain, kettles.

use std::f32::consts::TAU;

use rand::RngExt;

use super::Voice;
use super::filters::{Hiss, LowPass, Phase, RATE, Resonance};
use crate::corpus::Rng;

/// Air that is chopped by blades, and the hum of a motor.
pub struct Fan {
    air: Hiss,
    colour: [Resonance; 2],
    blade: Phase,
    blade_hz: f32,
    depth: f32,
    hum: Phase,
    hum_hz: f32,
    hum_level: f32,
}

impl Fan {
    /// A fan with its own speed.
    pub fn draw(rng: &mut Rng) -> Self {
        Self {
            air: Hiss::draw(rng),
            colour: [
                Resonance::at(rng.random_range(350.0..800.0), 400.0),
                Resonance::at(rng.random_range(900.0..2_200.0), 900.0),
            ],
            blade: Phase(rng.random_range(0.0..1.0)),
            blade_hz: rng.random_range(9.0..28.0),
            depth: rng.random_range(0.5..0.95),
            hum: Phase(0.0),
            hum_hz: rng.random_range(95.0..240.0),
            hum_level: rng.random_range(0.02..0.1),
        }
    }
}

impl Voice for Fan {
    fn render(&mut self, out: &mut [f32]) {
        for sample in out {
            let air = self.air.next();
            let [a, b] = &mut self.colour;
            let air = a.next(air) + 0.6 * b.next(air);
            let chop = 0.5 + 0.5 * self.blade.sine(self.blade_hz);
            let gate = 1.0 - self.depth * (1.0 - chop * chop);
            let turn = self.hum.step(self.hum_hz);
            let hum = (TAU * turn).sin() + 0.5 * (2.0 * TAU * turn).sin();
            *sample = 1.5 * air * gate + self.hum_level * hum;
        }
    }
}

/// Explosions in a row through an exhaust, at a speed that comes and goes.
pub struct Engine {
    fire: Phase,
    idle_hz: f32,
    rev: Phase,
    rev_hz: f32,
    rev_depth: f32,
    uneven: f32,
    even: bool,
    push: f32,
    keep: f32,
    rough: Hiss,
    pipe: [Resonance; 3],
    muffler: LowPass,
}

impl Engine {
    /// An engine with its own size and exhaust.
    pub fn draw(rng: &mut Rng) -> Self {
        Self {
            fire: Phase(0.0),
            idle_hz: rng.random_range(24.0..75.0),
            rev: Phase(rng.random_range(0.0..1.0)),
            rev_hz: rng.random_range(0.1..0.8),
            rev_depth: rng.random_range(0.0..0.8),
            uneven: rng.random_range(0.5..1.0),
            even: false,
            push: 0.0,
            keep: (-1.0 / (rng.random_range(0.002..0.008_f32) * RATE)).exp(),
            rough: Hiss::draw(rng),
            pipe: [
                Resonance::at(rng.random_range(70.0..160.0), 60.0),
                Resonance::at(rng.random_range(220.0..420.0), 120.0),
                Resonance::at(rng.random_range(600.0..1_300.0), 400.0),
            ],
            muffler: LowPass::at(rng.random_range(250.0..1_000.0)),
        }
    }
}

impl Voice for Engine {
    fn render(&mut self, out: &mut [f32]) {
        for sample in out {
            let rev = 0.5 + 0.5 * self.rev.sine(self.rev_hz);
            let hz = self.idle_hz * (1.0 + self.rev_depth * rev);
            let before = self.fire.0;
            if self.fire.step(hz) + hz / RATE >= 1.0 || before == 0.0 {
                self.even = !self.even;
                self.push = if self.even { 1.0 } else { self.uneven };
            }
            let source = self.push * (0.6 + 0.8 * self.rough.next());
            self.push *= self.keep;
            let [a, b, c] = &mut self.pipe;
            let pipe = a.next(source) + 0.8 * b.next(source) + 0.6 * c.next(source);
            *sample = 1.4 * self.muffler.next(pipe + 0.1 * source);
        }
    }
}

/// A tone that goes up and down, or jumps.
pub struct Siren {
    tone: Phase,
    sway: Phase,
    low_hz: f32,
    high_hz: f32,
    sway_hz: f32,
    way: Way,
    horn: LowPass,
}

enum Way {
    Wail,
    Rise,
    TwoTone,
}

impl Siren {
    /// A siren with its own way.
    pub fn draw(rng: &mut Rng) -> Self {
        let low_hz = rng.random_range(350.0..800.0);
        let (way, sway_hz, span) = match rng.random_range(0..3) {
            0 => (Way::Wail, rng.random_range(0.3..1.2), 1.6..2.6),
            1 => (Way::Rise, rng.random_range(2.0..5.0), 1.5..2.4),
            _ => (Way::TwoTone, rng.random_range(0.8..1.8), 1.2..1.5),
        };
        Self {
            tone: Phase(0.0),
            sway: Phase(rng.random_range(0.0..1.0)),
            low_hz,
            high_hz: low_hz * rng.random_range(span),
            sway_hz,
            way,
            horn: LowPass::at(rng.random_range(900.0..4_000.0)),
        }
    }
}

impl Voice for Siren {
    fn render(&mut self, out: &mut [f32]) {
        for sample in out {
            let turn = self.sway.step(self.sway_hz);
            let up = match self.way {
                Way::Wail => 0.5 - 0.5 * (TAU * turn).cos(),
                Way::Rise => turn,
                Way::TwoTone => f32::from(u8::from(turn > 0.5)),
            };
            let hz = self.low_hz + (self.high_hz - self.low_hz) * up;
            let at = self.tone.step(hz);
            let square = if at < 0.5 { 1.0 } else { -1.0 };
            *sample = 0.14 * self.horn.next(square);
        }
    }
}

/// A rush of drops too many to tell apart, and some near enough to hear.
pub struct Rain {
    rush: Hiss,
    below: LowPass,
    above: LowPass,
    gust: Phase,
    gust_hz: f32,
    drops_per_s: f32,
    drop: Resonance,
    splash: f32,
    near: f32,
}

impl Rain {
    /// Rain of its own strength.
    pub fn draw(rng: &mut Rng) -> Self {
        Self {
            rush: Hiss::draw(rng),
            below: LowPass::at(rng.random_range(300.0..1_200.0)),
            above: LowPass::at(rng.random_range(4_000.0..12_000.0)),
            gust: Phase(rng.random_range(0.0..1.0)),
            gust_hz: rng.random_range(0.1..0.6),
            drops_per_s: rng.random_range(20.0..150.0),
            drop: Resonance::at(1_500.0, 300.0),
            splash: 0.0,
            near: rng.random_range(0.3..1.5),
        }
    }
}

impl Voice for Rain {
    fn render(&mut self, out: &mut [f32]) {
        for sample in out {
            let white = self.rush.next();
            let rush = self.above.next(white - self.below.next(white));
            let gust = 0.8 + 0.2 * self.gust.sine(self.gust_hz);
            if self.rush.chance() < self.drops_per_s / RATE {
                let hz = 1_200.0 + 3_800.0 * self.rush.chance();
                self.drop.tune(hz, 0.15 * hz);
                self.splash = 4.0 * self.near;
            }
            let drop = self.drop.next(self.splash);
            self.splash *= 0.9;
            *sample = 0.28 * rush * gust + 0.7 * drop;
        }
    }
}

/// Steam through a whistle: a high tone that wavers, and hiss.
pub struct Whistle {
    tone: Phase,
    hz: f32,
    waver: Phase,
    waver_hz: f32,
    waver_depth: f32,
    drift: Phase,
    second: f32,
    steam: Hiss,
    throat: Resonance,
    steam_level: f32,
}

impl Whistle {
    /// A kettle with its own pitch.
    pub fn draw(rng: &mut Rng) -> Self {
        let hz = rng.random_range(1_100.0..2_600.0);
        Self {
            tone: Phase(0.0),
            hz,
            waver: Phase(0.0),
            waver_hz: rng.random_range(5.0..14.0),
            waver_depth: rng.random_range(0.002..0.012),
            drift: Phase(rng.random_range(0.0..1.0)),
            second: rng.random_range(0.1..0.6),
            steam: Hiss::draw(rng),
            throat: Resonance::at(hz * rng.random_range(1.5..2.5), 2_500.0),
            steam_level: rng.random_range(0.1..0.4),
        }
    }
}

impl Voice for Whistle {
    fn render(&mut self, out: &mut [f32]) {
        for sample in out {
            let waver = self.waver_depth * self.waver.sine(self.waver_hz);
            let drift = 0.03 * self.drift.sine(0.3);
            let at = self.tone.step(self.hz * (1.0 + waver + drift));
            let tone = (TAU * at).sin() + self.second * (2.0 * TAU * at).sin();
            let steam = self.throat.next(self.steam.next());
            *sample = 0.11 * tone + self.steam_level * steam;
        }
    }
}
