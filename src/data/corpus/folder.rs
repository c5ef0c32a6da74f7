//! Folders of classes: `DIR/<class>/<file>`, with or without a `manifest.csv`.
//!
//! Belongs here: which file is of which class and which split. Does not: reading
//! the files.
//!
//! What is held out, in this order: files that `--test` patterns name; what lies
//! in `DIR/test/<class>/`, beside `DIR/train/<class>/` (or in `val`, if there is no
//! `test`: so ImageNet comes); what the manifest marks, by a `split` column that says
//! `test` (or `val`, again) or by a `fold` column that says the test fold; else, in a
//! folder that says nothing, one clip in seven. Of what is left one clip in ten tells
//! how training goes. Takes of one recording never cross: they share what stands
//! before the last `-` of the file's name, or the manifest's `group` or
//! `freesound_id`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::Split;
use super::error::CorpusError;
use super::held_out::{ClassFile, SplitRules, patterns};
use super::manifest::Manifest;
use super::random::hash;

/// One group in this many is for the test, where nothing else decides.
const TEST_ONE_IN: usize = 7;
/// One group in this many of the rest is for validation.
const VALIDATION_ONE_IN: usize = 10;

/// The files of one or several folders by class.
#[derive(Clone, Debug, Default)]
pub struct ClassFolder {
    classes: BTreeMap<String, Vec<ClassFile>>,
}

impl ClassFolder {
    /// Reads `DIR/<class>/<file>` of each folder; a class that is in several is
    /// one class.
    ///
    /// # Errors
    /// If a folder cannot be read or holds no class with a file of one of the
    /// `extensions` (lower case, without dot), or names the line of its manifest
    /// that cannot be understood.
    pub fn read(
        folders: &[PathBuf],
        extensions: &[&str],
        rules: &SplitRules,
    ) -> Result<Self, CorpusError> {
        let held_out = patterns(&rules.test)?;
        let mut classes: BTreeMap<String, Vec<ClassFile>> = BTreeMap::new();
        for folder in folders {
            let before: usize = classes.values().map(Vec::len).sum();
            for (part, split) in parts(folder) {
                let files = files(&part, extensions)?;
                if files.is_empty() {
                    continue; // and a manifest is of other files
                }
                let manifest = Manifest::beside(&part)?;
                manifest.warn_if_unused(&part, files.iter().map(|(_, path)| path.as_path()));
                for (class, path) in files {
                    let mut item = manifest.class_file(&part, path, &held_out, rules);
                    if let Some(split) = split {
                        item.split = item.split.max(split);
                        // Parts may number their files alike. Not their path: the same
                        // files are held out wherever the folder is.
                        let name = part.file_name().unwrap_or_default().display();
                        item.group = format!("{name}/{}", item.group);
                    }
                    classes.entry(class).or_default().push(item);
                }
            }
            if classes.values().map(Vec::len).sum::<usize>() == before {
                return Err(CorpusError::layout(
                    folder,
                    format!(
                        "no class in it; expected {}/<class>/<file>.{{{}}}",
                        folder.display(),
                        extensions.join(",")
                    ),
                ));
            }
        }
        for items in classes.values_mut() {
            items.sort_by(|a, b| a.path.cmp(&b.path));
            split_the_rest(items, rules.seed);
        }
        join_recordings(&mut classes);
        Ok(Self { classes })
    }

    /// The names of the classes, sorted.
    pub fn classes(&self) -> impl Iterator<Item = &str> + Clone {
        self.classes.keys().map(String::as_str)
    }

    /// All files of all classes.
    pub fn files(&self) -> impl Iterator<Item = &ClassFile> + Clone {
        self.classes.values().flatten()
    }

    /// The files of a class, all splits.
    pub fn items(&self, class: &str) -> &[ClassFile] {
        self.classes.get(class).map_or(&[], Vec::as_slice)
    }

    /// The files of a class in one split.
    pub fn of(&self, class: &str, split: Split) -> Vec<&ClassFile> {
        let items = self.items(class).iter();
        items.filter(|item| item.split == split).collect()
    }
}

/// The folders of classes in a folder, and what they are for: itself, or those
/// that are called so.
fn parts(folder: &Path) -> Vec<(PathBuf, Option<Split>)> {
    let called = |names: &[&str]| {
        let mut places = names.iter().map(|name| folder.join(name));
        places.find(|place| place.is_dir())
    };
    let (train, test) = (called(&["train"]), called(&["test"]));
    let val = called(&["val", "valid", "validation"]);
    let (Some(train), true) = (train, test.is_some() || val.is_some()) else {
        return vec![(folder.to_owned(), None)];
    };
    let val_is = match test {
        Some(_) => Split::Validation,
        None => Split::Test,
    };
    let mut parts = vec![(train, Some(Split::Train))];
    parts.extend(val.map(|part| (part, Some(val_is))));
    parts.extend(test.map(|part| (part, Some(Split::Test))));
    parts
}

/// Class and path of every file, sorted. A link that leads nowhere counts as the file
/// that it names: reading it fails, as with a damaged file.
fn files(folder: &Path, extensions: &[&str]) -> Result<Vec<(String, PathBuf)>, CorpusError> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(folder)
        .min_depth(1)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        // A Mac's archives have a `._dog.png` beside each `dog.png`.
        .filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry.file_name()))
    {
        let (depth, path, broken) = match entry {
            Ok(entry) if !entry.file_type().is_file() => continue,
            Ok(entry) => (entry.depth(), entry.into_path(), false),
            Err(e) => (e.depth(), broken_link(folder, &e)?, true),
        };
        let extension = path.extension().map(|e| e.to_ascii_lowercase());
        let wanted = extension.is_some_and(|e| extensions.iter().any(|x| e == *x));
        if !wanted || depth < 2 {
            if broken {
                let link = path.display();
                tracing::warn!("{link}: this link leads nowhere or in a circle; skipped");
            }
            continue;
        }
        let below = path.strip_prefix(folder).unwrap_or(&path);
        if let Some(class) = below.components().next() {
            let class = class.as_os_str().to_string_lossy().into_owned();
            found.push((class, path));
        }
    }
    Ok(found)
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// The link that a walk stumbled over.
///
/// # Errors
/// Names what is no link and cannot be read: all that is below it would be missing.
fn broken_link(folder: &Path, error: &walkdir::Error) -> Result<PathBuf, CorpusError> {
    let path = error.path().unwrap_or(folder).to_owned();
    if error.depth() > 0 && path.is_symlink() {
        return Ok(path);
    }
    let what = error
        .io_error()
        .map_or_else(|| error.to_string(), ToString::to_string);
    Err(CorpusError::file(path, what))
}

/// Chooses what validates, and what tests if nothing was marked: whole groups,
/// in the order of a number that depends on the group's name alone.
fn split_the_rest(items: &mut [ClassFile], seed: u64) {
    let marked = items.iter().any(|item| item.split == Split::Test);
    if items.iter().any(|item| item.split == Split::Validation) {
        return;
    }
    let mut groups: Vec<(u64, String)> = items
        .iter()
        .filter(|item| item.split == Split::Train)
        .map(|item| (hash(seed, &item.group), item.group.clone()))
        .collect();
    groups.sort();
    groups.dedup();
    let test = if marked {
        0
    } else {
        groups.len() / TEST_ONE_IN
    };
    // Two groups at least must stay for training.
    let left = groups.len() - test;
    let validation = (left.div_ceil(VALIDATION_ONE_IN)).min(left.saturating_sub(2));
    for (rank, (_, group)) in groups.iter().enumerate() {
        let split = match rank {
            r if r < test => Split::Test,
            r if r < test + validation => Split::Validation,
            _ => continue,
        };
        for item in items.iter_mut() {
            if item.split == Split::Train && item.group == *group {
                item.split = split;
            }
        }
    }
}

/// Brings the takes of a recording together that lie in several classes: what is held
/// out of it in one is held out in all.
fn join_recordings(classes: &mut BTreeMap<String, Vec<ClassFile>>) {
    let mut splits: BTreeMap<String, Split> = BTreeMap::new();
    let named = |item: &&mut ClassFile| item.of_all_classes;
    for item in classes.values_mut().flatten().filter(named) {
        let split = splits.entry(item.group.clone()).or_insert(item.split);
        *split = item.split.max(*split);
    }
    for item in classes.values_mut().flatten().filter(named) {
        item.split = splits[&item.group];
    }
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
