//! Why nothing was learnt.

use super::learn::Skipped;
use crate::net::NetError;

/// An error of learning cameras.
#[derive(Debug, thiserror::Error)]
pub enum AdaptError {
    /// Fewer than two cameras with enough seconds.
    #[error(
        "{usable} of {all} cameras can be learnt, and it takes two: a camera is learnt by \
         telling its sound from that of others; name recordings of more cameras, each of \
         {seconds} s or more with sound",
        seconds = super::MIN_SECONDS
    )]
    TooFew {
        /// Cameras with enough seconds.
        usable: usize,
        /// Cameras that were named.
        all: usize,
        /// The others.
        skipped: Vec<Skipped>,
    },
    /// The run was cancelled.
    #[error("stopped; nothing was written")]
    Cancelled,
    /// libtorch failed.
    #[error("learning failed: {0}")]
    Net(#[from] NetError),
}

impl From<tch::TchError> for AdaptError {
    fn from(error: tch::TchError) -> Self {
        Self::Net(error.into())
    }
}
