//! Errors of sinks, each in one line: the culprit, the cause, the next step.

use std::io;
use std::path::{Path, PathBuf};

use crate::file_error::FileError;

/// Why a result could not be written.
///
/// The text is complete: causes are part of it and not in `source()`, so that printing
/// the chain of an `anyhow` error repeats nothing.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// What can happen to any file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file exists and was not written by this program, or must not be replaced.
    #[error("{}: {why}; it is left as it is: name another output, or move it away", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Why it is refused.
        why: String,
    },
    /// Another run writes the same file.
    #[error("{}: another l3net is writing it; wait for that one, or name another output", .path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// An address to serve at is invalid or taken.
    #[error("cannot serve at {address}: {cause}")]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong with it, and the next step.
        cause: String,
    },
    /// Several outputs of one kind failed.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\nl3net: "))]
    Several(Vec<SinkError>),
    /// A video could not be made.
    #[error("video {}: {cause}", .path.display())]
    Video {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the next step.
        cause: String,
    },
}

impl SinkError {
    /// For `map_err`: an [`io::Error`] with the file and what was tried.
    pub(crate) fn io(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |cause| FileError::io(path, what)(cause).into()
    }

    /// For `map_err`: an encoder's error with the file and what was tried.
    pub(crate) fn format<E: std::fmt::Display>(
        path: &Path,
        what: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |cause| FileError::format(path, what)(cause).into()
    }

    /// All failures as one error, so that each is reported.
    #[cfg(feature = "gst")]
    pub(crate) fn all(mut errors: Vec<Self>) -> Result<(), Self> {
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(Self::Several(errors)),
        }
    }

    /// True if the reader has gone, which is no failure.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::File(FileError::Closed))
    }
}
