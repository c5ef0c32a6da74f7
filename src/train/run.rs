//! The run: step after step, looking up now and then, saving what was learnt.
//!
//! Belongs here: the order of things. Does not: the command line, what is shown
//! on a terminal.

use std::collections::BTreeMap;
use std::mem::take;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::adam::{Adam, is_finite};
use super::batch::Batch;
use super::calibration::{Calibration, cross_entropy_and_accuracy};
use super::checkpoint::{Checkpoint, Files, copy};
use super::error::TrainError;
use super::events::EventFile;
use super::loader::Loader;
use super::memory::keep_freed_memory;
use super::network::{Lesson, Network};
use super::run_state::{RunState, Validation};
use super::sampler::{Mixture, Sampler};
use super::score::{Mean, RunningMean, Score};
use super::settings::{Outcome, Progress, Start, TrainSettings};
use crate::cancel::CancelToken;
use crate::corpus::{CorpusError, Split, SplitBy};
use crate::net::input::plain;
use crate::net::threads::sleep_while_waiting;
use crate::net::{StoreAs, Weights, precision_name};

/// Rows of a batch of the validation.
const VALIDATION_ROWS: usize = 32;

/// Trains and leaves the model with the best validation at `files.model`. Whoever calls
/// it holds their [lock](Files::lock).
///
/// # Errors
/// What ended it: data, device, disk, or a loss that is no number. What was saved
/// before stays.
pub fn train(
    mixture: Mixture,
    settings: &TrainSettings,
    start: Start,
    files: &Files,
    stop: &CancelToken,
    mut report: impl FnMut(&Progress),
) -> Result<Outcome, TrainError> {
    let splits: &[Split] = match settings.sampler.overfit {
        Some(_) => &[Split::Train],
        None => &[Split::Train, Split::Validation],
    };
    mixture.check(splits)?;
    let data = mixture.describe();
    let classes = mixture.classes().to_vec();
    if settings.task.has_classes() && classes.is_empty() {
        let text = "the data names no classes to learn; --task avc needs none";
        return Err(CorpusError::TooFew(text.to_owned()).into());
    }
    let sampler = Arc::new(Sampler::new(Arc::new(mixture), settings.sampler.clone()));
    let mut run = Run::start(settings, start, files, data, classes)?;
    if run
        .state
        .best
        .is_some_and(|best| best.step == run.state.step)
    {
        // The run before may have been killed between the state and its model.
        run.publish()?;
    }
    let mut events = EventFile::create(&files.events).map_err(cannot_write(&files.events))?;
    let mut loader =
        Loader::start(&sampler, run.state.step, settings.loaders).map_err(TrainError::Threads)?;
    let mut validation_batches = Vec::new();
    let (started, first) = (Instant::now(), run.state.step);
    let (mut mean, mut since) = (RunningMean::default(), Mean::default());
    let mut stopped = false;
    while run.state.step < settings.steps {
        if stop.is_cancelled() || settings.limit.is_some_and(|l| started.elapsed() >= l) {
            stopped = true;
            break;
        }
        let batch = loader.next_batch()?;
        let (score, rate) = run.step(&batch)?;
        mean.add(score);
        since.add(score);
        let step = run.state.step;
        let last = step == settings.steps;
        let mut validation = None;
        if last || step % settings.validate_every == 0 {
            if validation_batches.is_empty() {
                validation_batches = validation_set(&sampler, settings.validation_pairs)?;
            }
            let (found, is_best) = run.validate(&validation_batches, since.take())?;
            validation = Some(found);
            run.save()?;
            if is_best {
                run.publish()?;
            }
        } else if run.saved_at.elapsed() >= settings.save_every {
            run.save()?;
        }
        let elapsed = started.elapsed();
        let progress = Progress {
            step,
            steps: settings.steps,
            batch: batch.origins.len(),
            score: mean.score(),
            examples_per_s: (step - first) as f64 * batch.origins.len() as f64
                / elapsed.as_secs_f64(),
            waiting: loader.waited().as_secs_f64() / elapsed.as_secs_f64(),
            rate,
            validation,
        };
        if validation.is_some() || step % 10 == 0 {
            curves(&mut events, &progress).map_err(cannot_write(&files.events))?;
        }
        report(&progress);
    }
    if run.saved_step != Some(run.state.step) {
        run.save()?;
    }
    if !run.state.validated && run.state.step > 0 {
        // Too short a run for a validation still leaves a model.
        run.publish()?;
    }
    Ok(Outcome {
        state: run.state,
        stopped,
        left_out: sampler.left_out(),
        waiting: loader.waited().as_secs_f64() / started.elapsed().as_secs_f64(),
    })
}

struct Run<'a> {
    settings: &'a TrainSettings,
    files: &'a Files,
    network: Network,
    adam: Adam,
    /// The parts of the parameters that learn.
    learning: Vec<Range<usize>>,
    state: RunState,
    /// When the state was last written, and after which step.
    saved_at: Instant,
    saved_step: Option<u64>,
}

impl<'a> Run<'a> {
    fn start(
        settings: &'a TrainSettings,
        start: Start,
        files: &'a Files,
        data: Vec<String>,
        classes: Vec<String>,
    ) -> Result<Self, TrainError> {
        let device = settings.device.resolve()?;
        let kind = settings.precision.resolve(device);
        keep_freed_memory();
        if !device.is_cuda() && settings.threads > 1 {
            // The threads that make batches share the cores with the network.
            sleep_while_waiting();
        }
        tch::set_num_threads(i32::try_from(settings.threads).unwrap_or(i32::MAX));
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
            dropout: settings.dropout.to_string(),
            split_seed: settings.split_seed.to_string(),
            held_out: settings.held_out.clone(),
            split: settings.split_by.map_or("", SplitBy::name).to_owned(),
            overfit: sampler.overfit.map_or(0, |n| n as u64).to_string(),
            classes: settings.task.has_classes().then(|| classes.clone()),
            ..RunState::default()
        };
        let mut heads = BTreeMap::new();
        let (weights, state, moments) = match start {
            Start::Scratch(stride) => (Weights::initial(sampler.seed, stride), fresh, None),
            Start::From(weights) => {
                let file = weights.source().display();
                let from = match weights.metadata().get("trained_on") {
                    Some(data) => format!("{file}, trained on {data}"),
                    None => file.to_string(),
                };
                let state = RunState {
                    started_from: Some(from),
                    ..fresh
                };
                (weights, state, None)
            }
            Start::Resume(checkpoint) => {
                checkpoint.state.check_same(&fresh, &files.last)?;
                let mut checkpoint = *checkpoint;
                let moments = (take(&mut checkpoint.mean), take(&mut checkpoint.square));
                let mut state = take(&mut checkpoint.state);
                state.validated |= state.best.is_some();
                // Checkpoints of old do not say how many pairs they were validated on.
                let as_many = [0, fresh.validation_pairs].contains(&state.validation_pairs);
                if state.data != fresh.data || !as_many {
                    // What was best on other pairs says nothing of these. Its model
                    // stays until one is validated.
                    state.best = None;
                }
                let before = std::mem::replace(&mut state.data, fresh.data);
                let gone = before.into_iter().filter(|data| !state.data.contains(data));
                state.data_before.extend(gone);
                state.validation_pairs = fresh.validation_pairs;
                let (of_heads, weights) = checkpoint.into_parts();
                heads = of_heads;
                (weights, state, Some(moments))
            }
        };
        let torch = |cause| TrainError::Torch {
            step: state.step,
            cause,
        };
        let lesson = Lesson {
            task: settings.task,
            classes: classes.len(),
            freeze: settings.freeze,
            dropout: settings.dropout,
            seed: sampler.seed,
        };
        let mut network = Network::new(&weights, &heads, lesson, device, kind).map_err(torch)?;
        let decay = settings.weight_decay;
        let learning = network.parameters().learning();
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
            learning,
            state,
            saved_at: Instant::now(),
            saved_step: None,
        })
    }

    fn step(&mut self, batch: &Batch) -> Result<(Score, f64), TrainError> {
        let (step, torch) = (self.state.step, self.torch());
        let (gradient, score) = self.network.gradient(batch).map_err(&torch)?;
        let what = match score.loss.is_finite() {
            false => Some("loss"),
            true if !is_finite(&gradient).map_err(&torch)? => Some("gradient"),
            true => None,
        };
        if let Some(what) = what {
            return Err(self.not_a_number(what, batch));
        }
        let rate = self.rate(step);
        let parameters = self.network.parameters();
        self.adam
            .step(parameters.vector(), &gradient, &self.learning, rate)
            .and_then(|()| parameters.changed())
            .map_err(torch)?;
        self.state.step += 1;
        self.state.examples += batch.origins.len() as u64;
        self.state.pairs += batch.pairs.len() as u64;
        Ok((score, rate))
    }

    /// Rises over the warm-up, stays, falls over the cool-down.
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
                format!("{} is of before", self.files.last.display())
            } else {
                "nothing was saved yet".to_owned()
            },
        }
    }

    /// Looks at the validation, and whether it is the best so far.
    fn validate(
        &mut self,
        batches: &[Batch],
        train: Score,
    ) -> Result<(Validation, bool), TrainError> {
        let (mut mean, mut pairs) = (Mean::default(), Vec::new());
        for batch in batches {
            let (score, judged) = self.network.judge(batch).map_err(self.torch())?;
            mean.add(score);
            pairs.extend(judged);
        }
        let found = mean.take();
        // What is learnt by heart says nothing of how sure to be.
        let by_heart = self.settings.sampler.overfit.is_some();
        let calibration = Calibration::fit(&pairs).filter(|_| !by_heart);
        let (loss, accuracy) = match pairs.is_empty() {
            // Classes alone are learnt.
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

    /// Writes the state.
    fn save(&mut self) -> Result<(), TrainError> {
        self.state.seconds += self.saved_at.elapsed().as_secs_f64();
        self.saved_at = Instant::now();
        let (mean, square) = self.adam.moments();
        let read = || {
            Ok(Checkpoint {
                tensors: self.network.tensors()?,
                mean: plain(mean)?,
                square: plain(square)?,
                conv1_stride: self.network.conv1_stride(),
                state: self.state.clone(),
            })
        };
        let checkpoint: Checkpoint = read().map_err(self.torch())?;
        checkpoint.write(&self.files.last)?;
        self.saved_step = Some(self.state.step);
        Ok(())
    }

    /// Makes what was just saved the best, and a model of it, which is calibrated.
    fn publish(&self) -> Result<(), TrainError> {
        let best = &self.files.best;
        copy(&self.files.last, best).map_err(cannot_write(best))?;
        let mut tensors = self.network.tensors().map_err(self.torch())?;
        if let Some(calibration) = self.state.best.and_then(|best| best.calibration) {
            calibration.apply(&mut tensors);
        }
        let stride = self.network.conv1_stride();
        let weights = Weights::learnt(stride, tensors, self.state.account());
        Ok(weights.write(&self.files.model, StoreAs::F16)?)
    }

    fn torch(&self) -> impl Fn(tch::TchError) -> TrainError + use<> {
        let step = self.state.step;
        move |cause| TrainError::Torch { step, cause }
    }
}

fn cannot_write(file: &Path) -> impl FnOnce(std::io::Error) -> TrainError {
    let file = file.to_owned();
    move |cause| TrainError::Write { file, cause }
}

fn validation_set(sampler: &Sampler, pairs: usize) -> Result<Vec<Batch>, TrainError> {
    let rows = pairs.min(VALIDATION_ROWS);
    let batches = pairs.div_ceil(rows) as u64;
    (0..batches)
        .map(|number| Ok(sampler.validation(number, rows)?))
        .collect()
}

fn curves(events: &mut EventFile, progress: &Progress) -> std::io::Result<()> {
    let mut values = vec![
        ("train/loss", progress.score.loss),
        ("train/accuracy", progress.score.accuracy),
        ("train/rate", progress.rate),
        ("speed/examples_per_s", progress.examples_per_s),
        ("speed/waiting", progress.waiting),
    ];
    let names = ["train/class_seen", "train/class_heard"];
    let shares = names.into_iter().zip(progress.score.classes);
    values.extend(shares.filter(|(_, share)| *share > 0.0));
    if let Some(found) = &progress.validation {
        values.push(("validation/loss", found.loss));
        values.push(("validation/accuracy", found.accuracy));
    }
    events.scalars(progress.step, &values)
}
