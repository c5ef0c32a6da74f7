//! Report of [`LocalizeExperiment`](crate::eval::localize::LocalizeExperiment):
//! where does the sound come from?

use serde::Serialize;

use super::figure::{Chart, Series};
use super::{Compared, DrawSettings, Report};
use crate::eval::localize::{Baselines, Group, Groups, JudgedScene, Overlap, Scores};
use crate::eval::networks::{Model, Networks};
use crate::eval::{FailedCorpus, Results, Unreadable};
use crate::table::{Table, number, percent, percent_95};

/// Figures of judged scenes.
#[derive(Clone, Debug, Serialize)]
pub struct LocalizeReport {
    model: Model,
    #[serde(flatten)]
    drawn: DrawSettings,
    heatmap: String,
    data: Vec<Data>,
    /// Over all DATA, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<Data>,
    unreadable: Vec<Unreadable>,
    failed: Vec<FailedCorpus>,
}

/// The figures of one DATA.
#[derive(Clone, Debug, Serialize)]
struct Data {
    name: String,
    holds: String,
    scenes: usize,
    #[serde(flatten)]
    scores: Compared<Scores>,
    baselines: Baselines,
    by: Groups,
}

impl LocalizeReport {
    /// Computes the figures of judged scenes; `heatmap` names the kind of heatmap.
    pub fn new(
        networks: &Networks,
        drawn: DrawSettings,
        heatmap: String,
        results: Results<JudgedScene>,
    ) -> Self {
        let (data, all) = results.figures(|name, holds, scenes| {
            Some(Data {
                name: name.to_owned(),
                holds: holds.to_owned(),
                scenes: scenes.len(),
                scores: Compared::of(networks, |judge| Scores::of(scenes, judge))?,
                baselines: Baselines::of(scenes)?,
                by: Groups::of(scenes),
            })
        });
        Self {
            model: networks.model.clone(),
            drawn,
            heatmap,
            data,
            all,
            unreadable: results.unreadable,
            failed: results.failed,
        }
    }
}

const COLUMNS: [&str; 11] = [
    "scenes",
    "pointing",
    "95 %",
    "on any thing",
    "cIoU 0.5",
    "AUC",
    "falls",
    "rejected(own)",
    "(other)",
    "(silence)",
    "(noise)",
];

impl Report for LocalizeReport {
    const EXPERIMENT: &'static str = "localize";

    fn table(&self) -> Table {
        let mut table = Table::default();
        table.text(self.model.line());
        table.text("rejected: no heatmap is drawn; own: with the scene's sound; other: with a sound of nothing that is seen");
        for data in self.data.iter().chain(&self.all) {
            table.text("");
            table.text(format!("{}  ({})", data.name, data.holds));
            table.header("", &COLUMNS);
            for (nth, (name, scores)) in data.scores.rows().enumerate() {
                table.row(name, cells((nth == 0).then_some(data.scenes), scores));
            }
            let baselines = &data.baselines;
            for (name, pointing, overlap) in without_listening(baselines) {
                let mut cells = vec![
                    String::new(),
                    percent(pointing),
                    String::new(),
                    String::new(),
                ];
                cells.push(percent(overlap.map(|o| o.half)));
                cells.push(number(overlap.map(|o| o.auc)));
                table.row(name, cells);
            }
            let row = |group: &Group| -> (String, Vec<String>) {
                (group.name.clone(), cells(Some(group.scenes), &group.scores))
            };
            table.groups("by what is heard", &data.by.heard, row);
            table.groups("by things in the picture", &data.by.objects, row);
        }
        table
    }

    fn chart(&self) -> Option<Chart> {
        let mut chart = Chart::default();
        for data in self.data.iter().chain(&self.all) {
            chart.shares(format!("pointing: {}", data.name));
            let scores = data.scores.rows();
            chart.networks(scores.map(|(name, s)| (name, Some(s.pointing), Some(s.pointing_95))));
            for (name, pointing, _) in without_listening(&data.baselines) {
                chart.bar(name, Series::Reference, pointing, None);
            }
            chart.shares("rejection rate of the model's heatmap");
            let rejected = &data.scores.model().rejection_rate;
            for (sound, share) in [
                ("with the scene's sound", rejected.matched),
                ("with a sound of nothing that is seen", rejected.swapped),
                ("with silence", rejected.silence),
                ("with noise", rejected.noise),
            ] {
                chart.bar(sound, Series::Model, share, None);
            }
        }
        Some(chart)
    }
}

/// What pointing comes to without listening.
fn without_listening(baselines: &Baselines) -> Vec<(&'static str, f64, Option<Overlap>)> {
    let any = baselines.any_object;
    let any = any.map(|share| ("any thing in the picture", share, None));
    let others = [
        (
            "middle of the picture",
            baselines.centre,
            Some(baselines.centre_overlap),
        ),
        (
            "chance; the whole picture",
            baselines.chance,
            Some(baselines.whole_overlap),
        ),
    ];
    any.into_iter().chain(others).collect()
}

fn cells(scenes: Option<usize>, scores: &Scores) -> Vec<String> {
    vec![
        scenes.map_or_else(String::new, |n| n.to_string()),
        percent(scores.pointing),
        percent_95(scores.pointing_95),
        percent(scores.on_any_object),
        percent(scores.overlap_half),
        number(scores.overlap_auc),
        percent(scores.falls_if_swapped),
        percent(scores.rejection_rate.matched),
        percent(scores.rejection_rate.swapped),
        percent(scores.rejection_rate.silence),
        percent(scores.rejection_rate.noise),
    ]
}
