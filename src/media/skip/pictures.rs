//! Which coded pictures no window needs.
//!
//! Belongs here: the rule, from kinds and times alone. Does not: packets, GStreamer.
//!
//! The pictures that others refer to are all decoded, and come out. So of a picture at `t`
//! that nothing refers to, shown between two of those at `a` and `b` that have been passed
//! on before, it is known that no time before the middle of `a` and `t` has it as the
//! nearest frame, and none after the middle of `t` and `b`, whatever else there is. If nobody
//! looks between these, no frame that is looked at changes without it. The last picture of a
//! stream is never dropped: none is shown after it.

use super::coded::Coded;
use super::wanted::Heard;
use crate::time::MediaTime;

/// The most that lies between two pictures that are passed on, in nanoseconds. Frames with
/// 1 s between them are doubted ([`Timeline`](crate::media::timeline)), and a frame that is
/// first shown after the window is not taken, which is half a window from its middle.
pub const APART_NS: u64 = 450_000_000;

/// Times that jump by more are doubted from there on: nothing is dropped any more.
const JUMP_NS: u64 = 900_000_000;

/// Pictures that are remembered: H.264 and H.265 hold 16.
const REMEMBERED: usize = 32;

/// What is known of a decoder's pictures.
#[derive(Debug)]
pub struct Pictures {
    /// Where the timeline of the source begins.
    begin: MediaTime,
    /// When those are shown that others refer to, in the order of decoding.
    passed: Vec<MediaTime>,
    /// A key picture has come since the last restart.
    settled: bool,
    newest: Option<MediaTime>,
    /// Times are not what they should be.
    given_up: bool,
}

impl Pictures {
    /// Nothing yet, of a source whose times begin at `offset`.
    pub fn new(offset: MediaTime) -> Self {
        Self {
            begin: offset,
            passed: Vec::new(),
            settled: false,
            newest: None,
            given_up: false,
        }
    }

    /// What comes does not continue what was there: all is passed on up to a key picture.
    pub fn restart(&mut self) {
        self.passed.clear();
        self.settled = false;
    }

    /// Nothing is dropped any more.
    pub fn give_up(&mut self) {
        self.given_up = true;
    }

    /// Whether the next picture in the order of decoding, shown at `at`, need not be decoded.
    pub fn may_drop(&mut self, coded: Coded, at: MediaTime, heard: &Heard) -> bool {
        if self.given_up {
            return false;
        }
        let newest = self.newest.unwrap_or(self.begin);
        if at.distance(newest) > JUMP_NS {
            self.give_up();
            return false;
        }
        self.newest = Some(newest.max(at));
        match coded {
            Coded::Unreferenced => self.settled && self.is_unwanted(at, heard),
            Coded::Key | Coded::Reference => {
                self.settled |= coded == Coded::Key;
                if self.passed.len() == REMEMBERED {
                    self.passed.remove(0);
                }
                self.passed.push(at);
                false
            }
            Coded::Apart => false,
            Coded::Unknown => {
                self.restart();
                false
            }
        }
    }

    fn is_unwanted(&self, at: MediaTime, heard: &Heard) -> bool {
        let before = self.passed.iter().filter(|&&time| time < at).max();
        let after = self.passed.iter().filter(|&&time| time > at).min();
        let (Some(&before), Some(&after)) = (before, after) else {
            return false;
        };
        let half_way = |a: MediaTime, b: MediaTime| MediaTime(a.0.midpoint(b.0));
        !self.passed.contains(&at)
            && before.distance(after) <= APART_NS
            && heard.is_unwanted(before, half_way(before, at), half_way(at, after))
    }
}
