//! Folders of classes: `DIR/<class>/<file>`, with or without a `manifest.csv`.
//!
//! Belongs here: which file is of which class and which split. Does not: reading
//! the files.
//!
//! What is held out, in this order: files that `--test` patterns name; what lies
//! in `DIR/test/<class>/`, beside `DIR/train/<class>/` (or in `val`, if there is no
//! `test`: so ImageNet comes); what the manifest marks, by a `split` column that says `test` or by a `fold` column
//! that says the test fold; else, in a folder that says nothing, one clip in
//! seven. Of what is left one clip in ten tells how training goes. Takes of one
//! recording never cross: they share what stands before the last `-` of the
//! file's name, or the manifest's `group` or `freesound_id`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use globset::{Glob, GlobSet, GlobSetBuilder};

use super::Split;
use super::error::CorpusError;
use super::manifest::Manifest;
use super::random::hash;

/// The fold of ESC-50 and its kin that is held out.
pub const TEST_FOLD: u32 = 5;
/// One group in so many is the test, where nothing else says which.
const TEST_ONE_IN: usize = 7;
/// One group in so many of the rest validates.
const VALIDATION_ONE_IN: usize = 10;

/// A file of a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where it is.
    pub path: PathBuf,
    /// The part of the data that it belongs to.
    pub split: Split,
    /// The recording that it is a take of, with the fold before it.
    pub group: String,
    /// The manifest's fold, if it has one.
    pub fold: Option<u32>,
}

/// What decides about the splits.
#[derive(Clone, Debug)]
pub struct SplitRules {
    /// Patterns on the file's name (`emojitwo_*`): always held out.
    pub test: Vec<String>,
    /// The fold that is held out.
    pub test_fold: u32,
    /// Chooses where nothing else does.
    pub seed: u64,
}

impl Default for SplitRules {
    fn default() -> Self {
        Self {
            test: Vec::new(),
            test_fold: TEST_FOLD,
            seed: 0,
        }
    }
}

/// The files of one or several folders by class.
#[derive(Clone, Debug, Default)]
pub struct ClassFolder {
    classes: BTreeMap<String, Vec<Item>>,
}

impl ClassFolder {
    /// Reads `DIR/<class>/<file>` of each folder; a class that is in several is
    /// one class.
    ///
    /// # Errors
    /// If a folder cannot be read or holds no class with a file of one of the
    /// `extensions` (lower case, without dot).
    pub fn read(
        folders: &[PathBuf],
        extensions: &[&str],
        rules: &SplitRules,
    ) -> Result<Self, CorpusError> {
        let held_out = patterns(&rules.test)?;
        let mut classes: BTreeMap<String, Vec<Item>> = BTreeMap::new();
        for folder in folders {
            let before: usize = classes.values().map(Vec::len).sum();
            for (part, split) in parts(folder) {
                let manifest = Manifest::beside(&part)?;
                for (class, path) in files(&part, extensions)? {
                    let mut item = manifest.item(&part, path, &held_out, rules);
                    if let Some(split) = split {
                        item.split = item.split.max(split);
                        // Parts may number their files alike. Not their path: the same
                        // files are held out wherever the folder lies.
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
        Ok(Self { classes })
    }

    /// The names of the classes, sorted.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.classes.keys().map(String::as_str)
    }

    /// The files of a class, all splits.
    pub fn items(&self, class: &str) -> &[Item] {
        self.classes.get(class).map_or(&[], Vec::as_slice)
    }

    /// The files of a class in one split.
    pub fn of(&self, class: &str, split: Split) -> Vec<&Item> {
        let items = self.items(class).iter();
        items.filter(|item| item.split == split).collect()
    }
}

fn patterns(globs: &[String]) -> Result<GlobSet, CorpusError> {
    let refuse = |pattern: &str, e: globset::Error| {
        CorpusError::TooFew(format!("the pattern {pattern} of held-out files: {e}"))
    };
    let mut set = GlobSetBuilder::new();
    for pattern in globs {
        set.add(Glob::new(pattern).map_err(|e| refuse(pattern, e))?);
    }
    set.build().map_err(|e| refuse("", e))
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

/// Class and path of every file, sorted.
fn files(folder: &Path, extensions: &[&str]) -> Result<Vec<(String, PathBuf)>, CorpusError> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(folder)
        .min_depth(1)
        .follow_links(true)
        .sort_by_file_name()
    {
        let entry = entry.map_err(|e| CorpusError::layout(folder, e))?;
        let extension = entry.path().extension().map(|e| e.to_ascii_lowercase());
        let wanted = extension.is_some_and(|e| extensions.iter().any(|x| e == *x));
        if !wanted || !entry.file_type().is_file() || entry.depth() < 2 {
            continue;
        }
        let below = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        if let Some(class) = below.components().next() {
            let class = class.as_os_str().to_string_lossy().into_owned();
            found.push((class, entry.into_path()));
        }
    }
    Ok(found)
}

/// Chooses what validates, and what tests if nothing was marked: whole groups,
/// in the order of a number that hangs on the group's name alone.
fn split_the_rest(items: &mut [Item], seed: u64) {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a class")).expect("a folder");
            std::fs::write(path, "").expect("a file");
        }
        folder
    }

    fn read(folder: &Path, rules: &SplitRules) -> ClassFolder {
        ClassFolder::read(&[folder.to_owned()], &["ogg"], rules).expect("a folder of classes")
    }

    fn names(items: &[&Item]) -> Vec<String> {
        let name = |item: &&Item| {
            item.path
                .file_name()
                .map(|n| n.to_string_lossy().into_owned())
        };
        items.iter().filter_map(name).collect()
    }

    #[test]
    fn the_manifest_says_what_is_held_out() {
        let folder = folder(&[
            "dog/a.ogg",
            "dog/b.ogg",
            "dog/c.ogg",
            "cat/d.ogg",
            "cat/e.txt",
        ]);
        let manifest = "path,class,split,fold\ndog/a.ogg,dog,test,\ndog/b.ogg,dog,train,5\n";
        std::fs::write(folder.path().join("manifest.csv"), manifest).expect("a manifest");
        let all = read(folder.path(), &SplitRules::default());
        assert_eq!(all.classes().collect::<Vec<_>>(), ["cat", "dog"]);
        assert_eq!(names(&all.of("dog", Split::Test)), ["a.ogg", "b.ogg"]);
        assert_eq!(names(&all.of("dog", Split::Train)), ["c.ogg"]);
        let other_fold = SplitRules {
            test_fold: 1,
            ..SplitRules::default()
        };
        let all = read(folder.path(), &other_fold);
        assert_eq!(names(&all.of("dog", Split::Test)), ["a.ogg"]);
    }

    #[test]
    fn parts_are_folders_of_classes() {
        let train = ["train/dog/1.ogg", "train/dog/2.ogg", "train/cat/1.ogg"];
        let split = |more: &[&str], class: &str, split| {
            let folder = folder(&[&train[..], more].concat());
            let all = read(folder.path(), &SplitRules::default());
            assert_eq!(all.classes().collect::<Vec<_>>(), ["cat", "dog"]);
            // Wherever the folder lies, or the same seed would hold out others there.
            assert!(all.items("dog").iter().any(|item| item.group == "train/1"));
            all.of(class, split).len()
        };
        let val = ["val/dog/1.ogg", "val/cat/1.ogg", "val/cat/2.ogg"];
        let test = ["test/dog/1.ogg"];
        // Without a test, what validates elsewhere is the test.
        assert_eq!(split(&val, "dog", Split::Test), 1);
        assert_eq!(split(&val, "cat", Split::Test), 2);
        let all = [&val[..], &test].concat();
        assert_eq!(split(&all, "dog", Split::Test), 1);
        assert_eq!(split(&all, "cat", Split::Validation), 2);
        assert_eq!(split(&all, "dog", Split::Train), 2);
    }

    #[test]
    fn patterns_hold_out_by_name() {
        let folder = folder(&["dog/noto_1.ogg", "dog/noto_2.ogg", "dog/emoji_1.ogg"]);
        let rules = SplitRules {
            test: vec!["emoji_*".to_owned()],
            ..SplitRules::default()
        };
        let all = read(folder.path(), &rules);
        assert_eq!(names(&all.of("dog", Split::Test)), ["emoji_1.ogg"]);
        let wrong = SplitRules {
            test: vec!["[".to_owned()],
            ..SplitRules::default()
        };
        let error = ClassFolder::read(&[folder.path().to_owned()], &["ogg"], &wrong);
        assert!(error.expect_err("no pattern").to_string().contains('['));
    }

    #[test]
    fn a_folder_without_classes_is_told_what_was_expected() {
        let folder = folder(&["loose.ogg", "dog/picture.jpg"]);
        let error = ClassFolder::read(
            &[folder.path().to_owned()],
            &["ogg", "wav"],
            &SplitRules::default(),
        );
        let text = error.expect_err("no class").to_string();
        assert!(text.contains("<class>/<file>.{ogg,wav}"), "{text}");
    }

    proptest! {
        /// Whatever the files are called: every one is in one split, takes of one
        /// recording in the same, and two recordings at least are left to train on.
        #[test]
        fn takes_of_one_recording_never_cross(
            takes in prop::collection::btree_set((0..12_u32, 0..4_u32), 4..40),
            seed in 0..1000_u64,
        ) {
            let mut items: Vec<Item> = takes
                .iter()
                .map(|(recording, take)| Item {
                    path: format!("dog/{recording}-{take}.ogg").into(),
                    split: Split::Train,
                    group: recording.to_string(),
                    fold: None,
                })
                .collect();
            split_the_rest(&mut items, seed);
            let groups = |split: Split| -> BTreeSet<&str> {
                let of = items.iter().filter(|i| i.split == split);
                of.map(|i| i.group.as_str()).collect()
            };
            let (train, validation) = (groups(Split::Train), groups(Split::Validation));
            let test = groups(Split::Test);
            prop_assert!(train.is_disjoint(&validation) && train.is_disjoint(&test));
            prop_assert!(validation.is_disjoint(&test));
            let all: BTreeSet<_> = takes.iter().map(|(r, _)| *r).collect();
            prop_assert!(train.len() >= all.len().min(2));
            if all.len() >= 7 {
                prop_assert!(!test.is_empty() && !validation.is_empty());
            }
        }
    }
}
