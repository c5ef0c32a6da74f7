//! Features with a mean of 0 and a spread of 1.
//!
//! Units of pool4 differ in size by orders of magnitude: a layer on top of them learns
//! faster if each counts the same. What it learns folds into the layer, so that a model
//! takes plain features.

use std::collections::BTreeMap;

use super::batch::PooledRows;
use super::heads;
use crate::net::{FEATURE, Modality, Weights};

/// Least spread of a unit, against the mean one: some are nearly dead.
const LEAST_SPREAD: f64 = 1e-2;

/// Mean and spread of each unit of pool4.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardisation {
    vision: Moments,
    audio: Moments,
}

#[derive(Clone, Debug, PartialEq)]
struct Moments {
    mean: Vec<f32>,
    spread: Vec<f32>,
}

/// The layer of the fusion that takes features.
pub const FIRST_LAYER: &str = "fusion.fc1";

/// The names of its parts in a checkpoint, each 512 values.
pub const PARTS: [&str; 4] = [
    "standardisation.vision.mean",
    "standardisation.vision.spread",
    "standardisation.audio.mean",
    "standardisation.audio.spread",
];

impl Standardisation {
    /// Of these features; without any, it changes nothing.
    pub fn of(rows: &PooledRows) -> Self {
        Self {
            vision: Moments::of(&rows.vision),
            audio: Moments::of(&rows.audio),
        }
    }

    /// From its [`PARTS`], in turn.
    pub fn from_parts(
        [vision_mean, vision_spread, audio_mean, audio_spread]: [Vec<f32>; 4],
    ) -> Self {
        let moments = |mean, spread| Moments { mean, spread };
        Self {
            vision: moments(vision_mean, vision_spread),
            audio: moments(audio_mean, audio_spread),
        }
    }

    /// Its [`PARTS`], in turn.
    pub fn parts(&self) -> [&[f32]; 4] {
        let Self { vision, audio } = self;
        [&vision.mean, &vision.spread, &audio.mean, &audio.spread]
    }

    /// Standardises features.
    pub fn apply(&self, rows: &mut PooledRows) {
        self.vision.apply(&mut rows.vision);
        self.audio.apply(&mut rows.audio);
    }

    /// The first layers of a network's fusion and of these heads, over standardised features.
    pub fn first_layers(
        &self,
        weights: &Weights,
        heads: BTreeMap<String, Vec<f32>>,
    ) -> BTreeMap<String, Vec<f32>> {
        let mut layers = heads;
        for tensor in ["weight", "bias"] {
            let name = format!("{FIRST_LAYER}.{tensor}");
            let values = weights.tensor(&name).to_vec();
            layers.insert(name, values);
        }
        self.unfold(&mut layers);
        layers
    }

    /// Turns first layers over features into ones over standardised features, where there
    /// are any among the tensors.
    fn unfold(&self, tensors: &mut BTreeMap<String, Vec<f32>>) {
        self.each_first_layer(tensors, |moments, weight, bias| {
            for ((w, mean), spread) in weight.iter_mut().zip(&moments.mean).zip(&moments.spread) {
                *bias += f64::from(*w) * f64::from(*mean);
                *w *= spread;
            }
        });
    }

    /// Turns first layers over standardised features into ones over features.
    pub fn fold_into(&self, tensors: &mut BTreeMap<String, Vec<f32>>) {
        self.each_first_layer(tensors, |moments, weight, bias| {
            for ((w, mean), spread) in weight.iter_mut().zip(&moments.mean).zip(&moments.spread) {
                *w /= spread;
                *bias -= f64::from(*w) * f64::from(*mean);
            }
        });
    }

    /// The layers that take features: `change` gets each unit's weights for one modality,
    /// and its bias.
    fn each_first_layer(
        &self,
        tensors: &mut BTreeMap<String, Vec<f32>>,
        change: impl Fn(&Moments, &mut [f32], &mut f64),
    ) {
        let layers = [
            (FIRST_LAYER.to_owned(), vec![&self.vision, &self.audio]),
            (heads::first_layer(Modality::Vision), vec![&self.vision]),
            (heads::first_layer(Modality::Audio), vec![&self.audio]),
        ];
        for (layer, inputs) in layers {
            let bias = format!("{layer}.bias");
            let (Some(mut weight), Some(mut biases)) = (
                tensors.remove(&format!("{layer}.weight")),
                tensors.remove(&bias),
            ) else {
                continue;
            };
            let units = weight.chunks_exact_mut(FEATURE * inputs.len());
            for (unit, b) in units.zip(&mut biases) {
                let mut exact = f64::from(*b);
                for (part, moments) in unit.chunks_exact_mut(FEATURE).zip(&inputs) {
                    change(moments, part, &mut exact);
                }
                *b = exact as f32;
            }
            tensors.insert(format!("{layer}.weight"), weight);
            tensors.insert(bias, biases);
        }
    }
}

impl Moments {
    fn of(values: &[f32]) -> Self {
        let rows = values.len() / FEATURE;
        if rows == 0 {
            return Self {
                mean: vec![0.0; FEATURE],
                spread: vec![1.0; FEATURE],
            };
        }
        let average = |of: &dyn Fn(usize, f64) -> f64| {
            let mut sums = vec![0.0; FEATURE];
            for row in values.chunks_exact(FEATURE) {
                for (unit, (sum, value)) in sums.iter_mut().zip(row).enumerate() {
                    *sum += of(unit, f64::from(*value));
                }
            }
            sums.iter_mut().for_each(|sum| *sum /= rows as f64);
            sums
        };
        let mean = average(&|_, value| value);
        let mut spread = average(&|unit, value| (value - mean[unit]).powi(2));
        spread.iter_mut().for_each(|s| *s = s.sqrt());
        let least = LEAST_SPREAD * spread.iter().sum::<f64>() / FEATURE as f64;
        spread.iter_mut().for_each(|s| *s = s.max(least).max(1e-9));
        let [mean, spread] = [mean, spread].map(|all| all.iter().map(|v| *v as f32).collect());
        Self { mean, spread }
    }

    fn apply(&self, values: &mut [f32]) {
        for row in values.chunks_exact_mut(FEATURE) {
            for ((value, mean), spread) in row.iter_mut().zip(&self.mean).zip(&self.spread) {
                *value = (*value - mean) / spread;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use tch::{Device, Tensor};

    use super::*;
    use crate::corpus::rng;
    use crate::net::input::to_vec;
    use crate::net::{Conv1Stride, Fusion, Variant};

    /// Units of all sizes, one of them always 0.
    fn rows(count: usize) -> PooledRows {
        let mut rng = rng(3, 0, 0);
        let mut values = || -> Vec<f32> {
            let value = |i: usize| {
                let unit = i % FEATURE;
                let size = if unit == 7 { 0.0 } else { 0.01 * unit as f32 };
                size * (2.0 + rng.random_range(0.0..1.0_f32))
            };
            (0..count * FEATURE).map(value).collect()
        };
        PooledRows {
            vision: values(),
            audio: values(),
        }
    }

    fn margins(tensors: &BTreeMap<String, Vec<f32>>, rows: &PooledRows) -> Vec<f32> {
        let shapes: BTreeMap<String, Vec<i64>> = (Variant::PAPER.layout().into_iter())
            .map(|slot| (slot.name, slot.shape.iter().map(|&n| n as i64).collect()))
            .collect();
        let fusion =
            Fusion::over(|name| Tensor::from_slice(&tensors[name]).view(shapes[name].as_slice()));
        let place = |values: &[f32]| Tensor::from_slice(values).view([-1, FEATURE as i64]);
        let margins = (fusion.expect("a fusion"))
            .margins(&place(&rows.vision), &place(&rows.audio))
            .expect("margins");
        to_vec(&margins.to_device(Device::Cpu)).expect("values")
    }

    fn fusion_tensors() -> BTreeMap<String, Vec<f32>> {
        let weights = Weights::random(5, Conv1Stride::Two);
        (Variant::PAPER.layout().iter())
            .filter(|slot| slot.name.starts_with("fusion."))
            .map(|slot| (slot.name.clone(), weights.tensor(&slot.name).to_vec()))
            .collect()
    }

    #[test]
    fn standardised_features_have_mean_0_and_spread_1() {
        let mut rows = rows(50);
        let standardisation = Standardisation::of(&rows);
        standardisation.apply(&mut rows);
        for unit in [0, 1, 7, 511] {
            let values = rows.audio.iter().skip(unit).step_by(FEATURE);
            let (mut sum, mut square) = (0.0, 0.0);
            for value in values {
                sum += value;
                square += value * value;
            }
            let spread = if unit == 0 || unit == 7 { 0.0 } else { 1.0 };
            let (mean, found) = (sum / 50.0, (square / 50.0).sqrt());
            // The spread of a unit that is nearly dead is not made one.
            assert!(
                mean.abs() < 1e-3 && found <= spread + 1e-3,
                "{unit}: {found}"
            );
            assert!(unit < 100 || found > 0.999, "{unit}: {found}");
        }
    }

    #[test]
    fn a_layer_gives_the_same_answers_over_plain_and_standardised_features() {
        let plain = fusion_tensors();
        let rows = rows(9);
        let standardisation = Standardisation::of(&rows);
        let mut standardised = rows.clone();
        standardisation.apply(&mut standardised);
        let expected = margins(&plain, &rows);
        let mut tensors = plain.clone();
        standardisation.unfold(&mut tensors);
        assert_ne!(tensors["fusion.fc1.weight"], plain["fusion.fc1.weight"]);
        let unfolded = margins(&tensors, &standardised);
        standardisation.fold_into(&mut tensors);
        let folded = margins(&tensors, &rows);
        for ((expected, unfolded), folded) in expected.iter().zip(&unfolded).zip(&folded) {
            let close = |value: &f32| (value - expected).abs() < 1e-4 * expected.abs().max(1.0);
            assert!(
                close(unfolded) && close(folded),
                "{expected} {unfolded} {folded}"
            );
        }
        assert!(expected.iter().any(|m| (m - expected[0]).abs() > 1e-2));
    }

    #[test]
    fn heads_fold_as_the_fusion_does_and_no_rows_change_nothing() {
        let name = heads::first_layer(Modality::Audio);
        let weight: Vec<f32> = (0..2 * FEATURE).map(|i| (i % 5) as f32 - 2.0).collect();
        let before: BTreeMap<String, Vec<f32>> = [
            (format!("{name}.weight"), weight),
            (format!("{name}.bias"), vec![0.5, -0.5]),
        ]
        .into();
        let rows = rows(4);
        let mut tensors = before.clone();
        Standardisation::of(&rows).unfold(&mut tensors);
        let mut standardised = rows.clone();
        Standardisation::of(&rows).apply(&mut standardised);
        let unit = |tensors: &BTreeMap<String, Vec<f32>>, rows: &PooledRows| {
            let weight = &tensors[&format!("{name}.weight")][FEATURE..];
            let sum: f32 = weight.iter().zip(&rows.audio).map(|(w, x)| w * x).sum();
            sum + tensors[&format!("{name}.bias")][1]
        };
        let (expected, found) = (unit(&before, &rows), unit(&tensors, &standardised));
        assert!(
            (expected - found).abs() < 1e-3 * expected.abs(),
            "{expected} {found}"
        );
        let mut same = before.clone();
        Standardisation::of(&PooledRows::default()).unfold(&mut same);
        assert_eq!(same, before);
    }
}
