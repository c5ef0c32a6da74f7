//! Why weights cannot be imported; each prints as one line.

use std::path::PathBuf;

/// Weights that cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("{}: cannot read it: {cause}; check the path", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        cause: std::io::Error,
    },
    /// The file is not HDF5, or is damaged.
    #[error("{}: {what}; get a complete copy of it", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What was found.
        what: String,
    },
    /// The file is HDF5 and holds something else.
    #[error("{}: not a trunk of OpenL3: {what}; name its openl3_audio_... or openl3_image_... .h5", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
        /// What was found, and what was expected.
        what: String,
    },
    /// What the file holds and what its name or an option says differ.
    #[error("{}: {what}", file.display())]
    Kind {
        /// The file.
        file: PathBuf,
        /// The contradiction, and the next step.
        what: String,
    },
}
