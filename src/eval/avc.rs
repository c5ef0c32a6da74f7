//! Do picture and sound correspond? (paper, section 3.2)
//!
//! Belongs here: the pairs of the test, half of which correspond, and how well
//! networks tell them apart, also by sound, level and number of things seen.
//! Does not: tables.
//!
//! Pairs share files: the intervals cover all pairs of these files, and are too
//! narrow for files of another kind.

use serde::Serialize;

use super::experiment::Draws;
use super::experiment::{Experiment, Question, grouped};
use crate::corpus::{Corpus, CorpusError, Example, Pair, Rng, Tag};
use crate::features::{FeatureExtractor, Level};
use crate::learn::metrics::{Interval, cross_entropy, mean, roc_auc, roc_auc_interval, wilson};
use crate::result::{Judgement, SILENCE_FLOOR_DBFS};

/// Judges pairs of picture and sound, of which every other one corresponds.
#[derive(Clone, Copy, Debug)]
pub struct AvcExperiment {
    /// Pairs of each corpus.
    pub pairs: usize,
}

impl Experiment for AvcExperiment {
    const STREAM: &'static str = "eval avc";
    type Facts = Facts;
    type Outcome = JudgedPair;

    fn count(&self, _: &dyn Corpus) -> usize {
        self.pairs
    }

    fn ask(
        &self,
        draws: &Draws<'_>,
        index: usize,
        rng: &mut Rng,
        extractor: &mut FeatureExtractor,
    ) -> Result<Question<Facts>, CorpusError> {
        let corresponds = index.is_multiple_of(2);
        let pair = Pair::draw(draws.corpus, draws.split, corresponds, draws.crop, rng)?;
        let facts = Facts::of(&pair);
        let sounds = [&pair.heard().pcm[..]];
        Ok(Question::of(facts, &pair.seen, &sounds, extractor))
    }

    fn outcome(&self, facts: Facts, answers: Vec<Vec<Judgement>>) -> JudgedPair {
        let logits = answers.iter().flatten().map(|a| a.logits).collect();
        JudgedPair { facts, logits }
    }
}

/// What is known of a pair before it is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Whether picture and sound correspond.
    pub corresponds: bool,
    /// What is heard: a class, or the recording if there are no classes.
    /// `None` for silence.
    pub heard: Option<String>,
    /// Level of the sound.
    pub rms_dbfs: f32,
    /// Things in the picture.
    pub objects: usize,
}

impl Facts {
    fn of(pair: &Pair) -> Self {
        Self {
            corresponds: pair.corresponds,
            heard: heard(pair.heard()),
            rms_dbfs: Level::of(&pair.heard().pcm).dbfs(SILENCE_FLOOR_DBFS),
            objects: pair.seen.shows.len().max(pair.seen.regions.len()),
        }
    }
}

/// Name of an example's sound: its class, or else its recording.
pub(super) fn heard(example: &Example) -> Option<String> {
    let is_class = |tag: &&Tag| matches!(tag, Tag::Class(_));
    let class = example.sounds.iter().find(is_class).map(Tag::name);
    let class = class.or(example.label.as_deref());
    let name = class.or(example.sounds.first().map(Tag::name));
    name.map(str::to_owned)
}

/// A pair that was judged.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgedPair {
    /// What is known of it.
    pub facts: Facts,
    /// The logits of each judge.
    pub logits: Vec<[f32; 2]>,
}

/// How well one judge tells corresponding pairs from others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// Share of right answers. Both kinds are equally frequent: chance is one half.
    pub accuracy: f64,
    /// Its interval (Wilson).
    pub accuracy_95: Option<Interval>,
    /// Mean cross-entropy; always answering one half gives ln 2.
    pub loss: f64,
    /// Area under the ROC curve.
    pub roc_auc: Option<f64>,
    /// Its interval (DeLong).
    pub roc_auc_95: Option<Interval>,
    /// Share of the corresponding pairs that were found.
    pub true_positive_rate: Option<f64>,
    /// Share of the others that were rejected.
    pub true_negative_rate: Option<f64>,
    /// Mean correspondence of pairs that correspond; ideally 1.
    pub mean_if_corresponding: Option<f64>,
    /// Mean correspondence of the others; ideally 0.
    pub mean_if_not: Option<f64>,
}

impl Scores {
    /// The scores of always answering one half.
    pub const CHANCE: Self = Self {
        accuracy: 0.5,
        accuracy_95: None,
        loss: std::f64::consts::LN_2,
        roc_auc: Some(0.5),
        roc_auc_95: None,
        true_positive_rate: None,
        true_negative_rate: None,
        mean_if_corresponding: Some(0.5),
        mean_if_not: Some(0.5),
    };

    /// The scores of judge `judge` on these pairs; `None` without pairs.
    pub fn of(pairs: &[&JudgedPair], judge: usize) -> Option<Self> {
        let answers: Vec<_> = pairs
            .iter()
            .map(|p| (p.facts.corresponds, p.logits[judge]))
            .collect();
        // Not the correspondence: where the network is sure it rounds to 1, which
        // makes ties.
        let margins = |of: bool| -> Vec<f64> {
            let own = answers.iter().filter(|(corresponds, _)| *corresponds == of);
            own.map(|(_, [low, high])| f64::from(*high) - f64::from(*low))
                .collect()
        };
        let (positives, negatives) = (margins(true), margins(false));
        let found = positives.iter().filter(|&&m| m > 0.0).count();
        let rejected = negatives.iter().filter(|&&m| m <= 0.0).count();
        let share = |hits: usize, of: usize| (of > 0).then(|| hits as f64 / of as f64);
        let correspondence =
            |margins: &[f64]| mean(margins.iter().map(|m| 1.0 / (1.0 + (-m).exp())));
        Some(Self {
            accuracy: share(found + rejected, answers.len())?,
            accuracy_95: wilson(found + rejected, answers.len()),
            loss: mean(answers.iter().map(|(c, logits)| cross_entropy(*logits, *c)))?,
            roc_auc: roc_auc(&positives, &negatives),
            roc_auc_95: roc_auc_interval(&positives, &negatives),
            true_positive_rate: share(found, positives.len()),
            true_negative_rate: share(rejected, negatives.len()),
            mean_if_corresponding: correspondence(&positives),
            mean_if_not: correspondence(&negatives),
        })
    }
}

/// Pairs with something in common.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// What they have in common.
    pub name: String,
    /// Number of pairs.
    pub pairs: usize,
    /// Scores of the first judge.
    #[serde(flatten)]
    pub scores: Scores,
}

/// Pairs by sound, level and number of things seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Groups {
    /// By the class of the sound, or its recording if there are no classes.
    pub heard: Vec<Group>,
    /// By the level of the sound.
    pub level: Vec<Group>,
    /// By the number of things in the picture.
    pub objects: Vec<Group>,
}

impl Groups {
    /// Groups these pairs.
    pub fn of(pairs: &[&JudgedPair]) -> Self {
        Self {
            heard: groups(
                pairs,
                |f| f.heard.clone(),
                |heard| heard.as_deref().unwrap_or("silence").to_owned(),
            ),
            level: groups(pairs, |f| level(f.rms_dbfs), level_name),
            objects: groups(
                pairs,
                |f| f.objects.min(MANY),
                |&n| format!("{n}{}", if n == MANY { "+" } else { "" }),
            ),
        }
    }
}

fn groups<K: Ord>(
    pairs: &[&JudgedPair],
    key: impl Fn(&Facts) -> K,
    name: impl Fn(&K) -> String,
) -> Vec<Group> {
    grouped(
        pairs,
        |pair| key(&pair.facts),
        |key, members| {
            Some(Group {
                name: name(key),
                pairs: members.len(),
                scores: Scores::of(members, 0)?,
            })
        },
    )
}

/// This many things and more are one group.
const MANY: usize = 3;
/// Levels below this (in tens of dBFS) are one group.
const QUIET: i32 = -6;

/// Tens of dBFS, rounded down.
fn level(rms_dbfs: f32) -> i32 {
    ((rms_dbfs / 10.0).floor() as i32).clamp(QUIET - 1, -1)
}

fn level_name(&tens: &i32) -> String {
    if tens < QUIET {
        format!("under {} dBFS", QUIET * 10)
    } else {
        format!("{} to {} dBFS", tens * 10, tens * 10 + 10)
    }
}

#[cfg(test)]
mod tests {
    use super::super::draws::Judge;
    use super::super::testing::{Scenes, cell, heard, judgement, map};
    use super::*;
    use crate::corpus::Split;
    use crate::features::{Crop, Features};
    use crate::net::NetError;
    use crate::window_spec::WindowSpec;

    fn pair(corresponds: bool, logits: &[[f32; 2]]) -> JudgedPair {
        JudgedPair {
            facts: Facts {
                corresponds,
                heard: Some("dog".to_owned()),
                rms_dbfs: -20.0,
                objects: 1,
            },
            logits: logits.to_vec(),
        }
    }

    fn scores(pairs: &[JudgedPair]) -> Scores {
        Scores::of(&pairs.iter().collect::<Vec<_>>(), 0).expect("there are pairs")
    }

    #[test]
    fn scores_count_each_label_separately() {
        let pairs = [
            pair(true, &[[0.0, 2.0]]),
            pair(true, &[[1.0, 0.5]]),
            pair(true, &[[0.0, 1.0]]),
            pair(false, &[[3.0, 0.0]]),
            pair(false, &[[0.0, 0.7]]),
        ];
        let s = scores(&pairs);
        assert!((s.accuracy - 0.6).abs() < 1e-12);
        assert_eq!(s.true_positive_rate, Some(2.0 / 3.0));
        assert_eq!(s.true_negative_rate, Some(0.5));
        // Of the six pairs of a positive and a negative, one is out of order.
        assert_eq!(s.roc_auc, Some(5.0 / 6.0));
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let expected = (sigmoid(2.0) + sigmoid(-0.5) + sigmoid(1.0)) / 3.0;
        assert!((s.mean_if_corresponding.expect("some") - expected).abs() < 1e-6);
    }

    #[test]
    fn answering_one_half_has_the_scores_of_chance() {
        let pairs = [pair(true, &[[0.3, 0.3]]), pair(false, &[[-2.0, -2.0]])];
        let s = scores(&pairs);
        let chance = Scores::CHANCE;
        assert_eq!((s.accuracy, s.roc_auc), (chance.accuracy, chance.roc_auc));
        assert!((s.loss - chance.loss).abs() < 1e-12);
        assert_eq!(s.mean_if_not, chance.mean_if_not);
    }

    #[test]
    fn saturated_answers_are_still_ranked() {
        // All correspondences round to 1 in single precision.
        let pairs = [pair(true, &[[0.0, 90.0]]), pair(false, &[[0.0, 80.0]])];
        assert_eq!(scores(&pairs).roc_auc, Some(1.0));
    }

    #[test]
    fn levels_are_tens_of_decibels() {
        let name = |dbfs| level_name(&level(dbfs));
        assert_eq!(name(-120.0), "under -60 dBFS");
        assert_eq!(name(-60.0), "-60 to -50 dBFS");
        assert_eq!(name(-20.1), "-30 to -20 dBFS");
        assert_eq!(name(-3.0), "-10 to 0 dBFS");
        assert_eq!(name(1.0), "-10 to 0 dBFS");
    }

    #[test]
    fn groups_partition_the_pairs() {
        let mut pairs = vec![pair(true, &[[0.0, 1.0]]); 6];
        pairs[1].facts.heard = None;
        pairs[2].facts.heard = Some("cat".to_owned());
        for (pair, objects) in pairs.iter_mut().zip([0, 1, 2, 3, 4, 9]) {
            pair.facts.objects = objects;
        }
        let groups = Groups::of(&pairs.iter().collect::<Vec<_>>());
        let names = |groups: &[Group]| -> Vec<(String, usize)> {
            groups.iter().map(|g| (g.name.clone(), g.pairs)).collect()
        };
        let named = |list: &[(&str, usize)]| -> Vec<(String, usize)> {
            list.iter()
                .map(|&(n, pairs)| (n.to_owned(), pairs))
                .collect()
        };
        assert_eq!(
            names(&groups.heard),
            named(&[("silence", 1), ("cat", 1), ("dog", 4)])
        );
        assert_eq!(
            names(&groups.objects),
            named(&[("0", 1), ("1", 1), ("2", 1), ("3+", 3)])
        );
        assert_eq!(names(&groups.level), named(&[("-20 to -10 dBFS", 6)]));
    }

    /// Knows whether the square is seen whose tone is heard.
    fn knowing(batch: &[&Features]) -> Result<Vec<Judgement>, NetError> {
        let judge = |features: &&Features| {
            let seen = cell(features, |colour| colour == heard(features)).is_some();
            judgement(if seen { 2.0 } else { -2.0 }, map(0, 0))
        };
        Ok(batch.iter().map(judge).collect())
    }

    #[test]
    fn half_of_the_pairs_correspond_and_every_judge_sees_the_same() {
        let corpus = Scenes { spoilt: true };
        let draws = Draws {
            corpus: &corpus,
            split: Split::Validation,
            seed: 1,
            spec: WindowSpec::PAPER,
            crop: Crop::Full,
            loaders: 2,
        };
        let says_yes = |batch: &[&Features]| {
            let yes = |_: &&Features| judgement(1.0, map(0, 0));
            Ok(batch.iter().map(yes).collect())
        };
        let judges: [Judge<'_>; 2] = [Box::new(knowing), Box::new(says_yes)];
        let mut progress = 0;
        let (pairs, unreadable) = draws
            .judge(&AvcExperiment { pairs: 150 }, &judges, &mut || {
                progress += 1
            })
            .expect("scores");
        assert_eq!((pairs.len(), progress), (150, 150));
        assert!(!unreadable.is_empty());
        let all: Vec<&JudgedPair> = pairs.iter().collect();
        let of = |judge| Scores::of(&all, judge).expect("there are pairs");
        assert_eq!(of(0).accuracy, 1.0);
        assert_eq!(of(1).accuracy, 0.5);
        assert_eq!(of(1).true_negative_rate, Some(0.0));
        let groups = Groups::of(&all);
        assert_eq!(groups.heard.len(), 3);
        assert_eq!(groups.objects.len(), 2);
    }
}
