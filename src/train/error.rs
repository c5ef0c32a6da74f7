//! Errors that end training; each prints as one line.

use std::io;
use std::path::{Path, PathBuf};

use super::workers::WorkersError;
use crate::corpus::CorpusError;
use crate::net::{ModelError, NetError};

/// Training cannot continue.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The data cannot be read or is too little.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// A model or a checkpoint cannot be read.
    #[error(transparent)]
    Model(ModelError),
    /// The device is not available.
    #[error(transparent)]
    Net(#[from] NetError),
    /// libtorch failed.
    #[error("step {step}: {cause}{}", memory_hint(cause))]
    Torch {
        /// The step.
        step: u64,
        /// The error of libtorch.
        cause: NetError,
    },
    /// A loss or a gradient is not finite.
    #[error(
        "step {step}: the {what} is not a number; its batch: {batch}; {kept}; \
             a lower --lr may help, or another start with --precision f32"
    )]
    NotANumber {
        /// The step.
        step: u64,
        /// Loss or gradient.
        what: &'static str,
        /// The sources of the batch.
        batch: String,
        /// What was saved before.
        kept: String,
    },
    /// A checkpoint cannot be used or is in the way.
    #[error("{}: {what}", file.display())]
    Checkpoint {
        /// The checkpoint.
        file: PathBuf,
        /// What is wrong, and the next step.
        what: String,
    },
    /// The model or a file beside it cannot be written.
    #[error(
        "{}: cannot write: {cause}; earlier files are kept; {}",
        file.display(),
        next_step(cause)
    )]
    Write {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// Several processes cannot go on together.
    #[error(transparent)]
    Workers(#[from] WorkersError),
    /// Threads cannot be started.
    #[error("cannot start the loader threads: {0}")]
    Threads(io::Error),
}

impl From<ModelError> for TrainError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Write { file, cause } => Self::Write { file, cause },
            other => Self::Model(other),
        }
    }
}

/// The next step where memory is short.
fn memory_hint(cause: &NetError) -> &'static str {
    if cause.is_out_of_memory() {
        "; a smaller --batch needs less memory (start from the model with --init)"
    } else {
        ""
    }
}

/// What to do about a file that cannot be written.
fn next_step(cause: &io::Error) -> &'static str {
    use io::ErrorKind as K;
    match cause.kind() {
        K::AlreadyExists | K::NotADirectory | K::IsADirectory => {
            "something else is in its place; move it away, or name another -o"
        }
        K::PermissionDenied | K::ReadOnlyFilesystem => "name an -o that you may write to",
        _ => "free some space and continue with --resume",
    }
}

pub(super) fn cannot_write(file: &Path) -> impl FnOnce(std::io::Error) -> TrainError {
    let file = file.to_owned();
    move |cause| TrainError::Write { file, cause }
}
