//! Learning a fusion from cameras, from their seconds to a model.

use std::collections::BTreeMap;

use tch::{Device, TchError};

use super::blocks::Blocks;
use super::calibration;
use super::camera::{Camera, MIN_SECONDS};
use super::error::AdaptError;
use super::figures::{Answers, Figures};
use super::head::Head;
use crate::net::input::to_vec;
use crate::net::{Cameras, Fusion, Weights};
use crate::train::Calibration;

/// How to learn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Steps of each head; by the number of cameras if not given.
    pub steps: Option<u64>,
    /// The last part of each camera that is held out to test, 0 to 1. What is tested did
    /// not learn from it; the model that is written did.
    pub test: f64,
    /// Seed of all random numbers.
    pub seed: u64,
}

impl Settings {
    /// Steps of each head, for so many cameras: the more there are, the harder it is for one hidden
    /// layer to tell them apart.
    fn steps_for(self, cameras: usize) -> u64 {
        self.steps.unwrap_or(2_000 + 130 * cameras as u64)
    }

    /// Steps of all heads together: one for each block, and the last of all seconds.
    fn all_steps(self, cameras: usize) -> u64 {
        (Blocks::count() as u64 + 1) * self.steps_for(cameras)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            steps: None,
            test: 0.25,
            seed: 0,
        }
    }
}

/// A camera that was not learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The camera.
    pub camera: String,
    /// Why, in one line.
    pub why: String,
}

/// What was learnt.
#[derive(Debug)]
pub struct Adapted {
    /// The model.
    pub weights: Weights,
    /// How well held-out seconds are told apart by a head that has not learnt them.
    pub figures: Figures,
    /// The same seconds, judged by the model that was there, if it could judge.
    pub before: Option<Figures>,
    /// Cameras that were not learnt.
    pub skipped: Vec<Skipped>,
}

impl Adapted {
    /// Whether the new model is better than the one that was there.
    pub fn is_better(&self) -> bool {
        (self.before.as_ref()).is_none_or(|before| self.figures.are_better_than(before))
    }

    /// The cameras that `present` knows and the new model does not.
    pub fn lost_from(&self, present: &Weights) -> Vec<String> {
        let known = present.cameras().keys();
        known
            .filter(|camera| !self.weights.cameras().contains_key(*camera))
            .cloned()
            .collect()
    }
}

/// Says which cameras a new model would not know.
pub fn lost(cameras: &[String]) -> String {
    format!(
        "it knows {}, which this run did not learn",
        cameras.join(", ")
    )
}

/// Learns the fusion of `base` from the features that its trunks have of some cameras.
/// `present` is the model to be better than. `step` gets the steps done and their number, and
/// ends the run if it returns false.
///
/// # Errors
/// If fewer than two cameras can be learnt, `step` ended the run, or libtorch fails.
pub fn learn(
    cameras: Vec<Camera>,
    base: &Weights,
    present: &Weights,
    settings: Settings,
    step: impl FnMut(u64, u64) -> bool,
) -> Result<Adapted, AdaptError> {
    // Its matrices are small: a second thread costs more than it brings.
    let threads = tch::get_num_threads();
    tch::set_num_threads(1);
    let learnt = learn_on_one_thread(cameras, base, present, settings, step);
    tch::set_num_threads(threads);
    learnt
}

fn learn_on_one_thread(
    cameras: Vec<Camera>,
    base: &Weights,
    present: &Weights,
    settings: Settings,
    mut step: impl FnMut(u64, u64) -> bool,
) -> Result<Adapted, AdaptError> {
    let all = cameras.len();
    let (cameras, skipped) = usable(cameras)?;
    if cameras.len() < 2 {
        let usable = cameras.len();
        return Err(AdaptError::TooFew {
            usable,
            all,
            skipped,
        });
    }
    let blocks = Blocks::cut(&cameras, settings.test);
    let (steps, all_steps) = (
        settings.steps_for(cameras.len()),
        settings.all_steps(cameras.len()),
    );
    let mut done = 0;
    let mut learn = |rows: &[Vec<usize>], seed: u64| {
        Head::learn(&cameras, rows, steps, seed, || {
            done += 1;
            step(done - 1, all_steps)
        })
    };
    let mut answers = Vec::with_capacity(Blocks::count());
    for block in 0..Blocks::count() {
        let rows: Vec<Vec<usize>> = (0..cameras.len())
            .map(|camera| blocks.learnt(camera, block))
            .collect();
        let tensors = learn(&rows, settings.seed)?.tensors()?;
        let fusion = Fusion::over(|name| tensors[name].shallow_clone())?;
        let judged: Vec<bool> = (0..cameras.len())
            .map(|camera| blocks.is_learnt_before_test(camera, block))
            .collect();
        answers.push(Answers::of(&fusion, &cameras, &blocks, block, &judged)?);
    }
    let everything: Vec<Vec<usize>> = (cameras.iter())
        .map(|camera| (0..camera.seconds.len()).collect())
        .collect();
    let head = learn(&everything, settings.seed)?;

    // The test is judged as a user would have it: calibrated on what was before.
    let names: Vec<String> = cameras.iter().map(|c| c.name.clone()).collect();
    let (test, earlier) = answers.split_last().expect("there are blocks");
    let (calibration, known) = calibrated(earlier, &names);
    let figures = Figures::of(test, &cameras, calibration, &known);
    let all_judged = vec![true; cameras.len()];
    let last = Blocks::count() - 1;
    let before = match present.variant().parts.fusion {
        true => {
            let fusion = Fusion::new(present, Device::Cpu)?;
            let answers = Answers::of(&fusion, &cameras, &blocks, last, &all_judged)?;
            Some(Figures::of(&answers, &cameras, None, present.cameras()))
        }
        false => None,
    };

    let (calibration, known) = calibrated(&answers, &names);
    let values = |(name, tensor)| Ok((name, to_vec(&tensor)?));
    let mut tensors = (head.tensors()?.into_iter())
        .map(values)
        .collect::<Result<_, TchError>>()?;
    if let Some(calibration) = calibration {
        calibration.fold_into(&mut tensors);
    }
    let metadata = metadata(base, &figures, &cameras);
    Ok(Adapted {
        weights: base.with_fusion(tensors, metadata, known),
        figures,
        before,
        skipped,
    })
}

fn calibrated(answers: &[Answers], names: &[String]) -> (Option<Calibration>, Cameras) {
    let all = calibration::of_all(answers);
    let each = calibration::of_each(answers, names, all.unwrap_or(Calibration::NONE));
    (all, each)
}

/// Cameras with enough seconds that are not the same as an earlier one; and the others.
fn usable(cameras: Vec<Camera>) -> Result<(Vec<Camera>, Vec<Skipped>), TchError> {
    let (mut taken, mut skipped) = (Vec::<Camera>::new(), Vec::new());
    for camera in cameras {
        let seconds = camera.whole_seconds();
        let why = if camera.seconds.is_empty() && camera.silent > 0 {
            Some("nothing is heard in it; a mute camera cannot be learnt".to_owned())
        } else if seconds < MIN_SECONDS {
            Some(format!(
                "has {seconds} s with sound and picture to learn from; it takes {MIN_SECONDS} s: \
                 record more, or of long recordings take more (--hop)"
            ))
        } else {
            original_of(&camera, &taken)?
                .map(|other| format!("is a copy of {}: both sound the same", other.name))
        };
        match why {
            None => taken.push(camera),
            Some(why) => skipped.push(Skipped {
                camera: camera.name,
                why,
            }),
        }
    }
    Ok((taken, skipped))
}

/// The camera that has the same sounds.
fn original_of<'a>(camera: &Camera, taken: &'a [Camera]) -> Result<Option<&'a Camera>, TchError> {
    for other in taken {
        if camera.sounds_like(other)? {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

/// What the model's header says of how it was learnt.
fn metadata(base: &Weights, figures: &Figures, cameras: &[Camera]) -> BTreeMap<String, String> {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let windows: usize = cameras.iter().map(|c| c.seconds.len()).sum();
    let entries = [
        ("adapted_from", base.identity()),
        (
            "adapted_to",
            format!("{} cameras, {windows} windows", cameras.len()),
        ),
        ("adapted_accuracy", percent(figures.accuracy)),
        ("adapted_roc_auc", format!("{:.3}", figures.roc_auc)),
        ("adapted_by_mean", percent(figures.by_mean)),
    ];
    entries.map(|(key, value)| (key.to_owned(), value)).into()
}

#[cfg(test)]
mod tests {
    use super::super::testing::cameras;
    use super::*;
    use crate::net::Conv1Stride;

    fn quick() -> Settings {
        Settings {
            steps: Some(150),
            ..Settings::default()
        }
    }

    #[test]
    fn cameras_are_told_apart_better_than_by_the_model_before() {
        let base = Weights::random(1, Conv1Stride::Two);
        let found = learn(cameras(5, 24, 2), &base, &base, quick(), |_, _| true).expect("learnt");
        assert!(found.figures.accuracy > 0.95, "{:?}", found.figures);
        assert!(found.is_better());
        let before = found.before.expect("it judges");
        assert!(before.accuracy < 0.8, "{before:?}");
        assert!(!before.are_better_than(&found.figures));
        assert!(!found.figures.are_better_than(&found.figures));
        assert_eq!(found.figures.cameras.len(), 5);
        assert_eq!(found.weights.cameras().len(), 5);
        assert_eq!(
            found.weights.metadata()["adapted_to"],
            "5 cameras, 120 windows"
        );
        // The trunks are the same.
        let name = "audio.conv3_2.weight";
        assert_eq!(found.weights.tensor(name), base.tensor(name));
    }

    /// In a process of its own: libtorch has one source of random numbers, of which tests beside
    /// it take some.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_same_seconds_give_the_same_model() {
        let test = "adapt::learn::tests::the_same_seconds_give_the_same_model";
        crate::footprint::alone(test, || {
            let base = Weights::random(1, Conv1Stride::Two);
            let once =
                || learn(cameras(3, 12, 2), &base, &base, quick(), |_, _| true).expect("learnt");
            // Not `assert_eq`, which would print millions of weights.
            assert!(once().weights == once().weights, "two models");
        });
    }

    #[test]
    fn what_cannot_be_learnt_is_skipped_with_a_reason() {
        let base = Weights::random(1, Conv1Stride::Two);
        let mut all = cameras(4, 12, 2);
        all[1].seconds.truncate(3);
        let mut copy = all[0].clone();
        copy.name = "copy".to_owned();
        let mut mute = Camera::new("mute");
        mute.silent = 60;
        all.extend([copy, mute]);
        let found = learn(all.clone(), &base, &base, quick(), |_, _| true).expect("learnt");
        let why: Vec<String> = (found.skipped.iter())
            .map(|out| format!("{}: {}", out.camera, out.why))
            .collect();
        assert_eq!(why.len(), 3, "{why:?}");
        for part in [
            "camera 1: has 3 s",
            "copy: is a copy of camera 0",
            "mute: nothing is heard",
        ] {
            assert!(
                why.iter().any(|line| line.starts_with(part)),
                "{part}: {why:?}"
            );
        }
        let one = learn(all[..2].to_vec(), &base, &base, quick(), |_, _| true);
        let error = one.expect_err("one camera").to_string();
        assert!(error.starts_with("1 of 2 cameras"), "{error}");
    }
}
