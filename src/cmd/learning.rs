//! `live --adapt`: learning during a run.
//!
//! Belongs here: its arguments, the files it begins from, its messages. Does not: when
//! and how it learns ([`crate::sink::learner`], [`crate::adapt`]).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crossbeam_channel::Sender;
use jiff::SignedDuration;
use tch::Device;

use super::common::{Usage, parse_time, say};
use super::progress::Bar;
use crate::adapt::{Background, Outcome, Plan, Reservoir, Settings};
use crate::engine::Replacement;
use crate::media::Source;
use crate::net::Weights;
use crate::report::table::percent;
use crate::sink::SinkError;
use crate::sink::learner::Learner;
use crate::text::plural;
use crate::time::{Hop, SAMPLE_RATE};

/// Options of `live` for learning.
#[derive(clap::Args, Clone, Debug)]
pub struct LearningArgs {
    /// Learn meanwhile which sound belongs to which stream, and keep it in MODEL
    /// (.safetensors): if it is there, the run begins with it
    #[arg(long, value_name = "MODEL")]
    adapt: Option<PathBuf>,
    /// Learn after this much of a stream, such as 2m or 1h; then whenever there is twice as
    /// much
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = parse_time, requires = "adapt")]
    adapt_after: SignedDuration,
    /// Share of one core for learning, 1 to 100
    #[arg(long, value_name = "PERCENT", default_value = "10", value_parser = clap::value_parser!(u8).range(1..=100), requires = "adapt")]
    adapt_cpu: u8,
    /// Steps of learning; there are five rounds of them
    #[arg(long, value_name = "N", default_value = "4000", value_parser = clap::value_parser!(u64).range(1..), requires = "adapt")]
    adapt_steps: u64,
    /// Windows that are kept of each stream, spread evenly
    #[arg(long, value_name = "N", default_value = "3600", value_parser = clap::value_parser!(u32).range(16..), requires = "adapt")]
    adapt_keep: u32,
}

/// What a run learns with.
pub struct Learning {
    args: LearningArgs,
    model: PathBuf,
    base: Weights,
    present: Weights,
    reservoir: Reservoir,
    kept_in: PathBuf,
}

impl Learning {
    /// Opens what is there. `None` without --adapt.
    ///
    /// # Errors
    /// Files that do not fit, or streams that cannot be learnt.
    pub fn open(
        args: &LearningArgs,
        base: &Weights,
        sources: &[Source],
    ) -> anyhow::Result<Option<Self>> {
        let Some(model) = args.adapt.clone() else {
            return Ok(None);
        };
        check_model_path("--adapt", &model)?;
        let present = model_there(&model, base)?.unwrap_or_else(|| base.clone());
        let kept_in = model.with_extension("features");
        let keep = args.adapt_keep as usize;
        let reservoir = Reservoir::read(&kept_in, keep, base.trunk_fingerprint())
            .map_err(|error| Usage::error(error.to_string()))?;
        let mut cameras: BTreeSet<&str> = sources.iter().map(Source::camera).collect();
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
            args: args.clone(),
            model,
            base: base.clone(),
            present,
            reservoir,
            kept_in,
        }))
    }

    /// The model that the run begins with.
    pub fn present(&self) -> &Weights {
        &self.present
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
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn start(
        self,
        sources: &[Source],
        hop: Hop,
        device: Device,
        replacements: Sender<Replacement>,
        bar: &Bar,
        quiet: bool,
    ) -> Result<Learner, SinkError> {
        let samples = self.args.adapt_after.as_secs_f64() * f64::from(SAMPLE_RATE);
        let windows = samples / hop.samples() as f64;
        let trunks = self.base.trunk_fingerprint();
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
        };
        let (model, lines) = (self.model.clone(), bar.clone());
        let report = move |outcome| {
            let (text, is_news) = match outcome {
                Outcome::Better {
                    fusion,
                    model: record,
                    figures,
                    before,
                    skipped,
                } => {
                    for out in skipped {
                        lines.say(&format!("l3net: {}: not learnt: {}", out.camera, out.why));
                    }
                    let model = record;
                    let cameras = plural(figures.cameras.len(), "stream");
                    // Fails only if the run is over.
                    let _ = replacements.send(Replacement { fusion, model });
                    let text = format!(
                        "learnt {cameras}: {} of held-out windows right, {} before; it judges from \
                         now on",
                        percent(figures.accuracy),
                        percent(before.accuracy)
                    );
                    (text, true)
                }
                Outcome::NotBetter { figures, before } => {
                    let text = format!(
                        "learnt anew and not better ({} of held-out windows right, {} before); the \
                         present one stays",
                        percent(figures.accuracy),
                        percent(before.accuracy)
                    );
                    (text, true)
                }
                Outcome::Failed(error) => (
                    format!("nothing new was learnt, the present model stays: {error}"),
                    false,
                ),
            };
            if !(is_news && quiet) {
                lines.say(&format!("l3net: {}: {text}", model.display()));
            }
        };
        let background = Background::start(plan, report)
            .map_err(SinkError::io(&self.model, "start a thread for"))?;
        let camera = |source: &Source| (source.name.clone(), source.camera().to_owned());
        Ok(Learner {
            reservoir: self.reservoir,
            path: self.kept_in,
            trunks,
            camera_of: sources.iter().map(camera).collect(),
            first: windows.ceil() as u64,
            background,
            written: Instant::now(),
        })
    }
}

/// Checks the name of a model that is going to be written.
///
/// # Errors
/// [`Usage`], which names the option.
pub fn check_model_path(option: &str, path: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        return Err(Usage::error(format!(
            "{option} MODEL is a folder; name a file in it"
        )));
    }
    if path.extension().is_none_or(|e| e != "safetensors") {
        return Err(Usage::error(format!(
            "{option} MODEL must end in .safetensors"
        )));
    }
    check_folder(&format!("{option} MODEL"), path)
}

/// Checks that a file can have its place.
///
/// # Errors
/// [`Usage`], which names the option.
pub fn check_folder(option: &str, path: &Path) -> anyhow::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    match folder.filter(|folder| !folder.is_dir()) {
        Some(folder) => Err(Usage::error(format!(
            "{option} {}: there is no folder {}; make it first",
            path.display(),
            folder.display()
        ))),
        None => Ok(()),
    }
}

/// The adapted model that is there already.
///
/// # Errors
/// If it cannot be read, or was made from another model than `base`.
pub fn model_there(path: &Path, base: &Weights) -> anyhow::Result<Option<Weights>> {
    if !path.exists() {
        return Ok(None);
    }
    let present = Weights::read(path)?;
    if !present.has_trunks_of(base) {
        return Err(Usage::error(format!(
            "{}: was made from another model than {}; name another file, or delete it",
            path.display(),
            base.source().display()
        )));
    }
    Ok(Some(present))
}
