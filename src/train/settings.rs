//! What a run is told, how far it is and how it ended.

use std::time::Duration;

use super::checkpoint::Checkpoint;
use super::heads::Task;
use super::network::Freeze;
use super::run_state::{RunState, Validation};
use super::sampler::SamplerSettings;
use super::score::Score;
use crate::corpus::SplitBy;
use crate::net::{Conv1Stride, Device, Precision, Weights};

/// How to train.
#[derive(Clone, Debug)]
pub struct TrainSettings {
    /// What the batches are made of.
    pub sampler: SamplerSettings,
    /// What of recordings is held out, if there are any: told in the model, for who
    /// tests it.
    pub split_by: Option<SplitBy>,
    /// What chooses what is held out, where nothing else does.
    pub split_seed: u64,
    /// What else is held out, as options.
    pub held_out: String,
    /// Steps after which the run ends.
    pub steps: u64,
    /// A run ends earlier after this long.
    pub limit: Option<Duration>,
    /// Learning rate.
    pub rate: f64,
    /// Steps over which the rate rises to its value.
    pub warm_up: u64,
    /// The last part of the steps, over which the rate falls to nothing.
    pub cool_down: f64,
    /// L2.
    pub weight_decay: f64,
    /// What is learnt.
    pub task: Task,
    /// What does not learn.
    pub freeze: Freeze,
    /// Part of the features that the fusion learns without, others in each step.
    pub dropout: f64,
    /// Steps from validation to validation.
    pub validate_every: u64,
    /// Pairs of a validation.
    pub validation_pairs: usize,
    /// Longest time between two saved states.
    pub save_every: Duration,
    /// Where it is computed.
    pub device: Device,
    /// With which numbers.
    pub precision: Precision,
    /// CPU threads of the network.
    pub threads: usize,
    /// Threads that make batches.
    pub loaders: usize,
}

/// What a run starts from.
pub enum Start {
    /// Random weights.
    Scratch(Conv1Stride),
    /// A model.
    From(Weights),
    /// A state.
    Resume(Box<Checkpoint>),
}

/// How far it is, after a step.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Steps made.
    pub step: u64,
    /// Of so many.
    pub steps: u64,
    /// Pictures and sounds a step.
    pub batch: usize,
    /// Loss and accuracy, a running mean of the last steps.
    pub score: Score,
    /// Pictures and sounds a second in this run.
    pub examples_per_s: f64,
    /// Share of the time that the network waited for batches.
    pub waiting: f64,
    /// Learning rate.
    pub rate: f64,
    /// The validation, if there was one after this step.
    pub validation: Option<Validation>,
}

/// How it ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The run's numbers.
    pub state: RunState,
    /// Whether it was asked to end before its last step.
    pub stopped: bool,
    /// Draws left out because a file could not be read.
    pub left_out: u64,
    /// Share of the time that the network waited for batches.
    pub waiting: f64,
}
