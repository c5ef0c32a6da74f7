//! `l3net eval tsne`: do files of one class lie together? (paper, section 3.5.3,
//! Figure 10)

use std::path::PathBuf;

use serde::Serialize;

use super::Found;
use super::figure::{Panel, PictureFile, map};
use super::labelled::{Kind, LOOK_HELP, LookArgs, Of, tell_unreadable};
use super::networks::{Compared, Model, Networks};
use super::output::{Table, number, percent};
use crate::eval::extract::Extraction;
use crate::eval::labelled::Labelled;
use crate::eval::learn::{Places, ROUNDS, agreement, chance_agreement, most_agreement};
use crate::eval::{Unreadable, as_text};
use crate::net::HeatmapKind;

/// Neighbours that are asked for their class.
const NEIGHBOURS: usize = 10;

/// Draws what the network makes of files as a map: near is alike (t-SNE)
///
/// Each file is a mark, with the colour and shape of its class, at a place found
/// by t-SNE from its 512 numbers of pool4. Beside the model stands an untrained
/// network. The share of the 10 nearest marks that are of the same class says
/// in a number what the picture shows.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = LOOK_HELP)]
pub struct TsneArgs {
    #[command(flatten)]
    pub(super) look: LookArgs,
    /// The picture: .svg or .png
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// About how many neighbours each file should stay near to
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(2..))]
    pub perplexity: u16,
}

/// What was found; `--json` writes it as it is.
#[derive(Clone, Debug, Serialize)]
struct Report {
    model: Model,
    of: Of,
    seed: u64,
    perplexity: u16,
    neighbours: usize,
    classes: Vec<String>,
    /// Share of neighbours of the same class, were the nearest any.
    chance: Option<f64>,
    /// The same, were they as far as possible of the same class: small classes
    /// have not enough of it.
    at_best: Option<f64>,
    found: Compared<Nearness>,
    files: Vec<File>,
    unreadable: Vec<Unreadable>,
}

/// What one network's features came to.
#[derive(Clone, Copy, Debug, Serialize)]
struct Nearness {
    /// Share of the nearest in the picture that are of the same class.
    same_class_near: Option<f64>,
    /// The same among the 512 numbers themselves.
    same_class_near_in_512: Option<f64>,
    /// What the picture lacks, in nats.
    divergence: f64,
}

/// A file and its places.
#[derive(Clone, Debug, Serialize)]
struct File {
    #[serde(serialize_with = "as_text")]
    file: PathBuf,
    class: String,
    #[serde(flatten)]
    place: Compared<[f32; 2]>,
}

/// A network's files in the plane.
struct Laid {
    /// The file of each place.
    files: Vec<usize>,
    places: Places,
    found: Nearness,
}

/// Finds places, and writes the picture.
///
/// # Errors
/// Names the model, the data, the picture or the device, and what is wrong.
pub(super) fn find(args: &TsneArgs) -> anyhow::Result<Found> {
    let labelled = &args.look.labelled;
    let picture = PictureFile::of(&args.output)?;
    let data = args.look.read()?;
    Places::check(data.files.len(), args.perplexity.into())?;
    let networks = Networks::load(&labelled.common, HeatmapKind::default())?;
    let extractions = labelled.extract(&data, Kind::of(args.look.of), &networks)?;
    let laid = lay(args, &data, &extractions)?;

    let report = report(args, &data, &networks, &laid, &extractions[0]);
    let panels = panels(&report, &data, &laid);
    picture.write(&map(&panels, &data.classes))?;
    let whole = tell_unreadable(&report.unreadable);
    Found::of("tsne", &report, table(&report), whole)
}

/// Lays out what each network made of the files.
fn lay(args: &TsneArgs, data: &Labelled, extractions: &[Extraction]) -> anyhow::Result<Vec<Laid>> {
    let common = &args.look.labelled.common;
    let bar = super::bar(ROUNDS * extractions.len(), common.talk.quiet);
    let one = |found: &Extraction| -> anyhow::Result<Laid> {
        let rows = found.one_each();
        let files: Vec<usize> = rows.iter().map(|&row| found.file_of[row]).collect();
        let labels: Vec<usize> = files.iter().map(|&file| data.files[file].class).collect();
        let pool4 = found.pool4.select(&rows);
        let perplexity = args.perplexity.into();
        let places = Places::find(&pool4, perplexity, common.seed, &mut || bar.inc(1))?;
        let found = Nearness {
            same_class_near: agreement(&places.places, &labels, NEIGHBOURS),
            same_class_near_in_512: agreement(&pool4, &labels, NEIGHBOURS),
            divergence: places.divergence,
        };
        Ok(Laid {
            files,
            places,
            found,
        })
    };
    let laid = extractions.iter().map(one).collect();
    bar.finish_and_clear();
    laid
}

fn report(
    args: &TsneArgs,
    data: &Labelled,
    networks: &Networks,
    laid: &[Laid],
    read: &Extraction,
) -> Report {
    let labels: Vec<usize> = (laid[0].files.iter())
        .map(|&file| data.files[file].class)
        .collect();
    let files = laid[0].files.iter().enumerate().map(|(row, &file)| File {
        file: data.files[file].media.name(),
        class: data.classes[data.files[file].class].clone(),
        place: Compared::each(networks, laid, |laid| place(&laid.places, row)),
    });
    Report {
        model: networks.model.clone(),
        of: args.look.of,
        seed: args.look.labelled.common.seed,
        perplexity: args.perplexity,
        neighbours: NEIGHBOURS,
        classes: data.classes.clone(),
        chance: chance_agreement(&labels),
        at_best: most_agreement(&labels, NEIGHBOURS),
        found: Compared::each(networks, laid, |laid| laid.found),
        files: files.collect(),
        unreadable: read.unreadable.clone(),
    }
}

fn place(places: &Places, row: usize) -> [f32; 2] {
    let place = places.places.row(row);
    [place[0], place[1]]
}

fn panels(report: &Report, data: &Labelled, laid: &[Laid]) -> Vec<Panel> {
    let panel = |(laid, (name, _)): (&Laid, (&str, &Nearness))| Panel {
        title: format!("{}: {name}", report.of.name()),
        note: format!(
            "{} of the {NEIGHBOURS} nearest are of the same class",
            percent(laid.found.same_class_near)
        ),
        marks: (laid.files.iter().enumerate())
            .map(|(row, &file)| (place(&laid.places, row), data.files[file].class))
            .collect(),
    };
    laid.iter().zip(report.found.rows()).map(panel).collect()
}

fn table(report: &Report) -> Table {
    let mut table = Table::default();
    table.text(report.model.line());
    table.text(format!(
        "{} {} of {} classes; how many of the {NEIGHBOURS} nearest are of the same class",
        report.files.len(),
        report.of.name(),
        report.classes.len()
    ));
    table.text("");
    table.header("", &["in the picture", "in 512 numbers", "divergence"]);
    let cells = |found: &Nearness| {
        [
            percent(found.same_class_near),
            percent(found.same_class_near_in_512),
            number(found.divergence),
        ]
    };
    for (name, found) in report.found.rows() {
        table.row(name, cells(found));
    }
    table.row("chance", [percent(report.chance)]);
    table.row("at best", [percent(report.at_best)]);
    table
}
