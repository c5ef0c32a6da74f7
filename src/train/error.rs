//! Why training ended before its time, in one line each.

use std::io;
use std::path::PathBuf;

use crate::corpus::CorpusError;
use crate::net::{ModelError, NetError};

/// Training that could not go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The data.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// A model or a checkpoint that cannot be read.
    #[error(transparent)]
    Model(ModelError),
    /// The device.
    #[error(transparent)]
    Net(#[from] NetError),
    /// libtorch.
    #[error("step {step}: {cause}{}", memory_hint(cause))]
    Torch {
        /// The step.
        step: u64,
        /// What libtorch says.
        cause: tch::TchError,
    },
    /// A loss that is no number.
    #[error(
        "step {step}: the {what} is not a number; its batch: {batch}; {kept}; \
             a lower --lr may help, or another start with --precision f32"
    )]
    NotANumber {
        /// The step.
        step: u64,
        /// Loss or gradient.
        what: &'static str,
        /// What the batch was made of.
        batch: String,
        /// What is still there.
        kept: String,
    },
    /// A checkpoint is there and was not asked for, or the other way round.
    #[error("{}: {what}", file.display())]
    Checkpoint {
        /// The checkpoint.
        file: PathBuf,
        /// What is wrong, and the next step.
        what: String,
    },
    /// The model or a file beside it.
    #[error(
        "{}: cannot write: {cause}; what was written before is still there: {}",
        file.display(),
        next_step(cause)
    )]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// No threads.
    #[error("cannot start the threads that make batches: {0}")]
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

/// The one failure of libtorch that people can do something about.
fn memory_hint(cause: &tch::TchError) -> &'static str {
    let text = cause.to_string();
    if text.contains("out of memory") || text.contains("not enough memory") {
        "; a smaller --batch needs less memory (--init starts from the model with another)"
    } else {
        ""
    }
}

/// What a person can do about a file that cannot be written.
fn next_step(cause: &io::Error) -> &'static str {
    use io::ErrorKind as K;
    match cause.kind() {
        K::AlreadyExists | K::NotADirectory | K::IsADirectory => {
            "something else lies in its place; move it away, or name another -o"
        }
        K::PermissionDenied | K::ReadOnlyFilesystem => "name an -o where you may write",
        _ => "make room and go on with --resume",
    }
}
