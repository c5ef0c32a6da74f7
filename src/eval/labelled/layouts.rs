//! The layouts of labelled data sets.
//!
//! There are four: folders of classes with or without a `manifest.csv` or parts
//! (see [`ClassFolder`]), ESC-50's `audio/` with `meta/*.csv` and its folds, the
//! lists of DCASE in `evaluation_setup/` (or `train.txt` and `test.txt`), and shards
//! of recordings from folders of classes.

use std::path::{Path, PathBuf};

use super::{Entry, Media, Part};
use crate::corpus::shards::holds_shards;
use crate::corpus::{
    ClassFolder, ClipRules, Clips, CorpusError, Split, SplitBy, SplitRules, warn_of_unused_patterns,
};

/// The layouts, for errors where none is found.
const LAYOUTS: &str = "expected one of
  DIR/<class>/<file>                        (a manifest.csv in DIR may name a fold or a split)
  DIR/train/<class>/<file> and DIR/test/…   (or DIR/val/…)
  DIR/meta/*.csv and DIR/audio/<file>       (ESC-50: columns filename, fold, category)
  DIR/evaluation_setup/fold1_train.txt, …   (DCASE: lines of path and class)
  DIR/train.txt and DIR/test.txt            (the same without folds)
  DIR/shard-000000.tar, …                   (of videos: l3net prepare FOLDER_OF_CLASSES -o DIR)";

/// Labelled clips, if all folders have shards. The test files are those that
/// training by `--split clip` holds out.
pub(super) fn shards(
    folders: &[PathBuf],
    rules: &SplitRules,
) -> Result<Option<Vec<Entry>>, CorpusError> {
    if !folders.iter().all(|folder| holds_shards(folder)) {
        return Ok(None);
    }
    let rules = ClipRules {
        split_by: SplitBy::Clip,
        test: rules.test.clone(),
        seed: rules.seed,
    };
    let clips = Clips::open(folders, &rules)?;
    let entries: Vec<Entry> = clips
        .labelled()
        .into_iter()
        .map(|(class, fingerprint, split, clip)| Entry {
            media: Media::Stored(Box::new(clip.clone())),
            class: class.to_owned(),
            group: fingerprint.to_owned(),
            part: match split {
                Split::Test => Part::Test,
                _ => Part::Train,
            },
        })
        .collect();
    if entries.is_empty() {
        return Err(CorpusError::layout(
            &folders[0],
            "no clip in these shards has a label; put the recordings into folders by class \
             before `l3net prepare FOLDER -o DIR`",
        ));
    }
    Ok(Some(entries))
}

pub(super) fn class_folders(
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
    let files = all.classes().flat_map(|class| all.items(class));
    warn_of_unused_patterns(&rules.test, files.map(|item| item.path.as_path()));
    let items = || {
        all.classes()
            .flat_map(|c| all.items(c).iter().map(move |i| (c, i)))
    };
    let all_folds = items().all(|(_, item)| item.fold.is_some());
    let entries = items().map(|(class, item)| Entry {
        media: Media::File(item.path.clone()),
        class: class.to_owned(),
        // Two classes may have files of the same name.
        group: match item.of_all_classes {
            true => item.group.clone(),
            false => format!("{class}/{}", item.group),
        },
        part: match (item.fold, item.split) {
            (Some(fold), _) if all_folds => Part::Fold(fold),
            (_, Split::Test) => Part::Test,
            _ => Part::Train,
        },
    });
    Ok(entries.collect())
}

/// ESC-50 as it is published: `meta/esc50.csv` and `audio/`.
pub(super) fn esc(folder: &Path) -> Result<Option<Vec<Entry>>, CorpusError> {
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
            media: Media::File(audio.join(text(file))),
            class: text(class).to_owned(),
            group: source.map_or_else(|| text(file).to_owned(), |s| text(s).to_owned()),
            part: Part::Fold(number),
        });
    }
    Ok(Some(entries))
}

/// Name, training entries and test entries of each pair of lists.
pub(super) type Lists = Vec<(String, Vec<Entry>, Vec<Entry>)>;

/// The lists of DCASE: `evaluation_setup/foldN_train.txt` with `…_evaluate.txt`
/// (or `…_test.txt`, where that names classes), or `train.txt` and `test.txt`.
pub(super) fn dcase(folder: &Path) -> Result<Option<Lists>, CorpusError> {
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

/// Lines of a path, relative to `folder`, and a class; further columns are ignored.
/// The separator is a tab, or else a comma, a semicolon or a space: paths may have
/// spaces.
fn list(folder: &Path, file: &Path) -> Result<Vec<Entry>, CorpusError> {
    let text = std::fs::read_to_string(file).map_err(|e| CorpusError::file(file, e))?;
    // Windows editors write a byte order mark.
    let text = text.trim_start_matches('\u{feff}');
    let mut entries = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let between = ['\t', ',', ';', ' ']
            .into_iter()
            .find(|&c| line.contains(c));
        let columns = line.split(|c| Some(c) == between).map(str::trim);
        let mut columns = columns.filter(|c| !c.is_empty());
        let (Some(path), Some(class)) = (columns.next(), columns.next()) else {
            let what = format!("line {}: no class behind the path: {line}", number + 1);
            return Err(CorpusError::file(file, what));
        };
        // `filename` and `scene_label`, or whatever a header calls them.
        let names_no_file = Path::new(path).extension().is_none() && !folder.join(path).exists();
        if number == 0 && names_no_file {
            continue;
        }
        entries.push(Entry {
            media: Media::File(folder.join(path)),
            class: class.to_owned(),
            // The lists separate recordings; each file is a group.
            group: path.to_owned(),
            part: Part::Train,
        });
    }
    Ok(entries)
}
