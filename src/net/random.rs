//! Random weights that are the same on every machine.
//!
//! Belongs here: the generator, simple enough to be reimplemented elsewhere
//! (`tests/oracle/golden.py` does so in numpy). Training starts from the same weights
//! with batch norm as the identity and zero biases.
//!
//! Value `i` of the tensor `name` under `seed`:
//!
//! ```text
//! key  = mix(seed XOR fnv1a(name))
//! u    = (mix(key + (i + 1) * 0x9E3779B97F4A7C15) >> 40) / 2^24      in [0, 1)
//! s    = 2 u - 1                                     exact in single precision
//! ```
//!
//! where `mix` is the finaliser of splitmix64, all in wrapping 64-bit
//! arithmetic. Then, in single precision:
//!
//! | tensor | value |
//! |---|---|
//! | `conv*.weight` | `s · sqrt(6 / fan_in)` (He et al., uniform) |
//! | `fc*.weight` | `s · sqrt(1 / fan_in)`: with more, softmax saturates |
//! | `conv*.bias`, `fc*.bias` | `0.05 s` |
//! | `bn*.weight`, `bn*.running_var` | `1 + 0.2 s`, `1 + 0.5 s` |
//! | `bn*.bias`, `bn*.running_mean` | `0.1 s`, `0.2 s` |

use super::layout::TensorSpec;
use crate::hash::{fnv1a, mix};
use l3net_data::floats;

/// The values of one tensor.
pub(super) fn values(seed: u64, slot: &TensorSpec) -> Vec<f32> {
    let (offset, scale) = spread(slot);
    let key = mix(seed ^ fnv1a(slot.name.as_bytes()));
    floats::uniform(key, slot.len(), offset, scale)
}

/// The values of one tensor before training: only weights are random.
pub(crate) fn initial_values(seed: u64, slot: &TensorSpec) -> Vec<f32> {
    let norm = slot.name.contains(".bn");
    match slot.name.rsplit_once('.') {
        Some((_, "weight")) if !norm => values(seed, slot),
        Some((_, "weight" | "running_var")) => vec![1.0; slot.len()],
        _ => vec![0.0; slot.len()],
    }
}

fn spread(slot: &TensorSpec) -> (f32, f32) {
    let (_, tensor) = slot.name.rsplit_once('.').unwrap_or_default();
    let norm = slot.name.contains(".bn");
    match tensor {
        "weight" if norm => (1.0, 0.2),
        "running_var" => (1.0, 0.5),
        "bias" if norm => (0.0, 0.1),
        "running_mean" => (0.0, 0.2),
        "weight" => {
            let fan_in: usize = slot.shape.iter().skip(1).product();
            let gain = if slot.name.contains(".conv") {
                6.0
            } else {
                1.0
            };
            (0.0, (gain / fan_in as f64).sqrt() as f32)
        }
        _ => (0.0, 0.05),
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::Variant;
    use super::*;

    #[test]
    fn weights_have_the_variance_of_he_initialisation() {
        let slot = (Variant::PAPER.layout().into_iter())
            .find(|s| s.name == "audio.conv4_2.weight")
            .expect("a layer of the network");
        let values = values(7, &slot);
        let mean_square: f64 =
            values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / values.len() as f64;
        let expected = 2.0 / (512.0 * 9.0);
        assert!((mean_square / expected - 1.0).abs() < 0.01);
    }
}
