//! Settings, progress and outcome of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use super::checkpoint::Checkpoint;
use super::heads::{self, TrainTask};
use super::objective::Freeze;
use super::run_state::{RunState, Validation};
use super::sampler::SamplerSettings;
use super::score::Score;
use super::standardisation::Standardisation;
use crate::corpus::SplitBy;
use crate::net::{Conv1Stride, Device, Precision, Weights};
use crate::window_spec::WindowSpec;

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct TrainSettings {
    /// How batches are made.
    pub sampler: SamplerSettings,
    /// How recordings are split, if there are any; recorded in the model for later tests.
    pub split_by: Option<SplitBy>,
    /// Seed of the random split.
    pub split_seed: u64,
    /// What else is held out, as options.
    pub held_out: String,
    /// Number of steps.
    pub steps: u64,
    /// Time limit.
    pub limit: Option<Duration>,
    /// Learning rate.
    pub rate: f64,
    /// Steps over which the rate rises from zero.
    pub warm_up: u64,
    /// The last part of the steps, 0 to 1, over which the rate falls to zero.
    pub cool_down: f64,
    /// L2 factor.
    pub weight_decay: f64,
    /// What the network learns.
    pub task: TrainTask,
    /// What is frozen.
    pub freeze: Freeze,
    /// Whether batch norm's statistics are, too.
    pub freeze_norm: bool,
    /// Examples whose features are computed once, where both trunks are frozen.
    pub pool: usize,
    /// Dropout rate of the features.
    pub dropout: f64,
    /// Weight of the loss of the best place in the picture; 0: none.
    pub local_loss: f64,
    /// Steps between validations.
    pub validate_every: u64,
    /// Pairs of a validation.
    pub validation_pairs: usize,
    /// Longest time between two checkpoints.
    pub save_every: Duration,
    /// The device.
    pub device: Device,
    /// The precision.
    pub precision: Precision,
    /// CPU threads of the network.
    pub threads: usize,
    /// Threads that prepare batches.
    pub loaders: usize,
}

impl TrainSettings {
    /// Whether features are computed once. Not with a pool of 0. With `--overfit` the few examples are not
    /// augmented, and the paper's pairs of them stay the same. Features know no places.
    pub fn has_pool(&self) -> bool {
        self.pool > 0
            && self.local_loss == 0.0
            && self.freeze == Freeze::Trunks
            && self.sampler.overfit.is_none()
    }

    /// Examples of the pool: no more than all steps take.
    pub fn pool_len(&self) -> u64 {
        let needed = self.steps.saturating_mul(self.sampler.batch as u64);
        needed.min(self.pool as u64)
    }
}

/// What a run starts from.
pub enum Start {
    /// Random weights.
    Scratch(Conv1Stride),
    /// A model.
    Model(Weights),
    /// A checkpoint.
    Resume(Box<Checkpoint>),
}

impl Start {
    /// The window and spectrogram that the network is trained on.
    pub fn spec(&self) -> WindowSpec {
        match self {
            Self::Scratch(_) => WindowSpec::PAPER,
            Self::Model(weights) => weights.spec(),
            Self::Resume(checkpoint) => checkpoint.variant.spec,
        }
    }

    /// A network with the trunks that it starts with; `seed` is that of random weights.
    pub fn trunks(&self, seed: u64) -> Weights {
        match self {
            Self::Scratch(stride) => Weights::initial(seed, *stride),
            Self::Model(weights) => weights.clone(),
            Self::Resume(checkpoint) => {
                let network = (checkpoint.tensors.iter())
                    .filter(|(name, _)| !name.starts_with(heads::PREFIX))
                    .map(|(name, values)| (name.clone(), values.clone()));
                Weights::trained(checkpoint.variant, network.collect(), BTreeMap::new())
            }
        }
    }

    /// Steps made.
    pub fn step(&self) -> u64 {
        match self {
            Self::Resume(checkpoint) => checkpoint.state.step,
            _ => 0,
        }
    }

    /// What the run's features have been standardised by so far, if a step was made.
    pub fn standardisation(&self) -> Option<&Standardisation> {
        match self {
            // Before the first step, the pool may have been no more than begun.
            Self::Resume(checkpoint) if self.step() > 0 => checkpoint.standardisation.as_ref(),
            _ => None,
        }
    }
}

/// What is reported of a run as it goes on.
#[derive(Clone, Copy, Debug)]
pub enum TrainReport<'a> {
    /// Features of frozen trunks are being computed: examples done, and their number.
    Features(u64, u64),
    /// A step was made.
    Step(&'a TrainProgress),
    /// A process is slower than the others: its name, and seconds of its step and theirs.
    Slow(&'a str, f64, f64),
}

/// Progress after a step.
#[derive(Clone, Debug)]
pub struct TrainProgress {
    /// Steps made.
    pub step: u64,
    /// Number of steps.
    pub steps: u64,
    /// Pictures and sounds per step.
    pub batch: usize,
    /// Running mean of loss and accuracy.
    pub score: Score,
    /// Pictures and sounds per second in this run.
    pub examples_per_s: f64,
    /// Those of each process in its part of the last step, without the wait for the
    /// others; empty if there is one process.
    pub by_worker: Vec<f64>,
    /// Share of the time that the network waited for batches.
    pub waiting: f64,
    /// Share of the time that several processes took to exchange gradients.
    pub exchanging: f64,
    /// Learning rate.
    pub rate: f64,
    /// The validation after this step, if there was one.
    pub validation: Option<Validation>,
}

/// Outcome of a run.
#[derive(Clone, Debug)]
pub struct TrainOutcome {
    /// The state at the end.
    pub state: RunState,
    /// Whether it was cancelled, or reached its time limit, before its last step.
    pub stopped: bool,
    /// Draws skipped because a file could not be read.
    pub skipped: u64,
    /// Share of the time that the network waited for batches.
    pub waiting: f64,
    /// Share of the time that several processes took to exchange gradients, without the
    /// wait for slower ones; 0 for one.
    pub exchanging: f64,
}
