//! `l3net eval sound`: classes of sounds (paper, section 3.3, Table 2).

use serde::Serialize;

use super::Found;
use super::figure::{Chart, Of, PictureArgs};
use super::labelled::{HELP, Kind, LabelledArgs, tell_unreadable};
use super::networks::{Model, Networks, shown};
use super::output::{Table, percent};
use crate::corpus::CorpusError;
use crate::eval::Unreadable;
use crate::eval::classify::{Classified, Described, classify};
use crate::eval::extract::Extraction;
use crate::eval::mfcc;
use crate::eval::seconds::Seconds;
use crate::net::HeatmapKind;

/// Names the classes of sounds by a linear SVM on frozen features
///
/// Seconds are cut out of each sound at equal distances; conv4_2 of the audio
/// trunk describes them (6144 numbers), and what an SVM says of all seconds of a
/// sound names its class. Beside the model stand an untrained network and the
/// classic description by MFCC.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = HELP)]
pub struct SoundArgs {
    #[command(flatten)]
    pub(super) labelled: LabelledArgs,
    /// Seconds cut out of each sound; if not given two for each of its own, at
    /// most 60, as the paper takes 10 of 5 s and 60 of 30 s
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub clips: Option<u16>,
    #[command(flatten)]
    pub(super) picture: PictureArgs,
}

/// What was found; `--json` writes it as it is.
#[derive(Clone, Debug, Serialize)]
struct Report {
    model: Model,
    /// Seconds cut out of all sounds.
    seconds: usize,
    classes: Vec<String>,
    files: usize,
    chance: f64,
    /// One line for each description of the sounds.
    found: Vec<Line>,
    /// The paper's figures, for orientation: other data.
    paper: [Published; 7],
    unreadable: Vec<Unreadable>,
}

/// A description of the sounds, and what came of it.
#[derive(Clone, Debug, Serialize)]
struct Line {
    name: &'static str,
    #[serde(flatten)]
    classified: Classified,
}

/// A figure that was published for ESC-50 (50 classes), and for DCASE (10).
#[derive(Clone, Copy, Debug, Serialize)]
struct Published {
    method: &'static str,
    esc_50: Option<f64>,
    dcase: Option<f64>,
}

const fn published(method: &'static str, esc_50: Option<f64>, dcase: Option<f64>) -> Published {
    Published {
        method,
        esc_50,
        dcase,
    }
}

/// Table 2 of the paper.
const PAPER: [Published; 7] = [
    published("SVM-MFCC", Some(0.396), None),
    published("Random Forest", Some(0.443), None),
    published("Piczak ConvNet", Some(0.645), None),
    published("SoundNet", Some(0.742), Some(0.88)),
    published("L3-Net, random weights", Some(0.625), Some(0.85)),
    published("L3-Net", Some(0.793), Some(0.93)),
    published("people", Some(0.813), None),
];

/// Learns and tests.
///
/// # Errors
/// Names the model, the data or the device, and what is wrong.
pub(super) fn find(args: &SoundArgs) -> anyhow::Result<Found> {
    let labelled = &args.labelled;
    let kind = Kind::Sounds(args.clips.map_or(Seconds::ByLength, Seconds::Fixed));
    let data = labelled.read(kind)?;
    let networks = Networks::load(&labelled.common, HeatmapKind::default())?;
    let extractions = labelled.extract(&data, kind, &networks)?;
    let classic = mfcc::describe(&data, labelled.common.loaders())?;
    let mut described: Vec<(&str, Described<'_>)> = networks
        .names()
        .map(shown)
        .zip(extractions.iter().map(Extraction::described))
        .collect();
    described.push(("MFCC", classic.described()));
    let bar = super::bar(
        described.len() * data.rounds.len(),
        labelled.common.talk.quiet,
    );
    let found = described.into_iter().map(|(name, described)| {
        let classified = classify(&data, described, &mut || bar.inc(1))?;
        Ok(Line { name, classified })
    });
    let found = found.collect::<Result<_, CorpusError>>()?;
    bar.finish_and_clear();
    let report = Report {
        model: networks.model.clone(),
        seconds: extractions[0].file_of.len(),
        files: data.files.len(),
        chance: 1.0 / data.classes.len() as f64,
        classes: data.classes,
        found,
        paper: PAPER,
        unreadable: extractions[0].unreadable.clone(),
    };
    let whole = tell_unreadable(&report.unreadable);
    Ok(Found::of("sound", &report, table(&report), whole)?.with(chart(&report)))
}

fn table(report: &Report) -> Table {
    let mut table = Table::default();
    table.text(report.model.line());
    table.text(format!(
        "{} sounds of {} classes, {} seconds of them",
        report.files,
        report.classes.len(),
        report.seconds
    ));
    table.text("");
    let rounds = report
        .found
        .first()
        .map_or(&[][..], |l| &l.classified.rounds);
    let mut columns = vec!["accuracy"];
    if rounds.len() > 1 {
        columns.extend(rounds.iter().map(|r| r.name.as_str()));
    }
    table.header("", &columns);
    for line in &report.found {
        let mut cells = vec![percent(line.classified.accuracy)];
        if rounds.len() > 1 {
            let rounds = line.classified.rounds.iter();
            cells.extend(rounds.map(|r| percent(r.accuracy())));
        }
        table.row(line.name, cells);
    }
    table.row("chance", [percent(report.chance)]);
    table.text("");
    table.header("the paper, on its own data", &["ESC-50", "DCASE"]);
    for line in &report.paper {
        table.row(line.method, [percent(line.esc_50), percent(line.dcase)]);
    }
    table
}

fn chart(report: &Report) -> Chart {
    let mut chart = Chart::default();
    chart.shares(format!(
        "accuracy, {} classes of sounds",
        report.classes.len()
    ));
    let found = report.found.iter();
    chart.networks(found.map(|line| (line.name, Some(line.classified.accuracy), None)));
    chart.bar("chance", Of::Beside, report.chance, None);
    chart.shares("the paper, on ESC-50");
    chart.published(report.paper.iter().map(|line| (line.method, line.esc_50)));
    chart.shares("the paper, on DCASE");
    chart.published(report.paper.iter().map(|line| (line.method, line.dcase)));
    chart
}
