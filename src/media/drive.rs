//! Reads an open source to its end.
//!
//! Belongs here: the read loop, and detecting a source that hangs or failed silently.
//! Does not: what happens to sound and frames (the [`Listener`]), reopening a source, the
//! clock (a parameter).

use std::time::Duration;

use super::error::MediaError;
use super::feed::Feed;
use super::frame::Frame;
use super::progress::Progress;
use super::ring::AudioBlock;
use super::session::{CHANNEL_FRAMES, End};
use super::stall::Stall;
use crate::clock::Clock;
use crate::time::SAMPLE_RATE;
use crate::window::Timed;

/// How long the loop waits at most for something to arrive before it looks for errors,
/// cancellation and timeouts. What arrives wakes it at once.
const WAIT: Duration = Duration::from_millis(50);
/// A listener that has enough sound gets no more while pictures arrive. If none has for
/// this long, sound may lie before them in the container: some more is read.
const HOLD_SOUND: Duration = Duration::from_secs(1);
/// How much more: 1 s.
const MORE_SAMPLES: usize = SAMPLE_RATE as usize;
/// A live stream that is silent for this long is reopened; a source that may be silent for
/// longer is reported.
const LIVE_STALL: Duration = Duration::from_secs(10);
/// A file that is silent for this long is abandoned.
const FILE_STALL: Duration = Duration::from_secs(60);
/// How long a stopped demuxer may take to report its error.
pub(super) const SILENT_FAILURE: Duration = Duration::from_millis(300);

/// How often to open a source that ends with [`MediaError::SilentFailure`]. It mostly
/// reports its error the second time.
pub const OPENINGS: usize = 5;

/// Why reading ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All was read.
    Whole,
    /// The listener has reached its limit.
    Limit,
    /// The run was cancelled.
    Stopped,
    /// The source failed.
    Failed(MediaError),
}

/// Receives everything that a source yields, on the thread that reads it.
pub trait Listener {
    /// A block or frame has arrived, whatever becomes of it.
    fn arrives(&mut self) {}

    /// Takes a block of sound.
    fn sound(&mut self, block: &AudioBlock<'_>);

    /// Whether it holds as much sound as it should while it waits for pictures. Sound is
    /// then left in the source.
    fn has_enough_sound(&self) -> bool {
        false
    }

    /// Takes a frame.
    fn frame(&mut self, frame: Frame);

    /// No further sound will come.
    fn sound_ended(&mut self);

    /// No further frame will come.
    fn picture_ended(&mut self);

    /// Submits what is complete. Called after every block of sound, as a file may yield
    /// many at once, and after the frames of a round.
    fn hand_on(&mut self, feed: &dyn Feed);

    /// Nothing has arrived for this long. Called once per silence.
    fn waits(&mut self, _: Duration) {}

    /// Whether to end now, and why. Called once a round.
    fn over(&mut self, feed: &dyn Feed) -> Option<Ending>;

    /// Whether the run has been cancelled. Called after each block.
    fn is_stopped(&self) -> bool;
}

/// Reads a source to its end.
pub fn drive(
    feed: &mut dyn Feed,
    clock: &dyn Clock,
    stall: Stall,
    listener: &mut impl Listener,
) -> Ending {
    let mut last_news = clock.now();
    let mut last_frame = last_news;
    let mut can_stall = stall == Stall::Always;
    let mut reported = false;
    let mut progress = Progress::new(last_news);
    let mut end: Option<End> = None;
    loop {
        let mut news = false;
        let mut more = 0;
        if listener.has_enough_sound() && clock.now().duration_since(last_frame) > HOLD_SOUND {
            more = MORE_SAMPLES;
            last_frame = clock.now();
        }
        while (more > 0 || !listener.has_enough_sound())
            && let Some(block) = feed.next_block()
        {
            news = true;
            more = more.saturating_sub(block.pcm.len());
            listener.arrives();
            progress.sound(block.at.plus(block.pcm.len()).to_time(), clock.now());
            listener.sound(&block);
            listener.hand_on(feed);
            // One that delivers for ever would never leave this loop.
            let is_stuck = !feed.is_by_clock() && progress.has_ceased(clock.now());
            if listener.is_stopped() || is_stuck {
                break;
            }
        }
        // Bounded: with a slow listener new frames would arrive for ever, and sound wait.
        for _ in 0..CHANNEL_FRAMES {
            let Some(frame) = feed.next_frame() else {
                break;
            };
            news = true;
            last_frame = clock.now();
            listener.arrives();
            progress.picture(frame.at(), last_frame);
            listener.frame(frame);
        }
        if feed.sound_is_done() {
            listener.sound_ended();
        }
        if feed.picture_is_done() {
            listener.picture_ended();
        }
        listener.hand_on(feed);
        if let Some(ending) = listener.over(feed) {
            return ending;
        }
        if news {
            last_news = clock.now();
            reported = false;
            can_stall |= stall == Stall::OnceBegun;
            // A live source is judged by what comes of it.
            if can_stall && !feed.is_by_clock() && progress.has_ceased(last_news) {
                return Ending::Failed(MediaError::Circling);
            }
            continue;
        }
        // One more round after the end, for what was still in flight.
        match end {
            Some(End::Whole) => return Ending::Whole,
            Some(End::Failed(cause)) => return Ending::Failed(cause),
            None => end = feed.poll(),
        }
        let silent_for = clock.now().duration_since(last_news);
        if silent_for > SILENT_FAILURE && feed.has_failed_silently() {
            return Ending::Failed(MediaError::SilentFailure);
        }
        let timeout = if feed.is_by_clock() {
            LIVE_STALL
        } else {
            FILE_STALL
        };
        if silent_for > timeout && can_stall {
            return Ending::Failed(MediaError::Stalled(timeout.as_secs()));
        }
        if silent_for > LIVE_STALL && !reported {
            reported = true;
            listener.waits(LIVE_STALL);
        }
        feed.wait(clock, WAIT);
    }
}

#[cfg(test)]
#[path = "drive_tests.rs"]
mod tests;
