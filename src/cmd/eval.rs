//! `l3net eval`: the paper's experiments on one's own data.
//!
//! Belongs here: which experiments there are, and what all of them are told. What
//! they share lies beside: the networks that are compared (`networks`), data that
//! is drawn from (`drawn`), labelled files (`labelled`), tables and JSON (`output`),
//! pictures (`figure`), pages (`html`). Each experiment has a file of its own; the
//! work is done in [`crate::eval`].

pub mod all;
pub mod avc;
pub mod clusters;
mod drawn;
mod figure;
mod html;
pub mod image;
mod labelled;
pub mod localize;
mod networks;
mod output;
pub mod sound;
pub mod tsne;
pub mod units;

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use self::figure::{Chart, PictureArgs, PictureFile};
use self::output::{Destination, Table};
use super::common::{ComputeArgs, NetArgs, TalkArgs};

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

    /// Where its figures are drawn as bars.
    fn picture(&self) -> Option<&Path> {
        let PictureArgs { picture } = match self {
            Self::Avc(args) => &args.picture,
            Self::Localize(args) => &args.picture,
            Self::Sound(args) => &args.picture,
            Self::Image(args) => &args.picture,
            Self::Clusters(args) => &args.picture,
            // They make pictures of their own.
            Self::Units(_) | Self::Tsne(_) | Self::All(_) => return None,
        };
        picture.as_deref()
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
    /// The most important of them as bars.
    chart: Option<Chart>,
    /// Whether all of the data could be used.
    whole: bool,
}

impl Found {
    /// `report` is what the experiment has to say beside its name.
    fn of(
        experiment: &'static str,
        report: &impl Serialize,
        table: Table,
        whole: bool,
    ) -> anyhow::Result<Self> {
        #[derive(Serialize)]
        struct Named<'a, T> {
            r#type: &'static str,
            experiment: &'static str,
            #[serde(flatten)]
            report: &'a T,
        }
        let named = Named {
            r#type: "eval",
            experiment,
            report,
        };
        Ok(Self {
            json: serde_json::to_string_pretty(&named)?,
            table,
            chart: None,
            whole,
        })
    }

    fn with(mut self, chart: Chart) -> Self {
        self.chart = Some(chart);
        self
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
    let picture = args.what.picture().map(PictureFile::of).transpose()?;
    let found = args.what.find()?;
    let written = destination.write(&found);
    let drawn = match (picture, &found.chart) {
        (Some(picture), Some(chart)) => picture.write(&chart.scene()),
        _ => Ok(()),
    };
    // Last: who reads stdout may go at any time. None of them keeps the others from
    // being done.
    let shown = destination.show(&mut std::io::stdout().lock(), &found);
    for done in [written, drawn, shown] {
        match done {
            Err(error) if error.is_closed() => (),
            done => done?,
        }
    }
    Ok(found.whole)
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
