//! The pairs of a batch.
//!
//! Belongs here: drawing examples and labels, from the number of the step alone. Does
//! not: threads (`loader`), the contents of the corpora.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::RngExt;

use super::augment::{AugmentationStrength, Augmenter};
use super::batch::{Batch, BatchPair};
use crate::corpus::{Corpus, CorpusError, Example, Pair, Rng, Split, Tag, rng};
use crate::window_spec::WindowSpec;

/// Unreadable examples in a row that end training.
const MAX_TRIES: u64 = 20;

/// Independent streams of random numbers.
mod stream {
    pub const TRAIN: u64 = 1;
    pub const VALIDATION: u64 = 2;
    pub const FIXED: u64 = 3;
}

/// How pictures and sounds of a batch are paired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum PairingMode {
    /// As in the paper: every picture and every sound is in one pair; half of the pairs
    /// correspond.
    #[default]
    Paper,
    /// Every picture with every sound of the batch, each label with half of the weight:
    /// one pass of the trunks serves B² pairs instead of B.
    All,
}

/// Several corpora with the weights by which they are drawn.
pub struct Mixture {
    parts: Vec<(f64, Box<dyn Corpus>)>,
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
    fn class_indices(&self, tags: &[Tag], of: &Example) -> Vec<u16> {
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

    fn choose(&self, rng: &mut Rng) -> usize {
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

/// The settings that determine the batches.
#[derive(Clone, Debug)]
pub struct SamplerSettings {
    /// Pictures and sounds of a batch.
    pub batch: usize,
    /// How they are paired.
    pub pairing: PairingMode,
    /// How they are augmented.
    pub augment: AugmentationStrength,
    /// The window and spectrogram of the network.
    pub spec: WindowSpec,
    /// Side of the images in pixels.
    pub side: u32,
    /// Use only this many pairs, without augmentation: tests whether the network can
    /// learn at all.
    pub overfit: Option<usize>,
    /// Seed of all random numbers.
    pub seed: u64,
}

/// Makes the batch of any step.
pub struct Sampler {
    mixture: Arc<Mixture>,
    settings: SamplerSettings,
    skipped: Arc<AtomicU64>,
}

impl Sampler {
    /// A sampler over these corpora.
    pub fn new(mixture: Arc<Mixture>, settings: SamplerSettings) -> Self {
        Self {
            mixture,
            settings,
            skipped: Arc::default(),
        }
    }

    /// Number of draws skipped because a file could not be read.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// An augmenter for [`batch`](Self::batch); each thread has its own.
    pub fn augmenter(&self) -> Augmenter {
        let strength = match self.settings.overfit {
            Some(_) => AugmentationStrength::None,
            None => self.settings.augment,
        };
        Augmenter::new(self.settings.spec, strength, self.settings.side)
    }

    /// The batch of a step.
    ///
    /// # Errors
    /// If a corpus has no such pair, or too many files are unreadable.
    pub fn batch(&self, step: u64, augmenter: &mut Augmenter) -> Result<Batch, CorpusError> {
        let rows = self.settings.batch as u64;
        let numbers = (0..rows).map(|row| step * rows + row);
        if let Some(pool) = self.settings.overfit {
            let numbers = numbers.map(|n| n % pool as u64);
            return self.pairs(step, Split::Train, stream::FIXED, numbers, augmenter);
        }
        match self.settings.pairing {
            PairingMode::Paper => self.pairs(step, Split::Train, stream::TRAIN, numbers, augmenter),
            PairingMode::All => self.grid(step, numbers, augmenter),
        }
    }

    /// Batch `number` of the validation: always the same pairs, without augmentation.
    ///
    /// # Errors
    /// As [`batch`](Self::batch).
    pub fn validation(&self, number: u64, rows: usize) -> Result<Batch, CorpusError> {
        let SamplerSettings { spec, side, .. } = self.settings;
        let mut augmenter = Augmenter::new(spec, AugmentationStrength::None, side);
        let rows = rows as u64;
        let numbers = (0..rows).map(|row| number * rows + row);
        if let Some(pool) = self.settings.overfit {
            let numbers = numbers.map(|n| n % pool as u64);
            return self.pairs(number, Split::Train, stream::FIXED, numbers, &mut augmenter);
        }
        let (split, stream) = (Split::Validation, stream::VALIDATION);
        self.pairs(number, split, stream, numbers, &mut augmenter)
    }

    /// The paper's pairs: those with even numbers correspond, the others do not.
    fn pairs(
        &self,
        step: u64,
        split: Split,
        stream: u64,
        numbers: impl Iterator<Item = u64>,
        augmenter: &mut Augmenter,
    ) -> Result<Batch, CorpusError> {
        let mut batch = self.empty(step);
        for number in numbers {
            let corresponds = number.is_multiple_of(2);
            let (pair, mut rng) = self.draw(stream, number, |corpus, rng| {
                Pair::draw(corpus, split, corresponds, augmenter.crop(), rng)
            })?;
            let (_, pair) = pair;
            let row = batch.origins.len() as u32;
            let shows = augmenter.image(&pair.seen, &mut rng, &mut batch.images);
            augmenter.sound(pair.heard(), &mut rng, &mut batch.spectrograms);
            batch
                .image_classes
                .push(self.mixture.class_indices(&shows, &pair.seen));
            let heard = pair.heard();
            batch
                .sound_classes
                .push(self.mixture.class_indices(&heard.sounds, heard));
            batch.origins.push(match &pair.heard {
                Some(heard) => format!("{} against {}", pair.seen.origin, heard.origin),
                None => pair.seen.origin,
            });
            batch.pairs.push(BatchPair {
                image: row,
                sound: row,
                corresponds,
                weight: 0.0,
            });
        }
        // By construction half of the pairs of any corpus correspond.
        batch.set_weights(&vec![0; batch.origins.len()]);
        Ok(batch)
    }

    /// Every picture with every sound of its corpus, except where it is unknown whether
    /// they correspond.
    fn grid(
        &self,
        step: u64,
        numbers: impl Iterator<Item = u64>,
        augmenter: &mut Augmenter,
    ) -> Result<Batch, CorpusError> {
        let mut batch = self.empty(step);
        let mut drawn: Vec<(usize, Example)> = Vec::new();
        for number in numbers {
            let ((part, mut example), mut rng) =
                self.draw(stream::TRAIN, number, |corpus, rng| {
                    corpus.draw(Split::Train, rng)
                })?;
            // What the crop removed counts neither for nor against a pair.
            example.shows = augmenter.image(&example, &mut rng, &mut batch.images);
            augmenter.sound(&example, &mut rng, &mut batch.spectrograms);
            let [shown, heard] = [&example.shows, &example.sounds]
                .map(|tags| self.mixture.class_indices(tags, &example));
            batch.image_classes.push(shown);
            batch.sound_classes.push(heard);
            batch.origins.push(std::mem::take(&mut example.origin));
            // From here on only the tags are needed.
            example.picture = crate::picture::Picture::filled(1, 1, [0; 3]);
            example.pcm = Vec::new();
            drawn.push((part, example));
        }
        for (i, (part, seen)) in drawn.iter().enumerate() {
            for (j, (other, heard)) in drawn.iter().enumerate() {
                let corresponds = match (i == j, part == other) {
                    (true, _) => Some(seen.corresponds()),
                    (_, true) => seen.corresponds_to(heard),
                    // A negative across corpora would teach to tell the corpora apart.
                    (_, false) => None,
                };
                if let Some(corresponds) = corresponds {
                    batch.pairs.push(BatchPair {
                        image: i as u32,
                        sound: j as u32,
                        corresponds,
                        weight: 0.0,
                    });
                }
            }
        }
        let parts: Vec<usize> = drawn.iter().map(|(part, _)| *part).collect();
        batch.set_weights(&parts);
        Ok(batch)
    }

    fn empty(&self, step: u64) -> Batch {
        Batch {
            step,
            side: self.settings.side,
            ..Batch::default()
        }
    }

    /// Draws from one of the corpora and returns its index too; draws again where a file is
    /// unreadable.
    fn draw<T>(
        &self,
        stream: u64,
        number: u64,
        draw: impl Fn(&dyn Corpus, &mut Rng) -> Result<T, CorpusError>,
    ) -> Result<((usize, T), Rng), CorpusError> {
        let mut failed = None;
        for again in 0..MAX_TRIES {
            let mut rng = rng(self.settings.seed, stream, number + (again << 48));
            let part = self.mixture.choose(&mut rng);
            match draw(&*self.mixture.parts[part].1, &mut rng) {
                Ok(drawn) => return Ok(((part, drawn), rng)),
                Err(error @ CorpusError::File { .. }) => {
                    if self.skipped.fetch_add(1, Ordering::Relaxed) < 10 {
                        tracing::warn!("skipped: {error}");
                    }
                    failed = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(failed.expect("there was an attempt"))
    }
}

#[cfg(test)]
#[path = "sampler_tests.rs"]
mod tests;
