//! A stream while its source is open: what it reads goes to the watchers and into moments.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Reader;
use super::lag::Lag;
use crate::media::{AudioBlock, Ending, Feed, Frame, Listener, MediaError};
use crate::time::MediaTime;
use crate::window::{MomentMaker, Timed};

/// A live source from which sound or pictures arrive for this long without one moment or
/// gap is at fault. At most 5 s pass between two where only one of the two arrives.
const UNANSWERED: Duration = Duration::from_secs(30);

/// A source from which nothing arrives for this long is not judged by that.
const ARRIVING: Duration = Duration::from_secs(5);

/// A reader while its source is open.
pub(super) struct Listening<'r, 'a> {
    pub reader: &'r mut Reader<'a>,
    pub maker: MomentMaker<Frame>,
    pub offset: MediaTime,
    /// Lag of what arrives, where the source is live.
    pub lag: Option<Lag>,
    /// When the first arrived of what no moment or gap has followed yet.
    pub unanswered: Option<Instant>,
    pub last_arrival: Instant,
}

impl Listening<'_, '_> {
    /// Whether much has arrived and nothing come of it.
    fn is_at_fault(&self) -> bool {
        let now = self.reader.engine.clock.now();
        let since = |then| now.saturating_duration_since(then);
        let long = |first| since(first) > UNANSWERED;
        self.reader.live && self.unanswered.is_some_and(long) && since(self.last_arrival) < ARRIVING
    }
}

impl Listener for Listening<'_, '_> {
    fn arrives(&mut self) {
        self.last_arrival = self.reader.engine.clock.now();
        self.unanswered.get_or_insert(self.last_arrival);
    }

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
        self.reader.frames += 1;
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
        if !self.reader.made.is_empty() {
            self.unanswered = None;
        }
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
        if self.is_at_fault() {
            let cause = MediaError::Unanswered(UNANSWERED.as_secs());
            return Some(Ending::Failed(cause));
        }
        let limit = self.reader.engine.options.limit?;
        let sound_ended = feed.sound_is_done();
        (self.maker.has_reached(limit, sound_ended)).then_some(Ending::Limit)
    }

    fn is_stopped(&self) -> bool {
        self.reader.stop.is_cancelled()
    }
}

impl Listening<'_, '_> {
    /// Publishes the lag; the end of reading if it has been too large for too long.
    fn falls_behind(&mut self) -> Option<Ending> {
        let lag = self.lag.as_mut()?;
        let now = self.reader.engine.clock.now();
        let current = lag.current();
        let ns = MediaTime::from_duration(current).0;
        self.reader.stats.lag_ns.store(ns, Ordering::Relaxed);
        if lag.begins(now) {
            tracing::warn!(
                "{}: {:.1} s behind: pictures are skipped until it has caught up; fewer streams \
                 or a smaller picture would prevent it",
                self.reader.source().name,
                current.as_secs_f64()
            );
        }
        (lag.is_hopeless(now)).then_some(Ending::Failed(MediaError::Behind(current.as_secs())))
    }
}
