//! Files: the model that is used, and the cache folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use super::Missing;
use crate::net::Weights;

/// The model that is used without `--model`.
#[derive(Debug, Serialize)]
pub(super) struct Model {
    /// Its file, or what stands for it.
    pub source: Option<PathBuf>,
    /// What an untrained one says means nothing.
    pub trained: bool,
    /// What its header says of it.
    pub header: BTreeMap<String, String>,
    /// Why it cannot be used.
    pub error: Option<String>,
}

/// The folder for downloads and unpacked libraries.
#[derive(Debug, Serialize)]
pub(super) struct Cache {
    pub path: PathBuf,
    pub exists: bool,
    /// Free on its disk.
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
    /// A file that is in the place of the model and cannot be used stops every
    /// command that is not given another.
    pub(super) fn missing(&self) -> Option<Missing> {
        Some(Missing {
            what: format!("a model that can be used: {}", self.error.as_ref()?),
            needed: true,
            package: None,
            command: None,
        })
    }
}

pub(super) fn cache() -> Cache {
    let path = crate::cache::folder();
    // A folder that is yet to be made lies on its parent's disk.
    let there = path.ancestors().find(|p| p.exists());
    Cache {
        exists: path.is_dir(),
        free_bytes: there.and_then(free_bytes),
        path,
    }
}

/// Through `df`: the standard library does not know, and one number is not worth
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
    fn a_clone_has_a_model_that_can_be_used() {
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
