//! The networks that an experiment compares.

use std::path::PathBuf;

use serde::Serialize;

use super::direct::Direct;
use super::draws::Judge;
use super::experiment::as_text;
use crate::net::{HeatmapKind, L3Net, NetError, NetOptions, Weights};

/// The name of the baseline that combines two classifiers.
pub const DIRECT: &str = "direct";

/// The evaluated model; part of every report.
#[derive(Clone, Debug, Serialize)]
pub struct Model {
    #[serde(serialize_with = "as_text")]
    file: PathBuf,
    trained: bool,
    device: String,
    precision: &'static str,
    conv1_stride: u8,
}

impl Model {
    /// One line for people.
    pub fn line(&self) -> String {
        format!(
            "{}{} on {} in {}",
            self.file.display(),
            if self.trained { "" } else { " (untrained)" },
            self.device,
            self.precision
        )
    }
}

/// The evaluated network, and those it is compared with.
pub struct Networks {
    /// The model, for the report.
    pub model: Model,
    /// The evaluated network first.
    pub loaded: Vec<LoadedNetwork>,
    /// The supervised baseline, judged last.
    pub direct: Option<Direct>,
    heatmap: HeatmapKind,
}

/// A network and its weights.
pub struct LoadedNetwork {
    name: &'static str,
    /// The network.
    pub net: L3Net,
    /// Its weights.
    pub weights: Weights,
}

impl Networks {
    /// The evaluated network alone.
    pub fn new(weights: Weights, net: L3Net, heatmap: HeatmapKind) -> Self {
        let info = net.describe();
        Self {
            model: Model {
                file: weights.source().to_owned(),
                trained: info.trained,
                device: info.device_name(),
                precision: info.precision_name(),
                conv1_stride: info.conv1_stride.get(),
            },
            loaded: vec![LoadedNetwork {
                name: "model",
                net,
                weights,
            }],
            direct: None,
            heatmap,
        }
    }

    /// Adds a network to compare with.
    ///
    /// # Errors
    /// Names the device, and what is wrong with it.
    pub fn add(
        &mut self,
        name: &'static str,
        weights: Weights,
        options: &NetOptions,
    ) -> Result<(), NetError> {
        let net = L3Net::new(&weights, options)?;
        self.loaded.push(LoadedNetwork { name, net, weights });
        Ok(())
    }

    /// All of them as judges, in the order of [`names`](Self::names).
    pub fn judges(&self) -> Vec<Judge<'_>> {
        let mut judges: Vec<Judge<'_>> = Vec::new();
        for loaded in &self.loaded {
            judges.push(Box::new(|batch| loaded.net.judge(batch, self.heatmap)));
        }
        if let Some(direct) = &self.direct {
            judges.push(Box::new(|batch| direct.judge(batch)));
        }
        judges
    }

    /// Their names in JSON.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let direct = self.direct.iter().map(|_| DIRECT);
        self.loaded.iter().map(|l| l.name).chain(direct)
    }
}
