//! Examples whose features are computed once.
//!
//! With frozen trunks a step needs no more of an example than its features. So some
//! thousands of examples are drawn, augmented and passed through the trunks once, and
//! all steps draw their batches from these: thousands of them take seconds.
//!
//! Belongs here: making the pool, and a step's batch of it. Does not: the file of
//! features in the cache (`pool_file`).

use std::mem::take;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use l3net_data::floats;
use rand::seq::SliceRandom;

use super::augment::Augmenter;
use super::batch::{Batch, PooledRows};
use super::error::TrainError;
use super::loader::Loader;
use super::pairing::{Drawn, PairingMode, grid, halves};
use super::pool_file::PoolFile;
use super::sampler::{Examples, Sampler};
use super::settings::{Start, TrainSettings};
use super::standardisation::Standardisation;
use crate::cache;
use crate::corpus::{CorpusError, hash_bytes, rng};
use crate::features::{Features, Viewport};
use crate::net::{FEATURE, L3Net, NetError, NetOptions};

/// Examples that are drawn and passed through the trunks together.
const BLOCK: u64 = 64;
/// The stream of random numbers that puts the pool in order.
const ORDER: u64 = 4;

/// Examples with their features.
pub struct Pool {
    drawn: Vec<Drawn>,
    rows: PooledRows,
    /// The order of a turn, and its number.
    order: (u64, Vec<usize>),
    /// The batches of the validation.
    pub validation: Vec<Batch>,
    /// What the features were standardised by.
    pub standardisation: Standardisation,
}

impl Pool {
    /// Draws `settings.pool` examples, or as many as all steps take if these are fewer, and the
    /// batches of the validation, and computes their features with the trunks of `start`.
    /// Those that the cache holds are taken from there. `stop` ends it early: what is
    /// there by then is in the pool, and in the cache. `report` gets the examples done
    /// and their number. A run that is resumed keeps its standardisation.
    ///
    /// # Errors
    /// If an example cannot be drawn, or the network fails.
    pub fn make(
        sampler: &Arc<Sampler>,
        start: &Start,
        settings: &TrainSettings,
        stop: impl Fn() -> bool,
        report: impl FnMut(u64, u64),
    ) -> Result<Self, TrainError> {
        let cache = cache::folder().join("features");
        Self::make_in(&cache, sampler, start, settings, stop, report)
    }

    /// [`make`](Self::make) with another folder for features.
    fn make_in(
        cache: &Path,
        sampler: &Arc<Sampler>,
        start: &Start,
        settings: &TrainSettings,
        stop: impl Fn() -> bool,
        mut report: impl FnMut(u64, u64),
    ) -> Result<Self, TrainError> {
        let options = NetOptions {
            device: settings.device,
            precision: settings.precision,
            threads: Some(settings.threads),
            ..NetOptions::default()
        };
        let weights = start.trunks(settings.sampler.seed);
        let net = L3Net::new(&weights, &options)?;
        let mut file = PoolFile::open(cache, &net, &weights, settings, &sampler.describe());
        let filled = fill(sampler, settings, &net, &mut file, &stop, &mut report);
        // Also after an error: what was computed is not lost.
        match filled.is_err() || stop() {
            true => file.write(),
            false => file.end(),
        }
        let Filled {
            drawn,
            mut rows,
            mut validation,
        } = filled?;
        let so_far = start.standardisation().cloned();
        let standardisation = so_far.unwrap_or_else(|| Standardisation::of(&rows));
        let of_validation = validation.iter_mut().filter_map(|b| b.pooled.as_mut());
        for rows in of_validation.chain([&mut rows]) {
            standardisation.apply(rows);
        }
        Ok(Self {
            order: (0, (0..drawn.len()).collect()),
            drawn,
            rows,
            validation,
            standardisation,
        })
    }

    /// The batch of a step. All examples are used before one is used again, first in the
    /// order of their drawing, then in random ones.
    pub fn batch(&mut self, step: u64, settings: &TrainSettings) -> Batch {
        let len = self.drawn.len() as u64;
        let rows = settings.sampler.batch as u64;
        let places: Vec<usize> = (step * rows..(step + 1) * rows)
            .map(|number| {
                self.turn_to(number / len, settings.sampler.seed);
                self.order.1[(number % len) as usize]
            })
            .collect();
        let drawn: Vec<&Drawn> = places.iter().map(|&place| &self.drawn[place]).collect();
        let mut batch = Batch::of(step, &drawn);
        match settings.sampler.pairing {
            PairingMode::Paper => halves(&drawn, &mut batch),
            PairingMode::All => grid(&drawn, &mut batch),
        }
        let gather = |rows: &[f32]| -> Vec<f32> {
            let row = |&place: &usize| &rows[place * FEATURE..(place + 1) * FEATURE];
            places.iter().flat_map(row).copied().collect()
        };
        batch.pooled = Some(PooledRows {
            vision: gather(&self.rows.vision),
            audio: gather(&self.rows.audio),
        });
        batch
    }

    /// Puts the examples in the order of a turn.
    fn turn_to(&mut self, turn: u64, seed: u64) {
        if self.order.0 == turn {
            return;
        }
        let mut order: Vec<usize> = (0..self.drawn.len()).collect();
        if turn > 0 {
            order.shuffle(&mut rng(seed, ORDER, turn));
        }
        self.order = (turn, order);
    }
}

/// What a pool is made of, with plain features.
#[derive(Default)]
struct Filled {
    drawn: Vec<Drawn>,
    rows: PooledRows,
    validation: Vec<Batch>,
}

/// Draws everything and computes its features.
fn fill(
    sampler: &Arc<Sampler>,
    settings: &TrainSettings,
    net: &L3Net,
    file: &mut PoolFile,
    stop: &dyn Fn() -> bool,
    report: &mut dyn FnMut(u64, u64),
) -> Result<Filled, TrainError> {
    let mut filled = Filled::default();
    let blocks = settings.pool_len().div_ceil(BLOCK);
    let mut loader =
        Loader::start(sampler, 0..blocks, settings.loaders, block).map_err(TrainError::Threads)?;
    let mut saved = Instant::now();
    for number in 0..blocks {
        if stop() {
            return Ok(filled);
        }
        let Block { key, examples } = loader.next_batch()?;
        let rows = file.rows(key, || pooled(net, &examples))?;
        filled.rows.vision.extend(&rows.vision);
        filled.rows.audio.extend(&rows.audio);
        filled.drawn.extend(examples.drawn);
        report((number + 1) * BLOCK, blocks * BLOCK);
        if saved.elapsed() >= settings.save_every {
            file.write();
            saved = Instant::now();
        }
    }
    for batch in sampler.validation_batches(settings.validation_pairs) {
        if stop() {
            return Ok(filled);
        }
        let mut batch = batch?;
        let examples = Examples {
            side: batch.side,
            images: take(&mut batch.images),
            spectrograms: take(&mut batch.spectrograms),
            drawn: Vec::new(),
        };
        batch.pooled = Some(file.rows(key_of(&examples), || pooled(net, &examples))?);
        filled.validation.push(batch);
    }
    Ok(filled)
}

/// Examples that are passed through the trunks together, and what they are found by in the
/// cache.
struct Block {
    key: u64,
    examples: Examples,
}

fn block(sampler: &Sampler, number: u64, augmenter: &mut Augmenter) -> Result<Block, CorpusError> {
    let examples = sampler.examples(number * BLOCK..(number + 1) * BLOCK, augmenter)?;
    let key = key_of(&examples);
    Ok(Block { key, examples })
}

fn key_of(examples: &Examples) -> u64 {
    floats::hash(hash_bytes(0, &examples.images), &examples.spectrograms)
}

/// pool4 of square images and as many spectrograms.
fn pooled(net: &L3Net, examples: &Examples) -> Result<PooledRows, NetError> {
    let side = examples.side;
    let spectrogram_len = net.describe().variant.spec.spectrogram_len();
    let inputs: Vec<Features> = (examples.images)
        .chunks_exact((side * side * 3) as usize)
        .zip(examples.spectrograms.chunks_exact(spectrogram_len))
        .map(|(image, spectrogram)| Features {
            spectrogram: spectrogram.to_vec(),
            image: image.to_vec(),
            image_width: side,
            image_height: side,
            view: Viewport::whole(side, side),
        })
        .collect();
    let found = net.pool4(&inputs.iter().collect::<Vec<_>>())?;
    let mut rows = PooledRows::default();
    for pooled in found {
        rows.vision.extend(pooled.vision);
        rows.audio.extend(pooled.audio);
    }
    Ok(rows)
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
