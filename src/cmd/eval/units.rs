//! `l3net eval units`: what single units respond to (paper, sections 3.5.1 to
//! 3.5.3, Figures 3 to 9).

mod drawing;
mod page;
mod sheet;

use std::path::PathBuf;

use anyhow::bail;
use serde::Serialize;

use super::Found;
use super::html::Page;
use super::labelled::{Kind, LOOK_HELP, LookArgs, Of, tell_unreadable};
use super::networks::{Compared, Model, Networks};
use super::output::{Table, write_whole};
use crate::eval::labelled::Labelled;
use crate::eval::units::{
    Best, Unit, best_of_classes, covered, covered_by_chance, most_pure, rank,
};
use crate::eval::{Unreadable, as_text};
use crate::net::HeatmapKind;

/// Shows which files excite single units most, and whether these are of one class
///
/// All files are ranked by each of the 512 units of pool4, and the strongest are
/// kept. A class is covered if some unit has 4 (or 3) of its 5 strongest files in
/// it. Beside the model stand an untrained network, and units that rank by chance.
/// REPORT_DIR/index.html shows the purest units: their strongest files, and where
/// in these they are excited (conv4_2).
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = LOOK_HELP)]
pub struct UnitsArgs {
    #[command(flatten)]
    pub(super) look: LookArgs,
    /// Folder for index.html, units.png and what they show
    #[arg(long, short, value_name = "REPORT_DIR")]
    pub output: PathBuf,
    /// How many files a unit is judged by, its strongest
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(3..=20))]
    pub top: u8,
    /// Units in the report, at most
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(..=512))]
    pub most: u16,
}

/// What was found; `--json` writes it as it is.
#[derive(Clone, Debug, Serialize)]
struct Report {
    model: Model,
    of: Of,
    files: usize,
    top: usize,
    covered: Vec<Covered>,
    classes: Vec<Class>,
    /// The paper's figures, for orientation: other data.
    paper: [Published; 4],
    units: Compared<Vec<Line>>,
    unreadable: Vec<Unreadable>,
}

/// Classes that have a unit with so many of its strongest files in them.
#[derive(Clone, Debug, Serialize)]
struct Covered {
    at_least: usize,
    #[serde(flatten)]
    classes: Compared<usize>,
    /// Expected of units that rank at random, each for itself.
    chance: f64,
}

/// A class, and the unit that has most of its strongest files in it.
#[derive(Clone, Debug, Serialize)]
struct Class {
    name: String,
    files: usize,
    #[serde(flatten)]
    best: Compared<Option<Best>>,
}

/// A unit; `count` of its strongest files are of `class`.
#[derive(Clone, Debug, Serialize)]
struct Line {
    unit: usize,
    class: Option<String>,
    count: usize,
    stands_out: f64,
    top: Vec<File>,
}

#[derive(Clone, Debug, Serialize)]
struct File {
    #[serde(serialize_with = "as_text")]
    file: PathBuf,
    class: String,
    activation: f32,
    counts: bool,
}

/// Classes covered in the paper, of 34.
#[derive(Clone, Copy, Debug, Serialize)]
struct Published {
    network: &'static str,
    four_of_five: usize,
    three_of_five: usize,
}

const fn published(network: &'static str, four_of_five: usize, three_of_five: usize) -> Published {
    Published {
        network,
        four_of_five,
        three_of_five,
    }
}

/// Section 3.5.3 of the paper.
const PAPER: [Published; 4] = [
    published("L3-Net, vision", 10, 23),
    published("L3-Net, audio", 11, 20),
    published("random weights, vision", 1, 4),
    published("random weights, audio", 1, 3),
];

/// Ranks, and writes the page.
///
/// # Errors
/// Names the model, the data, the report or the device, and what is wrong.
pub(super) fn find(args: &UnitsArgs) -> anyhow::Result<Found> {
    let labelled = &args.look.labelled;
    let data = args.look.read()?;
    enough(data.files.len(), args.top)?;
    drawing::make_folder(&args.output, args.look.of)?;
    let networks = Networks::load(&labelled.common, HeatmapKind::default())?;
    let extractions = labelled.extract(&data, Kind::of(args.look.of), &networks)?;
    let labels = data.labels();
    let mut ranked = Vec::new();
    for found in &extractions {
        match rank(found, &labels, args.top.into()) {
            Some(units) => ranked.push(units),
            None => enough(found.one_each().len(), args.top)?,
        }
    }
    let read: Vec<usize> = (extractions[0].one_each().into_iter())
        .map(|row| labels[extractions[0].file_of[row]])
        .collect();
    let unreadable = extractions[0].unreadable.clone();
    let report = report(args, &data, &networks, &ranked, &read, unreadable);
    let table = table(&report);

    let pure = most_pure(&ranked[0], args.most.into());
    let bar = super::bar(drawing::files_of(&pure).len(), labelled.common.talk.quiet);
    let shown = drawing::draw(
        &args.output,
        args.look.of,
        &networks.placed[0].net,
        &data,
        &pure,
        || bar.inc(1),
    )?;
    bar.finish_and_clear();
    let mut page = Page::new(match args.look.of {
        Of::Pictures => "What single units see",
        Of::Sounds => "What single units hear",
    });
    page::write_sheet(&args.output, &shown, &data, &pure)?;
    page::write(&mut page, &shown, &table, &data, &pure);
    write_whole(&args.output.join("index.html"), page.html().as_bytes())?;

    let whole = tell_unreadable(&report.unreadable);
    Found::of("units", &report, table, whole)
}

/// Refuses to rank fewer files than are kept.
fn enough(files: usize, top: u8) -> anyhow::Result<()> {
    match files {
        n if n >= usize::from(top) => Ok(()),
        n @ 3.. => bail!(
            "a unit is judged by its {top} strongest files, and there are {n} to be ranked; \
             take more files, or --top {n}"
        ),
        n => bail!(
            "a unit is judged by its {top} strongest files, and there are {n} to be ranked; \
             take more files"
        ),
    }
}

/// Four and three of five, and as large a part of any other number.
fn thresholds(top: usize) -> [usize; 2] {
    [(4 * top).div_ceil(5), (3 * top).div_ceil(5)]
}

/// `read` has the class of each file that could be read.
fn report(
    args: &UnitsArgs,
    data: &Labelled,
    networks: &Networks,
    ranked: &[Vec<Unit>],
    read: &[usize],
    unreadable: Vec<Unreadable>,
) -> Report {
    let top = args.top.into();
    let sizes: Vec<usize> = (0..data.classes.len())
        .map(|class| read.iter().filter(|&&c| c == class).count())
        .collect();
    let best: Vec<Vec<Option<Best>>> = (ranked.iter())
        .map(|units| best_of_classes(units, sizes.len()))
        .collect();
    let covered = thresholds(top).map(|at_least| Covered {
        at_least,
        classes: Compared::each(networks, &best, |best| covered(best, at_least)),
        chance: covered_by_chance(&sizes, ranked[0].len(), top, at_least),
    });
    let classes =
        (data.classes.iter().zip(&sizes).enumerate()).map(|(nth, (name, &files))| Class {
            name: name.clone(),
            files,
            best: Compared::each(networks, &best, |best| best[nth]),
        });
    Report {
        model: networks.model.clone(),
        of: args.look.of,
        files: read.len(),
        top,
        covered: covered.to_vec(),
        classes: classes.collect(),
        paper: PAPER,
        units: Compared::each(networks, ranked, |units| {
            units.iter().map(|unit| line(unit, data)).collect()
        }),
        unreadable,
    }
}

fn line(unit: &Unit, data: &Labelled) -> Line {
    let name = |class: usize| data.classes[class].clone();
    let majority = unit.majority();
    Line {
        unit: unit.number,
        class: majority.map(|(class, _)| name(class)),
        count: majority.map_or(0, |(_, count)| count),
        stands_out: unit.stands_out,
        top: (unit.top.iter())
            .map(|entry| File {
                file: data.files[entry.file].media.name(),
                class: name(entry.class),
                activation: entry.activation,
                counts: entry.counts,
            })
            .collect(),
    }
}

fn table(report: &Report) -> Table {
    let mut table = Table::default();
    table.text(report.model.line());
    table.text(format!(
        "{} {} of {} classes; a class is covered if some unit has so many of its {} strongest \
         files in it",
        report.files,
        report.of.name(),
        report.classes.len(),
        report.top
    ));
    table.text("");
    let of_top = |n: usize| format!("{n} of {}", report.top);
    let columns: Vec<String> = report.covered.iter().map(|c| of_top(c.at_least)).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    table.header("classes covered", &columns);
    let covered = |report: &Report, network: usize| -> Vec<String> {
        let all = report.covered.iter();
        all.map(|c| c.classes.0[network].1.to_string()).collect()
    };
    for (nth, (name, _)) in report.units.rows().enumerate() {
        table.row(name, covered(report, nth));
    }
    let chance = report.covered.iter().map(|c| format!("{:.1}", c.chance));
    table.row("units that rank by chance", chance);
    table.text("");
    table.header("the paper, of its 34 classes", &["4 of 5", "3 of 5"]);
    for line in &report.paper {
        let cells = [line.four_of_five, line.three_of_five];
        table.row(line.network, cells.map(|n| n.to_string()));
    }
    table.text("");
    let mut columns = vec!["files"];
    for (name, _) in report.units.rows() {
        columns.extend([name, "unit"]);
    }
    table.header("the best unit for", &columns);
    let cells = |best: &Option<Best>| match best {
        Some(best) => [of_top(best.count), best.unit.to_string()],
        None => ["none".to_owned(), String::new()],
    };
    table.groups("each class", &report.classes, |class| {
        let mut row = vec![class.files.to_string()];
        row.extend(class.best.rows().flat_map(|(_, best)| cells(best)));
        (class.name.clone(), row)
    });
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_five_files_the_paper_asks_for_four_and_three() {
        assert_eq!(thresholds(5), [4, 3]);
        assert_eq!(thresholds(10), [8, 6]);
        assert_eq!(thresholds(3), [3, 2]);
    }

    #[test]
    fn too_few_files_are_refused_with_what_would_do() {
        assert!(enough(5, 5).is_ok());
        let said = |files| enough(files, 5).expect_err("too few").to_string();
        assert!(
            said(4).ends_with("take more files, or --top 4"),
            "{}",
            said(4)
        );
        assert!(said(2).ends_with("take more files"), "{}", said(2));
    }
}
