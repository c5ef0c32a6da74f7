//! `l3net eval sound`: classes of sounds (paper, section 3.3, Table 2).

use super::PictureArgs;
use super::labelled::{HELP, LabelledArgs, report_unreadable};
use crate::eval::classify::{Described, classify};
use crate::eval::extract::Extraction;
use crate::eval::labelled::MediaKind;
use crate::eval::mfcc;
use crate::eval::seconds::Seconds;
use crate::report::sound::SoundReport;
use crate::report::{Rendered, display_name};

/// Classifies sounds by a linear SVM on frozen features
///
/// Seconds are cut out of each sound at equal distances and described by conv4_2 of
/// the audio trunk (6144 numbers). The scores of an SVM, summed over the seconds of
/// a sound, give its class. The model is compared with an untrained network and
/// with MFCC features.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = HELP)]
pub struct SoundArgs {
    #[command(flatten)]
    pub(super) labelled: LabelledArgs,
    /// Seconds cut out of each sound; by default two for each of its own, at most
    /// 60, as in the paper (10 of 5 s, 60 of 30 s)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub clips: Option<u16>,
    #[command(flatten)]
    pub(super) picture: PictureArgs,
}

/// Trains and tests.
///
/// # Errors
/// Names the model, the data or the device, and what is wrong.
pub(super) fn run(args: &SoundArgs) -> anyhow::Result<Rendered> {
    let labelled = &args.labelled;
    let seconds = args.clips.map_or(Seconds::ByLength, Seconds::Fixed);
    let data = labelled.read(MediaKind::Sounds)?;
    let networks = labelled.networks(MediaKind::Sounds)?;
    let extractions = labelled.extract(&data, MediaKind::Sounds, seconds, &networks)?;
    let mfcc = mfcc::describe(&data, labelled.common.loaders())?;
    let names = networks.names().map(display_name);
    let mut described: Vec<(&str, Described<'_>)> = names
        .zip(extractions.iter().map(Extraction::described))
        .collect();
    described.push(("MFCC", mfcc.described()));
    let bar = super::bar(
        described.len() * data.rounds.len(),
        labelled.common.talk.quiet,
    );
    let mut found = Vec::new();
    for (name, described) in described {
        found.push((name, classify(&data, described, &mut || bar.inc(1))?));
    }
    bar.finish_and_clear();
    let complete = report_unreadable(&extractions[0].unreadable);
    let report = SoundReport::new(&networks, data, &extractions[0], found);
    Ok(Rendered::of(&report, complete)?)
}
