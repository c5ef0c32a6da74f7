//! The camera: gain, gamma, lift and grain of the whole picture.

use rand::RngExt;

use crate::corpus::{Rng, rng};

/// Side of the tile of grain.
pub const TILE: usize = 128;

/// What the camera does to the colours of the whole picture.
#[derive(Clone, Debug)]
pub struct Grade {
    gain: f32,
    gamma: f32,
    lift: f32,
    /// Of the noise, in shades.
    grain: f32,
    seed: u64,
}

impl Grade {
    /// Mostly slight changes.
    pub fn draw(rng: &mut Rng) -> Self {
        let strong = if rng.random_bool(0.3) { 1.0 } else { 0.3 };
        Self {
            gain: 1.0 + strong * rng.random_range(-0.35..0.2),
            gamma: (strong * rng.random_range(-0.4..0.4_f32)).exp(),
            lift: strong * rng.random_range(0.0..0.15),
            grain: if rng.random_bool(0.4) {
                rng.random_range(0.0..14.0)
            } else {
                0.0
            },
            seed: rng.random(),
        }
    }

    /// The graded value of each channel value.
    pub fn table(&self) -> [u8; 256] {
        std::array::from_fn(|i| {
            let value = (i as f32 / 255.0).powf(self.gamma) * self.gain;
            ((self.lift + (1.0 - self.lift) * value) * 255.0).clamp(0.0, 255.0) as u8
        })
    }

    /// Grain of [`TILE`] × [`TILE`] pixels, row by row; empty without grain.
    pub fn tile(&self) -> Vec<i16> {
        if self.grain < 0.5 {
            return Vec::new();
        }
        let mut rng = rng(self.seed, 0, 0);
        (0..TILE * TILE)
            .map(|_| {
                let bytes = rng.random::<u32>().to_le_bytes();
                let sum: i32 = bytes.iter().map(|b| i32::from(*b) - 128).sum();
                (sum as f32 / 148.0 * self.grain) as i16
            })
            .collect()
    }
}
