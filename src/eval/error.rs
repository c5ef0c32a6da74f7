//! Why an experiment failed, in one line each.

use crate::corpus::CorpusError;
use crate::net::NetError;

/// A failed experiment.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// The data.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// The device, or libtorch.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The network's answer is not a number.
    #[error(
        "the network's answer to {origin} is not a number; \
         try --precision f32, or another model: its training failed"
    )]
    NotANumber {
        /// The example.
        origin: String,
    },
    /// Two networks that are compared hear different things.
    #[error(
        "{name} has the audio front end {}, the model {}: compare models of the same one",
        .front_ends[0], .front_ends[1]
    )]
    FrontEnds {
        /// The network that the model is compared with.
        name: &'static str,
        /// Its front end, and the model's.
        front_ends: [&'static str; 2],
    },
    /// Threads cannot be started.
    #[error("cannot start the threads that prepare pairs: {0}")]
    Threads(std::io::Error),
}
