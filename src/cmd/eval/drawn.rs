//! What experiments on drawn pairs and scenes share: their data, and how data that
//! cannot be used is reported.

use super::{CommonArgs, bar};
use crate::cancel::CancelToken;
use crate::cmd::common::Usage;
use crate::cmd::data::{DataArgs, Opened, is_recording};
use crate::corpus::{Corpus, Split};
use crate::eval::networks::Networks;
use crate::eval::{CorpusResult, Draws, EvalError, Experiment, FailedCorpus, Results, Unreadable};
use crate::features::Crop;
use crate::report::DrawSettings;
use crate::text::plural;
use crate::window_spec::WindowSpec;

/// Options of experiments on drawn pairs and scenes.
#[derive(clap::Args, Clone, Debug)]
pub struct SharedArgs {
    #[command(flatten)]
    pub(super) data: DataArgs,
    /// Part of the data to draw from
    #[arg(long, value_enum, default_value = "test", value_name = "PART")]
    pub split_part: Part,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

/// `--split-part`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Held out for the final test
    #[default]
    Test,
    /// Held out to monitor training
    Validation,
    /// What the network is trained on
    Train,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Validation => "validation",
            Self::Train => "train",
        }
    }
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

impl SharedArgs {
    /// How pairs or scenes are drawn, for the report.
    pub(super) fn settings(&self, crop: Crop) -> DrawSettings {
        DrawSettings {
            split: self.split_part.name(),
            seed: self.common.seed,
            crop,
        }
    }

    /// How they are drawn from one corpus.
    pub(super) fn draws<'a>(
        &self,
        corpus: &'a dyn Corpus,
        split: Split,
        spec: WindowSpec,
        crop: Crop,
    ) -> Draws<'a> {
        Draws {
            corpus,
            split,
            seed: self.common.seed,
            spec,
            crop,
            loaders: self.common.loaders(),
        }
    }
}

/// All DATA that can be opened.
pub(super) struct AllData {
    /// In order.
    pub opened: Vec<Opened>,
    failed: Vec<FailedCorpus>,
}

impl AllData {
    /// Opens each DATA separately: one that cannot be used does not prevent the others.
    /// Wrong usage does.
    pub fn open(args: &SharedArgs) -> anyhow::Result<Self> {
        let (mut opened, mut failed) = (Vec::new(), Vec::new());
        for (name, data) in each_alone(&args.data) {
            match data.open(args.common.talk.quiet, &CancelToken::default()) {
                Ok(one) => opened.extend(one),
                Err(error) if error.is::<Usage>() => return Err(error),
                Err(error) => failed.push(FailedCorpus {
                    data: name,
                    error: format!("{error:#}"),
                }),
            }
        }
        Ok(Self { opened, failed })
    }
}

/// Each DATA alone, with its name. Recordings stay together: pairs that do not
/// correspond are made of two.
fn each_alone(args: &DataArgs) -> Vec<(String, DataArgs)> {
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
    // No DATA at all is refused when this is opened.
    if !args.sounds.is_empty() || all.is_empty() {
        let mut classes = args.clone();
        classes.data.clear();
        all.push(("classes".to_owned(), classes));
    }
    all
}

/// Runs an experiment on each DATA. DATA that cannot be used does not prevent the
/// rest.
pub(super) fn run<E: Experiment>(
    args: &SharedArgs,
    AllData { opened, failed }: AllData,
    crop: Crop,
    experiment: &E,
    networks: &Networks,
) -> anyhow::Result<Results<E::Outcome>> {
    warn_of_other_split(args, networks);
    let judges = networks.judges();
    let counts = opened.iter().map(|o| experiment.count(&*o.corpus));
    let counts: Vec<usize> = counts.collect();
    let bar = bar(counts.iter().sum(), args.common.talk.quiet);
    let mut results = Results {
        parts: Vec::new(),
        unreadable: Vec::new(),
        failed,
    };
    for (nth, Opened { name, corpus, .. }) in opened.into_iter().enumerate() {
        let draws = args.draws(&*corpus, args.split_part.into(), networks.spec(), crop);
        bar.set_position(counts[..nth].iter().sum::<usize>() as u64);
        match draws.judge(experiment, &judges, &mut || bar.inc(1)) {
            Ok((judged, unreadable)) => {
                results.unreadable.extend(unreadable);
                results.parts.push(CorpusResult {
                    name,
                    description: corpus.describe(),
                    judged,
                });
            }
            Err(EvalError::Corpus(error)) => results.failed.push(FailedCorpus {
                data: name,
                error: error.to_string(),
            }),
            Err(error) => return Err(error.into()),
        }
    }
    bar.finish_and_clear();
    match results.failed.first() {
        Some(FailedCorpus { error, .. }) if results.parts.is_empty() => anyhow::bail!("{error}"),
        _ => Ok(results),
    }
}

/// Logs what could not be used. True if there was nothing.
pub(super) fn report_failures<J>(results: &Results<J>) -> bool {
    for FailedCorpus { data, error } in &results.failed {
        tracing::error!("{data}: {error}");
    }
    for Unreadable { file, error, draws } in &results.unreadable {
        let draws = plural(*draws, "draw");
        tracing::error!("{}: {error} ({draws} repeated)", file.display());
    }
    results.failed.is_empty() && results.unreadable.is_empty()
}

/// Warns if the model was trained with another split of recordings.
fn warn_of_other_split(args: &SharedArgs, networks: &Networks) {
    let weights = &networks.loaded[0].weights;
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
