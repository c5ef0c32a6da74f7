//! Training (paper, section 2.2): the trunks and fusion of inference learn from pairs,
//! half of which correspond.
//!
//! In the order of the data: a [`Sampler`] draws pairs from corpora, an [`Augmenter`]
//! changes them, a [`Loader`] prepares [`Batch`]es in advance, a [`Network`] computes
//! loss and gradient, [`Adam`] updates the parameters, and [`train`] runs the steps,
//! validates and saves [`Checkpoint`]s. With frozen trunks, batches come from a `Pool` of
//! examples whose features are computed once. Several processes share the work: [`workers`].

mod adam;
mod augment;
mod batch;
mod calibration;
mod checkpoint;
mod error;
mod events;
mod facts;
mod heads;
mod loader;
mod memory;
mod mixture;
mod network;
mod objective;
mod pairing;
mod parameters;
mod pool;
mod pool_file;
mod run;
mod run_state;
mod sampler;
mod score;
mod settings;
mod standardisation;
#[cfg(test)]
mod testing;
mod trainer;
pub mod workers;

pub use adam::Adam;
pub use augment::{AugmentationStrength, Augmenter};
pub use batch::{Batch, BatchPair};
pub use calibration::{Calibration, ScoredPair, cross_entropy_and_accuracy};
pub use checkpoint::{Checkpoint, RunFiles};
pub use error::TrainError;
pub use events::EventFile;
pub use heads::{Head, TrainTask};
pub use loader::Loader;
pub use memory::keep_freed_memory;
pub use mixture::Mixture;
pub use network::{Network, Slope};
pub use objective::{Freeze, Objective};
pub use pairing::PairingMode;
pub use parameters::Parameters;
pub use run::train;
pub use run_state::{RunState, Validation};
pub use sampler::{Sampler, SamplerSettings, Share};
pub use score::Score;
pub use settings::{Start, TrainOutcome, TrainProgress, TrainReport, TrainSettings};
