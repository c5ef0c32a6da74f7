//! One run's network, optimiser and state.
//!
//! Belongs here: what happens in a step, a validation and a save. Does not: when they
//! happen (`run`).

use std::collections::BTreeMap;
use std::mem::take;
use std::ops::Range;
use std::time::Instant;

use tch::Tensor;

use super::adam::Adam;
use super::batch::Batch;
use super::calibration::{Calibration, cross_entropy_and_accuracy};
use super::checkpoint::{Checkpoint, RunFiles, copy, model};
use super::error::TrainError;
use super::error::cannot_write;
use super::network::{Network, Slope};
use super::objective::Objective;
use super::run_state::{RunState, Validation};
use super::score::{Mean, Score};
use super::settings::{Start, TrainSettings};
use super::standardisation::Standardisation;
use super::workers::Workers;
use crate::corpus::SplitBy;
use crate::net::input::to_vec;
use crate::net::threads::sleep_while_waiting;
use crate::net::{StoreAs, TrunkKind, Weights, precision_name};

/// The state of a run and the operations of the training loop.
pub(super) struct Trainer<'a> {
    settings: &'a TrainSettings,
    files: &'a RunFiles,
    network: Network,
    /// What the network's features are standardised by, if they are.
    standardisation: Option<Standardisation>,
    adam: Adam,
    /// The parts of the parameters that the optimiser updates.
    trainable: Vec<Range<usize>>,
    pub state: RunState,
    /// When the last checkpoint was written, and after which step.
    pub saved_at: Instant,
    pub saved_step: Option<u64>,
}

impl<'a> Trainer<'a> {
    /// Sets up the network and its optimiser. `fresh` is the [state](fresh_state) of a run
    /// that has not made a step; with a `standardisation` the batches have standardised
    /// features.
    ///
    /// # Errors
    /// If the device is not available, or libtorch fails.
    pub fn new(
        settings: &'a TrainSettings,
        start: Start,
        files: &'a RunFiles,
        fresh: RunState,
        classes: usize,
        standardisation: Option<Standardisation>,
    ) -> Result<Self, TrainError> {
        let device = settings.device.resolve()?;
        let kind = settings.precision.resolve(device);
        if !device.is_cuda() && settings.threads > 1 {
            // Loader threads share the cores with the network.
            sleep_while_waiting();
        }
        tch::set_num_threads(i32::try_from(settings.threads).unwrap_or(i32::MAX));
        let mut heads = BTreeMap::new();
        // The layers over features, and the optimiser's moments, of a run that continues as it was.
        let mut as_it_was = None;
        let (weights, state) = match start {
            Start::Scratch(stride) => (Weights::initial(settings.sampler.seed, stride), fresh),
            Start::Model(weights) => {
                let file = weights.source().display();
                let from = match weights.metadata().get("trained_on") {
                    Some(data) => format!("{file}, trained on {data}"),
                    None => file.to_string(),
                };
                let state = RunState {
                    started_from: Some(from),
                    imported: weights.imported(),
                    ..fresh
                };
                (weights, state)
            }
            Start::Resume(checkpoint) => {
                let mut checkpoint = *checkpoint;
                let state = resumed_state(take(&mut checkpoint.state), fresh);
                // A run of an earlier version had plain features, and its moments are of those.
                if checkpoint.standardisation == standardisation {
                    let moments = (take(&mut checkpoint.mean), take(&mut checkpoint.square));
                    as_it_was = Some((checkpoint.first_layers_and_heads(), moments));
                }
                let weights;
                (heads, weights) = checkpoint.into_parts();
                (weights, state)
            }
        };
        let (layers, moments) = match (as_it_was, &standardisation) {
            (Some((layers, moments)), _) => (layers, Some(moments)),
            (None, Some(by)) => (by.first_layers(&weights, heads), None),
            (None, None) => (heads, None),
        };
        let step = state.step;
        let torch = |cause| torch_error(step, cause);
        let objective = Objective {
            task: settings.task,
            classes,
            freeze: settings.freeze,
            freeze_norm: settings.freeze_norm,
            dropout: settings.dropout,
            local_loss: settings.local_loss,
            seed: settings.sampler.seed,
            rank: settings.sampler.share.rank as u64,
        };
        let mut network =
            Network::new(&weights, &layers, objective, device, kind).map_err(torch)?;
        let decay = settings.weight_decay;
        let trainable = network.parameters().trainable();
        let like = network.parameters().vector();
        let adam = match moments {
            None => Adam::new(like, decay),
            Some((mean, square)) => Adam::resumed(like, decay, &mean, &square, state.step),
        };
        Ok(Self {
            adam: adam.map_err(torch)?,
            settings,
            files,
            network,
            standardisation,
            trainable,
            state,
            saved_at: Instant::now(),
            saved_step: None,
        })
    }

    /// Begins with the network of rank 0. The seed gives the same to all, but not the last
    /// bit on every machine.
    pub fn share(&mut self, workers: &mut Workers) -> Result<(), TrainError> {
        workers.share(&mut self.network.state())?;
        self.network.parameters().sync().map_err(self.torch())
    }

    /// Gives all processes the mean of their running statistics, as they are saved.
    pub fn average_statistics(&mut self, workers: &mut Workers) -> Result<(), TrainError> {
        Ok(workers.average(&mut self.network.statistics())?)
    }

    /// Gradient and score of this process's part of the step's batch.
    pub fn gradient(&mut self, batch: &Batch) -> Result<(Tensor, Score), TrainError> {
        let Slope {
            gradient,
            is_finite,
            score,
        } = self.network.gradient(batch).map_err(self.torch())?;
        let what = match score.loss.is_finite() {
            false => Some("loss"),
            true if !is_finite => Some("gradient"),
            true => None,
        };
        match what {
            Some(what) => Err(self.not_a_number(what, batch)),
            None => Ok((gradient, score)),
        }
    }

    /// Makes a step with the gradient of so many examples and pairs; returns its learning
    /// rate.
    pub fn step(
        &mut self,
        gradient: &Tensor,
        examples: u64,
        pairs: u64,
    ) -> Result<f64, TrainError> {
        let torch = self.torch();
        let rate = self.rate(self.state.step);
        let parameters = self.network.parameters();
        self.adam
            .step(parameters.vector(), gradient, &self.trainable, rate)
            .and_then(|()| parameters.sync())
            .map_err(torch)?;
        self.state.step += 1;
        self.state.examples += examples;
        self.state.pairs += pairs;
        Ok(rate)
    }

    /// The learning rate: rises over the warm-up, stays, falls over the cool-down.
    fn rate(&self, step: u64) -> f64 {
        let settings = self.settings;
        let up = (step + 1) as f64 / settings.warm_up.max(1) as f64;
        let cool = (settings.steps as f64 * settings.cool_down).max(1.0);
        let down = (settings.steps.saturating_sub(step)) as f64 / cool;
        settings.rate * up.min(down).min(1.0)
    }

    fn not_a_number(&self, what: &'static str, batch: &Batch) -> TrainError {
        let shown: Vec<&str> = batch.origins.iter().take(3).map(String::as_str).collect();
        let more = batch.origins.len().saturating_sub(shown.len());
        TrainError::NotANumber {
            step: self.state.step,
            what,
            batch: format!("{} and {more} more", shown.join("; ")),
            kept: if self.files.last.exists() {
                format!("{} is from before that", self.files.last.display())
            } else {
                "nothing was saved yet".to_owned()
            },
        }
    }

    /// Validates; also returns whether it is the best validation so far.
    pub fn validate(
        &mut self,
        batches: &[Batch],
        train: Score,
    ) -> Result<(Validation, bool), TrainError> {
        let (mut mean, mut pairs) = (Mean::default(), Vec::new());
        for batch in batches {
            let (score, scored) = self.network.evaluate(batch).map_err(self.torch())?;
            mean.add(score);
            pairs.extend(scored);
        }
        let found = mean.take();
        // Memorised pairs give no calibration for others.
        let memorised = self.settings.sampler.overfit.is_some();
        let calibration = Calibration::fit(&pairs).filter(|_| !memorised);
        let (loss, accuracy) = match pairs.is_empty() {
            // Only classes are learnt.
            true => (found.loss, found.accuracy),
            false => cross_entropy_and_accuracy(&pairs, calibration),
        };
        let validation = Validation {
            step: self.state.step,
            loss,
            accuracy,
            train_loss: train.loss,
            train_accuracy: train.accuracy,
            classes: found.classes,
            calibration,
        };
        if !validation.loss.is_finite() {
            return Err(self.not_a_number("validation loss", &batches[0]));
        }
        self.state.validations.push(validation);
        let is_best = (self.state.best).is_none_or(|best| validation.loss < best.loss);
        if is_best {
            self.state.best = Some(validation);
            self.state.validated = true;
        }
        Ok((validation, is_best))
    }

    /// Writes a checkpoint.
    pub fn save(&mut self) -> Result<(), TrainError> {
        self.state.seconds += self.saved_at.elapsed().as_secs_f64();
        self.saved_at = Instant::now();
        let (mean, square) = self.adam.moments();
        let read = || {
            Ok(Checkpoint {
                tensors: self.network.tensors()?,
                standardisation: self.standardisation.clone(),
                mean: to_vec(mean)?,
                square: to_vec(square)?,
                variant: self.network.variant(),
                state: self.state.clone(),
            })
        };
        let checkpoint: Checkpoint = read().map_err(self.torch())?;
        checkpoint.write(&self.files.last)?;
        self.saved_step = Some(self.state.step);
        Ok(())
    }

    /// Makes the last checkpoint the best one, and writes it as a calibrated model.
    pub fn publish(&self) -> Result<(), TrainError> {
        let best = &self.files.best;
        copy(&self.files.last, best).map_err(cannot_write(best))?;
        let tensors = self.network.tensors().map_err(self.torch())?;
        let variant = self.network.variant();
        // What was imported stays as it was.
        let store_as = match variant.trunks {
            TrunkKind::L3 => StoreAs::F16,
            TrunkKind::OpenL3 => StoreAs::F32,
        };
        let weights = model(variant, tensors, self.standardisation.as_ref(), &self.state);
        Ok(weights.write(&self.files.model, store_as)?)
    }

    fn torch(&self) -> impl Fn(tch::TchError) -> TrainError + use<> {
        let step = self.state.step;
        move |cause| torch_error(step, cause)
    }
}

/// The state of a run on this data that has not made a step.
///
/// # Errors
/// If the device is not available, or `start` is a checkpoint of a run with other
/// settings.
pub(super) fn fresh_state(
    settings: &TrainSettings,
    start: &Start,
    files: &RunFiles,
    data: Vec<String>,
    classes: Vec<String>,
) -> Result<RunState, TrainError> {
    let kind = settings.precision.resolve(settings.device.resolve()?);
    let sampler = &settings.sampler;
    let fresh = RunState {
        seed: sampler.seed,
        batch: sampler.batch as u64,
        pairing: format!("{:?}", sampler.pairing).to_lowercase(),
        precision: precision_name(kind).to_owned(),
        data,
        validation_pairs: settings.validation_pairs as u64,
        task: format!("{:?}", settings.task).to_lowercase(),
        augment: format!("{:?}", sampler.augment).to_lowercase(),
        freeze: format!("{:?}", settings.freeze).to_lowercase(),
        freeze_norm: settings.freeze_norm.to_string(),
        pool: match settings.has_pool() {
            true => settings.pool.to_string(),
            false => "0".to_owned(),
        },
        dropout: settings.dropout.to_string(),
        local_loss: settings.local_loss.to_string(),
        split_seed: settings.split_seed.to_string(),
        held_out: settings.held_out.clone(),
        split: settings.split_by.map_or("", SplitBy::name).to_owned(),
        overfit: sampler.overfit.map_or(0, |n| n as u64).to_string(),
        classes: settings.task.has_classes().then_some(classes),
        ..RunState::default()
    };
    if let Start::Resume(checkpoint) = start {
        checkpoint.state.check_resumable(&fresh, &files.last)?;
    }
    Ok(fresh)
}

/// The state of a checkpoint with the settings of the run that resumes it.
fn resumed_state(mut state: RunState, fresh: RunState) -> RunState {
    state.validated |= state.best.is_some();
    state.pool.clone_from(&fresh.pool);
    // Legacy checkpoints do not say how many pairs they were validated on.
    let same_size = [0, fresh.validation_pairs].contains(&state.validation_pairs);
    if state.data != fresh.data || !same_size {
        // The best loss on other pairs cannot be compared with one on these. Its model
        // stays until one is validated.
        state.best = None;
    }
    let before = std::mem::replace(&mut state.data, fresh.data);
    let removed = before.into_iter().filter(|data| !state.data.contains(data));
    state.data_before.extend(removed);
    state.validation_pairs = fresh.validation_pairs;
    state
}

fn torch_error(step: u64, cause: tch::TchError) -> TrainError {
    TrainError::Torch {
        step,
        cause: cause.into(),
    }
}
