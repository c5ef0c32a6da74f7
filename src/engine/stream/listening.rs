//! A stream while its source is open: what it reads goes to the watchers and into moments.

use std::time::Duration;

use super::Reader;
use crate::media::{AudioBlock, Ending, Feed, Frame, Listener};
use crate::time::MediaTime;
use crate::window::MomentMaker;

/// A reader while its source is open.
pub(super) struct Listening<'r, 'a> {
    pub reader: &'r mut Reader<'a>,
    pub maker: MomentMaker<Frame>,
    pub offset: MediaTime,
}

impl Listener for Listening<'_, '_> {
    fn sound(&mut self, block: &AudioBlock<'_>) {
        for watcher in &mut self.reader.task.watchers {
            watcher.sound(block);
        }
        self.maker
            .push_sound(block.at, block.pcm, block.arrived, &mut self.reader.made);
    }

    fn frame(&mut self, frame: Frame) {
        for watcher in &mut self.reader.task.watchers {
            watcher.frame(&frame);
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
        let limit = self.reader.engine.options.limit?;
        let sound_ended = feed.sound_is_done();
        (self.maker.has_reached(limit, sound_ended)).then_some(Ending::Limit)
    }

    fn is_stopped(&self) -> bool {
        self.reader.engine.cancel.is_cancelled()
    }
}
