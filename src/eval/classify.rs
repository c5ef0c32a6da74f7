//! Classes of sounds by a linear SVM on frozen features (paper, section 3.3,
//! Table 2).
//!
//! Features are standardised (z-score) by the training rows. Each second of a file
//! is scored for all classes; the sum over its seconds gives the file's class. C is
//! chosen on a part of the training files, never on test files.

use std::collections::BTreeSet;

use serde::Serialize;

use super::experiment::Unreadable;
use super::labelled::{Labelled, Round};
use crate::corpus::CorpusError;
use crate::learn::{LinearSvm, Rows, SvmSettings, ZScore, strongest};

/// Values of C for thousands of features; ties go to the smaller one. Larger values
/// separate all training rows, and take six times as long.
const MANY: [f64; 4] = [1e-6, 1e-5, 1e-4, 1e-3];
/// Values of C for few features: each has to count for more.
const FEW: [f64; 5] = [1e-3, 1e-2, 1e-1, 1.0, 10.0];

/// Tolerance of training, as on LIBLINEAR's command line. A smaller one gives the same
/// classes, and takes hours for thousands of seconds with thousands of features.
const TOLERANCE: f64 = 0.1;

/// Result of one round.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RoundScore {
    /// The round.
    pub name: String,
    /// The C that was chosen.
    pub c: f64,
    /// Test files.
    pub files: usize,
    /// Files that were classified correctly.
    pub right: usize,
}

impl RoundScore {
    /// Share of the files that were classified correctly.
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.files as f64
    }
}

/// Results of all rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classified {
    /// Round by round.
    pub rounds: Vec<RoundScore>,
    /// Mean accuracy of the rounds.
    pub accuracy: f64,
    /// For each true class, how often each class was predicted.
    pub confusion: Vec<Vec<usize>>,
}

/// Features of files: several rows each, or one.
#[derive(Clone, Copy, Debug)]
pub struct Described<'a> {
    /// The rows.
    pub rows: &'a Rows,
    /// The file of each row, ascending.
    pub file_of: &'a [usize],
    /// Files without rows, if the reason is known.
    pub unreadable: &'a [Unreadable],
}

/// Trains and tests in every round.
///
/// # Errors
/// If too little of a round has rows to train or test on.
pub fn classify(
    data: &Labelled,
    described: Described<'_>,
    progress: &mut dyn FnMut(),
) -> Result<Classified, CorpusError> {
    let classes = data.classes.len();
    let mut confusion = vec![vec![0; classes]; classes];
    let mut rounds = Vec::with_capacity(data.rounds.len());
    for round in &data.rounds {
        described.check(data, round)?;
        let c = best_c(data, described, round);
        let train: Vec<usize> = round.train.concat();
        let predicted = predict(data, described, &train, &round.test, &[c]).concat();
        let (mut files, mut right) = (0, 0);
        for (file, class) in predicted {
            let is = data.files[file].class;
            confusion[is][class] += 1;
            files += 1;
            right += usize::from(is == class);
        }
        rounds.push(RoundScore {
            name: round.name.clone(),
            c,
            files,
            right,
        });
        progress();
    }
    let accuracies = rounds.iter().map(RoundScore::accuracy);
    Ok(Classified {
        accuracy: accuracies.sum::<f64>() / rounds.len() as f64,
        rounds,
        confusion,
    })
}

/// The C that classifies most files of the last part correctly when trained on the
/// others.
fn best_c(data: &Labelled, described: Described<'_>, round: &Round) -> f64 {
    let cs = if described.rows.width() < 1_000 {
        &FEW[..]
    } else {
        &MANY[..]
    };
    let Some((rest, held_out)) = round.validation_split() else {
        return cs[cs.len() / 2];
    };
    let found = predict(data, described, &rest, held_out, cs);
    let right = found.iter().map(|predicted| {
        let hits = predicted
            .iter()
            .filter(|(file, class)| data.files[*file].class == *class);
        hits.count()
    });
    let best = cs.iter().zip(right).rev().max_by_key(|(_, right)| *right);
    best.map_or(cs[0], |(c, _)| *c)
}

/// For each C: the files of `test` that have rows, with the class predicted after
/// training on `train`.
fn predict(
    data: &Labelled,
    described: Described<'_>,
    train: &[usize],
    test: &[usize],
    cs: &[f64],
) -> Vec<Vec<(usize, usize)>> {
    let (mut seen, files) = described.of(train);
    let labels: Vec<usize> = files.iter().map(|&f| data.files[f].class).collect();
    let (mut held_out, files) = described.of(test);
    let scale = ZScore::fit(&seen);
    scale.apply(&mut seen);
    scale.apply(&mut held_out);
    let by_c = cs.iter().map(|&c| {
        let settings = SvmSettings {
            c,
            tolerance: TOLERANCE,
            ..SvmSettings::default()
        };
        let svm = LinearSvm::train(&seen, &labels, data.classes.len(), &settings);
        if svm.unfinished() > 0 {
            tracing::info!("C = {c}: {} classes did not settle", svm.unfinished());
        }
        let mut named = Vec::new();
        let mut row = 0;
        for same in files.chunk_by(|a, b| a == b) {
            let mut sums = vec![0.0; data.classes.len()];
            for _ in same {
                let scores = svm.scores(held_out.row(row));
                sums.iter_mut().zip(scores).for_each(|(sum, s)| *sum += s);
                row += 1;
            }
            named.push((same[0], strongest(&sums)));
        }
        named
    });
    by_c.collect()
}

impl Described<'_> {
    /// Rejects a round of which too little could be read: training needs two classes.
    pub(super) fn check(self, data: &Labelled, round: &Round) -> Result<(), CorpusError> {
        let has_row = |file: &&usize| self.file_of.binary_search(file).is_ok();
        let trained = round.train.iter().flatten().filter(has_row);
        let classes: BTreeSet<usize> = trained.map(|&file| data.files[file].class).collect();
        let tested = round.test.iter().filter(has_row).count();
        if classes.len() >= 2 && tested > 0 {
            return Ok(());
        }
        let mut what = format!(
            "{}: too little can be read: {} classes to learn from, where two are needed, and \
             {tested} files to test on",
            round.name,
            classes.len()
        );
        if let Some(Unreadable { file, error, .. }) = self.unreadable.first() {
            let count = self.unreadable.len();
            let file = file.display();
            what += &format!("; {count} cannot be read, the first is {file}: {error}");
        }
        Err(CorpusError::TooFew(what))
    }

    /// Rows of some files, and the file of each.
    pub(super) fn of(self, files: &[usize]) -> (Rows, Vec<usize>) {
        let mut wanted = files.to_vec();
        wanted.sort_unstable();
        let all = 0..self.file_of.len();
        let rows: Vec<usize> = all
            .filter(|&row| wanted.binary_search(&self.file_of[row]).is_ok())
            .collect();
        let of = rows.iter().map(|&row| self.file_of[row]).collect();
        (self.rows.select(&rows), of)
    }
}

#[cfg(test)]
mod tests {
    use super::super::labelled::{LabelledFile, Media};
    use super::*;

    /// Files of three classes in three folds with two rows each. A class has a
    /// direction of its own; `noise` hides it in every other row.
    fn data(noise: f32) -> (Labelled, Rows, Vec<usize>) {
        let files: Vec<LabelledFile> = (0..27)
            .map(|i| LabelledFile {
                media: Media::File(format!("{i}.wav").into()),
                class: i / 9,
                group: i.to_string(),
            })
            .collect();
        let fold = |f: usize| (0..27).filter(|i| i % 3 == f).collect::<Vec<_>>();
        let rounds = (0..3).map(|f| Round {
            name: format!("fold {f}"),
            train: (0..3).filter(|&o| o != f).map(fold).collect(),
            test: fold(f),
        });
        let mut values = Vec::new();
        let mut file_of = Vec::new();
        for (nth, file) in files.iter().enumerate() {
            for row in 0..2 {
                let jitter = |k: usize| ((nth * 31 + row * 17 + k * 7) % 13) as f32 / 13.0 - 0.5;
                let weight = if row == 1 { noise } else { 0.2 };
                values.extend((0..4).map(|k| {
                    let own = f32::from(u8::from(k == file.class));
                    1000.0 * (own + weight * jitter(k))
                }));
                file_of.push(nth);
            }
        }
        let data = Labelled {
            classes: ["a", "b", "c"].map(str::to_owned).to_vec(),
            files,
            rounds: rounds.collect(),
        };
        (data, Rows::new(values, 4), file_of)
    }

    fn described<'a>(rows: &'a Rows, file_of: &'a [usize]) -> Described<'a> {
        Described {
            rows,
            file_of,
            unreadable: &[],
        }
    }

    #[test]
    fn every_file_is_tested_once_by_all_its_seconds() {
        let (data, rows, file_of) = data(2.0);
        let described = described(&rows, &file_of);
        let mut rounds = 0;
        let found = classify(&data, described, &mut || rounds += 1).expect("figures");
        assert_eq!((rounds, found.rounds.len()), (3, 3));
        assert!(found.rounds.iter().all(|r| r.files == 9));
        assert_eq!(found.confusion.concat().iter().sum::<usize>(), 27);
        assert!(found.accuracy > 0.8, "{found:?}");
    }

    #[test]
    fn test_files_are_not_trained_on() {
        // Trained on the test fold, its wrong labels would be predicted.
        let (mut data, rows, file_of) = data(0.2);
        for file in data.rounds[0].test.clone() {
            data.files[file].class = (data.files[file].class + 1) % 3;
        }
        let described = described(&rows, &file_of);
        data.rounds.truncate(1);
        let found = classify(&data, described, &mut || ()).expect("figures");
        assert_eq!(found.rounds[0].right, 0);
    }

    #[test]
    fn files_without_rows_are_skipped() {
        let (data, rows, file_of) = data(0.2);
        let rows = Rows::new(rows.values()[..26 * 4].to_vec(), 4);
        let first = described(&rows, &file_of[..26]);
        let found = classify(&data, first, &mut || ()).expect("there are rows in each fold");
        let files: usize = found.rounds.iter().map(|r| r.files).sum();
        assert_eq!(files, 13);
    }

    #[test]
    fn too_few_rows_are_rejected_with_the_cause() {
        let (data, rows, file_of) = data(0.2);
        let unreadable = [Unreadable {
            file: "bad.wav".into(),
            error: "no sound".to_owned(),
            draws: 1,
        }];
        let error = |has_row: fn(usize) -> bool| {
            let all = 0..file_of.len();
            let kept: Vec<usize> = all.filter(|&row| has_row(file_of[row])).collect();
            let rows = rows.select(&kept);
            let file_of: Vec<usize> = kept.iter().map(|&row| file_of[row]).collect();
            let described = Described {
                unreadable: &unreadable,
                ..described(&rows, &file_of)
            };
            let error = classify(&data, described, &mut || ()).expect_err("too few");
            error.to_string()
        };
        let one_class = error(|file| file < 9);
        assert!(one_class.contains(": 1 classes"), "{one_class}");
        assert!(one_class.ends_with("bad.wav: no sound"), "{one_class}");
        let none_to_test = error(|file| file % 3 != 0);
        assert!(none_to_test.contains(" 0 files"), "{none_to_test}");
    }
}
