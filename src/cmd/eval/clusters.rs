//! `l3net eval clusters`: do files of one class lie together? (paper, section
//! 3.5.3, Table 4)

use serde::Serialize;

use super::Found;
use super::figure::{Chart, Of as Whose, PictureArgs};
use super::labelled::{Kind, LOOK_HELP, LookArgs, Of, tell_unreadable};
use super::networks::{Compared, Model, Networks};
use super::output::{Table, number};
use crate::eval::Unreadable;
use crate::eval::clusters::{Clustered, clustered, floor};
use crate::eval::extract::Extraction;
use crate::eval::labelled::Labelled;
use crate::net::HeatmapKind;

/// Clusters pictures or sounds and holds the clusters against their classes
///
/// One sample of each file: the picture, or the loudest second of the
/// sound, as pool4 describes it (512 numbers). Beside the model stand an untrained
/// network and clusters by chance.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = LOOK_HELP)]
pub struct ClustersArgs {
    #[command(flatten)]
    pub(super) look: LookArgs,
    /// How many clusters
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(2..))]
    pub clusters: u16,
    #[command(flatten)]
    pub(super) picture: PictureArgs,
}

/// What was found; `--json` writes it as it is.
#[derive(Clone, Debug, Serialize)]
struct Report {
    model: Model,
    of: Of,
    classes: Vec<String>,
    seed: u64,
    found: Compared<Clustered>,
    /// Normalised mutual information of clusters by chance.
    chance: f64,
    /// The paper's figures on Kinetics-Sounds: vision, audio.
    paper: [(&'static str, f64, f64); 3],
    unreadable: Vec<Unreadable>,
}

/// Table 4 of the paper.
const PAPER: [(&str, f64, f64); 3] = [
    ("clusters by chance", 0.165, 0.165),
    ("L3-Net, random weights", 0.204, 0.219),
    ("L3-Net", 0.409, 0.330),
];

/// Clusters.
///
/// # Errors
/// Names the model, the data or the device, and what is wrong.
pub(super) fn find(args: &ClustersArgs) -> anyhow::Result<Found> {
    let (labelled, of) = (&args.look.labelled, args.look.of);
    let seed = labelled.common.seed;
    let data = args.look.read()?;
    let networks = Networks::load(&labelled.common, HeatmapKind::default())?;
    let extractions = labelled.extract(&data, Kind::of(of), &networks)?;
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
    let report = Report {
        model: networks.model.clone(),
        of,
        seed,
        found,
        chance: floor(&samples[0].0, clusters, seed),
        classes: data.classes,
        paper: PAPER,
        unreadable: extractions[0].unreadable.clone(),
    };
    let whole = tell_unreadable(&report.unreadable);
    Ok(Found::of("clusters", &report, table(&report), whole)?.with(chart(&report)))
}

/// The class of each file that could be read, and its pool4.
fn one_each(data: &Labelled, extraction: &Extraction) -> (Vec<usize>, crate::eval::learn::Rows) {
    let rows = extraction.one_each();
    let labels = rows
        .iter()
        .map(|&row| data.files[extraction.file_of[row]].class);
    (labels.collect(), extraction.pool4.select(&rows))
}

fn table(report: &Report) -> Table {
    let mut table = Table::default();
    table.text(report.model.line());
    table.text(format!(
        "{} {} of {} classes in {} clusters",
        report.found.model().samples,
        report.of.name(),
        report.classes.len(),
        report.found.model().clusters
    ));
    table.text("");
    table.header("normalised mutual information", &[""]);
    for (name, found) in report.found.rows() {
        table.row(name, [number(found.nmi)]);
    }
    table.row("clusters by chance", [number(report.chance)]);
    table.text("");
    table.header("the paper, on Kinetics-Sounds", &["vision", "audio"]);
    for (method, vision, audio) in report.paper {
        table.row(method, [number(vision), number(audio)]);
    }
    table
}

fn chart(report: &Report) -> Chart {
    let mut chart = Chart::default();
    let of = report.of.name();
    chart.numbers(format!(
        "normalised mutual information of clusters and classes of {of}"
    ));
    chart.networks(
        report
            .found
            .rows()
            .map(|(name, found)| (name, Some(found.nmi), None)),
    );
    chart.bar("clusters by chance", Whose::Beside, report.chance, None);
    let paper = || report.paper.into_iter();
    chart.numbers("the paper, on Kinetics-Sounds: vision");
    chart.published(paper().map(|(method, vision, _)| (method, Some(vision))));
    chart.numbers("the paper, on Kinetics-Sounds: audio");
    chart.published(paper().map(|(method, _, audio)| (method, Some(audio))));
    chart
}
