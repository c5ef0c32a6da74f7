//! Grounds without things: gradients, stripes, checks, dots, noise, warped and
//! mixed.

use rand::RngExt;

use super::look::hsv;
use crate::corpus::{Rng, rng};

/// Length of the line of grit.
const GRIT: usize = 1_024;
/// Patterns are far from 0, so that all of their places are above it.
const FAR: f32 = 16.0;

/// A pattern in a few colours. Its measures are shares of the picture's short
/// side, so that it looks the same at any size.
#[derive(Clone, Debug)]
pub struct Texture {
    pattern: Pattern,
    /// Degrees by which the pattern is turned, as sine and cosine.
    turn: (f32, f32),
    offset: [f32; 2],
    /// Repeats along the short side.
    repeats: f32,
    noise: FractalNoise,
    /// How much the noise bends the pattern.
    warp: f32,
    /// How much fine noise lies on it, in shades.
    grit: f32,
    shades: Vec<[f32; 3]>,
    stepped: bool,
}

#[derive(Clone, Copy, Debug)]
enum Pattern {
    Linear,
    Radial,
    Stripes,
    Checks,
    Dots,
    Plaid,
    Noise,
}

/// Noise of several octaves.
#[derive(Clone, Debug)]
struct FractalNoise {
    /// Size of the largest cell.
    cell: f32,
    octaves: u32,
    /// Each octave against the one before.
    gain: f32,
    seed: u64,
}

impl Texture {
    /// Any texture.
    pub fn draw(rng: &mut Rng) -> Self {
        let pattern = match rng.random_range(0..10) {
            0 => Pattern::Linear,
            1 => Pattern::Radial,
            2 => Pattern::Stripes,
            3 => Pattern::Checks,
            4 => Pattern::Dots,
            5 => Pattern::Plaid,
            _ => Pattern::Noise,
        };
        let hue: f32 = rng.random_range(0.0..1.0);
        let spread = rng.random_range(0.02..0.5);
        let mut shades: Vec<[f32; 3]> = (0..rng.random_range(2..6))
            .map(|_| {
                let hue = hue + rng.random_range(-spread..spread);
                let colour = hsv(hue, rng.random_range(0.0..0.9), rng.random_range(0.05..1.0));
                [colour.red(), colour.green(), colour.blue()].map(|v| v * 255.0)
            })
            .collect();
        let calm = rng.random_range(0.0..0.7);
        let first = shades[0];
        for shade in &mut shades {
            for (value, first) in shade.iter_mut().zip(first) {
                *value += calm * (first - *value);
            }
        }
        Self {
            pattern,
            turn: rng.random_range(0.0..std::f32::consts::TAU).sin_cos(),
            offset: [rng.random_range(0.0..1.0), rng.random_range(0.0..1.0)],
            repeats: 2.0 * 8.0_f32.powf(rng.random_range(0.0..1.0)),
            noise: FractalNoise {
                cell: 0.7 * 0.1_f32.powf(rng.random_range(0.0..1.0)),
                octaves: rng.random_range(1..5),
                gain: rng.random_range(0.35..0.75),
                seed: rng.random(),
            },
            warp: rng.random_range(0.0..0.8) * f32::from(u8::from(rng.random_bool(0.6))),
            grit: rng.random_range(0.0..0.12),
            shades,
            stepped: rng.random_bool(0.2),
        }
    }

    /// Paints it, red, green, blue and an alpha of 255 for each pixel.
    pub fn paint(&self, width: usize, height: usize, rgba: &mut [u8]) {
        let short = width.min(height) as f32;
        let uses_noise = self.warp > 0.0 || matches!(self.pattern, Pattern::Noise);
        let noise = if uses_noise {
            self.noise.field(width, height, short)
        } else {
            vec![0.5; width * height]
        };
        let table = self.table();
        let grit: Vec<f32> = {
            let mut rng = rng(self.noise.seed, 1, 0);
            let max = self.grit * 255.0;
            (0..width + GRIT)
                .map(|_| rng.random_range(-0.5..0.5) * max)
                .collect()
        };
        let mut values = vec![0.0; width];
        let rows = rgba
            .chunks_exact_mut(width * 4)
            .zip(noise.chunks_exact(width));
        for (y, (pixels, noise)) in rows.enumerate() {
            self.values(y as f32 / short - 0.5, 1.0 / short, noise, &mut values);
            // The same grit for each row, from another place on.
            let grit = &grit[y * 193 % GRIT..];
            for (pixel, (value, grit)) in pixels.chunks_exact_mut(4).zip(values.iter().zip(grit)) {
                let at = (value * 255.0 + grit).clamp(0.0, 255.0) as usize;
                pixel.copy_from_slice(&table[at]);
            }
        }
    }

    /// The pattern along a row. One loop for each pattern: the compiler makes
    /// something quick of them.
    fn values(&self, y: f32, step: f32, noise: &[f32], out: &mut [f32]) {
        let (sin, cos) = self.turn;
        let (u0, v0) = (
            y * sin + self.offset[0] + FAR,
            y * cos + self.offset[1] + FAR,
        );
        let (warp, repeats) = (self.warp, self.repeats);
        let row = Row {
            from: (u0 - 0.5 * cos, v0 + 0.5 * sin),
            step: (step * cos, -step * sin),
            noise,
            warp,
        };
        let middle = FAR + 0.5;
        match self.pattern {
            Pattern::Noise => out.copy_from_slice(noise),
            Pattern::Linear => row.fill(out, |u, _, bend| (u - FAR) * 0.7 + bend),
            Pattern::Radial => row.fill(out, |u, v, bend| {
                let (a, b) = (u - middle, v - middle);
                (a * a + b * b).sqrt() + bend
            }),
            Pattern::Stripes => row.fill(out, |u, _, bend| wave(u * repeats + bend * 2.0)),
            Pattern::Plaid => row.fill(out, |u, v, bend| {
                0.5 * (wave(u * repeats + bend) + wave(v * repeats + bend))
            }),
            Pattern::Checks => row.fill(out, |u, v, bend| {
                let (a, b) = (u * repeats + bend * 2.0, v * repeats + bend * 2.0);
                ((a as i32 ^ b as i32) & 1) as f32
            }),
            Pattern::Dots => row.fill(out, |u, v, bend| {
                let (a, b) = (
                    rest(u * repeats + bend) - 0.5,
                    rest(v * repeats + bend) - 0.5,
                );
                ((0.35 - (a * a + b * b).sqrt()) * 8.0).clamp(0.0, 1.0)
            }),
        }
    }

    fn table(&self) -> [[u8; 4]; 256] {
        let last = self.shades.len() - 1;
        std::array::from_fn(|i| {
            let place = i as f32 / 255.0 * last as f32;
            let place = if self.stepped { place.round() } else { place };
            let below = (place as usize).min(last - 1);
            let way = place - below as f32;
            let mut pixel = [255; 4];
            for (channel, value) in pixel.iter_mut().take(3).enumerate() {
                let (a, b) = (self.shades[below][channel], self.shades[below + 1][channel]);
                *value = (a + (b - a) * way) as u8;
            }
            pixel
        })
    }
}

/// A row of pixels in the pattern's own directions.
struct Row<'a> {
    from: (f32, f32),
    step: (f32, f32),
    noise: &'a [f32],
    warp: f32,
}

impl Row<'_> {
    fn fill(&self, out: &mut [f32], value: impl Fn(f32, f32, f32) -> f32) {
        for (x, (out, noise)) in out.iter_mut().zip(self.noise).enumerate() {
            let x = x as f32;
            let (u, v) = (self.from.0 + x * self.step.0, self.from.1 + x * self.step.1);
            *out = value(u, v, self.warp * (noise - 0.5));
        }
    }
}

/// What is left without the whole part; `x` is above 0.
fn rest(x: f32) -> f32 {
    x - (x as i32) as f32
}

/// Up and down once from whole number to whole number, with flat ends.
fn wave(x: f32) -> f32 {
    ((0.5 - (rest(x) - 0.5).abs()) * 4.0 - 0.5).clamp(0.0, 1.0)
}

impl FractalNoise {
    /// Values about 0 to 1, row by row.
    fn field(&self, width: usize, height: usize, short: f32) -> Vec<f32> {
        let mut field = vec![0.0; width * height];
        let (mut cell, mut weight, mut sum) = (self.cell * short, 1.0, 0.0);
        for octave in 0..self.octaves {
            if cell < 1.5 {
                break;
            }
            self.add_octave(u64::from(octave), cell, weight, width, &mut field);
            sum += weight;
            weight *= self.gain;
            cell *= 0.5;
        }
        // Octaves level each other out; more of them need more contrast.
        let contrast = 1.0 + 0.25 * self.octaves as f32;
        for value in &mut field {
            *value = 0.5 + contrast * (*value / sum - 0.5);
        }
        field
    }

    fn add_octave(&self, octave: u64, cell: f32, weight: f32, width: usize, field: &mut [f32]) {
        let columns = (width as f32 / cell) as usize + 2;
        let lattice = |row: usize| -> Vec<f32> {
            let mut rng = rng(self.seed, 2 + octave, row as u64);
            (0..columns).map(|_| rng.random_range(0.0..1.0)).collect()
        };
        let along: Vec<(usize, f32)> = (0..width).map(|x| split(x as f32 / cell)).collect();
        let (mut row, mut above, mut below) = (0, lattice(0), lattice(1));
        let mut between = vec![0.0; columns];
        for (y, line) in field.chunks_exact_mut(width).enumerate() {
            let (at, way) = split(y as f32 / cell);
            while row < at {
                row += 1;
                above = std::mem::replace(&mut below, lattice(row + 1));
            }
            for (value, (a, b)) in between.iter_mut().zip(above.iter().zip(&below)) {
                *value = weight * (a + (b - a) * way);
            }
            for (value, (i, way)) in line.iter_mut().zip(&along) {
                *value += between[*i] + (between[i + 1] - between[*i]) * way;
            }
        }
    }
}

/// The whole part, and the rest on a smooth step.
fn split(x: f32) -> (usize, f32) {
    let whole = x as usize;
    let rest = x - whole as f32;
    (whole, rest * rest * (3.0 - 2.0 * rest))
}
