//! The networks that an experiment compares.

use std::path::PathBuf;

use serde::Serialize;

use super::direct::Direct;
use super::draws::Judge;
use super::error::EvalError;
use super::experiment::as_text;
use crate::net::{HeatmapKind, L3Net, NetOptions, Weights};
use crate::window_spec::WindowSpec;

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
    direct: Option<Direct>,
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
                conv1_stride: info.variant.conv1_stride.get(),
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

    /// What all of them hear.
    pub fn spec(&self) -> WindowSpec {
        self.loaded[0].weights.spec()
    }

    /// Adds a network to compare with.
    ///
    /// # Errors
    /// If it has another audio front end than the evaluated one, or the network cannot be
    /// placed on its device.
    pub fn add(
        &mut self,
        name: &'static str,
        weights: Weights,
        options: &NetOptions,
    ) -> Result<(), EvalError> {
        self.check_front_end(name, weights.spec())?;
        let net = L3Net::new(&weights, options)?;
        self.loaded.push(LoadedNetwork { name, net, weights });
        Ok(())
    }

    /// Adds the supervised baseline.
    ///
    /// # Errors
    /// If it has another audio front end than the evaluated network.
    pub fn add_direct(&mut self, direct: Direct) -> Result<(), EvalError> {
        self.check_front_end(DIRECT, direct.spec())?;
        self.direct = Some(direct);
        Ok(())
    }

    /// All judge the same features.
    fn check_front_end(&self, name: &'static str, other: WindowSpec) -> Result<(), EvalError> {
        let own = self.spec();
        if own == other {
            return Ok(());
        }
        Err(EvalError::FrontEnds {
            name,
            front_ends: [other.name, own.name],
        })
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
