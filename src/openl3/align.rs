//! The frames that are shown at evenly spaced times.

use crate::time::MediaTime;

/// Picks the frame that is shown at each time of a grid, as frames arrive. The first frame
/// counts as shown from the start on, the last one to the end.
#[derive(Debug)]
pub struct Aligner<T> {
    step_s: f64,
    first_s: f64,
    /// Times that have their frame.
    done: usize,
    shown: Option<T>,
}

impl<T> Aligner<T> {
    /// A grid of times `step_s` apart, from `first_s` on.
    pub fn new(step_s: f64, first_s: f64) -> Self {
        Self {
            step_s,
            first_s,
            done: 0,
            shown: None,
        }
    }

    /// A frame is shown from now on. Returns the one before, and at how many times of the
    /// grid it was shown, if at any.
    pub fn push(&mut self, at: MediaTime, frame: T) -> Option<(T, usize)> {
        let shown = self.shown.replace(frame)?;
        let first = self.done;
        while self.time(self.done) < at {
            self.done += 1;
        }
        let times = self.done - first;
        (times > 0).then_some((shown, times))
    }

    /// A time of the grid, to the nanosecond.
    fn time(&self, number: usize) -> MediaTime {
        let seconds = self.first_s + number as f64 * self.step_s;
        MediaTime((seconds * 1e9).round() as u64)
    }

    /// The last frame, and at how many more times of a grid of `count` it is shown.
    pub fn finish(self, count: usize) -> Option<(T, usize)> {
        let times = count.saturating_sub(self.done);
        self.shown.filter(|_| times > 0).map(|shown| (shown, times))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The frames at a grid of `count` times, by their numbers.
    fn picked(frames_ms: &[u64], step_s: f64, first_s: f64, count: usize) -> Vec<usize> {
        let mut aligner = Aligner::new(step_s, first_s);
        let mut all = Vec::new();
        let mut take = |found: Option<(usize, usize)>| {
            if let Some((frame, times)) = found {
                all.extend(std::iter::repeat_n(frame, times));
            }
        };
        for (number, &ms) in frames_ms.iter().enumerate() {
            take(aligner.push(MediaTime(ms * 1_000_000), number));
        }
        take(aligner.finish(count));
        all.truncate(count);
        all
    }

    #[test]
    fn each_time_has_the_frame_that_is_shown_then() {
        // 10 frames a second, looked at every 0.25 s.
        let frames: Vec<u64> = (0..10).map(|i| i * 100).collect();
        assert_eq!(picked(&frames, 0.25, 0.0, 5), [0, 2, 5, 7, 9]);
        // A time on a frame's start has that frame.
        assert_eq!(picked(&frames, 0.1, 0.0, 4), [0, 1, 2, 3]);
        // The picture begins late.
        assert_eq!(picked(&[350, 600], 0.25, 0.0, 4), [0, 0, 0, 1]);
        assert_eq!(picked(&frames, 0.25, 0.5, 2), [5, 7]);
        assert_eq!(picked(&[], 0.25, 0.0, 3), [0; 0]);
    }

    proptest! {
        #[test]
        fn it_is_what_a_search_finds(
            steps in prop::collection::vec(1_u64..400, 1..40), step_ms in 10_u64..500, count in 1_usize..60,
        ) {
            let frames: Vec<u64> = steps.iter().scan(0, |at, step| { *at += step; Some(*at) }).collect();
            let expected: Vec<usize> = (0..count as u64)
                .map(|i| frames.iter().rposition(|at| *at <= i * step_ms).unwrap_or(0))
                .collect();
            prop_assert_eq!(picked(&frames, step_ms as f64 / 1e3, 0.0, count), expected);
        }
    }
}
