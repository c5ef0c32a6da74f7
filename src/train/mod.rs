//! Training (paper, section 2.2): the same trunks and fusion as in use, learning
//! from pairs half of which correspond.
//!
//! In the order of the data: a [`Sampler`] draws pairs from corpora and an
//! augmenter changes them, a loader makes [`Batch`]es ahead, a [`Network`] finds
//! their loss and gradient, Adam follows it, and [`train`] goes from step to
//! step, looks at the validation and saves [`Checkpoint`]s.

mod adam;
mod augment;
mod batch;
mod calibration;
mod checkpoint;
mod error;
mod events;
mod heads;
mod loader;
mod memory;
mod network;
mod parameters;
mod run;
mod run_state;
mod sampler;
mod score;
mod settings;
#[cfg(test)]
mod testing;

pub use adam::Adam;
pub use augment::{Augmenter, Strength};
pub use batch::{Batch, PairOf};
pub use calibration::{Calibration, ScoredPair, cross_entropy_and_accuracy};
pub use checkpoint::{Checkpoint, Files};
pub use error::TrainError;
pub use events::EventFile;
pub use heads::{Head, Task};
pub use loader::Loader;
pub use memory::keep_freed_memory;
pub use network::{Freeze, Lesson, Network};
pub use parameters::Parameters;
pub use run::train;
pub use run_state::{RunState, Validation};
pub use sampler::{Mixture, Pairing, Sampler, SamplerSettings};
pub use score::Score;
pub use settings::{Outcome, Progress, Start, TrainSettings};
