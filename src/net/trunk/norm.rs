//! Batch norm that no convolution can take in: OpenL3's before conv1_1 and after the ReLU of
//! conv1_2.

use tch::{Device, TchError, Tensor};

use super::max_pool;
use super::stored::{gains, norm_values, signs_of_norm};
use crate::net::layout::Modality;
use crate::net::weights::Weights;

/// Batch norm that is not folded into a convolution: `gain · x + shift` in each channel.
pub(super) struct Affine {
    gain: Tensor,  // [C, 1, 1]
    shift: Tensor, // [C, 1, 1]
}

impl Affine {
    pub fn of(
        weights: &Weights,
        modality: Modality,
        layer: &str,
        device: Device,
    ) -> Result<Self, TchError> {
        let values = |tensor: &str| norm_values(weights, modality, layer, tensor);
        let gain = gains(weights, modality, layer);
        let shift: Vec<f32> = (values("running_mean").iter().zip(values("bias")).zip(&gain))
            .map(|((&mean, &beta), gain)| (f64::from(beta) - f64::from(mean) * gain) as f32)
            .collect();
        let gain: Vec<f32> = gain.into_iter().map(|gain| gain as f32).collect();
        let channel = |values: &[f32]| {
            Tensor::f_from_slice(values)?
                .f_view([-1, 1, 1])?
                .f_to(device)
        };
        Ok(Self {
            gain: channel(&gain)?,
            shift: channel(&shift)?,
        })
    }

    /// In f32, whatever `x` is.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor, TchError> {
        x.f_mul(&self.gain)?.f_add_(&self.shift)
    }
}

/// Batch norm after a ReLU and before 2 × 2 pooling.
///
/// Pooling first has a quarter of the work. The maximum of `gain · relu(x) + shift` is
/// that of x, or where the gain is negative, of the least x: conv1_2 is computed with the
/// sign of the gain, and gets its own after pooling.
pub(super) struct LateNorm {
    norm: Affine,
    /// `[C, 1, 1]`, 1 or -1; `None` where all are 1.
    signs: Option<Tensor>,
}

impl LateNorm {
    pub fn of(weights: &Weights, norm: Affine, device: Device) -> Result<Self, TchError> {
        let signs = signs_of_norm(weights);
        let signs = match signs.iter().all(|sign| *sign > 0.0) {
            true => None,
            false => Some(
                Tensor::f_from_slice(&signs)?
                    .f_view([-1, 1, 1])?
                    .f_to(device)?,
            ),
        };
        Ok(Self { norm, signs })
    }

    /// From conv1_2 with the signs of the gains.
    pub fn pooled(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let kind = x.kind();
        let mut x = max_pool(x)?;
        if let Some(signs) = &self.signs {
            x = x.f_mul(signs)?;
        }
        self.norm.apply(&x.f_relu_()?)?.f_to_kind(kind)
    }
}
