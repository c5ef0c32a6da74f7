//! Threads that prepare batches in advance, in order.
//!
//! Thread `t` of `n` makes the batches of the steps `t, t + n, …` and sends them through
//! its own channel, so that the order needs no sorting and is the same whichever
//! thread is faster.

use std::ops::Range;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};

use super::augment::Augmenter;
use super::sampler::Sampler;
use crate::corpus::CorpusError;

/// Finished batches that wait in each thread's channel. One of 256 takes 90 MB, and a
/// machine with a GPU has many threads.
const QUEUE_LEN: usize = 1;

/// What makes a batch: from the sampler, the number of the step, and the thread's own
/// augmenter.
pub type Make<T> = fn(&Sampler, u64, &mut Augmenter) -> Result<T, CorpusError>;

/// Prepares batches in advance.
pub struct Loader<T> {
    channels: Vec<Receiver<Result<T, CorpusError>>>,
    threads: Vec<JoinHandle<()>>,
    next: u64,
    first: u64,
    waited: Duration,
}

impl<T: Send + 'static> Loader<T> {
    /// Starts `threads` threads for the batches of these steps.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(
        sampler: &Arc<Sampler>,
        steps: Range<u64>,
        threads: usize,
        make: Make<T>,
    ) -> std::io::Result<Self> {
        let threads = threads.max(1);
        let (mut channels, mut handles) = (Vec::new(), Vec::new());
        for t in 0..threads as u64 {
            let (sender, receiver) = bounded(QUEUE_LEN);
            let (sampler, steps) = (sampler.clone(), steps.clone());
            let work = move || {
                let mut augmenter = sampler.augmenter();
                for step in (steps.start + t..steps.end).step_by(threads) {
                    let batch = make(&sampler, step, &mut augmenter);
                    let failed = batch.is_err();
                    // The receiver is gone: training has ended.
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
            next: steps.start,
            first: steps.start,
            waited: Duration::ZERO,
        })
    }

    /// The batch of the next step.
    ///
    /// # Errors
    /// Why the batch could not be made.
    pub fn next_batch(&mut self) -> Result<T, CorpusError> {
        let started = Instant::now();
        let channel = (self.next - self.first) as usize % self.channels.len();
        let batch = self.channels[channel].recv().unwrap_or_else(|_| {
            let what = "the loader thread has ended".to_owned();
            Err(CorpusError::TooFew(what))
        })?;
        // The wait for the first ones does not count: no loader is fast enough for them.
        if self.next >= self.first + self.channels.len() as u64 {
            self.waited += started.elapsed();
        }
        self.next += 1;
        Ok(batch)
    }

    /// How long the network waited for batches, without the first of each thread.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl<T> Drop for Loader<T> {
    fn drop(&mut self) {
        self.channels.clear();
        for thread in self.threads.drain(..) {
            // A panic was reported when it happened.
            thread.join().unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::mixture::Mixture;
    use super::super::pairing::PairingMode;
    use super::super::sampler::{SamplerSettings, Share};
    use super::super::testing::Tones;
    use super::*;
    use crate::train::AugmentationStrength;
    use crate::window_spec::WindowSpec;

    fn sampler(broken: f64) -> Arc<Sampler> {
        let tones = Tones {
            broken,
            ..Tones::default()
        };
        let mixture = Arc::new(Mixture::new(vec![(1.0, Box::new(tones))]));
        let settings = SamplerSettings {
            batch: 4,
            share: Share::WHOLE,
            pairing: PairingMode::Paper,
            augment: AugmentationStrength::Strong,
            spec: WindowSpec::PAPER,
            side: 32,
            overfit: None,
            seed: 1,
        };
        Arc::new(Sampler::new(mixture, settings))
    }

    #[test]
    fn the_order_does_not_depend_on_the_number_of_threads() {
        let sampler = sampler(0.0);
        let batches = |threads| {
            let mut loader =
                Loader::start(&sampler, 10..17, threads, Sampler::batch).expect("threads");
            (0..7)
                .map(|_| loader.next_batch().expect("a batch"))
                .collect::<Vec<_>>()
        };
        let alone = batches(1);
        assert_eq!(alone[3].step, 13);
        assert_eq!(alone, batches(3));
        let mut loader = Loader::start(&sampler, 3..4, 2, Sampler::batch).expect("threads");
        loader.next_batch().expect("the only one");
        assert!(loader.next_batch().is_err(), "there are no more");
    }

    #[test]
    fn the_error_of_a_thread_is_returned() {
        let mut loader = Loader::start(&sampler(1.0), 0..9, 2, Sampler::batch).expect("threads");
        let error = loader.next_batch().expect_err("all files are broken");
        assert!(error.to_string().contains("broken.jpg"), "{error}");
        assert!(loader.next_batch().is_err());
    }
}
