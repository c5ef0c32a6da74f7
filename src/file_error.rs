//! Why a file could not be written or read, in one line: the culprit, the cause, the next
//! step.
//!
//! Belongs here: what can happen to any file. Does not: what only some have (an archive, a
//! video, a model).

use std::io;
use std::path::{Path, PathBuf};

/// Why a file could not be written or read.
///
/// The text is complete: causes are part of it and not in `source()`, so that printing
/// the chain of an `anyhow` error repeats nothing.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
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
}

impl FileError {
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

    /// True if the reader has gone, which is no failure.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }
}

/// What the user can do about it.
fn next_step(cause: &io::Error) -> &'static str {
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
