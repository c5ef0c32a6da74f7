//! Which verdict a frame of the overlay video shows. Pure, generic over frames.
//!
//! A frame shows the window that contains it; of several, the one whose middle is nearest.
//! So it waits until no better one can arrive: windows arrive in order, one hop apart. A
//! frame in no window (the last part of a clip, under a second) shows the nearest window
//! that is at most a second off; the caption has that window's time. In a gap it shows the
//! gap.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::event::JudgedMoment;
use crate::result::GapReason;
use crate::time::{Hop, MediaTime, SamplePos};

/// How far a verdict reaches beyond its window.
const REACH_NS: u64 = 1_000_000_000;

/// What a frame shows.
#[derive(Clone, Debug)]
pub enum Shown {
    Moment(Arc<JudgedMoment>),
    Gap(GapReason),
    Unknown,
}

impl Shown {
    /// Whether both look the same.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Moment(a), Self::Moment(b)) => Arc::ptr_eq(a, b),
            (Self::Gap(a), Self::Gap(b)) => a == b,
            (Self::Unknown, Self::Unknown) => true,
            _ => false,
        }
    }
}

/// What is known of a part of the stream.
#[derive(Debug)]
pub struct Span {
    pub start: MediaTime,
    pub end: MediaTime,
    pub what: Shown,
}

/// Frames that wait for their verdict.
pub struct Schedule<F> {
    hop_ns: u64,
    waiting: VecDeque<(MediaTime, F)>,
    spans: VecDeque<Span>,
    newest: Option<MediaTime>,
    ended: bool,
}

impl<F> Schedule<F> {
    pub fn new(hop: Hop) -> Self {
        Self {
            hop_ns: SamplePos(hop.samples() as u64).to_time().0,
            waiting: VecDeque::new(),
            spans: VecDeque::new(),
            newest: None,
            ended: false,
        }
    }

    /// Takes a frame; returns it as an error if it is not later than the previous one.
    pub fn frame(&mut self, at: MediaTime, frame: F) -> Result<(), F> {
        if self.newest.is_some_and(|newest| at <= newest) {
            return Err(frame);
        }
        self.newest = Some(at);
        self.waiting.push_back((at, frame));
        Ok(())
    }

    pub fn label(&mut self, span: Span) {
        self.spans.push_back(span);
    }

    /// No more spans will arrive.
    pub fn end(&mut self) {
        self.ended = true;
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Time from the first to the last waiting frame.
    pub fn span_ns(&self) -> u64 {
        match (self.waiting.front(), self.waiting.back()) {
            (Some(first), Some(last)) => last.0.distance(first.0),
            _ => 0,
        }
    }

    /// The next frame, if its verdict is known.
    pub fn next(&mut self) -> Option<(MediaTime, F, Shown)> {
        let at = self.waiting.front()?.0;
        if !self.ended && !self.is_settled(at) {
            return None;
        }
        self.next_at_once()
    }

    /// The next frame with what is known by now.
    pub fn next_at_once(&mut self) -> Option<(MediaTime, F, Shown)> {
        let (at, frame) = self.waiting.pop_front()?;
        let shown = self.shown(at);
        let passed = |span: &Span| span.end.0.saturating_add(2 * REACH_NS) < at.0;
        while self.spans.len() > 1 && self.spans.front().is_some_and(passed) {
            self.spans.pop_front();
        }
        Some((at, frame, shown))
    }

    /// Whether no later span can suit the frame better.
    fn is_settled(&self, at: MediaTime) -> bool {
        let Some(last) = self.spans.back() else {
            return false;
        };
        if !matches!(last.what, Shown::Moment(_)) {
            return last.end > at;
        }
        let next_start = last.start.0.saturating_add(self.hop_ns);
        let next_middle = middle(last).saturating_add(self.hop_ns);
        next_start > at.0
            || (covers(last, at) && middle(last).abs_diff(at.0) <= next_middle.abs_diff(at.0))
    }

    fn shown(&self, at: MediaTime) -> Shown {
        let judged = |s: &&Span| matches!(s.what, Shown::Moment(_));
        let by_middle = |s: &&Span| middle(s).abs_diff(at.0);
        let covering = self.spans.iter().filter(|s| covers(s, at));
        let best = covering.clone().filter(judged).min_by_key(by_middle);
        let best = best.or_else(|| covering.clone().next()).or_else(|| {
            let off = |s: &&Span| s.start.0.saturating_sub(at.0) + at.0.saturating_sub(s.end.0);
            let near = self.spans.iter().filter(judged);
            near.filter(|s| off(s) <= REACH_NS).min_by_key(off)
        });
        best.map_or(Shown::Unknown, |span| span.what.clone())
    }
}

fn middle(span: &Span) -> u64 {
    span.start.0 / 2 + span.end.0 / 2
}

fn covers(span: &Span, at: MediaTime) -> bool {
    span.start <= at && at < span.end
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::picture::Picture;
    use crate::sink::testing::judged;

    static MOMENT: LazyLock<JudgedMoment> = LazyLock::new(|| {
        let mut moment = judged("a", 0, Picture::filled(1, 1, [0; 3]), 0.9);
        moment.evidence.spectrogram = None;
        moment
    });

    fn ms(ms: u64) -> MediaTime {
        MediaTime(ms * 1_000_000)
    }

    /// A window that starts at a time, numbered by it.
    fn window(start_ms: u64) -> Span {
        let mut moment = MOMENT.clone();
        moment.verdict.seq = start_ms;
        Span {
            start: ms(start_ms),
            end: ms(start_ms + 1000),
            what: Shown::Moment(Arc::new(moment)),
        }
    }

    fn gap(start_ms: u64, end_ms: u64) -> Span {
        Span {
            start: ms(start_ms),
            end: ms(end_ms),
            what: Shown::Gap(GapReason::NoAudio),
        }
    }

    /// The start of the window that is shown, or a word.
    fn name(shown: &Shown) -> String {
        match shown {
            Shown::Moment(judged) => judged.verdict.seq.to_string(),
            Shown::Gap(why) => why.name().into(),
            Shown::Unknown => "?".into(),
        }
    }

    fn all(schedule: &mut Schedule<()>) -> Vec<(u64, String)> {
        std::iter::from_fn(|| schedule.next())
            .map(|(at, (), shown)| (at.0 / 1_000_000, name(&shown)))
            .collect()
    }

    fn with_frames(hop: f64, frames: impl IntoIterator<Item = u64>) -> Schedule<()> {
        let mut schedule = Schedule::new(Hop::from_secs(hop).unwrap());
        for at in frames {
            schedule.frame(ms(at), ()).unwrap();
        }
        schedule
    }

    #[test]
    fn a_frame_waits_for_the_judgement_of_its_own_second() {
        let mut schedule = with_frames(1.0, (0..3000).step_by(250));
        assert!(all(&mut schedule).is_empty());
        schedule.label(window(0));
        let shown = all(&mut schedule);
        assert_eq!(shown.len(), 4);
        assert!(shown.iter().all(|(_, name)| name == "0"), "{shown:?}");
        schedule.label(window(1000));
        let shown = all(&mut schedule);
        assert_eq!(shown.first(), Some(&(1000, "1000".into())));
        assert_eq!(shown.last(), Some(&(1750, "1000".into())));
        assert_eq!(schedule.waiting(), 4);
    }

    #[test]
    fn of_overlapping_windows_a_frame_shows_the_one_with_the_nearest_middle() {
        let mut schedule = with_frames(0.1, [100, 700, 1010, 1049, 1060]);
        for start in (0..=400).step_by(100) {
            schedule.label(window(start));
        }
        let shown = all(&mut schedule);
        // 1010 is nearer to the middle of the window of 500, which can come.
        assert_eq!(shown, [(100, "0".into()), (700, "200".into())]);
        schedule.label(window(500));
        assert_eq!(
            all(&mut schedule),
            [(1010, "500".into()), (1049, "500".into())]
        );
        schedule.label(window(600));
        assert_eq!(all(&mut schedule), [(1060, "600".into())]);
    }

    #[test]
    fn a_gap_is_shown_and_holds_nothing_up() {
        let mut schedule = with_frames(1.0, [500, 1500, 2500, 3500]);
        schedule.label(window(0));
        schedule.label(gap(1000, 3000));
        let shown = all(&mut schedule);
        let expected = [(500, "0"), (1500, "no_audio"), (2500, "no_audio")];
        assert_eq!(shown, expected.map(|(at, name)| (at, name.to_owned())));
        schedule.label(window(3000));
        assert_eq!(all(&mut schedule), [(3500, "3000".into())]);
    }

    #[test]
    fn the_last_part_of_a_clip_shows_the_last_second() {
        let mut schedule = with_frames(1.0, [500, 1300, 2600]);
        schedule.label(window(0));
        assert_eq!(all(&mut schedule), [(500, "0".into())]);
        schedule.end();
        assert_eq!(all(&mut schedule), [(1300, "0".into()), (2600, "?".into())]);
    }

    #[test]
    fn a_frame_that_goes_back_in_time_is_given_back() {
        let mut schedule = with_frames(1.0, [40, 80]);
        assert_eq!(schedule.frame(ms(80), ()), Err(()));
        assert_eq!(schedule.frame(ms(60), ()), Err(()));
        assert_eq!(schedule.frame(ms(81), ()), Ok(()));
    }

    #[test]
    fn a_frame_that_cannot_wait_shows_what_is_known() {
        let mut schedule = with_frames(1.0, [1200, 1300]);
        schedule.label(window(0));
        let (at, (), shown) = schedule.next_at_once().unwrap();
        assert_eq!((at, name(&shown)), (ms(1200), "0".into()));
    }

    #[test]
    fn what_has_passed_is_forgotten() {
        let mut schedule = with_frames(0.1, []);
        for tenth in 0..600 {
            schedule.frame(ms(tenth * 100), ()).unwrap();
            schedule.label(window(tenth * 100));
            while schedule.next().is_some() {}
        }
        assert!(schedule.spans.len() < 50, "{}", schedule.spans.len());
        assert!(schedule.waiting() < 20);
    }
}
