//! The network in training.
//!
//! Belongs here: trunks, fusion and heads over one vector of parameters, the loss and
//! gradient of a step. Does not: the layout of the vector (`parameters`), the
//! contents of a batch (`sampler`), when to save (`run`).
//!
//! All parameters are one vector in f32, and so are their gradients and Adam's two
//! moments: a step of the optimiser is a few passes over long vectors, a checkpoint is
//! three of them. The layers' tensors are views of it. In bf16 the convolutions use a
//! copy in bf16 that is updated after each step; sums, batch norm's statistics and the
//! fusion stay in f32, as under autocast.

use std::collections::BTreeMap;

use tch::{Device, Kind, Reduction, TchError, Tensor};

use super::batch::{Batch, BatchPair};
use super::calibration::ScoredPair;
use super::heads::{self, Head};
use super::objective::{Objective, is_bias_of_conv};
use super::parameters::Parameters;
use super::score::{DeviceScore, Score};
use crate::net::input::{self, to_vec};
use crate::net::random::initial_values;
use crate::net::{
    FEATURE, Fusion, Modality, TensorSpec, Trunk, TrunkKind, TrunkOutput, Variant, Weights,
};

/// Trunks, fusion and heads with their parameters, on one device.
pub struct Network {
    vision: Trunk,
    audio: Trunk,
    fusion: Fusion,
    /// Of vision and audio, where classes are learnt.
    heads: Option<[Head; 2]>,
    objective: Objective,
    parameters: Parameters,
    /// Running means and variances by name.
    statistics: BTreeMap<String, Tensor>,
    variant: Variant,
    device: Device,
}

/// The output of a forward pass over a batch.
struct ForwardPass {
    loss: Tensor,
    score: DeviceScore,
    /// `[N, 2]` for its N pairs.
    logits: Option<Tensor>,
}

/// What a batch says of the parameters.
pub struct Slope {
    /// The [gradient](Parameters::gradient).
    pub gradient: Tensor,
    /// Whether every value of it is finite.
    pub is_finite: bool,
    /// How the batch was judged.
    pub score: Score,
}

impl Network {
    /// Places `weights` on the device, for training in `kind` (Float or BFloat16). `layers`
    /// are tensors in the place of those of `weights`, and of heads that were trained
    /// before. OpenL3's trunks can only be frozen.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn new(
        weights: &Weights,
        layers: &BTreeMap<String, Vec<f32>>,
        objective: Objective,
        device: Device,
        kind: Kind,
    ) -> Result<Self, TchError> {
        let has_heads = objective.task.has_classes();
        let variant = *weights.variant();
        let mut slots = variant.layout();
        slots.retain(TensorSpec::is_parameter);
        if has_heads {
            slots.extend(heads::slots(objective.classes));
        }
        let values = |slot: &TensorSpec| match layers.get(&slot.name) {
            _ if is_bias_of_conv(slot) && has_no_biases(&variant) => None,
            Some(trained) => Some(trained.clone()),
            None if slot.name.starts_with(heads::PREFIX) => {
                Some(initial_values(objective.seed, slot))
            }
            None => Some(weights.tensor(&slot.name).to_vec()),
        };
        let trainable = |slot: &TensorSpec| objective.trains(slot);
        let parameters = Parameters::new(slots, values, trainable, device, kind)?;
        let mut by_name = parameters.by_name();
        let mut statistics = BTreeMap::new();
        let all = variant.layout().into_iter();
        for slot in all.filter(|s| !s.is_parameter()) {
            let values = match has_no_biases(&variant) {
                true => without_bias(weights, &slot.name),
                false => weights.tensor(&slot.name).to_vec(),
            };
            let tensor = Tensor::f_from_slice(&values)?.f_to(device)?;
            by_name.insert(slot.name.clone(), tensor.shallow_clone());
            statistics.insert(slot.name, tensor);
        }
        let tensor = |name: &str| by_name[name].shallow_clone();
        let trunk = |modality| match objective.freeze.freezes(modality) {
            true => Trunk::folded(weights, modality, device, kind),
            false => Ok(Trunk::over(modality, variant.conv1_stride, kind, tensor)),
        };
        Ok(Self {
            vision: trunk(Modality::Vision)?,
            audio: trunk(Modality::Audio)?,
            fusion: Fusion::over(tensor)?,
            heads: has_heads
                .then(|| [Modality::Vision, Modality::Audio].map(|m| Head::over(m, tensor))),
            objective,
            parameters,
            statistics,
            variant,
            device,
        })
    }

    /// All parameters, as one vector.
    pub fn parameters(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// Gradient and score of a batch. Updates batch norm's running statistics.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn gradient(&self, batch: &Batch) -> Result<Slope, TchError> {
        let ForwardPass { loss, score, .. } = self.forward(batch, true)?;
        let gradient = self.parameters.gradient(&loss)?;
        // NaN is both the least and the largest of all values. A mask, or a sum in double
        // precision, would be a copy of the gradient.
        let (least, largest) = gradient.f_aminmax(None, false)?;
        // Reading waits for the device: once in a step, when all its work is queued.
        let (score, bounds) = score.read_with([least, largest])?;
        Ok(Slope {
            gradient,
            is_finite: bounds.iter().all(|value| value.is_finite()),
            score,
        })
    }

    /// The score of a batch with batch norm's running statistics, and its scored pairs;
    /// no pairs where correspondence is not learnt.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn evaluate(&self, batch: &Batch) -> Result<(Score, Vec<ScoredPair>), TchError> {
        let _guard = tch::no_grad_guard();
        let ForwardPass { score, logits, .. } = self.forward(batch, false)?;
        let score = score.read()?;
        let Some(logits) = logits else {
            return Ok((score, Vec::new()));
        };
        let logits = to_vec(&logits)?;
        let pairs = batch.pairs.iter().zip(logits.chunks_exact(2));
        let scored = pairs.map(|(pair, logits)| ScoredPair {
            margin: f64::from(logits[1]) - f64::from(logits[0]),
            corresponds: pair.corresponds,
            weight: pair.weight.into(),
        });
        Ok((score, scored.collect()))
    }

    fn forward(&self, batch: &Batch, train: bool) -> Result<ForwardPass, TchError> {
        let (map, [vision, audio]) = match &batch.pooled {
            Some(rows) => (
                None,
                [self.placed(&rows.vision)?, self.placed(&rows.audio)?],
            ),
            None => {
                let (map, features) = self.trunks(batch, train)?;
                (Some(map), features)
            }
        };
        let classified = match &self.heads {
            Some(heads) => Some(self.classify(heads, batch, &vision, &audio)?),
            None => None,
        };
        if !self.objective.task.has_avc() {
            return Ok(classified.expect("every task but avc has heads"));
        }
        let [vision, audio] = match train && self.objective.dropout > 0.0 {
            true => self.with_dropout(batch.step, [vision, audio])?,
            false => [vision, audio],
        };
        let map = map.filter(|_| train && self.objective.local_loss > 0.0);
        let pass = self.correspondence(batch, &vision, &audio, map.as_ref())?;
        let Some(classified) = classified else {
            return Ok(pass);
        };
        Ok(ForwardPass {
            loss: pass.loss.f_add(&classified.loss)?,
            score: DeviceScore {
                classes: classified.score.classes,
                ..pass.score
            },
            ..pass
        })
    }

    /// The classes of pictures and of sounds, from their features. The loss is the sum of
    /// both, the score their mean.
    fn classify(
        &self,
        heads: &[Head; 2],
        batch: &Batch,
        vision: &Tensor,
        audio: &Tensor,
    ) -> Result<ForwardPass, TchError> {
        let of = |head: &Head, feature: &Tensor, classes: &[Vec<u16>]| {
            let targets = heads::targets(classes, self.objective.classes, self.device)?;
            head.loss(feature, &targets)
        };
        let (loss_vision, of_vision) = of(&heads[0], vision, &batch.image_classes)?;
        let (loss_audio, of_audio) = of(&heads[1], audio, &batch.sound_classes)?;
        let loss = loss_vision.f_add(&loss_audio)?;
        let score = DeviceScore {
            loss: loss.f_div_scalar(2.0)?,
            accuracy: of_vision.f_add(&of_audio)?.f_div_scalar(2.0)?,
            classes: Some([of_vision, of_audio]),
        };
        Ok(ForwardPass {
            loss,
            score,
            logits: None,
        })
    }

    /// Features with dropout (Srivastava et al. 2014): the fusion cannot rely on a few of
    /// them. Seeded by the step, so that a resumed run is the uninterrupted one.
    fn with_dropout(&self, step: u64, features: [Tensor; 2]) -> Result<[Tensor; 2], TchError> {
        let Objective { seed, rank, .. } = self.objective;
        tch::manual_seed(((seed << 32) ^ (rank << 48) ^ step) as i64);
        let [vision, audio] = features;
        Ok([
            vision.f_dropout(self.objective.dropout, true)?,
            audio.f_dropout(self.objective.dropout, true)?,
        ])
    }

    /// Whether pictures and sounds correspond, from their features. With the pictures' conv4_2
    /// `[B, 512, h, w]`, the best place in each is to say so too; the score is without that.
    fn correspondence(
        &self,
        batch: &Batch,
        vision: &Tensor,
        audio: &Tensor,
        map: Option<&Tensor>,
    ) -> Result<ForwardPass, TchError> {
        // One copy to the device: each waits for it.
        let number: [fn(&BatchPair) -> i64; 3] = [
            |p| i64::from(p.image),
            |p| i64::from(p.sound),
            |p| i64::from(p.corresponds),
        ];
        let numbers = number.iter().flat_map(|of| batch.pairs.iter().map(of));
        let numbers: Vec<i64> = numbers.collect();
        let numbers = Tensor::f_from_slice(&numbers)?
            .f_view([3, batch.pairs.len() as i64])?
            .f_to(self.device)?;
        let row = |i: i64| numbers.f_select(0, i);
        let (images, sounds, labels) = (row(0)?, row(1)?, row(2)?); // [N] each
        let logits = self.fusion.logits_of(vision, audio, &images, &sounds)?; // [N, 2]
        let weights: Vec<f32> = batch.pairs.iter().map(|p| p.weight).collect();
        let weights = Tensor::f_from_slice(&weights)?.f_to(self.device)?; // [N]
        let loss_of = |logits: &Tensor| {
            let none = None::<Tensor>;
            let each = logits.f_cross_entropy_loss(&labels, none, Reduction::None, -100, 0.0)?; // [N]
            each.f_dot(&weights)
        };
        let loss = loss_of(&logits)?;
        let correct = logits
            .f_argmax(1, false)?
            .f_eq_tensor(&labels)?
            .f_to_kind(Kind::Float)?;
        let score = DeviceScore {
            loss: loss.shallow_clone(),
            accuracy: correct.f_dot(&weights)?,
            classes: None,
        };
        Ok(ForwardPass {
            loss: match map {
                Some(map) => {
                    let places = self.fusion.best_places(map, audio, &images, &sounds)?; // [N, 2]
                    let weight = self.objective.local_loss;
                    loss.f_add(&loss_of(&places)?.f_mul_scalar(weight)?)?
                }
                None => loss,
            },
            score,
            logits: Some(logits),
        })
    }

    /// conv4_2 of images `[B, 512, h, w]`; pool4 of images and sounds in f32, `[B, 512]` each.
    fn trunks(&self, batch: &Batch, train: bool) -> Result<(Tensor, [Tensor; 2]), TchError> {
        let images = input::images(&batch.images, batch.side, batch.side, self.device)?;
        let spectrograms =
            input::spectrograms(&batch.spectrograms, self.variant.spec, self.device)?;
        let vision = self.outputs(&self.vision, Modality::Vision, &images, train)?;
        let audio = self.outputs(&self.audio, Modality::Audio, &spectrograms, train)?;
        let features = |of: &TrunkOutput| of.pool4.f_to_kind(Kind::Float);
        Ok((
            vision.conv4_2.shallow_clone(),
            [features(&vision)?, features(&audio)?],
        ))
    }

    /// Rows of features, `[B, 512]`.
    fn placed(&self, rows: &[f32]) -> Result<Tensor, TchError> {
        Tensor::f_from_slice(rows)?
            .f_view([-1, FEATURE as i64])?
            .f_to(self.device)
    }

    /// What a trunk makes of a batch, without a gradient if it is frozen.
    fn outputs(
        &self,
        trunk: &Trunk,
        modality: Modality,
        x: &Tensor,
        train: bool,
    ) -> Result<TrunkOutput, TchError> {
        let frozen = self.objective.freeze.freezes(modality);
        let _guard = frozen.then(tch::no_grad_guard);
        // A trunk for training is libtorch's, whose errors are texts.
        let of_batch = train && !frozen && !self.objective.freeze_norm;
        (trunk.forward(x, of_batch)).map_err(|error| TchError::Torch(error.to_string()))
    }

    /// Every tensor of the network by name, as a checkpoint stores it.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn tensors(&self) -> Result<BTreeMap<String, Vec<f32>>, TchError> {
        let mut tensors = self.parameters.tensors()?;
        for (name, tensor) in &self.statistics {
            tensors.insert(name.clone(), to_vec(tensor)?);
        }
        Ok(tensors)
    }

    /// Everything that several processes have to begin with alike: the parameters, and the
    /// [statistics](Self::statistics).
    pub fn state(&mut self) -> Vec<Tensor> {
        let mut state = self.statistics();
        state.push(self.parameters.vector().shallow_clone());
        state
    }

    /// Batch norm's running means and variances, in order.
    pub fn statistics(&self) -> Vec<Tensor> {
        self.statistics
            .values()
            .map(Tensor::shallow_clone)
            .collect()
    }

    /// The variant of the network.
    pub fn variant(&self) -> Variant {
        self.variant
    }
}

/// Whether convolutions go without their biases: not where no batch norm follows.
fn has_no_biases(variant: &Variant) -> bool {
    variant.trunks == TrunkKind::L3
}

/// Statistics of batch norm after a convolution without its bias: the mean is lower by
/// the bias, and the network the same.
fn without_bias(weights: &Weights, name: &str) -> Vec<f32> {
    let values = weights.tensor(name).to_vec();
    let Some(norm) = name.strip_suffix(".running_mean") else {
        return values;
    };
    let bias = weights.tensor(&format!("{}.bias", norm.replace(".bn", ".conv")));
    values.iter().zip(bias).map(|(mean, b)| mean - b).collect()
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
