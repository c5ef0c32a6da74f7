//! Windows and frames together: moments, and a gap for whatever is missing.
//!
//! This file owns the rules of what is told about missing sound and picture.
//! Time comes in as a parameter; nothing here reads a clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::pairing::{Pairer, Pairing, Timed};
use super::windower::{SoundEvent, SoundWindow, TAIL_SAMPLES, Windower};
use crate::result::GapReason;
use crate::time::{Hop, MediaTime, SamplePos, WINDOW_SAMPLES};

/// How a source runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Waits for whoever reads it: everything is judged, short clips are padded.
    File,
    /// Runs by the clock: what is late is told as a gap.
    Live,
}

/// A second of sound and the frame that was shown in its middle.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment<F> {
    /// Counts the stream's moments from 0.
    pub seq: u64,
    /// Start of the window.
    pub start: MediaTime,
    /// End of the window.
    pub end: MediaTime,
    /// 48 000 samples, mono.
    pub pcm: Vec<f32>,
    /// The frame nearest to the middle.
    pub frame: F,
    /// When the last sound of the window arrived.
    pub arrived: Instant,
    /// The clip is shorter than a second.
    pub padded: bool,
}

/// A part of the stream without moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapSpan {
    /// Where it starts.
    pub start: MediaTime,
    /// Where it ends.
    pub end: MediaTime,
    /// What was the matter.
    pub why: GapReason,
    /// Moments that there would have been.
    pub lost: u64,
}

/// What comes out, in the order of the stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Made<F> {
    /// To be judged.
    Moment(Moment<F>),
    /// To be told.
    Gap(GapSpan),
}

/// A live window waits this long for a frame after its middle.
const FRAME_PATIENCE: Duration = Duration::from_millis(500);

const SECOND_NS: u64 = 1_000_000_000;

/// A live picture that runs this far ahead of the sound says the sound is missing: so
/// late can be what waits in the ring. What comes later still is not judged.
const SOUND_PATIENCE_NS: u64 = 4 * SECOND_NS;

/// A live frame waits this long for its sound: the window around it may have begun a
/// second before.
const LIVE_KEEP_NS: u64 = SOUND_PATIENCE_NS + SECOND_NS;

/// Makes moments of blocks of sound and frames.
#[derive(Debug)]
pub struct MomentMaker<F> {
    pace: Pace,
    hop_ns: u64,
    windower: Windower,
    pairer: Pairer<F>,
    /// Whole windows whose frame is not known yet, and the holes between them.
    waiting: VecDeque<SoundEvent>,
    /// A gap that may still grow (files tell one gap for one hole).
    open: Option<GapSpan>,
    /// Everything before this has been told.
    told: MediaTime,
    /// Sound before this has been told to be missing.
    given_up: MediaTime,
    sound_end: SamplePos,
    seq: u64,
}

impl<F: Timed + Clone> MomentMaker<F> {
    /// A maker for one stream.
    pub fn new(hop: Hop, pace: Pace) -> Self {
        Self {
            pace,
            hop_ns: SamplePos::ZERO.plus(hop.samples()).to_time().0,
            windower: Windower::new(hop),
            pairer: Pairer::default(),
            waiting: VecDeque::new(),
            open: None,
            told: MediaTime::ZERO,
            given_up: MediaTime::ZERO,
            sound_end: SamplePos::ZERO,
            seq: 0,
        }
    }

    /// How far the stream has come, by sound and picture.
    pub fn length(&self) -> MediaTime {
        self.sound_end.to_time().max(self.pairer.shown_until())
    }

    /// How far moments and gaps have been told.
    pub fn told(&self) -> MediaTime {
        self.told
    }

    /// Whether all before `limit` is there, sound and picture; live also when one of
    /// the two has gone on for so long that the other will not come (in a file one may
    /// be read far ahead of the other). Not when both have ended: then it is whole.
    pub fn has_reached(&self, limit: MediaTime, sound_ended: bool) -> bool {
        let sound = sound_ended || self.sound_end.to_time() >= limit;
        // Not how long the newest frame is shown: one may follow that is nearer to the
        // middle of the last window.
        let newest = self.pairer.newest();
        let picture = self.pairer.has_ended() || newest.is_some_and(|at| at >= limit);
        let patience = MediaTime(limit.0.saturating_add(SOUND_PATIENCE_NS));
        let late = self.pace == Pace::Live && self.length() >= patience;
        let whole = sound_ended && self.pairer.has_ended();
        (sound && picture && !whole) || late
    }

    /// Whether any sound, and any picture, has been there.
    pub fn has(&self) -> (bool, bool) {
        (
            self.sound_end > SamplePos::ZERO,
            self.pairer.newest().is_some(),
        )
    }

    /// Takes a block of sound whose first sample is at `at`.
    pub fn push_sound(
        &mut self,
        at: SamplePos,
        pcm: &[f32],
        arrived: Instant,
        out: &mut Vec<Made<F>>,
    ) {
        let first = self.windower.next_start().is_none();
        self.pairer.ask_until(None);
        self.windower
            .push(at, pcm, arrived, |e| self.waiting.push_back(e));
        self.sound_end = self.sound_end.max(at.plus(pcm.len()));
        if first && let Some(start) = self.windower.next_start() {
            self.gap(self.told, start.to_time(), GapReason::NoAudio, out);
        }
    }

    /// Takes the next frame.
    pub fn push_frame(&mut self, frame: F) {
        self.pairer.push(frame);
        self.forget();
    }

    /// No more sound will come (or none at all).
    pub fn end_sound(&mut self) {
        let last = self.windower.next_start().unwrap_or(SamplePos::ZERO);
        self.pairer.ask_until(Some(middle_from(last)));
    }

    /// The picture has ended (or never was).
    pub fn end_picture(&mut self) {
        self.pairer.end();
    }

    /// The source failed and is opened again at `at`: what lies between is told, and
    /// picture may come again.
    pub fn reopen(&mut self, at: MediaTime, out: &mut Vec<Made<F>>) {
        self.settle(None, out);
        self.flush(out);
        if at > self.told {
            self.tell(self.told, at, GapReason::Discontinuity, out);
        }
        // What comes now does not go on where the sound broke off.
        self.windower.restart();
        self.pairer.reopen();
    }

    /// Hands out what can be told at `now`.
    pub fn poll(&mut self, now: Instant, out: &mut Vec<Made<F>>) {
        self.settle(Some(now), out);
        if self.pace == Pace::Live {
            self.tell_missing_sound(out);
            self.flush(out);
        }
    }

    /// Ends the stream. `whole` says that it ended by itself: then a last window
    /// that lacks at most `tail` samples, or the only one of a short clip, is judged
    /// too.
    pub fn finish(&mut self, whole: bool, tail: usize, out: &mut Vec<Made<F>>) {
        if !whole {
            // A file is read again: what is not certain yet is left for then.
            self.settle(None, out);
            if self.pace == Pace::Live {
                self.flush(out);
            }
            return;
        }
        self.pairer.end();
        let pad = self.pace == Pace::File;
        self.windower
            .finish(pad, tail, |e| self.waiting.push_back(e));
        self.settle(None, out);
        self.flush(out);
        let end = self.pairer.shown_until();
        let (sound, picture) = self.has();
        if picture && !sound {
            self.tell(self.told, end, GapReason::NoAudio, out);
        } else {
            self.gap(self.told, end, GapReason::NoAudio, out);
        }
    }

    /// Drops the frames that nobody will ask for. Before the first sound the grid is
    /// taken to begin at zero, as it mostly does.
    fn forget(&mut self) {
        let next = match self.waiting.front() {
            Some(SoundEvent::Window(window)) => window.start,
            Some(SoundEvent::Broken(hole)) => hole.from,
            None => self.windower.next_start().unwrap_or(SamplePos::ZERO),
        };
        self.pairer.forget(middle_from(next), self.hop_ns);
        if self.pace == Pace::Live
            && let Some(newest) = self.pairer.newest()
        {
            let oldest = newest.0.saturating_sub(LIVE_KEEP_NS);
            self.pairer.forget_before(MediaTime(oldest));
        }
    }

    /// Pairs waiting windows. Without a time, nothing more is waited for.
    fn settle(&mut self, now: Option<Instant>, out: &mut Vec<Made<F>>) {
        while let Some(event) = self.waiting.pop_front() {
            match event {
                SoundEvent::Window(window) if window.start.to_time() < self.given_up => {
                    // Told already, but for what of it lies behind that.
                    let end = window.start.plus(WINDOW_SAMPLES).to_time();
                    if self.told < end {
                        self.grow(self.told, end, GapReason::NoAudio, out);
                    }
                }
                SoundEvent::Window(window) => match self.frame_of(&window, now) {
                    Pairing::NotYet => {
                        self.waiting.push_front(SoundEvent::Window(window));
                        return;
                    }
                    Pairing::Found(frame) => {
                        let frame = frame.clone();
                        self.flush(out);
                        self.judge(window, frame, out);
                    }
                    Pairing::Nothing => {
                        let start = window.start.to_time();
                        let end = window.start.plus(WINDOW_SAMPLES).min(self.sound_end);
                        self.grow(start, end.to_time(), GapReason::NoVideo, out);
                    }
                },
                SoundEvent::Broken(hole) => {
                    let start = hole.from.to_time().max(self.told);
                    let end = hole.got.to_time();
                    if start < end {
                        self.grow(start, end, GapReason::Discontinuity, out);
                    }
                }
            }
            self.forget();
        }
    }

    fn frame_of(&self, window: &SoundWindow, now: Option<Instant>) -> Pairing<'_, F> {
        let patient = match (self.pace, now) {
            (Pace::File, _) => true,
            (Pace::Live, Some(now)) => {
                now.saturating_duration_since(window.arrived) < FRAME_PATIENCE
            }
            (Pace::Live, None) => false,
        };
        self.pairer.nearest(
            window.start.to_time(),
            middle_from(window.start),
            window.start.plus(WINDOW_SAMPLES).to_time(),
            patient,
            self.pace == Pace::File,
        )
    }

    fn judge(&mut self, window: SoundWindow, frame: F, out: &mut Vec<Made<F>>) {
        let end = window.start.plus(WINDOW_SAMPLES).to_time();
        out.push(Made::Moment(Moment {
            seq: self.seq,
            start: window.start.to_time(),
            end,
            pcm: window.pcm,
            frame,
            arrived: window.arrived,
            padded: window.padded,
        }));
        self.seq += 1;
        self.told = self.told.max(end);
    }

    /// Makes the open gap longer, if it is of the same kind and moments between the
    /// two there are none; else begins a new one.
    fn grow(&mut self, start: MediaTime, end: MediaTime, why: GapReason, out: &mut Vec<Made<F>>) {
        if self
            .open
            .is_some_and(|gap| gap.why != why || gap.end < start)
        {
            self.flush(out);
        }
        let start = self.open.map_or(start, |gap| gap.start);
        let lost = self.lost(start, end);
        self.open = Some(GapSpan {
            start,
            end,
            why,
            lost,
        });
        self.told = self.told.max(end);
    }

    /// A live picture without sound is told second by second.
    fn tell_missing_sound(&mut self, out: &mut Vec<Made<F>>) {
        let Some(newest) = self.pairer.newest() else {
            return;
        };
        let mut start = self.told.max(self.sound_end.to_time());
        while newest.0 > start.0 + SOUND_PATIENCE_NS {
            let end = MediaTime(start.0 + SECOND_NS);
            out.push(Made::Gap(GapSpan {
                start,
                end,
                why: GapReason::NoAudio,
                // One window begins with each hop, as the silence goes on.
                lost: SECOND_NS.div_ceil(self.hop_ns),
            }));
            self.told = end;
            self.given_up = end;
            start = end;
        }
    }

    /// Tells a gap if there would have been a window in it.
    fn gap(&mut self, start: MediaTime, end: MediaTime, why: GapReason, out: &mut Vec<Made<F>>) {
        if end.0 + tail_ns() >= start.0.saturating_add(SECOND_NS) {
            self.tell(start, end, why, out);
        }
    }

    fn tell(&mut self, start: MediaTime, end: MediaTime, why: GapReason, out: &mut Vec<Made<F>>) {
        let lost = self.lost(start, end);
        out.push(Made::Gap(GapSpan {
            start,
            end,
            why,
            lost,
        }));
        self.told = self.told.max(end);
    }

    /// Windows between two times: those that there would have been, at least one.
    fn lost(&self, start: MediaTime, end: MediaTime) -> u64 {
        1 + (end.0 + tail_ns()).saturating_sub(start.0 + SECOND_NS) / self.hop_ns
    }

    fn flush(&mut self, out: &mut Vec<Made<F>>) {
        out.extend(self.open.take().map(Made::Gap));
    }
}

/// The middle of the window that begins at `start`.
fn middle_from(start: SamplePos) -> MediaTime {
    start.plus(WINDOW_SAMPLES / 2).to_time()
}

/// What a window may lack and still count.
fn tail_ns() -> u64 {
    SamplePos::ZERO.plus(TAIL_SAMPLES).to_time().0
}

#[cfg(test)]
#[path = "moments_tests.rs"]
mod tests;
