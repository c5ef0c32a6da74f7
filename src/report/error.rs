//! Why a report could not be made, in one line each.

use std::io;
use std::path::PathBuf;

use crate::eval::EvalError;
use crate::file_error::FileError;

/// A report that could not be drawn or written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A folder has the name of the output file.
    #[error("{}: is a folder; name a file in it", .0.display())]
    IsFolder(PathBuf),
    /// The output's folder does not exist.
    #[error("{}: no such folder; make it first", .0.display())]
    NoFolder(PathBuf),
    /// A folder of the report cannot be made or cleaned up.
    #[error("{}: {what}: {cause}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What failed.
        what: &'static str,
        /// What the system said.
        cause: io::Error,
    },
    /// A file has no pixels to draw.
    #[error("{}: cannot be drawn", .0.display())]
    Empty(PathBuf),
    /// A figure or file could not be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// A labelled file could not be read again, or the network failed.
    #[error(transparent)]
    Eval(#[from] EvalError),
}
