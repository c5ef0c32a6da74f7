//! `l3net eval`: the paper's experiments on one's own data.
//!
//! Belongs here: which experiments there are, and the options of all of them.
//! Options of several are in `drawn` (pairs and scenes) and `labelled` (files), where
//! reports go is in `output`. Each experiment has a file with its options. Does not:
//! the experiments ([`crate::eval`]), their reports ([`crate::report`]).

pub mod all;
pub mod avc;
pub mod clusters;
mod drawn;
pub mod image;
mod labelled;
pub mod localize;
mod output;
pub mod sound;
pub mod tsne;
pub mod units;

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::output::Destination;
use super::common::{ComputeArgs, NetArgs, TalkArgs, Usage};
use crate::eval::networks::Networks;
use crate::file_error::FileError;
use crate::net::{HeatmapKind, ModelError, Weights};
use crate::report::figure::FigureFile;
use crate::report::{Rendered, ReportError};

/// Run the paper's experiments on your own data
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
    /// All files as a map where near means alike (paper, Figure 10)
    Tsne(tsne::TsneArgs),
    /// Every experiment that the data allow, in one report
    All(all::AllArgs),
}

impl Experiment {
    /// The options of all experiments.
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

    /// The same, to be changed.
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

    /// Where its bar chart goes.
    fn picture(&self) -> Option<&Path> {
        let PictureArgs { picture } = match self {
            Self::Avc(args) => &args.picture,
            Self::Localize(args) => &args.picture,
            Self::Sound(args) => &args.picture,
            Self::Image(args) => &args.picture,
            Self::Clusters(args) => &args.picture,
            // These have pictures of their own.
            Self::Units(_) | Self::Tsne(_) | Self::All(_) => return None,
        };
        picture.as_deref()
    }

    /// Runs the experiment.
    fn run(&self) -> anyhow::Result<Rendered> {
        match self {
            Self::Avc(args) => avc::run(args),
            Self::Localize(args) => localize::run(args),
            Self::Sound(args) => sound::run(args),
            Self::Image(args) => image::run(args),
            Self::Clusters(args) => clusters::run(args),
            Self::Units(args) => units::run(args),
            Self::Tsne(args) => tsne::run(args),
            Self::All(args) => all::run(args),
        }
    }
}

/// Runs the experiment and writes its report. True if all of the data could be used.
///
/// # Errors
/// Names the model, the data or the device, and what is wrong.
pub fn run(args: &EvalArgs) -> anyhow::Result<bool> {
    let common = args.what.common();
    common.talk.start_log(std::io::stderr);
    let destination = Destination::new(common)?;
    let picture = args.what.picture().map(figure_file).transpose()?;
    let report = args.what.run()?;
    let written = destination.write(&report);
    let drawn = match (picture, &report.chart) {
        (Some(picture), Some(chart)) => picture.write(&chart.canvas()),
        _ => Ok(()),
    };
    // Last: stdout's reader may go at any time. A failure of one output does not
    // prevent the others.
    let shown = destination.show(&mut std::io::stdout().lock(), &report);
    for result in [written, drawn, shown] {
        match result {
            Err(error) if error.is_closed() => (),
            result => result?,
        }
    }
    Ok(report.complete)
}

/// A figure's file; another extension is wrong usage.
fn figure_file(path: &Path) -> anyhow::Result<FigureFile> {
    FigureFile::new(path).map_err(|error| match error {
        ReportError::Write(FileError::Extension { .. }) => Usage::error(error),
        error => error.into(),
    })
}

/// Where the bar chart goes.
#[derive(clap::Args, Clone, Debug)]
pub struct PictureArgs {
    /// Where to draw the figures as bars: .svg or .png
    #[arg(long, value_name = "FILE")]
    pub picture: Option<PathBuf>,
}

/// Options of all experiments.
#[derive(clap::Args, Clone, Debug)]
pub struct CommonArgs {
    #[command(flatten)]
    net: NetArgs,
    /// The same seed draws the same
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Skip the untrained network, and its half of the time
    #[arg(long)]
    pub no_untrained: bool,
    /// Threads that prepare features; the default depends on the device
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

    /// The model, and the untrained network if it takes part; `check` says whether it has the
    /// parts that are evaluated.
    fn networks(
        &self,
        heatmap: HeatmapKind,
        check: impl Fn(&Weights) -> Result<(), ModelError>,
    ) -> anyhow::Result<Networks> {
        let weights = self.net.weights()?;
        check(&weights)?;
        let net = self.net.place(&weights)?;
        let variant = net.describe().variant;
        let mut networks = Networks::new(weights, net, heatmap);
        if !self.no_untrained {
            let weights = Weights::random_of(variant, self.seed);
            networks.add("untrained", weights, &self.net.compute.options())?;
        }
        Ok(networks)
    }
}

/// A progress bar on stderr, if that is a terminal.
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
