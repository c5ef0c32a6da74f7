//! The layers of a trunk by libtorch: for training, on GPUs and in bf16.

use tch::{Device, Kind, TchError, Tensor};

use super::norm::{Affine, LateNorm};
use super::stored::Stored;
use crate::net::layout::{Conv1Stride, Modality, TrunkKind};
use crate::net::weights::Weights;

const BN_MOMENTUM: f64 = 0.1;

/// The layers of a trunk.
pub(super) struct TorchLayers {
    input_norm: Option<Scale>,
    late_norm: Option<LateScale>,
    conv1_1: ConvBlock,
    conv1_2: ConvBlock,
    conv2_1: ConvBlock,
    conv2_2: ConvBlock,
    conv3_1: ConvBlock,
    conv3_2: ConvBlock,
    conv4_1: ConvBlock,
    conv4_2: ConvBlock,
}

impl TorchLayers {
    /// For inference: batch norm folded into the convolutions.
    ///
    /// conv1_1 stays in f32 whatever `kind` is. The values of a log-spectrogram lie
    /// around -1.4 and vary in the third digit, which bf16 does not have: with the
    /// input in bf16 the sound's features were off by up to 3.3 %, with it in f32 by
    /// 1.4 %. It costs 1 % of the time.
    pub fn folded(
        weights: &Weights,
        modality: Modality,
        device: Device,
        kind: Kind,
    ) -> Result<Self, TchError> {
        let conv = |block: usize, number: usize| {
            let of_weights = match (block, number) {
                (1, 1) => Kind::Float,
                _ => kind,
            };
            ConvBlock::of(&Stored::of(weights, modality, block, number))?
                .to(device, of_weights, kind)
        };
        let input_norm = Affine::of_input(weights, modality);
        let late_norm = LateNorm::of(weights, modality);
        Ok(Self {
            input_norm: (input_norm.map(|norm| Scale::of(&norm, device))).transpose()?,
            late_norm: (late_norm.map(|norm| LateScale::of(&norm, device))).transpose()?,
            conv1_1: conv(1, 1)?,
            conv1_2: conv(1, 2)?,
            conv2_1: conv(2, 1)?,
            conv2_2: conv(2, 2)?,
            conv3_1: conv(3, 1)?,
            conv3_2: conv(3, 2)?,
            conv4_1: conv(4, 1)?,
            conv4_2: conv(4, 2)?,
        })
    }

    /// For training, see [`Trunk::over`](super::Trunk::over).
    pub fn over(
        modality: Modality,
        stride: Conv1Stride,
        kind: Kind,
        tensor: impl Fn(&str) -> Tensor,
    ) -> Self {
        let conv = |block: usize, number: usize| {
            let of = |layer: &str, name: &str| {
                tensor(&format!(
                    "{}.{layer}{block}_{number}.{name}",
                    modality.name()
                ))
            };
            ConvBlock {
                weight: of("conv", "weight"),
                bias: None,
                stride: match (block, number) {
                    (1, 1) => i64::from(stride.get()),
                    _ => 1,
                },
                kind,
                norm: Some(BatchNorm {
                    weight: of("bn", "weight"),
                    bias: of("bn", "bias"),
                    running_mean: of("bn", "running_mean"),
                    running_var: of("bn", "running_var"),
                }),
            }
        };
        Self {
            input_norm: None,
            late_norm: None,
            conv1_1: conv(1, 1),
            conv1_2: conv(1, 2),
            conv2_1: conv(2, 1),
            conv2_2: conv(2, 2),
            conv3_1: conv(3, 1),
            conv3_2: conv(3, 2),
            conv4_1: conv(4, 1),
            conv4_2: conv(4, 2),
        }
    }

    /// From the input to conv4_2 before its ReLU; the sizes in the comments are those of a
    /// 224 × 224 picture at stride 2.
    pub fn to_conv4_2(&self, x: &Tensor, train: bool) -> Result<Tensor, TchError> {
        // One variable, reassigned: shadowing would keep every map alive to the end,
        // and a batch of 4 took 10 % longer for lack of memory to reuse.
        let mut x = match &self.input_norm {
            Some(norm) => self.conv1_1.forward(&norm.apply(x)?, train)?,
            None => self.conv1_1.forward(x, train)?,
        };
        x = x.f_relu_()?; //                                        [B, 64, 112, 112]
        x = self.conv1_2.forward(&x, train)?;
        x = match &self.late_norm {
            Some(norm) => norm.pooled(&x)?,
            None => pooled(&x)?,
        }; //                                                       [B, 64, 56, 56]
        x = self.conv2_1.forward(&x, train)?.f_relu_()?; //         [B, 128, 56, 56]
        x = pooled(&self.conv2_2.forward(&x, train)?)?; //          [B, 128, 28, 28]
        x = self.conv3_1.forward(&x, train)?.f_relu_()?; //         [B, 256, 28, 28]
        x = pooled(&self.conv3_2.forward(&x, train)?)?; //          [B, 256, 14, 14]
        x = self.conv4_1.forward(&x, train)?.f_relu_()?; //         [B, 512, 14, 14]
        self.conv4_2.forward(&x, train) //                          [B, 512, 14, 14]
    }
}

/// The 2 × 2 maximum, then ReLU; an odd last row or column is dropped.
///
/// ReLU first gives the same and has four times the work: a training step takes 5 %
/// longer.
fn pooled(x: &Tensor) -> Result<Tensor, TchError> {
    max_pool(x)?.f_relu_()
}

fn max_pool(x: &Tensor) -> Result<Tensor, TchError> {
    x.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)
}

/// conv3×3 (pad 1), and batch norm unless it is folded into the weights.
struct ConvBlock {
    weight: Tensor,       // [out, in, 3, 3]
    bias: Option<Tensor>, // [out]
    stride: i64,
    /// Of the output; the weights of conv1_1 may be of another.
    kind: Kind,
    norm: Option<BatchNorm>,
}

struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
}

impl ConvBlock {
    fn of(stored: &Stored) -> Result<Self, TchError> {
        let shape = [stored.channels, stored.channels_in, 3, 3].map(|n| n as i64);
        Ok(Self {
            weight: Tensor::f_from_slice(&stored.kernels)?.f_reshape(shape)?,
            bias: Some(Tensor::f_from_slice(&stored.bias)?),
            stride: stored.stride as i64,
            kind: Kind::Float,
            norm: None,
        })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, TchError> {
        let stride = [self.stride; 2];
        let x = x
            .f_conv2d(&self.weight, self.bias.as_ref(), stride, [1, 1], [1, 1], 1)?
            .f_to_kind(self.kind)?; // no-op except after conv1_1 in bf16
        match &self.norm {
            None => Ok(x),
            Some(n) => x.f_batch_norm(
                Some(&n.weight),
                Some(&n.bias),
                Some(&n.running_mean),
                Some(&n.running_var),
                train,
                BN_MOMENTUM,
                TrunkKind::L3.bn_epsilon(),
                true,
            ),
        }
    }

    /// Moves it to the device: weights of kind `stored`, output of `kind`.
    fn to(self, device: Device, stored: Kind, kind: Kind) -> Result<Self, TchError> {
        Ok(Self {
            weight: channels_last(&self.weight.f_to(device)?.f_to_kind(stored)?)?,
            bias: (self.bias.as_ref())
                .map(|bias| bias.f_to(device)?.f_to_kind(stored))
                .transpose()?,
            kind,
            ..self
        })
    }
}

/// The same tensor with its channels adjacent in memory, which the convolutions of
/// oneDNN and cuDNN prefer: 24 ms a pair instead of 31 on two cores in f32, 13 instead
/// of 20 in bf16.
fn channels_last(x: &Tensor) -> Result<Tensor, TchError> {
    x.f_permute([0, 2, 3, 1])?
        .f_contiguous()?
        .f_permute([0, 3, 1, 2])
}

/// An [`Affine`] on a device.
struct Scale {
    gain: Tensor,  // [C, 1, 1]
    shift: Tensor, // [C, 1, 1]
}

impl Scale {
    fn of(norm: &Affine, device: Device) -> Result<Self, TchError> {
        Ok(Self {
            gain: by_channel(&norm.gain, device)?,
            shift: by_channel(&norm.shift, device)?,
        })
    }

    /// In f32, whatever `x` is.
    fn apply(&self, x: &Tensor) -> Result<Tensor, TchError> {
        x.f_mul(&self.gain)?.f_add_(&self.shift)
    }
}

/// A [`LateNorm`] on a device.
struct LateScale {
    norm: Scale,
    /// `None` where all are 1.
    signs: Option<Tensor>, // [C, 1, 1]
}

impl LateScale {
    fn of(late: &LateNorm, device: Device) -> Result<Self, TchError> {
        let signs = match late.signs.iter().all(|sign| *sign > 0.0) {
            true => None,
            false => Some(by_channel(&late.signs, device)?),
        };
        Ok(Self {
            norm: Scale::of(&late.norm, device)?,
            signs,
        })
    }

    /// From conv1_2 with the signs of the gains.
    fn pooled(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let kind = x.kind();
        let mut x = max_pool(x)?;
        if let Some(signs) = &self.signs {
            x = x.f_mul(signs)?;
        }
        self.norm.apply(&x.f_relu_()?)?.f_to_kind(kind)
    }
}

fn by_channel(values: &[f32], device: Device) -> Result<Tensor, TchError> {
    Tensor::f_from_slice(values)?
        .f_view([-1, 1, 1])?
        .f_to(device)
}
