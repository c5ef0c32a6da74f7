//! `l3net eval image`: classes of pictures (paper, section 3.4, Table 3).

use super::PictureArgs;
use super::labelled::{HELP, LabelledArgs, report_unreadable};
use crate::eval::labelled::MediaKind;
use crate::eval::linear::classify;
use crate::eval::seconds::Seconds;
use crate::report::image::ImageReport;
use crate::report::{Rendered, display_name};

/// Classifies pictures by one linear layer on frozen features
///
/// The middle of each picture is described by conv4_2 of the vision trunk (8192
/// numbers). The model is compared with an untrained network and with always naming
/// the largest class.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = HELP)]
pub struct ImageArgs {
    #[command(flatten)]
    pub(super) labelled: LabelledArgs,
    #[command(flatten)]
    pub(super) picture: PictureArgs,
}

/// Trains and tests.
///
/// # Errors
/// Names the model, the data or the device, and what is wrong.
pub(super) fn run(args: &ImageArgs) -> anyhow::Result<Rendered> {
    let (labelled, kind) = (&args.labelled, MediaKind::Pictures);
    let data = labelled.read(kind)?;
    let networks = labelled.networks(kind)?;
    let extractions = labelled.extract(&data, kind, Seconds::default(), &networks)?;
    let device = networks.loaded[0].net.describe().device;
    let seed = labelled.common.seed;
    let bar = super::bar(
        extractions.len() * data.rounds.len(),
        labelled.common.talk.quiet,
    );
    let mut found = Vec::new();
    for (name, extraction) in networks.names().map(display_name).zip(&extractions) {
        let described = extraction.described();
        let classified = classify(&data, described, device, seed, &mut || bar.inc(1))?;
        found.push((name, classified));
    }
    bar.finish_and_clear();
    let unreadable = extractions[0].unreadable.clone();
    let complete = report_unreadable(&unreadable);
    let report = ImageReport::new(&networks, data, found, unreadable);
    Ok(Rendered::of(&report, complete)?)
}
