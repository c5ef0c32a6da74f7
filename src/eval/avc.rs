//! Do picture and sound correspond? (paper, section 3.2)
//!
//! Belongs here: the pairs of the test, half of which correspond, and how well
//! networks tell, also by what is heard, how loud and among how many things.
//! Does not: tables.
//!
//! Pairs share files: the intervals say how far the pairs that were drawn may lie
//! from all pairs of these files, and are too narrow for files of another kind.

use std::collections::BTreeMap;

use serde::Serialize;

use super::draws::{Draws, Judge, Question, Unreadable};
use super::error::EvalError;
use super::metrics::{Interval, cross_entropy, mean, roc_auc, roc_auc_interval, wilson};
use crate::corpus::{Example, Pair, Tag};
use crate::result::AudioFacts;

/// Names the test's chance: pairs of one seed are those of no other experiment.
const STREAM: &str = "eval avc";

/// What is known of a pair before it is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Whether picture and sound correspond.
    pub corresponds: bool,
    /// What is heard: a class, or the recording where there are no classes.
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
            rms_dbfs: AudioFacts::of(&pair.heard().pcm).rms_dbfs,
            objects: pair.seen.shows.len().max(pair.seen.regions.len()),
        }
    }
}

/// What an example's sound is called: its class before its recording.
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

/// Has every judge judge the same `pairs` pairs, of which half correspond.
///
/// Calls `progress` after each pair.
///
/// # Errors
/// If the split is empty or lacks one of the two kinds of pairs, nothing in it
/// can be read, or the network fails.
pub fn judge(
    draws: &Draws<'_>,
    pairs: usize,
    judges: &[Judge<'_>],
    progress: &mut dyn FnMut(),
) -> Result<(Vec<JudgedPair>, Vec<Unreadable>), EvalError> {
    let mut judged = Vec::new();
    let unreadable = draws.judge(
        STREAM,
        pairs,
        |index, rng, extractor| {
            let corresponds = index % 2 == 0;
            let pair = Pair::draw(draws.corpus, draws.split, corresponds, draws.crop, rng)?;
            let asked = [(&pair.heard().pcm[..], &pair.seen.picture)];
            let facts = Facts::of(&pair);
            Ok(Question::of(facts, &pair.seen, &asked, extractor))
        },
        judges,
        |facts, answers| {
            let logits = answers.iter().flatten().map(|a| a.logits).collect();
            judged.push(JudgedPair { facts, logits });
            progress();
        },
    )?;
    Ok((judged, unreadable))
}

/// How well one judge tells pairs that correspond from others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// Share of right answers; of equal numbers of both kinds, chance has half.
    pub accuracy: f64,
    /// Its interval (Wilson).
    pub accuracy_95: Option<Interval>,
    /// Mean cross-entropy; who always says one half has ln 2.
    pub loss: f64,
    /// Area under the ROC curve.
    pub roc_auc: Option<f64>,
    /// Its interval (DeLong).
    pub roc_auc_95: Option<Interval>,
    /// Share of the corresponding pairs that were found.
    pub true_positive_rate: Option<f64>,
    /// Share of the others that were refused.
    pub true_negative_rate: Option<f64>,
    /// Mean correspondence of pairs that correspond: 1 if all is well.
    pub mean_if_corresponding: Option<f64>,
    /// Mean correspondence of the others: 0 if all is well.
    pub mean_if_not: Option<f64>,
}

impl Scores {
    /// Who knows nothing and always says one half.
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
        // The difference, not the correspondence: that has ties where the network
        // is so sure that it rounds to 1.
        let margins = |of: bool| -> Vec<f64> {
            let own = answers.iter().filter(|(corresponds, _)| *corresponds == of);
            own.map(|(_, [low, high])| f64::from(*high) - f64::from(*low))
                .collect()
        };
        let (positives, negatives) = (margins(true), margins(false));
        let found = positives.iter().filter(|&&m| m > 0.0).count();
        let refused = negatives.iter().filter(|&&m| m <= 0.0).count();
        let share = |hits: usize, of: usize| (of > 0).then(|| hits as f64 / of as f64);
        let correspondence =
            |margins: &[f64]| mean(margins.iter().map(|m| 1.0 / (1.0 + (-m).exp())));
        Some(Self {
            accuracy: share(found + refused, answers.len())?,
            accuracy_95: wilson(found + refused, answers.len()),
            loss: mean(answers.iter().map(|(c, logits)| cross_entropy(*logits, *c)))?,
            roc_auc: roc_auc(&positives, &negatives),
            roc_auc_95: roc_auc_interval(&positives, &negatives),
            true_positive_rate: share(found, positives.len()),
            true_negative_rate: share(refused, negatives.len()),
            mean_if_corresponding: correspondence(&positives),
            mean_if_not: correspondence(&negatives),
        })
    }
}

/// The pairs that have something in common.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// What they have in common.
    pub name: String,
    /// How many they are.
    pub pairs: usize,
    /// How well the first judge tells them.
    #[serde(flatten)]
    pub scores: Scores,
}

/// The pairs by what is heard, how loud and among how many things.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Groups {
    /// By the class of the sound, or its recording where there are no classes.
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
            heard: grouped(
                pairs,
                |f| f.heard.clone(),
                |heard| heard.as_deref().unwrap_or("silence").to_owned(),
            ),
            level: grouped(pairs, |f| level(f.rms_dbfs), level_name),
            objects: grouped(
                pairs,
                |f| f.objects.min(MANY),
                |&n| format!("{n}{}", if n == MANY { "+" } else { "" }),
            ),
        }
    }
}

/// So many things and more are one group.
const MANY: usize = 3;
/// Tens of dBFS below which all is one group.
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

/// Groups in the order of their keys.
fn grouped<K: Ord>(
    pairs: &[&JudgedPair],
    key: impl Fn(&Facts) -> K,
    name: impl Fn(&K) -> String,
) -> Vec<Group> {
    let mut groups: BTreeMap<K, Vec<&JudgedPair>> = BTreeMap::new();
    for pair in pairs {
        groups.entry(key(&pair.facts)).or_default().push(pair);
    }
    let groups = groups.iter().filter_map(|(key, members)| {
        Some(Group {
            name: name(key),
            pairs: members.len(),
            scores: Scores::of(members, 0)?,
        })
    });
    groups.collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scenes, cell, heard, judgement, map};
    use super::*;
    use crate::corpus::Split;
    use crate::features::Features;
    use crate::net::NetError;
    use crate::result::{Crop, Judgement};

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
    fn scores_count_each_label_for_itself() {
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
    fn who_answers_one_half_has_the_scores_of_chance() {
        let pairs = [pair(true, &[[0.3, 0.3]]), pair(false, &[[-2.0, -2.0]])];
        let s = scores(&pairs);
        let chance = Scores::CHANCE;
        assert_eq!((s.accuracy, s.roc_auc), (chance.accuracy, chance.roc_auc));
        assert!((s.loss - chance.loss).abs() < 1e-12);
        assert_eq!(s.mean_if_not, chance.mean_if_not);
    }

    #[test]
    fn very_sure_answers_are_still_put_in_order() {
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
    fn groups_share_out_the_pairs() {
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
            crop: Crop::Full,
            loaders: 2,
        };
        let says_yes = |batch: &[&Features]| {
            let yes = |_: &&Features| judgement(1.0, map(0, 0));
            Ok(batch.iter().map(yes).collect())
        };
        let mut progress = 0;
        let (pairs, unreadable) =
            judge(&draws, 150, &[&knowing, &says_yes], &mut || progress += 1).expect("scores");
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
