//! Several corpora as one.

use std::sync::Arc;

use rand::RngExt;

use crate::corpus::{Corpus, CorpusError, Example, Rng, Split, Tag};

/// Several corpora with the weights by which they are drawn.
pub struct Mixture {
    pub(super) parts: Vec<(f64, Box<dyn Corpus>)>,
    classes: Vec<String>,
}

impl Mixture {
    /// A mixture; the weights need not add up to one.
    pub fn new(parts: Vec<(f64, Box<dyn Corpus>)>) -> Self {
        let mut classes: Vec<String> = parts.iter().flat_map(|(_, c)| c.classes()).collect();
        classes.sort();
        classes.dedup();
        Self { parts, classes }
    }

    /// The names of all classes, sorted.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The classes among an example's tags, and its recording's, as indices.
    pub(super) fn class_indices(&self, tags: &[Tag], of: &Example) -> Vec<u16> {
        let classes = tags.iter().filter_map(|tag| match tag {
            Tag::Class(name) => Some(name),
            Tag::Clip(_) => None,
        });
        let number = |name: &Arc<str>| self.classes.binary_search_by(|c| c.as_str().cmp(name));
        let numbers = classes
            .chain(&of.label)
            .filter_map(|name| number(name).ok());
        numbers.map(|n| n as u16).collect()
    }

    /// The corpora.
    pub fn corpora(&self) -> impl Iterator<Item = &dyn Corpus> {
        self.parts.iter().map(|(_, corpus)| &**corpus)
    }

    /// A line per corpus, with its weight if there are several.
    pub fn describe(&self) -> Vec<String> {
        let line = |(weight, corpus): &(f64, Box<dyn Corpus>)| match self.parts.len() {
            1 => corpus.describe(),
            _ => format!("{weight} x {}", corpus.describe()),
        };
        self.parts.iter().map(line).collect()
    }

    /// Checks that every corpus has examples in each of these splits.
    ///
    /// # Errors
    /// Says what is missing.
    pub fn check(&self, splits: &[Split]) -> Result<(), CorpusError> {
        for corpus in self.corpora() {
            for split in splits {
                corpus.check(*split)?;
            }
        }
        Ok(())
    }

    pub(super) fn choose(&self, rng: &mut Rng) -> usize {
        let all: f64 = self.parts.iter().map(|(weight, _)| weight).sum();
        let mut at = rng.random_range(0.0..all);
        for (i, (weight, _)) in self.parts.iter().enumerate() {
            at -= weight;
            if at < 0.0 {
                return i;
            }
        }
        self.parts.len() - 1
    }
}
