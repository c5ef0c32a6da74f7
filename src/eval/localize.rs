//! Where does the sound come from? The paper's heatmaps (section 3.5), measured.
//!
//! Belongs here: scenes with true boxes; whether the heatmap lies on what is
//! heard; and what the network says of the same picture with sounds that do not
//! belong to it. Does not: tables, how an overlap is counted (`overlap`).
//!
//! Of synthetic scenes, those with one box of what is heard and another thing
//! beside it count: with one thing alone, the whole picture's most striking place
//! would do. Of annotated pictures each counts once: they show much without a box.

mod scores;

pub use scores::{Baselines, BySound, Group, Groups, Overlap, Scores};

use rand::RngExt;

use super::draws::{Draws, Judge, Question, Unreadable};
use super::error::EvalError;
use super::overlap::{Bounds, Boxed, area};
use crate::corpus::{Annotated, Corpus, CorpusError, Cut, Example, Rng, Split};
use crate::features::Viewport;
use crate::result::Judgement;
use crate::window_spec::WindowSpec;

/// Names the test's chance: scenes of one seed are those of no other experiment.
const STREAM: &str = "eval localize";
/// Draws before a corpus is said to hold no such scene or no such sound.
const TRIES: usize = 200;

/// What fills more of the picture than this is what other things stand in front
/// of: pointing at it is no feat.
const BACKGROUND: f64 = 0.8;
/// Root mean square of the noise that belongs to no picture: -30 dBFS.
const NOISE_RMS: f32 = 0.03;

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

/// The sounds that each picture is judged with: its own, and three that do not
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

/// What one judge said of a scene.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// x, y of the heatmap's peak in the picture; `None` of a map that is nowhere
    /// above 0.
    pub peak: Option<[f32; 2]>,
    /// Overlap of the heatmap with what is heard (cIoU).
    pub overlap: f64,
    /// Whether picture and sound belong together, by sound.
    pub correspondence: Correspondences,
}

impl Answer {
    /// `said` is of the picture with its own sound, another, silence and noise.
    fn of(facts: &Facts, view: &Viewport, said: &[Judgement]) -> Option<Self> {
        let [matched, swapped, silence, noise] = said else {
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
    /// What each judge said.
    pub answers: Vec<Answer>,
}

/// How many scenes [`judge`] looks at if it is asked for `scenes`: of annotated
/// pictures all, each once.
pub fn count(corpus: &dyn Corpus, scenes: usize) -> usize {
    corpus.annotated().map_or(scenes, Annotated::len)
}

/// Has every judge judge the same scenes, each with its own sound, with another
/// one of the same split, with silence and with noise.
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
    let scenes = count(draws.corpus, scenes);
    let mut judged = Vec::new();
    let silence = vec![0.0; WindowSpec::PAPER.window_samples];
    let unreadable = draws.judge(
        STREAM,
        scenes,
        |index, rng, extractor| {
            let (scene, facts) = scene(draws, index, rng)?;
            let other = other_sound(draws.corpus, draws.split, &scene, rng)?;
            let noise = noise(rng);
            let asked = [&scene.pcm, &other, &silence, &noise];
            let asked = asked.map(|pcm| (&pcm[..], &scene.picture));
            let mut question = Question::of((facts, None), &scene, &asked, extractor);
            question.about.1 = question.features.first().map(|f| f.view);
            Ok(question)
        },
        judges,
        |(facts, view), answers| {
            let answer = |said: &Vec<Judgement>| Answer::of(&facts, view.as_ref()?, said);
            let answers = answers.iter().filter_map(answer).collect();
            judged.push(JudgedScene { facts, answers });
            progress();
        },
    )?;
    Ok((judged, unreadable))
}

fn scene(draws: &Draws<'_>, index: usize, rng: &mut Rng) -> Result<(Example, Facts), CorpusError> {
    let corpus = draws.corpus;
    if let Some(list) = corpus.annotated() {
        let scene = list.example(index)?;
        let facts = Facts::of_annotated(&scene, list.votes());
        return Ok((scene, facts));
    }
    for _ in 0..TRIES {
        let scene = corpus.draw(draws.split, rng)?;
        let cut = Cut::of(draws.crop, &scene.picture);
        if let Some(facts) = Facts::of(&scene)
            && scene.keeps_what_is_heard(cut)
        {
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

/// White noise: uniform, whose root mean square is its height by √3.
fn noise(rng: &mut Rng) -> Vec<f32> {
    let height = NOISE_RMS * 3.0_f32.sqrt();
    let samples = (0..WindowSpec::PAPER.window_samples).map(|_| rng.random_range(-height..=height));
    samples.collect()
}

#[cfg(test)]
#[path = "localize_tests.rs"]
mod tests;
