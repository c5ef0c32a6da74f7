//! Report of [`eval::classify`](crate::eval::classify): classes of sounds.

use serde::Serialize;

use super::Report;
use super::figure::{Chart, Series};
use crate::eval::Unreadable;
use crate::eval::classify::Classified;
use crate::eval::extract::Extraction;
use crate::eval::labelled::Labelled;
use crate::eval::networks::{Model, Networks};
use crate::table::{Table, percent};

/// How well sounds are classified.
#[derive(Clone, Debug, Serialize)]
pub struct SoundReport {
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

/// Features, and how well sounds are classified by them.
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

impl SoundReport {
    /// Reports the results on each kind of features.
    pub fn new(
        networks: &Networks,
        data: Labelled,
        extraction: &Extraction,
        found: Vec<(&'static str, Classified)>,
    ) -> Self {
        let found = found.into_iter();
        Self {
            model: networks.model.clone(),
            seconds: extraction.file_of.len(),
            files: data.files.len(),
            chance: 1.0 / data.classes.len() as f64,
            classes: data.classes,
            found: found
                .map(|(name, classified)| Line { name, classified })
                .collect(),
            paper: PAPER,
            unreadable: extraction.unreadable.clone(),
        }
    }
}

impl Report for SoundReport {
    const EXPERIMENT: &'static str = "sound";

    fn table(&self) -> Table {
        let mut table = Table::default();
        table.text(self.model.line());
        table.text(format!(
            "{} sounds of {} classes, {} seconds of them",
            self.files,
            self.classes.len(),
            self.seconds
        ));
        table.text("");
        let first = self.found.first();
        let rounds = first.map_or(&[][..], |line| &line.classified.rounds);
        let mut columns = vec!["accuracy"];
        if rounds.len() > 1 {
            columns.extend(rounds.iter().map(|r| r.name.as_str()));
        }
        table.header("", &columns);
        for line in &self.found {
            let mut cells = vec![percent(line.classified.accuracy)];
            if rounds.len() > 1 {
                let rounds = line.classified.rounds.iter();
                cells.extend(rounds.map(|r| percent(r.accuracy())));
            }
            table.row(line.name, cells);
        }
        table.row("chance", [percent(self.chance)]);
        table.text("");
        table.header("the paper, on its own data", &["ESC-50", "DCASE"]);
        for line in &self.paper {
            table.row(line.method, [percent(line.esc_50), percent(line.dcase)]);
        }
        table
    }

    fn chart(&self) -> Option<Chart> {
        let mut chart = Chart::default();
        chart.shares(format!(
            "accuracy, {} classes of sounds",
            self.classes.len()
        ));
        let found = self.found.iter();
        chart.networks(found.map(|line| (line.name, Some(line.classified.accuracy), None)));
        chart.bar("chance", Series::Reference, self.chance, None);
        chart.shares("the paper, on ESC-50");
        chart.published(self.paper.iter().map(|line| (line.method, line.esc_50)));
        chart.shares("the paper, on DCASE");
        chart.published(self.paper.iter().map(|line| (line.method, line.dcase)));
        Some(chart)
    }
}
