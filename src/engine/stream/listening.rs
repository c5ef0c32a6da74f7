//! A stream while its source is open: what it reads goes to the watchers and into moments.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Reader;
use crate::media::{AudioBlock, Ending, Feed, Frame, LAG_LIMIT, LagMeter, Listener, MediaError};
use crate::time::MediaTime;
use crate::window::{MomentMaker, Timed};

/// How long a live source may be far behind before it is opened again. Skipping late
/// pictures brings most back within a second or at their next key picture.
const CATCH_UP: Duration = Duration::from_secs(10);

/// A reader while its source is open.
pub(super) struct Listening<'r, 'a> {
    pub reader: &'r mut Reader<'a>,
    pub maker: MomentMaker<Frame>,
    pub offset: MediaTime,
    /// Lag of what arrives, where the source is live.
    pub lag: Option<Lag>,
}

/// How far a live source is behind, since it was opened.
pub(super) struct Lag {
    opened: Instant,
    sound: LagMeter,
    picture: LagMeter,
    /// The newest of both.
    current: [Duration; 2],
    /// Since when it has been behind by more than [`LAG_LIMIT`].
    behind: Option<Instant>,
}

impl Lag {
    pub fn new(opened: Instant) -> Self {
        Self {
            opened,
            sound: LagMeter::default(),
            picture: LagMeter::default(),
            current: [Duration::ZERO; 2],
            behind: None,
        }
    }

    fn current(&self) -> Duration {
        self.current[0].max(self.current[1])
    }

    fn since_opening(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.opened);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    fn measure_sound(&mut self, at: MediaTime, arrived: Instant) {
        self.current[0] = self.sound.measure(at.0, self.since_opening(arrived));
    }

    fn measure_picture(&mut self, at: MediaTime, arrived: Instant) {
        self.current[1] = self.picture.measure(at.0, self.since_opening(arrived));
    }

    /// Whether it began to be behind by more than [`LAG_LIMIT`] just now.
    fn begins(&mut self, now: Instant) -> bool {
        let is_behind = self.current() > LAG_LIMIT;
        let begins = is_behind && self.behind.is_none();
        self.behind = is_behind.then(|| self.behind.unwrap_or(now));
        begins
    }

    /// Whether it has been behind for longer than [`CATCH_UP`].
    fn is_hopeless(&self, now: Instant) -> bool {
        let since = self
            .behind
            .map(|since| now.saturating_duration_since(since));
        since.is_some_and(|since| since > CATCH_UP)
    }
}

impl Listener for Listening<'_, '_> {
    fn sound(&mut self, block: &AudioBlock<'_>) {
        for watcher in &mut self.reader.task.watchers {
            watcher.sound(block);
        }
        if let Some(lag) = &mut self.lag {
            lag.measure_sound(block.at.to_time(), block.arrived);
        }
        self.maker
            .push_sound(block.at, block.pcm, block.arrived, &mut self.reader.made);
    }

    fn has_enough_sound(&self) -> bool {
        self.maker.has_enough_sound()
    }

    fn frame(&mut self, frame: Frame) {
        for watcher in &mut self.reader.task.watchers {
            watcher.frame(&frame);
        }
        if let Some(lag) = &mut self.lag {
            lag.measure_picture(frame.at(), self.reader.engine.clock.now());
        }
        self.maker.push_frame(frame);
    }

    fn sound_ended(&mut self) {
        self.maker.end_sound();
    }

    fn picture_ended(&mut self) {
        self.maker.end_picture();
    }

    fn hand_on(&mut self, feed: &dyn Feed) {
        let now = self.reader.engine.clock.now();
        self.maker.poll(now, &mut self.reader.made);
        self.reader.deliver(feed, self.offset);
    }

    fn waits(&mut self, since: Duration) {
        tracing::warn!(
            "{}: nothing has come for {} seconds; waiting for more",
            self.reader.source().name,
            since.as_secs()
        );
    }

    fn over(&mut self, feed: &dyn Feed) -> Option<Ending> {
        self.reader.update_stats(feed, &self.maker);
        if self.is_stopped() {
            return Some(Ending::Stopped);
        }
        if let Some(failure) = self.falls_behind() {
            return Some(failure);
        }
        let limit = self.reader.engine.options.limit?;
        let sound_ended = feed.sound_is_done();
        (self.maker.has_reached(limit, sound_ended)).then_some(Ending::Limit)
    }

    fn is_stopped(&self) -> bool {
        self.reader.engine.cancel.is_cancelled()
    }
}

impl Listening<'_, '_> {
    /// Publishes the lag; the end of reading if it has been too large for too long.
    fn falls_behind(&mut self) -> Option<Ending> {
        let lag = self.lag.as_mut()?;
        let now = self.reader.engine.clock.now();
        let current = lag.current();
        let ns = u64::try_from(current.as_nanos()).unwrap_or(u64::MAX);
        self.reader.stats.lag_ns.store(ns, Ordering::Relaxed);
        if lag.begins(now) {
            tracing::warn!(
                "{}: {:.1} s behind: pictures are skipped until it has caught up; fewer streams \
                 or a smaller picture would prevent it",
                self.reader.source().name,
                current.as_secs_f64()
            );
        }
        (lag.is_hopeless(now)).then(|| Ending::Failed(MediaError::Behind(current.as_secs())))
    }
}
