//! What 0.5 means: for all cameras, and for each.
//!
//! Fitted on seconds that were judged by heads which had not learnt them.

use super::figures::Answers;
use crate::net::{CameraRecord, Cameras};
use crate::train::{Calibration, ScoredPair};

/// Pairs of each camera's pictures with others' sounds that a fit looks at.
const OTHERS: usize = 400;
/// How far the margins of single cameras are expected to lie from those of all: a camera
/// of which little is known keeps the common zero.
const SPREAD: f64 = 2.0;
/// What a window counts as evidence about its camera: neighbours overlap and sound alike.
/// Counted in full they moved the zero of short clips by chance, and 1 % more of single seconds were
/// judged wrongly.
const EVIDENCE: f64 = 0.1;
const MAX_ITERATIONS: usize = 50;

/// The calibration of all margins; none where margins say nothing.
pub fn of_all(answers: &[Answers]) -> Option<Calibration> {
    let mut pairs = Vec::new();
    for answers in answers {
        for camera in 0..answers.cameras() {
            let (own, others) = (answers.own(camera), some(answers.others(camera)));
            // Alone in a block, it would weigh for one side only.
            if own.is_empty() || others.is_empty() {
                continue;
            }
            let weights = [own.len(), others.len()].map(|count| 1.0 / count.max(1) as f64);
            let pair = |corresponds: bool| {
                let weight = weights[usize::from(!corresponds)];
                move |margin: f32| ScoredPair {
                    margin: f64::from(margin),
                    corresponds,
                    weight,
                }
            };
            pairs.extend(own.into_iter().map(pair(true)));
            pairs.extend(others.into_iter().map(pair(false)));
        }
    }
    Calibration::fit(&pairs)
}

/// What is known of each camera, from margins that are calibrated by `all`.
pub fn of_each(answers: &[Answers], names: &[String], all: Calibration) -> Cameras {
    let record = |(camera, name): (usize, &String)| {
        let calibrated = |margin: f32| all.calibrated(f64::from(margin));
        let of = |pick: &dyn Fn(&Answers) -> Vec<f32>| -> Vec<f64> {
            let margins = answers.iter().flat_map(pick);
            margins.map(calibrated).collect()
        };
        let own = of(&|a| a.own(camera));
        let others = of(&|a| some(a.others(camera)));
        let shift = shift(&own, &others);
        let (mean, std) = mean_and_std(&others);
        let record = CameraRecord {
            shift,
            others_mean: mean + shift,
            others_std: std,
        };
        (name.clone(), record)
    };
    names.iter().enumerate().map(record).collect()
}

/// The shift after which a margin of 0 is half-way between a camera's own sounds and
/// others', by Newton's method on the logistic loss with a Gaussian prior. Own sounds and
/// others' weigh the same, together twice as much as there are own ones.
fn shift(own: &[f64], others: &[f64]) -> f64 {
    if own.is_empty() || others.is_empty() {
        return 0.0;
    }
    let weight = EVIDENCE * own.len() as f64 / others.len() as f64;
    let mut shift = 0.0;
    for _ in 0..MAX_ITERATIONS {
        let (mut slope, mut curvature) = (shift / SPREAD.powi(2), SPREAD.powi(-2));
        for (margins, target, weight) in [(own, 1.0, EVIDENCE), (others, 0.0, weight)] {
            for margin in margins {
                let yes = 1.0 / (1.0 + (-(margin + shift)).exp());
                slope += weight * (yes - target);
                curvature += weight * yes * (1.0 - yes);
            }
        }
        let step = (slope / curvature).clamp(-1.0, 1.0);
        shift -= step;
        if step.abs() < 1e-9 {
            break;
        }
    }
    shift
}

fn mean_and_std(values: &[f64]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
    (mean, square.sqrt())
}

/// At most [`OTHERS`] of them, evenly.
fn some(margins: Vec<f32>) -> Vec<f32> {
    let step = margins.len().div_ceil(OTHERS).max(1);
    margins.into_iter().step_by(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_whose_margins_are_low_is_lifted_and_little_evidence_lifts_less() {
        let own = [-1.0; 400];
        let others = [-5.0; 400];
        let lifted = shift(&own, &others);
        assert!((2.0..3.2).contains(&lifted), "{lifted}");
        let little = shift(&own[..20], &others[..20]);
        assert!(little > 0.2 && little < lifted / 1.5, "{little}");
        assert_eq!(shift(&[], &others), 0.0);
        assert!(shift(&[4.0; 9], &[-4.0; 9]).abs() < 1e-6);
    }
}
