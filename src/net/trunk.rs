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
    kind: TrunkKind,
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
            kind: trunks,
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

    /// One of the paper's trunks for training, over tensors that the caller owns and updates: `tensor`
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
            kind: TrunkKind::L3,
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
        if self.is_rectified() {
            conv4_2 = conv4_2.f_relu_()?;
        }
        let pool4 = conv4_2.f_amax([2, 3], false)?; //   [B, 512]
        let rectified = self.is_rectified();
        Ok(TrunkOutput {
            conv4_2,
            pool4,
            rectified,
        })
    }

    /// Whether conv4_2 is followed by a ReLU before it is pooled.
    pub fn is_rectified(&self) -> bool {
        self.kind == TrunkKind::L3
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
mod tests {
    use std::collections::BTreeMap;

    use super::super::layout::{Parts, Variant};
    use super::*;
    use crate::window_spec::WindowSpec;

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
            let slots = weights.variant().layout();
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

    /// One layer after the other, as OpenL3's code has them.
    fn openl3_step_by_step(weights: &Weights, modality: Modality, x: &Tensor) -> Tensor {
        let slots = weights.variant().layout();
        let tensor = |name: String| {
            let slot = slots.iter().find(|s| s.name == name).expect("a tensor");
            let shape: Vec<i64> = slot.shape.iter().map(|&n| n as i64).collect();
            Tensor::from_slice(weights.tensor(&name)).reshape(shape)
        };
        let of = |layer: &str, part: &str| tensor(format!("{}.{layer}.{part}", modality.name()));
        let conv = |x: &Tensor, name: &str| {
            let layer = format!("conv{name}");
            x.conv2d(
                &of(&layer, "weight"),
                Some(of(&layer, "bias")),
                [1, 1],
                [1, 1],
                [1, 1],
                1,
            )
        };
        let norm = |x: &Tensor, name: &str| {
            let layer = format!("bn{name}");
            let [weight, bias, mean, var] =
                ["weight", "bias", "running_mean", "running_var"].map(|part| of(&layer, part));
            x.batch_norm(
                Some(weight),
                Some(bias),
                Some(mean),
                Some(var),
                false,
                0.1,
                1e-3,
                false,
            )
        };
        let mut x = norm(x, "0");
        for block in 1..=4 {
            x = norm(&conv(&x, &format!("{block}_1")), &format!("{block}_1")).relu();
            let name = format!("{block}_2");
            let y = conv(&x, &name);
            x = match (block, modality) {
                (4, _) => return y,
                (1, Modality::Vision) => norm(&y.relu(), &name),
                _ => norm(&y, &name).relu(),
            };
            x = x.max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false);
        }
        unreachable!("the fourth block returns")
    }

    #[test]
    fn openl3s_trunks_are_its_layers_in_its_order() {
        let _guard = tch::no_grad_guard();
        for (modality, channels, signed) in [
            (Modality::Vision, 3, false),
            (Modality::Vision, 3, true),
            (Modality::Audio, 1, false),
        ] {
            let parts = Parts {
                vision: modality == Modality::Vision,
                audio: modality == Modality::Audio,
                fusion: false,
            };
            let variant = Variant::openl3(WindowSpec::OPENL3_MEL256, parts);
            let random = Weights::random_of(variant, 11);
            let mut tensors: BTreeMap<String, Vec<f32>> = (variant.layout().into_iter())
                .map(|slot| (slot.name.clone(), random.tensor(&slot.name).to_vec()))
                .collect();
            if signed {
                let gains = tensors.get_mut("vision.bn1_2.weight").expect("a tensor");
                gains.iter_mut().step_by(2).for_each(|gain| *gain = -*gain);
            }
            let weights = Weights::trained(variant, tensors, BTreeMap::new());
            let values: Vec<f32> = (0..2 * channels * 50 * 47)
                .map(|i| (i as f32).sin())
                .collect();
            let x = Tensor::from_slice(&values).reshape([2, channels, 50, 47]);
            let expected = openl3_step_by_step(&weights, modality, &x);
            let trunk =
                Trunk::folded(&weights, modality, Device::Cpu, Kind::Float).expect("a trunk");
            let found = trunk.forward(&x, false).expect("a forward pass");
            assert_eq!(found.conv4_2.size(), [2, 512, 6, 5]);
            let scale = expected.abs().max().double_value(&[]);
            let off = (&found.conv4_2 - &expected).abs().max().double_value(&[]);
            assert!(
                scale > 0.1 && off < 1e-5 * scale,
                "{modality:?}: {off} of {scale}"
            );
            let trunk =
                Trunk::folded(&weights, modality, Device::Cpu, Kind::BFloat16).expect("a trunk");
            let found16 = trunk.forward(&x, false).expect("a forward pass").conv4_2;
            assert_eq!(found16.kind(), Kind::BFloat16);
            let off = (found16.to_kind(Kind::Float) - &expected).abs();
            let off = off.max().double_value(&[]);
            assert!(off < 3e-2 * scale, "{modality:?} in bf16: {off} of {scale}");
            // No ReLU follows.
            assert!(found.pool4.min().double_value(&[]) < 0.0);
        }
    }
}
