//! Errors of sinks, each in one line: the culprit, the cause, the next step.

use std::io;
use std::path::{Path, PathBuf};

/// Why a result could not be written.
///
/// The text is complete: causes are part of it and not in `source()`, so that printing
/// the chain of an `anyhow` error repeats nothing.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The reader has gone (`l3net … | head`). Not a failure: the program ends quietly.
    #[error("nobody reads the output any more")]
    Closed,
    /// An I/O error.
    #[error("{}: cannot {what}: {cause}; {}", .path.display(), next_step(.cause))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried: "write", "make the folder".
        what: &'static str,
        /// The system's error.
        cause: io::Error,
    },
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
    /// The name has no known extension.
    #[error("{}: the name should end in {expected}, which says the format", .path.display())]
    Extension {
        /// The name.
        path: PathBuf,
        /// The known extensions.
        expected: &'static str,
    },
    /// A table or picture could not be encoded or decoded.
    #[error("{}: cannot {what}: {cause}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The encoder's error.
        cause: String,
    },
    /// The address for metrics is invalid or taken.
    #[error("metrics at {address}: {cause}")]
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
        move |cause| {
            if cause.kind() == io::ErrorKind::BrokenPipe {
                return Self::Closed;
            }
            Self::Io {
                path: path.to_owned(),
                what,
                cause,
            }
        }
    }

    /// For `map_err`: an encoder's error with the file and what was tried.
    pub(crate) fn format<E: std::fmt::Display>(
        path: &Path,
        what: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |cause| Self::Format {
            path: path.to_owned(),
            what,
            cause: cause.to_string(),
        }
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
        matches!(self, Self::Closed)
    }
}

/// What the user can do about it.
pub(crate) fn next_step(cause: &io::Error) -> &'static str {
    use io::ErrorKind as K;
    match cause.kind() {
        K::StorageFull | K::QuotaExceeded | K::FileTooLarge => {
            "free some space and run the same command again"
        }
        K::PermissionDenied | K::ReadOnlyFilesystem => "name a place that you may write to",
        K::NotFound | K::NotADirectory => "make the folder first, or name another one",
        K::IsADirectory => "it is a folder: name a file in it",
        _ => "check the path and the disk",
    }
}
