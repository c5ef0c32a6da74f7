//! Windows and frames together: moments, and a gap for whatever is missing.
//!
//! Belongs here: every rule about missing sound and picture. Does not: clocks; the
//! time is a parameter.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::moment::{GapSpan, Moment, MomentOrGap, Pace};
use super::pairing::{FrameBuffer, NearestFrame, Timed};
use super::windower::{SoundEvent, SoundWindow, TAIL_SAMPLES, Windower};
use crate::result::GapReason;
use crate::time::{Hop, MediaTime, SamplePos};
use crate::window_spec::WindowSpec;

/// A live window waits this long for a frame after its middle.
const FRAME_TIMEOUT: Duration = Duration::from_millis(500);

const SECOND_NS: u64 = 1_000_000_000;

/// Where a live picture is this far ahead of the sound, the sound counts as missing: the
/// ring holds no more than that. Sound that arrives later still is not judged.
const SOUND_TIMEOUT_NS: u64 = 4 * SECOND_NS;

/// Memory for windows of a file that wait for their pictures.
const WAITING_BYTES: usize = 128 << 20;
/// A picture that is further ahead came after a pause or a jump: one gap, not one for
/// each second.
const CATCH_UP_NS: u64 = SOUND_TIMEOUT_NS + 10 * SECOND_NS;

/// Makes moments from blocks of sound and frames.
#[derive(Debug)]
pub struct MomentMaker<F> {
    spec: WindowSpec,
    pace: Pace,
    hop_ns: u64,
    windower: Windower,
    frames: FrameBuffer<F>,
    /// Complete windows without a frame yet, and the discontinuities between them.
    waiting: VecDeque<SoundEvent>,
    /// A gap that may still grow (a file reports one gap per hole).
    open_gap: Option<GapSpan>,
    /// Moments and gaps cover the stream up to here.
    emitted: MediaTime,
    /// Sound before this has been reported as missing.
    abandoned: MediaTime,
    /// The source was opened again, and its sound has not begun.
    reopened: bool,
    sound_end: SamplePos,
    seq: u64,
}

impl<F: Timed + Clone> MomentMaker<F> {
    /// A maker for one stream.
    pub fn new(spec: WindowSpec, hop: Hop, pace: Pace) -> Self {
        Self {
            spec,
            pace,
            hop_ns: SamplePos::ZERO.plus(hop.samples()).to_time().0,
            windower: Windower::new(spec, hop),
            frames: FrameBuffer::new(spec.window_length()),
            waiting: VecDeque::new(),
            open_gap: None,
            emitted: MediaTime::ZERO,
            abandoned: MediaTime::ZERO,
            reopened: false,
            sound_end: SamplePos::ZERO,
            seq: 0,
        }
    }

    /// The same with this much memory for frames, in bytes.
    pub fn with_frame_memory(self, max_bytes: usize) -> Self {
        Self {
            frames: self.frames.with_memory(max_bytes),
            ..self
        }
    }

    /// The same, of which only one frame in each step of `every` is looked at
    /// ([`FrameBuffer::with_steps`]).
    pub fn with_frame_every(self, every: MediaTime) -> Self {
        Self {
            frames: self.frames.with_steps(every),
            ..self
        }
    }

    /// Length of the stream so far, by sound and picture.
    pub fn length(&self) -> MediaTime {
        self.sound_end.to_time().max(self.frames.shown_until())
    }

    /// Up to where moments and gaps have been emitted.
    pub fn emitted(&self) -> MediaTime {
        self.emitted
    }

    /// Whether all sound and picture before `limit` has arrived; in a live stream also if
    /// one of the two is so far ahead that the other will not come (in a file one may be
    /// read far ahead of the other). False once both have ended: then the stream is
    /// complete.
    pub fn has_reached(&self, limit: MediaTime, sound_ended: bool) -> bool {
        let sound = sound_ended || self.sound_end.to_time() >= limit;
        // Not `shown_until`: a frame that is nearer to the middle of the last window may
        // follow the newest one.
        let newest = self.frames.newest();
        let picture = self.frames.has_ended() || newest.is_some_and(|at| at >= limit);
        let timeout = MediaTime(limit.0.saturating_add(SOUND_TIMEOUT_NS));
        let late = self.pace == Pace::Live && self.length() >= timeout;
        let complete = sound_ended && self.frames.has_ended();
        (sound && picture && !complete) || late
    }

    /// Whether as much sound waits for pictures as may be held in memory: no more of a file
    /// should be read. In a live stream none waits for long.
    pub fn has_enough_sound(&self) -> bool {
        let window_bytes = self.spec.window_samples * size_of::<f32>();
        self.pace == Pace::File && self.waiting.len() * window_bytes >= WAITING_BYTES
    }

    /// Whether any sound, and any picture, has arrived.
    pub fn has_sound_and_picture(&self) -> (bool, bool) {
        (
            self.sound_end > SamplePos::ZERO,
            self.frames.newest().is_some(),
        )
    }

    /// Takes a block of sound whose first sample is at `at`.
    pub fn push_sound(
        &mut self,
        at: SamplePos,
        pcm: &[f32],
        arrived: Instant,
        out: &mut Vec<MomentOrGap<F>>,
    ) {
        let first = self.windower.next_start().is_none();
        self.frames.set_last_middle(None);
        self.windower
            .push(at, pcm, arrived, |e| self.waiting.push_back(e));
        self.sound_end = self.sound_end.max(at.plus(pcm.len()));
        if first && let Some(start) = self.windower.next_start() {
            let start = start.to_time();
            self.emit_gap_of_a_window(start, GapReason::NoAudio, out);
            if std::mem::take(&mut self.reopened) && start > self.emitted {
                self.emit_rest_of_an_outage(start, out);
            }
        }
    }

    /// Takes the next frame.
    pub fn push_frame(&mut self, frame: F) {
        self.frames.push(frame);
        self.drop_unneeded_frames();
    }

    /// No more sound will arrive (or none at all).
    pub fn end_sound(&mut self) {
        let last = self.windower.next_start().unwrap_or(SamplePos::ZERO);
        self.frames.set_last_middle(Some(self.middle_of(last)));
    }

    /// The picture has ended (or never started).
    pub fn end_picture(&mut self) {
        self.frames.end();
    }

    /// The source failed and is reopened at `at`: the time between is reported as a gap,
    /// and picture may arrive again. What is then left up to the first sound is a gap, too.
    pub fn reopen(&mut self, at: MediaTime, out: &mut Vec<MomentOrGap<F>>) {
        self.pair_waiting(None, out);
        self.close_gap(out);
        if at > self.emitted {
            self.emit_gap(at, GapReason::Discontinuity, out);
        }
        // What arrives now does not continue where the sound broke off.
        self.windower.restart();
        self.frames.reopen();
        self.reopened = true;
    }

    /// Emits what is certain at `now`.
    pub fn poll(&mut self, now: Instant, out: &mut Vec<MomentOrGap<F>>) {
        self.pair_waiting(Some(now), out);
        if self.pace == Pace::Live {
            self.close_gap(out);
            self.emit_missing_sound(out);
        }
    }

    /// Ends the stream. With `complete`, it ended by itself: then a last window that is
    /// at most `tail` samples short, or the only one of a short clip, is judged too.
    pub fn finish(&mut self, complete: bool, tail: usize, out: &mut Vec<MomentOrGap<F>>) {
        if !complete {
            // A file is read again: what is not certain yet is left to that run.
            self.pair_waiting(None, out);
            if self.pace == Pace::Live {
                self.close_gap(out);
            }
            return;
        }
        self.frames.end();
        let pad = self.pace == Pace::File;
        self.windower
            .finish(pad, tail, |e| self.waiting.push_back(e));
        self.pair_waiting(None, out);
        self.close_gap(out);
        let end = self.frames.shown_until();
        let (sound, picture) = self.has_sound_and_picture();
        if picture && !sound {
            self.emit_gap(end, GapReason::NoAudio, out);
        } else {
            self.emit_gap_of_a_window(end, GapReason::NoAudio, out);
        }
    }

    /// Drops the frames that no window needs. Before the first sound, the grid is
    /// assumed to start at zero, as it usually does.
    fn drop_unneeded_frames(&mut self) {
        let next = match self.waiting.front() {
            Some(SoundEvent::Window(window)) => window.start,
            Some(SoundEvent::Broken(hole)) => hole.from,
            None => self.windower.next_start().unwrap_or(SamplePos::ZERO),
        };
        self.frames.drop_unneeded(self.middle_of(next), self.hop_ns);
        if self.pace == Pace::Live
            && let Some(newest) = self.frames.newest()
        {
            // The window around a frame may have started a window's length before it.
            let keep_ns = SOUND_TIMEOUT_NS + self.spec.window_length().0;
            let oldest = newest.0.saturating_sub(keep_ns);
            self.frames.drop_before(MediaTime(oldest));
        }
    }

    /// Pairs waiting windows with frames. Without a time, a live window does not wait.
    fn pair_waiting(&mut self, now: Option<Instant>, out: &mut Vec<MomentOrGap<F>>) {
        while let Some(event) = self.waiting.pop_front() {
            match event {
                SoundEvent::Window(window) if window.start.to_time() < self.abandoned => {
                    // Reported as missing, except for what lies after that.
                    let end = self.end_of(window.start).to_time();
                    if self.emitted < end {
                        self.extend_gap(self.emitted, end, GapReason::NoAudio, out);
                    }
                }
                SoundEvent::Window(window) => match self.frame_of(&window, now) {
                    NearestFrame::NotYet => {
                        self.waiting.push_front(SoundEvent::Window(window));
                        return;
                    }
                    NearestFrame::Found(frame) => {
                        let frame = frame.clone();
                        self.close_gap(out);
                        self.emit_moment(window, frame, out);
                    }
                    NearestFrame::Missing => {
                        let start = window.start.to_time();
                        let end = self.end_of(window.start).min(self.sound_end);
                        self.extend_gap(start, end.to_time(), GapReason::NoVideo, out);
                    }
                },
                SoundEvent::Broken(hole) => {
                    let start = hole.from.to_time().max(self.emitted);
                    let end = hole.got.to_time();
                    if start < end {
                        self.extend_gap(start, end, GapReason::Discontinuity, out);
                    }
                }
            }
            self.drop_unneeded_frames();
        }
    }

    fn frame_of(&self, window: &SoundWindow, now: Option<Instant>) -> NearestFrame<'_, F> {
        let may_wait = match (self.pace, now) {
            (Pace::File, _) => true,
            (Pace::Live, Some(now)) => {
                now.saturating_duration_since(window.arrived) < FRAME_TIMEOUT
            }
            (Pace::Live, None) => false,
        };
        self.frames.nearest(
            window.start.to_time(),
            self.middle_of(window.start),
            self.end_of(window.start).to_time(),
            may_wait,
            self.pace == Pace::File,
        )
    }

    fn emit_moment(&mut self, window: SoundWindow, frame: F, out: &mut Vec<MomentOrGap<F>>) {
        let end = self.end_of(window.start).to_time();
        out.push(MomentOrGap::Moment(Moment {
            seq: self.seq,
            start: window.start.to_time(),
            end,
            pcm: window.pcm,
            frame,
            arrived: window.arrived,
            padded: window.padded,
        }));
        self.seq += 1;
        self.emitted = self.emitted.max(end);
    }

    /// Extends the open gap if it has the same reason and no moments lie between; else
    /// opens a new one.
    fn extend_gap(
        &mut self,
        start: MediaTime,
        end: MediaTime,
        why: GapReason,
        out: &mut Vec<MomentOrGap<F>>,
    ) {
        if self
            .open_gap
            .is_some_and(|gap| gap.why != why || gap.end < start)
        {
            self.close_gap(out);
        }
        let start = self.open_gap.map_or(start, |gap| gap.start);
        self.open_gap = Some(self.span(start, end, why));
        self.emitted = self.emitted.max(end);
    }

    /// Reports a live picture without sound second by second, the first time from the start
    /// of the window in which the sound broke off.
    fn emit_missing_sound(&mut self, out: &mut Vec<MomentOrGap<F>>) {
        let Some(newest) = self.frames.newest() else {
            return;
        };
        let mut heard = self.emitted.max(self.sound_end.to_time());
        loop {
            let behind = newest.0.saturating_sub(heard.0);
            if behind <= SOUND_TIMEOUT_NS {
                break;
            }
            let length = if behind > CATCH_UP_NS {
                (behind - SOUND_TIMEOUT_NS).next_multiple_of(SECOND_NS)
            } else {
                SECOND_NS
            };
            let end = MediaTime(heard.0.saturating_add(length));
            out.push(MomentOrGap::Gap(GapSpan {
                start: self.emitted,
                end,
                why: GapReason::NoAudio,
                // Not `lost_windows`: while the silence lasts, a window starts at each hop.
                lost: length.div_ceil(self.hop_ns),
            }));
            self.emitted = end;
            self.abandoned = end;
            heard = end;
        }
    }

    /// Reports a gap up to `end` if a window would have fitted into it.
    fn emit_gap_of_a_window(
        &mut self,
        end: MediaTime,
        why: GapReason,
        out: &mut Vec<MomentOrGap<F>>,
    ) {
        let first_end = self.emitted.0.saturating_add(self.spec.window_length().0);
        if end.0.saturating_add(tail_ns()) >= first_end {
            self.emit_gap(end, why, out);
        }
    }

    /// Reports what an outage lasted longer than the gap up to the reopening, less than a
    /// window: no more moments are lost.
    fn emit_rest_of_an_outage(&mut self, end: MediaTime, out: &mut Vec<MomentOrGap<F>>) {
        out.push(MomentOrGap::Gap(GapSpan {
            start: self.emitted,
            end,
            why: GapReason::Discontinuity,
            lost: 0,
        }));
        self.emitted = end;
    }

    /// Reports a gap from the last moment or gap up to `end`.
    fn emit_gap(&mut self, end: MediaTime, why: GapReason, out: &mut Vec<MomentOrGap<F>>) {
        out.push(MomentOrGap::Gap(self.span(self.emitted, end, why)));
        self.emitted = self.emitted.max(end);
    }

    fn span(&self, start: MediaTime, end: MediaTime, why: GapReason) -> GapSpan {
        let lost = self.lost_windows(start, end);
        GapSpan {
            start,
            end,
            why,
            lost,
        }
    }

    /// Windows that there would have been between two times, at least one.
    fn lost_windows(&self, start: MediaTime, end: MediaTime) -> u64 {
        let first_end = start.0.saturating_add(self.spec.window_length().0);
        let more = end.0.saturating_add(tail_ns()).saturating_sub(first_end);
        1 + more / self.hop_ns
    }

    fn close_gap(&mut self, out: &mut Vec<MomentOrGap<F>>) {
        out.extend(self.open_gap.take().map(MomentOrGap::Gap));
    }

    /// The middle of the window that starts at `start`.
    fn middle_of(&self, start: SamplePos) -> MediaTime {
        start.plus(self.spec.window_samples / 2).to_time()
    }

    /// The end of the window that starts at `start`.
    fn end_of(&self, start: SamplePos) -> SamplePos {
        start.plus(self.spec.window_samples)
    }
}

/// By how much a window may be short and still count as complete.
fn tail_ns() -> u64 {
    SamplePos::ZERO.plus(TAIL_SAMPLES).to_time().0
}

#[cfg(test)]
#[path = "moments_tests.rs"]
mod tests;
