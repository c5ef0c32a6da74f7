//! The examples and pairs of a batch.
//!
//! Belongs here: drawing examples and the paper's pairs, from the number of the step
//! alone. Does not: pairs among examples that are drawn (`pairing`), threads (`loader`),
//! the contents of the corpora.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::augment::{AugmentationStrength, Augmenter};
use super::batch::Batch;
use super::mixture::Mixture;
use super::pairing::{Drawn, PairingMode, grid, pair_of};
use crate::corpus::{Corpus, CorpusError, Pair, Rng, Split, rng};
use crate::window_spec::WindowSpec;

/// Unreadable examples in a row that end training.
const MAX_TRIES: u64 = 20;

/// Rows of a validation batch.
const VALIDATION_ROWS: usize = 32;

/// Independent streams of random numbers.
mod stream {
    pub const TRAIN: u64 = 1;
    pub const VALIDATION: u64 = 2;
    pub const FIXED: u64 = 3;
}

/// The part of each batch that one of several processes draws: consecutive rows, so that
/// those of all processes together are the batch of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The number of the process.
    pub rank: usize,
    /// The number of processes.
    pub of: usize,
}

impl Share {
    /// All of it.
    pub const WHOLE: Self = Self { rank: 0, of: 1 };

    /// The numbers of the examples of a step, whose whole batch has `batch` rows.
    fn rows(self, step: u64, batch: usize) -> Range<u64> {
        let rows = (batch / self.of) as u64;
        let first = step * batch as u64 + self.rank as u64 * rows;
        first..first + rows
    }
}

/// The settings that determine the batches.
#[derive(Clone, Debug)]
pub struct SamplerSettings {
    /// Pictures and sounds of a whole batch.
    pub batch: usize,
    /// Which of them this process draws.
    pub share: Share,
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

/// Examples that are drawn and augmented.
#[derive(Default)]
pub struct Examples {
    /// Side of the square images in pixels.
    pub side: u32,
    /// N × side × side × 3 bytes of RGB.
    pub images: Vec<u8>,
    /// N × bins × frames.
    pub spectrograms: Vec<f32>,
    /// What they are of.
    pub drawn: Vec<Drawn>,
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

    /// A line per corpus.
    pub fn describe(&self) -> Vec<String> {
        self.mixture.describe()
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

    /// The batch of a step, or this process's share of it.
    ///
    /// # Errors
    /// If a corpus has no such pair, or too many files are unreadable.
    pub fn batch(&self, step: u64, augmenter: &mut Augmenter) -> Result<Batch, CorpusError> {
        let numbers = self.settings.share.rows(step, self.settings.batch);
        if let Some(pool) = self.settings.overfit {
            let numbers = numbers.map(|n| n % pool as u64);
            return self.pairs(step, Split::Train, stream::FIXED, numbers, augmenter);
        }
        match self.settings.pairing {
            PairingMode::Paper => self.pairs(step, Split::Train, stream::TRAIN, numbers, augmenter),
            PairingMode::All => {
                let examples = self.examples(numbers, augmenter)?;
                let drawn: Vec<&Drawn> = examples.drawn.iter().collect();
                let mut batch = Batch::of(step, &drawn);
                grid(&drawn, &mut batch);
                batch.side = examples.side;
                batch.images = examples.images;
                batch.spectrograms = examples.spectrograms;
                Ok(batch)
            }
        }
    }

    /// The training examples of these numbers: with [`PairingMode::All`], those of the
    /// batch `n` have the numbers from `n` times its size on.
    ///
    /// # Errors
    /// As [`batch`](Self::batch).
    pub fn examples(
        &self,
        numbers: Range<u64>,
        augmenter: &mut Augmenter,
    ) -> Result<Examples, CorpusError> {
        let mut examples = Examples {
            side: self.settings.side,
            ..Examples::default()
        };
        for number in numbers {
            let ((part, mut example), mut rng) =
                self.draw(stream::TRAIN, number, |corpus, rng| {
                    corpus.draw(Split::Train, rng)
                })?;
            // What the crop removed counts neither for nor against a pair.
            example.shows = augmenter.image(&example, &mut rng, &mut examples.images);
            augmenter.sound(&example, &mut rng, &mut examples.spectrograms);
            let [image_classes, sound_classes] = [&example.shows, &example.sounds]
                .map(|tags| self.mixture.class_indices(tags, &example));
            // From here on only the tags are needed.
            example.picture = crate::picture::Picture::filled(1, 1, [0; 3]);
            example.pcm = Vec::new();
            examples.drawn.push(Drawn {
                part,
                example,
                image_classes,
                sound_classes,
            });
        }
        Ok(examples)
    }

    /// All batches of a validation on so many pairs, or some more.
    pub fn validation_batches(
        &self,
        pairs: usize,
    ) -> impl Iterator<Item = Result<Batch, CorpusError>> {
        let rows = pairs.min(VALIDATION_ROWS);
        (0..pairs.div_ceil(rows) as u64).map(move |number| self.validation(number, rows))
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
            let row = batch.origins.len();
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
            batch.pairs.push(pair_of(row, row, corresponds));
        }
        // By construction half of the pairs of any corpus correspond.
        batch.set_weights(&vec![0; batch.origins.len()]);
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
