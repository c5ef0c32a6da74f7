//! `manifest.csv`: what is said of the files of a folder of classes.
//!
//! What is plain is read however it is written: `Test`, `fold5`, `./dog/a.ogg`. What
//! is not is refused, and never passed over: the network would learn from a file
//! that was to be held out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use globset::GlobSet;

use super::Split;
use super::error::CorpusError;
use super::held_out::{ClassFile, SplitRules};

/// What a `manifest.csv` says of its files, by path below the folder.
#[derive(Default)]
pub(super) struct Manifest {
    rows: HashMap<String, Row>,
}

#[derive(PartialEq)]
struct Row {
    split: Option<Split>,
    fold: Option<u32>,
    group: Option<String>,
}

impl Manifest {
    /// The one in a folder; empty if there is none.
    ///
    /// # Errors
    /// Names the file, and the line and the value that cannot be understood, with
    /// what was expected.
    pub fn beside(folder: &Path) -> Result<Self, CorpusError> {
        let file = folder.join("manifest.csv");
        // Not `exists`: a link that leads nowhere is meant to be one.
        if file.symlink_metadata().is_err() {
            return Ok(Self::default());
        }
        let refuse = |e: csv::Error| CorpusError::file(&file, e);
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_path(&file)
            .map_err(refuse)?;
        let header = reader.headers().map_err(refuse)?.clone();
        let column = |name: &str| header.iter().position(|h| h.eq_ignore_ascii_case(name));
        let path = column("path").or(column("file")).ok_or_else(|| {
            CorpusError::file(
                &file,
                "no column `path` in it; a manifest names its files there",
            )
        })?;
        let (split, fold) = (column("split"), column("fold"));
        let group = column("group").or(column("freesound_id"));
        let mut rows: HashMap<String, Row> = HashMap::new();
        for record in reader.records() {
            let record = record.map_err(refuse)?;
            let line = record.position().map_or(0, csv::Position::line);
            let wrong = |what: String| CorpusError::file(&file, format!("line {line}: {what}"));
            let text = |column: Option<usize>| column.and_then(|c| record.get(c)).unwrap_or("");
            let path = plain(text(Some(path)));
            let row = Row {
                split: split_of(text(split)).map_err(wrong)?,
                fold: fold_of(text(fold)).map_err(wrong)?,
                group: Some(text(group).to_owned()).filter(|g| !g.is_empty()),
            };
            if rows.get(&path).is_some_and(|other| *other != row) {
                return Err(wrong(format!(
                    "another line says something else of {path}; keep one of the two"
                )));
            }
            rows.insert(path, row);
        }
        // What validates elsewhere is the test if nothing else is, as with folders.
        let marked = |row: &Row| row.split == Some(Split::Test) || row.fold.is_some();
        if !rows.values().any(marked) {
            for row in rows.values_mut() {
                row.split = row.split.map(|split| match split {
                    Split::Validation => Split::Test,
                    other => other,
                });
            }
        }
        Ok(Self { rows })
    }

    /// Warns if it says what is held out, and of none of these files.
    pub fn warn_if_unused<'a>(&self, folder: &Path, mut files: impl Iterator<Item = &'a Path>) {
        let says = |row: &Row| row.split.is_some() || row.fold.is_some();
        let is_known = |file: &Path| self.row(folder, file).is_some();
        if self.rows.values().any(says) && !files.any(is_known) {
            tracing::warn!(
                "{}: none of the files here is in it, so it holds none of them out; \
                 its `path` is <class>/<file>",
                folder.join("manifest.csv").display()
            );
        }
    }

    fn row(&self, folder: &Path, file: &Path) -> Option<&Row> {
        let below = file.strip_prefix(folder).unwrap_or(file);
        self.rows.get(&plain(&below.to_string_lossy()))
    }

    /// A file of the folder, with what is said of it.
    pub fn class_file(
        &self,
        folder: &Path,
        path: PathBuf,
        held_out: &GlobSet,
        rules: &SplitRules,
    ) -> ClassFile {
        let row = self.row(folder, &path);
        let name = path.file_name().unwrap_or_default();
        let fold = row.and_then(|r| r.fold);
        let is_test = held_out.is_match(Path::new(name)) || fold == Some(rules.test_fold);
        let said = row.and_then(|r| r.split).unwrap_or(Split::Train);
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let recording = row.and_then(|r| r.group.clone());
        let of_all_classes = recording.is_some();
        let group = recording.unwrap_or_else(|| {
            let group = stem.rsplit_once('-').map_or(&*stem, |(group, _)| group);
            group.to_owned()
        });
        ClassFile {
            split: if is_test { Split::Test } else { said },
            group,
            of_all_classes,
            fold,
            path,
        }
    }
}

/// A path as all programs would write it: `./dog//a.ogg` and `dog\a.ogg` are one file.
fn plain(path: &str) -> String {
    let parts = path.split(['/', '\\']);
    let parts: Vec<&str> = parts.filter(|part| !matches!(*part, "" | ".")).collect();
    parts.join("/")
}

fn split_of(text: &str) -> Result<Option<Split>, String> {
    match text.to_ascii_lowercase().as_str() {
        "" => Ok(None),
        "train" | "training" => Ok(Some(Split::Train)),
        "val" | "valid" | "validation" => Ok(Some(Split::Validation)),
        "test" | "testing" => Ok(Some(Split::Test)),
        _ => Err(format!(
            "the split {text:?} is unknown; expected train, val or test, or nothing"
        )),
    }
}

fn fold_of(text: &str) -> Result<Option<u32>, String> {
    let lower = text.to_ascii_lowercase();
    let number = match lower.strip_prefix("fold") {
        Some(rest) => rest.trim_start_matches([' ', '_', '-']),
        None => &lower,
    };
    // A table with gaps in its numbers comes out of pandas as 5.0.
    let number = number.strip_suffix(".0").unwrap_or(number);
    match number.parse() {
        _ if text.is_empty() => Ok(None),
        Ok(fold) => Ok(Some(fold)),
        Err(_) => Err(format!(
            "the fold {text:?} is no number; expected one such as 5, or nothing"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a manifest says of `dog/a.ogg`, in the fold 5 that is held out.
    fn said(manifest: &str) -> Result<ClassFile, String> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("manifest.csv"), manifest).expect("written");
        let manifest = Manifest::beside(folder.path()).map_err(|e| e.to_string())?;
        let file = folder.path().join("dog/a.ogg");
        let rules = SplitRules::default();
        Ok(manifest.class_file(folder.path(), file, &GlobSet::empty(), &rules))
    }

    #[test]
    fn what_is_plain_is_understood_however_it_is_written() {
        for manifest in [
            "path,split\ndog/a.ogg,test\n",
            "path, split\n dog/a.ogg , TEST \n",
            "\u{feff}Path,Split\r\n./dog/a.ogg,Test\r\n",
            "file,SPLIT\ndog\\a.ogg,testing\n",
            "path,fold\ndog//a.ogg,5\n",
            "path,fold\ndog/a.ogg,5.0\n",
            "path,Fold\ndog/a.ogg,fold5\n",
            "path,fold\ndog/a.ogg,Fold 5\n",
            // Nothing else is the test.
            "path,split\ndog/a.ogg,valid\ndog/b.ogg,train\n",
        ] {
            assert_eq!(
                said(manifest).expect("read").split,
                Split::Test,
                "{manifest}"
            );
        }
        let train = said("path,split,fold\ndog/a.ogg,Train,fold_4\n").expect("read");
        assert_eq!((train.split, train.fold), (Split::Train, Some(4)));
        let val = said("path,split\ndog/a.ogg,val\ndog/b.ogg,test\n").expect("read");
        assert_eq!(val.split, Split::Validation);
        assert_eq!(
            said("path,split\ndog/a.ogg,\n").expect("read").split,
            Split::Train
        );
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_line() {
        for (manifest, parts) in [
            (
                "path,split\ndog/b.ogg,test\ndog/a.ogg,held\n",
                ["line 3", "\"held\""],
            ),
            ("path,fold\ndog/a.ogg,five\n", ["line 2", "\"five\""]),
            ("path,fold\ndog/a.ogg,-5\n", ["line 2", "\"-5\""]),
            ("path,fold\ndog/a.ogg,5.5\n", ["line 2", "\"5.5\""]),
            (
                "path,split\ndog/a.ogg,test\n./dog/a.ogg,train\n",
                ["line 3", "dog/a.ogg"],
            ),
            ("name,split\ndog/a.ogg,test\n", ["no column `path`", ""]),
        ] {
            let error = said(manifest).expect_err(manifest);
            for part in ["manifest.csv: "].iter().chain(&parts) {
                assert!(error.contains(part), "{error}");
            }
        }
        let folder = tempfile::tempdir().expect("a folder");
        let link = folder.path().join("manifest.csv");
        std::os::unix::fs::symlink("/no/such", link).expect("a link");
        assert!(Manifest::beside(folder.path()).is_err(), "it leads nowhere");
    }
}
