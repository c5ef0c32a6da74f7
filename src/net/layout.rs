//! The network's variants and the name and shape of every tensor of a checkpoint.

/// Output channels of the four blocks of a trunk.
pub(super) const CHANNELS: [usize; 4] = [64, 128, 256, 512];
/// Length of a trunk's feature (pool4).
pub const FEATURE: usize = 512;
/// Units of fc1.
pub const HIDDEN: usize = 128;

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

/// Stride of conv1_1: the two variants of the network. Their tensors are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conv1Stride {
    /// Heatmap cells of 8 pixels, 40.94 GFLOP a pair.
    One,
    /// The paper's: heatmap cells of 16 pixels, 10.29 GFLOP a pair.
    #[default]
    Two,
}

impl Conv1Stride {
    /// The stride as a number.
    pub fn get(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }
}

impl std::str::FromStr for Conv1Stride {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "1" => Ok(Self::One),
            "2" => Ok(Self::Two),
            _ => Err(format!("conv1_1 has stride 1 or 2, not {text}")),
        }
    }
}

/// Name and shape of a tensor of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Name in a checkpoint.
    pub name: String,
    /// Shape; convolutions are out × in × 3 × 3.
    pub shape: Vec<usize>,
}

impl TensorSpec {
    fn new(name: String, shape: &[usize]) -> Self {
        Self {
            name,
            shape: shape.to_vec(),
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds no values; no tensor of the network is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether gradients change it; batch norm's running statistics are no parameters.
    pub fn is_parameter(&self) -> bool {
        !self.name.contains(".running_")
    }
}

/// Every tensor of the network, in the order of the data.
pub fn layout() -> Vec<TensorSpec> {
    let mut slots = Vec::with_capacity(100);
    for modality in [Modality::Vision, Modality::Audio] {
        let mut channels_in = modality.channels_in();
        for (block, channels) in CHANNELS.into_iter().enumerate() {
            for conv in 1..=2 {
                let name = |layer: &str, tensor: &str| {
                    format!("{}.{layer}{}_{conv}.{tensor}", modality.name(), block + 1)
                };
                let kernel = [channels, channels_in, 3, 3];
                slots.push(TensorSpec::new(name("conv", "weight"), &kernel));
                slots.push(TensorSpec::new(name("conv", "bias"), &[channels]));
                for tensor in ["weight", "bias", "running_mean", "running_var"] {
                    slots.push(TensorSpec::new(name("bn", tensor), &[channels]));
                }
                channels_in = channels;
            }
        }
    }
    let fusion = |layer: &str, tensor: &str| format!("fusion.{layer}.{tensor}");
    slots.push(TensorSpec::new(
        fusion("fc1", "weight"),
        &[HIDDEN, 2 * FEATURE],
    ));
    slots.push(TensorSpec::new(fusion("fc1", "bias"), &[HIDDEN]));
    slots.push(TensorSpec::new(fusion("fc2", "weight"), &[2, HIDDEN]));
    slots.push(TensorSpec::new(fusion("fc2", "bias"), &[2]));
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_has_9508738_parameters() {
        let parameters: usize = layout()
            .iter()
            .filter(|s| s.is_parameter())
            .map(TensorSpec::len)
            .sum();
        assert_eq!(parameters, 9_508_738);
        assert_eq!(layout().len(), 100);
    }
}
