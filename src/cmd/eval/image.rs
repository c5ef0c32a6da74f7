//! `l3net eval image`: classes of pictures (paper, section 3.4, Table 3).

use serde::Serialize;

use super::Found;
use super::figure::{Chart, Of, PictureArgs};
use super::labelled::{HELP, Kind, LabelledArgs, tell_unreadable};
use super::networks::{Model, Networks, shown};
use super::output::{Table, percent};
use crate::eval::Unreadable;
use crate::eval::linear::{Named, classify};
use crate::net::HeatmapKind;

/// Names the classes of pictures by one linear layer on frozen features
///
/// conv4_2 of the vision trunk describes the middle of each picture (8192
/// numbers). Beside the model stand an untrained network and the largest class.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = HELP)]
pub struct ImageArgs {
    #[command(flatten)]
    pub(super) labelled: LabelledArgs,
    #[command(flatten)]
    pub(super) picture: PictureArgs,
}

/// What was found; `--json` writes it as it is.
#[derive(Clone, Debug, Serialize)]
struct Report {
    model: Model,
    classes: Vec<String>,
    files: usize,
    /// The share of the largest class among the pictures tested on: always its
    /// name would be right so often.
    largest_class: f64,
    /// One line for each network.
    found: Vec<Line>,
    /// The paper's figures on ImageNet, for orientation: 1000 classes.
    paper: [(&'static str, f64); 4],
    unreadable: Vec<Unreadable>,
}

#[derive(Clone, Debug, Serialize)]
struct Line {
    name: &'static str,
    #[serde(flatten)]
    named: Named,
}

/// From Table 3 of the paper: top-1 on ImageNet.
const PAPER: [(&str, f64); 4] = [
    ("L3-Net, random weights", 0.129),
    ("Pathak et al.", 0.223),
    ("L3-Net", 0.323),
    ("Noroozi and Favaro", 0.347),
];

/// Learns and tests.
///
/// # Errors
/// Names the model, the data or the device, and what is wrong.
pub(super) fn find(args: &ImageArgs) -> anyhow::Result<Found> {
    let labelled = &args.labelled;
    let data = labelled.read(Kind::Pictures)?;
    let networks = Networks::load(&labelled.common, HeatmapKind::default())?;
    let extractions = labelled.extract(&data, Kind::Pictures, &networks)?;
    let device = networks.placed[0].net.describe().device;
    let bar = super::bar(
        extractions.len() * data.rounds.len(),
        labelled.common.talk.quiet,
    );
    let mut found = Vec::new();
    for (name, extraction) in networks.names().map(shown).zip(&extractions) {
        let described = extraction.described();
        let named = classify(&data, described, device, labelled.common.seed, &mut || {
            bar.inc(1)
        });
        found.push(Line {
            name,
            named: named?,
        });
    }
    bar.finish_and_clear();
    let tested = || data.rounds.iter().flat_map(|r| &r.test);
    let largest = (0..data.classes.len())
        .map(|class| tested().filter(|&&f| data.files[f].class == class).count())
        .max();
    let report = Report {
        model: networks.model.clone(),
        files: data.files.len(),
        largest_class: largest.unwrap_or(0) as f64 / tested().count().max(1) as f64,
        classes: data.classes,
        found,
        paper: PAPER,
        unreadable: extractions[0].unreadable.clone(),
    };
    let whole = tell_unreadable(&report.unreadable);
    Ok(Found::of("image", &report, table(&report), whole)?.with(chart(&report)))
}

fn table(report: &Report) -> Table {
    let mut table = Table::default();
    table.text(report.model.line());
    table.text(format!(
        "{} pictures of {} classes",
        report.files,
        report.classes.len()
    ));
    table.text("");
    table.header("", &["tested", "top-1", "top-5"]);
    for Line { name, named } in &report.found {
        let cells = [
            named.files.to_string(),
            percent(named.top_1),
            percent(named.top_5),
        ];
        table.row(name, cells);
    }
    table.row(
        "the largest class",
        [String::new(), percent(report.largest_class)],
    );
    table.text("");
    table.header("the paper, on ImageNet", &["top-1"]);
    for (method, top_1) in report.paper {
        table.row(method, [percent(top_1)]);
    }
    table
}

fn chart(report: &Report) -> Chart {
    let mut chart = Chart::default();
    let found = || report.found.iter().map(|line| (line.name, &line.named));
    chart.shares(format!(
        "top-1, {} classes of pictures",
        report.classes.len()
    ));
    chart.networks(found().map(|(name, named)| (name, Some(named.top_1), None)));
    chart.bar("the largest class", Of::Beside, report.largest_class, None);
    chart.shares("top-5");
    chart.networks(found().map(|(name, named)| (name, named.top_5, None)));
    chart.shares("the paper, top-1 on ImageNet");
    chart.published(
        report
            .paper
            .into_iter()
            .map(|(method, top_1)| (method, Some(top_1))),
    );
    chart
}
