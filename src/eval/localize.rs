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
        let mut targets = scene.regions.iter().filter(|r| r.tag == *heard);
        let target = targets.next()?.bounds;
        let other = scene.regions.iter().any(|r| r.tag != *heard);
        (targets.next().is_none() && other && area(target) > 0.0).then(|| Self {
            heard: heard.name().to_owned(),
            target,
            objects: scene.regions.iter().map(|r| r.bounds).collect(),
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
mod tests {
    use super::super::draws::testing::{Scenes, cell, heard, judgement, map};
    use super::*;
    use crate::corpus::{Region, Tag};
    use crate::features::Features;
    use crate::net::NetError;
    use crate::picture::Picture;
    use crate::result::{Crop, Heatmap};

    const GREY: [u8; 3] = [90, 90, 90];

    fn judged(scenes: usize, judges: &[Judge<'_>]) -> Vec<JudgedScene> {
        let draws = Draws {
            corpus: &Scenes { spoilt: false },
            split: Split::Test,
            seed: 2,
            crop: Crop::Full,
            loaders: 2,
        };
        let mut progress = 0;
        let (scenes_judged, unreadable) =
            judge(&draws, scenes, judges, &mut || progress += 1).expect("scenes");
        assert_eq!(unreadable, []);
        assert_eq!((scenes_judged.len(), progress), (scenes, scenes));
        scenes_judged
    }

    /// Points at the square whose tone is heard, and says whether it is there.
    fn knowing(batch: &[&Features]) -> Result<Vec<Judgement>, NetError> {
        let judge = |features: &&Features| match cell(features, |c| c == heard(features)) {
            Some((row, col)) => judgement(2.0, map(row, col)),
            None => judgement(-2.0, map(0, 0)),
        };
        Ok(batch.iter().map(judge).collect())
    }

    /// Points at the first square that it sees, and always says yes.
    fn deaf(batch: &[&Features]) -> Result<Vec<Judgement>, NetError> {
        let judge = |features: &&Features| {
            let (row, col) = cell(features, |c| c != GREY).expect("a square");
            judgement(1.0, map(row, col))
        };
        Ok(batch.iter().map(judge).collect())
    }

    #[test]
    fn who_listens_points_at_what_is_heard_and_who_does_not_at_anything() {
        let scenes = judged(120, &[&knowing, &deaf]);
        let all: Vec<&JudgedScene> = scenes.iter().collect();
        let of = |judge| Scores::of(&all, judge).expect("there are scenes");
        let (knowing, deaf) = (of(0), of(1));
        assert_eq!((knowing.pointing, knowing.on_any_object), (1.0, 1.0));
        assert_eq!(deaf.on_any_object, 1.0);
        assert!((0.3..0.7).contains(&deaf.pointing), "{}", deaf.pointing);
        // Its sound swapped, a picture goes dark to who listens.
        assert_eq!(
            (knowing.dark_if_matched, knowing.dark_if_swapped),
            (0.0, 1.0)
        );
        assert_eq!(
            (knowing.falls_if_swapped, deaf.falls_if_swapped),
            (1.0, 0.0)
        );
        assert!(knowing.mean_swapped < 0.2 && knowing.mean_matched > 0.8);
        assert_eq!(deaf.dark_if_swapped, 0.0);
    }

    #[test]
    fn baselines_are_those_of_the_boxes() {
        let scenes = judged(80, &[&knowing]);
        let all: Vec<&JudgedScene> = scenes.iter().collect();
        let baselines = Baselines::of(&all).expect("there are scenes");
        // Squares of 64 in a picture of 256, two to a scene, none in the middle.
        assert!((baselines.chance - 1.0 / 16.0).abs() < 1e-6);
        assert_eq!((baselines.any_object, baselines.centre), (0.5, 0.0));
        let groups = Groups::of(&all);
        let names: Vec<_> = groups.heard.iter().map(|g| g.name.as_str()).collect();
        assert_eq!(names, ["blue", "green", "red"]);
        assert_eq!(groups.objects.len(), 1);
        assert_eq!(groups.objects[0].scenes, 80);
    }

    fn example(sounds: &[&str], things: &[(&str, Bounds)]) -> Example {
        Example {
            picture: Picture::filled(32, 32, GREY),
            pcm: vec![0.0; 48_000],
            shows: things.iter().map(|(name, _)| Tag::class(name)).collect(),
            sounds: sounds.iter().map(|name| Tag::class(name)).collect(),
            regions: things
                .iter()
                .map(|&(name, bounds)| Region {
                    tag: Tag::class(name),
                    bounds,
                })
                .collect(),
            origin: "a test".to_owned(),
        }
    }

    #[test]
    fn only_scenes_with_one_thing_heard_among_several_seen_count() {
        let (a, b) = ([0.0, 0.0, 0.4, 0.4], [0.6, 0.6, 0.9, 0.9]);
        let counts = |sounds: &[&str], things: &[(&str, Bounds)]| {
            Facts::of(&example(sounds, things)).is_some()
        };
        assert!(counts(&["dog"], &[("dog", a), ("cat", b)]));
        assert!(counts(&["dog"], &[("cat", a), ("dog", b), ("cat", a)]));
        assert!(!counts(&["dog"], &[("dog", a)]), "alone");
        assert!(
            !counts(&["dog"], &[("dog", a), ("dog", b)]),
            "which of them?"
        );
        assert!(!counts(&["dog"], &[("cat", a), ("cow", b)]), "off-screen");
        assert!(!counts(&["dog", "cat"], &[("dog", a), ("cat", b)]), "both");
        assert!(!counts(&[], &[("dog", a), ("cat", b)]), "silence");
        let outside = [1.2, 0.0, 1.4, 0.4];
        assert!(
            !counts(&["dog"], &[("dog", outside), ("cat", b)]),
            "outside"
        );
    }

    #[test]
    fn the_part_of_a_box_outside_the_picture_does_not_count() {
        assert!((area([0.5, 0.5, 1.5, 1.0]) - 0.25).abs() < 1e-6);
        assert!((area([-1.0, 0.25, 0.5, 0.75]) - 0.25).abs() < 1e-6);
        assert_eq!(area([1.1, 0.0, 1.2, 1.0]), 0.0);
    }

    #[test]
    fn a_map_that_is_nowhere_above_zero_points_nowhere() {
        let flat = Heatmap {
            rows: 2,
            cols: 2,
            values: vec![0.0; 4],
        };
        let flat = judgement(1.0, flat);
        let answer = Answer::of(&View::whole(32, 32), &flat, &flat);
        assert_eq!(answer.peak, None);
        assert!(!answer.points_into([0.0, 0.0, 1.0, 1.0]));
    }

    #[test]
    fn peaks_of_a_center_crop_are_places_of_the_picture() {
        // The middle 224 of 256: the first cell's middle is 16 + 8 pixels in.
        let view = View {
            left: 16.0 / 256.0,
            top: 16.0 / 256.0,
            width: 224.0 / 256.0,
            height: 224.0 / 256.0,
            pixels: [224, 224],
        };
        let map = Heatmap {
            rows: 14,
            cols: 14,
            values: (0..196).map(|i| if i == 0 { 1.0 } else { 0.0 }).collect(),
        };
        let said = judgement(0.0, map);
        let [x, y] = Answer::of(&view, &said, &said).peak.expect("a peak");
        assert!((x - 24.0 / 256.0).abs() < 1e-6 && (y - x).abs() < 1e-6);
    }

    #[test]
    fn a_corpus_without_boxes_is_told_what_is_missing() {
        struct Bare;
        impl Corpus for Bare {
            fn describe(&self) -> String {
                "pictures without boxes".to_owned()
            }
            fn draw(&self, _: Split, _: &mut Rng) -> Result<Example, CorpusError> {
                Ok(Example {
                    regions: Vec::new(),
                    ..example(&["dog"], &[("dog", [0.0; 4])])
                })
            }
            fn check(&self, _: Split) -> Result<(), CorpusError> {
                Ok(())
            }
        }
        let error = scene(&Bare, Split::Test, &mut crate::corpus::rng(0, 0, 0));
        let error = error.expect_err("no boxes").to_string();
        assert!(error.contains("pictures without boxes"), "{error}");
    }
}
