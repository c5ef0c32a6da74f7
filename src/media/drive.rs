//! Reads an open source to its end, whoever listens.
//!
//! Belongs here: who is called for what and when, and how a source that hangs, or
//! that gave up without an error, is noticed. Does not: what becomes of sound and
//! frames (the [`Listener`]), opening a source again, the clock (a parameter).

use std::time::Duration;

use super::error::MediaError;
use super::feed::Feed;
use super::frame::Frame;
use super::ring::AudioBlock;
use super::session::{CHANNEL_FRAMES, End};
use super::stall::Stall;
use crate::clock::Clock;

/// How long a thread that found nothing sleeps. Half of it is added to the
/// latency; less would cost more in waking up than it gains.
const POLL_INTERVAL: Duration = Duration::from_millis(2);
/// A network stream from which nothing comes for this long is opened again; what
/// may wait for longer is reported.
const LIVE_STALL: Duration = Duration::from_secs(10);
/// A file from which nothing comes for this long is abandoned.
const FILE_STALL: Duration = Duration::from_secs(60);
/// How long a file may take to say why its demuxer stopped.
const SILENT_FAILURE: Duration = Duration::from_millis(300);

/// How often a source is opened that ends as [`MediaError::SilentFailure`]. It mostly
/// reports its error the second time.
pub const OPENINGS: usize = 5;

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All was read.
    Whole,
    /// The listener has what it wants.
    Limit,
    /// The listener was cancelled.
    Stopped,
    /// The source failed.
    Failed(MediaError),
}

/// Takes all that a source yields, on the thread that drives it.
pub trait Listener {
    /// Takes a block of sound.
    fn sound(&mut self, block: &AudioBlock<'_>);

    /// Takes a frame.
    fn frame(&mut self, frame: Frame);

    /// No further sound will come.
    fn sound_ended(&mut self);

    /// No further frame will come.
    fn picture_ended(&mut self);

    /// Hands on what has come of it. Called after every block of sound, as a file
    /// may yield many at once, and after the frames of a round.
    fn hand_on(&mut self, feed: &dyn Feed);

    /// Nothing has come for this long, and it is waited for. Called once until
    /// something comes.
    fn waits(&mut self, _: Duration) {}

    /// Whether to end here. Called once a round, and `is_stopped` after each block.
    fn over(&mut self, feed: &dyn Feed) -> Option<Ending>;

    /// Whether the run has been cancelled.
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
    let mut can_stall = stall == Stall::Always;
    let mut reported = false;
    let mut end: Option<End> = None;
    loop {
        let mut news = false;
        while let Some(block) = feed.next_block() {
            news = true;
            listener.sound(&block);
            listener.hand_on(feed);
            if listener.is_stopped() {
                break;
            }
        }
        // A slow listener finds new ones for ever: sound has its turn.
        for _ in 0..CHANNEL_FRAMES {
            let Some(frame) = feed.next_frame() else {
                break;
            };
            news = true;
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
            continue;
        }
        // What was on its way when the session ended has come by the next turn.
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
        clock.sleep(POLL_INTERVAL);
    }
}
