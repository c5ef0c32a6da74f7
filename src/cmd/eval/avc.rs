//! `l3net eval avc`: do picture and sound correspond?

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Found;
use super::drawn::{AllData, Failed, Part, SharedArgs, gather};
use super::figure::{Chart, Of, PictureArgs};
use super::networks::{Compared, Model, Networks};
use super::output::{Table, number, number_95, percent, percent_95};
use crate::cmd::common::Usage;
use crate::cmd::value::choice;
use crate::corpus::Split;
use crate::eval::avc::{Group, Groups, JudgedPair, Scores, judge};
use crate::eval::direct::Direct;
use crate::eval::{Draws, Unreadable};
use crate::features::Features;
use crate::net::{HeatmapKind, Weights};
use crate::result::Crop;

/// Judges held-out pairs, of which half correspond
///
/// Beside the model stand an untrained network on the same pairs, and chance.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = crate::cmd::data::HELP)]
pub struct AvcArgs {
    #[command(flatten)]
    pub(super) shared: SharedArgs,
    /// Pairs of each DATA, half of which correspond
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(2..))]
    pub pairs: u32,
    /// A checkpoint of `train --task classify`: the paper's baseline that multiplies
    /// the classes of picture and sound
    #[arg(long, value_name = "CHECKPOINT")]
    pub direct: Option<PathBuf>,
    /// A model of `train --init CLASSIFIER --freeze trunks`: the paper's baseline that
    /// learns the fusion alone, on top of classifiers
    #[arg(long, value_name = "MODEL")]
    pub pretrained: Option<PathBuf>,
    /// Part of the picture to look at: the whole, or the paper's middle
    #[arg(long, value_parser = choice::<Crop>(), default_value = "center", value_name = "WHAT")]
    pub crop: Crop,
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
    chance: Scores,
    data: Vec<Data>,
    /// Over all DATA, if it is several.
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<Data>,
    /// The paper's figures, for orientation: other data.
    paper: [Published; 3],
    unreadable: Vec<Unreadable>,
    failed: Vec<Failed>,
}

/// An accuracy that was published.
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

impl Data {
    fn of(name: &str, holds: &str, pairs: &[&JudgedPair], networks: &Networks) -> Option<Self> {
        Some(Self {
            name: name.to_owned(),
            holds: holds.to_owned(),
            pairs: pairs.len(),
            scores: Compared::of(networks, |judge| Scores::of(pairs, judge))?,
            by: Groups::of(pairs),
        })
    }
}

/// Judges pairs.
///
/// # Errors
/// Names the model, the data or the device, and what is wrong.
pub(super) fn find(args: &AvcArgs) -> anyhow::Result<Found> {
    if !args.pairs.is_multiple_of(2) {
        return Err(Usage::error(
            "--pairs is even: half of the pairs correspond",
        ));
    }
    let shared = &args.shared;
    let mut networks = Networks::load(&shared.common, HeatmapKind::default())?;
    if let Some(file) = &args.pretrained {
        networks.add("pretrained", Weights::read(file)?, &shared.common)?;
    }
    let data = AllData::open(shared)?;
    if let Some(file) = &args.direct {
        networks.direct = Some(direct(args, file, &data)?);
    }
    let count = args.pairs as usize;
    let gathered = gather(
        shared,
        data,
        args.crop,
        |_| count,
        &networks,
        |draws, judges, progress| judge(draws, count, judges, progress),
    )?;
    let data = gathered.parts.iter().filter_map(|(name, holds, pairs)| {
        Data::of(name, holds, &pairs.iter().collect::<Vec<_>>(), &networks)
    });
    let all = gathered.all();
    let report = Report {
        model: networks.model.clone(),
        split: shared.split_part,
        seed: shared.common.seed,
        crop: args.crop,
        chance: Scores::CHANCE,
        data: data.collect(),
        all: all.and_then(|pairs| Data::of("all", "all of it", &pairs, &networks)),
        paper: PAPER,
        unreadable: gathered.unreadable.clone(),
        failed: gathered.failed.clone(),
    };
    let whole = gathered.tell_failures();
    Ok(Found::of("avc", &report, table(&report), whole)?.with(chart(&report)))
}

/// The baseline, its threshold chosen on as many validation pairs of all DATA.
fn direct(args: &AvcArgs, file: &Path, data: &AllData) -> anyhow::Result<Direct> {
    let common = &args.shared.common;
    let mut direct = Direct::open(file, &common.net.compute.options())?;
    let mut pairs = Vec::new();
    for opened in &data.opened {
        if opened.corpus.check(Split::Validation).is_err() {
            // Boxed pictures, say, are all for the test; the others' threshold holds.
            continue;
        }
        let draws = Draws {
            corpus: &*opened.corpus,
            split: Split::Validation,
            seed: common.seed,
            crop: args.crop,
            loaders: common.loaders(),
        };
        let by = |batch: &[&Features]| direct.judge(batch);
        pairs.extend(judge(&draws, args.pairs as usize, &[&by], &mut || ())?.0);
    }
    if pairs.is_empty() {
        anyhow::bail!(
            "none of DATA has a part to validate with: --direct finds its threshold there"
        );
    }
    direct.choose(&pairs);
    Ok(direct)
}

const COLUMNS: [&str; 10] = [
    "pairs", "accuracy", "95 %", "loss", "ROC-AUC", "95 %", "TPR", "TNR", "p(corr)", "p(not)",
];

fn table(report: &Report) -> Table {
    let mut table = Table::default();
    table.text(report.model.line());
    for data in report.data.iter().chain(&report.all) {
        table.text("");
        table.text(format!("{}  ({})", data.name, data.holds));
        table.header("", &COLUMNS);
        for (nth, (name, scores)) in data.scores.rows().enumerate() {
            table.row(name, cells((nth == 0).then_some(data.pairs), scores));
        }
        table.row("chance", cells(None, &report.chance));
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
    for line in &report.paper {
        let cells = [percent(line.flickr_soundnet), percent(line.kinetics_sounds)];
        table.row(line.method, cells);
    }
    table
}

fn chart(report: &Report) -> Chart {
    let mut chart = Chart::default();
    for data in report.data.iter().chain(&report.all) {
        chart.shares(format!("accuracy: {}", data.name));
        let scores = data.scores.rows();
        chart.networks(scores.map(|(name, s)| (name, Some(s.accuracy), s.accuracy_95)));
        chart.bar("chance", Of::Beside, report.chance.accuracy, None);
    }
    chart.shares("the paper, on Flickr-SoundNet");
    let paper = || report.paper.iter();
    chart.published(paper().map(|line| (line.method, line.flickr_soundnet)));
    chart.shares("the paper, on Kinetics-Sounds");
    chart.published(paper().map(|line| (line.method, Some(line.kinetics_sounds))));
    chart
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
