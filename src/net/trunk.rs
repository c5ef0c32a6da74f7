//! A trunk of the network (paper, Figure 2): the same for pictures and sound.
//!
//! Belongs here: the layers from the input to pool4, for training and inference
//! alike. The two differ only in what follows a convolution: batch norm in training,
//! nothing once it is folded into the weights.

use l3net_data::floats;
use tch::{Device, Kind, TchError, Tensor};

use super::layout::{CHANNELS, Conv1Stride, Modality};
use super::weights::Weights;

/// PyTorch's default; every checkpoint was trained with it.
const BN_EPS: f64 = 1e-5;
const BN_MOMENTUM: f64 = 0.1;

/// The output of a trunk.
pub struct TrunkOutput {
    /// The last feature map, after ReLU: `[B, 512, h, w]`.
    pub conv4_2: Tensor,
    /// Its maximum over all positions: `[B, 512]`.
    pub pool4: Tensor,
}

/// One of the two trunks.
pub struct Trunk {
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
        Self::build(weights, modality, |block| {
            let stored = if block.name == "1_1" {
                Kind::Float
            } else {
                kind
            };
            block.folded()?.to(device, stored, kind)
        })
    }

    /// A trunk for training, over tensors that the caller owns and updates: `tensor`
    /// yields each by its name in a checkpoint. `kind` is the precision after conv1_1;
    /// the convolutions' tensors must be of it, those of conv1_1 and of batch norm f32.
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

    fn build(
        weights: &Weights,
        modality: Modality,
        make: impl Fn(StoredBlock<'_>) -> Result<ConvBlock, TchError>,
    ) -> Result<Self, TchError> {
        let conv = |block: usize, number: usize| {
            let channels_in = match (block, number) {
                (1, 1) => modality.channels_in(),
                (_, 1) => CHANNELS[block - 2],
                _ => CHANNELS[block - 1],
            };
            let stride = match (block, number) {
                (1, 1) => i64::from(weights.conv1_stride().get()),
                _ => 1,
            };
            let name = format!("{block}_{number}");
            make(StoredBlock {
                weights,
                modality,
                name,
                channels_in,
                channels: CHANNELS[block - 1],
                stride,
            })
        };
        Ok(Self {
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

    /// From the input `[B, 3 or 1, H, W]` to pool4; the sizes in the comments are those
    /// of a 224 × 224 picture at stride 2.
    ///
    /// With `train`, batch norm uses the batch's own statistics and updates the
    /// running ones; a folded trunk ignores it.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn forward(&self, x: &Tensor, train: bool) -> Result<TrunkOutput, TchError> {
        let conv4_2 = self.to_conv4_2(x, train)?.f_relu_()?; // [B, 512, 14, 14]
        let pool4 = conv4_2.f_amax([2, 3], false)?; //          [B, 512]
        Ok(TrunkOutput { conv4_2, pool4 })
    }

    /// From the input to conv4_2 before its ReLU, from which the paper computes its
    /// features for classification (section 3.3).
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn to_conv4_2(&self, x: &Tensor, train: bool) -> Result<Tensor, TchError> {
        // One variable, reassigned: shadowing would keep every map alive to the end,
        // and a batch of 4 took 10 % longer for lack of memory to reuse.
        let mut x = self.conv1_1.forward(x, train)?.f_relu_()?; //  [B, 64, 112, 112]
        x = pooled(&self.conv1_2.forward(&x, train)?)?; //          [B, 64, 56, 56]
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
    x.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)?
        .f_relu_()
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
                BN_EPS,
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

/// The tensors of one [`ConvBlock`] as a model stores them.
struct StoredBlock<'a> {
    weights: &'a Weights,
    modality: Modality,
    name: String,
    channels_in: usize,
    channels: usize,
    stride: i64,
}

impl StoredBlock<'_> {
    fn values(&self, layer: &str, tensor: &str) -> &[f32] {
        let name = format!("{}.{layer}{}.{tensor}", self.modality.name(), self.name);
        self.weights.tensor(&name)
    }

    fn kernel(&self, values: &[f32]) -> Result<Tensor, TchError> {
        let shape = [self.channels as i64, self.channels_in as i64, 3, 3];
        Tensor::f_from_slice(values)?.f_reshape(shape)
    }

    /// w' = w γ/σ and b' = (b − μ) γ/σ + β, in double precision.
    fn folded(&self) -> Result<ConvBlock, TchError> {
        let of = |layer, name| self.values(layer, name).iter().map(|&v| f64::from(v));
        let gain: Vec<f64> = of("bn", "weight")
            .zip(of("bn", "running_var"))
            .map(|(gamma, var)| gamma / (var + BN_EPS).sqrt())
            .collect();
        let kernels = self.values("conv", "weight");
        let weight = floats::scaled_rows(kernels, self.channels_in * 9, &gain);
        let bias: Vec<f32> = of("conv", "bias")
            .zip(of("bn", "running_mean"))
            .zip(of("bn", "bias"))
            .zip(&gain)
            .map(|(((b, mean), beta), gain)| ((b - mean) * gain + beta) as f32)
            .collect();
        Ok(ConvBlock {
            weight: self.kernel(&weight)?,
            bias: Some(Tensor::f_from_slice(&bias)?),
            stride: self.stride,
            kind: Kind::Float,
            norm: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_changes_nothing_and_odd_sizes_are_floored() {
        let _guard = tch::no_grad_guard();
        for (stride, sides) in [(Conv1Stride::Two, [3, 3]), (Conv1Stride::One, [6, 7])] {
            let weights = Weights::random(3, stride);
            let x =
                Tensor::f_from_slice(&(0..51 * 57).map(|i| (i as f32).sin()).collect::<Vec<_>>())
                    .and_then(|x| x.f_reshape([1, 1, 51, 57]))
                    .expect("a tensor");
            let cpu = Device::Cpu;
            let folded = Trunk::folded(&weights, Modality::Audio, cpu, Kind::Float)
                .and_then(|t| t.forward(&x, false))
                .expect("a forward pass");
            let slots = super::super::layout::layout();
            let tensor = |name: &str| {
                let slot = slots.iter().find(|s| s.name == name).expect("a tensor");
                let shape: Vec<i64> = slot.shape.iter().map(|&n| n as i64).collect();
                let values = Tensor::from_slice(weights.tensor(name)).reshape(shape);
                match name.strip_suffix(".running_mean") {
                    // A trunk for training has no biases: the mean is without them.
                    Some(norm) => {
                        let bias = format!("{}.bias", norm.replace(".bn", ".conv"));
                        values - Tensor::from_slice(weights.tensor(&bias))
                    }
                    None => values,
                }
            };
            let unfolded = Trunk::over(Modality::Audio, stride, Kind::Float, tensor)
                .forward(&x, false)
                .expect("a forward pass");
            assert_eq!(folded.conv4_2.size(), [1, 512, sides[0], sides[1]]);
            let scale = unfolded.conv4_2.abs().max().double_value(&[]);
            let off = (folded.conv4_2 - unfolded.conv4_2)
                .abs()
                .max()
                .double_value(&[]);
            assert!(scale > 0.1 && off < 1e-4 * scale, "{off} of {scale}");
        }
    }
}
