//! Report of [`eval::clusters`](crate::eval::clusters): do files of one class lie
//! together?

use serde::Serialize;

use super::figure::{Chart, Series};
use super::{Compared, Report};
use crate::eval::Unreadable;
use crate::eval::clusters::Clustered;
use crate::eval::labelled::MediaKind;
use crate::eval::networks::{Model, Networks};
use crate::table::{Table, number};

/// Figures of clusters.
#[derive(Clone, Debug, Serialize)]
pub struct ClustersReport {
    model: Model,
    of: MediaKind,
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

impl ClustersReport {
    /// Reports clusters, compared with those drawn by chance.
    pub fn new(
        networks: &Networks,
        of: MediaKind,
        classes: Vec<String>,
        seed: u64,
        found: Compared<Clustered>,
        chance: f64,
        unreadable: Vec<Unreadable>,
    ) -> Self {
        Self {
            model: networks.model.clone(),
            of,
            classes,
            seed,
            found,
            chance,
            paper: PAPER,
            unreadable,
        }
    }
}

impl Report for ClustersReport {
    const EXPERIMENT: &'static str = "clusters";

    fn table(&self) -> Table {
        let mut table = Table::default();
        table.text(self.model.line());
        table.text(format!(
            "{} {} of {} classes in {} clusters",
            self.found.model().samples,
            self.of.name(),
            self.classes.len(),
            self.found.model().clusters
        ));
        table.text("");
        table.header("normalised mutual information", &[""]);
        for (name, found) in self.found.rows() {
            table.row(name, [number(found.nmi)]);
        }
        table.row("clusters by chance", [number(self.chance)]);
        table.text("");
        table.header("the paper, on Kinetics-Sounds", &["vision", "audio"]);
        for (method, vision, audio) in self.paper {
            table.row(method, [number(vision), number(audio)]);
        }
        table
    }

    fn chart(&self) -> Option<Chart> {
        let mut chart = Chart::default();
        let of = self.of.name();
        chart.numbers(format!(
            "normalised mutual information of clusters and classes of {of}"
        ));
        chart.networks(
            self.found
                .rows()
                .map(|(name, found)| (name, Some(found.nmi), None)),
        );
        chart.bar("clusters by chance", Series::Reference, self.chance, None);
        let paper = || self.paper.into_iter();
        chart.numbers("the paper, on Kinetics-Sounds: vision");
        chart.published(paper().map(|(method, vision, _)| (method, Some(vision))));
        chart.numbers("the paper, on Kinetics-Sounds: audio");
        chart.published(paper().map(|(method, _, audio)| (method, Some(audio))));
        Some(chart)
    }
}
