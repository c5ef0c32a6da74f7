//! What experiments on labelled files share: the data, and what the networks
//! make of it.

use std::path::PathBuf;

use serde::Serialize;

use super::networks::Networks;
use super::{CommonArgs, bar};
use crate::cmd::data::HeldOutArgs;
use crate::corpus::{PICTURE_EXTENSIONS, SOUND_EXTENSIONS};
use crate::eval::extract::{Extraction, Extractor};
use crate::eval::labelled::Labelled;
use crate::eval::seconds::Seconds;
use crate::eval::{EvalError, Unreadable};

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

/// What the layouts are, for the help of commands that take them.
pub const HELP: &str = concat!(
    layouts!(),
    "With folds, each is tested on once and the others are learnt from."
);
/// The same for commands that learn nothing.
pub const LOOK_HELP: &str = concat!(
    layouts!(),
    "All files are looked at. A network that was trained on some of them should be
shown the others alone: with --held-out, of folds the fifth (--test-fold)."
);

/// Labelled files, and who looks at them.
#[derive(clap::Args, Clone, Debug)]
pub struct LabelledArgs {
    /// The data; several folders of classes are one
    #[arg(required = true, value_name = "DIR")]
    pub data: Vec<PathBuf>,
    #[command(flatten)]
    split: HeldOutArgs,
    /// Find features anew, and do not keep them for the next time
    #[arg(long)]
    pub no_cache: bool,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

/// Labelled files that are looked at, and nothing is learnt of them.
#[derive(clap::Args, Clone, Debug)]
pub struct LookArgs {
    #[command(flatten)]
    pub(super) labelled: LabelledArgs,
    /// What the files are
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(super) of: Of,
    /// Only files that are held out: by --test, or as the data itself says
    #[arg(long)]
    pub held_out: bool,
}

impl LookArgs {
    /// The files; all, or those held out.
    pub(super) fn read(&self) -> anyhow::Result<Labelled> {
        let kind = Kind::of(self.of);
        let split = &self.labelled.split;
        if self.held_out || !split.test.is_empty() {
            return Ok(self.labelled.read(kind)?.held_out(split.test_fold));
        }
        Ok(Labelled::read_all(&self.labelled.data, kind.extensions())?)
    }
}

/// Pictures, or sounds cut into so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Pictures,
    Sounds(Seconds),
}

/// `--of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Of {
    /// Pictures, judged by the vision trunk
    Pictures,
    /// Sounds, judged by the audio trunk
    Sounds,
}

impl Of {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pictures => "pictures",
            Self::Sounds => "sounds",
        }
    }
}

impl Kind {
    /// Seconds as many as for naming sounds, so that what was found for one
    /// experiment serves the others.
    pub fn of(of: Of) -> Self {
        match of {
            Of::Pictures => Self::Pictures,
            Of::Sounds => Self::Sounds(Seconds::default()),
        }
    }

    /// The files that are looked for.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Pictures => &PICTURE_EXTENSIONS,
            Self::Sounds(_) => &SOUND_EXTENSIONS,
        }
    }
}

impl LabelledArgs {
    pub(super) fn read(&self, kind: Kind) -> anyhow::Result<Labelled> {
        let rules = self.split.rules(&[]);
        Ok(Labelled::read(&self.data, kind.extensions(), &rules)?)
    }

    /// What each network makes of the files.
    pub(super) fn extract(
        &self,
        data: &Labelled,
        kind: Kind,
        networks: &Networks,
    ) -> Result<Vec<Extraction>, EvalError> {
        let files = &data.files;
        let bar = bar(files.len() * networks.placed.len(), self.common.talk.quiet);
        let found = networks.placed.iter().map(|placed| {
            let extractor = Extractor {
                net: &placed.net,
                weights: &placed.weights,
                loaders: self.common.loaders(),
                cached: !self.no_cache,
            };
            match kind {
                Kind::Pictures => extractor.pictures(files, &mut || bar.inc(1)),
                Kind::Sounds(seconds) => extractor.sounds(files, seconds, &mut || bar.inc(1)),
            }
        });
        let found = found.collect();
        bar.finish_and_clear();
        found
    }
}

/// Names on stderr the files that could not be read. True if there were none.
pub(super) fn tell_unreadable(files: &[Unreadable]) -> bool {
    for Unreadable { file, error, .. } in files {
        tracing::error!("{}: {error}", file.display());
    }
    files.is_empty()
}
