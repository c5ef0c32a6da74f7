//! Where does the sound come from? The paper's heatmaps (section 3.5), measured.
//!
//! Belongs here: scenes with true boxes; whether the heatmap lies on the source;
//! and how the network judges the same picture with sounds that do not belong to
//! it. Does not: tables, how an overlap is measured (`overlap`).
//!
//! Synthetic scenes count if exactly one box is heard and something else is seen:
//! alone, a thing could be found by being conspicuous. Annotated pictures all count
//! once: much of what they show has no box.

mod scores;

pub use scores::{Baselines, BySound, Group, Groups, Overlap, Scores};

use rand::RngExt;

use super::experiment::Draws;
use super::experiment::{Experiment, Question};
use super::overlap::{Bounds, Boxed, area};
use crate::corpus::{Annotated, Corpus, CorpusError, Cut, Example, Rng, Split};
use crate::features::{FeatureExtractor, Viewport};
use crate::result::Judgement;

/// Draws after which a corpus counts as having no such scene or sound.
const MAX_DRAWS: usize = 200;

/// What fills more of the picture than this is background: anything points at it.
const BACKGROUND: f64 = 0.8;
/// Root mean square of the noise that belongs to no picture: -30 dBFS.
const NOISE_RMS: f32 = 0.03;

/// Judges scenes, each with its own sound, with another one of the same split, with
/// silence and with noise.
#[derive(Clone, Copy, Debug)]
pub struct LocalizeExperiment {
    /// Scenes of each corpus; of annotated pictures, all are judged once.
    pub scenes: usize,
}

impl Experiment for LocalizeExperiment {
    const STREAM: &'static str = "eval localize";
    /// And how the picture was cropped.
    type Facts = (Facts, Option<Viewport>);
    type Outcome = JudgedScene;

    fn count(&self, corpus: &dyn Corpus) -> usize {
        corpus.annotated().map_or(self.scenes, Annotated::len)
    }

    fn ask(
        &self,
        draws: &Draws<'_>,
        index: usize,
        rng: &mut Rng,
        extractor: &mut FeatureExtractor,
    ) -> Result<Question<Self::Facts>, CorpusError> {
        let (scene, facts) = scene(draws, index, rng)?;
        let other = other_sound(draws.corpus, draws.split, &scene, rng)?;
        let samples = draws.spec.window_samples;
        let (silence, noise) = (vec![0.0; samples], noise(samples, rng));
        let sounds = [&scene.pcm[..], &other, &silence, &noise];
        let mut question = Question::of((facts, None), &scene, &sounds, extractor);
        question.facts.1 = question.features.first().map(|f| f.view);
        Ok(question)
    }

    fn outcome(&self, (facts, view): Self::Facts, answers: Vec<Vec<Judgement>>) -> JudgedScene {
        let answer = |given: &Vec<Judgement>| Answer::of(&facts, view.as_ref()?, given);
        let answers = answers.iter().filter_map(answer).collect();
        JudgedScene { facts, answers }
    }
}

/// What is known of a scene before it is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// What is heard.
    pub heard: String,
    /// Where that is.
    pub target: Boxed,
    /// Where all things are, that one included.
    pub objects: Vec<Bounds>,
}

impl Facts {
    /// `None` if the scene does not count.
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
            target: Boxed {
                boxes: vec![target],
                votes: 1,
            },
            objects: things().map(|r| r.bounds).collect(),
        })
    }

    /// Of an annotated picture.
    fn of_annotated(scene: &Example, votes: u32) -> Self {
        let boxes: Vec<Bounds> = scene.regions.iter().map(|r| r.bounds).collect();
        Self {
            heard: scene.sounds.first().map_or("", |tag| tag.name()).to_owned(),
            objects: boxes.clone(),
            target: Boxed { boxes, votes },
        }
    }
}

/// The correspondence of a picture with its own sound, and with three that do not
/// belong to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correspondences {
    /// With the scene's own sound.
    pub matched: f32,
    /// With another sound, of nothing that is seen.
    pub swapped: f32,
    /// With silence.
    pub silence: f32,
    /// With white noise.
    pub noise: f32,
}

/// One judge's answer to a scene.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// x, y of the heatmap's peak in the picture; `None` if the map is nowhere
    /// above 0.
    pub peak: Option<[f32; 2]>,
    /// Overlap of the heatmap with what is heard (cIoU).
    pub overlap: f64,
    /// Correspondence by sound.
    pub correspondence: Correspondences,
}

impl Answer {
    /// From judgements of the picture with its own sound, another, silence and noise.
    fn of(facts: &Facts, view: &Viewport, given: &[Judgement]) -> Option<Self> {
        let [matched, swapped, silence, noise] = given else {
            return None;
        };
        let map = &matched.vision;
        let (row, col, max) = map.peak();
        Some(Self {
            peak: (max > 0.0).then(|| view.image_from_cell(row, col, map.rows, map.cols)),
            overlap: facts.target.overlap_with(map, view),
            correspondence: Correspondences {
                matched: matched.correspondence,
                swapped: swapped.correspondence,
                silence: silence.correspondence,
                noise: noise.correspondence,
            },
        })
    }
}

/// A scene that was judged.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgedScene {
    /// What is known of it.
    pub facts: Facts,
    /// Each judge's answer.
    pub answers: Vec<Answer>,
}

fn scene(draws: &Draws<'_>, index: usize, rng: &mut Rng) -> Result<(Example, Facts), CorpusError> {
    let corpus = draws.corpus;
    if let Some(list) = corpus.annotated() {
        let scene = list.example(index)?;
        let facts = Facts::of_annotated(&scene, list.votes());
        return Ok((scene, facts));
    }
    for _ in 0..MAX_DRAWS {
        let scene = corpus.draw(draws.split, rng)?;
        let cut = Cut::of(draws.crop, &scene.picture);
        if let Some(facts) = Facts::of(&scene)
            && scene.keeps_what_is_heard(cut)
        {
            return Ok((scene, facts));
        }
    }
    Err(CorpusError::TooFew(format!(
        "no scene with boxes of two different things of which one is heard in {MAX_DRAWS} \
         draws from {}; synthetic scenes have boxes",
        corpus.describe()
    )))
}

/// A sound that corresponds to nothing in the scene's picture.
fn other_sound(
    corpus: &dyn Corpus,
    split: Split,
    scene: &Example,
    rng: &mut Rng,
) -> Result<Vec<f32>, CorpusError> {
    for _ in 0..MAX_DRAWS {
        let other = corpus.draw(split, rng)?;
        if !other.sounds.is_empty() && scene.corresponds_to(&other) == Some(false) {
            return Ok(other.pcm);
        }
    }
    Err(CorpusError::TooFew(format!(
        "no sound of anything but what is seen ({}) in {MAX_DRAWS} draws from {}",
        scene.origin,
        corpus.describe()
    )))
}

/// Uniform white noise: its root mean square is its height by √3.
fn noise(samples: usize, rng: &mut Rng) -> Vec<f32> {
    let height = NOISE_RMS * 3.0_f32.sqrt();
    let value = |_| rng.random_range(-height..=height);
    (0..samples).map(value).collect()
}

#[cfg(test)]
#[path = "localize_tests.rs"]
mod tests;
