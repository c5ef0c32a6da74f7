//! What an experiment on drawn examples is.
//!
//! Belongs here: the questions that it asks, the results on several corpora.
//! Does not: how draws are made and judged (`draws`), which experiments there are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::corpus::{Corpus, CorpusError, Example, Rng, Split};
use crate::features::{Crop, FeatureExtractor, Features};
use crate::result::Judgement;
use crate::window_spec::WindowSpec;

/// The corpus of an experiment, and how it is drawn from.
#[derive(Clone, Copy)]
pub struct Draws<'a> {
    /// The corpus.
    pub corpus: &'a dyn Corpus,
    /// Which part of it.
    pub split: Split,
    /// The same seed draws the same, however many threads there are.
    pub seed: u64,
    /// What the networks hear.
    pub spec: WindowSpec,
    /// Which part of a picture the network sees.
    pub crop: Crop,
    /// Threads that draw and compute features.
    pub loaders: usize,
}

/// A file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The file.
    #[serde(serialize_with = "as_text")]
    pub file: PathBuf,
    /// What is wrong with it, and the next step.
    pub error: String,
    /// How many draws had to be repeated.
    pub draws: usize,
}

/// Serialises a path as people see it. serde fails on a path that is not UTF-8,
/// which would lose the evaluation's work.
///
/// # Errors
/// Those of the serialiser.
pub fn as_text<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&path.display())
}

/// An experiment: the question of each draw, and what the answers mean.
pub trait Experiment: Sync {
    /// Names the random stream: of one seed, no two experiments draw the same.
    const STREAM: &'static str;
    /// What is known of a draw before it is judged.
    type Facts: Send;
    /// A draw with the answers to it.
    type Outcome;

    /// How many draws it makes from a corpus.
    fn count(&self, corpus: &dyn Corpus) -> usize;

    /// Draws the question number `index`, by chance from `rng` alone.
    ///
    /// # Errors
    /// If a file cannot be read, or the corpus has nothing to ask about.
    fn ask(
        &self,
        draws: &Draws<'_>,
        index: usize,
        rng: &mut Rng,
        extractor: &mut FeatureExtractor,
    ) -> Result<Question<Self::Facts>, CorpusError>;

    /// A question with its answers: for each judge one to each of its features.
    fn outcome(&self, facts: Self::Facts, answers: Vec<Vec<Judgement>>) -> Self::Outcome;
}

/// The question of one draw to the networks.
#[derive(Clone, Debug)]
pub struct Question<F> {
    /// What is known before it is judged.
    pub facts: F,
    /// Where the example comes from, for errors.
    pub origin: String,
    /// One moment or several.
    pub features: Vec<Features>,
}

impl<F> Question<F> {
    /// The picture of an example with each of these sounds (mono, 48 kHz).
    pub fn of(facts: F, seen: &Example, sounds: &[&[f32]], to: &mut FeatureExtractor) -> Self {
        let features = sounds.iter().map(|pcm| to.extract(pcm, &seen.picture));
        Self {
            facts,
            origin: seen.origin.clone(),
            features: features.collect(),
        }
    }
}

/// Results of an experiment on several corpora.
#[derive(Clone, Debug)]
pub struct Results<J> {
    /// Results on each corpus, in order.
    pub parts: Vec<CorpusResult<J>>,
    /// Files that could not be read.
    pub unreadable: Vec<Unreadable>,
    /// Corpora that could not be used.
    pub failed: Vec<FailedCorpus>,
}

/// Results on one corpus.
#[derive(Clone, Debug)]
pub struct CorpusResult<J> {
    /// As it was named on the command line.
    pub name: String,
    /// What is in it.
    pub description: String,
    /// The draws that were judged.
    pub judged: Vec<J>,
}

/// A corpus that could not be used.
#[derive(Clone, Debug, Serialize)]
pub struct FailedCorpus {
    /// As it was named on the command line.
    pub data: String,
    /// Why.
    pub error: String,
}

impl<J> Results<J> {
    /// Figures of each corpus, and of all together if there are several. `figures`
    /// gets name, description and draws; it returns `None` without draws.
    pub fn figures<D>(
        &self,
        figures: impl Fn(&str, &str, &[&J]) -> Option<D>,
    ) -> (Vec<D>, Option<D>) {
        let each = self.parts.iter().filter_map(|part| {
            let judged: Vec<&J> = part.judged.iter().collect();
            figures(&part.name, &part.description, &judged)
        });
        let each = each.collect();
        if self.parts.len() < 2 {
            return (each, None);
        }
        let all: Vec<&J> = self.parts.iter().flat_map(|part| &part.judged).collect();
        (each, figures("all", "all of it", &all))
    }
}

/// Groups draws by a key, in the order of the keys.
pub(super) fn grouped<'a, J, K: Ord, G>(
    judged: &[&'a J],
    key: impl Fn(&J) -> K,
    group: impl Fn(&K, &[&'a J]) -> Option<G>,
) -> Vec<G> {
    let mut groups: BTreeMap<K, Vec<&J>> = BTreeMap::new();
    for &one in judged {
        groups.entry(key(one)).or_default().push(one);
    }
    let groups = groups.iter();
    groups
        .filter_map(|(key, members)| group(key, members))
        .collect()
}
