//! Report of [`eval::units`](crate::eval::units): what single units respond to.
//!
//! Belongs here: its figures, and its page: `section` has the text, `sheet` the
//! contact sheet, `drawing` the pictures in both.

mod drawing;
mod section;
mod sheet;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::page::Page;
use super::{Compared, Report, ReportError, write_file};
use crate::eval::extract::Extraction;
use crate::eval::labelled::{Labelled, MediaKind};
use crate::eval::networks::{Model, Networks};
use crate::eval::units::{Best, Unit, best_of_classes, covered, covered_by_chance};
use crate::eval::{Unreadable, as_text};
use crate::net::L3Net;
use crate::table::Table;

/// How many classes have units that respond to them, and which.
#[derive(Clone, Debug, Serialize)]
pub struct UnitsReport {
    model: Model,
    of: MediaKind,
    files: usize,
    top: usize,
    covered: Vec<Covered>,
    classes: Vec<Class>,
    /// The paper's figures, for orientation: other data.
    paper: [Published; 4],
    units: Compared<Vec<Line>>,
    unreadable: Vec<Unreadable>,
}

/// Classes that have a unit with at least so many of its strongest files in them.
#[derive(Clone, Debug, Serialize)]
struct Covered {
    at_least: usize,
    #[serde(flatten)]
    classes: Compared<usize>,
    /// Expected of units that rank at random, independently.
    chance: f64,
}

/// A class, and the unit with most of its strongest files in it.
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

/// Four and three of five, and the same share of any other number.
fn thresholds(top: usize) -> [usize; 2] {
    [(4 * top).div_ceil(5), (3 * top).div_ceil(5)]
}

impl UnitsReport {
    /// Reports the units of each network, judged by their `top` strongest files.
    pub fn new(
        networks: &Networks,
        (of, top): (MediaKind, usize),
        data: &Labelled,
        ranked: &[Vec<Unit>],
        extraction: &Extraction,
    ) -> Self {
        let read: Vec<usize> = (extraction.one_each().into_iter())
            .map(|row| data.files[extraction.file_of[row]].class)
            .collect();
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
        Self {
            model: networks.model.clone(),
            of,
            files: read.len(),
            top,
            covered: covered.to_vec(),
            classes: classes.collect(),
            paper: PAPER,
            units: Compared::each(networks, ranked, |units| {
                units.iter().map(|unit| line(unit, data)).collect()
            }),
            unreadable: extraction.unreadable.clone(),
        }
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

impl Report for UnitsReport {
    const EXPERIMENT: &'static str = "units";

    fn table(&self) -> Table {
        let mut table = Table::default();
        table.text(self.model.line());
        table.text(format!(
            "{} {} of {} classes; a class is covered if some unit has so many of its {} strongest \
             files in it",
            self.files,
            self.of.name(),
            self.classes.len(),
            self.top
        ));
        table.text("");
        let of_top = |n: usize| format!("{n} of {}", self.top);
        let columns: Vec<String> = self.covered.iter().map(|c| of_top(c.at_least)).collect();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        table.header("classes covered", &columns);
        for (nth, (name, _)) in self.units.rows().enumerate() {
            let of_network = |c: &Covered| c.classes.values().nth(nth).map(usize::to_string);
            table.row(name, self.covered.iter().filter_map(of_network));
        }
        let chance = self.covered.iter().map(|c| format!("{:.1}", c.chance));
        table.row("units that rank by chance", chance);
        table.text("");
        table.header("the paper, of its 34 classes", &["4 of 5", "3 of 5"]);
        for line in &self.paper {
            let cells = [line.four_of_five, line.three_of_five];
            table.row(line.network, cells.map(|n| n.to_string()));
        }
        table.text("");
        let mut columns = vec!["files"];
        for (name, _) in self.units.rows() {
            columns.extend([name, "unit"]);
        }
        table.header("the best unit for", &columns);
        let cells = |best: &Option<Best>| match best {
            Some(best) => [of_top(best.count), best.unit.to_string()],
            None => ["none".to_owned(), String::new()],
        };
        table.groups("each class", &self.classes, |class| {
            let mut row = vec![class.files.to_string()];
            row.extend(class.best.rows().flat_map(|(_, best)| cells(best)));
            (class.name.clone(), row)
        });
        table
    }
}

/// The pictures of a page about units.
pub struct UnitsPage<'a> {
    /// Folder of the page.
    pub folder: &'a Path,
    /// What the files are.
    pub of: MediaKind,
    /// The files.
    pub data: &'a Labelled,
    /// The units, in order.
    pub units: Vec<&'a Unit>,
}

impl UnitsPage<'_> {
    /// Makes the folders of a page, before all the work.
    ///
    /// # Errors
    /// Names the folder and why it cannot be made.
    pub fn make_folders(folder: &Path, of: MediaKind) -> Result<(), ReportError> {
        drawing::make_folder(folder, of)
    }

    /// How many files it shows: as often [`write`](Self::write) calls `progress`.
    pub fn files(&self) -> usize {
        drawing::files_of(&self.units).len()
    }

    /// Draws the files with the network's maps and writes `index.html`, `units.png`
    /// and what they show.
    ///
    /// # Errors
    /// Names a file that cannot be read, drawn or written; or the network fails.
    pub fn write(
        &self,
        net: &L3Net,
        table: &Table,
        progress: impl Fn(),
    ) -> Result<(), ReportError> {
        let drawn = drawing::draw(self, net, progress)?;
        let mut page = Page::new(match self.of {
            MediaKind::Pictures => "What single units see",
            MediaKind::Sounds => "What single units hear",
        });
        section::write_sheet(self, &drawn)?;
        section::write(&mut page, self, &drawn, table);
        write_file(&self.folder.join("index.html"), page.html().as_bytes())?;
        Ok(())
    }
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
}
