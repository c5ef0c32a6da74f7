//! Shared by both formats of an archive, lines and table: refusing foreign files.

use std::path::Path;

use super::SinkError;

pub(super) fn foreign(path: &Path, why: impl Into<String>) -> SinkError {
    SinkError::Foreign {
        path: path.to_owned(),
        why: why.into(),
    }
}
