//! Which seconds are learnt and which are held out.
//!
//! A camera's seconds are cut into blocks of time. For each block a head learns from the
//! others alone, so that every second is judged once by a head that has not seen it. The
//! last block is the test: it comes after everything that its head has learnt.

use std::ops::Range;

use super::camera::Camera;

/// Times are rounded to nanoseconds, and sums of them to a little more.
const TOLERANCE: f64 = 1e-6;

/// Blocks before the one that is the test, at most. Heads that learn less than the last one
/// are less sure: with three blocks instead of five the threshold that they gave was too low, and
/// 3 % more of single seconds of short clips were judged wrongly.
const EARLIER: usize = 5;
/// Seconds that an earlier block needs.
const LEAST_S: f64 = 1.0;

/// The blocks of some cameras.
#[derive(Debug)]
pub struct Blocks {
    cameras: Vec<Cut>,
}

/// The blocks of a camera.
#[derive(Debug)]
struct Cut {
    /// Start of each row.
    times: Vec<f64>,
    /// Rows of each block; some may be empty.
    blocks: Vec<Range<usize>>,
}

impl Blocks {
    /// Cuts the last `test` (0 to 1) of the rows of each camera off as the last block, and
    /// the rest into equal ones. Every camera has [`MIN_SECONDS`](super::MIN_SECONDS).
    pub fn cut(cameras: &[Camera], test: f64) -> Self {
        let cut = |camera: &Camera| {
            let times: Vec<f64> = camera.seconds.iter().map(|s| s.at_s).collect();
            let begins_at = |at: f64| times.partition_point(|t| *t < at - TOLERANCE);
            let ends_by = |at: f64| times.partition_point(|t| *t + 1.0 <= at + TOLERANCE);
            let first = times.first().copied().unwrap_or(0.0);
            let wanted = times.len() - (times.len() as f64 * test).ceil() as usize;
            // At least one window is before the test.
            let from = wanted.max(begins_at(first + 1.0)).min(times.len());
            let edge = times.get(from).copied().unwrap_or(f64::INFINITY);
            let earlier = ends_by(edge);
            let length = times[..earlier]
                .last()
                .map_or(0.0, |last| last + 1.0 - first);
            let count = ((length / LEAST_S) as usize).clamp(1, EARLIER);
            let mut blocks: Vec<Range<usize>> = (0..EARLIER)
                .map(|block| match block {
                    block if block >= count => 0..0,
                    block => {
                        let next = (block + 1) * earlier / count;
                        let until = match block + 1 == count {
                            true => earlier,
                            // A window over the edge is in no block.
                            false => ends_by(times[next]),
                        };
                        let begin = block * earlier / count;
                        begin..until.max(begin)
                    }
                })
                .collect();
            blocks.push(from..times.len());
            Cut { times, blocks }
        };
        Self {
            cameras: cameras.iter().map(cut).collect(),
        }
    }

    /// The number of blocks.
    pub fn count() -> usize {
        EARLIER + 1
    }

    /// The rows of a camera in a block.
    pub fn held_out(&self, camera: usize, block: usize) -> Range<usize> {
        self.cameras[camera].blocks[block].clone()
    }

    /// The rows of a camera that do not overlap a block in time, nor the test: it must not
    /// reach what it is judged by. Only a camera of which nothing else is left gives its
    /// test, see [`is_learnt_before_test`](Self::is_learnt_before_test).
    pub fn learnt(&self, camera: usize, without: usize) -> Vec<usize> {
        let cut = &self.cameras[camera];
        let apart: Vec<usize> = (0..cut.times.len())
            .filter(|&row| cut.is_apart(row, without))
            .collect();
        match self.is_learnt_before_test(camera, without) {
            true => (apart.into_iter())
                .filter(|&row| cut.is_apart(row, EARLIER))
                .collect(),
            false => apart,
        }
    }

    /// Whether something is left to learn without a block and the test.
    pub fn is_learnt_before_test(&self, camera: usize, without: usize) -> bool {
        let cut = &self.cameras[camera];
        let mut rows = 0..cut.times.len();
        rows.any(|row| cut.is_apart(row, without) && cut.is_apart(row, EARLIER))
    }
}

impl Cut {
    /// Whether a row does not overlap a block in time; none overlaps an empty one.
    fn is_apart(&self, row: usize, block: usize) -> bool {
        let block = &self.times[self.blocks[block].clone()];
        let (Some(first), Some(last)) = (block.first(), block.last()) else {
            return true;
        };
        let at = self.times[row];
        at + 1.0 <= first + TOLERANCE || at >= last + 1.0 - TOLERANCE
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::sync::Arc;

    use super::super::camera::Second;
    use super::*;
    use crate::pooled::Pooled;

    fn camera(times: &[f64]) -> Camera {
        let second = |&at_s: &f64| Second {
            at_s,
            features: Arc::new(Pooled {
                vision: Vec::new(),
                audio: Vec::new(),
            }),
        };
        Camera {
            seconds: times.iter().map(second).collect(),
            ..Camera::new("a")
        }
    }

    #[test]
    fn the_last_part_is_the_test_and_windows_over_an_edge_are_in_none() {
        let half_seconds: Vec<f64> = (0..39).map(|i| f64::from(i) * 0.5).collect();
        let blocks = Blocks::cut(&[camera(&half_seconds)], 0.4);
        // 20 s: five blocks of 2 s less a window each, and one of 8 s.
        let rows: Vec<_> = (0..6).map(|block| blocks.held_out(0, block)).collect();
        assert_eq!(rows, [0..3, 4..7, 8..12, 13..16, 17..22, 23..39]);
        let learnt = blocks.learnt(0, 1);
        assert_eq!(learnt, (0..3).chain(8..22).collect::<Vec<_>>());
        assert!((0..6).all(|block| blocks.is_learnt_before_test(0, block)));
    }

    #[test]
    fn the_shortest_camera_is_learnt_and_tested() {
        let blocks = Blocks::cut(&[camera(&[0.0, 1.0, 2.0, 3.0])], 0.25);
        assert_eq!(blocks.held_out(0, Blocks::count() - 1), 3..4);
        assert_eq!(blocks.learnt(0, Blocks::count() - 1), [0, 1, 2]);
        assert_eq!((blocks.held_out(0, 0), blocks.held_out(0, 3)), (0..1, 0..0));
        assert_eq!(blocks.learnt(0, 0), [1, 2]);
        assert_eq!(blocks.learnt(0, 3), [0, 1, 2], "an empty block");
    }

    #[test]
    fn answers_that_only_the_test_could_give_count_for_nothing() {
        // Before the test there is but one second, seen twice.
        let blocks = Blocks::cut(&[camera(&[0.0, 0.4, 1.4, 2.4, 3.4, 4.4])], 0.6);
        assert_eq!(blocks.held_out(0, 0), 0..2);
        assert_eq!(blocks.learnt(0, 0), [2, 3, 4, 5]);
        assert!(!blocks.is_learnt_before_test(0, 0));
    }

    proptest! {
        /// Whatever the times are, something is learnt, and it does not overlap what is held
        /// out; the test comes after all that its head learns.
        #[test]
        fn what_is_learnt_does_not_overlap_what_is_held_out(
            steps in prop::collection::vec(0.05_f64..3.0, 1..80), test in 0.1_f64..0.6
        ) {
            let times: Vec<f64> = steps.iter().scan(0.0, |at, step| { *at += step; Some(*at) }).collect();
            let camera = camera(&times);
            prop_assume!(camera.whole_seconds() >= super::super::MIN_SECONDS);
            let blocks = Blocks::cut(&[camera], test);
            let last = Blocks::count() - 1;
            prop_assert!(!blocks.held_out(0, last).is_empty());
            prop_assert!(blocks.learnt(0, last).iter().all(|row| *row < blocks.held_out(0, last).start));
            for block in 0..Blocks::count() {
                prop_assert!(!blocks.learnt(0, block).is_empty());
                for learnt in blocks.learnt(0, block) {
                    for held in blocks.held_out(0, block) {
                        prop_assert!((times[learnt] - times[held]).abs() >= 1.0 - 1e-5);
                    }
                }
            }
        }
    }
}
