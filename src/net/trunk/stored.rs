//! The layers of a trunk from a model's tensors.

use tch::{Kind, TchError, Tensor};

use l3net_data::floats;

use super::ConvBlock;
use crate::net::layout::{CHANNELS, Modality};
use crate::net::weights::Weights;

/// The tensors of one [`ConvBlock`] as a model stores them.
pub(super) struct StoredBlock<'a> {
    weights: &'a Weights,
    modality: Modality,
    name: String,
    channels_in: usize,
    channels: usize,
    stride: i64,
}

impl<'a> StoredBlock<'a> {
    pub fn of(weights: &'a Weights, modality: Modality, block: usize, number: usize) -> Self {
        let channels_in = match (block, number) {
            (1, 1) => modality.channels_in(),
            (_, 1) => CHANNELS[block - 2],
            _ => CHANNELS[block - 1],
        };
        let stride = match (block, number) {
            (1, 1) => i64::from(weights.conv1_stride().get()),
            _ => 1,
        };
        Self {
            weights,
            modality,
            name: format!("{block}_{number}"),
            channels_in,
            channels: CHANNELS[block - 1],
            stride,
        }
    }

    fn values(&self, layer: &str, tensor: &str) -> &'a [f32] {
        let layer = format!("{layer}{}", self.name);
        norm_values(self.weights, self.modality, &layer, tensor)
    }

    /// The convolution without a norm, its kernels times `gain`, with this bias.
    fn block(&self, gain: &[f64], bias: &[f32]) -> Result<ConvBlock, TchError> {
        let kernels = self.values("conv", "weight");
        let weight = floats::scaled_rows(kernels, self.channels_in * 9, gain);
        let shape = [self.channels as i64, self.channels_in as i64, 3, 3];
        Ok(ConvBlock {
            weight: Tensor::f_from_slice(&weight)?.f_reshape(shape)?,
            bias: Some(Tensor::f_from_slice(bias)?),
            stride: self.stride,
            kind: Kind::Float,
            norm: None,
        })
    }

    /// w' = w γ/σ and b' = (b − μ) γ/σ + β, in double precision.
    pub fn folded(&self) -> Result<ConvBlock, TchError> {
        let gain = gains(self.weights, self.modality, &format!("bn{}", self.name));
        let of = |layer, name| self.values(layer, name).iter().map(|&v| f64::from(v));
        let bias: Vec<f32> = of("conv", "bias")
            .zip(of("bn", "running_mean"))
            .zip(of("bn", "bias"))
            .zip(&gain)
            .map(|(((b, mean), beta), gain)| ((b - mean) * gain + beta) as f32)
            .collect();
        self.block(&gain, &bias)
    }

    /// As it is: no norm follows.
    pub fn plain(&self) -> Result<ConvBlock, TchError> {
        self.block(&vec![1.0; self.channels], self.values("conv", "bias"))
    }

    /// With the signs that [`LateNorm`] needs.
    pub fn with_signs_of_norm(&self) -> Result<ConvBlock, TchError> {
        let signs = signs_of_norm(self.weights);
        let bias = self.values("conv", "bias").iter().zip(&signs);
        let bias: Vec<f32> = bias.map(|(bias, sign)| bias * sign).collect();
        let gain: Vec<f64> = signs.into_iter().map(f64::from).collect();
        self.block(&gain, &bias)
    }
}

/// The sign of each gain of bn1_2 in OpenL3's vision trunk.
pub(super) fn signs_of_norm(weights: &Weights) -> Vec<f32> {
    let gains = gains(weights, Modality::Vision, "bn1_2");
    let sign = |gain: f64| if gain < 0.0 { -1.0 } else { 1.0 };
    gains.into_iter().map(sign).collect()
}

pub(super) fn norm_values<'a>(
    weights: &'a Weights,
    modality: Modality,
    layer: &str,
    tensor: &str,
) -> &'a [f32] {
    weights.tensor(&format!("{}.{layer}.{tensor}", modality.name()))
}

/// γ/σ of batch norm, in double precision.
pub(super) fn gains(weights: &Weights, modality: Modality, layer: &str) -> Vec<f64> {
    let of = |tensor| norm_values(weights, modality, layer, tensor).iter();
    let epsilon = weights.variant().trunks.bn_epsilon();
    of("weight")
        .zip(of("running_var"))
        .map(|(&gamma, &var)| f64::from(gamma) / (f64::from(var) + epsilon).sqrt())
        .collect()
}
