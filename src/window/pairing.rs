//! The frame of a window: the one nearest to its middle.
//!
//! This file owns which frames are kept and which answer a middle. It does not
//! know windows, sound or pixels.

use std::collections::VecDeque;

use crate::time::MediaTime;

/// Something shown from a time on.
pub trait Timed {
    /// When it begins to be shown.
    fn at(&self) -> MediaTime;
    /// For how long in nanoseconds, where the source says.
    fn duration_ns(&self) -> Option<u64>;
    /// Memory that it holds.
    fn bytes(&self) -> usize;
}

/// What is known of a middle.
#[derive(Debug, PartialEq, Eq)]
pub enum Pairing<'a, F> {
    /// A nearer frame may still come.
    NotYet,
    /// This is the nearest one.
    Found(&'a F),
    /// Nothing was shown at that time.
    Nothing,
}

/// The newest frames are all kept up to this much: sound may still begin, or begin
/// anew, anywhere near them. Older ones are thinned to those that the present grid
/// of windows asks for. Decoded frames are large; a source whose picture runs ahead
/// of its sound must not fill the memory.
const KEEP_ALL_BYTES: usize = 128 << 20;

/// Beyond this the oldest are dropped, whoever may ask for them. A picture that is
/// ahead by so much has no sound there, as far as anybody has seen.
const KEEP_BYTES: usize = 512 << 20;

/// What a frame counts for at least, so that tiny ones are not kept by the million.
const LEAST_BYTES: usize = 64 << 10;

const HALF_WINDOW_NS: u64 = 500_000_000;

/// How long the last frame of a stream counts as shown where nothing says so.
const LAST_FRAME_NS: u64 = 100_000_000;

/// Keeps the frames that windows can still ask for.
#[derive(Debug)]
pub struct Pairer<F> {
    frames: VecDeque<F>,
    /// Memory of them all.
    bytes: usize,
    ended: bool,
    newest: Option<MediaTime>,
    shown_until: MediaTime,
    /// The sound has ended: nobody asks for a later middle.
    last_middle: Option<MediaTime>,
}

impl<F> Default for Pairer<F> {
    fn default() -> Self {
        Self {
            frames: VecDeque::new(),
            bytes: 0,
            ended: false,
            newest: None,
            shown_until: MediaTime::ZERO,
            last_middle: None,
        }
    }
}

impl<F: Timed> Pairer<F> {
    /// Takes the next frame. One that is not later than the last is dropped:
    /// its time has been shown.
    pub fn push(&mut self, frame: F) {
        let at = frame.at();
        if self.newest.is_some_and(|newest| at <= newest) {
            return;
        }
        // The distance to the one before is the best guess where nothing is said.
        let before = self.newest.replace(at).map(|newest| at.distance(newest));
        let length = frame.duration_ns().or(before).unwrap_or(LAST_FRAME_NS);
        self.shown_until = MediaTime(at.0.saturating_add(length));
        let answered = |middle| self.frames.back().is_some_and(|last| last.at() >= middle);
        if !self.last_middle.is_some_and(answered) {
            self.bytes += counted(&frame);
            self.frames.push_back(frame);
        }
    }

    /// No more frames will come.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Frames will come again (a source that was opened again). Those from before
    /// answer nobody any more.
    pub fn reopen(&mut self) {
        self.ended = false;
        self.last_middle = None;
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

    /// Until when something is shown, as far as is known.
    pub fn shown_until(&self) -> MediaTime {
        self.shown_until
    }

    /// The frame nearest to `middle` for a window from `start` to `end`; of two
    /// equally near ones the earlier. Never one that is shown only after the window.
    /// With `patient` false, the answer is given with what is there. With `stays`, the
    /// one before is on the screen until the next, however long that takes; else only
    /// for as long as it says.
    pub fn nearest(
        &self,
        start: MediaTime,
        middle: MediaTime,
        end: MediaTime,
        patient: bool,
        stays: bool,
    ) -> Pairing<'_, F> {
        let after = self.frames.iter().position(|f| f.at() >= middle);
        let Some(after) = after else {
            if patient && !self.ended {
                return Pairing::NotYet;
            }
            return match self.frames.back() {
                Some(last) if self.shown_until() > start => Pairing::Found(last),
                _ => Pairing::Nothing,
            };
        };
        let next = &self.frames[after];
        let is_shown = |frame: &&F| {
            let until = |length| frame.at().0.saturating_add(length);
            stays
                || frame
                    .duration_ns()
                    .is_none_or(|length| until(length) > start.0)
        };
        let previous = after.checked_sub(1).map(|i| &self.frames[i]);
        let previous = previous.filter(is_shown);
        match (previous, next.at() < end) {
            (Some(previous), true) => {
                let earlier = middle.distance(previous.at()) <= middle.distance(next.at());
                Pairing::Found(if earlier { previous } else { next })
            }
            (Some(previous), false) => Pairing::Found(previous),
            (None, true) => Pairing::Found(next),
            (None, false) => Pairing::Nothing,
        }
    }

    /// Drops frames that are over by `time`.
    pub fn forget_before(&mut self, time: MediaTime) {
        // The last one at or before it can still be the nearest.
        while self.frames.get(1).is_some_and(|next| next.at() <= time) {
            self.drop_oldest();
        }
    }

    /// Drops frames that no window can ask for whose middle is at `next_middle`
    /// or `hop_ns` steps after it, and what is too much.
    pub fn forget(&mut self, next_middle: MediaTime, hop_ns: u64) {
        self.forget_before(next_middle);
        if self.bytes > KEEP_ALL_BYTES {
            self.thin(next_middle, hop_ns);
        }
        while self.bytes > KEEP_BYTES && self.frames.len() > 1 {
            self.drop_oldest();
        }
    }

    /// Says which is the last middle that will be asked for, or that there is none
    /// such: with it, no frame is kept but those that can answer.
    pub fn ask_until(&mut self, last_middle: Option<MediaTime>) {
        self.last_middle = last_middle;
        let Some(middle) = last_middle else {
            return;
        };
        let answer = self.frames.iter().position(|f| f.at() >= middle);
        if let Some(answer) = answer {
            self.frames.truncate(answer + 1);
            self.bytes = self.frames.iter().map(counted).sum();
        }
    }

    /// How many frames are kept.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.frames.len()
    }

    fn drop_oldest(&mut self) {
        let oldest = self.frames.pop_front();
        self.bytes -= oldest.as_ref().map_or(0, counted);
    }

    /// Drops those of the older frames that the grid does not ask for.
    fn thin(&mut self, next_middle: MediaTime, hop_ns: u64) {
        let mut newer_bytes = 0;
        let newer = self.frames.iter().rev().take_while(|frame| {
            newer_bytes += counted(*frame);
            newer_bytes <= KEEP_ALL_BYTES
        });
        let older = self.frames.len() - newer.count().max(1);
        // A frame is wanted if some middle lies nearer to it than to its neighbours, or if
        // the next one may be shown only after the window of a middle between the two.
        let times: Vec<u64> = self.frames.iter().map(|f| f.at().0).collect();
        let mut k = 0_usize;
        self.frames.retain(|frame| {
            let at = frame.at().0;
            let from = k.checked_sub(1).map_or(0, |p| at.midpoint(times[p]));
            let to = match times.get(k + 1) {
                Some(&next) if next - at <= HALF_WINDOW_NS => at.midpoint(next),
                Some(&next) => next,
                None => u64::MAX,
            };
            k += 1;
            k > older || first_middle_at_or_after(from, next_middle.0, hop_ns) <= to
        });
        self.bytes = self.frames.iter().map(counted).sum();
    }
}

fn counted(frame: &impl Timed) -> usize {
    frame.bytes().max(LEAST_BYTES)
}

/// The first of `origin, origin + hop, …` that is not before `time`.
fn first_middle_at_or_after(time: u64, origin: u64, hop: u64) -> u64 {
    let hop = hop.max(1);
    origin + time.saturating_sub(origin).div_ceil(hop) * hop
}

#[cfg(test)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of a test are small"
)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Timed for u64 {
        fn at(&self) -> MediaTime {
            MediaTime(*self)
        }
        fn duration_ns(&self) -> Option<u64> {
            None
        }
        fn bytes(&self) -> usize {
            4 << 20 // 32 frames fill the memory
        }
    }

    const MS: u64 = 1_000_000;
    const SECOND: u64 = 1_000 * MS;

    fn ask(pairer: &Pairer<u64>, start: u64, patient: bool) -> Pairing<'_, u64> {
        pairer.nearest(
            MediaTime(start),
            MediaTime(start + SECOND / 2),
            MediaTime(start + SECOND),
            patient,
            true,
        )
    }

    proptest! {
        /// Frames in any rhythm, ahead of the sound by any amount: each window
        /// gets the frame that a search over all of them finds.
        #[test]
        fn the_nearest_of_all_frames_is_found(
            steps in prop::collection::vec(1_u64..2_000, 1..400),
            hop_ms in 100_u64..=1_000,
            ahead in 0_usize..100,
        ) {
            let mut at = 0;
            let all: Vec<u64> = steps.iter().map(|s| { at += s * MS; at }).collect();
            let hop = hop_ms * MS;
            let mut pairer = Pairer::default();
            let mut fed = 0;
            for start in (0..at.saturating_sub(SECOND)).step_by(hop as usize) {
                let middle = start + SECOND / 2;
                let seen = all.partition_point(|&f| f < middle) + 1 + ahead;
                while fed < seen.min(all.len()) { pairer.push(all[fed]); fed += 1; }
                if fed == all.len() { pairer.end(); }
                pairer.forget(MediaTime(middle), hop);
                let shown = all.iter().copied().filter(|&f| f < start + SECOND);
                let best = shown.min_by_key(|&f| f.abs_diff(middle));
                match ask(&pairer, start, true) {
                    Pairing::Found(&f) => prop_assert_eq!(Some(f), best),
                    Pairing::Nothing => prop_assert_eq!(best, None),
                    Pairing::NotYet => prop_assert!(false, "all frames were there"),
                }
            }
        }
    }

    #[test]
    fn not_yet_is_a_value() {
        let mut pairer = Pairer::default();
        assert_eq!(ask(&pairer, 0, true), Pairing::NotYet);
        pairer.push(400 * MS);
        assert_eq!(ask(&pairer, 0, true), Pairing::NotYet);
        assert_eq!(ask(&pairer, 0, false), Pairing::Found(&(400 * MS)));
        pairer.push(650 * MS);
        assert_eq!(ask(&pairer, 0, true), Pairing::Found(&(400 * MS)));
    }

    #[test]
    fn after_the_end_of_the_picture_there_is_nothing() {
        let mut pairer = Pairer::default();
        pairer.push(0);
        pairer.push(40 * MS);
        pairer.end();
        assert_eq!(ask(&pairer, 0, true), Pairing::Found(&(40 * MS)));
        assert_eq!(ask(&pairer, SECOND, true), Pairing::Nothing);
    }

    #[test]
    fn a_slow_picture_is_shown_until_the_next() {
        // One frame in ten seconds: what is on the screen does not go away.
        let mut pairer = Pairer::default();
        pairer.push(0);
        pairer.push(10 * SECOND);
        assert_eq!(ask(&pairer, 3 * SECOND, true), Pairing::Found(&0));
    }

    #[test]
    fn memory_stays_bounded_when_the_picture_runs_ahead() {
        let mut pairer = Pairer::default();
        for k in 0..18_000 {
            pairer.push(k * 16_666_667);
            pairer.forget(MediaTime(SECOND / 2), SECOND);
            assert!(pairer.bytes <= KEEP_BYTES, "{} frames", pairer.frames.len());
        }
        // Sound that begins anew where the picture is finds all frames there.
        let newest = pairer.newest().unwrap().0;
        let start = newest - 3 * SECOND / 4;
        pairer.forget(MediaTime(start + SECOND / 2), SECOND);
        let Pairing::Found(frame) = ask(&pairer, start, true) else {
            panic!("nothing is shown")
        };
        assert!(frame.abs_diff(start + SECOND / 2) <= 9 * MS);
    }

    #[test]
    fn frames_of_any_size_are_bounded_in_number() {
        struct Tiny(u64);
        impl Timed for Tiny {
            fn at(&self) -> MediaTime {
                MediaTime(self.0)
            }
            fn duration_ns(&self) -> Option<u64> {
                None
            }
            fn bytes(&self) -> usize {
                0
            }
        }
        let mut pairer = Pairer::default();
        for k in 0..20_000 {
            pairer.push(Tiny(k));
            pairer.forget(MediaTime(0), 1);
        }
        assert_eq!(pairer.frames.len(), KEEP_BYTES / LEAST_BYTES);
    }

    #[test]
    fn after_the_last_middle_only_its_answer_is_kept() {
        let mut pairer = Pairer::default();
        for k in 0..10 {
            pairer.push(k * 100 * MS);
        }
        pairer.ask_until(Some(MediaTime(SECOND / 2)));
        for k in 10..1_000 {
            pairer.push(k * 100 * MS);
        }
        assert_eq!(pairer.frames, [0, 1, 2, 3, 4, 5].map(|k| k * 100 * MS));
        assert_eq!(ask(&pairer, 0, true), Pairing::Found(&(500 * MS)));
        assert_eq!(pairer.shown_until(), MediaTime(100 * SECOND));
    }

    #[test]
    fn what_was_shown_before_an_outage_answers_nobody_after_it() {
        let mut pairer = Pairer::default();
        pairer.push(SECOND);
        pairer.reopen();
        pairer.push(8 * SECOND);
        assert_eq!(ask(&pairer, 5 * SECOND, true), Pairing::Nothing);
        assert_eq!(
            ask(&pairer, 8 * SECOND, false),
            Pairing::Found(&(8 * SECOND))
        );
    }

    #[test]
    fn a_window_never_gets_what_is_shown_after_it() {
        let mut pairer = Pairer::default();
        pairer.push(2_100 * MS);
        pairer.push(6_300 * MS);
        // Nearer to the middle of the window from 5 s to 6 s, and not there yet.
        assert_eq!(
            ask(&pairer, 5 * SECOND, true),
            Pairing::Found(&(2_100 * MS))
        );
        assert_eq!(
            ask(&pairer, 6 * SECOND, false),
            Pairing::Found(&(6_300 * MS))
        );
    }
}
