//! What the network learns, and which parts of it learn.

use super::heads::TrainTask;
use crate::net::{Modality, TensorSpec};

/// Which parts are frozen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freeze {
    /// None: the whole network learns.
    #[default]
    None,
    /// The vision trunk.
    Vision,
    /// The audio trunk.
    Audio,
    /// Both trunks: only the fusion learns.
    Trunks,
}

impl Freeze {
    pub(super) fn freezes(self, modality: Modality) -> bool {
        match self {
            Self::None => false,
            Self::Vision => modality == Modality::Vision,
            Self::Audio => modality == Modality::Audio,
            Self::Trunks => true,
        }
    }
}

/// What the network learns and which parts of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Objective {
    /// Correspondence, classes, or both.
    pub task: TrainTask,
    /// Number of classes.
    pub classes: usize,
    /// Frozen parts.
    pub freeze: Freeze,
    /// Batch norm uses its running statistics, which stay as they are.
    pub freeze_norm: bool,
    /// Dropout rate of the features.
    pub dropout: f64,
    /// Weight of the loss of the best place in the picture; 0: none.
    pub local_loss: f64,
    /// Seed of new heads and of dropout.
    pub seed: u64,
    /// The number of this process: each has its own dropout.
    pub rank: u64,
}

impl Objective {
    pub(super) fn trains(self, slot: &TensorSpec) -> bool {
        let of = |modality: Modality| slot.name.starts_with(modality.name());
        let frozen = [Modality::Vision, Modality::Audio]
            .into_iter()
            .any(|m| of(m) && self.freeze.freezes(m));
        let unused = slot.name.starts_with("fusion.") && !self.task.has_avc();
        !frozen && !unused && !is_bias_of_conv(slot)
    }
}

/// Such biases do not learn: batch norm subtracts the mean.
pub(super) fn is_bias_of_conv(slot: &TensorSpec) -> bool {
    slot.name.contains(".conv") && slot.name.ends_with(".bias")
}
