//! Colours, lines and proportions: what varies within a kind.

use std::ops::Range;

use rand::RngExt;
use tiny_skia::Color;

use crate::corpus::{Rng, hash, rng};

/// What a part is painted with; which colour that is, the style says.
#[derive(Clone, Copy, Debug)]
pub enum Ink {
    /// The body.
    Main,
    /// Large parts that set themselves off from it.
    Second,
    /// Small parts.
    Accent,
    /// Lines, holes.
    Dark,
    /// Lights, teeth, skins.
    Light,
}

/// How a thing is painted.
#[derive(Clone, Debug)]
pub struct Style {
    inks: [Color; 5],
    /// Line around each part, in hundredths of the box; none if 0.
    pub outline: f32,
    /// It gets darker to one side.
    pub shaded: bool,
}

impl Style {
    /// A style of one of four families: flat, outlined, shaded, two colours only.
    pub fn draw(rng: &mut Rng) -> Self {
        let [main, second, accent] = colours(rng);
        let dark = shade(main, rng.random_range(0.05..0.3));
        let light = tint(main, rng.random_range(0.7..0.97));
        let mut inks = [main, second, accent, dark, light];
        let family = rng.random_range(0..10);
        if family >= 8 {
            // A sign: every part is of the one colour or of the other.
            let (a, b) = if rng.random_bool(0.5) {
                (light, dark)
            } else {
                (main, light)
            };
            inks = [a, a, b, b, a];
        }
        let outline = match family {
            0..3 => 0.0,
            8.. => rng.random_range(0.0..3.0),
            _ => rng.random_range(1.5..5.0),
        };
        Self {
            inks,
            outline,
            shaded: matches!(family, 2..6),
        }
    }

    /// The colour of an ink.
    pub fn colour(&self, ink: Ink) -> Color {
        self.inks[ink as usize]
    }
}

/// Three distinguishable colours of any hue.
fn colours(rng: &mut Rng) -> [Color; 3] {
    let hue: f32 = rng.random_range(0.0..1.0);
    let grey = rng.random_bool(0.15);
    let mut one = |hue: f32| {
        let saturation = if grey {
            0.05
        } else {
            rng.random_range(0.25..1.0)
        };
        hsv(hue, saturation, rng.random_range(0.3..1.0))
    };
    let (main, mut second, accent) = (one(hue), one(hue + 0.35), one(hue + 0.62));
    if (luminance(main) - luminance(second)).abs() < 0.15 {
        let away = if luminance(main) > 0.5 { shade } else { tint };
        second = away(second, 0.5);
    }
    [main, second, accent]
}

/// A colour from hue, saturation and value, each 0 to 1; the hue goes round.
pub fn hsv(hue: f32, saturation: f32, value: f32) -> Color {
    let part = |shift: f32| {
        let at = ((hue + shift).rem_euclid(1.0) * 6.0 - 3.0).abs() - 1.0;
        let pure = at.clamp(0.0, 1.0);
        (value * (1.0 - saturation * (1.0 - pure))).clamp(0.0, 1.0)
    };
    Color::from_rgba(part(0.0), part(2.0 / 3.0), part(1.0 / 3.0), 1.0).unwrap_or(Color::BLACK)
}

/// Towards black: `left` of the colour stays.
pub fn shade(colour: Color, left: f32) -> Color {
    mix(Color::BLACK, colour, left)
}

/// Towards white by `way`.
pub fn tint(colour: Color, way: f32) -> Color {
    mix(colour, Color::WHITE, way)
}

fn mix(a: Color, b: Color, way: f32) -> Color {
    let part = |a: f32, b: f32| (a + (b - a) * way).clamp(0.0, 1.0);
    Color::from_rgba(
        part(a.red(), b.red()),
        part(a.green(), b.green()),
        part(a.blue(), b.blue()),
        part(a.alpha(), b.alpha()),
    )
    .unwrap_or(a)
}

fn luminance(colour: Color) -> f32 {
    0.3 * colour.red() + 0.6 * colour.green() + 0.1 * colour.blue()
}

/// The proportions of one thing, by name: a measure is the same at each call, and
/// does not depend on the others.
#[derive(Clone, Debug)]
pub struct Variation(u64);

impl Variation {
    /// Another thing of the kind.
    pub fn draw(rng: &mut Rng) -> Self {
        Self(rng.random())
    }

    fn rng(&self, name: &str) -> Rng {
        rng(hash(self.0, name), 0, 0)
    }

    /// A measure.
    pub fn value(&self, name: &str, range: Range<f32>) -> f32 {
        self.rng(name).random_range(range)
    }

    /// A number of parts.
    pub fn count(&self, name: &str, range: Range<usize>) -> usize {
        self.rng(name).random_range(range)
    }

    /// Whether it has a part.
    pub fn has(&self, name: &str, often: f64) -> bool {
        self.rng(name).random_bool(often)
    }
}
