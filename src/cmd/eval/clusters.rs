//! `l3net eval clusters`: do files of one class lie together? (paper, section
//! 3.5.3, Table 4)

use super::PictureArgs;
use super::labelled::{LOOK_HELP, LookArgs, report_unreadable};
use crate::eval::clusters::{chance_level, clustered};
use crate::eval::extract::Extraction;
use crate::eval::labelled::Labelled;
use crate::eval::seconds::Seconds;
use crate::learn::Rows;
use crate::report::clusters::ClustersReport;
use crate::report::{Compared, Rendered};

/// Clusters pictures or sounds and compares the clusters with their classes
///
/// Each file is one sample: the picture, or the loudest second of the sound, as
/// pool4 describes it (512 numbers). The model is compared with an untrained network
/// and with clusters by chance.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = LOOK_HELP)]
pub struct ClustersArgs {
    #[command(flatten)]
    pub(super) look: LookArgs,
    /// Number of clusters
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(2..))]
    pub clusters: u16,
    #[command(flatten)]
    pub(super) picture: PictureArgs,
}

/// Clusters.
///
/// # Errors
/// Names the model, the data or the device, and what is wrong.
pub(super) fn run(args: &ClustersArgs) -> anyhow::Result<Rendered> {
    let (labelled, kind) = (&args.look.labelled, args.look.kind());
    let seed = labelled.common.seed;
    let data = args.look.read()?;
    let networks = labelled.networks(kind)?;
    let extractions = labelled.extract(&data, kind, Seconds::default(), &networks)?;
    let clusters = usize::from(args.clusters);
    let samples: Vec<(Vec<usize>, _)> = extractions.iter().map(|e| one_each(&data, e)).collect();
    let bar = super::bar(samples.len(), labelled.common.talk.quiet);
    let found = Compared::of(&networks, |judge| {
        let (labels, rows) = samples.get(judge)?;
        let found = clustered(rows, labels, clusters, seed);
        bar.inc(1);
        found
    });
    bar.finish_and_clear();
    let Some(found) = found else {
        anyhow::bail!(
            "{} files are fewer than {clusters} clusters; --clusters N asks for less",
            samples[0].0.len()
        );
    };
    let unreadable = extractions[0].unreadable.clone();
    let complete = report_unreadable(&unreadable);
    let chance = chance_level(&samples[0].0, clusters, seed);
    let report = ClustersReport::new(
        &networks,
        kind,
        data.classes,
        seed,
        found,
        chance,
        unreadable,
    );
    Ok(Rendered::of(&report, complete)?)
}

/// The class of each file that could be read, and its pool4.
fn one_each(data: &Labelled, extraction: &Extraction) -> (Vec<usize>, Rows) {
    let rows = extraction.one_each();
    let labels = rows
        .iter()
        .map(|&row| data.files[extraction.file_of[row]].class);
    (labels.collect(), extraction.pool4.select(&rows))
}
