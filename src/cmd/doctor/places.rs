//! The default model and the cache folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use super::Missing;
use crate::net::Weights;

/// The default model.
#[derive(Debug, Serialize)]
pub(super) struct Model {
    /// Its file, or a description where there is none.
    pub source: Option<PathBuf>,
    /// Whether it is trained; the results of an untrained one mean nothing.
    pub trained: bool,
    /// The metadata in its header.
    pub header: BTreeMap<String, String>,
    /// Why it cannot be used.
    pub error: Option<String>,
}

/// The folder for downloads and unpacked libraries.
#[derive(Debug, Serialize)]
pub(super) struct Cache {
    pub path: PathBuf,
    pub exists: bool,
    /// Free space on its disk.
    pub free_bytes: Option<u64>,
}

pub(super) fn model() -> Model {
    match Weights::default_model() {
        Ok(weights) => Model {
            source: Some(weights.source().to_owned()),
            trained: weights.is_trained(),
            header: weights.metadata().clone(),
            error: None,
        },
        Err(error) => Model {
            source: None,
            trained: false,
            header: BTreeMap::new(),
            error: Some(error.to_string()),
        },
    }
}

impl Model {
    /// An unusable file in place of the default model stops every command that names no
    /// other.
    pub(super) fn missing(&self) -> Option<Missing> {
        Some(Missing {
            what: format!("a usable model: {}", self.error.as_ref()?),
            needed: true,
            package: None,
            command: None,
        })
    }
}

pub(super) fn cache() -> Cache {
    let path = crate::cache::folder();
    // A folder that does not exist yet will be on its parent's disk.
    let existing = path.ancestors().find(|p| p.exists());
    Cache {
        exists: path.is_dir(),
        free_bytes: existing.and_then(free_bytes),
        path,
    }
}

/// From `df`: the standard library has no function for it, and one number is not worth
/// a binding to the C library.
fn free_bytes(path: &Path) -> Option<u64> {
    let out = Command::new("df")
        .args(["--output=avail", "-B1", "--"])
        .arg(path)
        .output()
        .ok()?;
    String::from_utf8(out.stdout)
        .ok()?
        .lines()
        .nth(1)?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_has_a_usable_model() {
        let model = model();
        assert_eq!(model.error, None);
        assert_eq!(
            model.header.get("format").map(String::as_str),
            Some("l3net/1")
        );
    }

    #[test]
    fn the_disk_of_a_folder_has_free_space() {
        assert!(free_bytes(&std::env::temp_dir()).is_some());
    }
}
