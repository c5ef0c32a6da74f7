//! Tables in a build without them (cargo feature `parquet`).

use std::path::Path;

use super::{ArchiveIndex, SinkError};

fn absent(path: &Path) -> SinkError {
    SinkError::format(path, "use a table")(
        "this build has none; build with the cargo feature `parquet`, or name a .jsonl file",
    )
}

pub(super) fn read_progress(path: &Path, _: &mut ArchiveIndex) -> Result<(), SinkError> {
    Err(absent(path))
}

pub(super) fn write_table(path: &Path, _: bool, _: &Path, _: &Path) -> Result<(), SinkError> {
    Err(absent(path))
}

/// Fails before a run begins that could not end well.
pub(super) fn check(path: &Path) -> Result<(), SinkError> {
    Err(absent(path))
}
