//! Batches made ahead by threads, in order.
//!
//! Thread `t` of `n` makes the batches of the steps `t, t + n, …` and hands them
//! over through a channel of its own, so that the order needs no sorting and does
//! not hang on which thread is quicker.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};

use super::batch::Batch;
use super::sampler::Sampler;
use crate::corpus::CorpusError;

/// Batches that wait for each thread besides the one in its hands. One of 256 takes
/// 90 MB, and a machine with a GPU has many threads.
const AHEAD: usize = 1;

/// Makes batches ahead.
pub struct Loader {
    channels: Vec<Receiver<Result<Batch, CorpusError>>>,
    threads: Vec<JoinHandle<()>>,
    next: u64,
    first: u64,
    waited: Duration,
}

impl Loader {
    /// Starts `threads` threads at step `first`.
    ///
    /// # Errors
    /// If the system gives no more threads.
    pub fn start(sampler: &Arc<Sampler>, first: u64, threads: usize) -> std::io::Result<Self> {
        let threads = threads.max(1);
        let (mut channels, mut handles) = (Vec::new(), Vec::new());
        for t in 0..threads as u64 {
            let (sender, receiver) = bounded(AHEAD);
            let sampler = sampler.clone();
            let work = move || {
                let mut augmenter = sampler.augmenter();
                for step in (first + t..).step_by(threads) {
                    let batch = sampler.batch(step, &mut augmenter);
                    let failed = batch.is_err();
                    // Nobody takes it: training has ended.
                    if sender.send(batch).is_err() || failed {
                        return;
                    }
                }
            };
            let name = format!("loader {t}");
            handles.push(std::thread::Builder::new().name(name).spawn(work)?);
            channels.push(receiver);
        }
        Ok(Self {
            channels,
            threads: handles,
            next: first,
            first,
            waited: Duration::ZERO,
        })
    }

    /// The batch of the next step.
    ///
    /// # Errors
    /// What kept the batch from being made.
    pub fn next_batch(&mut self) -> Result<Batch, CorpusError> {
        let started = Instant::now();
        let channel = (self.next - self.first) as usize % self.channels.len();
        let batch = self.channels[channel].recv().unwrap_or_else(|_| {
            let what = "the thread that makes batches has ended".to_owned();
            Err(CorpusError::TooFew(what))
        })?;
        // The first ones have to be waited for, however quick the threads.
        if self.next >= self.first + self.channels.len() as u64 {
            self.waited += started.elapsed();
        }
        self.next += 1;
        Ok(batch)
    }

    /// How long the network waited for batches, the first of each thread apart.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.channels.clear();
        for thread in self.threads.drain(..) {
            // A panic was told when it happened.
            thread.join().unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sampler::{Mixture, Pairing, SamplerSettings};
    use super::super::testing::Tones;
    use super::*;
    use crate::train::Strength;

    fn sampler(broken: f64) -> Arc<Sampler> {
        let tones = Tones {
            broken,
            ..Tones::default()
        };
        let mixture = Arc::new(Mixture::new(vec![(1.0, Box::new(tones))]));
        let settings = SamplerSettings {
            batch: 4,
            pairing: Pairing::Paper,
            augment: Strength::Strong,
            side: 32,
            overfit: None,
            seed: 1,
        };
        Arc::new(Sampler::new(mixture, settings))
    }

    #[test]
    fn the_order_does_not_hang_on_the_number_of_threads() {
        let sampler = sampler(0.0);
        let batches = |threads| {
            let mut loader = Loader::start(&sampler, 10, threads).expect("threads");
            (0..7)
                .map(|_| loader.next_batch().expect("a batch"))
                .collect::<Vec<_>>()
        };
        let alone = batches(1);
        assert_eq!(alone[3].step, 13);
        assert_eq!(alone, batches(3));
    }

    #[test]
    fn what_a_thread_meets_is_told() {
        let mut loader = Loader::start(&sampler(1.0), 0, 2).expect("threads");
        let error = loader.next_batch().expect_err("all files are broken");
        assert!(error.to_string().contains("broken.jpg"), "{error}");
        assert!(loader.next_batch().is_err());
    }
}
