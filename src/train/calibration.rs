//! Answers that are as sure as they are right.
//!
//! A network that has seen its pairs often is surer of them than of others, and on
//! others it says no too often. Two numbers mend that (Platt, 1999; Guo et al.,
//! 2017), found on pairs that it has not learnt from: by how much its margin is
//! scaled, and by how much it is moved. They go into the last layer of the model.

use std::collections::BTreeMap;

/// How a pair was judged.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// How much stronger yes is than no: a difference of logits.
    pub margin: f64,
    /// What is right.
    pub corresponds: bool,
    /// How much the pair counts.
    pub weight: f64,
}

/// What is done to margins: `scale * margin + shift`.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Calibration {
    /// Over 0, so that what is stronger stays stronger.
    pub scale: f64,
    /// Towards yes if over 0.
    pub shift: f64,
}

impl Default for Calibration {
    fn default() -> Self {
        Self {
            scale: 1.0,
            shift: 0.0,
        }
    }
}

impl Calibration {
    /// The best for these pairs: least cross-entropy, against targets that are a
    /// little less than sure (Platt), so that few pairs that are all right make no
    /// endless scale. Newton's method. Nothing is changed if a label is missing, or
    /// margins say nothing of labels.
    pub fn fit(pairs: &[Judged]) -> Self {
        let count = |label| pairs.iter().filter(|p| p.corresponds == label).count() as f64;
        let (yes, no) = (count(true), count(false));
        if yes == 0.0 || no == 0.0 {
            return Self::default();
        }
        let target = |pair: &Judged| match pair.corresponds {
            true => (yes + 1.0) / (yes + 2.0),
            false => 1.0 / (no + 2.0),
        };
        let loss = |c: Self| -> f64 {
            let each = pairs.iter().map(|p| {
                let margin = c.of(p.margin);
                // ln(1 + e^margin) − target · margin, for large margins too.
                let soft_plus = margin.max(0.0) + (-margin.abs()).exp().ln_1p();
                p.weight * (soft_plus - target(p) * margin)
            });
            each.sum()
        };
        let mut found = Self::default();
        let mut least = loss(found);
        for _ in 0..100 {
            let (mut slope, mut curve) = ([0.0; 2], [0.0; 3]);
            for pair in pairs {
                let yes = 1.0 / (1.0 + (-found.of(pair.margin)).exp());
                let (off, bend) = (yes - target(pair), yes * (1.0 - yes));
                let (w, m) = (pair.weight, pair.margin);
                slope[0] += w * off * m;
                slope[1] += w * off;
                curve[0] += w * bend * m * m;
                curve[1] += w * bend * m;
                curve[2] += w * bend;
            }
            // Where all is sure the curve is flat: a little of it keeps steps short.
            let (a, b, c) = (curve[0] + 1e-9, curve[1], curve[2] + 1e-9);
            let determinant = a * c - b * b;
            let step = [
                (c * slope[0] - b * slope[1]) / determinant,
                (a * slope[1] - b * slope[0]) / determinant,
            ];
            // Half of a step, and half of that, until it leads down.
            let tries = (0..30).map(|halvings| 0.5_f64.powi(halvings));
            let better = tries
                .map(|part| Self {
                    scale: found.scale - part * step[0],
                    shift: found.shift - part * step[1],
                })
                .map(|tried| (tried, loss(tried)))
                .find(|(_, lower)| *lower < least);
            let Some((tried, lower)) = better else { break };
            let gained = least - lower;
            (found, least) = (tried, lower);
            if gained < 1e-10 {
                break;
            }
        }
        match found.scale > 0.0 && found.scale.is_finite() && found.shift.is_finite() {
            true => found,
            false => Self::default(),
        }
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
    fn pairs(scale: f64, shift: f64) -> Vec<Judged> {
        let mut rng = rng(1, 0, 0);
        let one = |_| {
            let margin = rng.random_range(-6.0..6.0);
            let yes: f64 = 1.0 / (1.0 + (-(scale * margin + shift)).exp());
            Judged {
                margin,
                corresponds: rng.random_bool(yes),
                weight: 1.0 / 20_000.0,
            }
        };
        (0..20_000).map(one).collect()
    }

    #[test]
    fn what_makes_margins_too_sure_is_found() {
        let found = Calibration::fit(&pairs(0.4, 1.5));
        assert!((found.scale - 0.4).abs() < 0.02, "{found:?}");
        assert!((found.shift - 1.5).abs() < 0.06, "{found:?}");
    }

    #[test]
    fn what_is_right_as_it_is_stays() {
        let found = Calibration::fit(&pairs(1.0, 0.0));
        assert!((found.scale - 1.0).abs() < 0.04, "{found:?}");
        assert!(found.shift.abs() < 0.06, "{found:?}");
    }

    #[test]
    fn few_pairs_that_are_all_right_make_no_endless_scale() {
        let pair = |margin: f64| Judged {
            margin,
            corresponds: margin > 0.0,
            weight: 0.25,
        };
        let found = Calibration::fit(&[-2.0, -1.0, 1.0, 2.0].map(pair));
        assert!(found.scale > 0.0 && found.scale < 3.0, "{found:?}");
        assert!(found.shift.abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn what_says_nothing_is_left_alone() {
        let one = |margin, corresponds| Judged {
            margin,
            corresponds,
            weight: 0.5,
        };
        let same = Calibration::default();
        assert_eq!(Calibration::fit(&[]), same);
        assert_eq!(Calibration::fit(&[one(1.0, true), one(2.0, true)]), same);
        // The wrong way round: nobody's answers are turned about.
        assert_eq!(Calibration::fit(&[one(-1.0, true), one(1.0, false)]), same);
        let same_margin = Calibration::fit(&[one(0.0, true), one(0.0, false)]);
        assert_eq!(same_margin, same);
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
