//! The network's variants and the name and shape of every tensor of a model.

use crate::hash::{fnv1a, mix};
use crate::window_spec::WindowSpec;

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

/// Stride of conv1_1. It changes no tensor's shape.
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

/// Whose trunks a network has. Both have the same eight convolutions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrunkKind {
    /// The paper's: each convolution is followed by batch norm and ReLU.
    #[default]
    L3,
    /// OpenL3's: the input is normalised too; conv1_2 of the vision trunk is normalised
    /// after its ReLU instead of before; conv4_2 has neither. The stride of conv1_1 is 1,
    /// batch norm's epsilon 1e-3.
    OpenL3,
}

impl TrunkKind {
    /// The `trunks` in a model's header.
    pub fn name(self) -> &'static str {
        match self {
            Self::L3 => "l3",
            Self::OpenL3 => "openl3",
        }
    }

    /// The kind of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::L3, Self::OpenL3]
            .into_iter()
            .find(|k| k.name() == name)
    }

    /// What batch norm adds to a variance: the default of PyTorch, or of Keras.
    pub(super) fn bn_epsilon(self) -> f64 {
        match self {
            Self::L3 => 1e-5,
            Self::OpenL3 => 1e-3,
        }
    }
}

/// Which parts of the network a model has: a model that was imported may lack some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The vision trunk.
    pub vision: bool,
    /// The audio trunk.
    pub audio: bool,
    /// The fusion, on top of both.
    pub fusion: bool,
}

impl Parts {
    /// The whole network.
    pub const ALL: Self = Self {
        vision: true,
        audio: true,
        fusion: true,
    };

    /// One trunk alone.
    pub fn only(modality: Modality) -> Self {
        Self {
            vision: modality == Modality::Vision,
            audio: modality == Modality::Audio,
            fusion: false,
        }
    }

    /// Whether the trunk is there.
    pub fn has(self, modality: Modality) -> bool {
        match modality {
            Modality::Vision => self.vision,
            Modality::Audio => self.audio,
        }
    }
}

/// Which network the weights of a model are of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variant {
    /// The window and spectrogram that it takes.
    pub spec: WindowSpec,
    /// Whose trunks it has.
    pub trunks: TrunkKind,
    /// The stride of conv1_1.
    pub conv1_stride: Conv1Stride,
    /// What there is of it.
    pub parts: Parts,
}

impl Variant {
    /// The paper's network.
    pub const PAPER: Self = Self::l3(WindowSpec::PAPER, Conv1Stride::Two);

    /// The paper's network, for sound of this spec.
    pub const fn l3(spec: WindowSpec, conv1_stride: Conv1Stride) -> Self {
        Self {
            spec,
            trunks: TrunkKind::L3,
            conv1_stride,
            parts: Parts::ALL,
        }
    }

    /// Some parts of a network with OpenL3's trunks, for sound of this spec.
    pub const fn openl3(spec: WindowSpec, parts: Parts) -> Self {
        Self {
            spec,
            trunks: TrunkKind::OpenL3,
            conv1_stride: Conv1Stride::One,
            parts,
        }
    }

    /// The same with all parts.
    #[must_use]
    pub const fn whole(self) -> Self {
        Self {
            parts: Parts::ALL,
            ..self
        }
    }

    /// Tells variants apart whose weights may be the same: by what they hear, whose trunks
    /// they have and the stride.
    pub(super) fn fingerprint(&self) -> u64 {
        let stride = u64::from(self.conv1_stride.get());
        match (self.trunks, self.spec == WindowSpec::PAPER) {
            // As it was when there was no other.
            (TrunkKind::L3, true) => stride,
            _ => {
                let name = format!("{} {}", self.trunks.name(), self.spec.name);
                mix(stride ^ fnv1a(name.as_bytes()))
            }
        }
    }

    /// Every tensor of the network, in the order of the data.
    pub fn layout(&self) -> Vec<TensorSpec> {
        let mut slots = Vec::with_capacity(104);
        for modality in [Modality::Vision, Modality::Audio] {
            if self.parts.has(modality) {
                slots.extend(trunk_layout(self.trunks, modality));
            }
        }
        if self.parts.fusion {
            let fusion =
                |layer: &str, shape: &[usize]| TensorSpec::new(format!("fusion.{layer}"), shape);
            slots.push(fusion("fc1.weight", &[HIDDEN, 2 * FEATURE]));
            slots.push(fusion("fc1.bias", &[HIDDEN]));
            slots.push(fusion("fc2.weight", &[2, HIDDEN]));
            slots.push(fusion("fc2.bias", &[2]));
        }
        slots
    }
}

/// The tensors of a trunk, in the order of the data.
fn trunk_layout(kind: TrunkKind, modality: Modality) -> Vec<TensorSpec> {
    let mut slots = Vec::with_capacity(50);
    let name = |layer: &str, tensor: &str| format!("{}.{layer}.{tensor}", modality.name());
    let mut channels_in = modality.channels_in();
    let norm = |slots: &mut Vec<TensorSpec>, layer: &str, channels: usize| {
        for tensor in ["weight", "bias", "running_mean", "running_var"] {
            slots.push(TensorSpec::new(name(layer, tensor), &[channels]));
        }
    };
    if kind == TrunkKind::OpenL3 {
        norm(&mut slots, "bn0", channels_in);
    }
    for (block, channels) in CHANNELS.into_iter().enumerate() {
        for conv in 1..=2 {
            let layer = |kind: &str| format!("{kind}{}_{conv}", block + 1);
            let kernel = [channels, channels_in, 3, 3];
            slots.push(TensorSpec::new(name(&layer("conv"), "weight"), &kernel));
            slots.push(TensorSpec::new(name(&layer("conv"), "bias"), &[channels]));
            if kind == TrunkKind::L3 || (block, conv) != (3, 2) {
                norm(&mut slots, &layer("bn"), channels);
            }
            channels_in = channels;
        }
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_has_9508738_parameters() {
        let layout = Variant::PAPER.layout();
        let parameters: usize = layout
            .iter()
            .filter(|s| s.is_parameter())
            .map(TensorSpec::len)
            .sum();
        assert_eq!(parameters, 9_508_738);
        assert_eq!(layout.len(), 100);
    }

    #[test]
    fn a_trunk_of_openl3_has_48_tensors() {
        let parts = Parts::only(Modality::Vision);
        let layout = Variant::openl3(WindowSpec::OPENL3_MEL256, parts).layout();
        assert_eq!(layout.len(), 48);
        assert!(layout.iter().all(|slot| slot.name.starts_with("vision.")));
        assert!(!layout.iter().any(|slot| slot.name.contains("bn4_2")));
        assert_eq!(layout[0].name, "vision.bn0.weight");
        assert_eq!(layout[0].shape, [3]);
    }

    #[test]
    fn variants_of_the_same_tensors_have_different_fingerprints() {
        let openl3 = |spec| Variant::openl3(spec, Parts::ALL).fingerprint();
        let all = [
            Variant::PAPER.fingerprint(),
            Variant::l3(WindowSpec::PAPER, Conv1Stride::One).fingerprint(),
            openl3(WindowSpec::OPENL3_LINEAR),
            openl3(WindowSpec::OPENL3_MEL128),
            openl3(WindowSpec::OPENL3_MEL256),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(!all[..i].contains(one), "{i}");
        }
    }
}
