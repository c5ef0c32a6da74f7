//! What experiments on drawn pairs and scenes share: the data, and what becomes of
//! what cannot be used.

use serde::Serialize;

use super::networks::Networks;
use super::{CommonArgs, bar};
use crate::cancel::CancelToken;
use crate::cmd::common::Usage;
use crate::cmd::data::{DataArgs, Opened, is_recording};
use crate::corpus::{Corpus, Split};
use crate::eval::{Draws, EvalError, Judge, Unreadable};
use crate::result::Crop;
use crate::text::plural;

/// What experiments on drawn pairs and scenes are told.
#[derive(clap::Args, Clone, Debug)]
pub struct SharedArgs {
    #[command(flatten)]
    pub(super) data: DataArgs,
    /// Part of the data that is looked at
    #[arg(long, value_enum, default_value = "test", value_name = "PART")]
    pub split_part: Part,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

/// `--split-part`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// What is held out for the end.
    #[default]
    Test,
    /// What is held out to watch training.
    Validation,
    /// What the network learns from.
    Train,
}

impl From<Part> for Split {
    fn from(part: Part) -> Self {
        match part {
            Part::Test => Self::Test,
            Part::Validation => Self::Validation,
            Part::Train => Self::Train,
        }
    }
}

/// DATA that could not be used.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Failed {
    data: String,
    error: String,
}

/// All DATA, as far as it can be opened.
pub(super) struct AllData {
    /// What is drawn from, in order.
    pub opened: Vec<Opened>,
    failed: Vec<Failed>,
}

impl AllData {
    /// Opens each DATA for itself: one that cannot be used does not keep the others
    /// from being done. Wrong usage does.
    pub fn open(args: &SharedArgs) -> anyhow::Result<Self> {
        let (mut opened, mut failed) = (Vec::new(), Vec::new());
        for (name, data) in one_by_one(&args.data) {
            match data.open(args.common.talk.quiet, &CancelToken::default()) {
                Ok(one) => opened.extend(one),
                Err(error) if error.is::<Usage>() => return Err(error),
                Err(error) => failed.push(Failed {
                    data: name,
                    error: format!("{error:#}"),
                }),
            }
        }
        Ok(Self { opened, failed })
    }
}

/// Each DATA alone, with its name. Recordings stay together, since each needs others
/// to be held against.
fn one_by_one(args: &DataArgs) -> Vec<(String, DataArgs)> {
    let only = |data: Vec<String>| {
        let mut only = args.clone();
        (only.data, only.sounds, only.images) = (data, Vec::new(), Vec::new());
        only
    };
    let all = args.data.iter().cloned();
    let (recordings, others): (Vec<_>, Vec<_>) = all.partition(|text| is_recording(text));
    let one = |text: String| (text.clone(), only(vec![text]));
    let mut all: Vec<_> = others.into_iter().map(one).collect();
    if !recordings.is_empty() {
        all.push((recordings.join(" "), only(recordings)));
    }
    // Nothing at all is refused with what there should be.
    if !args.sounds.is_empty() || all.is_empty() {
        let mut classes = args.clone();
        classes.data.clear();
        all.push(("classes".to_owned(), classes));
    }
    all
}

/// What came of each DATA, in order, and what went wrong.
pub(super) struct Gathered<J> {
    /// Name, description and what was judged.
    pub parts: Vec<(String, String, Vec<J>)>,
    /// Files that could not be read.
    pub unreadable: Vec<Unreadable>,
    /// DATA that could not be used.
    pub failed: Vec<Failed>,
}

/// Judges as many draws of each DATA as `count` says. DATA that cannot be used does
/// not keep the rest from being done.
pub(super) fn gather<J>(
    args: &SharedArgs,
    AllData { opened, failed }: AllData,
    crop: Crop,
    count: impl Fn(&dyn Corpus) -> usize,
    networks: &Networks,
    judge: impl Fn(
        &Draws<'_>,
        &[Judge<'_>],
        &mut dyn FnMut(),
    ) -> Result<(Vec<J>, Vec<Unreadable>), EvalError>,
) -> anyhow::Result<Gathered<J>> {
    warn_of_other_split(args, networks);
    let counts: Vec<usize> = opened.iter().map(|o| count(&*o.corpus)).collect();
    let bar = bar(counts.iter().sum(), args.common.talk.quiet);
    let mut gathered = Gathered {
        parts: Vec::new(),
        unreadable: Vec::new(),
        failed,
    };
    for (nth, Opened { name, corpus, .. }) in opened.into_iter().enumerate() {
        let draws = Draws {
            corpus: &*corpus,
            split: args.split_part.into(),
            seed: args.common.seed,
            crop,
            loaders: args.common.loaders(),
        };
        bar.set_position(counts[..nth].iter().sum::<usize>() as u64);
        let result = networks.judges(|judges| judge(&draws, judges, &mut || bar.inc(1)));
        match result {
            Ok((judged, unreadable)) => {
                gathered.unreadable.extend(unreadable);
                gathered.parts.push((name, corpus.describe(), judged));
            }
            Err(EvalError::Corpus(error)) => gathered.failed.push(Failed {
                data: name,
                error: error.to_string(),
            }),
            Err(error) => return Err(error.into()),
        }
    }
    bar.finish_and_clear();
    match gathered.failed.first() {
        Some(Failed { error, .. }) if gathered.parts.is_empty() => anyhow::bail!("{error}"),
        _ => Ok(gathered),
    }
}

/// What one way to split holds out, the other has trained on.
fn warn_of_other_split(args: &SharedArgs, networks: &Networks) {
    let weights = &networks.placed[0].weights;
    let split = args.data.split_of_recordings();
    let now = [
        (
            "trained_split",
            "--split",
            split.map(|by| by.name().to_owned()),
        ),
        (
            "trained_split_seed",
            "--split-seed",
            Some(args.data.split_seed().to_string()),
        ),
    ];
    for (key, option, now) in now {
        if let (Some(then), Some(now)) = (weights.metadata().get(key), now)
            && *then != now
        {
            tracing::warn!(
                "{} was trained with {option} {then}: of the same data, what is held out with \
                 {option} {now} may have been trained on",
                weights.source().display()
            );
        }
    }
}

impl<J> Gathered<J> {
    /// Names on stderr what could not be used. True if there was nothing.
    pub fn tell_failures(&self) -> bool {
        for Failed { data, error } in &self.failed {
            tracing::error!("{data}: {error}");
        }
        for Unreadable { file, error, draws } in &self.unreadable {
            let draws = plural(*draws, "draw");
            tracing::error!("{}: {error} ({draws} made anew)", file.display());
        }
        self.failed.is_empty() && self.unreadable.is_empty()
    }

    /// All that was judged, of whatever DATA, if it is several.
    pub fn all(&self) -> Option<Vec<&J>> {
        let several = self.parts.len() > 1;
        several.then(|| {
            self.parts
                .iter()
                .flat_map(|(_, _, judged)| judged)
                .collect()
        })
    }
}
