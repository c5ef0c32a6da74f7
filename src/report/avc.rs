//! Report of [`AvcExperiment`](crate::eval::avc::AvcExperiment): do picture and
//! sound correspond?

use serde::Serialize;

use super::figure::{Chart, Series};
use super::{Compared, DrawSettings, Report};
use crate::eval::avc::{Group, Groups, JudgedPair, Scores};
use crate::eval::networks::{Model, Networks};
use crate::eval::{FailedCorpus, Results, Unreadable};
use crate::table::{Table, number, number_95, percent, percent_95};

/// Figures of judged pairs.
#[derive(Clone, Debug, Serialize)]
pub struct AvcReport {
    model: Model,
    #[serde(flatten)]
    drawn: DrawSettings,
    chance: Scores,
    data: Vec<Data>,
    /// Over all DATA, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<Data>,
    /// The paper's figures, for orientation: other data.
    paper: [Published; 3],
    unreadable: Vec<Unreadable>,
    failed: Vec<FailedCorpus>,
}

/// The figures of one DATA.
#[derive(Clone, Debug, Serialize)]
struct Data {
    name: String,
    holds: String,
    pairs: usize,
    #[serde(flatten)]
    scores: Compared<Scores>,
    by: Groups,
}

/// A published accuracy.
#[derive(Clone, Copy, Debug, Serialize)]
struct Published {
    method: &'static str,
    flickr_soundnet: Option<f64>,
    kinetics_sounds: f64,
}

const fn published(method: &'static str, flickr: Option<f64>, kinetics: f64) -> Published {
    Published {
        method,
        flickr_soundnet: flickr,
        kinetics_sounds: kinetics,
    }
}

/// Table 1 of the paper.
const PAPER: [Published; 3] = [
    published("supervised, direct combination", None, 0.65),
    published("supervised pretraining", None, 0.74),
    published("L3-Net", Some(0.78), 0.74),
];

impl AvcReport {
    /// Computes the figures of judged pairs.
    pub fn new(networks: &Networks, drawn: DrawSettings, results: Results<JudgedPair>) -> Self {
        let (data, all) = results.figures(|name, holds, pairs| {
            Some(Data {
                name: name.to_owned(),
                holds: holds.to_owned(),
                pairs: pairs.len(),
                scores: Compared::of(networks, |judge| Scores::of(pairs, judge))?,
                by: Groups::of(pairs),
            })
        });
        Self {
            model: networks.model.clone(),
            drawn,
            chance: Scores::CHANCE,
            data,
            all,
            paper: PAPER,
            unreadable: results.unreadable,
            failed: results.failed,
        }
    }
}

const COLUMNS: [&str; 10] = [
    "pairs", "accuracy", "95 %", "loss", "ROC-AUC", "95 %", "TPR", "TNR", "p(corr)", "p(not)",
];

impl Report for AvcReport {
    const EXPERIMENT: &'static str = "avc";

    fn table(&self) -> Table {
        let mut table = Table::default();
        table.text(self.model.line());
        for data in self.data.iter().chain(&self.all) {
            table.text("");
            table.text(format!("{}  ({})", data.name, data.holds));
            table.header("", &COLUMNS);
            for (nth, (name, scores)) in data.scores.rows().enumerate() {
                table.row(name, cells((nth == 0).then_some(data.pairs), scores));
            }
            table.row("chance", cells(None, &self.chance));
            let row = |group: &Group| -> (String, Vec<String>) {
                (group.name.clone(), cells(Some(group.pairs), &group.scores))
            };
            table.groups("by what is heard", &data.by.heard, row);
            table.groups("by the sound's level", &data.by.level, row);
            table.groups("by things in the picture", &data.by.objects, row);
        }
        table.text("");
        let columns = ["Flickr-SoundNet", "Kinetics-Sounds"];
        table.header("the paper, on its own data", &columns);
        for line in &self.paper {
            let cells = [percent(line.flickr_soundnet), percent(line.kinetics_sounds)];
            table.row(line.method, cells);
        }
        table
    }

    fn chart(&self) -> Option<Chart> {
        let mut chart = Chart::default();
        for data in self.data.iter().chain(&self.all) {
            chart.shares(format!("accuracy: {}", data.name));
            let scores = data.scores.rows();
            chart.networks(scores.map(|(name, s)| (name, Some(s.accuracy), s.accuracy_95)));
            chart.bar("chance", Series::Reference, self.chance.accuracy, None);
        }
        chart.shares("the paper, on Flickr-SoundNet");
        let paper = || self.paper.iter();
        chart.published(paper().map(|line| (line.method, line.flickr_soundnet)));
        chart.shares("the paper, on Kinetics-Sounds");
        chart.published(paper().map(|line| (line.method, Some(line.kinetics_sounds))));
        Some(chart)
    }
}

fn cells(pairs: Option<usize>, scores: &Scores) -> Vec<String> {
    vec![
        pairs.map_or_else(String::new, |n| n.to_string()),
        percent(scores.accuracy),
        percent_95(scores.accuracy_95),
        number(scores.loss),
        number(scores.roc_auc),
        number_95(scores.roc_auc_95),
        percent(scores.true_positive_rate),
        percent(scores.true_negative_rate),
        number(scores.mean_if_corresponding),
        number(scores.mean_if_not),
    ]
}
