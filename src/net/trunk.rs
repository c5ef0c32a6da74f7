//! A trunk of the network (paper, Figure 2): the same for pictures and sound.
//!
//! Belongs here: the layers from the input to pool4, for training and inference
//! alike. The two differ only in what follows a convolution: batch norm in training,
//! nothing once it is folded into the weights.
//!
//! The layers are computed by libtorch (`torch.rs`), or in f32 on the CPU by our own
//! convolutions (`own.rs`), which are several times as fast there.
//!
//! OpenL3's trunks ([`TrunkKind::OpenL3`]) are run, not trained. Where they normalise
//! before a convolution, batch norm cannot be folded into it: the convolution's padding is
//! 0 after the norm, not before.

mod norm;
mod overlap;
mod own;
mod stored;
mod torch;

use tch::{Device, Kind, TchError, Tensor};

pub(super) use self::own::Memory;
use self::own::OwnLayers;
use self::torch::TorchLayers;
use super::error::NetError;
use super::layout::{Conv1Stride, Modality, TrunkKind};
use super::weights::Weights;

/// The output of a trunk.
pub struct TrunkOutput {
    /// The last feature map, after the ReLU that the paper's trunks have: `[B, 512, h, w]`.
    pub conv4_2: Tensor,
    /// Its maximum over all positions: `[B, 512]`.
    pub pool4: Tensor,
    /// No value of conv4_2 is negative: a ReLU was last.
    pub rectified: bool,
}

impl TrunkOutput {
    /// The same tensors once more.
    pub(super) fn share(&self) -> Self {
        Self {
            conv4_2: self.conv4_2.shallow_clone(),
            pool4: self.pool4.shallow_clone(),
            rectified: self.rectified,
        }
    }
}

/// One of the two trunks.
pub struct Trunk {
    /// conv4_2 is followed by a ReLU before it is pooled.
    rectified: bool,
    layers: Layers,
}

/// By whom the layers are computed.
enum Layers {
    Torch(Box<TorchLayers>),
    Own(Box<OwnLayers>),
}

impl Trunk {
    /// A trunk for inference: batch norm folded into the convolutions.
    ///
    /// # Errors
    /// If libtorch cannot place the weights on the device.
    pub fn folded(
        weights: &Weights,
        modality: Modality,
        device: Device,
        kind: Kind,
    ) -> Result<Self, TchError> {
        let layers = TorchLayers::folded(weights, modality, device, kind)?;
        Ok(Self {
            rectified: weights.variant().trunks == TrunkKind::L3,
            layers: Layers::Torch(Box::new(layers)),
        })
    }

    /// The same in f32 on the CPU by our own convolutions, which work in `memory`.
    ///
    /// # Errors
    /// If there is too little memory.
    pub(super) fn own(
        weights: &Weights,
        modality: Modality,
        memory: &Memory,
    ) -> Result<Self, NetError> {
        let layers = OwnLayers::of(weights, modality, memory)?;
        Ok(Self {
            rectified: weights.variant().trunks == TrunkKind::L3,
            layers: Layers::Own(Box::new(layers)),
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
        let layers = TorchLayers::over(modality, stride, kind, tensor);
        Self {
            rectified: true,
            layers: Layers::Torch(Box::new(layers)),
        }
    }

    /// From the input `[B, 3 or 1, H, W]` to pool4.
    ///
    /// With `train`, batch norm uses the batch's own statistics and updates the
    /// running ones; a folded trunk ignores it.
    ///
    /// # Errors
    /// If the input is of another shape, there is too little memory, or libtorch fails.
    pub fn forward(&self, x: &Tensor, train: bool) -> Result<TrunkOutput, NetError> {
        let rectified = self.rectified;
        let (conv4_2, pool4) = match &self.layers {
            Layers::Own(layers) => layers.forward(x, rectified)?,
            Layers::Torch(layers) => {
                let mut conv4_2 = layers.to_conv4_2(x, train)?;
                if rectified {
                    conv4_2 = conv4_2.f_relu_()?;
                }
                let pool4 = conv4_2.f_amax([2, 3], false)?;
                (conv4_2, pool4)
            }
        };
        Ok(TrunkOutput {
            conv4_2,
            pool4,
            rectified,
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
    /// As of [`forward`](Self::forward).
    pub fn to_conv4_2(&self, x: &Tensor, train: bool) -> Result<Tensor, NetError> {
        match &self.layers {
            Layers::Own(layers) => layers.to_conv4_2(x),
            Layers::Torch(layers) => Ok(layers.to_conv4_2(x, train)?),
        }
    }
}

#[cfg(test)]
mod tests;
