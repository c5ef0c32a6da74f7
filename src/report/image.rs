//! Report of [`eval::linear`](crate::eval::linear): classes of pictures.

use serde::Serialize;

use super::Report;
use super::figure::{Chart, Series};
use crate::eval::Unreadable;
use crate::eval::labelled::Labelled;
use crate::eval::linear::Accuracy;
use crate::eval::networks::{Model, Networks};
use crate::table::{Table, percent};

/// How well pictures are classified.
#[derive(Clone, Debug, Serialize)]
pub struct ImageReport {
    model: Model,
    classes: Vec<String>,
    files: usize,
    /// Share of the largest class among the tested pictures: the accuracy of always
    /// naming it.
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
    accuracy: Accuracy,
}

/// From Table 3 of the paper: top-1 on ImageNet.
const PAPER: [(&str, f64); 4] = [
    ("L3-Net, random weights", 0.129),
    ("Pathak et al.", 0.223),
    ("L3-Net", 0.323),
    ("Noroozi and Favaro", 0.347),
];

impl ImageReport {
    /// Reports what was learnt on the features of each network.
    pub fn new(
        networks: &Networks,
        data: Labelled,
        found: Vec<(&'static str, Accuracy)>,
        unreadable: Vec<Unreadable>,
    ) -> Self {
        let tested = || data.rounds.iter().flat_map(|r| &r.test);
        let largest = (0..data.classes.len())
            .map(|class| tested().filter(|&&f| data.files[f].class == class).count())
            .max();
        let found = found.into_iter();
        Self {
            model: networks.model.clone(),
            files: data.files.len(),
            largest_class: largest.unwrap_or(0) as f64 / tested().count().max(1) as f64,
            classes: data.classes,
            found: found
                .map(|(name, accuracy)| Line { name, accuracy })
                .collect(),
            paper: PAPER,
            unreadable,
        }
    }
}

impl Report for ImageReport {
    const EXPERIMENT: &'static str = "image";

    fn table(&self) -> Table {
        let mut table = Table::default();
        table.text(self.model.line());
        table.text(format!(
            "{} pictures of {} classes",
            self.files,
            self.classes.len()
        ));
        table.text("");
        table.header("", &["tested", "top-1", "top-5"]);
        for Line { name, accuracy } in &self.found {
            let cells = [
                accuracy.files.to_string(),
                percent(accuracy.top_1),
                percent(accuracy.top_5),
            ];
            table.row(name, cells);
        }
        table.row(
            "the largest class",
            [String::new(), percent(self.largest_class)],
        );
        table.text("");
        table.header("the paper, on ImageNet", &["top-1"]);
        for (method, top_1) in self.paper {
            table.row(method, [percent(top_1)]);
        }
        table
    }

    fn chart(&self) -> Option<Chart> {
        let mut chart = Chart::default();
        let found = || self.found.iter().map(|line| (line.name, &line.accuracy));
        chart.shares(format!("top-1, {} classes of pictures", self.classes.len()));
        chart.networks(found().map(|(name, accuracy)| (name, Some(accuracy.top_1), None)));
        chart.bar(
            "the largest class",
            Series::Reference,
            self.largest_class,
            None,
        );
        chart.shares("top-5");
        chart.networks(found().map(|(name, accuracy)| (name, accuracy.top_5, None)));
        chart.shares("the paper, top-1 on ImageNet");
        chart.published(
            self.paper
                .into_iter()
                .map(|(method, top_1)| (method, Some(top_1))),
        );
        Some(chart)
    }
}
