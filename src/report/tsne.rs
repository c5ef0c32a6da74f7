//! Report of t-SNE: do files of one class lie near each other? (paper, Figure 10)

use std::path::PathBuf;

use serde::Serialize;

use super::figure::{Canvas, Panel, scatter};
use super::{Compared, Report};
use crate::eval::extract::Extraction;
use crate::eval::labelled::{Labelled, MediaKind};
use crate::eval::networks::{Model, Networks};
use crate::eval::{Unreadable, as_text};
use crate::learn::{Embedding, agreement, chance_agreement, max_agreement};
use crate::table::{Table, number, percent};

/// Neighbours whose class is compared.
const NEIGHBOURS: usize = 10;

/// Files as points, and how near those of one class are to each other.
#[derive(Clone, Debug, Serialize)]
pub struct TsneReport {
    model: Model,
    of: MediaKind,
    seed: u64,
    perplexity: u16,
    neighbours: usize,
    classes: Vec<String>,
    /// Share of neighbours of the same class, were they drawn by chance.
    chance: Option<f64>,
    /// The same at best: small classes have too few files for 100 %.
    at_best: Option<f64>,
    found: Compared<Nearness>,
    files: Vec<File>,
    unreadable: Vec<Unreadable>,
}

/// How near the files of one class are to each other.
#[derive(Clone, Copy, Debug, Serialize)]
struct Nearness {
    /// Share of the nearest in the picture that are of the same class.
    same_class_near: Option<f64>,
    /// The same among the 512 numbers.
    same_class_near_in_512: Option<f64>,
    /// Kullback-Leibler divergence of the picture, in nats.
    divergence: f64,
}

/// A file and its points.
#[derive(Clone, Debug, Serialize)]
struct File {
    #[serde(serialize_with = "as_text")]
    file: PathBuf,
    class: String,
    #[serde(flatten)]
    points: Compared<[f32; 2]>,
}

/// One network's files in the plane.
pub struct Embedded {
    /// The file of each point.
    files: Vec<usize>,
    embedding: Embedding,
    nearness: Nearness,
}

impl Embedded {
    /// An embedding of a network's features, with a point for each row of
    /// [`Extraction::one_each`].
    pub fn new(data: &Labelled, found: &Extraction, embedding: Embedding) -> Self {
        let rows = found.one_each();
        let files: Vec<usize> = rows.iter().map(|&row| found.file_of[row]).collect();
        let labels = labels(data, &files);
        let pool4 = found.pool4.select(&rows);
        let nearness = Nearness {
            same_class_near: agreement(&embedding.points, &labels, NEIGHBOURS),
            same_class_near_in_512: agreement(&pool4, &labels, NEIGHBOURS),
            divergence: embedding.divergence,
        };
        Self {
            files,
            embedding,
            nearness,
        }
    }

    fn point(&self, row: usize) -> [f32; 2] {
        let point = self.embedding.points.row(row);
        [point[0], point[1]]
    }
}

fn labels(data: &Labelled, files: &[usize]) -> Vec<usize> {
    files.iter().map(|&file| data.files[file].class).collect()
}

impl TsneReport {
    /// Reports the embedding of each network.
    pub fn new(
        networks: &Networks,
        of: MediaKind,
        (seed, perplexity): (u64, u16),
        data: &Labelled,
        embedded: &[Embedded],
        unreadable: Vec<Unreadable>,
    ) -> Self {
        let labels = labels(data, &embedded[0].files);
        let files = embedded[0].files.iter().enumerate();
        let files = files.map(|(row, &file)| File {
            file: data.files[file].media.name(),
            class: data.classes[data.files[file].class].clone(),
            points: Compared::each(networks, embedded, |one| one.point(row)),
        });
        Self {
            model: networks.model.clone(),
            of,
            seed,
            perplexity,
            neighbours: NEIGHBOURS,
            classes: data.classes.clone(),
            chance: chance_agreement(&labels),
            at_best: max_agreement(&labels, NEIGHBOURS),
            found: Compared::each(networks, embedded, |one| one.nearness),
            files: files.collect(),
            unreadable,
        }
    }

    /// The scatter plots.
    pub fn canvas(&self, data: &Labelled, embedded: &[Embedded]) -> Canvas {
        let panel = |(one, (name, _)): (&Embedded, (&str, &Nearness))| Panel {
            title: format!("{}: {name}", self.of.name()),
            note: format!(
                "{} of the {NEIGHBOURS} nearest are of the same class",
                percent(one.nearness.same_class_near)
            ),
            marks: (one.files.iter().enumerate())
                .map(|(row, &file)| (one.point(row), data.files[file].class))
                .collect(),
        };
        let panels: Vec<Panel> = embedded.iter().zip(self.found.rows()).map(panel).collect();
        scatter(&panels, &data.classes)
    }
}

impl Report for TsneReport {
    const EXPERIMENT: &'static str = "tsne";

    fn table(&self) -> Table {
        let mut table = Table::default();
        table.text(self.model.line());
        table.text(format!(
            "{} {} of {} classes; how many of the {NEIGHBOURS} nearest are of the same class",
            self.files.len(),
            self.of.name(),
            self.classes.len()
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
        for (name, found) in self.found.rows() {
            table.row(name, cells(found));
        }
        table.row("chance", [percent(self.chance)]);
        table.row("at best", [percent(self.at_best)]);
        table
    }
}
