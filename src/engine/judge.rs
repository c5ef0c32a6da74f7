//! The network of a run, which may be replaced while it runs, as a whole or its fusion.

use std::sync::Arc;

use crossbeam_channel::Receiver;

use crate::features::Features;
use crate::net::{Fusion, HeatmapKind, L3Net, ModelRecord, NetError};
use crate::pooled::Pooled;
use crate::result::Judgement;

/// What to go on with.
pub struct Replacement {
    /// The part of the network that is another one.
    pub part: Part,
    /// What results say of the model that it belongs to.
    pub model: Arc<ModelRecord>,
}

/// What of a network is replaced.
pub enum Part {
    /// A fusion on the network's device.
    Fusion(Fusion),
    /// All of it, with the same windows.
    Whole(Box<L3Net>),
}

/// A moment's judgement, and by whom.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The network's outputs.
    pub judgement: Judgement,
    /// What the fusion compared; `None` where no sink wants it.
    pub features: Option<Arc<Pooled>>,
    /// The model.
    pub model: Arc<ModelRecord>,
}

/// Judges moments. A [`Replacement`] takes effect between two batches, so that no moment
/// waits for it and none is lost.
pub struct Judge {
    /// The network.
    pub net: L3Net,
    /// The kind of heatmap.
    pub heatmap: HeatmapKind,
    /// What results say of the network's model.
    pub model: Arc<ModelRecord>,
    /// Keep what the fusion compares.
    pub keep_features: bool,
    /// What to go on with.
    pub replacements: Receiver<Replacement>,
}

impl Judge {
    /// Judges a batch.
    ///
    /// # Errors
    /// As [`L3Net::judge`].
    pub fn answer(&mut self, batch: &[&Features]) -> Result<Vec<Answer>, NetError> {
        for Replacement { part, model } in self.replacements.try_iter() {
            match part {
                Part::Fusion(fusion) => self.net.set_fusion(fusion),
                Part::Whole(net) => self.net = *net,
            }
            self.model = model;
        }
        let answer = |(judgement, features): (Judgement, Option<Pooled>)| Answer {
            judgement,
            features: features.map(Arc::new),
            model: Arc::clone(&self.model),
        };
        Ok(match self.keep_features {
            true => (self.net.judge_pooled(batch, self.heatmap)?.into_iter())
                .map(|(judgement, features)| answer((judgement, Some(features))))
                .collect(),
            false => (self.net.judge(batch, self.heatmap)?.into_iter())
                .map(|judgement| answer((judgement, None)))
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tch::Device;

    use super::*;
    use crate::features::Viewport;
    use crate::net::{Cameras, Conv1Stride, NetOptions, Weights};
    use crate::window_spec::WindowSpec;

    /// The trunks of one model with the fusion of another.
    fn mixed(trunks: &Weights, fusion: &Weights) -> Weights {
        let names = ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"];
        let tensor = |name: &str| {
            let name = format!("fusion.{name}");
            let values = fusion.tensor(&name).to_vec();
            (name, values)
        };
        trunks.with_fusion(names.map(tensor).into(), BTreeMap::new(), Cameras::new())
    }

    fn features() -> Features {
        let values = (0..64 * 64 * 3).map(|i| (i * 7 % 251) as u8);
        let sound = (0..WindowSpec::PAPER.spectrogram_len()).map(|i| (i % 97) as f32 / 10.0);
        Features {
            spectrogram: sound.collect(),
            image: values.collect(),
            image_width: 64,
            image_height: 64,
            view: Viewport::whole(64, 64),
        }
    }

    #[test]
    fn a_replaced_fusion_judges_from_the_next_batch_on() {
        let [first, other] = [1, 2].map(|seed| Weights::random(seed, Conv1Stride::Two));
        let second = mixed(&first, &other);
        let place = |weights| L3Net::new(weights, &NetOptions::default()).expect("a network");
        let features = features();
        let expected = |weights| {
            let judged = place(weights).judge(&[&features], HeatmapKind::Gradient);
            judged.expect("judged").remove(0)
        };
        let (replace, replacements) = crossbeam_channel::unbounded();
        let mut judge = Judge {
            net: place(&first),
            heatmap: HeatmapKind::Gradient,
            model: Arc::new(ModelRecord::of(&first)),
            keep_features: true,
            replacements,
        };
        let mut answer = || judge.answer(&[&features, &features]).expect("judged");
        let before = answer();
        replace
            .send(Replacement {
                part: Part::Fusion(Fusion::new(&second, Device::Cpu).expect("a fusion")),
                model: Arc::new(ModelRecord::of(&second)),
            })
            .expect("it listens");
        drop(replace);
        let (after, later) = (answer(), answer());
        for (answers, weights) in [(&before, &first), (&after, &second), (&later, &second)] {
            assert_eq!(answers.len(), 2);
            for answer in answers {
                let expected = expected(weights);
                for (found, expected) in answer.judgement.logits.iter().zip(expected.logits) {
                    assert!((found - expected).abs() < 1e-3 * expected.abs().max(1.0));
                }
                assert_eq!(*answer.model, ModelRecord::of(weights));
            }
        }
        assert_ne!(before[0].judgement.logits, after[0].judgement.logits);
        // The trunks are the same, and so is what they make of a moment.
        assert_eq!(before[0].features, after[0].features);
        assert!(
            before[0]
                .features
                .as_ref()
                .is_some_and(|f| f.audio.len() == 512)
        );
    }
}
