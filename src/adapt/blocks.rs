//! Which seconds are learnt and which are held out.
//!
//! A camera's seconds are cut into blocks of time. For each block a head learns from the
//! others alone, so that every second is judged once by a head that has not seen it. The
//! last block is the test: it comes after everything that its head has learnt.

use std::ops::Range;

use super::camera::Camera;

/// Blocks before the one that is the test.
const EARLIER: usize = 3;

/// The blocks of some cameras.
#[derive(Debug)]
pub struct Blocks {
    /// Rows of each block, for each camera. Rows of different blocks do not overlap in
    /// time, as those in between are in none.
    cameras: Vec<Vec<Range<usize>>>,
}

impl Blocks {
    /// Cuts the last `test` (0 to 1) of each camera off as the last block, and the rest
    /// into equal ones.
    pub fn cut(cameras: &[Camera], test: f64) -> Self {
        let cut = |camera: &Camera| {
            let seconds = &camera.seconds;
            let first = seconds.first().map_or(0.0, |s| s.at_s);
            let end = seconds.last().map_or(0.0, |s| s.at_s + 1.0);
            let earlier = (1.0 - test) / EARLIER as f64;
            let edge = |block: usize| match block {
                block if block <= EARLIER => first + (end - first) * earlier * block as f64,
                _ => end,
            };
            (0..=EARLIER)
                .map(|block| {
                    // A window that begins before an edge and ends behind it is in no block.
                    let begin = seconds.partition_point(|s| s.at_s < edge(block) - 1e-6);
                    let until = seconds.partition_point(|s| s.at_s + 1.0 <= edge(block + 1) + 1e-6);
                    begin..until.max(begin)
                })
                .collect()
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
        self.cameras[camera][block].clone()
    }

    /// The rows of a camera that are not in a block and do not overlap it in time.
    pub fn learnt(&self, camera: usize, without: usize) -> Vec<usize> {
        let blocks = self.cameras[camera].iter().enumerate();
        let others = blocks.filter(|(block, _)| *block != without);
        others.flat_map(|(_, rows)| rows.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::camera::Second;
    use super::*;

    fn camera(times: &[f64]) -> Camera {
        let second = |&at_s: &f64| Second {
            at_s,
            vision: Vec::new(),
            audio: Vec::new(),
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
        // 20 s: three blocks of 4 s, and one of 8 s.
        let rows: Vec<_> = (0..4).map(|block| blocks.held_out(0, block)).collect();
        assert_eq!(rows, [0..7, 8..15, 16..23, 24..39]);
        let learnt = blocks.learnt(0, 1);
        assert_eq!(learnt.len(), 7 + 7 + 15);
        assert!(learnt.iter().all(|row| !(7..16).contains(row)));
    }

    #[test]
    fn a_camera_without_seconds_has_empty_blocks() {
        let blocks = Blocks::cut(&[camera(&[])], 0.25);
        assert!((0..Blocks::count()).all(|block| blocks.held_out(0, block).is_empty()));
    }

    proptest! {
        /// Whatever the times are, nothing that is learnt overlaps what is held out.
        #[test]
        fn what_is_learnt_does_not_overlap_what_is_held_out(
            steps in prop::collection::vec(0.05_f64..3.0, 1..80), test in 0.1_f64..0.6
        ) {
            let times: Vec<f64> = steps.iter().scan(0.0, |at, step| { *at += step; Some(*at) }).collect();
            let blocks = Blocks::cut(&[camera(&times)], test);
            for block in 0..Blocks::count() {
                for learnt in blocks.learnt(0, block) {
                    for held in blocks.held_out(0, block) {
                        prop_assert!((times[learnt] - times[held]).abs() >= 1.0 - 1e-5);
                    }
                }
            }
        }
    }
}
