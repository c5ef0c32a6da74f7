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

/// A live picture that runs this far ahead of the sound says the sound is missing.
const SOUND_PATIENCE_NS: u64 = 2_000_000_000;

const SECOND_NS: u64 = 1_000_000_000;

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
            sound_end: SamplePos::ZERO,
            seq: 0,
        }
    }

    /// How far the stream has come, by sound and picture.
    pub fn length(&self) -> MediaTime {
        self.sound_end.to_time().max(self.pairer.shown_until())
    }

    /// Whether all before `limit` is there: sound and, for the last window, picture;
    /// or one of the two has gone on for so long that the other will not come.
    pub fn has_reached(&self, limit: MediaTime) -> bool {
        let picture = self.pairer.has_ended() || self.pairer.shown_until() >= limit;
        let patience = MediaTime(limit.0.saturating_add(2 * SECOND_NS));
        (self.sound_end.to_time() >= limit && picture) || self.length() >= patience
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
        if let Some(middle) = self.next_middle() {
            self.pairer.forget(middle, self.hop_ns);
        }
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
            // A file goes on later: what is not certain yet is left for then.
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

    fn next_middle(&self) -> Option<MediaTime> {
        let start = match self.waiting.front() {
            Some(SoundEvent::Window(window)) => window.start,
            Some(SoundEvent::Broken(hole)) => hole.from,
            None => self.windower.next_start()?,
        };
        Some(start.plus(WINDOW_SAMPLES / 2).to_time())
    }

    /// Pairs waiting windows. Without a time, nothing more is waited for.
    fn settle(&mut self, now: Option<Instant>, out: &mut Vec<Made<F>>) {
        while let Some(event) = self.waiting.pop_front() {
            match event {
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
            if let Some(middle) = self.next_middle() {
                self.pairer.forget(middle, self.hop_ns);
            }
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
            window.start.plus(WINDOW_SAMPLES / 2).to_time(),
            window.start.plus(WINDOW_SAMPLES).to_time(),
            patient,
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
        let reached = self.told.max(self.sound_end.to_time());
        let mut reached = reached;
        while newest.0 > reached.0 + SOUND_PATIENCE_NS {
            let end = MediaTime(reached.0 + SECOND_NS);
            self.tell(reached, end, GapReason::NoAudio, out);
            reached = end;
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

/// What a window may lack and still count.
fn tail_ns() -> u64 {
    SamplePos::ZERO.plus(TAIL_SAMPLES).to_time().0
}

#[cfg(test)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of a test are small"
)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Shown(u64);

    impl Timed for Shown {
        fn at(&self) -> MediaTime {
            MediaTime(self.0)
        }
        fn duration_ns(&self) -> Option<u64> {
            Some(40_000_000)
        }
        fn bytes(&self) -> usize {
            1
        }
    }

    const MS: u64 = 1_000_000;

    /// Sound in blocks of 20 ms over the given milliseconds.
    fn sound(
        maker: &mut MomentMaker<Shown>,
        from_ms: u64,
        to_ms: u64,
        now: Instant,
    ) -> Vec<Made<Shown>> {
        let mut out = Vec::new();
        for at in (from_ms..to_ms).step_by(20) {
            maker.push_sound(SamplePos(at * 48), &[0.5; 960], now, &mut out);
            maker.poll(now, &mut out);
        }
        out
    }

    fn picture(maker: &mut MomentMaker<Shown>, from_ms: u64, to_ms: u64) {
        for at in (from_ms..to_ms).step_by(40) {
            maker.push_frame(Shown(at * MS));
        }
    }

    fn story(made: &[Made<Shown>]) -> Vec<String> {
        made.iter()
            .map(|m| match m {
                Made::Moment(m) => format!("{} {}@{}", m.seq, m.start.0 / MS, m.frame.0 / MS),
                Made::Gap(g) => format!(
                    "{} {}-{} lost {}",
                    g.why.name(),
                    g.start.0 / MS,
                    g.end.0 / MS,
                    g.lost
                ),
            })
            .collect()
    }

    fn whole(pace: Pace, sounds: &[(u64, u64)], pictures: &[(u64, u64)]) -> Vec<String> {
        let now = Instant::now();
        let mut maker = MomentMaker::new(Hop::SECOND, pace);
        let mut out = Vec::new();
        for &(from, to) in pictures {
            picture(&mut maker, from, to);
        }
        for &(from, to) in sounds {
            out.extend(sound(&mut maker, from, to, now));
        }
        maker.finish(true, TAIL_SAMPLES, &mut out);
        story(&out)
    }

    #[test]
    fn sound_and_picture_make_moments() {
        let got = whole(Pace::File, &[(0, 2_000)], &[(0, 2_000)]);
        assert_eq!(got, ["0 0@480", "1 1000@1480"]);
    }

    #[test]
    fn a_picture_that_ends_early_is_one_gap() {
        let got = whole(Pace::File, &[(0, 4_000)], &[(0, 1_000)]);
        assert_eq!(got, ["0 0@480", "no_video 1000-4000 lost 3"]);
    }

    #[test]
    fn sound_only_and_picture_only_are_one_gap() {
        assert_eq!(
            whole(Pace::File, &[(0, 3_000)], &[]),
            ["no_video 0-3000 lost 3"]
        );
        assert_eq!(
            whole(Pace::File, &[], &[(0, 3_000)]),
            ["no_audio 0-3000 lost 3"]
        );
        assert_eq!(
            whole(Pace::File, &[], &[(0, 400)]),
            ["no_audio 0-400 lost 1"]
        );
    }

    #[test]
    fn sound_that_starts_late_or_ends_early_is_told() {
        let got = whole(Pace::File, &[(2_500, 4_500)], &[(0, 7_000)]);
        assert_eq!(
            got,
            [
                "no_audio 0-2500 lost 2",
                "0 2500@3000",
                "1 3500@4000",
                "no_audio 4500-7000 lost 2"
            ]
        );
    }

    #[test]
    fn a_hole_in_the_sound_is_told_between_its_neighbours() {
        let got = whole(Pace::File, &[(0, 1_500), (3_200, 4_200)], &[(0, 4_200)]);
        assert_eq!(
            got,
            ["0 0@480", "discontinuity 1000-3200 lost 2", "1 3200@3680"]
        );
    }

    #[test]
    fn sound_that_breaks_off_all_the_time_is_one_gap() {
        let pieces: Vec<_> = (0..100).map(|k| (k * 60, k * 60 + 20)).collect();
        let got = whole(Pace::File, &pieces, &[(0, 6_000)]);
        assert_eq!(got, ["discontinuity 0-5940 lost 5"]);
    }

    #[test]
    fn a_short_clip_is_padded_in_a_file_and_not_live() {
        assert_eq!(whole(Pace::File, &[(0, 600)], &[(0, 600)]), ["0 0@480"]);
        assert!(whole(Pace::Live, &[(0, 600)], &[(0, 600)]).is_empty());
    }

    #[test]
    fn a_live_window_waits_for_its_frame_but_not_for_ever() {
        let now = Instant::now();
        let mut maker = MomentMaker::new(Hop::SECOND, Pace::Live);
        picture(&mut maker, 0, 400);
        let mut out = sound(&mut maker, 0, 1_000, now);
        assert!(out.is_empty(), "a frame after the middle may come");
        maker.poll(now + FRAME_PATIENCE, &mut out);
        assert_eq!(story(&out), ["0 0@360"]);
    }

    #[test]
    fn a_live_camera_without_picture_is_told_every_second() {
        let now = Instant::now();
        let mut maker = MomentMaker::new(Hop::SECOND, Pace::Live);
        let mut out = sound(&mut maker, 0, 2_000, now);
        maker.poll(now + FRAME_PATIENCE, &mut out);
        assert_eq!(story(&out), ["no_video 0-2000 lost 2"]);
    }

    #[test]
    fn a_live_camera_without_sound_is_told_every_second() {
        let now = Instant::now();
        let mut maker = MomentMaker::new(Hop::SECOND, Pace::Live);
        let mut out = Vec::new();
        picture(&mut maker, 0, 4_100);
        maker.poll(now, &mut out);
        assert_eq!(
            story(&out),
            [
                "no_audio 0-1000 lost 1",
                "no_audio 1000-2000 lost 1",
                "no_audio 2000-3000 lost 1"
            ]
        );
        // Sound at last: nothing is told twice.
        out = sound(&mut maker, 4_100, 5_100, now);
        maker.poll(now + FRAME_PATIENCE, &mut out);
        assert_eq!(story(&out)[0], "no_audio 3000-4100 lost 1");
    }

    #[test]
    fn an_outage_is_told_up_to_each_opening() {
        let now = Instant::now();
        let mut maker = MomentMaker::new(Hop::SECOND, Pace::Live);
        picture(&mut maker, 0, 1_500);
        let mut out = sound(&mut maker, 0, 1_500, now);
        for at in [4_000, 9_000] {
            maker.reopen(MediaTime(at * MS), &mut out);
        }
        picture(&mut maker, 9_200, 11_000);
        out.extend(sound(&mut maker, 9_200, 10_200, now));
        maker.poll(now + FRAME_PATIENCE, &mut out);
        assert_eq!(
            story(&out),
            [
                "0 0@480",
                "discontinuity 1000-4000 lost 3",
                "discontinuity 4000-9000 lost 5",
                "discontinuity 9000-9200 lost 1",
                "1 9200@9680"
            ]
        );
    }

    #[test]
    fn a_stopped_stream_tells_no_rest() {
        let now = Instant::now();
        let mut maker = MomentMaker::new(Hop::SECOND, Pace::File);
        picture(&mut maker, 0, 3_000);
        let mut out = sound(&mut maker, 0, 1_600, now);
        maker.finish(false, TAIL_SAMPLES, &mut out);
        assert_eq!(story(&out), ["0 0@480"]);
    }

    #[test]
    fn a_stopped_file_does_not_guess_the_frame() {
        // A later run goes on with it, and must find what an unbroken one finds.
        let now = Instant::now();
        let mut maker = MomentMaker::new(Hop::SECOND, Pace::File);
        picture(&mut maker, 0, 400);
        let mut out = sound(&mut maker, 0, 1_600, now);
        maker.finish(false, TAIL_SAMPLES, &mut out);
        assert!(out.is_empty(), "{:?}", story(&out));
    }
}
