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

/// Frames that hold more than this are thinned to those that the present grid of
/// windows asks for. Decoded frames are large; a source whose picture runs ahead
/// of its sound must not fill the memory.
const KEEP_ALL_BYTES: usize = 128 << 20;

/// How long the last frame of a stream counts as shown where nothing says so.
const LAST_FRAME_NS: u64 = 100_000_000;

/// Keeps the frames that windows can still ask for.
#[derive(Debug)]
pub struct Pairer<F> {
    frames: VecDeque<F>,
    ended: bool,
    /// Distance of the last two frames, the best guess at the last one's length.
    spacing_ns: Option<u64>,
}

impl<F> Default for Pairer<F> {
    fn default() -> Self {
        Self {
            frames: VecDeque::new(),
            ended: false,
            spacing_ns: None,
        }
    }
}

impl<F: Timed> Pairer<F> {
    /// Takes the next frame. One that is not later than the last is dropped:
    /// its time has been shown.
    pub fn push(&mut self, frame: F) {
        if let Some(last) = self.frames.back() {
            if frame.at() <= last.at() {
                return;
            }
            self.spacing_ns = Some(frame.at().distance(last.at()));
        }
        self.frames.push_back(frame);
    }

    /// No more frames will come.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Frames will come again (a source that was opened again).
    pub fn reopen(&mut self) {
        self.ended = false;
    }

    /// Whether [`end`](Self::end) was called.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Time of the newest frame.
    pub fn newest(&self) -> Option<MediaTime> {
        self.frames.back().map(Timed::at)
    }

    /// Until when something is shown, as far as is known.
    pub fn shown_until(&self) -> MediaTime {
        self.frames.back().map_or(MediaTime::ZERO, |last| {
            let length = last
                .duration_ns()
                .or(self.spacing_ns)
                .unwrap_or(LAST_FRAME_NS);
            MediaTime(last.at().0.saturating_add(length))
        })
    }

    /// The frame nearest to `middle` for a window from `start` to `end`; of two
    /// equally near ones the earlier. With `patient` false, the answer is given
    /// with what is there.
    pub fn nearest(
        &self,
        start: MediaTime,
        middle: MediaTime,
        end: MediaTime,
        patient: bool,
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
        let Some(previous) = after.checked_sub(1).map(|i| &self.frames[i]) else {
            return if next.at() < end {
                Pairing::Found(next)
            } else {
                Pairing::Nothing
            };
        };
        if middle.distance(previous.at()) <= middle.distance(next.at()) {
            Pairing::Found(previous)
        } else {
            Pairing::Found(next)
        }
    }

    /// Drops frames that no window can ask for whose middle is at `next_middle`
    /// or `hop_ns` steps after it.
    pub fn forget(&mut self, next_middle: MediaTime, hop_ns: u64) {
        // The last frame at or before the middle can still be the nearest.
        while self.frames.len() >= 2 && self.frames[1].at() <= next_middle {
            self.frames.pop_front();
        }
        if self.frames.iter().map(Timed::bytes).sum::<usize>() <= KEEP_ALL_BYTES {
            return;
        }
        // A frame is wanted if some middle lies nearer to it than to its neighbours.
        let times: Vec<u64> = self.frames.iter().map(|f| f.at().0).collect();
        let mut k = 0_usize;
        self.frames.retain(|frame| {
            let at = frame.at().0;
            let from = k.checked_sub(1).map_or(0, |p| at.midpoint(times[p]));
            let to = times.get(k + 1).map_or(u64::MAX, |&n| at.midpoint(n));
            k += 1;
            // The newest tells where the picture has got to.
            k == times.len() || first_middle_at_or_after(from, next_middle.0, hop_ns) <= to
        });
    }
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
        )
    }

    proptest! {
        /// Frames in any rhythm, ahead of the sound by any amount: each window
        /// gets the frame that a search over all of them finds.
        #[test]
        fn the_nearest_of_all_frames_is_found(
            steps in prop::collection::vec(1_u64..2_000, 1..400),
            hop_ms in 100_u64..=1_000,
            ahead in 0_usize..300,
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
                let best = all.iter().copied().min_by_key(|&f| f.abs_diff(middle)).unwrap();
                match ask(&pairer, start, true) {
                    Pairing::Found(&f) => prop_assert_eq!(f, best),
                    Pairing::Nothing => prop_assert!(best >= start + SECOND),
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
        }
        assert!(pairer.frames.len() <= 302, "{}", pairer.frames.len());
    }
}
