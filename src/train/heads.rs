//! Classification heads for training: 512 × 128 and 128 × classes after each trunk, as
//! in the paper's supervised baselines (section 3.2).
//!
//! Next to correspondence they give a richer signal in each step: one of many classes
//! instead of yes or no. No model stores them.

use std::collections::BTreeMap;

use tch::{Device, Kind, TchError, Tensor};

use crate::net::input::to_vec;
use crate::net::{FEATURE, Modality, TensorSpec};

/// Units of the hidden layer.
const HIDDEN: usize = 128;

/// Prefix of their tensors' names.
pub const PREFIX: &str = "heads.";

/// What the network learns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrainTask {
    /// Whether picture and sound correspond.
    #[default]
    Avc,
    /// The classes of picture and sound, separately.
    Classify,
    /// Both at once.
    Both,
}

impl TrainTask {
    /// Whether correspondence is learnt.
    pub fn has_avc(self) -> bool {
        self != Self::Classify
    }

    /// Whether classes are learnt.
    pub fn has_classes(self) -> bool {
        self != Self::Avc
    }
}

/// The tensors of the heads; the last class is "nothing".
pub fn slots(classes: usize) -> Vec<TensorSpec> {
    let outputs = classes + 1;
    let mut slots = Vec::new();
    for modality in [Modality::Vision, Modality::Audio] {
        let layers = [("fc1", HIDDEN, FEATURE), ("fc2", outputs, HIDDEN)];
        for (layer, out, inputs) in layers {
            let name = |tensor: &str| name(modality, layer, tensor);
            slots.push(TensorSpec {
                name: name("weight"),
                shape: vec![out, inputs],
            });
            slots.push(TensorSpec {
                name: name("bias"),
                shape: vec![out],
            });
        }
    }
    slots
}

/// The name of the layer that takes features.
pub fn first_layer(modality: Modality) -> String {
    format!("{PREFIX}{}.fc1", modality.name())
}

fn name(modality: Modality, layer: &str, tensor: &str) -> String {
    format!("{PREFIX}{}.{layer}.{tensor}", modality.name())
}

/// The classification head of one trunk.
pub struct Head {
    fc1: [Tensor; 2], // [128, 512], [128]
    fc2: [Tensor; 2], // [C + 1, 128], [C + 1]
}

impl Head {
    /// The head over tensors that the caller owns and updates.
    pub fn over(modality: Modality, tensor: impl Fn(&str) -> Tensor) -> Self {
        let of = |layer: &str| ["weight", "bias"].map(|t| tensor(&name(modality, layer, t)));
        Self {
            fc1: of("fc1"),
            fc2: of("fc2"),
        }
    }

    /// The head of a checkpoint's tensors, on a device.
    ///
    /// # Errors
    /// If a tensor is missing, or libtorch fails.
    pub fn placed(
        modality: Modality,
        tensors: &BTreeMap<String, Vec<f32>>,
        device: Device,
    ) -> Result<Self, TchError> {
        let inputs = |layer: &str| if layer == "fc1" { FEATURE } else { HIDDEN };
        let place = |layer: &str, tensor: &str, shape: &[i64]| {
            let values = tensors.get(&name(modality, layer, tensor));
            let values = values.map_or(&[][..], Vec::as_slice);
            Tensor::f_from_slice(values)?.f_reshape(shape)?.f_to(device)
        };
        let layer = |layer: &str| -> Result<[Tensor; 2], TchError> {
            let weight = place(layer, "weight", &[-1, inputs(layer) as i64])?;
            Ok([weight, place(layer, "bias", &[-1])?])
        };
        Ok(Self {
            fc1: layer("fc1")?,
            fc2: layer("fc2")?,
        })
    }

    /// `[B, 512]` → `[B, C + 1]`.
    fn logits(&self, feature: &Tensor) -> Result<Tensor, TchError> {
        let [weight, bias] = &self.fc1;
        let hidden = feature.f_linear(weight, Some(bias))?.f_relu()?; // [B, 128]
        let [weight, bias] = &self.fc2;
        hidden.f_linear(weight, Some(bias))
    }

    /// The probability of each class, "nothing" last: `[B, 512]` → B × (C + 1).
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn probabilities(&self, feature: &Tensor) -> Result<Vec<f32>, TchError> {
        to_vec(&self.logits(feature)?.f_softmax(1, Kind::Float)?)
    }

    /// Cross-entropy and accuracy (the share of rows whose most likely class is present),
    /// both `[]`. `feature` is `[B, 512]`; `targets`, `[B, C + 1]`, says which classes are
    /// present, each row adding up to one.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn loss(&self, feature: &Tensor, targets: &Tensor) -> Result<(Tensor, Tensor), TchError> {
        let logits = self.logits(feature)?;
        let log_p = logits.f_log_softmax(1, Kind::Float)?;
        let rows = targets.size()[0].max(1) as f64;
        let loss = log_p
            .f_mul(targets)?
            .f_sum(Kind::Float)?
            .f_mul_scalar(-1.0 / rows)?;
        let strongest = logits.f_argmax(1, true)?; //                      [B, 1]
        let correct = targets.f_gather(1, &strongest, false)?.f_gt(0.0)?;
        let accuracy = correct.f_sum(Kind::Float)?.f_div_scalar(rows)?;
        Ok((loss, accuracy))
    }
}

/// `[B, C + 1]`: an equal part for each class that is present, all for "nothing" where
/// none is.
///
/// # Errors
/// If libtorch fails.
pub fn targets(rows: &[Vec<u16>], classes: usize, device: Device) -> Result<Tensor, TchError> {
    let width = classes + 1;
    let mut values = vec![0.0_f32; rows.len() * width];
    for (row, present) in rows.iter().enumerate() {
        let target = &mut values[row * width..(row + 1) * width];
        match present.len() {
            0 => target[classes] = 1.0,
            n => {
                for &class in present {
                    target[usize::from(class)] = 1.0 / n as f32;
                }
            }
        }
    }
    Tensor::f_from_slice(&values)?
        .f_reshape([rows.len() as i64, width as i64])?
        .f_to(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_divided_among_the_classes_present() {
        let rows = [vec![0, 2], vec![], vec![1]];
        let targets = targets(&rows, 3, Device::Cpu).expect("a tensor");
        let values = crate::net::input::to_vec(&targets).expect("values");
        let expected = [
            [0.5, 0.0, 0.5, 0.0],
            [0.0, 0.0, 0.0, 1.0],
            [0.0, 1.0, 0.0, 0.0],
        ];
        assert_eq!(values, expected.concat());
    }
}
