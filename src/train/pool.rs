//! Examples whose features are computed once.
//!
//! With frozen trunks a step needs no more of an example than its features. So some
//! thousands of examples are drawn, augmented and passed through the trunks once, and
//! all steps draw their batches from these: thousands of them take seconds.
//!
//! Belongs here: making the pool, and a step's batch of it. Does not: the file of
//! features in the cache (`pool_file`).

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rand::seq::SliceRandom;

use super::augment::Augmenter;
use super::batch::{Batch, PooledRows};
use super::error::TrainError;
use super::loader::Loader;
use super::pairing::{Drawn, PairingMode, grid, halves};
use super::pool_file::PoolFile;
use super::sampler::{Examples, Sampler};
use super::settings::TrainSettings;
use super::standardisation::Standardisation;
use crate::cache;
use crate::corpus::{CorpusError, rng};
use crate::features::{Features, Viewport};
use crate::net::{FEATURE, L3Net, NetError, NetOptions, Weights};

/// Examples that are drawn and passed through the trunks together.
const BLOCK: u64 = 64;
/// The stream of random numbers that puts the pool in order.
const ORDER: u64 = 4;

/// Examples with their features.
pub struct Pool {
    drawn: Vec<Drawn>,
    rows: PooledRows,
    /// The batches of the validation.
    pub validation: Vec<Batch>,
    /// What the features were standardised by.
    pub standardisation: Standardisation,
}

impl Pool {
    /// Draws `settings.pool` examples, or as many as all steps take if these are fewer, and computes
    /// their features and those of the `validation` batches with the trunks of `weights`.
    /// Those that the cache holds are taken from there. `stop` ends it early: what is
    /// there by then is in the pool, and in the cache. `report` gets the examples done
    /// and their number.
    ///
    /// # Errors
    /// If an example cannot be drawn, or the network fails.
    pub fn make(
        sampler: &Arc<Sampler>,
        weights: &Weights,
        settings: &TrainSettings,
        validation: Vec<Batch>,
        stop: impl Fn() -> bool,
        report: impl FnMut(u64, u64),
    ) -> Result<Self, TrainError> {
        let cache = cache::folder().join("features");
        Self::make_in(&cache, sampler, weights, settings, validation, stop, report)
    }

    /// [`make`](Self::make) with another folder for features.
    fn make_in(
        cache: &Path,
        sampler: &Arc<Sampler>,
        weights: &Weights,
        settings: &TrainSettings,
        validation: Vec<Batch>,
        stop: impl Fn() -> bool,
        mut report: impl FnMut(u64, u64),
    ) -> Result<Self, TrainError> {
        let options = NetOptions {
            device: settings.device,
            precision: settings.precision,
            threads: Some(settings.threads),
        };
        let net = L3Net::new(weights, &options)?;
        let mut file = PoolFile::open(cache, &net, weights, settings, &sampler.describe());
        let blocks = pool_len(settings).div_ceil(BLOCK);
        let mut loader =
            Loader::start(sampler, 0, settings.loaders, block).map_err(TrainError::Threads)?;
        let mut pool = Self {
            drawn: Vec::new(),
            rows: PooledRows::default(),
            validation,
            standardisation: Standardisation::of(&PooledRows::default()),
        };
        let mut saved = Instant::now();
        for number in 0..blocks {
            if stop() {
                break;
            }
            let Examples {
                side,
                images,
                spectrograms,
                drawn,
            } = loader.next_batch()?;
            let rows = file.rows(&images, &spectrograms, || {
                pooled(&net, side, &images, &spectrograms)
            })?;
            pool.rows.vision.extend(&rows.vision);
            pool.rows.audio.extend(&rows.audio);
            pool.drawn.extend(drawn);
            report((number + 1) * BLOCK, blocks * BLOCK);
            if saved.elapsed() >= settings.save_every {
                file.write();
                saved = Instant::now();
            }
        }
        for batch in &mut pool.validation {
            if stop() {
                break;
            }
            let (images, spectrograms) = (
                std::mem::take(&mut batch.images),
                std::mem::take(&mut batch.spectrograms),
            );
            let rows = file.rows(&images, &spectrograms, || {
                pooled(&net, batch.side, &images, &spectrograms)
            })?;
            batch.pooled = Some(rows);
        }
        match stop() {
            true => file.write(),
            false => file.end(),
        }
        pool.standardise();
        Ok(pool)
    }

    fn standardise(&mut self) {
        self.standardisation = Standardisation::of(&self.rows);
        self.standardisation.apply(&mut self.rows);
        for rows in self.validation.iter_mut().filter_map(|b| b.pooled.as_mut()) {
            self.standardisation.apply(rows);
        }
    }

    /// The batch of a step. All examples are used before one is used again, first in the
    /// order of their drawing, then in random ones.
    pub fn batch(&self, step: u64, settings: &TrainSettings) -> Batch {
        let len = self.drawn.len() as u64;
        let rows = settings.sampler.batch as u64;
        let mut order: Option<(u64, Vec<usize>)> = None;
        let places: Vec<usize> = (step * rows..(step + 1) * rows)
            .map(|number| {
                let (turn, place) = (number / len, (number % len) as usize);
                if order.as_ref().is_none_or(|(of, _)| *of != turn) {
                    order = Some((turn, self.order(turn, settings.sampler.seed)));
                }
                order.as_ref().map_or(place, |(_, order)| order[place])
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

    fn order(&self, turn: u64, seed: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.drawn.len()).collect();
        if turn > 0 {
            order.shuffle(&mut rng(seed, ORDER, turn));
        }
        order
    }
}

fn pool_len(settings: &TrainSettings) -> u64 {
    let needed = settings.steps.saturating_mul(settings.sampler.batch as u64);
    (settings.pool as u64).min(needed)
}

fn block(
    sampler: &Sampler,
    number: u64,
    augmenter: &mut Augmenter,
) -> Result<Examples, CorpusError> {
    sampler.examples(number * BLOCK..(number + 1) * BLOCK, augmenter)
}

/// pool4 of square images and as many spectrograms.
fn pooled(
    net: &L3Net,
    side: u32,
    images: &[u8],
    spectrograms: &[f32],
) -> Result<PooledRows, NetError> {
    let sounds = spectrograms.chunks_exact(net.describe().spec.spectrogram_len());
    let inputs: Vec<Features> = images
        .chunks_exact((side * side * 3) as usize)
        .zip(sounds)
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
