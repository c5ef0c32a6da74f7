//! Answers that are as sure as they are right.
//!
//! A network that has seen its pairs often is surer of them than of others, and on
//! others it says no too often. Two numbers mend that (Platt, 1999; Guo et al.,
//! 2017), found on the validation's pairs: by how much its margin is scaled, and by
//! how much it is moved. They go into the last layer of the model.
//!
//! Half of the validation's pairs correspond: where far fewer do, the answers of a
//! calibrated model still lean as if it were half.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Rounds of Newton's method; a handful is enough but where it is flat.
const ROUNDS: usize = 100;
/// What a scale may be.
const SCALES: RangeInclusive<f64> = 0.01..=20.0;

/// How a pair was judged.
#[derive(Clone, Copy, Debug)]
pub struct ScoredPair {
    /// How much stronger yes is than no: a difference of logits.
    pub margin: f64,
    /// What is right.
    pub corresponds: bool,
    /// How much the pair counts.
    pub weight: f64,
}

impl ScoredPair {
    /// Weighted cross-entropy of the calibrated margin and a target from 0 to 1.
    fn loss(&self, by: Calibration, target: f64) -> f64 {
        let margin = by.of(self.margin);
        // ln(1 + e^margin), where e^margin may be more than a number can hold.
        let soft_plus = margin.max(0.0) + (-margin.abs()).exp().ln_1p();
        self.weight * (soft_plus - target * margin)
    }
}

/// Cross-entropy of pairs, and the share that is judged rightly; zeros of no pairs.
pub fn cross_entropy_and_accuracy(pairs: &[ScoredPair], by: Option<Calibration>) -> (f64, f64) {
    let by = by.unwrap_or(Calibration::NONE);
    let all: f64 = pairs.iter().map(|p| p.weight).sum();
    let losses = pairs
        .iter()
        .map(|p| p.loss(by, f64::from(u8::from(p.corresponds))));
    let right = pairs
        .iter()
        .filter(|p| (by.of(p.margin) > 0.0) == p.corresponds);
    let (loss, right): (f64, f64) = (losses.sum(), right.map(|p| p.weight).sum());
    match all > 0.0 {
        true => (loss / all, right / all),
        false => (0.0, 0.0),
    }
}

/// What is done to margins: `scale * margin + shift`.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Calibration {
    /// Over 0, so that what is stronger stays stronger.
    pub scale: f64,
    /// Towards yes if over 0.
    pub shift: f64,
}

impl Calibration {
    /// Changes nothing.
    const NONE: Self = Self {
        scale: 1.0,
        shift: 0.0,
    };

    /// The best for these pairs: least cross-entropy, against targets that are a
    /// little less than sure (Platt), so that few pairs that are all right make no
    /// endless scale. None if a label is missing, a margin is no number, or margins
    /// say nothing of labels.
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
        let mut least = loss(found);
        for _ in 0..ROUNDS {
            let step = found.newton_step(pairs, target);
            // Half of a step, and half of that, until it leads down: where all is
            // sure the curve is flat, and a whole step leads anywhere.
            let tries = (0..60).map(|halvings| {
                let part = 0.5_f64.powi(halvings);
                let tried = Self {
                    scale: found.scale - part * step[0],
                    shift: found.shift - part * step[1],
                };
                (tried, loss(tried))
            });
            let Some((tried, lower)) = tries.into_iter().find(|(_, lower)| *lower < least) else {
                break;
            };
            let gained = least - lower;
            (found, least) = (tried, lower);
            if gained < 1e-10 {
                break;
            }
        }
        // A scale far from one is of margins that hardly differ, or are turned about.
        SCALES.contains(&found.scale).then_some(found)
    }

    /// Slope over curvature of the loss, for scale and shift.
    fn newton_step(self, pairs: &[ScoredPair], target: impl Fn(&ScoredPair) -> f64) -> [f64; 2] {
        let (mut slope, mut curve) = ([0.0; 2], [1e-9, 0.0, 1e-9]);
        for pair in pairs {
            let yes = 1.0 / (1.0 + (-self.of(pair.margin)).exp());
            let (off, bend) = (yes - target(pair), yes * (1.0 - yes));
            let (w, m) = (pair.weight, pair.margin);
            slope[0] += w * off * m;
            slope[1] += w * off;
            curve[0] += w * bend * m * m;
            curve[1] += w * bend * m;
            curve[2] += w * bend;
        }
        let [a, b, c] = curve;
        let determinant = a * c - b * b;
        [
            (c * slope[0] - b * slope[1]) / determinant,
            (a * slope[1] - b * slope[0]) / determinant,
        ]
    }

    /// A margin as it should be.
    pub fn of(self, margin: f64) -> f64 {
        self.scale * margin + self.shift
    }

    /// Puts it into the last layer of a network's tensors.
    pub fn apply(self, tensors: &mut BTreeMap<String, Vec<f32>>) {
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
    fn what_makes_margins_too_sure_is_found() {
        let pairs = pairs(0.4, 1.5);
        let found = Calibration::fit(&pairs).expect("a calibration");
        assert!((found.scale - 0.4).abs() < 0.02, "{found:?}");
        assert!((found.shift - 1.5).abs() < 0.06, "{found:?}");
        let (before, wrong) = cross_entropy_and_accuracy(&pairs, None);
        let (after, right) = cross_entropy_and_accuracy(&pairs, Some(found));
        assert!(after < before && right > wrong, "{after} {right}");
    }

    #[test]
    fn what_is_right_as_it_is_stays() {
        let found = Calibration::fit(&pairs(1.0, 0.0)).expect("a calibration");
        assert!((found.scale - 1.0).abs() < 0.04, "{found:?}");
        assert!(found.shift.abs() < 0.06, "{found:?}");
    }

    #[test]
    fn few_pairs_that_are_all_right_make_no_endless_scale() {
        let pairs = [-2.0, -1.0, 1.0, 2.0].map(|margin| one(margin, margin > 0.0));
        let found = Calibration::fit(&pairs).expect("a calibration");
        assert!(found.scale > 0.0 && found.scale < 3.0, "{found:?}");
        assert!(found.shift.abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn margins_that_are_sure_of_all_are_mended_too() {
        let pairs: Vec<ScoredPair> = (0..100)
            .map(|i| {
                one(
                    if i % 2 == 0 { 60.0 } else { -60.0 },
                    (i % 2 == 0) != (i % 10 == 0),
                )
            })
            .collect();
        let found = Calibration::fit(&pairs).expect("a calibration");
        // Of fifty that it says yes to, ten are wrong.
        let yes = 1.0 / (1.0 + (-found.of(60.0)).exp());
        assert!((0.75..0.85).contains(&yes), "{found:?}: {yes}");
    }

    #[test]
    fn what_says_nothing_is_left_alone() {
        assert_eq!(Calibration::fit(&[]), None);
        assert_eq!(Calibration::fit(&[one(1.0, true), one(2.0, true)]), None);
        // The wrong way round: nobody's answers are turned about.
        assert_eq!(Calibration::fit(&[one(-1.0, true), one(1.0, false)]), None);
        let no_number = [one(f64::NAN, true), one(1.0, false)];
        assert_eq!(Calibration::fit(&no_number), None);
        // Chance among margins that are all alike is no reason to look closer.
        let alike = [(0.300_02, true), (0.300_01, false), (0.300_00, false)];
        assert_eq!(Calibration::fit(&alike.map(|(m, c)| one(m, c))), None);
    }

    #[test]
    fn the_last_layer_answers_as_the_margin_does() {
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
        let expected = calibration.of(margin(&tensors));
        calibration.apply(&mut tensors);
        assert!((margin(&tensors) - expected).abs() < 1e-6);
    }
}
