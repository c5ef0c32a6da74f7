//! `l3net eval avc`: do picture and sound correspond?

use std::path::{Path, PathBuf};

use super::PictureArgs;
use super::drawn::{self, AllData, SharedArgs, report_failures};
use crate::cmd::common::Usage;
use crate::cmd::value::choice;
use crate::corpus::Split;
use crate::eval::Judge;
use crate::eval::avc::AvcExperiment;
use crate::eval::direct::Direct;
use crate::features::Crop;
use crate::net::{HeatmapKind, Weights};
use crate::report::Rendered;
use crate::report::avc::AvcReport;

/// Judges held-out pairs, of which half correspond
///
/// The model is compared with an untrained network on the same pairs, and with chance.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = crate::cmd::data::HELP)]
pub struct AvcArgs {
    #[command(flatten)]
    pub(super) shared: SharedArgs,
    /// Pairs of each DATA, half of which correspond
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(2..))]
    pub pairs: u32,
    /// A checkpoint of `train --task classify`: the paper's baseline that multiplies
    /// the classes of picture and sound
    #[arg(long, value_name = "CHECKPOINT")]
    pub direct: Option<PathBuf>,
    /// A model of `train --init CLASSIFIER --freeze trunks`: the paper's baseline that
    /// learns the fusion alone, on top of classifiers
    #[arg(long, value_name = "MODEL")]
    pub pretrained: Option<PathBuf>,
    /// How the picture is looked at: whole, squeezed, or the paper's middle
    #[arg(long, value_parser = choice::<Crop>(), default_value = "center", value_name = "WHAT")]
    pub crop: Crop,
    #[command(flatten)]
    pub(super) picture: PictureArgs,
}

/// Judges pairs.
///
/// # Errors
/// Names the model, the data or the device, and what is wrong.
pub(super) fn run(args: &AvcArgs) -> anyhow::Result<Rendered> {
    if !args.pairs.is_multiple_of(2) {
        return Err(Usage::error(
            "--pairs is even: half of the pairs correspond",
        ));
    }
    let common = &args.shared.common;
    let mut networks = common.networks(HeatmapKind::default(), Weights::check_judges)?;
    if let Some(file) = &args.pretrained {
        let options = common.net.compute.options();
        let weights = Weights::read(file)?;
        weights.check_judges()?;
        networks.add("pretrained", weights, &options)?;
    }
    let data = AllData::open(&args.shared)?;
    let experiment = AvcExperiment {
        pairs: args.pairs as usize,
    };
    if let Some(file) = &args.direct {
        networks.add_direct(direct(args, file, &data, &experiment)?)?;
    }
    let results = drawn::run(&args.shared, data, args.crop, &experiment, &networks)?;
    let complete = report_failures(&results);
    let report = AvcReport::new(&networks, args.shared.settings(args.crop), results);
    Ok(Rendered::of(&report, complete)?)
}

/// The baseline, its threshold chosen on as many validation pairs of all DATA.
fn direct(
    args: &AvcArgs,
    file: &Path,
    data: &AllData,
    experiment: &AvcExperiment,
) -> anyhow::Result<Direct> {
    let options = args.shared.common.net.compute.options();
    let mut direct = Direct::open(file, &options)?;
    let mut pairs = Vec::new();
    for opened in &data.opened {
        if opened.corpus.check(Split::Validation).is_err() {
            // Annotated pictures are all for the test: the others' threshold holds.
            continue;
        }
        let spec = direct.spec();
        let draws = (args.shared).draws(&*opened.corpus, Split::Validation, spec, args.crop);
        let judges: [Judge<'_>; 1] = [Box::new(|batch| direct.judge(batch))];
        pairs.extend(draws.judge(experiment, &judges, &mut || ())?.0);
    }
    if pairs.is_empty() {
        anyhow::bail!(
            "none of DATA has a part to validate with: --direct finds its threshold there"
        );
    }
    direct.choose(&pairs);
    Ok(direct)
}
