//! At which times somebody looks, as far as the sound has been heard.
//!
//! Belongs here: the grid of the windows, followed by the positions of the sound alone, and
//! up to when it is certain. Does not: pictures, GStreamer.
//!
//! Windows begin where the [`Windower`](crate::window::Windower) says. What has not been
//! heard may break off, and windows begin anew there: but their middles are half a window
//! later. So up to half a window behind the end of the sound all middles are known. It does
//! no harm if more times count as middles than are.

use super::Looks;
use super::pictures::APART_NS;
use crate::time::{MediaTime, SamplePos};
use crate::window::{Fit, first_window};

/// Positions become times and back: so much is added on either side, in nanoseconds.
const MARGIN_NS: u64 = 1_000_000;

/// Sound whose first block, or a later one, is further than this from where it should be may
/// be put elsewhere ([`Timeline`](crate::media::timeline)): half of what is believed at once.
const JUMP_SAMPLES: u64 = 24_000;

/// Holes after which nothing is skipped any more: the times of each are kept.
const MAX_GRIDS: usize = 64;

/// What was heard of a file, and the times that follow from it.
#[derive(Debug)]
pub struct Heard {
    looks: Looks,
    /// Where the timeline of the source begins.
    begin: SamplePos,
    /// Where windows began anew: at the first sound, and after each hole.
    grids: Vec<SamplePos>,
    /// Where the next block is expected.
    end: SamplePos,
    /// Samples of silence before the first sound, which are taken back before real sound is.
    lead: usize,
    ended: bool,
    /// The sound jumps: nothing is known of its times any more.
    lost: bool,
}

impl Heard {
    /// Nothing yet, of a source whose times begin at `offset`.
    pub fn new(looks: Looks, offset: MediaTime) -> Self {
        Self {
            looks,
            begin: SamplePos::from_time(offset),
            grids: Vec::new(),
            end: SamplePos::ZERO,
            lead: 0,
            ended: false,
            lost: false,
        }
    }

    /// Takes a block of sound, as the windows get it.
    pub fn take(&mut self, at: SamplePos, samples: usize) {
        if samples == 0 {
            return;
        }
        if self.grids.is_empty() {
            self.lost |= at.minus(self.begin).unsigned_abs() > JUMP_SAMPLES;
            let (start, lead) = first_window(at);
            self.lead = lead;
            self.grids.push(start);
            self.end = at.plus(samples);
        } else {
            self.follow(at, samples);
        }
        if let (Looks::Windows { window, .. }, [.., start]) = (self.looks, &self.grids[..])
            && self.end >= start.plus(window)
        {
            self.lead = 0;
        }
    }

    /// As [`Windower::push`](crate::window::Windower::push) does.
    fn follow(&mut self, at: SamplePos, samples: usize) {
        let off = at.minus(self.end).unsigned_abs();
        self.lost |= off > JUMP_SAMPLES || self.grids.len() >= MAX_GRIDS;
        self.end = match Fit::of(self.end, at, samples, self.lead) {
            Fit::Continues => self.end.plus(samples),
            Fit::Repeats => self.end,
            Fit::Breaks { got, repeated } => {
                self.lead = 0;
                if !self.lost {
                    self.grids.push(got);
                }
                got.plus(samples - repeated)
            }
            Fit::Lacks(missing) => self.end.plus(missing + samples),
            Fit::Overlaps { silence, sound } => {
                self.lead -= silence;
                SamplePos(self.end.0 - silence as u64).plus(samples - sound)
            }
        };
    }

    /// Where the next block is expected.
    #[cfg(test)]
    pub fn expected(&self) -> SamplePos {
        self.end
    }

    /// No more sound comes.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Whether nobody looks for the frame nearest to a time from `from` to `to`, for certain.
    /// `before` is when the frame before is shown, which there is.
    pub fn is_unwanted(&self, before: MediaTime, from: MediaTime, to: MediaTime) -> bool {
        match self.looks {
            Looks::Windows { window, hop } => self.has_no_middle(window, hop, from, to),
            // The first frame of a step is the one before which the step begins.
            Looks::Steps(every) => {
                let step = |ns: u64| ns / every.max(1);
                step(before.0.saturating_sub(MARGIN_NS)) == step(to.0.saturating_add(MARGIN_NS))
            }
            Looks::KeyPictures => false,
        }
    }

    fn has_no_middle(&self, window: usize, hop: usize, from: MediaTime, to: MediaTime) -> bool {
        let from = MediaTime(from.0.saturating_sub(MARGIN_NS));
        let to = MediaTime(to.0.saturating_add(MARGIN_NS));
        let known = self.end.plus(window / 2).to_time();
        // Pictures are at most as far apart as half of a window.
        let is_short = SamplePos::ZERO.plus(window / 2).to_time().0 <= APART_NS;
        if self.lost || is_short || !(self.ended || to < known) {
            return false;
        }
        self.grids.iter().all(|start| {
            let first = start.plus(window / 2);
            // The first middle that is not before `from`, and one sample of rounding.
            let after = SamplePos(SamplePos::heard_at(from).0.saturating_sub(first.0));
            let hops = after.0.div_ceil(hop.max(1) as u64);
            let next = first
                .0
                .saturating_add(hops.saturating_mul(hop.max(1) as u64));
            SamplePos(next).to_time() > to
        })
    }
}
