//! How the engine opens and reads a source.
//!
//! Belongs here: the two traits between a stream's thread and GStreamer. Tests provide
//! their own [`Opener`] and need neither cameras nor waiting. Does not: GStreamer.

use std::time::Duration;

use super::error::MediaError;
use super::frame::Frame;
use super::joined::{self, Joined};
use super::ring::AudioBlock;
use super::session::{End, Session, SessionOptions};
use super::source::Source;
use crate::clock::Clock;
use crate::time::MediaTime;

/// Opens sources.
pub trait Opener: Sync {
    /// Opens a source and starts it.
    ///
    /// # Errors
    /// Why it does not start.
    fn open(&self, source: &Source, options: SessionOptions) -> Result<Box<dyn Feed>, MediaError>;
}

/// Opens sources with GStreamer: all recordings in a file, if several were joined.
#[derive(Clone, Copy, Debug, Default)]
pub struct GstOpener;

impl Opener for GstOpener {
    fn open(&self, source: &Source, options: SessionOptions) -> Result<Box<dyn Feed>, MediaError> {
        let parts = joined::find(source);
        match parts.len() {
            0 | 1 => Ok(Box::new(Session::open(source, options)?)),
            _ => Ok(Box::new(Joined::open(source, parts, options)?)),
        }
    }
}

/// An open source: sound and frames as they arrive, and how it ends.
pub trait Feed {
    /// The next block of sound, if one has arrived. Never waits.
    fn next_block(&mut self) -> Option<AudioBlock<'_>>;

    /// The next frame, if one has arrived. Never waits.
    fn next_frame(&mut self) -> Option<Frame>;

    /// All sound has been read, and no more will arrive.
    fn sound_is_done(&self) -> bool;

    /// All frames have been read, and no more will arrive.
    fn picture_is_done(&self) -> bool;

    /// Waits until something has arrived, for at most this long by this clock.
    fn wait(&mut self, clock: &dyn Clock, at_most: Duration);

    /// `Some` once the source has ended; what has arrived can still be read.
    fn poll(&mut self) -> Option<End>;

    /// The source stopped at its start without an error.
    fn has_failed_silently(&self) -> bool {
        false
    }

    /// The source is live, such as a camera.
    fn is_live(&self) -> bool;

    /// It runs in real time: what is not read in time is lost.
    fn is_by_clock(&self) -> bool;

    /// Blocks of sound and frames dropped since it was opened.
    fn dropped(&self) -> (u64, u64) {
        (0, 0)
    }

    /// Blocks of sound without a timestamp since it was opened.
    fn untimed(&self) -> u64 {
        0
    }

    /// A decoder that is missing for a part of the source.
    fn missing_decoder(&self) -> Option<&str> {
        None
    }

    /// How many samples the last window may lack and still count as whole.
    fn tail_samples(&self) -> usize {
        0
    }

    /// The length of the source, if known.
    fn duration(&self) -> Option<MediaTime> {
        None
    }

    /// Frames a second, as far as the source says.
    fn frame_rate(&self) -> Option<f64> {
        None
    }

    /// UTC at running time zero; `None` before it plays.
    fn utc_origin(&self) -> Option<jiff::Timestamp> {
        None
    }
}

impl Feed for Session {
    fn next_block(&mut self) -> Option<AudioBlock<'_>> {
        self.sound.next_block()
    }

    fn next_frame(&mut self) -> Option<Frame> {
        self.frames.try_recv().ok().map(Frame::off_the_device)
    }

    fn sound_is_done(&self) -> bool {
        self.sound.is_done()
    }

    fn picture_is_done(&self) -> bool {
        self.picture_ended() && self.frames.is_empty()
    }

    /// Sleeps through the news if another thread than the one that opened it waits.
    fn wait(&mut self, _: &dyn Clock, at_most: Duration) {
        std::thread::park_timeout(at_most);
    }

    fn poll(&mut self) -> Option<End> {
        self.poll()
    }

    fn has_failed_silently(&self) -> bool {
        self.has_failed_silently()
    }

    fn is_live(&self) -> bool {
        self.is_live()
    }

    fn is_by_clock(&self) -> bool {
        self.is_by_clock()
    }

    fn dropped(&self) -> (u64, u64) {
        (self.sound.dropped_blocks(), self.dropped_frames())
    }

    fn untimed(&self) -> u64 {
        self.untimed_blocks()
    }

    fn missing_decoder(&self) -> Option<&str> {
        self.missing_decoder()
    }

    fn tail_samples(&self) -> usize {
        self.tail_samples()
    }

    fn duration(&self) -> Option<MediaTime> {
        self.duration()
    }

    fn frame_rate(&self) -> Option<f64> {
        self.frame_rate()
    }

    fn utc_origin(&self) -> Option<jiff::Timestamp> {
        self.utc_origin()
    }
}
