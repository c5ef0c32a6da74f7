//! What can be wrong with training data, in one line each.

use std::path::PathBuf;

/// Data that cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CorpusError {
    /// A sound, a picture or a shard cannot be read.
    #[error("{}: {what}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it, and the next step.
        what: String,
    },
    /// A folder is not laid out as it should be.
    #[error("{}: {what}", folder.display())]
    Layout {
        /// The folder.
        folder: PathBuf,
        /// What is wrong, and the layout that was expected.
        what: String,
    },
    /// Pairs need two different things, and there are fewer.
    #[error("{0}")]
    TooFew(String),
}

impl CorpusError {
    /// Something wrong with a file.
    pub fn file(file: impl Into<PathBuf>, what: impl ToString) -> Self {
        Self::File {
            file: file.into(),
            what: what.to_string(),
        }
    }

    /// Something wrong with a folder.
    pub fn layout(folder: impl Into<PathBuf>, what: impl ToString) -> Self {
        Self::Layout {
            folder: folder.into(),
            what: what.to_string(),
        }
    }
}
