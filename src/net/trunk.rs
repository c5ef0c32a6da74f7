//! A trunk of the network (paper, Figure 2): the same for pictures and sound.
//!
//! Belongs here: the layers from the input to pool4, for training and inference
//! alike. The two differ only in what follows a convolution: batch norm in training,
//! nothing once it is folded into the weights.
//!
//! OpenL3's trunks ([`TrunkKind::OpenL3`]) are run, not trained. Where they normalise
//! before a convolution, batch norm cannot be folded into it: the convolution's padding is
//! 0 after the norm, not before.

mod norm;
mod stored;

use tch::{Device, Kind, TchError, Tensor};

use norm::{Affine, LateNorm};
use stored::StoredBlock;

use super::layout::{Conv1Stride, Modality, TrunkKind};
use super::weights::Weights;

const BN_MOMENTUM: f64 = 0.1;

/// The output of a trunk.
pub struct TrunkOutput {
    /// The last feature map, after the ReLU that the paper's trunks have: `[B, 512, h, w]`.
    pub conv4_2: Tensor,
    /// Its maximum over all positions: `[B, 512]`.
    pub pool4: Tensor,
    /// No value of conv4_2 is negative: a ReLU was last.
    pub rectified: bool,
}

/// One of the two trunks.
pub struct Trunk {
    /// conv4_2 is followed by a ReLU before it is pooled.
    rectified: bool,
    /// Of the input, in OpenL3's trunks.
    input_norm: Option<Affine>,
    /// Of conv1_2 after its ReLU, in OpenL3's vision trunk.
    late_norm: Option<LateNorm>,
    conv1_1: ConvBlock,
    conv1_2: ConvBlock,
    conv2_1: ConvBlock,
    conv2_2: ConvBlock,
    conv3_1: ConvBlock,
    conv3_2: ConvBlock,
    conv4_1: ConvBlock,
    conv4_2: ConvBlock,
}

impl Trunk {
    /// A trunk for inference: batch norm folded into the convolutions.
    ///
    /// conv1_1 stays in f32 whatever `kind` is. The values of a log-spectrogram lie
    /// around -1.4 and vary in the third digit, which bf16 does not have: with the
    /// input in bf16 the sound's features were off by up to 3.3 %, with it in f32 by
    /// 1.4 %. It costs 1 % of the time.
    ///
    /// # Errors
    /// If libtorch cannot place the weights on the device.
    pub fn folded(
        weights: &Weights,
        modality: Modality,
        device: Device,
        kind: Kind,
    ) -> Result<Self, TchError> {
        let trunks = weights.variant().trunks;
        let norm = |layer: &str| Affine::of(weights, modality, layer, device);
        let late_norm = match (trunks, modality) {
            (TrunkKind::OpenL3, Modality::Vision) => {
                Some(LateNorm::of(weights, norm("bn1_2")?, device)?)
            }
            _ => None,
        };
        let input_norm = match trunks {
            TrunkKind::OpenL3 => Some(norm("bn0")?),
            TrunkKind::L3 => None,
        };
        let conv = |block: usize, number: usize| {
            let stored = StoredBlock::of(weights, modality, block, number);
            let folded = match (trunks, block, number) {
                (TrunkKind::OpenL3, 4, 2) => stored.plain()?,
                (TrunkKind::OpenL3, 1, 2) if modality == Modality::Vision => {
                    stored.with_signs_of_norm()?
                }
                _ => stored.folded()?,
            };
            let of_weights = match (block, number) {
                (1, 1) => Kind::Float,
                _ => kind,
            };
            folded.to(device, of_weights, kind)
        };
        Ok(Self {
            rectified: trunks == TrunkKind::L3,
            input_norm,
            late_norm,
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

    /// One of the paper's trunks for training, over tensors that the caller owns and updates:
    /// `tensor` yields each by its name in a checkpoint. `kind` is the precision after
    /// conv1_1; the convolutions' tensors must be of it, those of conv1_1 and of batch norm
    /// f32.
    ///
    /// The convolutions' biases are not used and must be 0: batch norm subtracts
    /// whatever they add, so they learn nothing, and they cost 5 % of the time.
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
            rectified: true,
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

    /// From the input `[B, 3 or 1, H, W]` to pool4; the sizes in the comments are those
    /// of a 224 × 224 picture at stride 2.
    ///
    /// With `train`, batch norm uses the batch's own statistics and updates the
    /// running ones; a folded trunk ignores it.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn forward(&self, x: &Tensor, train: bool) -> Result<TrunkOutput, TchError> {
        let mut conv4_2 = self.to_conv4_2(x, train)?; // [B, 512, 14, 14]
        if self.rectified {
            conv4_2 = conv4_2.f_relu_()?;
        }
        let pool4 = conv4_2.f_amax([2, 3], false)?; //   [B, 512]
        Ok(TrunkOutput {
            conv4_2,
            pool4,
            rectified: self.rectified,
        })
    }

    /// Whether conv4_2 is followed by a ReLU before it is pooled.
    pub fn is_rectified(&self) -> bool {
        self.rectified
    }

    /// From the input to conv4_2 before its ReLU, from which the paper computes its
    /// features for classification (section 3.3).
    ///
    /// # Errors
    /// If libtorch fails.
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

#[cfg(test)]
mod tests;
