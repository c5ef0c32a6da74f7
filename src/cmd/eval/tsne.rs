//! `l3net eval tsne`: do files of one class lie together? (paper, section 3.5.3,
//! Figure 10)

use std::path::PathBuf;

use super::figure_file;
use super::labelled::{LOOK_HELP, LookArgs, report_unreadable};
use crate::eval::extract::Extraction;
use crate::eval::labelled::Labelled;
use crate::eval::seconds::Seconds;
use crate::learn::{Embedding, ROUNDS};
use crate::report::Rendered;
use crate::report::tsne::{Embedded, TsneReport};

/// Draws files as a map where near means alike to the network (t-SNE)
///
/// Each file is a mark with the colour and shape of its class, placed by t-SNE from
/// its 512 numbers of pool4. The model is compared with an untrained network. The
/// share of the 10 nearest marks that are of the same class sums up the picture.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = LOOK_HELP)]
pub struct TsneArgs {
    #[command(flatten)]
    pub(super) look: LookArgs,
    /// The picture: .svg or .png
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// About how many neighbours each file is kept near to
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(2..))]
    pub perplexity: u16,
}

/// Embeds the files in the plane, and writes the picture.
///
/// # Errors
/// Names the model, the data, the picture or the device, and what is wrong.
pub(super) fn run(args: &TsneArgs) -> anyhow::Result<Rendered> {
    let (labelled, kind) = (&args.look.labelled, args.look.kind());
    let picture = figure_file(&args.output)?;
    let data = args.look.read()?;
    Embedding::check(data.files.len(), args.perplexity.into())?;
    let networks = labelled.networks(kind)?;
    let extractions = labelled.extract(&data, kind, Seconds::default(), &networks)?;
    let embedded = embed(args, &data, &extractions)?;

    let unreadable = extractions[0].unreadable.clone();
    let complete = report_unreadable(&unreadable);
    let settings = (labelled.common.seed, args.perplexity);
    let report = TsneReport::new(&networks, kind, settings, &data, &embedded, unreadable);
    picture.write(&report.canvas(&data, &embedded))?;
    Ok(Rendered::of(&report, complete)?)
}

/// Embeds the files by each network's features.
fn embed(
    args: &TsneArgs,
    data: &Labelled,
    extractions: &[Extraction],
) -> anyhow::Result<Vec<Embedded>> {
    let common = &args.look.labelled.common;
    let bar = super::bar(ROUNDS * extractions.len(), common.talk.quiet);
    let one = |found: &Extraction| -> anyhow::Result<Embedded> {
        let pool4 = found.pool4.select(&found.one_each());
        let perplexity = args.perplexity.into();
        let embedding = Embedding::new(&pool4, perplexity, common.seed, &mut || bar.inc(1))?;
        Ok(Embedded::new(data, found, embedding))
    };
    let embedded = extractions.iter().map(one).collect();
    bar.finish_and_clear();
    embedded
}
