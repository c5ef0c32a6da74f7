//! `l3net eval localize`: where does the sound come from?

use super::PictureArgs;
use super::drawn::{self, AllData, SharedArgs, report_failures};
use crate::cmd::value::choice;
use crate::eval::localize::LocalizeExperiment;
use crate::features::Crop;
use crate::net::{HeatmapKind, Weights};
use crate::report::Rendered;
use crate::report::localize::LocalizeReport;

/// Points at the source of the sound, in scenes where several things are seen
///
/// Measures how often the heatmap's peak lies in the box of the source, how well the
/// heatmap overlaps it, and how the correspondence changes with another sound, with
/// silence and with noise. The model is compared with an untrained network on the
/// same scenes, and with pointing without listening.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = crate::cmd::data::HELP)]
pub struct LocalizeArgs {
    #[command(flatten)]
    pub(super) shared: SharedArgs,
    /// Scenes of each DATA; annotated pictures are all used
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub scenes: u32,
    /// How the picture is looked at: whole, squeezed, or the paper's middle
    #[arg(long, value_parser = choice::<Crop>(), default_value = "full", value_name = "WHAT")]
    pub crop: Crop,
    /// Kind of heatmap: gradient, local or unit:K
    #[arg(long, default_value = "gradient", value_name = "KIND")]
    pub heatmap: HeatmapKind,
    #[command(flatten)]
    pub(super) picture: PictureArgs,
}

/// Judges scenes.
///
/// # Errors
/// Names the model, the data or the device, and what is wrong.
pub(super) fn run(args: &LocalizeArgs) -> anyhow::Result<Rendered> {
    let networks = args
        .shared
        .common
        .networks(args.heatmap, Weights::check_judges)?;
    let data = AllData::open(&args.shared)?;
    let experiment = LocalizeExperiment {
        scenes: args.scenes as usize,
    };
    let results = drawn::run(&args.shared, data, args.crop, &experiment, &networks)?;
    let complete = report_failures(&results);
    let settings = args.shared.settings(args.crop);
    let report = LocalizeReport::new(&networks, settings, args.heatmap.to_string(), results);
    Ok(Rendered::of(&report, complete)?)
}
