//! What experiments on labelled files share: their data and its features.

use std::path::PathBuf;

use super::{CommonArgs, bar};
use crate::cmd::data::HeldOutArgs;
use crate::eval::extract::{Extraction, Extractor};
use crate::eval::labelled::{Labelled, MediaKind};
use crate::eval::networks::Networks;
use crate::eval::seconds::Seconds;
use crate::eval::{EvalError, Unreadable};
use crate::net::{HeatmapKind, Modality};

macro_rules! layouts {
    () => {
        "\
DIR is
  a folder of classes   DIR/<class>/<file>; a manifest.csv in it may give each file
                        a fold, or say which are the test (columns path, fold, split)
  train and test        DIR/train/<class>/<file> and DIR/test/<class>/<file>, or val
  ESC-50                DIR/audio/ and DIR/meta/esc50.csv
  DCASE                 DIR/evaluation_setup/fold1_train.txt and fold1_evaluate.txt,
                        or DIR/train.txt and DIR/test.txt: lines of path and class
  shards                DIR/*.tar, made by `l3net prepare` of folders of videos by class;
                        of each clip all of its sound, or the picture in its middle;
                        one recording in seven is held out (--split-seed chooses)
"
    };
}

/// The layouts, for the help of commands that train on files.
pub const HELP: &str = concat!(
    layouts!(),
    "With folds, each is tested once with the others as training data."
);
/// The same for commands that train on nothing.
pub const LOOK_HELP: &str = concat!(
    layouts!(),
    "All files are used. For a network that was trained on some of them, use only the
others: with --held-out, of folds the fifth (--test-fold)."
);

/// Options of experiments on labelled files.
#[derive(clap::Args, Clone, Debug)]
pub struct LabelledArgs {
    /// The data; several folders of classes count as one
    #[arg(required = true, value_name = "DIR")]
    pub data: Vec<PathBuf>,
    #[command(flatten)]
    split: HeldOutArgs,
    /// Compute features anew, and do not cache them
    #[arg(long)]
    pub no_cache: bool,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

/// Options of experiments that train on nothing.
#[derive(clap::Args, Clone, Debug)]
pub struct LookArgs {
    #[command(flatten)]
    pub(super) labelled: LabelledArgs,
    /// What the files are
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(super) of: Of,
    /// Use only held-out files: by --test, or as the data itself says
    #[arg(long)]
    pub held_out: bool,
}

impl LookArgs {
    /// What the files are.
    pub(super) fn kind(&self) -> MediaKind {
        self.of.into()
    }

    /// All files, or those held out.
    pub(super) fn read(&self) -> anyhow::Result<Labelled> {
        let kind = self.kind();
        let split = &self.labelled.split;
        if self.held_out || !split.test.is_empty() {
            return Ok(self.labelled.read(kind)?.held_out(split.test_fold));
        }
        Ok(Labelled::read_all(&self.labelled.data, kind.extensions())?)
    }
}

/// `--of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Of {
    /// Pictures, judged by the vision trunk
    Pictures,
    /// Sounds, judged by the audio trunk
    Sounds,
}

impl From<Of> for MediaKind {
    fn from(of: Of) -> Self {
        match of {
            Of::Pictures => Self::Pictures,
            Of::Sounds => Self::Sounds,
        }
    }
}

impl LabelledArgs {
    pub(super) fn read(&self, kind: MediaKind) -> anyhow::Result<Labelled> {
        let rules = self.split.rules(&[]);
        Ok(Labelled::read(&self.data, kind.extensions(), &rules)?)
    }

    /// The networks, of which each has the trunk for these media.
    pub(super) fn networks(&self, kind: MediaKind) -> anyhow::Result<Networks> {
        let modality = match kind {
            MediaKind::Pictures => Modality::Vision,
            MediaKind::Sounds => Modality::Audio,
        };
        (self.common).networks(HeatmapKind::default(), |weights| {
            weights.check_trunk(modality)
        })
    }

    /// The features of all networks. Sounds are cut into so many seconds; with the same
    /// number, experiments share the cached features.
    pub(super) fn extract(
        &self,
        data: &Labelled,
        kind: MediaKind,
        seconds: Seconds,
        networks: &Networks,
    ) -> Result<Vec<Extraction>, EvalError> {
        let files = &data.files;
        let bar = bar(files.len() * networks.loaded.len(), self.common.talk.quiet);
        let found = networks.loaded.iter().map(|loaded| {
            let extractor = Extractor {
                net: &loaded.net,
                weights: &loaded.weights,
                loaders: self.common.loaders(),
                cached: !self.no_cache,
            };
            match kind {
                MediaKind::Pictures => extractor.pictures(files, &mut || bar.inc(1)),
                MediaKind::Sounds => extractor.sounds(files, seconds, &mut || bar.inc(1)),
            }
        });
        let found = found.collect();
        bar.finish_and_clear();
        found
    }
}

/// Logs the files that could not be read. True if there were none.
pub(super) fn report_unreadable(files: &[Unreadable]) -> bool {
    for Unreadable { file, error, .. } in files {
        tracing::error!("{}: {error}", file.display());
    }
    files.is_empty()
}
