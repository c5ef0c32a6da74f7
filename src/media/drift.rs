//! How far the timestamps of a live source's sound and picture have come apart, by when
//! they arrive.
//!
//! Belongs here: the estimate, as a pure function of times. Does not: which timestamps are
//! believed (`timeline`), when people are told (the monitor's `out_of_sync`).
//!
//! Sound and picture are recorded and sent by the clock, so what is later and later against
//! its timestamps has timestamps that run slow. Network, buffers and decoders only add to a
//! delay: the least of some seconds is that of the source. How far the least delays of sound
//! and picture are apart at the beginning is the encoder's affair and tells nothing; how
//! much that has changed since is how far sound and picture are apart for whoever plays them
//! by their timestamps. A file knows no arrival, and a stream whose timestamps are right but
//! whose sound belongs elsewhere cannot be told from one that is in order.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::timeline::Stream;
use crate::stats::AvDrift;
use crate::time::MediaTime;

/// RTP's timestamps step once, some seconds after the opening, when the senders report how
/// sound and picture belong together; servers also send what they have buffered at once.
const SETTLE: Duration = Duration::from_secs(15);

/// After a loss on this machine, what comes next may still be late.
const RECOVER: Duration = Duration::from_secs(5);

/// A window is at least so long, and has at least so many blocks and frames: of jitter that
/// is spread evenly over 500 ms, 5 ms are left with two hundred, and 30 ms in one window of
/// twelve thousand. With a hundred, it was one of sixty: a median of three still met two.
const WINDOW: Duration = Duration::from_secs(5);
const LEAST_COUNT: usize = 200;

/// A window that is not full by then has holes.
const LONGEST_WINDOW: Duration = Duration::from_secs(600);

/// The median of so many windows counts, at the beginning and now: one may be wrong.
const MEDIAN_OF: usize = 3;

/// Where the time between frames changes by more than this for two windows, so does how much
/// an encoder holds back, a frame or two: cameras halve their rate in the dark. In a single
/// window, frames are missing.
const OTHER_RATE: f64 = 1.25;

/// The speed of clocks is measured over the last three hours, by points a minute apart.
const POINT_EVERY: Duration = Duration::from_secs(60);
const POINTS: usize = 180;
/// Fewer tell nothing.
const LEAST_POINTS: usize = 5;

/// Follows the delays of sound and picture.
#[derive(Debug)]
pub(super) struct DriftMeter {
    opened: Instant,
    /// Nothing before this counts.
    from: Option<i64>,
    window: Option<Window>,
    /// How much later sound was than the picture, in the first windows and in the last.
    first: Vec<i64>,
    last: VecDeque<i64>,
    /// Time between frames at the beginning, and whether it was another one in the last
    /// window.
    interval: Option<f64>,
    is_other: bool,
    points: VecDeque<Point>,
    ppm: Option<[f32; 2]>,
}

/// Delays of sound and picture in a window, in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Point {
    at: i64,
    delays: [i64; 2],
}

#[derive(Debug)]
struct Window {
    begun: i64,
    least: [Least; 2],
    /// Timestamps of the first and the last frame.
    frames: Option<(i64, i64)>,
}

/// The two least of some delays. The second counts: a single timestamp may be too late.
#[derive(Clone, Copy, Debug, Default)]
struct Least {
    count: usize,
    two: [Option<i64>; 2],
}

impl Least {
    fn note(&mut self, delay: i64) {
        self.count += 1;
        let [least, second] = &mut self.two;
        if least.is_none_or(|least| delay < least) {
            *second = least.replace(delay);
        } else if second.is_none_or(|second| delay < second) {
            *second = Some(delay);
        }
    }
}

impl DriftMeter {
    /// Of a source that was opened then.
    pub(super) fn new(opened: Instant) -> Self {
        Self {
            opened,
            from: None,
            window: None,
            first: Vec::new(),
            last: VecDeque::new(),
            interval: None,
            is_other: false,
            points: VecDeque::new(),
            ppm: None,
        }
    }

    /// Timestamps jumped: what was before says nothing of what comes.
    pub(super) fn restart(&mut self) {
        *self = Self::new(self.opened);
    }

    /// Something was lost on this machine, which is behind: delays are its own now.
    pub(super) fn pause(&mut self, now: Instant) {
        let from = self.since_opening(now) + ns(RECOVER);
        // What is settling is later anyway.
        self.from = self.from.map(|before| before.max(from));
        self.window = None;
    }

    /// Takes what has the timestamp `at`. Whether there is news.
    pub(super) fn note(&mut self, stream: Stream, at: MediaTime, arrived: Instant) -> bool {
        let now = self.since_opening(arrived);
        if now < *self.from.get_or_insert(now + ns(SETTLE)) {
            return false;
        }
        let at = i64::try_from(at.0).unwrap_or(i64::MAX).min(i64::MAX / 4);
        let window = self.window.get_or_insert_with(|| Window {
            begun: now,
            least: [Least::default(); 2],
            frames: None,
        });
        window.least[stream as usize].note(now - at);
        if stream == Stream::Picture {
            let (first, _) = window.frames.unwrap_or((at, at));
            window.frames = Some((first, at));
        }
        let age = now - window.begun;
        let is_full = window.least.iter().all(|of| of.count >= LEAST_COUNT);
        if age < ns(WINDOW) || (!is_full && age < ns(LONGEST_WINDOW)) {
            return false;
        }
        let Some(window) = self.window.take().filter(|_| is_full) else {
            return false;
        };
        self.take(window, now)
    }

    fn take(&mut self, window: Window, now: i64) -> bool {
        let (Some((begin, end)), [Some(sound), Some(picture)]) =
            (window.frames, window.least.map(|of| of.two[1]))
        else {
            return false;
        };
        let interval = (end - begin) as f64 / window.least[1].count as f64;
        let ratio = interval / *self.interval.get_or_insert(interval);
        let is_other = !(1.0 / OTHER_RATE..=OTHER_RATE).contains(&ratio);
        if std::mem::replace(&mut self.is_other, is_other) && is_other {
            self.restart();
            return true;
        }
        if is_other {
            return false;
        }
        let skew = sound - picture;
        if self.first.len() < MEDIAN_OF {
            self.first.push(skew);
        }
        if self.last.len() == MEDIAN_OF {
            self.last.pop_front();
        }
        self.last.push_back(skew);
        if (self.points.back()).is_none_or(|point| now - point.at >= ns(POINT_EVERY)) {
            if self.points.len() == POINTS {
                self.points.pop_front();
            }
            let delays = [sound, picture];
            self.points.push_back(Point { at: now, delays });
            self.ppm = self.speeds();
        }
        true
    }

    /// What is known since the beginning; `None` before the first windows.
    pub(super) fn current(&self) -> Option<AvDrift> {
        if self.first.len() < MEDIAN_OF {
            return None;
        }
        let median = |of: &mut dyn Iterator<Item = i64>| {
            let mut sorted: Vec<i64> = of.collect();
            sorted.sort_unstable();
            sorted[sorted.len() / 2]
        };
        let first = median(&mut self.first.iter().copied());
        let last = median(&mut self.last.iter().copied());
        Some(AvDrift {
            // Sound that arrives later against its timestamps has too early timestamps.
            sound_early_ns: last - first,
            sound_ppm: self.ppm.map(|[sound, _]| sound),
            picture_ppm: self.ppm.map(|[_, picture]| picture),
        })
    }

    /// By how much the timestamps of sound and picture run fast against the clock, in
    /// millionths: the median of all slopes (Theil and Sen), which some wrong points do not
    /// move.
    fn speeds(&self) -> Option<[f32; 2]> {
        if self.points.len() < LEAST_POINTS {
            return None;
        }
        let speed = |of: usize| {
            let pairs = self.points.iter().enumerate().flat_map(|(i, a)| {
                let later = self.points.iter().skip(i + 1);
                later.map(move |b| (b.delays[of] - a.delays[of]) as f64 / (b.at - a.at) as f64)
            });
            let mut slopes: Vec<f64> = pairs.collect();
            let middle = slopes.len() / 2;
            let (_, slope, _) = slopes.select_nth_unstable_by(middle, f64::total_cmp);
            // A delay that grows is of timestamps that run slow.
            (-1e6 * *slope) as f32
        };
        Some([speed(0), speed(1)])
    }

    fn since_opening(&self, at: Instant) -> i64 {
        ns(at.saturating_duration_since(self.opened))
    }
}

/// No time here is longer than some years.
fn ns(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
#[path = "drift_tests.rs"]
mod tests;
