//! Scores of judged scenes, and what they are compared with.

use serde::Serialize;

use super::{Answer, Correspondences, Facts, JudgedScene};
use crate::draw::strength;
use crate::eval::experiment::grouped;
use crate::eval::overlap::{Bounds, area_under_successes, is_in, success};
use crate::learn::metrics::{Interval, mean, wilson};

/// How well one judge points at the source.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// Share of scenes with the heatmap's peak in the source's box.
    pub pointing: f64,
    /// Its interval (Wilson).
    pub pointing_95: Interval,
    /// Share of scenes with the peak in the box of anything.
    pub on_any_object: f64,
    /// Share of scenes whose heatmap overlaps the source by at least one half (cIoU).
    pub overlap_half: f64,
    /// Area under the share of scenes by required overlap.
    pub overlap_auc: f64,
    /// Share of scenes whose correspondence is lower with another sound.
    pub falls_if_swapped: f64,
    /// Mean correspondence by sound.
    pub mean: BySound,
    /// Rejection rate by sound: share of scenes whose correspondence is at most one
    /// half, so that no heatmap is drawn.
    pub rejection_rate: BySound,
}

/// A figure for each sound that a picture is judged with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BySound {
    /// The scene's own sound.
    pub matched: f64,
    /// Another sound, of nothing that is seen.
    pub swapped: f64,
    /// Silence.
    pub silence: f64,
    /// White noise.
    pub noise: f64,
}

impl BySound {
    fn of(answers: &[(&Facts, &Answer)], value: impl Fn(f32) -> f64) -> Option<Self> {
        let over = |sound: &dyn Fn(&Correspondences) -> f32| {
            mean(answers.iter().map(|(_, a)| value(sound(&a.correspondence))))
        };
        Some(Self {
            matched: over(&|c| c.matched)?,
            swapped: over(&|c| c.swapped)?,
            silence: over(&|c| c.silence)?,
            noise: over(&|c| c.noise)?,
        })
    }
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
        let points = |f: &Facts, a: &Answer| a.peak.is_some_and(|peak| f.target.holds(peak));
        let on_any = |f: &Facts, a: &Answer| {
            let lies = |peak| f.objects.iter().any(|&bounds| is_in(peak, bounds));
            a.peak.is_some_and(lies)
        };
        let overlaps: Vec<f64> = answers.iter().map(|(_, a)| a.overlap).collect();
        Some(Self {
            pointing: share(&points)?,
            pointing_95: wilson(count(&points), answers.len())?,
            on_any_object: share(&on_any)?,
            overlap_half: success(&overlaps),
            overlap_auc: area_under_successes(&overlaps),
            falls_if_swapped: share(&|_, a| a.correspondence.swapped < a.correspondence.matched)?,
            mean: BySound::of(&answers, f64::from)?,
            rejection_rate: BySound::of(&answers, |p| f64::from(u8::from(strength(p) <= 0.0)))?,
        })
    }
}

/// What pointing comes to without listening.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Baselines {
    /// Pointing anywhere: the mean share of the picture that the source covers.
    pub chance: f64,
    /// Always pointing at the middle of the picture.
    pub centre: f64,
    /// Always pointing at some thing: the mean of one over their number. `None` if
    /// only sources have boxes.
    pub any_object: Option<f64>,
    /// Overlap with the middle of the picture, half as wide and half as high.
    pub centre_overlap: Overlap,
    /// Overlap with the whole picture.
    pub whole_overlap: Overlap,
}

/// Overlap over scenes, as in [`Scores`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Overlap {
    /// Share of scenes that overlap by at least one half.
    pub half: f64,
    /// Area under the share of scenes by required overlap.
    pub auc: f64,
}

impl Overlap {
    fn of(scenes: &[&JudgedScene], is_shown: impl Fn([f32; 2]) -> bool) -> Self {
        let overlap = |scene: &&JudgedScene| scene.facts.target.overlap(&is_shown);
        let overlaps: Vec<f64> = scenes.iter().map(overlap).collect();
        Self {
            half: success(&overlaps),
            auc: area_under_successes(&overlaps),
        }
    }
}

impl Baselines {
    /// The baselines of these scenes; `None` without scenes.
    pub fn of(scenes: &[&JudgedScene]) -> Option<Self> {
        const MIDDLE: Bounds = [0.25, 0.25, 0.75, 0.75];
        let over = |value: &dyn Fn(&Facts) -> f64| mean(scenes.iter().map(|s| value(&s.facts)));
        Some(Self {
            chance: over(&|f| f.target.area())?,
            centre: over(&|f| f64::from(u8::from(f.target.holds([0.5, 0.5]))))?,
            any_object: over(&|f| f.target.boxes.len() as f64 / f.objects.len() as f64)
                .filter(|&share| share < 1.0),
            centre_overlap: Overlap::of(scenes, |point| is_in(point, MIDDLE)),
            whole_overlap: Overlap::of(scenes, |_| true),
        })
    }
}

/// Scenes with something in common.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// What they have in common.
    pub name: String,
    /// Number of scenes.
    pub scenes: usize,
    /// Scores of the first judge.
    #[serde(flatten)]
    pub scores: Scores,
    /// What pointing comes to without listening.
    pub baselines: Baselines,
}

/// Scenes by sound and number of things seen.
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
            heard: groups(scenes, |f| f.heard.clone(), Clone::clone),
            objects: groups(scenes, |f| f.objects.len(), ToString::to_string),
        }
    }
}

fn groups<K: Ord>(
    scenes: &[&JudgedScene],
    key: impl Fn(&Facts) -> K,
    name: impl Fn(&K) -> String,
) -> Vec<Group> {
    grouped(
        scenes,
        |scene| key(&scene.facts),
        |key, members| {
            Some(Group {
                name: name(key),
                scenes: members.len(),
                scores: Scores::of(members, 0)?,
                baselines: Baselines::of(members)?,
            })
        },
    )
}
