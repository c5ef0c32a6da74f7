//! `l3net eval localize`: where does the sound come from?

use serde::Serialize;

use super::Found;
use super::drawn::{AllData, Failed, Part, SharedArgs, gather};
use super::figure::{Chart, Of, PictureArgs};
use super::networks::{Compared, Model, Networks};
use super::output::{Table, number, percent, percent_95};
use crate::cmd::value::choice;
use crate::eval::Unreadable;
use crate::eval::localize::{self, Baselines, Group, Groups, JudgedScene, Overlap, Scores, judge};
use crate::net::HeatmapKind;
use crate::result::Crop;

/// Points at what is heard, in scenes where several things are seen
///
/// Counts how often the heatmap's peak lies in the box of what is heard, how well
/// the heatmap overlaps it, and what becomes of the correspondence with another
/// sound, with silence and with noise. Beside the model stand an untrained network
/// on the same scenes, and what it comes to without listening.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = crate::cmd::data::HELP)]
pub struct LocalizeArgs {
    #[command(flatten)]
    pub(super) shared: SharedArgs,
    /// Scenes of each DATA; of annotated pictures all
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub scenes: u32,
    /// Part of the picture to look at: the whole, or the paper's middle
    #[arg(long, value_parser = choice::<Crop>(), default_value = "full", value_name = "WHAT")]
    pub crop: Crop,
    /// Kind of heatmap: gradient, local or unit:K
    #[arg(long, default_value = "gradient", value_name = "KIND")]
    pub heatmap: HeatmapKind,
    #[command(flatten)]
    pub(super) picture: PictureArgs,
}

/// What was found; `--json` writes it as it is.
#[derive(Clone, Debug, Serialize)]
struct Report {
    model: Model,
    split: Part,
    seed: u64,
    crop: Crop,
    heatmap: String,
    data: Vec<Data>,
    /// Over all DATA, if it is several.
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<Data>,
    unreadable: Vec<Unreadable>,
    failed: Vec<Failed>,
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

impl Data {
    fn of(name: &str, holds: &str, scenes: &[&JudgedScene], networks: &Networks) -> Option<Self> {
        Some(Self {
            name: name.to_owned(),
            holds: holds.to_owned(),
            scenes: scenes.len(),
            scores: Compared::of(networks, |judge| Scores::of(scenes, judge))?,
            baselines: Baselines::of(scenes)?,
            by: Groups::of(scenes),
        })
    }
}

/// Judges scenes.
///
/// # Errors
/// Names the model, the data or the device, and what is wrong.
pub(super) fn find(args: &LocalizeArgs) -> anyhow::Result<Found> {
    let shared = &args.shared;
    let networks = Networks::load(&shared.common, args.heatmap)?;
    let count = args.scenes as usize;
    let gathered = gather(
        shared,
        AllData::open(shared)?,
        args.crop,
        |corpus| localize::count(corpus, count),
        &networks,
        |draws, judges, progress| judge(draws, count, judges, progress),
    )?;
    let data = gathered.parts.iter().filter_map(|(name, holds, scenes)| {
        Data::of(name, holds, &scenes.iter().collect::<Vec<_>>(), &networks)
    });
    let all = gathered.all();
    let report = Report {
        model: networks.model.clone(),
        split: shared.split_part,
        seed: shared.common.seed,
        crop: args.crop,
        heatmap: args.heatmap.to_string(),
        data: data.collect(),
        all: all.and_then(|scenes| Data::of("all", "all of it", &scenes, &networks)),
        unreadable: gathered.unreadable.clone(),
        failed: gathered.failed.clone(),
    };
    let whole = gathered.tell_failures();
    Ok(Found::of("localize", &report, table(&report), whole)?.with(chart(&report)))
}

const COLUMNS: [&str; 11] = [
    "scenes",
    "pointing",
    "95 %",
    "on any thing",
    "cIoU 0.5",
    "AUC",
    "falls",
    "dark(own)",
    "(other)",
    "(silence)",
    "(noise)",
];

fn table(report: &Report) -> Table {
    let mut table = Table::default();
    table.text(report.model.line());
    table.text("own: with the scene's sound; other: with a sound of nothing that is seen");
    for data in report.data.iter().chain(&report.all) {
        table.text("");
        table.text(format!("{}  ({})", data.name, data.holds));
        table.header("", &COLUMNS);
        for (nth, (name, scores)) in data.scores.rows().enumerate() {
            table.row(name, cells((nth == 0).then_some(data.scenes), scores));
        }
        let baselines = &data.baselines;
        for (name, pointing, overlap) in unheard(baselines) {
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

/// What is pointed at without listening.
fn unheard(baselines: &Baselines) -> Vec<(&'static str, f64, Option<Overlap>)> {
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

fn chart(report: &Report) -> Chart {
    let mut chart = Chart::default();
    for data in report.data.iter().chain(&report.all) {
        chart.shares(format!("pointing: {}", data.name));
        let scores = data.scores.rows();
        chart.networks(scores.map(|(name, s)| (name, Some(s.pointing), Some(s.pointing_95))));
        for (name, pointing, _) in unheard(&data.baselines) {
            chart.bar(name, Of::Beside, pointing, None);
        }
        chart.shares("the model's heatmap is dark");
        let dark = &data.scores.model().dark;
        for (sound, share) in [
            ("with the scene's sound", dark.matched),
            ("with a sound of nothing that is seen", dark.swapped),
            ("with silence", dark.silence),
            ("with noise", dark.noise),
        ] {
            chart.bar(sound, Of::Model, share, None);
        }
    }
    chart
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
        percent(scores.dark.matched),
        percent(scores.dark.swapped),
        percent(scores.dark.silence),
        percent(scores.dark.noise),
    ]
}
