//! Where does the sound come from? The paper's heatmaps (section 3.5), measured.
//!
//! Belongs here: scenes with true boxes in which several things are seen and one
//! of them is heard; whether the heatmap's peak lies on that one; and what the
//! network says of the same picture with a sound that does not belong to it.
//! Does not: tables.
//!
//! Only scenes with one box of what is heard and another thing beside it count:
//! with one thing alone, the whole picture's most striking place would do.

use std::collections::BTreeMap;

use serde::Serialize;

use super::draws::{Draws, Judge, Question, Unreadable};
use super::error::EvalError;
use super::metrics::{Interval, mean, wilson};
use crate::corpus::{Corpus, CorpusError, Example, Rng, Split};
use crate::features::View;
use crate::result::Judgement;
use crate::sink::draw::strength;

/// Names the test's chance: scenes of one seed are those of no other experiment.
const STREAM: &str = "eval localize";
/// Draws before a corpus is said to hold no such scene or no such sound.
const TRIES: usize = 200;

/// What fills more of the picture than this is what other things stand in front
/// of: pointing at it is no feat.
const BACKGROUND: f64 = 0.8;

/// A rectangle: left, top, right, bottom, 0 to 1 from the picture's top left.
type Bounds = [f32; 4];

/// What is known of a scene before it is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// What is heard.
    pub heard: String,
    /// Where that is.
    pub target: Bounds,
    /// Where all things are, that one included.
    pub objects: Vec<Bounds>,
}

impl Facts {
    /// `None` if the scene is none that counts.
    fn of(scene: &Example) -> Option<Self> {
        let [heard] = scene.sounds.as_slice() else {
            return None;
        };
        let things = || scene.regions.iter().filter(|r| area(r.bounds) < BACKGROUND);
        let mut targets = things().filter(|r| r.tag == *heard);
        let target = targets.next()?.bounds;
        let other = things().any(|r| r.tag != *heard);
        (targets.next().is_none() && other && area(target) > 0.0).then(|| Self {
            heard: heard.name().to_owned(),
            target,
            objects: things().map(|r| r.bounds).collect(),
        })
    }
}

/// What one judge said of a scene.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// x, y of the heatmap's peak in the picture; `None` of a map that is nowhere
    /// above 0.
    pub peak: Option<[f32; 2]>,
    /// Correspondence with the scene's own sound.
    pub matched: f32,
    /// Correspondence with another sound, of nothing that is seen.
    pub swapped: f32,
}

impl Answer {
    fn of(view: &View, matched: &Judgement, swapped: &Judgement) -> Self {
        let map = &matched.vision;
        let (row, col, max) = map.peak();
        Self {
            peak: (max > 0.0).then(|| view.image_from_cell(row, col, map.rows, map.cols)),
            matched: matched.correspondence,
            swapped: swapped.correspondence,
        }
    }

    fn points_into(&self, bounds: Bounds) -> bool {
        self.peak.is_some_and(|peak| is_in(peak, bounds))
    }
}

/// A scene that was judged.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgedScene {
    /// What is known of it.
    pub facts: Facts,
    /// What each judge said.
    pub answers: Vec<Answer>,
}

/// Has every judge judge the same `scenes` scenes, each with its own sound and
/// with another one of the same split.
///
/// Calls `progress` after each scene.
///
/// # Errors
/// If the split is empty or has no such scenes, nothing in it can be read, or
/// the network fails.
pub fn judge(
    draws: &Draws<'_>,
    scenes: usize,
    judges: &[Judge<'_>],
    progress: &mut dyn FnMut(),
) -> Result<(Vec<JudgedScene>, Vec<Unreadable>), EvalError> {
    let mut judged = Vec::with_capacity(scenes);
    let unreadable = draws.judge(
        STREAM,
        scenes,
        |_, rng, extractor| {
            let (scene, facts) = scene(draws.corpus, draws.split, rng)?;
            let other = other_sound(draws.corpus, draws.split, &scene, rng)?;
            let asked = [
                (&scene.pcm[..], &scene.picture),
                (&other[..], &scene.picture),
            ];
            let mut question = Question::of((facts, None), &scene, &asked, extractor);
            question.about.1 = question.features.first().map(|f| f.view);
            Ok(question)
        },
        judges,
        |(facts, view), answers| {
            let answers = answers
                .iter()
                .filter_map(|of_judge| match of_judge.as_slice() {
                    [matched, swapped] => Some(Answer::of(view.as_ref()?, matched, swapped)),
                    _ => None,
                });
            let answers = answers.collect();
            judged.push(JudgedScene { facts, answers });
            progress();
        },
    )?;
    Ok((judged, unreadable))
}

fn scene(
    corpus: &dyn Corpus,
    split: Split,
    rng: &mut Rng,
) -> Result<(Example, Facts), CorpusError> {
    for _ in 0..TRIES {
        let scene = corpus.draw(split, rng)?;
        if let Some(facts) = Facts::of(&scene) {
            return Ok((scene, facts));
        }
    }
    Err(CorpusError::TooFew(format!(
        "no scene with boxes of two different things of which one is heard in {TRIES} \
         draws from {}; synthetic scenes have boxes",
        corpus.describe()
    )))
}

/// A sound that goes with nothing in the scene's picture.
fn other_sound(
    corpus: &dyn Corpus,
    split: Split,
    scene: &Example,
    rng: &mut Rng,
) -> Result<Vec<f32>, CorpusError> {
    for _ in 0..TRIES {
        let other = corpus.draw(split, rng)?;
        if !other.sounds.is_empty() && scene.corresponds_to(&other) == Some(false) {
            return Ok(other.pcm);
        }
    }
    Err(CorpusError::TooFew(format!(
        "no sound of anything but what is seen ({}) in {TRIES} draws from {}",
        scene.origin,
        corpus.describe()
    )))
}

fn is_in([x, y]: [f32; 2], [left, top, right, bottom]: Bounds) -> bool {
    (left..=right).contains(&x) && (top..=bottom).contains(&y)
}

/// The part of the picture in the box; what lies outside does not count.
fn area([left, top, right, bottom]: Bounds) -> f64 {
    let side = |from: f32, to: f32| f64::from(to.min(1.0) - from.max(0.0)).max(0.0);
    side(left, right) * side(top, bottom)
}

/// How well one judge points at what is heard.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// Share of scenes with the heatmap's peak in the box of what is heard.
    pub pointing: f64,
    /// Its interval (Wilson).
    pub pointing_95: Interval,
    /// Share of scenes with the peak in the box of anything.
    pub on_any_object: f64,
    /// Mean correspondence with the scene's own sound, and with another.
    pub mean_matched: f64,
    /// Mean correspondence with another sound.
    pub mean_swapped: f64,
    /// Share of scenes whose correspondence is lower with the other sound.
    pub falls_if_swapped: f64,
    /// Share of scenes whose heatmap is dark as it is drawn, that is, whose
    /// correspondence is at most one half, with their own sound.
    pub dark_if_matched: f64,
    /// The same with another sound.
    pub dark_if_swapped: f64,
}

impl Scores {
    /// The scores of judge `judge` on these scenes; `None` without scenes.
    pub fn of(scenes: &[&JudgedScene], judge: usize) -> Option<Self> {
        let answers: Vec<(&Facts, &Answer)> = scenes
            .iter()
            .filter_map(|s| Some((&s.facts, s.answers.get(judge)?)))
            .collect();
        let count = |holds: &dyn Fn(&Facts, &Answer) -> bool| {
            answers
                .iter()
                .filter(|(facts, answer)| holds(facts, answer))
                .count()
        };
        let share = |holds: &dyn Fn(&Facts, &Answer) -> bool| {
            (!answers.is_empty()).then(|| count(holds) as f64 / answers.len() as f64)
        };
        let points = |facts: &Facts, answer: &Answer| answer.points_into(facts.target);
        Some(Self {
            pointing: share(&points)?,
            pointing_95: wilson(count(&points), answers.len())?,
            on_any_object: share(&|facts, answer| {
                facts.objects.iter().any(|&b| answer.points_into(b))
            })?,
            mean_matched: mean(answers.iter().map(|(_, a)| f64::from(a.matched)))?,
            mean_swapped: mean(answers.iter().map(|(_, a)| f64::from(a.swapped)))?,
            falls_if_swapped: share(&|_, a| a.swapped < a.matched)?,
            dark_if_matched: share(&|_, a| strength(a.matched) <= 0.0)?,
            dark_if_swapped: share(&|_, a| strength(a.swapped) <= 0.0)?,
        })
    }
}

/// What pointing comes to without listening.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Baselines {
    /// Anywhere: the mean part of the picture in the box of what is heard.
    pub chance: f64,
    /// Always the middle of the picture.
    pub centre: f64,
    /// Always on a thing, any of them: one over their number, in the mean.
    pub any_object: f64,
}

impl Baselines {
    /// The baselines of these scenes; `None` without scenes.
    pub fn of(scenes: &[&JudgedScene]) -> Option<Self> {
        let over = |value: &dyn Fn(&Facts) -> f64| mean(scenes.iter().map(|s| value(&s.facts)));
        Some(Self {
            chance: over(&|f| area(f.target))?,
            centre: over(&|f| {
                if is_in([0.5, 0.5], f.target) {
                    1.0
                } else {
                    0.0
                }
            })?,
            any_object: over(&|f| 1.0 / f.objects.len() as f64)?,
        })
    }
}

/// The scenes that have something in common.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// What they have in common.
    pub name: String,
    /// How many they are.
    pub scenes: usize,
    /// How well the first judge points.
    #[serde(flatten)]
    pub scores: Scores,
    /// What pointing comes to without listening.
    pub baselines: Baselines,
}

/// The scenes by what is heard and among how many things.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Groups {
    /// By the class of the sound.
    pub heard: Vec<Group>,
    /// By the number of things with a box.
    pub objects: Vec<Group>,
}

impl Groups {
    /// Groups these scenes.
    pub fn of(scenes: &[&JudgedScene]) -> Self {
        Self {
            heard: grouped(scenes, |f| f.heard.clone(), Clone::clone),
            objects: grouped(scenes, |f| f.objects.len(), ToString::to_string),
        }
    }
}

/// Groups in the order of their keys.
fn grouped<K: Ord>(
    scenes: &[&JudgedScene],
    key: impl Fn(&Facts) -> K,
    name: impl Fn(&K) -> String,
) -> Vec<Group> {
    let mut groups: BTreeMap<K, Vec<&JudgedScene>> = BTreeMap::new();
    for scene in scenes {
        groups.entry(key(&scene.facts)).or_default().push(scene);
    }
    let groups = groups.iter().filter_map(|(key, members)| {
        Some(Group {
            name: name(key),
            scenes: members.len(),
            scores: Scores::of(members, 0)?,
            baselines: Baselines::of(members)?,
        })
    });
    groups.collect()
}

#[cfg(test)]
#[path = "localize_tests.rs"]
mod tests;
