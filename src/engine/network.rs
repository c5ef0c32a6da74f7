//! The network thread: takes a batch, runs the network on it, sends the outputs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::dispatch::{Dispatcher, Droppable, Item, StreamEnd};
use crate::clock::Clock;
use crate::features::Features;
use crate::media::Source;
use crate::net::NetError;
use crate::picture::Picture;
use crate::result::{AudioFacts, GapReason, VideoFacts};
use crate::stats::NetworkStats;
use crate::time::MediaTime;
use crate::window::GapSpan;

/// A moment on its way through the network.
#[derive(Debug)]
pub struct Job {
    /// Number of the moment in its stream.
    pub seq: u64,
    /// Start of the window.
    pub start: MediaTime,
    /// End of the window.
    pub end: MediaTime,
    /// Time of the frame.
    pub frame_at: MediaTime,
    /// Wall clock at the window's end, for live sources.
    pub utc: Option<jiff::Timestamp>,
    /// Input of the network.
    pub features: Features,
    /// The frame, if a sink draws.
    pub picture: Option<Arc<Picture>>,
    /// Level of the sound.
    pub audio: AudioFacts,
    /// Size of the picture, and whether it is still.
    pub video: VideoFacts,
    /// The clip is shorter than a second.
    pub padded: bool,
    /// It is of a source that runs by the clock: an answer that comes late is of no use.
    pub live: bool,
    /// When the window's last sound arrived.
    pub arrived: Instant,
    /// When feature extraction began.
    pub begun: Instant,
    /// When feature extraction ended.
    pub featured: Instant,
}

impl Droppable for Box<Job> {
    fn span(&self) -> GapSpan {
        GapSpan {
            start: self.start,
            end: self.end,
            why: GapReason::Overload,
            lost: 1,
        }
    }
}

/// An output of the engine, in order within each stream.
#[derive(Debug)]
pub enum Output<A> {
    /// The run knows of a stream; the first of its outputs.
    Begun {
        /// Index of the source.
        stream: usize,
        /// The source.
        source: Box<Source>,
    },
    /// The network has processed a moment.
    Answered {
        /// Index of the source.
        stream: usize,
        /// The moment.
        job: Box<Job>,
        /// The network's answer.
        answer: A,
        /// When the network had finished.
        answered: Instant,
    },
    /// A part of a stream without moments.
    Gap {
        /// Index of the source.
        stream: usize,
        /// Where, and why.
        gap: GapSpan,
    },
    /// A stream is over.
    Ended {
        /// Index of the source.
        stream: usize,
        /// How.
        end: StreamEnd,
    },
    /// The network failed; no output follows.
    NetworkFailed(NetError),
}

/// The network thread.
pub(super) struct NetworkThread<'a, N, A> {
    /// Returns an answer for each moment of a batch.
    pub network: N,
    /// Moments in one forward pass, at most. Halved if memory runs out.
    pub max_batch: usize,
    /// How long ago the sound of a live moment may have arrived when it is answered.
    pub max_wait: Duration,
    pub dispatcher: &'a Dispatcher<Box<Job>>,
    pub outputs: Sender<Output<A>>,
    pub stats: &'a NetworkStats,
    pub clock: &'a dyn Clock,
}

impl<N, A> NetworkThread<'_, N, A>
where
    N: FnMut(&[&Features]) -> Result<Vec<A>, NetError>,
{
    /// Runs until the dispatcher is closed and empty, or the receiver of outputs is gone.
    pub fn run(mut self) {
        let mut idle_since = None;
        // Time that a moment took in the last pass.
        let mut cost = Duration::ZERO;
        while let Some(batch) = self.dispatcher.next_batch(self.batch_in_time(cost)) {
            let begun = self.clock.now();
            // What would be answered too late is not begun: under overload the network would
            // be busy with that alone. At most half of the time is reckoned with, so that
            // one slow pass (the first on a GPU) does not keep out what follows.
            let expected = cost * u32::try_from(batch.len()).unwrap_or(u32::MAX);
            let answers_at = begun + expected.min(self.max_wait / 2);
            let batch: Vec<_> = (batch.into_iter())
                .map(|(stream, item)| (stream, in_time(item, answers_at, self.max_wait)))
                .collect();
            let features: Vec<&Features> = batch
                .iter()
                .filter_map(|(_, item)| match item {
                    Item::Job(job) => Some(&job.features),
                    Item::Gap(_) | Item::Ended(_) => None,
                })
                .collect();
            let jobs = features.len() as u64;
            let answers = match self.answer(&features) {
                Ok(answers) => answers,
                Err(error) => {
                    // Fails only if the receiver has gone, which ends the run too.
                    let _ = self.outputs.send(Output::NetworkFailed(error));
                    self.dispatcher.close();
                    return;
                }
            };
            let answered = self.clock.now();
            if jobs > 0 {
                // Waiting for the publisher counts as idle too.
                let idle = idle_since.map_or(Duration::ZERO, |since| begun - since);
                self.stats.record(jobs, answered - begun, idle);
                idle_since = Some(answered);
                cost = (answered - begun).div_f64(jobs as f64);
            }
            let mut answers = answers.into_iter();
            for (stream, item) in batch {
                let output = match item {
                    Item::Gap(gap) => Output::Gap { stream, gap },
                    Item::Ended(end) => Output::Ended { stream, end },
                    Item::Job(job) => match answers.next().flatten() {
                        Some(answer) if !is_late(&job, answered, self.max_wait) => {
                            Output::Answered {
                                stream,
                                job,
                                answer,
                                answered,
                            }
                        }
                        _ => Output::Gap {
                            stream,
                            gap: job.span(),
                        },
                    },
                };
                if self.outputs.send(output).is_err() {
                    self.dispatcher.close();
                    return;
                }
            }
        }
    }

    /// Moments in a pass that takes at most half of the time there is, if each takes so long.
    fn batch_in_time(&self, cost: Duration) -> usize {
        let half = self.max_wait.as_secs_f64() / 2.0;
        // At no cost it is infinite, which becomes the largest number.
        let fit = half / cost.as_secs_f64();
        (fit as usize).clamp(1, self.max_batch.max(1))
    }

    /// An answer for each moment; `None` for one that does not fit into memory even alone,
    /// as long as another does.
    ///
    /// If memory runs out, the batch is halved and tried again. Later batches stay that
    /// small: larger ones would mostly fail again, and each failure costs time.
    fn answer(&mut self, features: &[&Features]) -> Result<Vec<Option<A>>, NetError> {
        if features.is_empty() {
            return Ok(Vec::new());
        }
        let error = match (self.network)(features) {
            Ok(answers) => {
                debug_assert_eq!(answers.len(), features.len(), "each is answered");
                return Ok(answers.into_iter().map(Some).collect());
            }
            Err(error) if features.len() > 1 && error.is_out_of_memory() => error,
            Err(error) => return Err(error),
        };
        let half = features.len().div_ceil(2);
        if half < self.max_batch {
            tracing::warn!("{error}; continuing with {half} moments at a time");
            self.max_batch = half;
        }
        let (first, second) = features.split_at(half);
        match (self.answer(first), self.answer(second)) {
            (Ok(first), Ok(second)) => Ok(first.into_iter().chain(second).collect()),
            (Ok(answers), Err(error)) if error.is_out_of_memory() => {
                let none = second.iter().map(|_| None);
                Ok(answers.into_iter().chain(none).collect())
            }
            (Err(error), Ok(answers)) if error.is_out_of_memory() => {
                let none = first.iter().map(|_| None);
                Ok(none.chain(answers).collect())
            }
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }
}

/// Whether an answer at a time is of no use any more.
fn is_late(job: &Job, answered: Instant, max_wait: Duration) -> bool {
    job.live && answered.saturating_duration_since(job.arrived) > max_wait
}

/// A live moment that would be answered too late is lost instead of judged: it may have
/// waited for its picture, for a core, or for the network while other streams had it.
fn in_time(item: Item<Box<Job>>, answered: Instant, max_wait: Duration) -> Item<Box<Job>> {
    match item {
        Item::Job(job) if is_late(&job, answered, max_wait) => Item::Gap(job.span()),
        item => item,
    }
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
