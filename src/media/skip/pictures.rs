//! Which coded pictures no window needs.
//!
//! Belongs here: the rules, from kinds and times alone. Does not: packets, GStreamer.
//!
//! Two kinds of pictures need not be decoded for the others: those that no other refers to,
//! and the last ones before a picture from which a decoder starts anew. A frame that is looked
//! at is the nearest one to some time. If pictures are missing between two that come out, at
//! `a` and `b`, and the first and last of them would be shown at `t` and `u`, then none of them
//! is the nearest to a time before the middle of `a` and `t` or after the middle of `u` and `b`,
//! whatever else there is. If nobody looks between these, no frame that is looked at changes
//! without them. The last pictures of a stream are never dropped: none is shown after them.
//!
//! Which pictures are the last ones is known once the next start is there. So each is held for
//! as long as there may be one ([`APART_NS`]).

use std::collections::VecDeque;

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

/// What is known of a decoder's pictures, in packets of type `P`.
#[derive(Debug)]
pub struct Pictures<P> {
    /// Where the timeline of the source begins.
    begin: MediaTime,
    /// When those are shown that others refer to, in the order of decoding.
    references: Vec<MediaTime>,
    /// A key picture has come since the last restart.
    settled: bool,
    newest: Option<MediaTime>,
    /// Times are not what they should be.
    given_up: bool,
    /// Not passed on yet, in the order of decoding.
    held: VecDeque<Held<P>>,
    /// The last time at which one is shown that was passed on since the restart.
    passed: Option<MediaTime>,
    /// When those would be shown that were dropped after that.
    dropped: Vec<MediaTime>,
}

#[derive(Debug)]
struct Held<P> {
    packet: P,
    /// When it is shown, if it is.
    at: Option<MediaTime>,
    /// It comes out for certain.
    comes_out: bool,
    /// Up to where pictures had come with it.
    newest: MediaTime,
}

impl<P> Held<P> {
    /// When it is shown for certain.
    fn shown(&self) -> Option<MediaTime> {
        self.at.filter(|_| self.comes_out)
    }
}

impl<P> Pictures<P> {
    /// Nothing yet, of a source whose times begin at `offset`.
    pub fn new(offset: MediaTime) -> Self {
        Self {
            begin: offset,
            references: Vec::new(),
            settled: false,
            newest: None,
            given_up: false,
            held: VecDeque::new(),
            passed: None,
            dropped: Vec::new(),
        }
    }

    /// What comes does not continue what was there: all is passed on up to a key picture.
    /// Returns what was held.
    pub fn restart(&mut self) -> Vec<P> {
        let held = self.release_all();
        self.references.clear();
        self.settled = false;
        self.passed = None;
        self.dropped.clear();
        held
    }

    /// Returns what is held: it has to be decoded before what comes now.
    pub fn release_all(&mut self) -> Vec<P> {
        self.release(self.held.len())
    }

    /// Nothing is dropped any more. Returns what was held.
    pub fn give_up(&mut self) -> Vec<P> {
        self.given_up = true;
        self.restart()
    }

    /// Takes the next picture in the order of decoding, shown at `at`. Returns what is to be
    /// decoded now.
    pub fn take(&mut self, packet: P, coded: Coded, at: MediaTime, heard: &Heard) -> Vec<P> {
        let newest = self.newest.unwrap_or(self.begin);
        if !self.given_up && at.distance(newest) > JUMP_NS {
            self.given_up = true;
        }
        if self.given_up || coded == Coded::Unknown {
            self.newest = Some(newest.max(at));
            let mut now = self.restart();
            now.push(packet);
            return now;
        }
        let newest = newest.max(at);
        self.newest = Some(newest);
        if coded == Coded::Unreferenced && self.settled && self.is_unwanted(at, heard) {
            self.dropped.push(at);
            return self.release_old(newest);
        }
        let mut now = match coded {
            Coded::Start => self.drop_last(at, heard),
            _ => Vec::new(),
        };
        if matches!(coded, Coded::Start | Coded::Key | Coded::Reference) {
            self.settled |= coded != Coded::Reference;
            if self.references.len() == REMEMBERED {
                self.references.remove(0);
            }
            self.references.push(at);
        }
        self.held.push_back(Held {
            packet,
            at: Some(at),
            comes_out: coded != Coded::Apart,
            newest,
        });
        now.extend(self.release_old(newest));
        now
    }

    /// Takes a picture that is not shown. Returns what is to be decoded now.
    pub fn take_hidden(&mut self, packet: P) -> Vec<P> {
        if self.held.is_empty() {
            return vec![packet];
        }
        self.held.push_back(Held {
            packet,
            at: None,
            comes_out: false,
            newest: self.newest.unwrap_or(self.begin),
        });
        Vec::new()
    }

    /// Passes on what is too far back to be dropped.
    fn release_old(&mut self, newest: MediaTime) -> Vec<P> {
        let is_old = |held: &Held<P>| held.newest.distance(newest) > APART_NS;
        let count = self.held.iter().take_while(|held| is_old(held)).count();
        self.release(count)
    }

    /// Passes on the first ones that are held.
    fn release(&mut self, count: usize) -> Vec<P> {
        let released: Vec<Held<P>> = self.held.drain(..count).collect();
        let last = released.iter().filter_map(Held::shown).max();
        self.passed = self.passed.max(last);
        let passed = self.passed;
        self.dropped.retain(|time| Some(*time) > passed);
        released.into_iter().map(|held| held.packet).collect()
    }

    /// A decoder starts anew with a picture that is shown at `start`. Drops as many of the
    /// last ones before it as nobody looks at, and passes the others on.
    fn drop_last(&mut self, start: MediaTime, heard: &Heard) -> Vec<P> {
        let fewest = (0..=self.held.len()).find(|&kept| self.may_end(kept, start, heard));
        let now = self.release(fewest.unwrap_or(self.held.len()));
        for Held { at, .. } in std::mem::take(&mut self.held) {
            self.references.retain(|time| Some(*time) != at);
            self.dropped.extend(at);
        }
        now
    }

    /// Whether only so many of those that are held need be decoded before one that is shown at
    /// `start`.
    fn may_end(&self, kept: usize, start: MediaTime, heard: &Heard) -> bool {
        let before = self.held.iter().take(kept).filter_map(Held::shown).max();
        let Some(before) = self.passed.max(before) else {
            return false;
        };
        let last = || self.held.iter().skip(kept).filter_map(|held| held.at);
        let missing = || {
            let dropped = self.dropped.iter().copied();
            last().chain(dropped.filter(|time| *time > before))
        };
        let (Some(first), Some(end)) = (missing().min(), missing().max()) else {
            return true;
        };
        last().all(|time| before < time && time < start)
            && before.distance(start) <= APART_NS
            && heard.is_unwanted(before, half_way(before, first), half_way(end, start))
    }

    fn is_unwanted(&self, at: MediaTime, heard: &Heard) -> bool {
        let before = self.references.iter().filter(|&&time| time < at).max();
        let after = self.references.iter().filter(|&&time| time > at).min();
        let (Some(&before), Some(&after)) = (before, after) else {
            return false;
        };
        !self.references.contains(&at)
            && before.distance(after) <= APART_NS
            && heard.is_unwanted(before, half_way(before, at), half_way(at, after))
    }
}

fn half_way(a: MediaTime, b: MediaTime) -> MediaTime {
    MediaTime(a.0.midpoint(b.0))
}
