//! The network while it learns.
//!
//! Belongs here: trunks, fusion and heads over one long vector of parameters, a
//! step's loss and gradient. Does not: how parameters lie in the vector
//! (`parameters`), what a batch is made of (`sampler`), when to save (`run`).
//!
//! All parameters are one vector in f32, and so are their gradients and Adam's
//! two moments: a step of the optimiser is a few passes over long vectors, a
//! checkpoint is three of them. The layers' tensors are views of it. In bf16 the
//! convolutions work on a copy in bf16 that is made anew after each step; sums,
//! batch norm's statistics and the fusion stay in f32, as under autocast.

use std::collections::BTreeMap;

use tch::{Device, Kind, Reduction, TchError, Tensor};

use super::batch::{Batch, PairOf};
use super::calibration::ScoredPair;
use super::heads::{self, Head, Task};
use super::parameters::Parameters;
use super::score::Score;
use crate::net::input::{self, plain};
use crate::net::random::initial_values;
use crate::net::{Conv1Stride, Fusion, Modality, Slot, Trunk, Weights, layout};

/// What is left as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freeze {
    /// Nothing: all of the network learns.
    #[default]
    None,
    /// The trunk of pictures.
    Vision,
    /// The trunk of sounds.
    Audio,
    /// Both trunks: the fusion alone learns.
    Trunks,
}

impl Freeze {
    fn holds(self, modality: Modality) -> bool {
        match self {
            Self::None => false,
            Self::Vision => modality == Modality::Vision,
            Self::Audio => modality == Modality::Audio,
            Self::Trunks => true,
        }
    }
}

/// The trunks, the fusion and all that they are made of, on one device.
pub struct Network {
    vision: Trunk,
    audio: Trunk,
    fusion: Fusion,
    /// Behind vision and audio, where classes are learnt.
    heads: Option<[Head; 2]>,
    classes: usize,
    task: Task,
    freeze: Freeze,
    dropout: f64,
    seed: u64,
    parameters: Parameters,
    /// Running means and variances by name.
    statistics: BTreeMap<String, Tensor>,
    stride: Conv1Stride,
    device: Device,
}

/// What a batch comes to.
struct Found {
    loss: Tensor,
    figures: Figures,
    /// `[N, 2]` for its N pairs: no and yes.
    logits: Option<Tensor>,
}

/// A [`Score`] that is on the device still, each of them `[]`: reading it waits for all
/// that the device was told to do.
struct Figures {
    loss: Tensor,
    accuracy: Tensor,
    classes: Option<[Tensor; 2]>,
}

impl Figures {
    fn read(self) -> Result<Score, TchError> {
        let _guard = tch::no_grad_guard();
        let mut all = vec![self.loss, self.accuracy];
        all.extend(self.classes.into_iter().flatten());
        let values = plain(&Tensor::f_stack(&all, 0)?)?;
        let value = |i: usize| values.get(i).copied().map_or(0.0, f64::from);
        Ok(Score {
            loss: value(0),
            accuracy: value(1),
            classes: [value(2), value(3)],
        })
    }
}

/// What is to be learnt, and with how many classes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lesson {
    /// Correspondence, classes, or both.
    pub task: Task,
    /// How many classes there are.
    pub classes: usize,
    /// What does not learn.
    pub freeze: Freeze,
    /// Part of the features that the fusion does without, others in each step.
    pub dropout: f64,
    /// The start of heads that are not there yet, and of what is dropped.
    pub seed: u64,
}

impl Lesson {
    fn teaches(self, slot: &Slot) -> bool {
        let of = |modality: Modality| slot.name.starts_with(modality.name());
        let frozen = [Modality::Vision, Modality::Audio]
            .into_iter()
            .any(|m| of(m) && self.freeze.holds(m));
        let idle = slot.name.starts_with("fusion.") && !self.task.has_avc();
        !frozen && !idle && !is_bias_of_conv(slot)
    }
}

impl Network {
    /// Places `weights` on the device, to be trained with `kind` (Float or
    /// BFloat16). `heads` are the tensors of heads that learnt before.
    ///
    /// # Errors
    /// What libtorch says, out of memory mostly.
    pub fn new(
        weights: &Weights,
        heads: &BTreeMap<String, Vec<f32>>,
        lesson: Lesson,
        device: Device,
        kind: Kind,
    ) -> Result<Self, TchError> {
        let has_heads = lesson.task.has_classes();
        let mut slots = layout();
        slots.retain(Slot::is_parameter);
        if has_heads {
            slots.extend(heads::slots(lesson.classes));
        }
        let values = |slot: &Slot| match heads.get(&slot.name) {
            _ if is_bias_of_conv(slot) => None,
            Some(learnt) => Some(learnt.clone()),
            None if slot.name.starts_with(heads::PREFIX) => Some(initial_values(lesson.seed, slot)),
            None => Some(weights.tensor(&slot.name).to_vec()),
        };
        let learns = |slot: &Slot| lesson.teaches(slot);
        let parameters = Parameters::new(slots, values, learns, device, kind)?;
        let mut by_name = parameters.by_name();
        let mut statistics = BTreeMap::new();
        for slot in layout().into_iter().filter(|s| !s.is_parameter()) {
            let tensor = Tensor::f_from_slice(&without_bias(weights, &slot.name))?.f_to(device)?;
            by_name.insert(slot.name.clone(), tensor.shallow_clone());
            statistics.insert(slot.name, tensor);
        }
        let stride = weights.conv1_stride();
        let tensor = |name: &str| by_name[name].shallow_clone();
        Ok(Self {
            vision: Trunk::over(Modality::Vision, stride, kind, tensor),
            audio: Trunk::over(Modality::Audio, stride, kind, tensor),
            fusion: Fusion::over(tensor)?,
            heads: has_heads
                .then(|| [Modality::Vision, Modality::Audio].map(|m| Head::over(m, tensor))),
            classes: lesson.classes,
            task: lesson.task,
            freeze: lesson.freeze,
            dropout: lesson.dropout,
            seed: lesson.seed,
            parameters,
            statistics,
            stride,
            device,
        })
    }

    /// All that learns, as one vector.
    pub fn parameters(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// Loss and gradient of a batch: `[P]` in f32, zero where nothing learns.
    /// Updates batch norm's running statistics.
    ///
    /// # Errors
    /// What libtorch says, out of memory mostly.
    pub fn gradient(&self, batch: &Batch) -> Result<(Tensor, Score), TchError> {
        let Found { loss, figures, .. } = self.find(batch, true)?;
        // First told to go on, then asked how it went.
        let gradient = self.parameters.gradient(&loss)?;
        Ok((gradient, figures.read()?))
    }

    /// How well a batch is judged, with batch norm's kept statistics, and each of
    /// its pairs; none where correspondence is not learnt.
    ///
    /// # Errors
    /// What libtorch says, out of memory mostly.
    pub fn judge(&self, batch: &Batch) -> Result<(Score, Vec<ScoredPair>), TchError> {
        let _guard = tch::no_grad_guard();
        let Found {
            figures, logits, ..
        } = self.find(batch, false)?;
        let score = figures.read()?;
        let Some(logits) = logits else {
            return Ok((score, Vec::new()));
        };
        let logits = plain(&logits)?;
        let pairs = batch.pairs.iter().zip(logits.chunks_exact(2));
        let judged = pairs.map(|(pair, logits)| ScoredPair {
            margin: f64::from(logits[1]) - f64::from(logits[0]),
            corresponds: pair.corresponds,
            weight: pair.weight.into(),
        });
        Ok((score, judged.collect()))
    }

    fn find(&self, batch: &Batch, train: bool) -> Result<Found, TchError> {
        let images = input::images(&batch.images, batch.side, batch.side, self.device)?;
        let spectrograms = input::spectrograms(&batch.spectrograms, self.device)?;
        let vision = self.look(&self.vision, Modality::Vision, &images, train)?; //      [B, 512]
        let audio = self.look(&self.audio, Modality::Audio, &spectrograms, train)?; // [B, 512]
        let named = match &self.heads {
            Some(heads) => Some(self.name(heads, batch, &vision, &audio)?),
            None => None,
        };
        if !self.task.has_avc() {
            return Ok(named.expect("a network that learns nothing else has heads"));
        }
        let [vision, audio] = match train && self.dropout > 0.0 {
            true => self.thinned(batch.step, [vision, audio])?,
            false => [vision, audio],
        };
        let found = self.correspondence(batch, &vision, &audio)?;
        let Some(named) = named else {
            return Ok(found);
        };
        Ok(Found {
            loss: found.loss.f_add(&named.loss)?,
            figures: Figures {
                classes: named.figures.classes,
                ..found.figures
            },
            ..found
        })
    }

    /// The classes of pictures and of sounds, from their features. The loss is of
    /// both together, the score their mean.
    fn name(
        &self,
        heads: &[Head; 2],
        batch: &Batch,
        vision: &Tensor,
        audio: &Tensor,
    ) -> Result<Found, TchError> {
        let of = |head: &Head, feature: &Tensor, there: &[Vec<u16>]| {
            let targets = heads::targets(there, self.classes, self.device)?;
            head.loss(feature, &targets)
        };
        let (seen, right_seen) = of(&heads[0], vision, &batch.shown)?;
        let (heard, right_heard) = of(&heads[1], audio, &batch.heard)?;
        let loss = seen.f_add(&heard)?;
        let figures = Figures {
            loss: loss.f_div_scalar(2.0)?,
            accuracy: right_seen.f_add(&right_heard)?.f_div_scalar(2.0)?,
            classes: Some([right_seen, right_heard]),
        };
        Ok(Found {
            loss,
            figures,
            logits: None,
        })
    }

    /// Features of which some are missing (Srivastava et al. 2014): the fusion
    /// cannot rely on a few of them. The same ones in the same step, or a resumed run
    /// would be another.
    fn thinned(&self, step: u64, features: [Tensor; 2]) -> Result<[Tensor; 2], TchError> {
        tch::manual_seed(((self.seed << 32) ^ step) as i64);
        let [vision, audio] = features;
        Ok([
            vision.f_dropout(self.dropout, true)?,
            audio.f_dropout(self.dropout, true)?,
        ])
    }

    /// Whether pictures and sounds correspond, from their features.
    fn correspondence(
        &self,
        batch: &Batch,
        vision: &Tensor,
        audio: &Tensor,
    ) -> Result<Found, TchError> {
        let index = |of: &dyn Fn(&PairOf) -> i64| {
            let rows: Vec<i64> = batch.pairs.iter().map(of).collect();
            Tensor::f_from_slice(&rows)?.f_to(self.device)
        };
        let seen = index(&|p| i64::from(p.seen))?;
        let heard = index(&|p| i64::from(p.heard))?;
        let labels = index(&|p| i64::from(p.corresponds))?; // [N]
        let logits = self.fusion.logits_of(vision, audio, &seen, &heard)?; // [N, 2]
        let none = None::<Tensor>;
        let each = logits.f_cross_entropy_loss(&labels, none, Reduction::None, -100, 0.0)?; // [N]
        let weights: Vec<f32> = batch.pairs.iter().map(|p| p.weight).collect();
        let weights = Tensor::f_from_slice(&weights)?.f_to(self.device)?; // [N]
        let loss = each.f_dot(&weights)?;
        let right = logits
            .f_argmax(1, false)?
            .f_eq_tensor(&labels)?
            .f_to_kind(Kind::Float)?;
        let figures = Figures {
            loss: loss.shallow_clone(),
            accuracy: right.f_dot(&weights)?,
            classes: None,
        };
        Ok(Found {
            loss,
            figures,
            logits: Some(logits),
        })
    }

    fn look(
        &self,
        trunk: &Trunk,
        modality: Modality,
        x: &Tensor,
        train: bool,
    ) -> Result<Tensor, TchError> {
        let frozen = self.freeze.holds(modality);
        let _guard = frozen.then(tch::no_grad_guard);
        trunk
            .forward(x, train && !frozen)?
            .pool4
            .f_to_kind(Kind::Float)
    }

    /// Every tensor of the network by name, as a checkpoint stores it.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn tensors(&self) -> Result<BTreeMap<String, Vec<f32>>, TchError> {
        let mut tensors = self.parameters.tensors()?;
        for (name, tensor) in &self.statistics {
            tensors.insert(name.clone(), plain(tensor)?);
        }
        Ok(tensors)
    }

    /// Which variant of the network it is.
    pub fn conv1_stride(&self) -> Conv1Stride {
        self.stride
    }
}

fn is_bias_of_conv(slot: &Slot) -> bool {
    slot.name.contains(".conv") && slot.name.ends_with(".bias")
}

/// Statistics of batch norm as they are if the convolution before has no bias:
/// its mean is less by that much, and the network the same.
fn without_bias(weights: &Weights, name: &str) -> Vec<f32> {
    let values = weights.tensor(name).to_vec();
    let Some(unit) = name.strip_suffix(".running_mean") else {
        return values;
    };
    let bias = weights.tensor(&format!("{}.bias", unit.replace(".bn", ".conv")));
    values.iter().zip(bias).map(|(mean, b)| mean - b).collect()
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
