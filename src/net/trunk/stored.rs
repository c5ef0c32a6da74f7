//! The layers of a trunk from a model's tensors.

use l3net_data::floats;

use crate::net::layout::{CHANNELS, Modality, TrunkKind};
use crate::net::weights::Weights;

/// A convolution for inference, its norm folded into it.
pub(super) struct Stored {
    /// `[channels, channels_in, 3, 3]`.
    pub kernels: Vec<f32>,
    /// `[channels]`.
    pub bias: Vec<f32>,
    pub channels_in: usize,
    pub channels: usize,
    pub stride: usize,
}

impl Stored {
    /// A convolution by its block and its number in the block.
    pub fn of(weights: &Weights, modality: Modality, block: usize, number: usize) -> Self {
        let stored = StoredBlock::of(weights, modality, block, number);
        match (weights.variant().trunks, block, number) {
            (TrunkKind::OpenL3, 4, 2) => stored.plain(),
            (TrunkKind::OpenL3, 1, 2) if modality == Modality::Vision => {
                stored.with_signs_of_norm()
            }
            _ => stored.folded(),
        }
    }
}

/// The tensors of one convolution and its norm as a model stores them.
struct StoredBlock<'a> {
    weights: &'a Weights,
    modality: Modality,
    name: String,
    channels_in: usize,
    channels: usize,
    stride: usize,
}

impl<'a> StoredBlock<'a> {
    fn of(weights: &'a Weights, modality: Modality, block: usize, number: usize) -> Self {
        let channels_in = match (block, number) {
            (1, 1) => modality.channels_in(),
            (_, 1) => CHANNELS[block - 2],
            _ => CHANNELS[block - 1],
        };
        let stride = match (block, number) {
            (1, 1) => usize::from(weights.conv1_stride().get()),
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
    fn with(&self, gain: &[f64], bias: Vec<f32>) -> Stored {
        let kernels = self.values("conv", "weight");
        Stored {
            kernels: floats::scaled_rows(kernels, self.channels_in * 9, gain),
            bias,
            channels_in: self.channels_in,
            channels: self.channels,
            stride: self.stride,
        }
    }

    /// w' = w γ/σ and b' = (b − μ) γ/σ + β, in double precision.
    fn folded(&self) -> Stored {
        let gain = gains(self.weights, self.modality, &format!("bn{}", self.name));
        let of = |layer, name| self.values(layer, name).iter().map(|&v| f64::from(v));
        let bias = of("conv", "bias")
            .zip(of("bn", "running_mean"))
            .zip(of("bn", "bias"))
            .zip(&gain)
            .map(|(((b, mean), beta), gain)| ((b - mean) * gain + beta) as f32)
            .collect();
        self.with(&gain, bias)
    }

    /// As it is: no norm follows.
    fn plain(&self) -> Stored {
        let bias = self.values("conv", "bias").to_vec();
        self.with(&vec![1.0; self.channels], bias)
    }

    /// With the signs that [`LateNorm`](super::norm::LateNorm) needs.
    fn with_signs_of_norm(&self) -> Stored {
        let signs = signs_of_norm(self.weights);
        let bias = self.values("conv", "bias").iter().zip(&signs);
        let bias = bias.map(|(bias, sign)| bias * sign).collect();
        let gain: Vec<f64> = signs.into_iter().map(f64::from).collect();
        self.with(&gain, bias)
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
