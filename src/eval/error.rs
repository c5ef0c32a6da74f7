//! Why an experiment could not be done, in one line each.

use crate::corpus::CorpusError;
use crate::net::NetError;

/// An experiment that came to no result.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// The data.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// The device, or libtorch.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The network answers something that is no number.
    #[error(
        "the network's answer to {origin} is not a number; \
         try --precision f32, or another model: its training failed"
    )]
    NotANumber {
        /// What it was asked about.
        origin: String,
    },
    /// No threads.
    #[error("cannot start the threads that prepare pairs: {0}")]
    Threads(std::io::Error),
}
