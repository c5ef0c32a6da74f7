//! The paper's supervised baseline "direct combination" (section 3.2, Table 1):
//! two classifiers, of the picture and of the sound, and the scalar product of their
//! outputs.
//!
//! They come from a checkpoint of `train --task classify`. Its class "nothing" does not
//! count: silence does not belong to an empty picture. The threshold is chosen on
//! validation pairs.

use std::path::Path;

use tch::Tensor;

use super::avc::JudgedPair;
use crate::features::{Features, ScaledFrame};
use crate::net::{L3Net, Modality, NetError, NetOptions};
use crate::result::{Heatmap, Judgement};
use crate::train::{Checkpoint, Head, TrainError};
use crate::window_spec::WindowSpec;

/// Lower bound of products, to keep logarithms finite.
const MIN_PRODUCT: f32 = 1e-12;

/// The two classifiers, and the product from which on a pair corresponds.
pub struct Direct {
    net: L3Net,
    heads: [Head; 2],
    threshold: f32,
}

impl Direct {
    /// The classifiers of a checkpoint, with a threshold of one half until
    /// [`choose`](Self::choose) finds a better one.
    ///
    /// # Errors
    /// If it cannot be read, learnt no classes, or the device has too little memory.
    pub fn open(checkpoint: &Path, options: &NetOptions) -> Result<Self, TrainError> {
        let read = Checkpoint::read(checkpoint)?;
        let Some(classes) = &read.state.classes else {
            return Err(TrainError::Checkpoint {
                file: checkpoint.to_owned(),
                what: "it learnt no classes; make one with train --task classify".to_owned(),
            });
        };
        tracing::info!("{}: {} classes", checkpoint.display(), classes.len());
        let (heads, weights) = read.into_parts();
        let net = L3Net::new(&weights, options)?;
        let device = net.describe().device;
        let torch = |cause: tch::TchError| TrainError::Torch {
            step: 0,
            cause: cause.into(),
        };
        let place = |modality| Head::placed(modality, &heads, device).map_err(torch);
        Ok(Self {
            heads: [place(Modality::Vision)?, place(Modality::Audio)?],
            net,
            threshold: 0.5,
        })
    }

    /// What it hears.
    pub fn spec(&self) -> WindowSpec {
        self.net.describe().variant.spec
    }

    /// The scalar product of the two softmaxes, for each pair.
    fn products(&self, batch: &[&Features]) -> Result<Vec<f32>, NetError> {
        let mut products = Vec::with_capacity(batch.len());
        for f in batch {
            // One at a time: pictures may differ in size.
            let picture = ScaledFrame {
                rgb: f.image.clone(),
                width: f.image_width,
                height: f.image_height,
                view: f.view,
            };
            let seen = self.shares(0, &self.net.vision_response(&[&picture])?.pool4()?)?;
            let heard = self.shares(1, &self.net.audio_response(&[&f.spectrogram])?.pool4()?)?;
            products.push(seen.iter().zip(&heard).map(|(a, b)| a * b).sum());
        }
        Ok(products)
    }

    /// The softmax of one head without its last class, "nothing".
    fn shares(&self, head: usize, pool4: &[f32]) -> Result<Vec<f32>, NetError> {
        let _guard = tch::no_grad_guard();
        let device = self.net.describe().device;
        let feature = Tensor::f_from_slice(pool4)?.f_unsqueeze(0)?.f_to(device)?;
        let mut shares = self.heads[head].probabilities(&feature)?;
        shares.pop();
        Ok(shares)
    }

    /// As a judge: the odds are the product over the threshold. Its heatmaps are
    /// empty.
    ///
    /// # Errors
    /// Those of the network.
    pub fn judge(&self, batch: &[&Features]) -> Result<Vec<Judgement>, NetError> {
        let nowhere = Heatmap {
            rows: 1,
            cols: 1,
            values: vec![0.0],
        };
        let judgement = |product: f32| {
            let logit = product.max(MIN_PRODUCT).ln() - self.threshold.max(MIN_PRODUCT).ln();
            Judgement {
                logits: [0.0, logit],
                correspondence: 1.0 / (1.0 + (-logit).exp()),
                vision: nowhere.clone(),
                audio: nowhere.clone(),
            }
        };
        Ok(self.products(batch)?.into_iter().map(judgement).collect())
    }

    /// Chooses the threshold that judges most of these pairs correctly. They must have
    /// been judged by this judge alone.
    pub fn choose(&mut self, pairs: &[JudgedPair]) {
        let products: Vec<(f32, bool)> = pairs
            .iter()
            .filter_map(|pair| {
                let logit = pair.logits.first()?[1];
                Some((
                    logit.exp() * self.threshold.max(MIN_PRODUCT),
                    pair.facts.corresponds,
                ))
            })
            .collect();
        if let Some(threshold) = best_threshold(products) {
            self.threshold = threshold;
        }
    }
}

/// The value halfway between two neighbours with most `true` values above and `false`
/// values below; `None` with fewer than two values.
fn best_threshold(mut values: Vec<(f32, bool)>) -> Option<f32> {
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut right = values.iter().filter(|(_, yes)| *yes).count();
    let mut best = (0, None);
    for pair in values.windows(2) {
        // A threshold above this value rejects it.
        right = if pair[0].1 { right - 1 } else { right + 1 };
        if pair[0].0 < pair[1].0 && right > best.0 {
            best = (right, Some((pair[0].0 + pair[1].0) / 2.0));
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::eval::avc::Facts;
    use crate::features::{Crop, FeatureExtractor};
    use crate::net::{Conv1Stride, FEATURE, Precision, Weights};
    use crate::picture::Picture;

    /// Classifiers with constant outputs: two classes, and "nothing".
    fn sure(seen: [f32; 3], heard: [f32; 3]) -> Direct {
        let options = NetOptions {
            precision: Precision::F32,
            ..NetOptions::default()
        };
        let weights = Weights::random(0, Conv1Stride::Two);
        let head = |modality: Modality, shares: [f32; 3]| {
            let layers = [
                ("fc1.weight", vec![0.0; 128 * FEATURE]),
                ("fc1.bias", vec![0.0; 128]),
                ("fc2.weight", vec![0.0; 3 * 128]),
                ("fc2.bias", shares.map(f32::ln).to_vec()),
            ];
            let named = layers.map(|(n, v)| (format!("heads.{}.{n}", modality.name()), v));
            Head::placed(modality, &BTreeMap::from(named), tch::Device::Cpu).expect("a head")
        };
        Direct {
            net: L3Net::new(&weights, &options).expect("a network"),
            heads: [head(Modality::Vision, seen), head(Modality::Audio, heard)],
            threshold: 0.5,
        }
    }

    #[test]
    fn the_score_is_the_scalar_product_of_the_classes_without_nothing() {
        let picture = Picture::filled(64, 64, [10, 200, 30]);
        let features =
            FeatureExtractor::new(WindowSpec::PAPER, Crop::Full).extract(&[0.1; 48_000], &picture);
        // 0.6 · 0.2 + 0.3 · 0.5; nothing, 0.1 · 0.3, does not count.
        let mut direct = sure([0.6, 0.3, 0.1], [0.2, 0.5, 0.3]);
        let products = direct.products(&[&features, &features]).expect("products");
        assert!(
            products.iter().all(|p| (p - 0.27).abs() < 1e-5),
            "{products:?}"
        );
        // The odds are the product against the threshold.
        for (threshold, odds) in [(0.5, 0.54), (0.27, 1.0), (0.1, 2.7)] {
            direct.threshold = threshold;
            let judged = direct.judge(&[&features]).expect("judged");
            let correspondence = judged[0].correspondence;
            assert!(
                (correspondence - odds / (1.0 + odds)).abs() < 1e-5,
                "{threshold}: {correspondence}"
            );
        }
    }

    #[test]
    fn the_threshold_is_chosen_on_products_of_judged_pairs() {
        let mut direct = sure([0.6, 0.3, 0.1], [0.2, 0.5, 0.3]);
        let pair = |(product, corresponds): (f32, bool)| JudgedPair {
            facts: Facts {
                corresponds,
                heard: None,
                rms_dbfs: -20.0,
                objects: 1,
            },
            // As judged with the threshold that it had.
            logits: vec![[0.0, (product / 0.5).ln()]],
        };
        let pairs = [(0.02, false), (0.04, false), (0.06, true), (0.3, true)].map(pair);
        direct.choose(&pairs);
        assert!(
            (direct.threshold - 0.05).abs() < 1e-6,
            "{}",
            direct.threshold
        );
    }

    #[test]
    fn the_threshold_separates_best() {
        let values = [
            (0.9, true),
            (0.1, false),
            (0.3, false),
            (0.35, false),
            (0.5, true),
            (0.2, true),
        ];
        let threshold = best_threshold(values.to_vec()).expect("a threshold");
        assert!((threshold - 0.425).abs() < 1e-6, "{threshold}");
        assert_eq!(best_threshold(vec![(0.5, true)]), None);
        assert_eq!(best_threshold(vec![(0.5, true), (0.5, false)]), None);
    }
}
