//! Frozen pictures: `freezedetect`.

use super::{AT_LEAST_US, Plane, Stretch, microseconds, seconds};
use crate::plane::words;
use crate::time::MediaTime;

/// How much two pictures may differ: -60 dB of the mean absolute difference.
const NOISE: f64 = 0.001;

/// Whether a picture of so many bits differs by no more than noise from another of the same
/// format. One that differs much is left after its first rows.
///
/// Not generic: it would be compiled with whatever calls it, without optimisation.
pub fn is_still(picture: &[Plane<'_>], reference: &[Plane<'_>], depth: u32) -> bool {
    let samples = picture.iter().map(|plane| plane.samples(depth));
    let count = samples.sum::<u64>() as f64;
    let range = f64::from(1_u32 << depth.clamp(8, 16));
    // One more than can be, so that rounding does not matter.
    let most = (NOISE * range * count) as u64 + 1;
    let mut sum = 0_u64;
    for (plane, other) in picture.iter().zip(reference) {
        for (row, other) in plane.lines().zip(other.lines()) {
            sum += if depth > 8 {
                let pairs = words(row).zip(words(other));
                pairs.map(|(a, b)| u64::from(a.abs_diff(b))).sum::<u64>()
            } else {
                let pairs = row.iter().zip(other);
                u64::from(pairs.map(|(a, b)| u32::from(a.abs_diff(*b))).sum::<u32>())
            };
            if sum > most {
                return false;
            }
        }
    }
    count > 0.0 && sum as f64 / count / range <= NOISE
}

/// Finds where the picture stands still. `F` is what a frame is compared with.
///
/// The reference is the frame with which the freeze may have begun: it stays the same while
/// frames are like it, so that a slow fade is no freeze.
#[derive(Debug)]
pub struct Freeze<F> {
    reference: Option<Reference<F>>,
    /// A freeze of at least 2 s lasts.
    is_frozen: bool,
    frames: u64,
    last: MediaTime,
    found: Vec<Stretch>,
}

#[derive(Debug)]
struct Reference<F> {
    at: MediaTime,
    number: u64,
    frame: F,
}

impl<F> Default for Freeze<F> {
    fn default() -> Self {
        Self {
            reference: None,
            is_frozen: false,
            frames: 0,
            last: MediaTime::ZERO,
            found: Vec::new(),
        }
    }
}

impl<F> Freeze<F> {
    /// The next frame. `is_like` compares it with the reference. `frame_ns` is the nominal time
    /// from frame to frame, if there is one.
    pub fn frame(
        &mut self,
        at: MediaTime,
        frame_ns: Option<u64>,
        frame: F,
        is_like: impl FnOnce(&F, &F) -> bool,
    ) {
        self.frames += 1;
        let mut is_same = false;
        if let Some(reference) = &self.reference {
            is_same = is_like(&frame, &reference.frame);
            let lasted = match at.0.checked_sub(reference.at.0) {
                Some(ns) => ns,
                // The clock jumped back: frames are counted.
                None => frame_ns
                    .unwrap_or(0)
                    .saturating_mul(self.frames - reference.number),
            };
            let is_long = microseconds(lasted) >= AT_LEAST_US;
            if is_same {
                self.is_frozen |= is_long;
            } else if is_long {
                self.found.push(Stretch {
                    duration_s: seconds(lasted),
                    ..Stretch::between(reference.at, at)
                });
                self.is_frozen = false;
            } else {
                self.close();
            }
        }
        if !is_same {
            self.reference = Some(Reference {
                at,
                number: self.frames,
                frame,
            });
        }
        self.last = at;
    }

    /// Frames are of another format from now on.
    pub fn restart(&mut self) {
        self.close();
    }

    fn close(&mut self) {
        if let Some(reference) = self.reference.take()
            && self.is_frozen
        {
            self.found.push(Stretch::between(reference.at, self.last));
        }
        self.is_frozen = false;
    }

    /// Number of frames so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// All of it. What lasts until the end ends with the time of the last frame.
    pub fn finish(mut self) -> Vec<Stretch> {
        self.close();
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plane::plane;

    #[test]
    fn the_mean_difference_counts() {
        // 1000 samples may differ by 0.001 · 256 · 1000 = 256 in all.
        let (grey, mut other) = ([100_u8; 1_000], [100_u8; 1_000]);
        let same = |other: &[u8]| is_still(&[plane(other, 10)], &[plane(&grey, 10)], 8);
        assert!(same(&other));
        other[..128].fill(102);
        assert!(same(&other));
        other[999] = 99;
        assert!(!same(&other));
        other.fill(0);
        assert!(!same(&other));
    }

    #[test]
    fn all_planes_count_and_so_do_the_bits() {
        let (a, b) = ([10_u8; 64], [11_u8; 64]);
        let still = |other: &[u8]| {
            let luma = plane(&a, 8);
            is_still(&[luma, plane(other, 8)], &[luma, plane(&a, 8)], 8)
        };
        assert!(still(&a));
        assert!(!still(&b));
        let word = |value: u16| [value; 32].iter().flat_map(|v| v.to_le_bytes()).collect();
        let (a, b, c): (Vec<u8>, Vec<u8>, Vec<u8>) = (word(500), word(501), word(502));
        // One step of 1024 is below a thousandth, two are not.
        assert!(is_still(&[plane(&b, 16)], &[plane(&a, 16)], 10));
        assert!(!is_still(&[plane(&c, 16)], &[plane(&a, 16)], 10));
    }

    const MS: u64 = 1_000_000;

    /// Frames of one value each, that are alike if they differ by at most 1.
    fn stretches(frames: &[(u64, i32)]) -> Vec<[f64; 3]> {
        let mut detector = Freeze::default();
        for &(ms, value) in frames {
            let is_like = |a: &i32, b: &i32| a.abs_diff(*b) <= 1;
            detector.frame(MediaTime(ms * MS), Some(40 * MS), value, is_like);
        }
        assert_eq!(detector.frames(), frames.len() as u64);
        let found = detector.finish().into_iter();
        found.map(|s| [s.start_s, s.end_s, s.duration_s]).collect()
    }

    fn still(from: u64, to: u64, value: i32) -> impl Iterator<Item = (u64, i32)> {
        (from..to).step_by(40).map(move |ms| (ms, value))
    }

    #[test]
    fn a_freeze_begins_with_its_first_frame_and_ends_with_the_first_that_differs() {
        let moving = (0..1_000).step_by(40).map(|ms| (ms, ms as i32));
        let frames: Vec<_> = (moving.chain(still(1_000, 3_000, -9)))
            .chain(still(3_000, 4_960, -20))
            .chain([(4_960, 7)])
            .collect();
        assert_eq!(stretches(&frames), [[1.0, 3.0, 2.0]]);
    }

    #[test]
    fn a_slow_change_is_compared_with_the_beginning() {
        // Each is like the one before, but the third no more like the first.
        let frames: Vec<_> = (0..200).map(|i| (i * 40, i as i32)).collect();
        assert!(stretches(&frames).is_empty());
    }

    #[test]
    fn a_picture_that_is_shown_for_two_seconds_is_frozen() {
        assert_eq!(stretches(&[(0, 1), (3_000, 9)]), [[0.0, 3.0, 3.0]]);
        assert!(stretches(&[(0, 1), (1_990, 9)]).is_empty());
    }

    #[test]
    fn a_freeze_until_the_end_ends_with_the_last_frame() {
        let frames: Vec<_> = still(40, 3_040, 5).collect();
        assert_eq!(stretches(&frames), [[0.04, 3.0, 2.96]]);
        assert!(stretches(&frames[..50]).is_empty());
    }

    #[test]
    fn frames_are_counted_where_the_clock_jumps_back() {
        let frames: Vec<_> = still(5_000, 6_000, 5)
            .chain(still(0, 1_200, 5))
            .chain([(1_200, 99)])
            .collect();
        let found = stretches(&frames);
        // 25 and 30 frames of 40 ms.
        assert_eq!((found.len(), found[0][2]), (1, 2.2));
    }
}
