//! The networks that an experiment compares, and their figures side by side.

use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::CommonArgs;
use crate::eval::direct::Direct;
use crate::eval::{Judge, as_text};
use crate::features::Features;
use crate::net::{HeatmapKind, L3Net, NetError, Weights};
use crate::result::Judgement;

/// The model that is looked at; part of every report.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Model {
    #[serde(serialize_with = "as_text")]
    file: PathBuf,
    trained: bool,
    device: String,
    precision: &'static str,
    conv1_stride: u8,
}

impl Model {
    /// It in a line, for people.
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

/// The network that is looked at, and what is judged beside it.
pub(super) struct Networks {
    /// What the report says of the model.
    pub model: Model,
    /// The model first.
    pub placed: Vec<Placed>,
    /// The supervised baseline, judged last.
    pub direct: Option<Direct>,
    heatmap: HeatmapKind,
}

/// A network, and what it was made of.
pub(super) struct Placed {
    name: &'static str,
    /// The network.
    pub net: L3Net,
    /// What it was made of.
    pub weights: Weights,
}

impl Networks {
    /// The model, and the untrained network if it takes part.
    pub fn load(args: &CommonArgs, heatmap: HeatmapKind) -> anyhow::Result<Self> {
        let weights = Weights::open(args.net.model.as_deref())?;
        let net = args.net.place(&weights)?;
        let info = net.describe();
        let model = Model {
            file: weights.source().to_owned(),
            trained: info.trained,
            device: info.device_name(),
            precision: info.precision_name(),
            conv1_stride: info.conv1_stride.get(),
        };
        let stride = info.conv1_stride;
        let mut networks = Self {
            model,
            placed: vec![Placed {
                name: "model",
                net,
                weights,
            }],
            direct: None,
            heatmap,
        };
        if !args.no_untrained {
            networks.add("untrained", Weights::random(args.seed, stride), args)?;
        }
        Ok(networks)
    }

    /// One more to be judged.
    pub fn add(
        &mut self,
        name: &'static str,
        weights: Weights,
        args: &CommonArgs,
    ) -> Result<(), NetError> {
        let net = L3Net::new(&weights, &args.net.compute.options())?;
        self.placed.push(Placed { name, net, weights });
        Ok(())
    }

    /// Calls `with` with all of them as judges, in the order of [`names`](Self::names).
    pub fn judges<R>(&self, with: impl FnOnce(&[Judge<'_>]) -> R) -> R {
        type Judging<'a> = Box<dyn Fn(&[&Features]) -> Result<Vec<Judgement>, NetError> + 'a>;
        let mut judges: Vec<Judging<'_>> = Vec::new();
        for placed in &self.placed {
            judges.push(Box::new(|batch| placed.net.judge(batch, self.heatmap)));
        }
        if let Some(direct) = &self.direct {
            judges.push(Box::new(|batch| direct.judge(batch)));
        }
        let judges: Vec<Judge<'_>> = judges.iter().map(|judge| &**judge as Judge<'_>).collect();
        with(&judges)
    }

    /// Their names in JSON.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let direct = self.direct.iter().map(|_| DIRECT);
        self.placed.iter().map(|p| p.name).chain(direct)
    }
}

/// The name of the baseline that has no network of its own kind.
const DIRECT: &str = "direct";

/// Figures of the network that is looked at and of those beside it, in the order
/// of [`Networks::names`]; in JSON an object by name.
#[derive(Clone, Debug)]
pub(super) struct Compared<S>(pub Vec<(&'static str, S)>);

impl<S> Compared<S> {
    /// From the scores of each judge; `None` if nothing was judged.
    pub fn of(networks: &Networks, scores: impl Fn(usize) -> Option<S>) -> Option<Self> {
        let named = networks.names().enumerate();
        let all: Vec<_> = named
            .filter_map(|(nth, name)| Some((name, scores(nth)?)))
            .collect();
        (!all.is_empty()).then_some(Self(all))
    }

    /// From what was made of each network's answers, in order.
    pub fn each<T>(networks: &Networks, made: &[T], score: impl Fn(&T) -> S) -> Self {
        let named = networks.names().zip(made);
        Self(named.map(|(name, made)| (name, score(made))).collect())
    }

    /// The figures of the network that is looked at.
    pub fn model(&self) -> &S {
        &self.0[0].1
    }

    /// With the names that people read.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, &S)> {
        self.0.iter().map(|(name, scores)| (shown(name), scores))
    }
}

impl<S: Serialize> Serialize for Compared<S> {
    fn serialize<T: Serializer>(&self, to: T) -> Result<T::Ok, T::Error> {
        to.collect_map(self.0.iter().map(|(name, scores)| (name, scores)))
    }
}

/// A network's name for people.
pub(super) fn shown(name: &'static str) -> &'static str {
    match name {
        "untrained" => "untrained network",
        "pretrained" => "supervised pretraining",
        DIRECT => "supervised, direct combination",
        other => other,
    }
}
