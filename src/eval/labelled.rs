//! Files with a class, and rounds of training and testing on them.
//!
//! Belongs here: which file is trained and tested on in which round; `layouts`
//! knows how such data sets are laid out, `media` reads files. Does not: features,
//! classifiers.

mod layouts;
mod media;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use self::layouts::{Lists, class_folders, dcase, esc, shards};
pub use self::media::{Media, MediaKind};
use crate::corpus::{CorpusError, SplitRules};

/// A file or a clip, and its class.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledFile {
    /// The file or clip.
    pub media: Media,
    /// Its class, an index into [`Labelled::classes`].
    pub class: usize,
    /// Files of one recording share a group, and are never both trained and tested on.
    pub group: String,
}

/// Training and test files, as indices into [`Labelled::files`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// `fold 1`, or `test`.
    pub name: String,
    /// Training files, in parts that share no group: settings are chosen by
    /// validating on one of them.
    pub train: Vec<Vec<usize>>,
    /// Test files.
    pub test: Vec<usize>,
}

impl Round {
    /// The training files without their last part, and that part: to choose settings
    /// by. `None` if there is no other part.
    pub fn validation_split(&self) -> Option<(Vec<usize>, &[usize])> {
        let (held_out, rest) = self.train.split_last()?;
        (!rest.is_empty()).then(|| (rest.concat(), held_out.as_slice()))
    }
}

/// Labelled files with their rounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    /// The names of the classes, sorted.
    pub classes: Vec<String>,
    /// All files, sorted by class and name.
    pub files: Vec<LabelledFile>,
    /// One for each fold, or a single one if there is one test part.
    pub rounds: Vec<Round>,
}

/// A file as listed by a layout.
struct Entry {
    media: Media,
    class: String,
    group: String,
    part: Part,
}

/// The part that a layout assigns to a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Fold(u32),
    Train,
    Test,
}

impl Labelled {
    /// Reads one data set, or several folders of classes as one.
    ///
    /// # Errors
    /// Lists the known layouts if it has none of them; names the list and line that
    /// cannot be parsed; or there is nothing to train or test on.
    pub fn read(
        folders: &[PathBuf],
        extensions: &[&str],
        rules: &SplitRules,
    ) -> Result<Self, CorpusError> {
        let data = Self::open(folders, extensions, rules)?;
        data.check_rounds(&folders[0])?;
        Ok(data)
    }

    /// All files of a data set, without rounds: nothing need be held out.
    ///
    /// # Errors
    /// As [`read`](Self::read), but for the rounds.
    pub fn read_all(folders: &[PathBuf], extensions: &[&str]) -> Result<Self, CorpusError> {
        let data = Self::open(folders, extensions, &SplitRules::default())?;
        Ok(Self {
            rounds: Vec::new(),
            ..data
        })
    }

    /// The test files and their classes, without rounds: with folds, those of fold
    /// `test_fold` if there is one.
    pub fn held_out(self, test_fold: u32) -> Self {
        let name = format!("fold {test_fold}");
        let one = self.rounds.iter().find(|round| round.name == name);
        let tested: BTreeSet<usize> = match one {
            Some(round) => round.test.iter().copied().collect(),
            None => {
                if self
                    .rounds
                    .iter()
                    .any(|round| round.name.starts_with("fold "))
                {
                    tracing::warn!(
                        "there is no {name} to be held out, and all folds are used; \
                         choose one with --test-fold"
                    );
                }
                let all = self.rounds.iter().flat_map(|round| &round.test);
                all.copied().collect()
            }
        };
        let mut files: Vec<LabelledFile> = (self.files.into_iter().enumerate())
            .filter_map(|(i, file)| tested.contains(&i).then_some(file))
            .collect();
        let left: BTreeSet<usize> = files.iter().map(|f| f.class).collect();
        for file in &mut files {
            file.class = left.range(..file.class).count();
        }
        Self {
            classes: left.iter().map(|&c| self.classes[c].clone()).collect(),
            files,
            rounds: Vec::new(),
        }
    }

    fn open(
        folders: &[PathBuf],
        extensions: &[&str],
        rules: &SplitRules,
    ) -> Result<Self, CorpusError> {
        if let Some(entries) = shards(folders, rules)? {
            return Self::of_entries(entries, &folders[0]);
        }
        let [folder] = folders else {
            return Self::of_entries(class_folders(folders, extensions, rules)?, &folders[0]);
        };
        if !folder.is_dir() {
            return Err(CorpusError::layout(folder, "no such folder"));
        }
        let lists = dcase(folder)?;
        let folds = match lists {
            Some(_) => None,
            None => esc(folder)?,
        };
        if (lists.is_some() || folds.is_some()) && !rules.test.is_empty() {
            tracing::warn!(
                "{}: --test has no effect: its folds or lists say what is tested on",
                folder.display()
            );
        }
        match (lists, folds) {
            (Some(lists), _) => Self::of_lists(lists, folder),
            (None, Some(entries)) => Self::of_entries(entries, folder),
            (None, None) => Self::of_entries(class_folders(folders, extensions, rules)?, folder),
        }
    }

    /// Labels by file, in the order of the files.
    pub fn labels(&self) -> Vec<usize> {
        self.files.iter().map(|f| f.class).collect()
    }

    /// One round for each fold if all files have one, else a single round by part.
    fn of_entries(mut entries: Vec<Entry>, folder: &Path) -> Result<Self, CorpusError> {
        entries.sort_by_cached_key(|entry| (entry.class.clone(), entry.media.name()));
        let parts: BTreeSet<Part> = entries.iter().map(|e| e.part).collect();
        let of = |part: Part| -> Vec<usize> {
            let all = 0..entries.len();
            all.filter(|&i| entries[i].part == part).collect()
        };
        let all_folds = parts.iter().all(|p| matches!(p, Part::Fold(_)));
        let rounds = if all_folds {
            let round = |held_out: &Part| {
                let others = parts.iter().filter(|p| *p != held_out);
                let Part::Fold(number) = held_out else {
                    unreachable!("all parts are folds");
                };
                Round {
                    name: format!("fold {number}"),
                    train: others.map(|&p| of(p)).collect(),
                    test: of(*held_out),
                }
            };
            parts.iter().map(round).collect()
        } else {
            let groups: Vec<&str> = entries.iter().map(|e| e.group.as_str()).collect();
            vec![Round {
                name: "test".to_owned(),
                train: in_parts(&of(Part::Train), &groups),
                test: of(Part::Test),
            }]
        };
        Self::numbered(entries, rounds, folder)
    }

    /// One round for each pair of lists: training entries, test entries.
    fn of_lists(lists: Lists, folder: &Path) -> Result<Self, CorpusError> {
        let mut places: BTreeMap<(String, PathBuf), Entry> = BTreeMap::new();
        let mut keys = Vec::new();
        for (name, train, test) in lists {
            let mut take = |entries: Vec<Entry>| -> Vec<(String, PathBuf)> {
                let mut keys = Vec::with_capacity(entries.len());
                for entry in entries {
                    let key = (entry.class.clone(), entry.media.name());
                    keys.push(key.clone());
                    places.entry(key).or_insert(entry);
                }
                keys
            };
            keys.push((name, take(train), take(test)));
        }
        let order: BTreeMap<_, usize> = (places.keys().cloned()).zip(0..).collect();
        let entries: Vec<Entry> = places.into_values().collect();
        let groups: Vec<&str> = entries.iter().map(|e| e.group.as_str()).collect();
        let rounds = keys.into_iter().map(|(name, train, test)| {
            let indices = |keys: Vec<_>| keys.iter().map(|k| order[k]).collect::<Vec<_>>();
            Round {
                name,
                train: in_parts(&indices(train), &groups),
                test: indices(test),
            }
        });
        let rounds = rounds.collect();
        Self::numbered(entries, rounds, folder)
    }

    /// Numbers the classes.
    fn numbered(
        entries: Vec<Entry>,
        rounds: Vec<Round>,
        folder: &Path,
    ) -> Result<Self, CorpusError> {
        let classes: BTreeSet<&str> = entries.iter().map(|e| e.class.as_str()).collect();
        let classes: Vec<String> = classes.into_iter().map(str::to_owned).collect();
        let number = |class: &str| classes.iter().position(|c| c == class).unwrap_or(0);
        let files: Vec<LabelledFile> = entries
            .into_iter()
            .map(|entry| LabelledFile {
                class: number(&entry.class),
                media: entry.media,
                group: entry.group,
            })
            .collect();
        if classes.len() < 2 {
            let what = format!("{} class in it; two are needed", classes.len());
            return Err(CorpusError::layout(folder, what));
        }
        Ok(Self {
            classes,
            files,
            rounds,
        })
    }

    /// Rejects rounds without enough to train or test on.
    fn check_rounds(&self, folder: &Path) -> Result<(), CorpusError> {
        let refuse = |what: String| Err(CorpusError::layout(folder, what));
        let files = &self.files;
        for round in &self.rounds {
            let trained: BTreeSet<usize> = (round.train.iter().flatten())
                .map(|&i| files[i].class)
                .collect();
            let held_out: BTreeSet<&str> = round
                .test
                .iter()
                .map(|&i| files[i].group.as_str())
                .collect();
            let name = &round.name;
            if trained.len() < 2 || round.test.is_empty() {
                return refuse(format!(
                    "{name}: {} classes to learn from and {} files to test on; a `split` or \
                     `fold` column in manifest.csv, or --test 'PATTERN', says what is held out \
                     (of shards one recording in seven is, from six on)",
                    trained.len(),
                    round.test.len()
                ));
            }
            if let Some(&i) = (round.train.iter().flatten())
                .find(|&&i| held_out.contains(files[i].group.as_str()))
            {
                return refuse(format!(
                    "{name}: {} is to learn from, and another take of its recording {} is \
                     tested on; takes of one recording must share a fold",
                    files[i].media.name().display(),
                    files[i].group
                ));
            }
        }
        Ok(())
    }
}

/// Up to five parts of about the same size, each of whole groups.
fn in_parts(files: &[usize], groups: &[&str]) -> Vec<Vec<usize>> {
    let mut by_group: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for &file in files {
        by_group.entry(groups[file]).or_default().push(file);
    }
    let count = by_group.len().min(5);
    let mut parts = vec![Vec::new(); count];
    for (nth, (_, members)) in by_group.into_iter().enumerate() {
        parts[nth % count].extend(members);
    }
    for part in &mut parts {
        part.sort_unstable();
    }
    parts
}

#[cfg(test)]
#[path = "labelled_tests.rs"]
mod tests;
