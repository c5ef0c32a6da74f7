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
    /// Threads cannot be started.
    #[error("cannot start the threads that prepare pairs: {0}")]
    Threads(std::io::Error),
}
