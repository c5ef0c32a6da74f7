//! The tensors of a checkpoint: every name and shape, and nothing else.

/// The four blocks of a trunk: channels out.
pub(super) const CHANNELS: [usize; 4] = [64, 128, 256, 512];
/// Length of a trunk's feature (pool4).
pub const FEATURE: usize = 512;
/// Units of fc1.
pub(super) const HIDDEN: usize = 128;

/// One of the two trunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modality {
    /// RGB pictures: 3 channels.
    Vision,
    /// Log-spectrograms: 1 channel.
    Audio,
}

impl Modality {
    /// The prefix of its tensors' names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vision => "vision",
            Self::Audio => "audio",
        }
    }

    pub(super) fn channels_in(self) -> usize {
        match self {
            Self::Vision => 3,
            Self::Audio => 1,
        }
    }
}

/// A tensor of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its name in a checkpoint.
    pub name: String,
    /// Its shape; convolutions are out × in × 3 × 3.
    pub shape: Vec<usize>,
}

impl Slot {
    fn new(name: String, shape: &[usize]) -> Self {
        Self {
            name,
            shape: shape.to_vec(),
        }
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds none; no slot of the network does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether training changes it; the statistics of batch norm are only kept.
    pub fn is_parameter(&self) -> bool {
        !self.name.contains(".running_")
    }
}

/// Every tensor of the network, in the order of the data.
pub fn layout() -> Vec<Slot> {
    let mut slots = Vec::with_capacity(100);
    for modality in [Modality::Vision, Modality::Audio] {
        let mut channels_in = modality.channels_in();
        for (block, channels) in CHANNELS.into_iter().enumerate() {
            for unit in 1..=2 {
                let name = |layer: &str, tensor: &str| {
                    format!("{}.{layer}{}_{unit}.{tensor}", modality.name(), block + 1)
                };
                let kernel = [channels, channels_in, 3, 3];
                slots.push(Slot::new(name("conv", "weight"), &kernel));
                slots.push(Slot::new(name("conv", "bias"), &[channels]));
                for tensor in ["weight", "bias", "running_mean", "running_var"] {
                    slots.push(Slot::new(name("bn", tensor), &[channels]));
                }
                channels_in = channels;
            }
        }
    }
    let fusion = |layer: &str, tensor: &str| format!("fusion.{layer}.{tensor}");
    slots.push(Slot::new(fusion("fc1", "weight"), &[HIDDEN, 2 * FEATURE]));
    slots.push(Slot::new(fusion("fc1", "bias"), &[HIDDEN]));
    slots.push(Slot::new(fusion("fc2", "weight"), &[2, HIDDEN]));
    slots.push(Slot::new(fusion("fc2", "bias"), &[2]));
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_has_the_parameters_that_it_should() {
        let parameters: usize = layout()
            .iter()
            .filter(|s| s.is_parameter())
            .map(Slot::len)
            .sum();
        assert_eq!(parameters, 9_508_738);
        assert_eq!(layout().len(), 100);
    }
}
