//! The frame of a window: the one nearest to its middle.
//!
//! Belongs here: which frames are kept, and which of them is nearest to a time. Does
//! not: sound and pixels.

use std::collections::VecDeque;

use crate::time::MediaTime;

/// A frame with the time at which it is shown.
pub trait Timed {
    /// When it is first shown.
    fn at(&self) -> MediaTime;
    /// How long it is shown in nanoseconds, where the source says.
    fn duration_ns(&self) -> Option<u64>;
    /// Memory that it occupies.
    fn bytes(&self) -> usize;
}

/// The frame nearest to the middle of a window.
#[derive(Debug, PartialEq, Eq)]
pub enum NearestFrame<'a, F> {
    /// A nearer frame may still arrive.
    NotYet,
    /// The nearest frame.
    Found(&'a F),
    /// No frame was shown during the window.
    Missing,
}

/// Memory for frames where nothing else is said. Beyond it the oldest frames are dropped
/// even if the grid of windows needs them: a picture that is ahead by so much most likely
/// has no sound. Decoded frames are large, and a source whose picture runs ahead of its
/// sound must not fill the memory.
pub const FRAME_MEMORY: usize = 512 << 20;

/// The newest frames are all kept up to this share of it: sound may still start, or restart,
/// near any of them. Older frames are thinned to those that the current grid needs.
const KEEP_ALL_ONE_IN: usize = 4;

/// Every frame counts as at least this much, which bounds the number of tiny ones.
const MIN_FRAME_BYTES: usize = 64 << 10;

/// How long the last frame of a stream counts as shown where nothing says so.
const LAST_FRAME_NS: u64 = 100_000_000;

/// Keeps the frames that windows may still need.
#[derive(Debug)]
pub struct FrameBuffer<F> {
    half_window_ns: u64,
    /// Limit of memory.
    max_bytes: usize,
    /// Only the first frame in each step of so long is kept; 0: all.
    every_ns: u64,
    /// The step of the last frame that was kept.
    last_step: Option<u64>,
    /// The newest frame, if it was not kept: at the end there is no other near the last
    /// windows.
    spare: Option<F>,
    frames: VecDeque<F>,
    /// Memory of all frames.
    bytes: usize,
    ended: bool,
    newest: Option<MediaTime>,
    shown_until: MediaTime,
    /// The newest frame is of the source that is open now.
    continues: bool,
    /// The middle of the last window, once the sound has ended.
    last_middle: Option<MediaTime>,
}

impl<F: Timed> FrameBuffer<F> {
    /// An empty buffer for windows of this length.
    pub fn new(window_length: MediaTime) -> Self {
        Self {
            half_window_ns: window_length.0 / 2,
            max_bytes: FRAME_MEMORY,
            every_ns: 0,
            last_step: None,
            spare: None,
            frames: VecDeque::new(),
            bytes: 0,
            ended: false,
            newest: None,
            shown_until: MediaTime::ZERO,
            continues: false,
            last_middle: None,
        }
    }

    /// The same with this much memory, in bytes.
    pub fn with_memory(self, max_bytes: usize) -> Self {
        Self { max_bytes, ..self }
    }

    /// The same, of which only the first frame in each step of `every` is kept: all if it is
    /// zero. At most a window, or some windows would have none.
    pub fn with_steps(self, every: MediaTime) -> Self {
        Self {
            every_ns: every.0,
            ..self
        }
    }

    fn keep_all_bytes(&self) -> usize {
        self.max_bytes / KEEP_ALL_ONE_IN
    }

    /// Takes the next frame. One that is not later than the previous is dropped.
    pub fn push(&mut self, frame: F) {
        let at = frame.at();
        if self.newest.is_some_and(|newest| at <= newest) {
            return;
        }
        // Without a duration, the distance to the previous frame is the best guess, but
        // not over an outage.
        let previous = self.newest.replace(at).filter(|_| self.continues);
        self.continues = true;
        let step = previous.map(|previous| at.distance(previous));
        let length = frame.duration_ns().or(step).unwrap_or(LAST_FRAME_NS);
        self.shown_until = MediaTime(at.0.saturating_add(length));
        let is_passed = |middle| self.frames.back().is_some_and(|last| last.at() >= middle);
        if self.last_middle.is_some_and(is_passed) {
            return;
        }
        let step = at.0.checked_div(self.every_ns);
        if step.is_some() && step == self.last_step {
            self.spare = Some(frame);
            return;
        }
        self.last_step = step;
        self.spare = None;
        self.keep(frame);
    }

    fn keep(&mut self, frame: F) {
        self.bytes += counted_bytes(&frame);
        self.frames.push_back(frame);
    }

    /// No more frames will arrive.
    pub fn end(&mut self) {
        self.ended = true;
        if let Some(spare) = self.spare.take() {
            self.keep(spare);
        }
    }

    /// Frames will arrive again, from a source that was reopened. Earlier ones are
    /// dropped: no window after the outage may get them.
    pub fn reopen(&mut self) {
        self.ended = false;
        self.continues = false;
        self.last_middle = None;
        self.last_step = None;
        self.spare = None;
        self.frames.clear();
        self.bytes = 0;
    }

    /// Whether [`end`](Self::end) was called.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Time of the newest frame.
    pub fn newest(&self) -> Option<MediaTime> {
        self.newest
    }

    /// Until when a frame is shown, as far as is known.
    pub fn shown_until(&self) -> MediaTime {
        self.shown_until
    }

    /// The frame nearest to `middle` for a window from `start` to `end`; of two
    /// equally near ones the earlier. Never one that is first shown after the window.
    /// With `may_wait` false, only frames that have arrived are considered. With
    /// `holds`, a frame stays on the screen until the next one, however long that
    /// takes; else for its own duration.
    pub fn nearest(
        &self,
        start: MediaTime,
        middle: MediaTime,
        end: MediaTime,
        may_wait: bool,
        holds: bool,
    ) -> NearestFrame<'_, F> {
        let after = self.frames.iter().position(|f| f.at() >= middle);
        let Some(after) = after else {
            if may_wait && !self.ended && !self.is_settled(start, middle, end) {
                return NearestFrame::NotYet;
            }
            return match self.frames.back() {
                Some(last) if self.shown_until() > start => NearestFrame::Found(last),
                _ => NearestFrame::Missing,
            };
        };
        let next = &self.frames[after];
        let is_shown = |frame: &&F| {
            let until = |length| frame.at().0.saturating_add(length);
            holds
                || frame
                    .duration_ns()
                    .is_none_or(|length| until(length) > start.0)
        };
        let previous = after.checked_sub(1).map(|i| &self.frames[i]);
        let previous = previous.filter(is_shown);
        match (previous, next.at() < end) {
            (Some(previous), true) => {
                let earlier = middle.distance(previous.at()) <= middle.distance(next.at());
                NearestFrame::Found(if earlier { previous } else { next })
            }
            (Some(previous), false) => NearestFrame::Found(previous),
            (None, true) => NearestFrame::Found(next),
            (None, false) => NearestFrame::Missing,
        }
    }

    /// Whether no frame that is still to be kept can be nearer to `middle` than the last one:
    /// the next step begins too late. So a live window does not wait for a frame that is not
    /// looked at.
    fn is_settled(&self, start: MediaTime, middle: MediaTime, end: MediaTime) -> bool {
        let (Some(last), Some(newest), Some(step)) =
            (self.frames.back(), self.newest, self.last_step)
        else {
            return false;
        };
        let next_step = MediaTime((step + 1).saturating_mul(self.every_ns));
        let as_near = MediaTime(middle.0.saturating_add(middle.distance(last.at())));
        last.at() >= start && newest.max(next_step) >= as_near.min(end)
    }

    /// Drops the frames before `time`, except the last of them: it may still be the
    /// nearest.
    pub fn drop_before(&mut self, time: MediaTime) {
        while self.frames.get(1).is_some_and(|next| next.at() <= time) {
            self.drop_oldest();
        }
    }

    /// Drops frames that no window needs whose middle is at `next_middle` or whole
    /// hops after it, and the oldest beyond the limits of memory.
    pub fn drop_unneeded(&mut self, next_middle: MediaTime, hop_ns: u64) {
        self.drop_before(next_middle);
        if self.bytes > self.keep_all_bytes() {
            self.thin(next_middle, hop_ns);
        }
        while self.bytes > self.max_bytes && self.frames.len() > 1 {
            self.drop_oldest();
        }
    }

    /// Sets the middle of the last window, or `None` while more may follow. No frame
    /// later than the first one after it is kept.
    pub fn set_last_middle(&mut self, last_middle: Option<MediaTime>) {
        self.last_middle = last_middle;
        let Some(middle) = last_middle else {
            return;
        };
        let last_needed = self.frames.iter().position(|f| f.at() >= middle);
        if let Some(last_needed) = last_needed {
            self.frames.truncate(last_needed + 1);
            self.bytes = self.frames.iter().map(counted_bytes).sum();
        }
    }

    /// The number of frames in the buffer.
    #[cfg(test)]
    pub fn frame_count(&self) -> usize {
        self.frames.len()
    }

    fn drop_oldest(&mut self) {
        let oldest = self.frames.pop_front();
        self.bytes -= oldest.as_ref().map_or(0, counted_bytes);
    }

    /// Drops those of the older frames that the grid does not need.
    fn thin(&mut self, next_middle: MediaTime, hop_ns: u64) {
        let (half_window_ns, keep_all_bytes) = (self.half_window_ns, self.keep_all_bytes());
        let mut newer_bytes = 0;
        let newer = self.frames.iter().rev().take_while(|frame| {
            newer_bytes += counted_bytes(*frame);
            newer_bytes <= keep_all_bytes
        });
        let older = self.frames.len() - newer.count().max(1);
        // A frame is needed if some middle is nearer to it than to its neighbours, or if
        // the next one may be first shown after the window of a middle between the two.
        let times: Vec<u64> = self.frames.iter().map(|f| f.at().0).collect();
        let mut k = 0_usize;
        self.frames.retain(|frame| {
            let at = frame.at().0;
            let from = k.checked_sub(1).map_or(0, |p| at.midpoint(times[p]));
            let to = match times.get(k + 1) {
                Some(&next) if next - at <= half_window_ns => at.midpoint(next),
                Some(&next) => next,
                None => u64::MAX,
            };
            k += 1;
            k > older || first_middle_at_or_after(from, next_middle.0, hop_ns) <= to
        });
        self.bytes = self.frames.iter().map(counted_bytes).sum();
    }
}

fn counted_bytes(frame: &impl Timed) -> usize {
    frame.bytes().max(MIN_FRAME_BYTES)
}

/// The first of `origin, origin + hop, …` that is not before `time`.
fn first_middle_at_or_after(time: u64, origin: u64, hop: u64) -> u64 {
    let hop = hop.max(1);
    let hops = time.saturating_sub(origin).div_ceil(hop);
    origin.saturating_add(hops.saturating_mul(hop))
}

#[cfg(test)]
#[path = "pairing_tests.rs"]
mod tests;
