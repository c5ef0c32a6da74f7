//! The order of pictures: shown in another one than they are decoded in, if there are
//! B-frames.
//!
//! Belongs here: how far they are out of order, and times of decoding that follow from
//! it. Does not: GStreamer.
//!
//! Times of decoding are not taken from the stream: RTP has none (GStreamer's are times
//! of arrival there), and Matroska has none.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Pictures that may be decoded before one that is shown earlier: H.264 and H.265 allow 16.
const WINDOW: usize = 17;

/// Time between two pictures as long as there is only one: 25 a second.
const INTERVAL_NS: i64 = 40_000_000;

/// What is known of the order of a stream's pictures.
#[derive(Clone, Debug, Default)]
pub struct Order {
    recent_ns: VecDeque<i64>,
    depth: usize,
    pictures: u64,
}

impl Order {
    /// A picture comes to be decoded.
    pub fn note(&mut self, pts_ns: i64) {
        let later = self.recent_ns.iter().filter(|&&at| at > pts_ns).count();
        self.depth = self.depth.max(later);
        if self.recent_ns.len() == WINDOW {
            self.recent_ns.pop_front();
        }
        self.recent_ns.push_back(pts_ns);
        self.pictures += 1;
    }

    /// Whether a picture's time shows that the clock was set back: it is no picture between
    /// two others, because it is too close to one, or before too many. RTP does so when the first report of its
    /// sender says how sound and picture belong together, some seconds after the opening.
    pub fn is_step_back(&self, pts_ns: i64) -> bool {
        if self.recent_ns.len() < WINDOW || self.recent_ns.iter().all(|&at| at <= pts_ns) {
            return false;
        }
        let mut times: Vec<i64> = self.recent_ns.iter().copied().collect();
        times.sort_unstable();
        if times.first().is_some_and(|&first| pts_ns < first) {
            return true;
        }
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        let nearest = times.iter().map(|&at| at.abs_diff(pts_ns)).min();
        // Of pictures at a steady rate, a step is at most half of the gap from one of them.
        match (gaps.min(), nearest) {
            (Some(gap), Some(nearest)) => nearest * 10 < gap.unsigned_abs() * 7,
            _ => false,
        }
    }

    /// How many pictures are decoded, at most, before one that is shown earlier.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Whether enough pictures have come to trust the depth.
    pub fn is_known(&self) -> bool {
        self.pictures >= WINDOW as u64
    }

    /// The mean time between two pictures.
    pub fn interval_ns(&self) -> i64 {
        let times = || self.recent_ns.iter().copied();
        let steps = i64::try_from(self.recent_ns.len()).unwrap_or(1) - 1;
        match (times().min(), times().max()) {
            (Some(first), Some(last)) if steps > 0 && last > first => (last - first) / steps,
            _ => INTERVAL_NS,
        }
    }
}

/// Gives pictures times of decoding: those of presentation in ascending order, so much
/// earlier that none is decoded after it is shown.
#[derive(Debug)]
pub struct Decoding {
    depth: usize,
    interval_ns: i64,
    waiting: BinaryHeap<Reverse<i64>>,
    last_ns: Option<i64>,
}

impl Decoding {
    /// For pictures in this order, of which the first to be decoded is the first to be shown.
    pub fn new(order: &Order) -> Self {
        Self {
            depth: order.depth(),
            interval_ns: order.interval_ns(),
            waiting: BinaryHeap::new(),
            last_ns: None,
        }
    }

    /// The time of decoding of the next picture. Ascending.
    pub fn next(&mut self, pts_ns: i64) -> i64 {
        self.waiting.push(Reverse(pts_ns));
        let at = match self.waiting.len() {
            n if n > self.depth => self.waiting.pop().map_or(pts_ns, |Reverse(at)| at),
            n => {
                let ahead = i64::try_from(self.depth + 1 - n).unwrap_or(0);
                let first = self.waiting.iter().map(|&Reverse(at)| at).min();
                first.unwrap_or(pts_ns) - ahead * self.interval_ns
            }
        };
        let at = self.last_ns.map_or(at, |last| at.max(last + 1));
        self.last_ns = Some(at);
        at
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoding(pts: &[i64]) -> (usize, Vec<i64>) {
        let mut order = Order::default();
        pts.iter().for_each(|&at| order.note(at));
        let mut decoding = Decoding::new(&order);
        (
            order.depth(),
            pts.iter().map(|&at| decoding.next(at)).collect(),
        )
    }

    #[test]
    fn without_b_frames_a_picture_is_decoded_when_it_is_shown() {
        let pts = [0, 40, 80, 121, 160];
        assert_eq!(decoding(&pts), (0, pts.to_vec()));
    }

    #[test]
    fn b_frames_are_decoded_when_they_are_shown_and_what_they_need_before() {
        // I P B B P B B, every 40.
        let pts = [0, 120, 40, 80, 240, 160, 200];
        let (depth, dts) = decoding(&pts);
        assert_eq!(depth, 1);
        assert_eq!(dts, [-40, 0, 40, 80, 120, 160, 200]);
        // A pyramid: I P B b b.
        let pts = [0, 160, 80, 40, 120, 320, 240, 200, 280];
        let (depth, dts) = decoding(&pts);
        assert_eq!(depth, 2);
        assert_eq!(dts, [-80, -40, 0, 40, 80, 120, 160, 200, 240]);
    }

    #[test]
    fn a_clock_that_is_set_back_is_no_order_of_pictures() {
        let mut order = Order::default();
        // I P B B P B B, every 40.
        for at in (0..100).map(|k| 40 * [0, 3, 1, 2][k % 4] + 160 * (k as i64 / 4)) {
            assert!(!order.is_step_back(at), "{at}");
            order.note(at);
        }
        for back in [45, 100, 180, 500, 1_000] {
            assert!(order.is_step_back(4_000 - back), "{back}");
        }
        for on in [1, 40, 5_000] {
            assert!(!order.is_step_back(4_000 + on), "{on}");
        }
    }

    proptest! {
        #[test]
        fn times_ascend_and_are_never_after_presentation(
            groups in proptest::collection::vec(1_usize..8, 1..30),
        ) {
            // A key picture, then groups of which the last is decoded first.
            let mut pts = vec![0];
            let mut at = 40;
            for group in groups {
                let shown: Vec<i64> = (0..group).map(|k| at + 40 * k as i64).collect();
                pts.push(shown[group - 1]);
                pts.extend(&shown[..group - 1]);
                at += 40 * group as i64;
            }
            let (depth, dts) = decoding(&pts);
            prop_assert!(depth <= 1);
            prop_assert!(dts.windows(2).all(|pair| pair[0] < pair[1]), "{dts:?}");
            prop_assert!(dts.iter().zip(&pts).all(|(dts, pts)| dts <= pts), "{pts:?} {dts:?}");
        }
    }
}
