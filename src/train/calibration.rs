//! Calibration: probabilities that match the share of correct answers.
//!
//! A network is more confident on the pairs that it was trained on than on others, and
//! of others it rejects too many. Platt scaling (Platt, 1999; Guo et al., 2017)
//! corrects that with a scale and a shift of the margin, fitted on the validation
//! pairs. Both are folded into the last layer of the model.
//!
//! Half of the validation pairs correspond: where far fewer do, a calibrated model
//! still answers as if it were half.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Iterations of Newton's method; a few are enough unless the loss is flat.
const MAX_ITERATIONS: usize = 100;
/// Valid scales.
const SCALES: RangeInclusive<f64> = 0.01..=20.0;

/// A pair with the network's answer.
#[derive(Clone, Copy, Debug)]
pub struct ScoredPair {
    /// The difference of the logits, positive for correspondence.
    pub margin: f64,
    /// The label.
    pub corresponds: bool,
    /// Weight of the pair.
    pub weight: f64,
}

impl ScoredPair {
    /// Weighted cross-entropy of the calibrated margin and a target from 0 to 1.
    fn loss(&self, by: Calibration, target: f64) -> f64 {
        let margin = by.calibrated(self.margin);
        // ln(1 + e^margin), where e^margin may overflow.
        let soft_plus = margin.max(0.0) + (-margin.abs()).exp().ln_1p();
        self.weight * (soft_plus - target * margin)
    }
}

/// Cross-entropy and accuracy of calibrated pairs; zeros without pairs.
pub fn cross_entropy_and_accuracy(pairs: &[ScoredPair], by: Option<Calibration>) -> (f64, f64) {
    let by = by.unwrap_or(Calibration::NONE);
    let all: f64 = pairs.iter().map(|p| p.weight).sum();
    let losses = pairs
        .iter()
        .map(|p| p.loss(by, f64::from(u8::from(p.corresponds))));
    let right = pairs
        .iter()
        .filter(|p| (by.calibrated(p.margin) > 0.0) == p.corresponds);
    let (loss, right): (f64, f64) = (losses.sum(), right.map(|p| p.weight).sum());
    match all > 0.0 {
        true => (loss / all, right / all),
        false => (0.0, 0.0),
    }
}

/// A calibrated margin is `scale * margin + shift`.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Calibration {
    /// Positive, so that the order of margins is kept.
    pub scale: f64,
    /// Towards correspondence if positive.
    pub shift: f64,
}

impl Calibration {
    /// The identity.
    pub const NONE: Self = Self {
        scale: 1.0,
        shift: 0.0,
    };

    /// The calibration with the lowest cross-entropy on these pairs. The targets are
    /// smoothed (Platt), which bounds the scale where few pairs are all judged correctly.
    /// `None` if a label does not occur, a margin is not finite, or the margins do not
    /// predict the labels.
    pub fn fit(pairs: &[ScoredPair]) -> Option<Self> {
        let count = |label| pairs.iter().filter(|p| p.corresponds == label).count() as f64;
        let (yes, no) = (count(true), count(false));
        if yes == 0.0 || no == 0.0 || !pairs.iter().all(|p| p.margin.is_finite()) {
            return None;
        }
        let target = |pair: &ScoredPair| match pair.corresponds {
            true => (yes + 1.0) / (yes + 2.0),
            false => 1.0 / (no + 2.0),
        };
        let loss = |c: Self| -> f64 {
            let each = pairs.iter().map(|p| p.loss(c, target(p)));
            each.sum()
        };
        let mut found = Self::NONE;
        let mut lowest = loss(found);
        for _ in 0..MAX_ITERATIONS {
            let step = found.newton_step(pairs, target);
            // The step is halved until the loss falls: where the loss is flat, a full
            // step may lead anywhere.
            let tries = (0..60).map(|halvings| {
                let part = 0.5_f64.powi(halvings);
                let tried = Self {
                    scale: found.scale - part * step[0],
                    shift: found.shift - part * step[1],
                };
                (tried, loss(tried))
            });
            let Some((tried, lower)) = tries.into_iter().find(|(_, lower)| *lower < lowest) else {
                break;
            };
            let gained = lowest - lower;
            (found, lowest) = (tried, lower);
            if gained < 1e-10 {
                break;
            }
        }
        // Any other scale is of margins that hardly differ, or predict the opposite.
        SCALES.contains(&found.scale).then_some(found)
    }

    /// Newton's step (inverse Hessian times gradient) for scale and shift.
    fn newton_step(self, pairs: &[ScoredPair], target: impl Fn(&ScoredPair) -> f64) -> [f64; 2] {
        let (mut gradient, mut hessian) = ([0.0; 2], [1e-9, 0.0, 1e-9]);
        for pair in pairs {
            let yes = 1.0 / (1.0 + (-self.calibrated(pair.margin)).exp());
            let (error, curvature) = (yes - target(pair), yes * (1.0 - yes));
            let (w, m) = (pair.weight, pair.margin);
            gradient[0] += w * error * m;
            gradient[1] += w * error;
            hessian[0] += w * curvature * m * m;
            hessian[1] += w * curvature * m;
            hessian[2] += w * curvature;
        }
        let [a, b, c] = hessian;
        let determinant = a * c - b * b;
        [
            (c * gradient[0] - b * gradient[1]) / determinant,
            (a * gradient[1] - b * gradient[0]) / determinant,
        ]
    }

    /// The calibrated margin.
    pub fn calibrated(self, margin: f64) -> f64 {
        self.scale * margin + self.shift
    }

    /// Folds the calibration into the last layer of a network's tensors.
    pub fn fold_into(self, tensors: &mut BTreeMap<String, Vec<f32>>) {
        for name in ["fusion.fc2.weight", "fusion.fc2.bias"] {
            for value in tensors.get_mut(name).into_iter().flatten() {
                *value = (f64::from(*value) * self.scale) as f32;
            }
        }
        if let Some([_, yes]) = tensors.get_mut("fusion.fc2.bias").map(Vec::as_mut_slice) {
            *yes = (f64::from(*yes) + self.shift) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::corpus::rng;

    /// Pairs whose probability is known: `true_margin = scale * margin + shift`.
    fn pairs(scale: f64, shift: f64) -> Vec<ScoredPair> {
        let mut rng = rng(1, 0, 0);
        let one = |_| {
            let margin = rng.random_range(-6.0..6.0);
            let yes: f64 = 1.0 / (1.0 + (-(scale * margin + shift)).exp());
            ScoredPair {
                margin,
                corresponds: rng.random_bool(yes),
                weight: 1.0 / 20_000.0,
            }
        };
        (0..20_000).map(one).collect()
    }

    fn one(margin: f64, corresponds: bool) -> ScoredPair {
        ScoredPair {
            margin,
            corresponds,
            weight: 0.25,
        }
    }

    #[test]
    fn overconfident_margins_are_corrected() {
        let pairs = pairs(0.4, 1.5);
        let found = Calibration::fit(&pairs).expect("a calibration");
        assert!((found.scale - 0.4).abs() < 0.02, "{found:?}");
        assert!((found.shift - 1.5).abs() < 0.06, "{found:?}");
        let (before, wrong) = cross_entropy_and_accuracy(&pairs, None);
        let (after, right) = cross_entropy_and_accuracy(&pairs, Some(found));
        assert!(after < before && right > wrong, "{after} {right}");
    }

    #[test]
    fn calibrated_margins_stay_as_they_are() {
        let found = Calibration::fit(&pairs(1.0, 0.0)).expect("a calibration");
        assert!((found.scale - 1.0).abs() < 0.04, "{found:?}");
        assert!(found.shift.abs() < 0.06, "{found:?}");
    }

    #[test]
    fn few_pairs_that_are_all_correct_give_a_bounded_scale() {
        let pairs = [-2.0, -1.0, 1.0, 2.0].map(|margin| one(margin, margin > 0.0));
        let found = Calibration::fit(&pairs).expect("a calibration");
        assert!(found.scale > 0.0 && found.scale < 3.0, "{found:?}");
        assert!(found.shift.abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn margins_far_from_zero_are_corrected_too() {
        let pairs: Vec<ScoredPair> = (0..100)
            .map(|i| {
                one(
                    if i % 2 == 0 { 60.0 } else { -60.0 },
                    (i % 2 == 0) != (i % 10 == 0),
                )
            })
            .collect();
        let found = Calibration::fit(&pairs).expect("a calibration");
        // Of fifty positive answers ten are wrong.
        let yes = 1.0 / (1.0 + (-found.calibrated(60.0)).exp());
        assert!((0.75..0.85).contains(&yes), "{found:?}: {yes}");
    }

    #[test]
    fn margins_that_do_not_predict_labels_give_no_calibration() {
        assert_eq!(Calibration::fit(&[]), None);
        assert_eq!(Calibration::fit(&[one(1.0, true), one(2.0, true)]), None);
        // Answers are never inverted.
        assert_eq!(Calibration::fit(&[one(-1.0, true), one(1.0, false)]), None);
        let not_finite = [one(f64::NAN, true), one(1.0, false)];
        assert_eq!(Calibration::fit(&not_finite), None);
        // Nearly equal margins predict the labels only by chance.
        let alike = [(0.300_02, true), (0.300_01, false), (0.300_00, false)];
        assert_eq!(Calibration::fit(&alike.map(|(m, c)| one(m, c))), None);
    }

    #[test]
    fn the_last_layer_gives_calibrated_margins() {
        let mut tensors: BTreeMap<String, Vec<f32>> = [
            ("fusion.fc2.weight".to_owned(), vec![1.0, -2.0, 0.5, 3.0]),
            ("fusion.fc2.bias".to_owned(), vec![0.25, -0.5]),
        ]
        .into();
        let margin = |t: &BTreeMap<String, Vec<f32>>| {
            let (w, b) = (&t["fusion.fc2.weight"], &t["fusion.fc2.bias"]);
            let logit = |k: usize| w[2 * k] * 0.7 + w[2 * k + 1] * 0.3 + b[k];
            f64::from(logit(1) - logit(0))
        };
        let calibration = Calibration {
            scale: 0.5,
            shift: 2.0,
        };
        let expected = calibration.calibrated(margin(&tensors));
        calibration.fold_into(&mut tensors);
        assert!((margin(&tensors) - expected).abs() < 1e-6);
    }
}
