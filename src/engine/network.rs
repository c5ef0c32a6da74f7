//! The network thread: takes a batch, runs the network on it, sends the outputs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::dispatch::{Dispatcher, Droppable, Item, StreamEnd};
use crate::clock::Clock;
use crate::features::Features;
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
    /// How long ago the sound of a live moment may have arrived.
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
        while let Some(batch) = self.dispatcher.next_batch(self.max_batch) {
            let begun = self.clock.now();
            let batch: Vec<_> = (batch.into_iter())
                .map(|(stream, item)| (stream, in_time(item, begun, self.max_wait)))
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
            }
            let mut answers = answers.into_iter();
            for (stream, item) in batch {
                let output = match item {
                    Item::Gap(gap) => Output::Gap { stream, gap },
                    Item::Ended(end) => Output::Ended { stream, end },
                    Item::Job(job) => match answers.next().flatten() {
                        Some(answer) => Output::Answered {
                            stream,
                            job,
                            answer,
                            answered,
                        },
                        None => Output::Gap {
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

/// A live moment whose sound arrived too long ago is lost instead of judged: it may have
/// waited for its picture, for a core, or for the network while other streams had it.
fn in_time(item: Item<Box<Job>>, now: Instant, max_wait: Duration) -> Item<Box<Job>> {
    match item {
        Item::Job(job) if job.live && now.saturating_duration_since(job.arrived) > max_wait => {
            Item::Gap(job.span())
        }
        item => item,
    }
}

#[cfg(test)]
mod tests {
    use super::super::dispatch::QueueLimits;
    use super::*;
    use crate::clock::SystemClock;
    use crate::features::Viewport;
    use tch::TchError;

    /// Features that carry a number, as the width of their picture.
    fn numbered(width: u32) -> Features {
        Features {
            spectrogram: Vec::new(),
            image: Vec::new(),
            image_width: width,
            image_height: 1,
            view: Viewport::whole(1, 1),
        }
    }

    fn out_of_memory() -> NetError {
        let text = "CUDA out of memory. Tried to allocate 2.00 GiB.";
        let error = NetError::from(TchError::Torch(text.to_owned()));
        assert!(error.is_out_of_memory());
        error
    }

    type Answers = Result<Vec<Option<u32>>, NetError>;

    /// Answers to pictures of these widths; the batches that the network was given; and
    /// the largest batch from then on.
    fn answers(
        widths: &[u32],
        mut fails: impl FnMut(&[u32]) -> Option<NetError>,
    ) -> (Answers, Vec<usize>, usize) {
        let mut batches = Vec::new();
        let features: Vec<_> = widths.iter().copied().map(numbered).collect();
        let dispatcher = Dispatcher::new(1, QueueLimits { file: 1, live: 1 });
        let mut thread = NetworkThread {
            network: |batch: &[&Features]| {
                let widths: Vec<u32> = batch.iter().map(|f| f.image_width).collect();
                batches.push(widths.len());
                fails(&widths).map_or(Ok(widths), Err)
            },
            max_batch: 8,
            max_wait: Duration::from_secs(2),
            dispatcher: &dispatcher,
            outputs: crossbeam_channel::unbounded().0,
            stats: &NetworkStats::default(),
            clock: &SystemClock,
        };
        let answers = thread.answer(&features.iter().collect::<Vec<_>>());
        let max_batch = thread.max_batch;
        (answers, batches, max_batch)
    }

    #[test]
    fn a_batch_that_lacks_memory_is_halved_until_it_fits_and_stays_small() {
        let widths: Vec<u32> = (0..8).collect();
        let fails = |batch: &[u32]| (batch.len() > 2).then(out_of_memory);
        let (answers, batches, max_batch) = answers(&widths, fails);
        let all: Vec<_> = widths.iter().copied().map(Some).collect();
        assert_eq!(answers.expect("all fit"), all);
        assert_eq!(batches, [8, 4, 2, 2, 4, 2, 2]);
        assert_eq!(max_batch, 2);
    }

    #[test]
    fn a_moment_that_does_not_fit_alone_is_a_gap_as_long_as_others_fit() {
        let fails = |batch: &[u32]| batch.contains(&99).then(out_of_memory);
        let (answers, _, max_batch) = answers(&[1, 99, 3, 4], fails);
        let expected = [Some(1), None, Some(3), Some(4)];
        assert_eq!(answers.expect("three fit"), expected);
        assert_eq!(max_batch, 1);
    }

    #[test]
    fn a_network_that_fails_at_a_batch_of_one_ends_the_run() {
        for widths in [&[1][..], &[1, 2, 3]] {
            let (answers, ..) = answers(widths, |_| Some(out_of_memory()));
            assert!(answers.expect_err("nothing fits").is_out_of_memory());
        }
    }

    #[test]
    fn another_failure_is_not_tried_again() {
        let fails = |_: &[u32]| Some(NetError::from(TchError::Torch("bad shape".to_owned())));
        let (answers, batches, max_batch) = answers(&[1, 2], fails);
        assert!(answers.is_err());
        assert_eq!((batches.len(), max_batch), (1, 8));
    }

    #[test]
    fn a_live_moment_that_waited_too_long_is_lost_and_one_of_a_file_is_judged() {
        let featured = Instant::now();
        let job = |live| {
            Item::Job(Box::new(Job {
                seq: 7,
                start: MediaTime(7_000_000_000),
                end: MediaTime(8_000_000_000),
                frame_at: MediaTime(7_500_000_000),
                utc: None,
                features: numbered(1),
                picture: None,
                audio: AudioFacts::of(&[0.0; 10], crate::features::Damage::default()),
                video: VideoFacts {
                    width: 1,
                    height: 1,
                    still: false,
                },
                padded: false,
                live,
                arrived: featured,
                begun: featured,
                featured,
            }))
        };
        let wait = Duration::from_secs(2);
        let after =
            |live, seconds| in_time(job(live), featured + Duration::from_secs_f64(seconds), wait);
        assert!(matches!(after(true, 1.9), Item::Job(_)));
        assert!(matches!(after(false, 3600.0), Item::Job(_)));
        let Item::Gap(gap) = after(true, 2.1) else {
            panic!("it waited too long");
        };
        assert_eq!((gap.why, gap.lost), (GapReason::Overload, 1));
        assert_eq!(gap.start, MediaTime(7_000_000_000));
    }
}
