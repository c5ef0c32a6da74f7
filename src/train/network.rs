//! The network while it learns.
//!
//! Belongs here: the one long vector that all parameters lie in, the tensors over
//! it that the trunks and the fusion work with, a step's loss and gradient. Does
//! not: what a batch is made of (`loader`), when to save (`run`).
//!
//! All parameters are one vector in f32, and so are their gradients and Adam's
//! two moments: a step of the optimiser is a few passes over long vectors, a
//! checkpoint is three of them. The layers' tensors are views of it. In bf16 the
//! convolutions work on a copy in bf16 that is made anew after each step; sums,
//! batch norm's statistics and the fusion stay in f32, as under autocast.

use std::collections::BTreeMap;
use std::ops::Range;

use tch::{Device, Kind, Reduction, TchError, Tensor};

use super::batch::{Batch, PairOf};
use super::heads::{self, Head, Task};
use crate::features::{BINS, FRAMES};
use crate::net::random::initial_values;
use crate::net::{Conv1Stride, Fusion, Modality, Slot, Trunk, Weights, layout};

/// What is left as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
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

/// One parameter in the vector.
struct Place {
    slot: Slot,
    range: Range<usize>,
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
    places: Vec<Place>,
    /// All parameters in f32, `[P]`; convolutions as out × 3 × 3 × in.
    parameters: Tensor,
    /// The same in bf16, if that is what is computed with.
    halved: Option<Tensor>,
    /// Views of `parameters` or `halved` that gradients are taken of, in the
    /// order of `places`.
    leaves: Vec<Tensor>,
    /// Running means and variances by name.
    statistics: BTreeMap<String, Tensor>,
    stride: Conv1Stride,
    device: Device,
}

/// What a step found, as numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    /// Cross-entropy, both labels with half the weight.
    pub loss: f64,
    /// Mean of the shares judged rightly of each label.
    pub accuracy: f64,
    /// Share of pictures and of sounds whose strongest class is there.
    pub classes: [f64; 2],
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
    /// The start of heads that are not there yet.
    pub seed: u64,
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
        let places = places(has_heads.then_some(lesson.classes));
        let mut values = Vec::with_capacity(places.last().map_or(0, |p| p.range.end));
        for place in &places {
            let slot = &place.slot;
            if is_bias_of_conv(slot) {
                values.resize(values.len() + slot.len(), 0.0);
            } else if slot.name.starts_with("heads.") {
                match heads.get(&slot.name) {
                    Some(learnt) => values.extend(learnt),
                    None => values.extend(initial_values(lesson.seed, slot)),
                }
            } else {
                values.extend(to_channels_last(slot, weights.tensor(&slot.name)));
            }
        }
        let parameters = Tensor::f_from_slice(&values)?.f_to(device)?;
        let halved = match kind {
            Kind::Float => None,
            kind => Some(parameters.f_to_kind(kind)?),
        };
        let mut leaves = Vec::with_capacity(places.len());
        let mut by_name = BTreeMap::new();
        for place in &places {
            let base = match &halved {
                Some(halved) if computes_halved(&place.slot) => halved,
                _ => &parameters,
            };
            let leaf = view(base, place)?.f_detach()?.f_requires_grad_(true)?;
            by_name.insert(place.slot.name.clone(), leaf.shallow_clone());
            leaves.push(leaf);
        }
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
            places,
            parameters,
            halved,
            leaves,
            statistics,
            stride,
            device,
        })
    }

    /// The vector of all parameters, `[P]` in f32, for the optimiser to change.
    /// [`changed`](Self::changed) must follow.
    pub fn parameters(&mut self) -> &mut Tensor {
        &mut self.parameters
    }

    /// Brings the copy that is computed with up to date.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn changed(&mut self) -> Result<(), TchError> {
        if let Some(halved) = &mut self.halved {
            let _guard = tch::no_grad_guard();
            halved.f_copy_(&self.parameters)?;
        }
        Ok(())
    }

    /// The parts of the vector that learn.
    pub fn learning(&self) -> Vec<Range<usize>> {
        let mut parts: Vec<Range<usize>> = Vec::new();
        for place in self.places.iter().filter(|p| self.learns(&p.slot)) {
            match parts.last_mut() {
                Some(last) if last.end == place.range.start => last.end = place.range.end,
                _ => parts.push(place.range.clone()),
            }
        }
        parts
    }

    fn learns(&self, slot: &Slot) -> bool {
        let of = |modality: Modality| slot.name.starts_with(modality.name());
        let frozen = [Modality::Vision, Modality::Audio]
            .into_iter()
            .any(|m| of(m) && self.freeze.holds(m));
        let idle = slot.name.starts_with("fusion.") && !self.task.has_avc();
        !frozen && !idle && !is_bias_of_conv(slot)
    }

    /// Loss and gradient of a batch: `[P]` in f32, zero where nothing learns.
    /// Updates batch norm's running statistics.
    ///
    /// # Errors
    /// What libtorch says, out of memory mostly.
    pub fn gradient(&self, batch: &Batch) -> Result<(Tensor, Score), TchError> {
        let (loss, score) = self.loss(batch, true)?;
        let learning: Vec<usize> = (0..self.places.len())
            .filter(|&i| self.learns(&self.places[i].slot))
            .collect();
        let leaves: Vec<&Tensor> = learning.iter().map(|&i| &self.leaves[i]).collect();
        let found = Tensor::f_run_backward(&[loss], &leaves, false, false)?;
        let _guard = tch::no_grad_guard();
        let gradient = self.parameters.f_zeros_like()?;
        for (&i, found) in learning.iter().zip(&found) {
            view(&gradient, &self.places[i])?.f_copy_(found)?;
        }
        Ok((gradient, score))
    }

    /// How well a batch is judged, with batch norm's kept statistics.
    ///
    /// # Errors
    /// What libtorch says, out of memory mostly.
    pub fn score(&self, batch: &Batch) -> Result<Score, TchError> {
        let _guard = tch::no_grad_guard();
        Ok(self.loss(batch, false)?.1)
    }

    fn loss(&self, batch: &Batch, train: bool) -> Result<(Tensor, Score), TchError> {
        let images = self.images(batch)?; //             [B, 3, 224, 224]
        let spectrograms = self.spectrograms(batch)?; // [B, 1, 257, 199]
        let vision = self.look(&self.vision, Modality::Vision, &images, train)?; //      [B, 512]
        let audio = self.look(&self.audio, Modality::Audio, &spectrograms, train)?; // [B, 512]
        let (mut loss, mut score) = self.correspondence(batch, &vision, &audio)?;
        if !self.task.has_avc() {
            (score.loss, score.accuracy) = (0.0, 0.0);
        }
        if let Some(heads) = &self.heads {
            let features = [(&vision, &batch.shown), (&audio, &batch.heard)];
            for (i, (feature, there)) in features.into_iter().enumerate() {
                let targets = heads::targets(there, self.classes, self.device)?;
                let (found, right) = heads[i].loss(feature, &targets)?;
                score.classes[i] = right;
                if self.task == Task::Classify {
                    // There is no other figure: the two modalities' mean.
                    score.loss += found.f_double_value(&[])? / 2.0;
                    score.accuracy += right / 2.0;
                }
                loss = match (self.task, i) {
                    (Task::Classify, 0) => found,
                    _ => loss.f_add(&found)?,
                };
            }
        }
        Ok((loss, score))
    }

    /// Whether pictures and sounds correspond, from their features.
    fn correspondence(
        &self,
        batch: &Batch,
        vision: &Tensor,
        audio: &Tensor,
    ) -> Result<(Tensor, Score), TchError> {
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
        let weights = half_for_each_label(&labels)?; // [N]
        let loss = each.f_dot(&weights)?;
        let right = logits
            .f_argmax(1, false)?
            .f_eq_tensor(&labels)?
            .f_to_kind(Kind::Float)?;
        let score = Score {
            loss: loss.f_double_value(&[])?,
            accuracy: right.f_dot(&weights)?.f_double_value(&[])?,
            ..Score::default()
        };
        Ok((loss, score))
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

    /// `[B, 3, h, w]` in f32, v/127.5 − 1; rows of pixels are channels-last by
    /// themselves.
    fn images(&self, batch: &Batch) -> Result<Tensor, TchError> {
        let side = i64::from(batch.side);
        let len = batch.images.len() as i64 / (side * side * 3);
        Tensor::f_from_slice(&batch.images)?
            .f_reshape([len, side, side, 3])?
            .f_to(self.device)?
            .f_to_kind(Kind::Float)?
            .f_mul_scalar_(1.0 / 127.5)?
            .f_sub_scalar_(1.0)?
            .f_permute([0, 3, 1, 2])
    }

    fn spectrograms(&self, batch: &Batch) -> Result<Tensor, TchError> {
        let (bins, frames) = (BINS as i64, FRAMES as i64);
        let len = batch.spectrograms.len() as i64 / (bins * frames);
        Tensor::f_from_slice(&batch.spectrograms)?
            .f_reshape([len, bins, frames, 1])?
            .f_to(self.device)?
            .f_permute([0, 3, 1, 2])
    }

    /// Every tensor of the network by name, as a checkpoint stores it.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn tensors(&self) -> Result<BTreeMap<String, Vec<f32>>, TchError> {
        let mut tensors = BTreeMap::new();
        let all = plain(&self.parameters)?;
        for place in &self.places {
            let values = from_channels_last(&place.slot, &all[place.range.clone()]);
            tensors.insert(place.slot.name.clone(), values);
        }
        for (name, tensor) in &self.statistics {
            tensors.insert(name.clone(), plain(tensor)?);
        }
        Ok(tensors)
    }

    /// Which variant of the network it is.
    pub fn conv1_stride(&self) -> Conv1Stride {
        self.stride
    }

    /// Where it is computed.
    pub fn device(&self) -> Device {
        self.device
    }
}

/// The values of a tensor.
///
/// # Errors
/// What libtorch says.
pub fn plain(tensor: &Tensor) -> Result<Vec<f32>, TchError> {
    let tensor = tensor.f_to(Device::Cpu)?.f_contiguous()?;
    let mut values = vec![0.0_f32; tensor.numel()];
    let len = values.len();
    tensor.f_copy_data(&mut values, len)?;
    Ok(values)
}

/// Every parameter in the order of the data, one behind the other; those of the
/// heads last, if there are any.
fn places(classes: Option<usize>) -> Vec<Place> {
    let mut start = 0;
    let heads = classes.map(heads::slots).unwrap_or_default();
    let parameters = layout().into_iter().filter(Slot::is_parameter).chain(heads);
    parameters
        .map(|slot| {
            let range = start..start + slot.len();
            start = range.end;
            Place { slot, range }
        })
        .collect()
}

/// As in inference: conv1_1 in f32, whose input bf16 cannot hold.
fn computes_halved(slot: &Slot) -> bool {
    slot.name.contains(".conv") && !slot.name.contains(".conv1_1.")
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

/// A parameter within a vector of the length of all of them; convolutions with
/// their channels side by side, which is what oneDNN and cuDNN compute with.
fn view(vector: &Tensor, place: &Place) -> Result<Tensor, TchError> {
    let part = vector.f_narrow(0, place.range.start as i64, place.range.len() as i64)?;
    let shape: Vec<i64> = place.slot.shape.iter().map(|&n| n as i64).collect();
    match shape.as_slice() {
        [out, channels, h, w] => part
            .f_view([*out, *h, *w, *channels])?
            .f_permute([0, 3, 1, 2]),
        _ => part.f_view(shape.as_slice()),
    }
}

/// out × in × 3 × 3 → out × 3 × 3 × in.
fn to_channels_last(slot: &Slot, values: &[f32]) -> Vec<f32> {
    match slot.shape.as_slice() {
        [_, channels, h, w] => swapped(values, *channels, h * w),
        _ => values.to_vec(),
    }
}

/// The way back.
fn from_channels_last(slot: &Slot, values: &[f32]) -> Vec<f32> {
    match slot.shape.as_slice() {
        [_, channels, h, w] => swapped(values, h * w, *channels),
        _ => values.to_vec(),
    }
}

/// Matrices of `rows × cols` one behind the other, each transposed.
fn swapped(values: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for matrix in values.chunks_exact(rows * cols) {
        for col in 0..cols {
            out.extend((0..rows).map(|row| matrix[row * cols + col]));
        }
    }
    out
}

/// Weights that add up to a half over the pairs of each label.
fn half_for_each_label(labels: &Tensor) -> Result<Tensor, TchError> {
    let yes = labels.f_to_kind(Kind::Float)?;
    let no = yes.f_rsub_scalar(1.0)?;
    let share = |of: &Tensor| {
        let count = of.f_sum(Kind::Float)?.f_clamp_min(1.0)?.f_mul_scalar(2.0)?;
        of.f_div(&count)
    };
    share(&yes)?.f_add(&share(&no)?)
}

#[cfg(test)]
mod tests {
    use super::super::sampler::{Mixture, Pairing, Sampler, SamplerSettings};
    use super::super::testing::Tones;
    use super::*;
    use crate::features::{Features, SPECTROGRAM_LEN, View};
    use crate::net::{HeatmapKind, L3Net, NetOptions, Precision};
    use crate::train::Strength;

    fn batch(rows: usize, pairing: Pairing) -> Batch {
        let settings = SamplerSettings {
            batch: rows,
            pairing,
            augment: Strength::Paper,
            side: 64,
            overfit: None,
            seed: 3,
        };
        let mixture = Mixture::new(vec![(1.0, Box::new(Tones::default()))]);
        let sampler = Sampler::new(std::sync::Arc::new(mixture), settings);
        sampler.batch(0, &mut sampler.augmenter()).expect("a batch")
    }

    fn network(weights: &Weights, freeze: Freeze, kind: Kind) -> Network {
        let lesson = Lesson {
            freeze,
            ..Lesson::default()
        };
        Network::new(weights, &BTreeMap::new(), lesson, Device::Cpu, kind).expect("a network")
    }

    #[test]
    fn what_is_trained_is_what_is_used() {
        let weights = Weights::random(4, Conv1Stride::Two);
        let batch = batch(4, Pairing::Paper);
        let score = network(&weights, Freeze::None, Kind::Float)
            .score(&batch)
            .expect("a score");
        let features: Vec<Features> = (0..4)
            .map(|i| Features {
                spectrogram: batch.spectrograms[i * SPECTROGRAM_LEN..][..SPECTROGRAM_LEN].to_vec(),
                image: batch.images[i * 64 * 64 * 3..][..64 * 64 * 3].to_vec(),
                image_width: 64,
                image_height: 64,
                view: View::whole(64, 64),
            })
            .collect();
        let options = NetOptions {
            precision: Precision::F32,
            ..NetOptions::default()
        };
        let net = L3Net::new(&weights, &options).expect("a network");
        let judged = net
            .judge(&features.iter().collect::<Vec<_>>(), HeatmapKind::Gradient)
            .expect("judged");
        let loss: f64 = judged
            .iter()
            .zip(&batch.pairs)
            .map(|(j, pair)| {
                let p = f64::from(j.correspondence);
                -(if pair.corresponds { p } else { 1.0 - p }).ln() / 4.0
            })
            .sum();
        assert!(
            (loss - score.loss).abs() < 1e-4 * loss,
            "{loss} {}",
            score.loss
        );
    }

    #[test]
    fn tensors_come_back_as_they_went_in() {
        let weights = Weights::initial(4, Conv1Stride::Two);
        let tensors = network(&weights, Freeze::None, Kind::BFloat16)
            .tensors()
            .expect("tensors");
        for slot in layout() {
            assert_eq!(
                tensors[&slot.name],
                weights.tensor(&slot.name),
                "{}",
                slot.name
            );
        }
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let weights = Weights::initial(4, Conv1Stride::Two);
        let batch = batch(4, Pairing::All);
        let mut network = network(&weights, Freeze::None, Kind::Float);
        let (gradient, before) = network.gradient(&batch).expect("a gradient");
        // A small step along the gradient lowers the loss by the step times its square.
        let square = gradient.dot(&gradient).double_value(&[]);
        let step = 1e-3 / square.sqrt();
        let moved = &*network.parameters() - &gradient * step;
        network.parameters().copy_(&moved);
        network.changed().expect("copied");
        let (_, after) = network.gradient(&batch).expect("a gradient");
        let slope = (before.loss - after.loss) / step;
        assert!((slope / square - 1.0).abs() < 0.05, "{slope} {square}");
    }

    #[test]
    fn what_is_frozen_has_no_gradient() {
        let weights = Weights::initial(4, Conv1Stride::Two);
        let batch = batch(4, Pairing::All);
        let all = network(&weights, Freeze::None, Kind::Float).learning();
        for (freeze, prefix) in [(Freeze::Vision, "vision"), (Freeze::Audio, "audio")] {
            let network = network(&weights, freeze, Kind::Float);
            let (gradient, _) = network.gradient(&batch).expect("a gradient");
            let values = plain(&gradient).expect("values");
            for place in places(None) {
                let still = values[place.range.clone()].iter().all(|v| *v == 0.0);
                let expected = place.slot.name.starts_with(prefix) || is_bias_of_conv(&place.slot);
                assert_eq!(still, expected, "{}", place.slot.name);
            }
            assert!(network.learning().len() < all.len());
        }
    }

    #[test]
    fn classes_are_learnt_beside_correspondence_or_alone() {
        let weights = Weights::initial(4, Conv1Stride::Two);
        let batch = batch(6, Pairing::All);
        for (task, fusion_learns) in [(Task::Both, true), (Task::Classify, false)] {
            let lesson = Lesson {
                task,
                classes: 3,
                ..Lesson::default()
            };
            let network =
                Network::new(&weights, &BTreeMap::new(), lesson, Device::Cpu, Kind::Float)
                    .expect("a network");
            let (gradient, score) = network.gradient(&batch).expect("a gradient");
            assert!(score.loss > 0.1 && score.classes.iter().all(|c| (0.0..=1.0).contains(c)));
            let values = plain(&gradient).expect("values");
            for place in places(Some(3)) {
                let moves = values[place.range.clone()].iter().any(|v| *v != 0.0);
                let name = &place.slot.name;
                if name.starts_with("fusion.") {
                    assert_eq!(moves, fusion_learns, "{name}");
                } else {
                    assert_eq!(moves, !is_bias_of_conv(&place.slot), "{name}");
                }
            }
            assert!(
                network
                    .tensors()
                    .expect("tensors")
                    .contains_key("heads.audio.fc2.bias")
            );
        }
    }

    #[test]
    fn both_labels_have_half_of_the_weight() {
        let weights = half_for_each_label(&Tensor::from_slice(&[1_i64, 0, 0, 0])).expect("weights");
        assert_eq!(
            plain(&weights).expect("values"),
            [0.5, 1.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0]
        );
    }
}
