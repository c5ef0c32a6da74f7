//! Cameras for tests: each has its own place in the space of features, and seconds that
//! vary around it.

use std::sync::Arc;

use rand::RngExt;

use super::camera::{Camera, Second};
use crate::corpus::{Rng, rng};
use crate::net::FEATURE;
use crate::pooled::Pooled;

/// `count` cameras with `seconds` seconds each. What varies within a camera is the same
/// strong direction for all, as a passing cloud would be; what tells them apart is weak.
pub fn cameras(count: usize, seconds: usize, seed: u64) -> Vec<Camera> {
    let mut random = rng(seed, 0, 0);
    let cloud = vector(&mut random, 3.0);
    (0..count)
        .map(|number| {
            let [vision, audio] = [vector(&mut random, 1.0), vector(&mut random, 1.0)];
            let mut camera = Camera::new(&format!("camera {number}"));
            for i in 0..seconds {
                let around = |place: &[f32], random: &mut Rng| -> Vec<f32> {
                    let strength: f32 = random.random_range(-1.0..1.0);
                    let noise = vector(random, 0.7);
                    let parts = place.iter().zip(&cloud).zip(&noise);
                    parts.map(|((p, c), n)| p + strength * c + n).collect()
                };
                camera.seconds.push(Second {
                    at_s: i as f64,
                    features: Arc::new(Pooled {
                        vision: around(&vision, &mut random),
                        audio: around(&audio, &mut random),
                    }),
                });
            }
            camera
        })
        .collect()
}

/// 512 values around 2, as pool4 has none below 0.
fn vector(random: &mut Rng, spread: f32) -> Vec<f32> {
    let one = |_| random.random_range(-spread..spread);
    (0..FEATURE).map(one).collect()
}
