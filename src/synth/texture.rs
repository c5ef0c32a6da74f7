//! Grounds without things: gradients, stripes, checks, dots, noise, warped and
//! mixed.

use rand::RngExt;

use super::look::hsv;
use crate::corpus::{Rng, rng};

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
    noise: Noise,
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
struct Noise {
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
            noise: Noise {
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
        let noise = self.noise.field(width, height, short);
        let table = self.table();
        let grit = rng(self.noise.seed, 1, 0).random::<[u32; 32]>();
        let (sin, cos) = self.turn;
        for y in 0..height {
            let fy = y as f32 / short - 0.5;
            let row = y * width..(y + 1) * width;
            let pixels = rgba[row.start * 4..row.end * 4].chunks_exact_mut(4);
            for (x, (pixel, n)) in pixels.zip(&noise[row]).enumerate() {
                let fx = x as f32 / short - 0.5;
                let bend = self.warp * (n - 0.5);
                let u = (fx * cos + fy * sin) + self.offset[0];
                let v = (fy * cos - fx * sin) + self.offset[1];
                let value = self.value(u, v, *n, bend);
                // Bits of a few words, mixed by place: fine and never still.
                let word = grit[(x ^ (y * 7)) & 31].rotate_left((x + 3 * y) as u32 & 31);
                let fine = (word & 255) as f32 / 255.0 - 0.5;
                let at = ((value + self.grit * fine) * 255.0).clamp(0.0, 255.0) as usize;
                pixel.copy_from_slice(&table[at]);
            }
        }
    }

    #[inline]
    fn value(&self, u: f32, v: f32, noise: f32, bend: f32) -> f32 {
        match self.pattern {
            Pattern::Noise => noise,
            Pattern::Linear => u * 0.7 + bend,
            Pattern::Radial => (u - 0.5).hypot(v - 0.5) + bend,
            Pattern::Stripes => wave(u * self.repeats + bend * 2.0),
            Pattern::Plaid => {
                let (a, b) = (u * self.repeats, v * self.repeats);
                0.5 * (wave(a + bend) + wave(b + bend))
            }
            Pattern::Checks => {
                let (a, b) = (u * self.repeats + bend * 2.0, v * self.repeats + bend * 2.0);
                let odd = (a.floor() as i32 ^ b.floor() as i32) & 1;
                odd as f32
            }
            Pattern::Dots => {
                let (a, b) = (u * self.repeats + bend, v * self.repeats + bend);
                let (a, b) = (a - a.floor() - 0.5, b - b.floor() - 0.5);
                ((0.35 - a.hypot(b)) * 8.0).clamp(0.0, 1.0)
            }
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

/// Up and down once from whole number to whole number, with flat ends.
fn wave(x: f32) -> f32 {
    let turn = x - x.floor();
    ((0.5 - (turn - 0.5).abs()) * 4.0 - 0.5).clamp(0.0, 1.0)
}

impl Noise {
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
