//! A file that is decoded in a child, read like any other source.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, TryRecvError};

use super::Pool;
use super::child::{Child, nonsense};
use super::wire::{Cause, Event, FrameFacts, Place, Request, State};
use crate::clock::Clock;
use crate::media::error::MediaError;
use crate::media::feed::Feed;
use crate::media::frame::Frame;
use crate::media::meter::Meter;
use crate::media::ring::AudioBlock;
use crate::media::session::{CHANNEL_FRAMES, End, SessionOptions};
use crate::media::source::Source;
use crate::time::{MediaTime, SAMPLE_RATE, SamplePos};
use crate::window::TAIL_SAMPLES;

/// How long a child may take to open a file. A file on a slow disk takes seconds.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a run that is cancelled is noticed meanwhile.
const CANCEL_INTERVAL: Duration = Duration::from_millis(50);

/// What may have arrived and not been read: a minute of sound, and as many frames as the
/// channel of a session holds. Then the child waits.
const MAX_SAMPLES: usize = 60 * SAMPLE_RATE as usize;
const MAX_FRAMES: usize = CHANNEL_FRAMES;

/// How long it may take to close one; then it is killed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Reads a file through a child.
pub(super) struct ProcessFeed {
    pool: Arc<Pool>,
    /// `None` once it is of no more use.
    child: Option<Child>,
    /// Sound that has arrived, and its samples.
    sound: VecDeque<(SamplePos, Vec<f32>)>,
    samples: usize,
    /// Frames that have arrived.
    frames: VecDeque<FrameFacts>,
    block: Vec<f32>,
    /// Gets what the child measures.
    meter: Option<Arc<Meter>>,
    state: State,
    end: Option<End>,
}

impl ProcessFeed {
    /// Opens a file in a child.
    pub fn open(
        pool: Arc<Pool>,
        mut child: Child,
        source: &Source,
        place: Place,
        options: &SessionOptions,
    ) -> Result<Self, MediaError> {
        child.request(&Request::Open {
            name: source.name.to_string(),
            place,
            tracks: source.tracks,
            offset_ns: options.offset.0,
            decoder_threads: options.decoder_threads,
            measure: options.meter.is_some(),
            graphs: options.graphs.clone(),
            looks: options.looks,
        });
        let mut feed = Self {
            pool,
            child: None,
            sound: VecDeque::new(),
            samples: 0,
            frames: VecDeque::new(),
            block: Vec::new(),
            meter: options.meter.clone(),
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

    /// Takes an event, if one has arrived and there is room for it. False if not.
    fn advance(&mut self) -> bool {
        let event = match &self.child {
            Some(child) if self.has_room() => child.events.try_recv(),
            _ => return false,
        };
        match event {
            Ok(event) => self.take(event),
            Err(TryRecvError::Empty) => return false,
            Err(TryRecvError::Disconnected) => self.bury(),
        }
        true
    }

    /// One of sound and frames may come long before the other.
    fn has_room(&self) -> bool {
        self.end.is_none() && self.samples < MAX_SAMPLES && self.frames.len() < MAX_FRAMES
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Sound(at, pcm) => {
                self.samples += pcm.len();
                self.sound.push_back((at, pcm));
            }
            Event::Frame(facts) => self.frames.push_back(facts),
            Event::State(state) => self.state = state,
            Event::Measured(report) => {
                if let Some(meter) = &self.meter {
                    meter.take_over(report);
                }
            }
            Event::Ended(failure) => self.end = Some(end_of(failure)),
            Event::Opened | Event::Refused(_) | Event::Closed => {
                self.end = Some(End::Failed(nonsense()));
            }
        }
    }

    /// The child has died.
    fn bury(&mut self) {
        if let Some(mut child) = self.child.take() {
            self.end = Some(End::Failed(child.cause_of_death()));
        }
    }
}

fn end_of(failure: Option<Cause>) -> End {
    failure.map_or(End::Whole, |cause| End::Failed(cause.into()))
}

impl Feed for ProcessFeed {
    fn next_block(&mut self) -> Option<AudioBlock<'_>> {
        while self.sound.is_empty() && self.advance() {}
        let (at, pcm) = self.sound.pop_front()?;
        self.samples -= pcm.len();
        self.block = pcm;
        Some(AudioBlock {
            at,
            arrived: Instant::now(),
            pcm: &self.block,
        })
    }

    fn next_frame(&mut self) -> Option<Frame> {
        while self.frames.is_empty() && self.advance() {}
        let child = self.child.as_ref()?;
        let facts = self.frames.pop_front()?;
        Some(child.frame(facts))
    }

    fn sound_is_done(&self) -> bool {
        self.state.sound_is_done && self.sound.is_empty()
    }

    fn picture_is_done(&self) -> bool {
        self.state.picture_is_done && self.frames.is_empty()
    }

    fn wait(&mut self, clock: &dyn Clock, at_most: Duration) {
        match &self.child {
            Some(child) if self.has_room() => match child.events.recv_timeout(at_most) {
                Ok(event) => self.take(event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.bury(),
            },
            Some(_) if self.end.is_none() => clock.sleep(at_most),
            // Nothing more will come.
            _ => {}
        }
    }

    fn poll(&mut self) -> Option<End> {
        self.end.clone()
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

    fn untimed(&self) -> u64 {
        self.state.untimed
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

    fn frame_rate(&self) -> Option<f64> {
        self.state.frame_rate
    }
}

impl Drop for ProcessFeed {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        child.request(&Request::Close);
        let until = Instant::now() + CLOSE_TIMEOUT;
        self.frames
            .drain(..)
            .for_each(|facts| drop(child.frame(facts)));
        loop {
            match child.events.recv_deadline(until) {
                Ok(Event::Frame(facts)) => drop(child.frame(facts)),
                Ok(Event::Ended(failure)) => self.end = Some(end_of(failure)),
                Ok(Event::Closed) => break,
                Ok(_) => {}
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
