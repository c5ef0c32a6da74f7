//! `live --adapt`: learning during a run.
//!
//! Belongs here: its arguments, the files it begins from, its messages. Does not: when
//! and how it learns ([`crate::sink::learner`], [`crate::adapt`]).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam_channel::Sender;
use jiff::SignedDuration;
use tch::Device;

use super::adapt::say_skipped;
use super::common::{Usage, check_model_path, model_there, parse_time, say};
use super::progress::Bar;
use crate::adapt::{
    AdaptError, Background, BackgroundError, Figures, Outcome, Plan, Reservoir, Settings,
};
use crate::cancel::CancelToken;
use crate::engine::{Part, Replacement};
use crate::features::Crop;
use crate::lock::LockFile;
use crate::media::Source;
use crate::net::Weights;
use crate::sink::SinkError;
use crate::sink::learner::Learner;
use crate::table::percent;
use crate::text::plural;
use crate::time::{Hop, SAMPLE_RATE};

/// Options of `live` for learning.
#[derive(clap::Args, Clone, Debug)]
pub struct LearningArgs {
    /// Learn meanwhile whose sound is whose; begin with MODEL if it is there
    #[arg(long, value_name = "MODEL")]
    adapt: Option<PathBuf>,
    /// Learn after this much of a stream, such as 2m or 1h; then at twice as much
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = parse_time, requires = "adapt")]
    adapt_after: SignedDuration,
    /// Share of one core for learning, 1 to 100
    #[arg(long, value_name = "PERCENT", default_value = "10", value_parser = clap::value_parser!(u8).range(1..=100), requires = "adapt")]
    adapt_cpu: u8,
    /// Steps in each round of learning [default: grows with the number of streams]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), requires = "adapt")]
    adapt_steps: Option<u64>,
    /// Windows that are kept of each stream, spread evenly
    #[arg(long, value_name = "N", default_value = "3600", value_parser = clap::value_parser!(u32).range(16..), requires = "adapt")]
    adapt_keep: u32,
}

impl LearningArgs {
    /// The files that learning writes, and what they are.
    pub fn files(&self) -> Vec<(PathBuf, &'static str)> {
        let files = |model: &PathBuf| {
            [
                (model.clone(), "the model of --adapt"),
                (features_beside(model), "what --adapt has heard"),
            ]
        };
        self.adapt.iter().flat_map(files).collect()
    }
}

/// The file beside a model with what has been heard.
fn features_beside(model: &Path) -> PathBuf {
    model.with_extension("features")
}

/// What a run learns with.
pub struct Learning {
    args: LearningArgs,
    model: PathBuf,
    base: Arc<Weights>,
    present: Arc<Weights>,
    reservoir: Reservoir,
    kept_in: PathBuf,
    made_by: String,
    lock: LockFile,
}

impl Learning {
    /// Opens what is there. `None` without --adapt.
    ///
    /// # Errors
    /// Files that do not fit, or streams that cannot be learnt.
    pub fn open(
        args: &LearningArgs,
        base: &Arc<Weights>,
        crop: Crop,
        sources: &[Source],
    ) -> anyhow::Result<Option<Self>> {
        let Some(model) = args.adapt.clone() else {
            return Ok(None);
        };
        check_model_path("--adapt", &model)?;
        let present = model_there(&model, base)?.map_or_else(|| Arc::clone(base), Arc::new);
        present.check_judges()?;
        let kept_in = features_beside(&model);
        let keep = args.adapt_keep as usize;
        let made_by = format!("{:016x} {}", base.trunk_fingerprint(), crop.name());
        let reservoir = Reservoir::read(&kept_in, keep, &made_by)
            .map_err(|error| Usage::error(error.to_string()))?;
        let mut cameras = BTreeSet::new();
        if let Some(twice) = sources.iter().find(|s| !cameras.insert(s.camera())) {
            return Err(Usage::error(format!(
                "--adapt: two sources are of the camera {}; with NAME=SOURCE each has its own name",
                twice.camera()
            )));
        }
        cameras.extend(reservoir.names());
        if cameras.len() < 2 {
            return Err(Usage::error(
                "--adapt takes two streams: the sound of one is learnt by telling it from that of \
                 others",
            ));
        }
        let known = present.cameras().keys();
        let lost: Vec<&str> = known
            .map(String::as_str)
            .filter(|name| !cameras.contains(name))
            .collect();
        if !lost.is_empty() {
            return Err(Usage::error(format!(
                "{}: knows {}, of which there is neither a stream here nor anything in {}: it \
                 would be lost; name another MODEL",
                model.display(),
                lost.join(", "),
                kept_in.display()
            )));
        }
        Ok(Some(Self {
            // Last: what is refused leaves no file.
            lock: lock_beside(&model)?,
            args: args.clone(),
            model,
            base: Arc::clone(base),
            present,
            reservoir,
            kept_in,
            made_by,
        }))
    }

    /// The model that the run begins with.
    pub fn present(&self) -> Arc<Weights> {
        Arc::clone(&self.present)
    }

    /// Says what is going to happen.
    pub fn announce(&self, streams: usize) {
        say(&format!(
            "l3net: {}: learns meanwhile which sound belongs to which of {}, first after {:#} of \
             one, with at most {} % of a core",
            self.model.display(),
            plural(streams, "stream"),
            self.args.adapt_after,
            self.args.adapt_cpu
        ));
    }

    /// Starts to learn. `device` is the network's; better fusions go to `replacements`.
    /// `quiet` leaves only failures to be said.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn start(
        self,
        sources: &[Source],
        hop: Hop,
        device: Device,
        replacements: Sender<Replacement>,
        cancel: &CancelToken,
        (bar, quiet): (&Bar, bool),
    ) -> Result<Learner, SinkError> {
        let samples = self.args.adapt_after.as_secs_f64() * f64::from(SAMPLE_RATE);
        let windows = samples / hop.samples() as f64;
        let plan = Plan {
            base: self.base,
            present: self.present,
            path: self.model.clone(),
            device,
            settings: Settings {
                steps: self.args.adapt_steps,
                ..Settings::default()
            },
            share: f64::from(self.args.adapt_cpu) / 100.0,
            cancel: cancel.clone(),
        };
        let (path, lines) = (self.model.clone(), bar.clone());
        let lock = self.lock;
        let report = move |outcome| {
            // Held for as long as a model may be written.
            let _ = &lock;
            let (text, is_news) = match outcome {
                Outcome::Better {
                    fusion,
                    model,
                    figures,
                    before,
                    skipped,
                } => {
                    say_skipped(&lines, &skipped);
                    let cameras = plural(figures.cameras.len(), "stream");
                    // Fails only if the run is over.
                    let _ = replacements.send(Replacement {
                        part: Part::Fusion(fusion),
                        model,
                    });
                    let text = format!(
                        "learnt {cameras}: {}; it judges from now on",
                        compared(&figures, &before)
                    );
                    (text, true)
                }
                Outcome::NotBetter { figures, before } => {
                    let text = format!(
                        "learnt anew and not better ({}); the present one stays",
                        compared(&figures, &before)
                    );
                    (text, true)
                }
                Outcome::Failed(error) => {
                    if let BackgroundError::Learn(AdaptError::TooFew { skipped, .. }) = &error {
                        say_skipped(&lines, skipped);
                    }
                    (format!("the present model stays: {error}"), false)
                }
            };
            if !(is_news && quiet) {
                lines.say(&format!("l3net: {}: {text}", path.display()));
            }
        };
        let background = Background::start(plan, report)
            .map_err(SinkError::io(&self.model, "start a thread for"))?;
        let camera = |source: &Source| (source.name.clone(), source.camera().to_owned());
        Ok(Learner::new(
            self.reservoir,
            self.kept_in,
            self.made_by,
            sources.iter().map(camera),
            windows.ceil() as u64,
            background,
        ))
    }
}

/// How well a new model does, and the one before.
fn compared(figures: &Figures, before: &Figures) -> String {
    format!(
        "{} of held-out windows right, {} before",
        percent(figures.accuracy),
        percent(before.accuracy)
    )
}

/// Locks the model against other runs that learn it, until what is returned is dropped.
///
/// # Errors
/// If another run learns it, or the lock cannot be written.
pub fn lock_beside(model: &Path) -> anyhow::Result<LockFile> {
    let path = model.with_extension("lock");
    let taken = LockFile::take(&path)
        .map_err(|cause| Usage::error(format!("{}: cannot be written: {cause}", path.display())))?;
    taken.ok_or_else(|| {
        Usage::error(format!(
            "{}: another l3net is learning it; wait for that one, or name another file",
            model.display()
        ))
    })
}
