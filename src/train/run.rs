//! The training loop: steps, validations, checkpoints, curves.
//!
//! Belongs here: their order. Does not: what each does (`trainer`), the command line,
//! output on a terminal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::checkpoint::RunFiles;
use super::error::{TrainError, cannot_write};
use super::events::EventFile;
use super::facts::facts;
use super::loader::Loader;
use super::memory::keep_freed_memory;
use super::mixture::Mixture;
use super::pool::Pool;
use super::sampler::Sampler;
use super::score::{Mean, RunningMean};
use super::settings::{Start, TrainOutcome, TrainProgress, TrainReport, TrainSettings};
use super::trainer::{Trainer, fresh_state};
use super::workers::{Pace, Told, Workers};
use crate::cancel::CancelToken;
use crate::corpus::{CorpusError, Split};

/// Examples by which several processes compare their data.
const SAMPLE: usize = 8;

/// Trains and writes the model with the best validation to `files.model`. The caller
/// holds their [lock](RunFiles::lock). Of several processes, the first does; the settings
/// have the share of each.
///
/// # Errors
/// If data, device or disk fail, or a loss is not finite, or another process fails. Saved
/// files are kept.
pub fn train(
    mixture: Mixture,
    settings: &TrainSettings,
    start: Start,
    files: &RunFiles,
    workers: &mut Workers,
    stop: &CancelToken,
    mut report: impl FnMut(TrainReport<'_>),
) -> Result<TrainOutcome, TrainError> {
    let splits: &[Split] = match settings.sampler.overfit {
        Some(_) => &[Split::Train],
        None => &[Split::Train, Split::Validation],
    };
    mixture.check(splits)?;
    let data = mixture.describe();
    let classes = mixture.classes().to_vec();
    if settings.task.has_classes() && classes.is_empty() {
        let text = "the data has no class names to learn; --task avc needs none";
        return Err(CorpusError::TooFew(text.to_owned()).into());
    }
    let class_count = classes.len();
    // Before anything takes time: another run's checkpoint is refused here.
    let fresh = fresh_state(settings, &start, files, data, classes)?;
    let sampler = Arc::new(Sampler::new(Arc::new(mixture), settings.sampler.clone()));
    if let Some(team) = workers.as_team() {
        let sample = sampler.validation(0, SAMPLE)?;
        team.agree(&facts(settings, &start, &fresh, &sample))?;
    }
    let started = Instant::now();
    let is_over = || stop.is_cancelled() || settings.limit.is_some_and(|l| started.elapsed() >= l);
    keep_freed_memory();
    // A run that is resumed when it is over takes no step.
    let pool = match settings.has_pool() && start.step() < settings.steps {
        true => Some(Pool::make(
            &sampler,
            &start,
            settings,
            is_over,
            |done, all| report(TrainReport::Features(done, all)),
        )?),
        false => None,
    };
    let standardisation = match &pool {
        Some(pool) => Some(pool.standardisation.clone()),
        None => start.standardisation().cloned(),
    };
    let mut trainer = Trainer::new(settings, start, files, fresh, class_count, standardisation)?;
    trainer.share(workers)?;
    trainer.saved_at = started;
    let is_first = workers.is_first();
    if is_first && (trainer.state.best).is_some_and(|best| best.step == trainer.state.step) {
        // The previous run may have been killed between checkpoint and model.
        trainer.publish()?;
    }
    let mut events = match is_first {
        true => Some(EventFile::create(&files.events).map_err(cannot_write(&files.events))?),
        false => None,
    };
    let mut batches = match pool {
        Some(pool) => Batches::Pool(pool),
        None => Batches::drawn(&sampler, trainer.state.step, settings)?,
    };
    let (began, first) = (Instant::now(), trainer.state.step);
    let (mut mean, mut since) = (RunningMean::default(), Mean::default());
    let mut pace = Pace::new(workers.size());
    let mut exchanging = Duration::ZERO;
    let mut stopped = false;
    while trainer.state.step < settings.steps && !stopped {
        let is_alone = workers.as_team().is_none();
        if is_alone && is_over() {
            stopped = true;
            break;
        }
        let step_began = Instant::now();
        let batch = batches.next(trainer.state.step, settings)?;
        let (gradient, score) = trainer.gradient(&batch)?;
        let told = Told {
            score,
            pairs: batch.pairs.len() as u64,
            seconds: step_began.elapsed().as_secs_f64(),
            // One process stops before a step, several agree during one.
            stop: !is_alone && is_over(),
            save: is_first && trainer.saved_at.elapsed() >= settings.save_every,
        };
        let exchange_began = Instant::now();
        let exchanged = workers.exchange(gradient, &told);
        if exchanged.is_err() && is_first && trainer.saved_step != Some(trainer.state.step) {
            // Another process has gone. The statistics are this one's; the parameters, which
            // took the time, everybody's.
            let _writing = workers.writing();
            trainer.save()?;
        }
        let (gradient, heard) = exchanged?;
        // A slower process is not the exchange's fault.
        exchanging += exchange_began
            .elapsed()
            .saturating_sub(heard.wait_of(workers.rank()));
        let examples = batch.origins.len() * workers.size();
        let rate = trainer.step(&gradient, examples as u64, heard.pairs)?;
        mean.add(heard.score);
        since.add(heard.score);
        let step = trainer.state.step;
        stopped = heard.stop && step < settings.steps;
        let validates = step == settings.steps || step % settings.validate_every == 0;
        if validates || heard.save || stopped {
            trainer.average_statistics(workers)?;
        }
        if !is_first {
            continue;
        }
        let mut validation = None;
        if validates {
            let (found, is_best) = trainer.validate(batches.validation(settings)?, since.take())?;
            validation = Some(found);
            let _writing = workers.writing();
            trainer.save()?;
            if is_best {
                trainer.publish()?;
            }
        } else if heard.save {
            let _writing = workers.writing();
            trainer.save()?;
        }
        let elapsed = began.elapsed();
        let share = batch.origins.len() as f64;
        let progress = TrainProgress {
            step,
            steps: settings.steps,
            batch: examples,
            score: mean.score(),
            examples_per_s: (step - first) as f64 * examples as f64 / elapsed.as_secs_f64(),
            by_worker: match is_alone {
                true => Vec::new(),
                false => heard.seconds.iter().map(|s| share / s.max(1e-9)).collect(),
            },
            waiting: batches.waited().as_secs_f64() / elapsed.as_secs_f64(),
            exchanging: exchanging.as_secs_f64() / elapsed.as_secs_f64(),
            rate,
            validation,
        };
        if let Some(events) = &mut events
            && (validation.is_some() || step % 10 == 0)
        {
            curves(events, &progress).map_err(cannot_write(&files.events))?;
        }
        report(TrainReport::Step(&progress));
        if let Some(slow) = pace.add(&heard.seconds)
            && let Some(team) = workers.as_team()
        {
            let name = format!("rank {} ({})", slow.rank, team.host(slow.rank));
            report(TrainReport::Slow(&name, slow.seconds, slow.others));
        }
    }
    if is_first {
        let _writing = workers.writing();
        if trainer.saved_step != Some(trainer.state.step) {
            trainer.save()?;
        }
        if !trainer.state.validated && trainer.state.step > 0 {
            // A run too short for a validation still writes a model.
            trainer.publish()?;
        }
    }
    Ok(TrainOutcome {
        state: trainer.state,
        stopped,
        skipped: sampler.skipped(),
        waiting: batches.waited().as_secs_f64() / began.elapsed().as_secs_f64(),
        exchanging: exchanging.as_secs_f64() / began.elapsed().as_secs_f64(),
    })
}

/// Where batches come from.
enum Batches {
    /// Each is drawn when it is needed; those of the validation, once.
    Drawn {
        sampler: Arc<Sampler>,
        loader: Loader<Batch>,
        validation: Vec<Batch>,
    },
    /// From a pool of examples.
    Pool(Pool),
}

impl Batches {
    fn drawn(
        sampler: &Arc<Sampler>,
        first: u64,
        settings: &TrainSettings,
    ) -> Result<Self, TrainError> {
        let steps = first..settings.steps;
        let loader = Loader::start(sampler, steps, settings.loaders, Sampler::batch);
        Ok(Self::Drawn {
            sampler: sampler.clone(),
            loader: loader.map_err(TrainError::Threads)?,
            validation: Vec::new(),
        })
    }

    /// The batch of the next step.
    fn next(&mut self, step: u64, settings: &TrainSettings) -> Result<Batch, TrainError> {
        match self {
            Self::Drawn { loader, .. } => Ok(loader.next_batch()?),
            Self::Pool(pool) => Ok(pool.batch(step, settings)),
        }
    }

    fn validation(&mut self, settings: &TrainSettings) -> Result<&[Batch], TrainError> {
        match self {
            Self::Drawn {
                sampler,
                validation,
                ..
            } => {
                if validation.is_empty() {
                    let batches = sampler.validation_batches(settings.validation_pairs);
                    *validation = batches.collect::<Result<_, _>>()?;
                }
                Ok(validation)
            }
            Self::Pool(pool) => Ok(&pool.validation),
        }
    }

    /// How long the network waited for batches.
    fn waited(&self) -> Duration {
        match self {
            Self::Drawn { loader, .. } => loader.waited(),
            Self::Pool(_) => Duration::ZERO,
        }
    }
}

fn curves(events: &mut EventFile, progress: &TrainProgress) -> std::io::Result<()> {
    let mut values = vec![
        ("train/loss", progress.score.loss),
        ("train/accuracy", progress.score.accuracy),
        ("train/rate", progress.rate),
        ("speed/examples_per_s", progress.examples_per_s),
        ("speed/waiting", progress.waiting),
    ];
    if !progress.by_worker.is_empty() {
        values.push(("speed/exchanging", progress.exchanging));
    }
    let by_worker = progress.by_worker.iter().enumerate();
    let by_worker: Vec<(String, f64)> = by_worker
        .map(|(rank, speed)| (format!("speed/examples_per_s_of_rank_{rank}"), *speed))
        .collect();
    values.extend(
        by_worker
            .iter()
            .map(|(name, speed)| (name.as_str(), *speed)),
    );
    let names = ["train/class_seen", "train/class_heard"];
    let shares = names.into_iter().zip(progress.score.classes);
    values.extend(shares.filter(|(_, share)| *share > 0.0));
    if let Some(found) = &progress.validation {
        values.push(("validation/loss", found.loss));
        values.push(("validation/accuracy", found.accuracy));
    }
    events.scalars(progress.step, &values)
}
