//! The few building blocks that the voices are made of. Each keeps its state
//! from sample to sample, so a voice sounds the same in blocks of any size.

use std::f32::consts::TAU;

use rand::RngExt;

use crate::corpus::Rng;
use crate::time::SAMPLE_RATE;

/// Samples in a second.
pub const RATE: f32 = SAMPLE_RATE as f32;

/// What a decaying thing keeps from one sample to the next if it falls by 60 dB
/// in `seconds`.
pub fn decay(seconds: f32) -> f32 {
    (-6.91 / (seconds.max(1e-3) * RATE)).exp()
}

/// White noise.
pub struct Hiss(Rng);

impl Hiss {
    /// Noise that begins anywhere.
    pub fn draw(rng: &mut Rng) -> Self {
        Self(crate::corpus::rng(rng.random(), 0, 0))
    }

    /// The next sample, evenly in `[-1, 1)`.
    pub fn next(&mut self) -> f32 {
        (self.0.random::<u32>() as i32) as f32 / 2_147_483_648.0
    }

    /// A number in `[0, 1)`.
    pub fn chance(&mut self) -> f32 {
        self.0.random_range(0.0..1.0)
    }
}

/// A low pass of 6 dB an octave.
#[derive(Clone, Copy, Default)]
pub struct LowPass {
    keep: f32,
    last: f32,
}

impl LowPass {
    /// A low pass with its corner at `hz`.
    pub fn at(hz: f32) -> Self {
        Self {
            keep: (-TAU * hz / RATE).exp(),
            last: 0.0,
        }
    }

    /// The filtered sample.
    pub fn next(&mut self, x: f32) -> f32 {
        self.last = x + self.keep * (self.last - x);
        self.last
    }
}

/// A resonance: a band pass with two poles, as loud at its centre as what goes in.
#[derive(Clone, Copy, Default)]
pub struct Resonance {
    a1: f32,
    a2: f32,
    gain: f32,
    y1: f32,
    y2: f32,
    x2: f32,
    x1: f32,
}

impl Resonance {
    /// A resonance at `hz` that is `width` Hz wide.
    pub fn at(hz: f32, width: f32) -> Self {
        let mut resonance = Self::default();
        resonance.tune(hz, width);
        resonance
    }

    /// Moves it; what rings in it keeps ringing.
    pub fn tune(&mut self, hz: f32, width: f32) {
        let r = (-std::f32::consts::PI * width / RATE).exp();
        self.a1 = 2.0 * r * (TAU * hz.min(0.45 * RATE) / RATE).cos();
        self.a2 = -r * r;
        self.gain = (1.0 - r * r) * 0.5;
    }

    /// The filtered sample.
    pub fn next(&mut self, x: f32) -> f32 {
        let y = self.gain * (x - self.x2) + self.a1 * self.y1 + self.a2 * self.y2;
        (self.x2, self.x1) = (self.x1, x);
        (self.y2, self.y1) = (self.y1, y);
        y
    }
}

/// A turning phase, 0 to 1.
#[derive(Clone, Copy, Default)]
pub struct Phase(pub f32);

impl Phase {
    /// Turns by one sample of `hz` and gives the phase from before.
    pub fn step(&mut self, hz: f32) -> f32 {
        let now = self.0;
        self.0 += hz / RATE;
        self.0 -= self.0.floor();
        now
    }

    /// A sine of `hz`.
    pub fn sine(&mut self, hz: f32) -> f32 {
        (TAU * self.step(hz)).sin()
    }
}

/// One way of a struck thing to ring: a decaying sine.
#[derive(Clone, Copy)]
pub struct Mode {
    re: f32,
    im: f32,
    cos: f32,
    sin: f32,
    weight: f32,
}

impl Mode {
    /// Rings at `hz` and falls by 60 dB in `seconds`.
    pub fn new(hz: f32, seconds: f32, weight: f32) -> Self {
        let (sin, cos) = (TAU * hz / RATE).sin_cos();
        let keep = decay(seconds);
        Self {
            re: 0.0,
            im: 0.0,
            cos: cos * keep,
            sin: sin * keep,
            weight,
        }
    }

    /// Strikes it.
    pub fn strike(&mut self, force: f32) {
        self.re += force * self.weight;
    }

    /// The next sample.
    pub fn next(&mut self) -> f32 {
        let (re, im) = (self.re, self.im);
        self.re = re * self.cos - im * self.sin;
        self.im = re * self.sin + im * self.cos;
        self.im
    }
}
