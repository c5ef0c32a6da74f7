//! Batch norm that no convolution can take in: OpenL3's before conv1_1 and after the ReLU of
//! conv1_2.

use super::stored::{gains, norm_values, signs_of_norm};
use crate::net::layout::{Modality, TrunkKind};
use crate::net::weights::Weights;

/// Batch norm that is not folded into a convolution: `gain · x + shift` in each channel.
pub(super) struct Affine {
    pub gain: Vec<f32>,
    pub shift: Vec<f32>,
}

impl Affine {
    /// Of the input, in OpenL3's trunks.
    pub fn of_input(weights: &Weights, modality: Modality) -> Option<Self> {
        match weights.variant().trunks {
            TrunkKind::OpenL3 => Some(Self::of(weights, modality, "bn0")),
            TrunkKind::L3 => None,
        }
    }

    /// Of values whose channels are adjacent.
    pub fn apply(&self, values: &mut [f32]) {
        for pixel in values.chunks_exact_mut(self.gain.len()) {
            let norm = self.gain.iter().zip(&self.shift);
            for (value, (gain, shift)) in pixel.iter_mut().zip(norm) {
                *value = *value * gain + shift;
            }
        }
    }

    fn of(weights: &Weights, modality: Modality, layer: &str) -> Self {
        let values = |tensor: &str| norm_values(weights, modality, layer, tensor);
        let gain = gains(weights, modality, layer);
        let shift = (values("running_mean").iter().zip(values("bias")).zip(&gain))
            .map(|((&mean, &beta), gain)| (f64::from(beta) - f64::from(mean) * gain) as f32)
            .collect();
        Self {
            gain: gain.into_iter().map(|gain| gain as f32).collect(),
            shift,
        }
    }
}

/// Batch norm after a ReLU and before 2 × 2 pooling.
///
/// Pooling first has a quarter of the work. The maximum of `gain · relu(x) + shift` is
/// that of x, or where the gain is negative, of the least x: conv1_2 is computed with the
/// sign of the gain, and gets its own after pooling.
pub(super) struct LateNorm {
    pub norm: Affine,
    /// 1 or -1.
    pub signs: Vec<f32>,
}

impl LateNorm {
    /// Of conv1_2 in OpenL3's vision trunk.
    pub fn of(weights: &Weights, modality: Modality) -> Option<Self> {
        match (weights.variant().trunks, modality) {
            (TrunkKind::OpenL3, Modality::Vision) => Some(Self {
                norm: Affine::of(weights, modality, "bn1_2"),
                signs: signs_of_norm(weights),
            }),
            _ => None,
        }
    }
}
