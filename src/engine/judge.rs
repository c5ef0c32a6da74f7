//! The network of a run, whose fusion may be replaced while it runs.

use std::sync::Arc;

use crossbeam_channel::Receiver;

use crate::features::Features;
use crate::net::{Fusion, HeatmapKind, L3Net, ModelRecord, NetError};
use crate::pooled::Pooled;
use crate::result::Judgement;

/// A fusion to go on with.
pub struct Replacement {
    /// On the network's device.
    pub fusion: Fusion,
    /// What results say of the model that it belongs to.
    pub model: Arc<ModelRecord>,
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
    /// Fusions to go on with.
    pub replacements: Receiver<Replacement>,
}

impl Judge {
    /// Judges a batch.
    ///
    /// # Errors
    /// As [`L3Net::judge`].
    pub fn answer(&mut self, batch: &[&Features]) -> Result<Vec<Answer>, NetError> {
        if let Some(Replacement { fusion, model }) = self.replacements.try_iter().last() {
            self.net.set_fusion(fusion);
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
