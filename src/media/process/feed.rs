//! A file that is decoded in a child, read like any other source.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, TryRecvError};

use super::Pool;
use super::child::Child;
use super::wire::{Cause, Event, Place, Request, State};
use crate::clock::Clock;
use crate::media::error::MediaError;
use crate::media::feed::Feed;
use crate::media::frame::Frame;
use crate::media::ring::AudioBlock;
use crate::media::session::{End, SessionOptions};
use crate::media::source::Source;
use crate::time::{MediaTime, SamplePos};
use crate::window::TAIL_SAMPLES;

/// How long a child may take to open a file. A file on a slow disk takes seconds.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a run that is cancelled is noticed meanwhile.
const CANCEL_INTERVAL: Duration = Duration::from_millis(50);

/// How long it may take to close one; then it is killed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Reads a file through a child.
pub(super) struct ProcessFeed {
    pool: Arc<Pool>,
    /// `None` once it is of no more use.
    child: Option<Child>,
    /// Sound or a frame that has arrived.
    next: Option<Event>,
    block: Vec<f32>,
    state: State,
    end: Option<End>,
}

impl ProcessFeed {
    /// Opens a file in a child.
    pub fn open(
        pool: Arc<Pool>,
        mut child: Child,
        place: Place,
        source: &Source,
        options: &SessionOptions,
    ) -> Result<Self, MediaError> {
        child.request(&Request::Open {
            name: source.name.to_string(),
            place,
            tracks: source.tracks,
            offset_ns: options.offset.0,
            decoder_threads: options.decoder_threads,
        });
        let mut feed = Self {
            pool,
            child: None,
            next: None,
            block: Vec::new(),
            state: State {
                tail_samples: TAIL_SAMPLES,
                ..State::default()
            },
            end: None,
        };
        let until = Instant::now() + OPEN_TIMEOUT;
        loop {
            match child.events.recv_timeout(CANCEL_INTERVAL) {
                Ok(Event::Opened) => break,
                Ok(Event::Refused(cause)) => {
                    feed.pool.give_back(child);
                    return Err(cause.into());
                }
                Ok(_) => return Err(nonsense()),
                Err(RecvTimeoutError::Disconnected) => return Err(child.cause_of_death()),
                // Whoever reads the feed notices it as well.
                Err(RecvTimeoutError::Timeout) if options.stop.is_cancelled() => {
                    feed.end = Some(End::Whole);
                    return Ok(feed);
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() < until => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(MediaError::Stalled(OPEN_TIMEOUT.as_secs()));
                }
            }
        }
        feed.child = Some(child);
        Ok(feed)
    }

    /// Takes what has arrived, up to the next sound or frame.
    fn advance(&mut self) {
        while self.next.is_none()
            && self.end.is_none()
            && let Some(child) = &self.child
        {
            let arrived = child.events.try_recv();
            if !self.take(arrived) {
                return;
            }
        }
    }

    /// Takes what has arrived; whether anything has.
    fn take(&mut self, arrived: Result<Event, TryRecvError>) -> bool {
        match arrived {
            Ok(event @ (Event::Sound(..) | Event::Frame(_))) => self.next = Some(event),
            Ok(Event::State(state)) => self.state = state,
            Ok(Event::Ended(failure)) => self.end = Some(end_of(failure)),
            Ok(Event::Opened | Event::Refused(_) | Event::Closed) => {
                self.end = Some(End::Failed(nonsense()));
            }
            Err(TryRecvError::Empty) => return false,
            Err(TryRecvError::Disconnected) => {
                if let Some(mut child) = self.child.take() {
                    self.end = Some(End::Failed(child.cause_of_death()));
                }
            }
        }
        true
    }
}

fn end_of(failure: Option<Cause>) -> End {
    failure.map_or(End::Whole, |cause| End::Failed(cause.into()))
}

fn nonsense() -> MediaError {
    MediaError::Crashed("its memory was overwritten".to_owned())
}

impl Feed for ProcessFeed {
    fn next_block(&mut self) -> Option<AudioBlock<'_>> {
        self.advance();
        // In the order in which they were sent: neither queue grows.
        let at: SamplePos = match self.next.take() {
            Some(Event::Sound(at, pcm)) => {
                self.block = pcm;
                at
            }
            other => {
                self.next = other;
                return None;
            }
        };
        Some(AudioBlock {
            at,
            arrived: Instant::now(),
            pcm: &self.block,
        })
    }

    fn next_frame(&mut self) -> Option<Frame> {
        self.advance();
        match (self.next.take(), &self.child) {
            (Some(Event::Frame(facts)), Some(child)) => Some(child.frame(facts)),
            (other, _) => {
                self.next = other;
                None
            }
        }
    }

    fn sound_is_done(&self) -> bool {
        self.state.sound_is_done
    }

    fn picture_is_done(&self) -> bool {
        self.state.picture_is_done
    }

    fn wait(&mut self, _: &dyn Clock, at_most: Duration) {
        match &self.child {
            Some(child) if self.next.is_none() && self.end.is_none() => {
                let arrived = child.events.recv_timeout(at_most);
                self.take(arrived.map_err(|_| TryRecvError::Empty));
            }
            _ => std::thread::sleep(at_most),
        }
    }

    fn untimed(&self) -> u64 {
        self.state.untimed
    }

    fn poll(&mut self) -> Option<End> {
        self.advance();
        self.end.clone().filter(|_| self.next.is_none())
    }

    fn has_failed_silently(&self) -> bool {
        // The child notices it, and tells it as the end.
        false
    }

    fn is_live(&self) -> bool {
        false
    }

    fn is_by_clock(&self) -> bool {
        false
    }

    fn dropped(&self) -> (u64, u64) {
        (0, 0)
    }

    fn missing_decoder(&self) -> Option<&str> {
        self.state.missing_decoder.as_deref()
    }

    fn tail_samples(&self) -> usize {
        self.state.tail_samples
    }

    fn duration(&self) -> Option<MediaTime> {
        self.state.duration.map(MediaTime)
    }

    fn utc_origin(&self) -> Option<jiff::Timestamp> {
        None
    }
}

impl Drop for ProcessFeed {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        child.request(&Request::Close);
        let until = Instant::now() + CLOSE_TIMEOUT;
        let mut left = self.next.take();
        loop {
            match left {
                Some(Event::Frame(facts)) => drop(child.frame(facts)),
                Some(Event::Ended(failure)) => self.end = Some(end_of(failure)),
                Some(Event::Closed) => break,
                _ => {}
            }
            match child.events.recv_deadline(until) {
                Ok(event) => left = Some(event),
                // It died, or hangs: dropping it kills it.
                Err(_) => return,
            }
        }
        // After a damaged file its memory may be damaged as well.
        if !matches!(self.end, Some(End::Failed(_))) {
            self.pool.give_back(child);
        }
    }
}
