//! The network thread: takes what waits, asks the network in one batch, hands it on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::dispatch::{Dispatcher, Droppable, Item, Said};
use crate::features::Features;
use crate::net::NetError;
use crate::picture::Picture;
use crate::result::{AudioFacts, GapReason, VideoFacts};
use crate::time::MediaTime;
use crate::window::GapSpan;

/// A moment on its way through the network.
#[derive(Debug)]
pub struct Job {
    /// Counts the stream's moments.
    pub seq: u64,
    /// Start of the window.
    pub start: MediaTime,
    /// End of the window.
    pub end: MediaTime,
    /// Time of the frame.
    pub frame_at: MediaTime,
    /// Wall clock at the window's end, for live sources.
    pub utc: Option<jiff::Timestamp>,
    /// What the network gets.
    pub features: Features,
    /// The frame, where somebody draws it.
    pub picture: Option<Arc<Picture>>,
    /// Level of the sound.
    pub audio: AudioFacts,
    /// Size of the picture, and whether it stands still.
    pub video: VideoFacts,
    /// The clip is shorter than a second.
    pub padded: bool,
    /// When the window's last sound arrived.
    pub arrived: Instant,
    /// When the features were begun.
    pub begun: Instant,
    /// When the features were there.
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

/// What comes out of the engine.
#[derive(Debug)]
pub enum Output<A> {
    /// A moment has been through the network.
    Answered {
        /// Index of the source.
        stream: usize,
        /// The moment.
        job: Box<Job>,
        /// What the network says.
        answer: A,
        /// When it said so.
        answered: Instant,
    },
    /// A stream tells something.
    Said {
        /// Index of the source.
        stream: usize,
        /// What.
        said: Said,
    },
    /// The network failed: nothing more comes.
    Broken(NetError),
}

/// How the network thread spent its time.
#[derive(Debug, Default)]
pub struct Occupation {
    busy_ns: AtomicU64,
    idle_ns: AtomicU64,
    moments: AtomicU64,
    batches: AtomicU64,
}

impl Occupation {
    fn add(to: &AtomicU64, time: Duration) {
        to.fetch_add(
            u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }

    /// Share of the time between the first and the last moment in which the
    /// network waited for work.
    pub fn idle_share(&self) -> f64 {
        let busy = self.busy_ns.load(Ordering::Relaxed) as f64;
        let idle = self.idle_ns.load(Ordering::Relaxed) as f64;
        if busy + idle > 0.0 {
            idle / (busy + idle)
        } else {
            0.0
        }
    }

    /// Moments judged, and forward passes that it took.
    pub fn counts(&self) -> (u64, u64) {
        (
            self.moments.load(Ordering::Relaxed),
            self.batches.load(Ordering::Relaxed),
        )
    }
}

/// Runs until the dispatcher is closed and empty, or nobody takes the outputs.
pub(super) fn run<A>(
    mut ask: impl FnMut(&[&Features]) -> Result<Vec<A>, NetError>,
    most: usize,
    dispatcher: &Dispatcher<Box<Job>>,
    outputs: &Sender<Output<A>>,
    occupation: &Occupation,
) {
    let mut waiting_since = None;
    while let Some(batch) = dispatcher.take(most) {
        let begun = Instant::now();
        let features: Vec<&Features> = batch
            .iter()
            .filter_map(|(_, item)| match item {
                Item::Judge(job) => Some(&job.features),
                Item::Say(_) => None,
            })
            .collect();
        let jobs = features.len() as u64;
        let answers = match ask(&features) {
            Ok(answers) => answers,
            Err(error) => {
                // Nobody to tell it to means that they have gone already.
                let _ = outputs.send(Output::Broken(error));
                dispatcher.close();
                return;
            }
        };
        debug_assert_eq!(answers.len(), features.len(), "each is answered");
        let answered = Instant::now();
        if jobs > 0 {
            Occupation::add(&occupation.busy_ns, answered - begun);
            if let Some(since) = waiting_since {
                Occupation::add(&occupation.idle_ns, begun - since);
            }
            occupation.moments.fetch_add(jobs, Ordering::Relaxed);
            occupation.batches.fetch_add(1, Ordering::Relaxed);
        }
        let mut answers = answers.into_iter();
        for (stream, item) in batch {
            let output = match item {
                Item::Say(said) => Output::Said { stream, said },
                Item::Judge(job) => match answers.next() {
                    Some(answer) => Output::Answered {
                        stream,
                        job,
                        answer,
                        answered,
                    },
                    None => continue,
                },
            };
            if outputs.send(output).is_err() {
                dispatcher.close();
                return;
            }
        }
        // Waiting for the sinks counts as waiting, too: it is time not used.
        if jobs > 0 {
            waiting_since = Some(answered);
        }
    }
}
