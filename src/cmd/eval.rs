//! `l3net eval`: the paper's experiments on one's own data.
//!
//! Belongs here: which experiments there are, and what they share: the networks
//! that are compared, the data, what becomes of failures. Each experiment has a
//! file of its own; the work is done in [`crate::eval`].

pub mod all;
pub mod avc;
pub mod clusters;
mod html;
pub mod image;
mod labelled;
pub mod localize;
mod output;
pub mod sound;
pub mod tsne;
pub mod units;

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::{Serialize, Serializer};

use self::output::{Destination, Table};
use super::common::{ComputeArgs, NetArgs, TalkArgs};
use super::data::{DataArgs, Opened};
use crate::corpus::{Corpus, Split};
use crate::eval::direct::Direct;
use crate::eval::{Draws, EvalError, Judge, Unreadable};
use crate::features::Features;
use crate::net::{HeatmapKind, L3Net, NetError, Weights};
use crate::result::{Crop, Judgement};
use crate::stop::Stop;

/// Does the paper's experiments on one's own data
#[derive(clap::Args, Clone, Debug)]
pub struct EvalArgs {
    /// Which experiment
    #[command(subcommand)]
    pub what: Experiment,
}

/// The experiments.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Experiment {
    /// Do picture and sound correspond? (paper, section 3.2)
    Avc(avc::AvcArgs),
    /// Where does the sound come from? Needs scenes with boxes
    Localize(localize::LocalizeArgs),
    /// Which class is a sound of? (paper, section 3.3)
    Sound(sound::SoundArgs),
    /// Which class is a picture of? (paper, section 3.4)
    Image(image::ImageArgs),
    /// Do files of one class lie together? (paper, section 3.5.3)
    Clusters(clusters::ClustersArgs),
    /// What does each unit respond to? (paper, section 3.5)
    Units(units::UnitsArgs),
    /// All files as a map: near is alike (paper, Figure 10)
    Tsne(tsne::TsneArgs),
    /// All that the data allow, in one report
    All(all::AllArgs),
}

impl Experiment {
    /// What all experiments are told.
    fn common(&self) -> &CommonArgs {
        match self {
            Self::Avc(args) => &args.shared.common,
            Self::Localize(args) => &args.shared.common,
            Self::Sound(args) => &args.labelled.common,
            Self::Image(args) => &args.labelled.common,
            Self::Clusters(args) => &args.look.labelled.common,
            Self::Units(args) => &args.look.labelled.common,
            Self::Tsne(args) => &args.look.labelled.common,
            Self::All(args) => &args.common,
        }
    }

    /// The same, to be told otherwise.
    fn common_mut(&mut self) -> &mut CommonArgs {
        match self {
            Self::Avc(args) => &mut args.shared.common,
            Self::Localize(args) => &mut args.shared.common,
            Self::Sound(args) => &mut args.labelled.common,
            Self::Image(args) => &mut args.labelled.common,
            Self::Clusters(args) => &mut args.look.labelled.common,
            Self::Units(args) => &mut args.look.labelled.common,
            Self::Tsne(args) => &mut args.look.labelled.common,
            Self::All(args) => &mut args.common,
        }
    }

    /// Does it.
    fn find(&self) -> anyhow::Result<Found> {
        match self {
            Self::Avc(args) => avc::find(args),
            Self::Localize(args) => localize::find(args),
            Self::Sound(args) => sound::find(args),
            Self::Image(args) => image::find(args),
            Self::Clusters(args) => clusters::find(args),
            Self::Units(args) => units::find(args),
            Self::Tsne(args) => tsne::find(args),
            Self::All(args) => all::find(args),
        }
    }
}

/// What came of an experiment.
struct Found {
    /// The figures as one JSON object.
    json: String,
    /// The same for people.
    table: Table,
    /// Whether all of the data could be used.
    whole: bool,
}

impl Found {
    fn of(report: &impl Serialize, table: Table, whole: bool) -> anyhow::Result<Self> {
        Ok(Self {
            json: serde_json::to_string_pretty(report)?,
            table,
            whole,
        })
    }
}

/// Does the experiment and writes its figures. True if all of the data could be
/// used.
///
/// # Errors
/// Names the model, the data or the device, and what is wrong.
pub fn run(args: &EvalArgs) -> anyhow::Result<bool> {
    let common = args.what.common();
    common.talk.start_log(std::io::stderr);
    let destination = Destination::of(common)?;
    let found = args.what.find()?;
    destination.write(&mut std::io::stdout().lock(), &found)?;
    Ok(found.whole)
}

/// What experiments on drawn pairs and scenes are told.
#[derive(clap::Args, Clone, Debug)]
pub struct SharedArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Part of the data that is looked at
    #[arg(long, value_enum, default_value = "test", value_name = "PART")]
    pub split_part: Part,
    #[command(flatten)]
    common: CommonArgs,
}

/// What all experiments are told.
#[derive(clap::Args, Clone, Debug)]
pub struct CommonArgs {
    #[command(flatten)]
    net: NetArgs,
    /// The same seed asks the same
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Leave out the untrained network, and its half of the time
    #[arg(long)]
    pub no_untrained: bool,
    /// Threads that prepare features; chosen by the device if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub loaders: Option<u16>,
    /// Where to write the figures as JSON; with - the table goes to stderr
    #[arg(long, value_name = "FILE|-")]
    pub json: Option<PathBuf>,
    #[command(flatten)]
    talk: TalkArgs,
}

impl CommonArgs {
    fn loaders(&self) -> usize {
        ComputeArgs::loaders(self.loaders, self.net.compute.on_gpu())
    }
}

/// `--split-part`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// What is held out for the end.
    #[default]
    Test,
    /// What is held out to watch training.
    Validation,
    /// What the network learns from.
    Train,
}

impl From<Part> for Split {
    fn from(part: Part) -> Self {
        match part {
            Part::Test => Self::Test,
            Part::Validation => Self::Validation,
            Part::Train => Self::Train,
        }
    }
}

/// The model that is looked at; part of every report.
#[derive(Clone, Debug, Serialize)]
struct Model {
    file: PathBuf,
    trained: bool,
    device: String,
    precision: &'static str,
    conv1_stride: u8,
}

impl Model {
    fn line(&self) -> String {
        format!(
            "{}{} on {} in {}",
            self.file.display(),
            if self.trained { "" } else { " (untrained)" },
            self.device,
            self.precision
        )
    }
}

/// The network that is looked at, and what is judged beside it.
struct Networks {
    model: Model,
    /// The model first.
    placed: Vec<Placed>,
    direct: Option<Direct>,
    heatmap: HeatmapKind,
}

/// A network, and what it was made of.
struct Placed {
    name: &'static str,
    net: L3Net,
    weights: Weights,
}

impl Networks {
    fn load(args: &CommonArgs, heatmap: HeatmapKind) -> anyhow::Result<Self> {
        let weights = Weights::open(args.net.model.as_deref())?;
        let net = args.net.place(&weights)?;
        let info = net.describe();
        let model = Model {
            file: weights.source().to_owned(),
            trained: info.trained,
            device: info.device_name(),
            precision: info.precision_name(),
            conv1_stride: info.conv1_stride.get(),
        };
        let untrained = Weights::random(args.seed, info.conv1_stride);
        let mut networks = Self {
            model,
            placed: vec![Placed {
                name: "model",
                net,
                weights,
            }],
            direct: None,
            heatmap,
        };
        if !args.no_untrained {
            networks.add("untrained", untrained, args)?;
        }
        Ok(networks)
    }

    /// One more to be judged.
    fn add(
        &mut self,
        name: &'static str,
        weights: Weights,
        args: &CommonArgs,
    ) -> Result<(), NetError> {
        let net = L3Net::new(&weights, &args.net.compute.options())?;
        self.placed.push(Placed { name, net, weights });
        Ok(())
    }

    /// Calls `with` with all of them as judges, in the order of [`names`](Self::names).
    fn judges<R>(&self, with: impl FnOnce(&[Judge<'_>]) -> R) -> R {
        type Judging<'a> = Box<dyn Fn(&[&Features]) -> Result<Vec<Judgement>, NetError> + 'a>;
        let mut judges: Vec<Judging<'_>> = Vec::new();
        for placed in &self.placed {
            judges.push(Box::new(|batch| placed.net.judge(batch, self.heatmap)));
        }
        if let Some(direct) = &self.direct {
            judges.push(Box::new(|batch| direct.judge(batch)));
        }
        let judges: Vec<Judge<'_>> = judges.iter().map(|judge| &**judge as Judge<'_>).collect();
        with(&judges)
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        let direct = self.direct.iter().map(|_| DIRECT);
        self.placed.iter().map(|p| p.name).chain(direct)
    }
}

/// The name of the baseline that has no network of its own kind.
const DIRECT: &str = "direct";

/// Figures of the network that is looked at and of those beside it, in the order
/// of [`Networks::names`]; in JSON an object by name.
#[derive(Clone, Debug)]
struct Compared<S>(Vec<(&'static str, S)>);

impl<S> Compared<S> {
    /// From the scores of each judge; `None` if nothing was judged.
    fn of(networks: &Networks, scores: impl Fn(usize) -> Option<S>) -> Option<Self> {
        let named = networks.names().enumerate();
        let all: Vec<_> = named
            .filter_map(|(nth, name)| Some((name, scores(nth)?)))
            .collect();
        (!all.is_empty()).then_some(Self(all))
    }

    /// From what was made of each network's answers, in order.
    fn each<T>(networks: &Networks, made: &[T], score: impl Fn(&T) -> S) -> Self {
        let named = networks.names().zip(made);
        Self(named.map(|(name, made)| (name, score(made))).collect())
    }

    /// The figures of the network that is looked at.
    fn model(&self) -> &S {
        &self.0[0].1
    }

    /// With the names that people read.
    fn rows(&self) -> impl Iterator<Item = (&'static str, &S)> {
        self.0.iter().map(|(name, scores)| (shown(name), scores))
    }
}

impl<S: Serialize> Serialize for Compared<S> {
    fn serialize<T: Serializer>(&self, to: T) -> Result<T::Ok, T::Error> {
        to.collect_map(self.0.iter().map(|(name, scores)| (name, scores)))
    }
}

/// A network's name for people.
fn shown(name: &'static str) -> &'static str {
    match name {
        "untrained" => "untrained network",
        "pretrained" => "supervised pretraining",
        DIRECT => "supervised, direct combination",
        other => other,
    }
}

/// DATA that could not be used.
#[derive(Clone, Debug, Serialize)]
struct Failed {
    data: String,
    error: String,
}

/// What came of each DATA, in order, and what went wrong.
struct Gathered<J> {
    /// Name, description and what was judged.
    parts: Vec<(String, String, Vec<J>)>,
    unreadable: Vec<Unreadable>,
    failed: Vec<Failed>,
}

/// Judges as many draws of each DATA as `count` says. DATA that cannot be used does not keep the
/// rest from being done.
fn gather<J>(
    args: &SharedArgs,
    crop: Crop,
    count: impl Fn(&dyn Corpus) -> usize,
    networks: &Networks,
    judge: impl Fn(
        &Draws<'_>,
        &[Judge<'_>],
        &mut dyn FnMut(),
    ) -> Result<(Vec<J>, Vec<Unreadable>), EvalError>,
) -> anyhow::Result<Gathered<J>> {
    let opened = args.data.open(args.common.talk.quiet, &Stop::default())?;
    let counts: Vec<usize> = opened.iter().map(|o| count(&*o.corpus)).collect();
    let bar = bar(counts.iter().sum(), args.common.talk.quiet);
    let mut gathered = Gathered {
        parts: Vec::new(),
        unreadable: Vec::new(),
        failed: Vec::new(),
    };
    let mut first_error = None;
    for (nth, Opened { name, corpus, .. }) in opened.into_iter().enumerate() {
        let draws = Draws {
            corpus: &*corpus,
            split: args.split_part.into(),
            seed: args.common.seed,
            crop,
            loaders: args.common.loaders(),
        };
        bar.set_position(counts[..nth].iter().sum::<usize>() as u64);
        let result = networks.judges(|judges| judge(&draws, judges, &mut || bar.inc(1)));
        match result {
            Ok((judged, unreadable)) => {
                gathered.unreadable.extend(unreadable);
                gathered.parts.push((name, corpus.describe(), judged));
            }
            Err(EvalError::Corpus(error)) => {
                gathered.failed.push(Failed {
                    data: name,
                    error: error.to_string(),
                });
                first_error.get_or_insert(error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    bar.finish_and_clear();
    match first_error {
        Some(error) if gathered.parts.is_empty() => Err(error.into()),
        _ => Ok(gathered),
    }
}

impl<J> Gathered<J> {
    /// Names on stderr what could not be used. True if there was nothing.
    fn tell_failures(&self) -> bool {
        for Failed { data, error } in &self.failed {
            tracing::error!("{data}: {error}");
        }
        for Unreadable { file, error, draws } in &self.unreadable {
            let s = if *draws == 1 { "" } else { "s" };
            tracing::error!("{}: {error} ({draws} draw{s} made anew)", file.display());
        }
        self.failed.is_empty() && self.unreadable.is_empty()
    }

    /// All that was judged, of whatever DATA, if it is several.
    fn all(&self) -> Option<Vec<&J>> {
        let several = self.parts.len() > 1;
        several.then(|| {
            self.parts
                .iter()
                .flat_map(|(_, _, judged)| judged)
                .collect()
        })
    }
}

/// A bar on stderr, if that is a terminal.
fn bar(length: usize, quiet: bool) -> ProgressBar {
    let target = if quiet {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr_with_hz(5)
    };
    let bar = ProgressBar::with_draw_target(Some(length as u64), target);
    let template = "{bar:30} {pos}/{len}  {per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
