//! `l3net train` as one of several processes.
//!
//! Belongs here: what of the command line differs for them, and how they end together.
//! Does not: what they exchange ([`crate::train::workers`]).

use std::time::Duration;

use tch::Tensor;

use super::{TrainArgs, check, from_init, learn};
use crate::cancel::CancelToken;
use crate::cmd::common::{Usage, cancel_on_signal, say};
use crate::cores::cores;
use crate::exit;
use crate::net::input::to_vec;
use crate::train::workers::{Team, Workers, WorkersError, World};
use crate::train::{Checkpoint, Freeze, RunFiles, Share, Start, TrainError, TrainSettings};

/// What rank 0 tells the others of how it starts.
const START: &str = "start";
const SCRATCH: &str = "scratch";
const MODEL: &str = "model";
/// Rank 0 has validated and saved.
const DONE: &str = "done";

/// Meets the other processes, trains with them, and ends with them.
pub(super) fn run(args: &TrainArgs, world: &World) -> anyhow::Result<bool> {
    args.talk.start_log(std::io::stderr);
    let stop = cancel_on_signal()?;
    let team = match Team::join(world, Duration::from_secs_f64(args.join_seconds), &stop) {
        Err(stopped) if stop.is_cancelled() => {
            say(&stopped.to_string());
            return Ok(true);
        }
        team => team?,
    };
    let mut workers = Workers::team(team);
    let result = fits(args, &workers).and_then(|()| learn(args, &mut workers, &stop));
    let team = workers.into_team().expect("it was made of one");
    let result = result.and_then(|done| {
        match team.rank() {
            0 => team.tell(DONE, "")?,
            _ => drop(team.hear(DONE)?),
        }
        Ok(done)
    });
    match result {
        Ok(done) => {
            team.leave();
            Ok(done)
        }
        Err(error) => fail(args, &error, team),
    }
}

/// Checks what of the command line depends on the number of processes, too.
fn fits(args: &TrainArgs, workers: &Workers) -> anyhow::Result<()> {
    check(args)?;
    let size = workers.size();
    let refuse = |text: String| Err(Usage::error(text));
    if !(args.batch as usize).is_multiple_of(2 * size) {
        return refuse(format!(
            "--batch {} cannot be shared out among {size} processes: each takes an even number; \
             {} would fit",
            args.batch,
            (args.batch as usize).next_multiple_of(2 * size)
        ));
    }
    if args.compute.on_gpu() {
        return refuse(
            "several processes train on CPUs only (--device cpu); on a GPU, start one".to_owned(),
        );
    }
    if args.freeze == Freeze::Trunks && args.pool != Some(0) {
        return refuse(
            "--freeze trunks computes the features once, which one process does: start one, or \
             add --pool 0"
                .to_owned(),
        );
    }
    Ok(())
}

/// What rank 0 starts from, in all processes. Checkpoints are on rank 0's disk only.
pub(super) fn start(args: &TrainArgs, files: &RunFiles, team: &mut Team) -> anyhow::Result<Start> {
    if team.rank() == 0 {
        let start = super::start(args, files)?;
        match &start {
            Start::Scratch(_) => team.tell(START, SCRATCH)?,
            Start::Model(_) => team.tell(START, MODEL)?,
            Start::Resume(checkpoint) => {
                team.tell(START, &checkpoint.header())?;
                let mut values = Tensor::f_from_slice(&checkpoint.values())?;
                team.broadcast(&mut values)?;
            }
        }
        return Ok(start);
    }
    let kind = team.hear(START)?;
    if kind == SCRATCH {
        return Ok(Start::Scratch(args.conv1_stride.unwrap_or_default()));
    }
    if kind == MODEL {
        return from_init(args);
    }
    let values = |count: usize| -> anyhow::Result<Vec<f32>> {
        let options = (tch::Kind::Float, tch::Device::Cpu);
        let mut values = Tensor::f_zeros([count as i64], options)?;
        team.broadcast(&mut values)?;
        Ok(to_vec(&values)?)
    };
    let checkpoint = Checkpoint::with_values(&kind, values)?;
    Ok(Start::Resume(Box::new(checkpoint)))
}

/// This process's share of the batch, of the cores and of the decisions.
pub(super) fn divide(args: &TrainArgs, settings: &mut TrainSettings, team: &Team) {
    settings.sampler.share = Share {
        rank: team.rank(),
        of: team.size(),
    };
    let here = team.on_this_host().len();
    let share = |all: usize| (all / here).max(1);
    if args.compute.threads.is_none() {
        settings.threads = share(cores());
    }
    if args.loaders.is_none() {
        settings.loaders = share(settings.loaders);
    }
    if team.rank() > 0 {
        // Rank 0 looks at the clock.
        settings.limit = None;
    }
}

/// The recordings were not all prepared when a signal came: no failure.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Stopped(String);

/// An error while the data is opened, which is none after a signal.
pub(super) fn stopped(error: anyhow::Error, stop: &CancelToken) -> anyhow::Error {
    match stop.is_cancelled() && ending_in(&error).is_none() {
        true => anyhow::Error::new(Stopped(format!("{error:#}"))),
        false => error,
    }
}

/// Ends the run for all, says why, and ends the process.
///
/// Not by returning: libtorch's threads may still wait for a process that has died.
fn fail(args: &TrainArgs, error: &anyhow::Error, team: Team) -> anyhow::Result<bool> {
    let ending = match ending_in(error) {
        Some(ending) => ending.clone(),
        None => team.end(format!("{error:#}"), error.is::<Stopped>()),
    };
    let me = team.rank();
    let line = ending.told_by(me);
    let last = RunFiles::beside(&args.output).last;
    let more = match me == 0 && last.exists() {
        true => format!(
            "; --resume continues from {}, with any number of processes",
            last.display()
        ),
        false => String::new(),
    };
    say(&format!("l3net: {line}{more}"));
    let code = match error.is::<Usage>() {
        _ if ending.stopped => 0,
        true => 2,
        false => 1,
    };
    team.leave();
    exit::immediately(code)
}

fn ending_in(error: &anyhow::Error) -> Option<&crate::train::workers::Ending> {
    let own = error.downcast_ref::<WorkersError>();
    let of_training = || match error.downcast_ref::<TrainError>() {
        Some(TrainError::Workers(error)) => Some(error),
        _ => None,
    };
    match own.or_else(of_training) {
        Some(WorkersError::Ended { ending, .. }) => Some(ending),
        _ => None,
    }
}
