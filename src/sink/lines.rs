//! Shared by both formats of an archive, lines and table: names of files next to OUT,
//! refusing foreign files.

use std::path::{Path, PathBuf};

use super::SinkError;

/// `path` with `ending` appended to its file name.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

pub(super) fn foreign(path: &Path, why: impl Into<String>) -> SinkError {
    SinkError::Foreign {
        path: path.to_owned(),
        why: why.into(),
    }
}
