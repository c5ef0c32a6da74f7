//! Files with a class, and rounds of training and testing on them.
//!
//! Belongs here: the layouts that such data comes in, and which file is trained
//! and tested on in which round. Does not: reading the files.
//!
//! Three layouts are known: folders of classes with or without a `manifest.csv`
//! (see [`ClassFolder`]), ESC-50's `audio/` with `meta/*.csv` and its folds, and
//! the lists of DCASE in `evaluation_setup/` (or `train.txt` and `test.txt`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::corpus::{ClassFolder, CorpusError, Split, SplitRules};

/// What is expected where nothing of it is found.
const LAYOUTS: &str = "expected one of
  DIR/<class>/<file>                        (a manifest.csv in DIR may name a fold or a split)
  DIR/meta/*.csv and DIR/audio/<file>       (ESC-50: columns filename, fold, category)
  DIR/evaluation_setup/fold1_train.txt, …   (DCASE: lines of path and class)
  DIR/train.txt and DIR/test.txt            (the same without folds)";

/// A file and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its class, a place in [`Labelled::classes`].
    pub class: usize,
    /// Files of one group are of one recording, and never on both sides.
    pub group: String,
}

/// What is learnt from and what is tested on; places in [`Labelled::files`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// `fold 1`, or `test`.
    pub name: String,
    /// Learnt from, in parts none of which shares a group with another: settings
    /// are chosen by leaving out one of them.
    pub train: Vec<Vec<usize>>,
    /// Tested on.
    pub test: Vec<usize>,
}

/// Labelled files with their rounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// The names of the classes, sorted.
    pub classes: Vec<String>,
    /// All files, sorted by class and path.
    pub files: Vec<LabelledFile>,
    /// Each fold once, or a single round where there is one test part.
    pub rounds: Vec<Round>,
}

/// A file as a layout names it.
struct Entry {
    path: PathBuf,
    class: String,
    group: String,
    part: Part,
}

/// What a layout says of a file.
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
    /// Shows the layouts that are known if it is in none; names the list and line
    /// that cannot be understood; or there is nothing to train or test on.
    pub fn read(
        folders: &[PathBuf],
        extensions: &[&str],
        rules: &SplitRules,
    ) -> Result<Self, CorpusError> {
        let [folder] = folders else {
            return Self::of_entries(class_folders(folders, extensions, rules)?, &folders[0]);
        };
        if !folder.is_dir() {
            return Err(CorpusError::layout(folder, "no such folder"));
        }
        if let Some(lists) = dcase(folder)? {
            return Self::of_lists(lists, folder);
        }
        let entries = match esc(folder)? {
            Some(entries) => entries,
            None => class_folders(folders, extensions, rules)?,
        };
        Self::of_entries(entries, folder)
    }

    /// Labels by file, in the order of the files.
    pub fn labels(&self) -> Vec<usize> {
        self.files.iter().map(|f| f.class).collect()
    }

    /// Rounds by fold if all files have one, else one round by part.
    fn of_entries(mut entries: Vec<Entry>, folder: &Path) -> Result<Self, CorpusError> {
        entries.sort_by(|a, b| (&a.class, &a.path).cmp(&(&b.class, &b.path)));
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
        Self::checked(entries, rounds, folder)
    }

    /// Rounds by pairs of lists: training entries, test entries.
    fn of_lists(
        lists: Vec<(String, Vec<Entry>, Vec<Entry>)>,
        folder: &Path,
    ) -> Result<Self, CorpusError> {
        let mut places: BTreeMap<(String, PathBuf), Entry> = BTreeMap::new();
        let mut keys = Vec::new();
        for (name, train, test) in lists {
            let mut take = |entries: Vec<Entry>| -> Vec<(String, PathBuf)> {
                let mut keys = Vec::with_capacity(entries.len());
                for entry in entries {
                    let key = (entry.class.clone(), entry.path.clone());
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
        Self::checked(entries, rounds, folder)
    }

    /// Gives classes their numbers; refuses what cannot be tested.
    fn checked(
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
                path: entry.path,
                group: entry.group,
            })
            .collect();
        let refuse = |what: String| Err(CorpusError::layout(folder, what));
        if classes.len() < 2 {
            return refuse(format!("{} class in it; two are needed", classes.len()));
        }
        for round in &rounds {
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
                     `fold` column in manifest.csv, or --test 'PATTERN', says what is held out",
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
                    files[i].path.display(),
                    files[i].group
                ));
            }
        }
        Ok(Self {
            classes,
            files,
            rounds,
        })
    }
}

/// Up to five parts of about the same size, whole groups in each.
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

fn class_folders(
    folders: &[PathBuf],
    extensions: &[&str],
    rules: &SplitRules,
) -> Result<Vec<Entry>, CorpusError> {
    let all = ClassFolder::read(folders, extensions, rules).map_err(|error| match error {
        CorpusError::Layout { folder, .. } => {
            CorpusError::layout(&folder, format!("no class in it; {LAYOUTS}"))
        }
        other => other,
    })?;
    let items = || {
        all.classes()
            .flat_map(|c| all.items(c).iter().map(move |i| (c, i)))
    };
    let all_folds = items().all(|(_, item)| item.fold.is_some());
    let entries = items().map(|(class, item)| Entry {
        path: item.path.clone(),
        class: class.to_owned(),
        // Two classes may call their files alike.
        group: format!("{class}/{}", item.group),
        part: match (item.fold, item.split) {
            (Some(fold), _) if all_folds => Part::Fold(fold),
            (_, Split::Test) => Part::Test,
            _ => Part::Train,
        },
    });
    Ok(entries.collect())
}

/// ESC-50 as it is published: `meta/esc50.csv` and `audio/`.
fn esc(folder: &Path) -> Result<Option<Vec<Entry>>, CorpusError> {
    let (meta, audio) = (folder.join("meta"), folder.join("audio"));
    if !meta.is_dir() || !audio.is_dir() {
        return Ok(None);
    }
    let read = std::fs::read_dir(&meta).map_err(|e| CorpusError::layout(&meta, e))?;
    let mut tables: Vec<PathBuf> = read
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "csv"))
        .collect();
    tables.sort();
    let Some(table) = tables.first() else {
        return Err(CorpusError::layout(
            &meta,
            format!("no .csv in it; {LAYOUTS}"),
        ));
    };
    let refuse = |e: csv::Error| CorpusError::file(table, e);
    let mut reader = csv::Reader::from_path(table).map_err(refuse)?;
    let header = reader.headers().map_err(refuse)?.clone();
    let column = |name: &str| header.iter().position(|h| h == name);
    let needed = |name: &str| {
        column(name).ok_or_else(|| CorpusError::file(table, format!("no column `{name}` in it")))
    };
    let (file, fold, class) = (needed("filename")?, needed("fold")?, needed("category")?);
    let source = column("src_file");
    let mut entries = Vec::new();
    for record in reader.records() {
        let record = record.map_err(refuse)?;
        let text = |column: usize| record.get(column).unwrap_or("");
        let number: u32 = text(fold).parse().map_err(|_| {
            CorpusError::file(
                table,
                format!("{}: fold {} is no number", text(file), text(fold)),
            )
        })?;
        entries.push(Entry {
            path: audio.join(text(file)),
            class: text(class).to_owned(),
            group: source.map_or_else(|| text(file).to_owned(), |s| text(s).to_owned()),
            part: Part::Fold(number),
        });
    }
    Ok(Some(entries))
}

/// Name, training entries and test entries of each pair of lists.
type Lists = Vec<(String, Vec<Entry>, Vec<Entry>)>;

/// The lists of DCASE: `evaluation_setup/foldN_train.txt` with `…_evaluate.txt`
/// (or `…_test.txt`, where that names classes), or `train.txt` and `test.txt`.
fn dcase(folder: &Path) -> Result<Option<Lists>, CorpusError> {
    let setup = folder.join("evaluation_setup");
    let plain = ["txt", "csv"]
        .map(|end| {
            (
                folder.join(format!("train.{end}")),
                folder.join(format!("test.{end}")),
            )
        })
        .into_iter()
        .find(|(train, test)| train.is_file() && test.is_file());
    if let Some((train, test)) = plain {
        let pair = (
            "test".to_owned(),
            list(folder, &train)?,
            list(folder, &test)?,
        );
        return Ok(Some(vec![pair]));
    }
    if !setup.is_dir() {
        return Ok(None);
    }
    let mut lists = Vec::new();
    for fold in 1.. {
        let train = setup.join(format!("fold{fold}_train.txt"));
        if !train.is_file() {
            break;
        }
        let tests = ["evaluate", "test"].map(|kind| setup.join(format!("fold{fold}_{kind}.txt")));
        let Some(test) = tests.iter().find(|file| file.is_file()) else {
            return Err(CorpusError::layout(
                &setup,
                format!("fold{fold}_train.txt has no fold{fold}_evaluate.txt beside it"),
            ));
        };
        let pair = (list(folder, &train)?, list(folder, test)?);
        lists.push((format!("fold {fold}"), pair.0, pair.1));
    }
    match lists.is_empty() {
        true => Err(CorpusError::layout(
            &setup,
            format!("no fold1_train.txt in it; {LAYOUTS}"),
        )),
        false => Ok(Some(lists)),
    }
}

/// Lines of a path, relative to `folder`, and a class, with a tab, comma,
/// semicolon or space between; more columns are not looked at.
fn list(folder: &Path, file: &Path) -> Result<Vec<Entry>, CorpusError> {
    let text = std::fs::read_to_string(file).map_err(|e| CorpusError::file(file, e))?;
    let mut entries = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let mut columns = line.split(['\t', ',', ';', ' ']).filter(|c| !c.is_empty());
        let (Some(path), Some(class)) = (columns.next(), columns.next()) else {
            let what = format!("line {}: no class behind the path: {line}", number + 1);
            return Err(CorpusError::file(file, what));
        };
        if number == 0 && !folder.join(path).exists() && class == "label" {
            continue; // a header
        }
        entries.push(Entry {
            path: folder.join(path),
            class: class.trim().to_owned(),
            // The lists say which side a recording is on; a file is its own group.
            group: path.to_owned(),
            part: Part::Train,
        });
    }
    Ok(entries)
}

#[cfg(test)]
#[path = "labelled_tests.rs"]
mod tests;
