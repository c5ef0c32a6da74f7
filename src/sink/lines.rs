//! Shared by both formats of an archive, lines and table: reading the journal, names of
//! files next to OUT, refusing foreign files.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::SinkError;
use crate::result::Record;

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

/// Reads the records of a journal.
#[cfg(feature = "parquet")]
pub(super) fn read_records(
    path: &Path,
    mut take: impl FnMut(Record) -> Result<(), SinkError>,
) -> Result<(), SinkError> {
    let file = File::open(path).map_err(SinkError::io(path, "read"))?;
    for line in BufReader::with_capacity(1 << 18, file).split(b'\n') {
        let line = line.map_err(SinkError::io(path, "read"))?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let record = serde_json::from_slice(&line).map_err(SinkError::format(path, "read"))?;
        take(record)?;
    }
    Ok(())
}
