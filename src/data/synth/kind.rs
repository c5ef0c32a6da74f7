//! The built-in kinds of things: a look and a sound of their own, from no file.
//!
//! A new kind is a function in `look`, a function in `voice` and an entry of
//! [`KINDS`].

use std::ops::Range;

use super::look::{Paint, machines, natural, percussion};
use super::rhythm::Rhythm;
use super::voice::{Beats, Voice, plucked, steady, struck, sung};
use crate::corpus::Rng;

/// A built-in class.
#[derive(Debug)]
pub struct ThingKind {
    /// The name of the class.
    pub name: &'static str,
    /// Seconds from beat to beat. Under a second: every second of a sounding thing
    /// has a beat in it.
    pub period_s: Range<f64>,
    /// How often it moves by bouncing, 0 to 1.
    pub bounces: f64,
    /// Degrees by which it is turned at most, either way.
    pub max_angle: f64,
    /// Opens and closes with its sound, instead of being struck.
    pub sings: bool,
    /// Paints it.
    pub paint: Paint,
    voice: fn(Beats, &mut Rng) -> Box<dyn Voice>,
}

impl ThingKind {
    const fn new(
        name: &'static str,
        period_s: Range<f64>,
        paint: Paint,
        voice: fn(Beats, &mut Rng) -> Box<dyn Voice>,
    ) -> Self {
        Self {
            name,
            period_s,
            bounces: BOUNCES,
            max_angle: MAX_ANGLE,
            sings: false,
            paint,
            voice,
        }
    }

    /// A voice of this kind, struck in this rhythm, that starts at `start_s`.
    pub fn voice(&self, rhythm: &Rhythm, start_s: f64, rng: &mut Rng) -> Box<dyn Voice> {
        (self.voice)(Beats::new(rhythm.clone(), start_s), rng)
    }
}

/// How often a thing bounces that is no ball.
pub const BOUNCES: f64 = 0.12;
/// Degrees by which a thing is turned that is no ball.
pub const MAX_ANGLE: f64 = 25.0;
/// Seconds from beat to beat of a thing without a beat of its own.
pub const PERIOD_S: Range<f64> = 0.3..0.8;

/// All of them, in the order of their names.
pub static KINDS: [ThingKind; 12] = [
    ThingKind {
        bounces: 0.8,
        max_angle: 180.0,
        ..ThingKind::new("ball", 0.35..0.7, percussion::ball, struck::ball)
    },
    ThingKind::new("bell", 0.4..0.8, percussion::bell, struck::bell),
    ThingKind::new("bird", 0.2..0.7, natural::bird, sung::bird),
    ThingKind::new("car", PERIOD_S, machines::car, steady::engine),
    ThingKind::new("clock", 0.2..0.55, machines::clock, struck::clock),
    ThingKind::new("cloud", PERIOD_S, natural::cloud, steady::rain),
    ThingKind::new("drum", 0.15..0.6, percussion::drum, struck::drum),
    ThingKind::new("fan", PERIOD_S, machines::fan, steady::fan),
    ThingKind::new("guitar", 0.12..0.5, percussion::guitar, plucked::guitar),
    ThingKind::new("kettle", PERIOD_S, machines::kettle, steady::kettle),
    ThingKind {
        sings: true,
        ..ThingKind::new("mouth", 0.2..0.6, natural::mouth, sung::mouth)
    },
    ThingKind::new("siren", PERIOD_S, machines::siren, steady::siren),
];
