//! `l3net train`: trains a network on pairs, half of which correspond.

use std::path::{Path, PathBuf};
use std::time::Duration;

mod display;
mod several;

use self::display::ProgressDisplay;
use super::common::{ComputeArgs, TalkArgs, Usage, cancel_on_signal, say};
use super::data::DataArgs;
use super::value::choice;
use crate::cancel::CancelToken;
use crate::net::{Conv1Stride, TrunkKind, Variant, Weights};
use crate::train::workers::{Workers, World};
use crate::train::{
    AugmentationStrength, Checkpoint, Freeze, Mixture, PairingMode, RunFiles, SamplerSettings,
    Share, Start, TrainOutcome, TrainReport, TrainSettings, TrainTask, train,
};
use crate::window_spec::WindowSpec;

/// Examples that pass through frozen trunks, if nothing else is said.
const POOL: u32 = 8_192;
/// Side of the paper's images.
const SIDE: u32 = 224;

const HELP: &str = "\
Several processes share each batch, started by torchrun, srun or mpirun:
  torchrun --no-python --nproc-per-node 8 l3net train DATA -o MODEL
Each pairs its own pictures and sounds, and normalises over its own share.";

/// Trains a network on pairs, half of which correspond
#[derive(clap::Args, Clone, Debug)]
#[command(args_override_self = true, after_help = format!("{}\n\n{HELP}", super::data::HELP))]
pub struct TrainArgs {
    /// Training data
    #[command(flatten)]
    pub data: DataArgs,
    /// Model to write; checkpoints and curves go beside it
    #[arg(short, long, value_name = "MODEL")]
    pub output: PathBuf,
    /// Start from this model instead of random weights
    #[arg(long, value_name = "MODEL")]
    pub init: Option<PathBuf>,
    /// Resume from the last checkpoint, if there is one
    #[arg(long)]
    pub resume: bool,
    /// Start over and overwrite an existing model and its checkpoints
    #[arg(long, conflicts_with = "resume")]
    pub force: bool,
    /// Number of steps
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: u64,
    /// Stop after this many minutes; --resume continues
    #[arg(long, value_name = "N", value_parser = parse_minutes)]
    pub minutes: Option<Duration>,
    /// Pictures and sounds per step, of all processes together
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(2..))]
    pub batch: u32,
    /// How pictures and sounds of a batch are paired
    #[arg(long, value_parser = choice::<PairingMode>(), default_value = "paper", value_name = "WHICH")]
    pub pairs: PairingMode,
    /// Strength of the augmentation
    #[arg(long, value_parser = choice::<AugmentationStrength>(), default_value = "paper", value_name = "HOW")]
    pub augment: AugmentationStrength,
    /// Learning rate
    #[arg(long, value_name = "RATE", default_value_t = 1e-4)]
    pub lr: f64,
    /// Steps over which the learning rate rises
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub warm_up: u64,
    /// Last part of the steps, 0 to 1, over which it falls to zero
    #[arg(long, value_name = "PART", default_value_t = 0.2)]
    pub cool_down: f64,
    /// L2 factor on all parameters
    #[arg(long, value_name = "FACTOR", default_value_t = 1e-5)]
    pub weight_decay: f64,
    /// What to learn
    #[arg(long, value_parser = choice::<TrainTask>(), default_value = "avc", value_name = "WHAT")]
    pub task: TrainTask,
    /// Parts that do not learn
    #[arg(long, value_parser = choice::<Freeze>(), default_value = "none", value_name = "WHAT")]
    pub freeze: Freeze,
    /// Keep batch norm's running statistics, as for batches of a few
    #[arg(long, requires = "init")]
    pub freeze_norm: bool,
    /// Examples that pass through frozen trunks, once; 0: new ones [default: 8192]
    #[arg(long, value_name = "N")]
    pub pool: Option<u32>,
    /// Dropout rate of the features, 0 to under 1
    #[arg(long, value_name = "PART", default_value_t = 0.0)]
    pub dropout: f64,
    /// Weight of the loss of the best place in the picture (for --heatmap local)
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0)]
    pub local_loss: f64,
    /// Overfit this many pairs, to test whether training works
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    pub overfit: Option<u32>,
    /// Steps between validations
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    pub validate_every: u64,
    /// Pairs per validation
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(2..))]
    pub validation_pairs: u32,
    /// Minutes between checkpoints
    #[arg(long, value_name = "N", default_value = "5", value_parser = parse_minutes)]
    pub save_minutes: Duration,
    /// Stride of conv1_1: 1 or 2; by default the model's, or the paper's 2
    #[arg(long, value_name = "N")]
    pub conv1_stride: Option<Conv1Stride>,
    /// Seed of all random numbers
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Device and precision
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// Threads that prepare batches; by default as the device needs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub loaders: Option<u16>,
    /// How long to wait for the other processes of a run
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = super::common::parse_seconds)]
    pub join_seconds: f64,
    /// Verbosity
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// Trains. Returns true; every failure is an error.
///
/// # Errors
/// Names the data, the checkpoint or the step, and the cause.
pub fn run(args: &TrainArgs) -> anyhow::Result<bool> {
    match World::from_env(|name| std::env::var(name).ok()).map_err(Usage::error)? {
        Some(world) => several::run(args, &world),
        None => {
            check(args)?;
            args.talk.start_log(std::io::stderr);
            learn(args, &mut Workers::alone(), &cancel_on_signal()?)
        }
    }
}

/// Trains in this process, alone or as one of several.
fn learn(args: &TrainArgs, workers: &mut Workers, stop: &CancelToken) -> anyhow::Result<bool> {
    let files = RunFiles::beside(&args.output);
    let is_first = workers.is_first();
    // Locked before reading: the run that holds the lock may be about to overwrite them.
    let _lock = is_first.then(|| files.lock()).transpose()?;
    let start = match workers.as_team_mut() {
        Some(team) => several::start(args, &files, team)?,
        None => start(args, &files)?,
    };
    let quiet = args.talk.quiet || !is_first;
    let open = || args.data.open(quiet, stop);
    let parts = match workers.as_team() {
        Some(team) => team
            .in_turn(open)
            .map_err(|error| several::stopped(error, stop))?,
        None => match open() {
            // Nothing to save yet: as orderly an end as a later one.
            Err(stopped) if stop.is_cancelled() => {
                say(&format!("{stopped:#}"));
                return Ok(true);
            }
            parts => parts?,
        },
    };
    let parts = parts.into_iter().map(|o| (o.weight, o.corpus));
    let display = ProgressDisplay::new(args.steps, quiet);
    let mut settings = settings(args, start.spec());
    if let Some(team) = workers.as_team() {
        several::divide(args, &mut settings, team);
    }
    let outcome = train(
        Mixture::new(parts.collect()),
        &settings,
        start,
        &files,
        workers,
        stop,
        |report| match report {
            TrainReport::Features(done, all) => display.show_features(done, all),
            TrainReport::Step(progress) => display.show(progress),
            TrainReport::Slow(name, seconds, others) => display.show_slow(name, seconds, others),
        },
    );
    display.end();
    let outcome = outcome?;
    report_outcome(&outcome, &files, quiet);
    if workers.size() > 1 && !quiet {
        say(&format!(
            "{} processes: {:.1} % of the time exchanging gradients",
            workers.size(),
            outcome.exchanging * 100.0
        ));
    }
    Ok(true)
}

fn check(args: &TrainArgs) -> anyhow::Result<()> {
    let refuse = |text: &str| Err(Usage::error(text));
    if !(args.lr > 0.0 && args.lr.is_finite()) {
        return refuse("--lr must be over 0");
    }
    if !(0.0..=1.0).contains(&args.cool_down) {
        return refuse("--cool-down must be 0 to 1");
    }
    if !args.batch.is_multiple_of(2) {
        return refuse("--batch must be even: half of the pairs correspond");
    }
    if !(0.0..1.0).contains(&args.dropout) {
        return refuse("--dropout must be 0 to under 1");
    }
    if !(args.local_loss >= 0.0 && args.local_loss.is_finite()) {
        return refuse("--local-loss must be 0 or more");
    }
    if args.local_loss > 0.0 && args.task == TrainTask::Classify {
        return refuse("--local-loss is of correspondence: it takes --task avc or both");
    }
    if args.local_loss > 0.0 && args.pool.is_some_and(|pool| pool > 0) {
        return refuse("--local-loss takes no --pool: features know no places");
    }
    if args.pool.is_some() && (args.freeze != Freeze::Trunks || args.overfit.is_some()) {
        return refuse("--pool takes --freeze trunks, and no --overfit");
    }
    if !(args.weight_decay >= 0.0 && args.weight_decay.is_finite()) {
        return refuse("--weight-decay must be 0 or more");
    }
    if args.output.is_dir() {
        return refuse("-o MODEL is a folder; name a file in it");
    }
    if args.output.extension().is_none_or(|e| e != "safetensors") {
        return refuse("-o MODEL must end in .safetensors");
    }
    Ok(())
}

fn parse_minutes(text: &str) -> Result<Duration, String> {
    let minutes: Option<f64> = text.parse().ok();
    let length = minutes.and_then(|m| Duration::try_from_secs_f64(m * 60.0).ok());
    length.ok_or_else(|| format!("{text}: not a number of minutes"))
}

fn settings(args: &TrainArgs, spec: WindowSpec) -> TrainSettings {
    TrainSettings {
        sampler: SamplerSettings {
            batch: args.batch as usize,
            share: Share::WHOLE,
            pairing: args.pairs,
            augment: args.augment,
            spec,
            side: SIDE,
            overfit: args.overfit.map(|n| n as usize),
            seed: args.seed,
        },
        split_by: args.data.split_of_recordings(),
        split_seed: args.data.split_seed(),
        held_out: args.data.held_out(),
        steps: args.steps,
        limit: args.minutes,
        rate: args.lr,
        warm_up: args.warm_up,
        cool_down: args.cool_down,
        weight_decay: args.weight_decay,
        task: args.task,
        freeze: args.freeze,
        freeze_norm: args.freeze_norm,
        pool: args.pool.unwrap_or(POOL) as usize,
        dropout: args.dropout,
        local_loss: args.local_loss,
        validate_every: args.validate_every,
        validation_pairs: args.validation_pairs as usize,
        save_every: args.save_minutes,
        device: args.compute.device,
        precision: args.compute.precision,
        threads: args.compute.threads(),
        loaders: ComputeArgs::loaders(args.loaders, args.compute.on_gpu()),
    }
}

fn start(args: &TrainArgs, files: &RunFiles) -> anyhow::Result<Start> {
    if args.resume && files.last.exists() {
        let checkpoint = Checkpoint::read(&files.last)?;
        tracing::info!(
            "resuming from step {} of {}",
            checkpoint.state.step,
            files.last.display()
        );
        check_stride(args, checkpoint.variant.conv1_stride, &files.last)?;
        check_freeze(args, &checkpoint.variant, &files.last)?;
        return Ok(Start::Resume(Box::new(checkpoint)));
    }
    if !args.force && files.last.exists() {
        anyhow::bail!(
            "{}: an earlier run left this checkpoint; --resume continues it, --force starts over",
            files.last.display()
        );
    }
    if !args.force && files.model.exists() {
        anyhow::bail!(
            "{}: exists already; name another file, or --force replaces it",
            files.model.display()
        );
    }
    if args.resume && !args.talk.quiet {
        let from = args.init.as_ref().map(|model| model.display().to_string());
        say(&format!(
            "{}: does not exist yet; starts from {}",
            files.last.display(),
            from.as_deref().unwrap_or("random weights")
        ));
    }
    if args.init.is_none() && args.freeze != Freeze::None {
        tracing::warn!("--freeze without --init: the frozen parts keep random weights");
    }
    from_init(args)
}

/// The model of `--init`, or random weights.
fn from_init(args: &TrainArgs) -> anyhow::Result<Start> {
    Ok(match &args.init {
        Some(model) => {
            let weights = Weights::read(model)?;
            weights.check_trunks()?;
            check_stride(args, weights.conv1_stride(), model)?;
            check_freeze(args, weights.variant(), model)?;
            Start::Model(weights.with_initial_fusion(args.seed))
        }
        None => Start::Scratch(args.conv1_stride.unwrap_or_default()),
    })
}

fn check_stride(args: &TrainArgs, is: Conv1Stride, file: &Path) -> anyhow::Result<()> {
    match args.conv1_stride.filter(|asked| *asked != is) {
        None => Ok(()),
        Some(asked) => Err(Usage::error(format!(
            "{}: its conv1_1 has stride {}, not {}; omit --conv1-stride",
            file.display(),
            is.get(),
            asked.get()
        ))),
    }
}

/// OpenL3's trunks stay as they were published.
fn check_freeze(args: &TrainArgs, variant: &Variant, file: &Path) -> anyhow::Result<()> {
    match (variant.trunks, args.freeze) {
        (TrunkKind::L3, _) | (TrunkKind::OpenL3, Freeze::Trunks) => Ok(()),
        (TrunkKind::OpenL3, _) => Err(Usage::error(format!(
            "{}: has OpenL3's trunks, which are not trained on: add --freeze trunks to learn \
             what is on top of them",
            file.display()
        ))),
    }
}

fn report_outcome(outcome: &TrainOutcome, files: &RunFiles, quiet: bool) {
    if quiet {
        return;
    }
    let state = &outcome.state;
    if let Some(best) = state.best {
        say(&format!(
            "{}: best of {} validations, at step {}: accuracy {:.1} %, loss {:.4}",
            files.model.display(),
            state.validations.len(),
            best.step,
            best.accuracy * 100.0,
            best.loss
        ));
    }
    if !state.validated && state.step > 0 {
        say(&format!(
            "{}: the latest weights; no validation chose or calibrated them (--validate-every)",
            files.model.display()
        ));
    }
    say(&format!(
        "{} pictures and sounds, {} pairs in {} steps, {:.0} s; {:.1} % of the time waiting for batches",
        state.examples,
        state.pairs,
        state.step,
        state.seconds,
        outcome.waiting * 100.0
    ));
    if outcome.skipped > 0 {
        say(&format!(
            "{} draws were skipped: their files cannot be read",
            outcome.skipped
        ));
    }
    if outcome.stopped {
        say(&format!(
            "stopped early; --resume continues from {}",
            files.last.display()
        ));
    }
}
