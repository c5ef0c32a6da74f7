//! Reads an open source to its end, whoever listens.
//!
//! Belongs here: who is asked for what and when, and how a source that hangs, or
//! that gave up without a word, is noticed. Does not: what becomes of sound and
//! frames (the [`Listener`]), opening a source again.

use std::time::{Duration, Instant};

use super::error::MediaError;
use super::frame::Frame;
use super::ring::AudioBlock;
use super::session::{CHANNEL_FRAMES, End, Session};

/// How long a thread that found nothing sleeps. Half of it is added to the
/// latency; less would cost more in waking up than it brings.
const NAP: Duration = Duration::from_millis(2);
/// A network stream from which nothing comes for this long is opened again; what
/// may wait for longer is told of.
const LIVE_STALL: Duration = Duration::from_secs(10);
/// A file from which nothing comes for this long is given up.
const FILE_STALL: Duration = Duration::from_secs(60);
/// How long a file may take to say why its demuxer stopped.
const SPEECHLESS: Duration = Duration::from_millis(300);

/// How often a source is opened that ends as [`MediaError::Speechless`]. It mostly
/// says its error the second time.
pub const OPENINGS: usize = 5;

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All was read.
    Whole,
    /// The listener has what it wants.
    Limit,
    /// The listener was asked to stop.
    Stopped,
    /// The source failed.
    Failed(MediaError),
}

/// Whether silence from a source means that it hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    /// It may wait for as long as it likes.
    Never,
    /// Once something has come, more has to.
    OnceBegun,
    /// From the start.
    Always,
}

/// Somebody who takes all that a session brings, on the thread that drives it.
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
    /// may bring many at once, and after the frames of a round.
    fn hand_on(&mut self, session: &mut Session);

    /// Nothing has come for this long, and it is waited for. Called once until
    /// something comes.
    fn waits(&mut self, _: Duration) {}

    /// Whether to end here. Asked once a round, and `is_stopped` after each block.
    fn over(&mut self, session: &Session) -> Option<Ending>;

    /// Whether somebody asked to stop.
    fn is_stopped(&self) -> bool;
}

impl Session {
    /// Reads to the end.
    pub fn drive(&mut self, stall: Stall, listener: &mut impl Listener) -> Ending {
        let mut last_news = Instant::now();
        let mut can_stall = stall == Stall::Always;
        let mut told = false;
        let mut end: Option<End> = None;
        loop {
            let mut news = false;
            while let Some(block) = self.sound.next_block() {
                news = true;
                listener.sound(&block);
                listener.hand_on(self);
                if listener.is_stopped() {
                    break;
                }
            }
            // Who takes them slowly finds new ones for ever: sound has its turn.
            for frame in self.frames.try_iter().take(CHANNEL_FRAMES) {
                news = true;
                listener.frame(frame);
            }
            if self.sound.is_done() {
                listener.sound_ended();
            }
            if self.picture_ended() && self.frames.is_empty() {
                listener.picture_ended();
            }
            listener.hand_on(self);
            if let Some(ending) = listener.over(self) {
                return ending;
            }
            if news {
                last_news = Instant::now();
                told = false;
                can_stall |= stall == Stall::OnceBegun;
                continue;
            }
            // What was on its way when the session ended has come by the next turn.
            match end {
                Some(End::Whole) => return Ending::Whole,
                Some(End::Failed(cause)) => return Ending::Failed(cause),
                None => end = self.poll(),
            }
            if last_news.elapsed() > SPEECHLESS && self.is_dead() {
                return Ending::Failed(MediaError::Speechless);
            }
            let patience = if self.is_by_clock() {
                LIVE_STALL
            } else {
                FILE_STALL
            };
            if last_news.elapsed() > patience && can_stall {
                return Ending::Failed(MediaError::Stalled(patience.as_secs()));
            }
            if last_news.elapsed() > LIVE_STALL && !told {
                told = true;
                listener.waits(LIVE_STALL);
            }
            std::thread::sleep(NAP);
        }
    }
}
