//! `manifest.csv`: what is said of the files of a folder of classes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use globset::GlobSet;

use super::Split;
use super::error::CorpusError;
use super::folder::{Item, SplitRules};

/// What a `manifest.csv` says of its files, by path below the folder.
pub(super) struct Manifest {
    rows: HashMap<String, Row>,
}

#[derive(Default)]
struct Row {
    split: String,
    fold: Option<u32>,
    group: Option<String>,
}

impl Manifest {
    /// The one in a folder; empty if there is none.
    pub fn beside(folder: &Path) -> Result<Self, CorpusError> {
        let file = folder.join("manifest.csv");
        if !file.is_file() {
            return Ok(Self {
                rows: HashMap::new(),
            });
        }
        let refuse = |e: csv::Error| CorpusError::file(&file, e);
        let mut reader = csv::Reader::from_path(&file).map_err(refuse)?;
        let header = reader.headers().map_err(refuse)?.clone();
        let column = |name: &str| header.iter().position(|h| h == name);
        let path = column("path").or(column("file")).ok_or_else(|| {
            CorpusError::file(
                &file,
                "no column `path` in it; a manifest names its files there",
            )
        })?;
        let (split, fold) = (column("split"), column("fold"));
        let group = column("group").or(column("freesound_id"));
        let mut rows = HashMap::new();
        for record in reader.records() {
            let record = record.map_err(refuse)?;
            let text = |column: Option<usize>| column.and_then(|c| record.get(c)).unwrap_or("");
            rows.insert(
                text(Some(path)).to_owned(),
                Row {
                    split: text(split).to_owned(),
                    fold: text(fold).parse().ok(),
                    group: Some(text(group).to_owned()).filter(|g| !g.is_empty()),
                },
            );
        }
        Ok(Self { rows })
    }

    /// A file of the folder, with what is said of it.
    pub fn item(
        &self,
        folder: &Path,
        path: PathBuf,
        held_out: &GlobSet,
        rules: &SplitRules,
    ) -> Item {
        let below = path.strip_prefix(folder).unwrap_or(&path);
        let row = self.rows.get(below.to_string_lossy().as_ref());
        let name = path.file_name().unwrap_or_default();
        let fold = row.and_then(|r| r.fold);
        let is_test = held_out.is_match(Path::new(name))
            || row.is_some_and(|r| r.split == "test")
            || fold == Some(rules.test_fold);
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let group = row.and_then(|r| r.group.clone()).unwrap_or_else(|| {
            let group = stem.rsplit_once('-').map_or(&*stem, |(group, _)| group);
            group.to_owned()
        });
        Item {
            split: if is_test { Split::Test } else { Split::Train },
            group,
            fold,
            path,
        }
    }
}
