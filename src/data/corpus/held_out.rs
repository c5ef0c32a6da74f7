//! Which files are held out: the rules, and the patterns of `--test`.
//!
//! Belongs here: what the rules are, and warnings of those that hold nothing out.
//! Does not: applying them to a folder (`folder`), to a manifest (`manifest`) or to
//! recordings (`clips`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use globset::{Glob, GlobSet, GlobSetBuilder};

use super::Split;
use super::error::CorpusError;

/// The fold of ESC-50 and its kin that is held out.
pub const TEST_FOLD: u32 = 5;

/// A file in a folder of classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassFile {
    /// Where it is.
    pub path: PathBuf,
    /// The part of the data that it belongs to.
    pub split: Split,
    /// The recording that it is a take of, with the fold before it.
    pub group: String,
    /// The manifest names the recording, so takes in other classes belong to it too.
    /// Groups read from file names are per class: each class numbers its own files.
    pub of_all_classes: bool,
    /// The manifest's fold, if it has one.
    pub fold: Option<u32>,
}

/// What decides about the splits.
#[derive(Clone, Debug)]
pub struct SplitRules {
    /// Patterns on the file's name (`emojitwo_*`): always held out.
    pub test: Vec<String>,
    /// The fold that is held out.
    pub test_fold: u32,
    /// Seed of the choice where nothing else decides.
    pub seed: u64,
}

impl Default for SplitRules {
    fn default() -> Self {
        Self {
            test: Vec::new(),
            test_fold: TEST_FOLD,
            seed: 0,
        }
    }
}

impl SplitRules {
    /// Warns of rules that hold out none of the files of a corpus: with a typo in a
    /// pattern the network would train on its test data.
    pub fn warn_if_unused<'a>(&self, files: impl Iterator<Item = &'a ClassFile> + Clone) {
        warn_of_unused_patterns(&self.test, files.clone().map(|file| file.path.as_path()));
        let folds: BTreeSet<u32> = files.filter_map(|file| file.fold).collect();
        if !folds.is_empty() && !folds.contains(&self.test_fold) {
            tracing::warn!(
                "no file is of fold {}, which is to be held out: there are the folds {folds:?}; \
                 choose one with --test-fold",
                self.test_fold
            );
        }
    }
}

/// Warns of patterns of held-out files that match none of these files.
pub fn warn_of_unused_patterns<'a>(
    patterns: &[String],
    files: impl Iterator<Item = &'a Path> + Clone,
) {
    for pattern in unused_patterns(patterns, files) {
        tracing::warn!("--test {pattern}: no file is called so, and none is held out by it");
    }
}

/// The patterns that match the name of none of these files.
pub fn unused_patterns<'p, 'f>(
    patterns: &'p [String],
    files: impl Iterator<Item = &'f Path> + Clone,
) -> impl Iterator<Item = &'p str> {
    patterns
        .iter()
        .map(String::as_str)
        .filter(move |pattern| match Glob::new(pattern) {
            Ok(glob) => {
                let glob = glob.compile_matcher();
                let names = files.clone().filter_map(Path::file_name);
                !names.map(Path::new).any(|name| glob.is_match(name))
            }
            // An invalid pattern is refused where the files are read.
            Err(_) => false,
        })
}

/// Compiles the patterns of held-out files.
///
/// # Errors
/// Names the pattern that is invalid.
pub(super) fn patterns(globs: &[String]) -> Result<GlobSet, CorpusError> {
    let refuse = |pattern: &str, e: globset::Error| {
        CorpusError::TooFew(format!("the pattern {pattern} of held-out files: {e}"))
    };
    let mut set = GlobSetBuilder::new();
    for pattern in globs {
        set.add(Glob::new(pattern).map_err(|e| refuse(pattern, e))?);
    }
    set.build().map_err(|e| refuse("", e))
}
