//! The timestamps of sound, carried past the resampler.
//!
//! `audioresample` (1.22) counts samples itself and looks at timestamps only once they
//! are 1/32 s away from its count. Then it starts again, and 31 ms are missing at once: a
//! clock that drifts would end a window each time. So the resampler is shown timestamps
//! that agree with its count, and the real ones are put back behind it. Only where sound
//! is missing is it told to start again.
//!
//! Belongs here: the bookkeeping between the two pads of the resampler. Does not: whether
//! timestamps are plausible (`timeline`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gstreamer as gst;

use crate::sync::lock;
use crate::time::SAMPLE_RATE;

const NS_PER_S: i128 = 1_000_000_000;

/// Sound of a file that starts further than 20 ms from the end of the last block does not
/// continue it, as for the windows.
const FILE_STEP_NS: i64 = 20_000_000;

/// Timestamps of a live source jitter; what is less than a second is no reason to start
/// again.
const LIVE_STEP_NS: i64 = 1_000_000_000;

/// Bytes of a sample in front of the resampler: mono, 32-bit float.
const SAMPLE_BYTES: usize = 4;

/// Keeps the timestamps of what passes through the element `resampler`. `live` may be
/// set until the first buffer.
pub(super) fn keep_timestamps(resampler: &gst::Element, live: &Arc<AtomicBool>) {
    let (Some(sink), Some(src)) = (resampler.static_pad("sink"), resampler.static_pad("src"))
    else {
        return;
    };
    // Both pads are served by one thread, so the lock is never waited for.
    let shared = Arc::new(Mutex::new(Line::default()));
    let (line, live) = (Arc::clone(&shared), Arc::clone(live));
    let what = gst::PadProbeType::BUFFER
        | gst::PadProbeType::EVENT_DOWNSTREAM
        | gst::PadProbeType::EVENT_FLUSH;
    sink.add_probe(what, move |_, info| {
        if let Some(event) = info.event() {
            lock(&line).note(event);
        } else if let Some(buffer) = info.buffer_mut() {
            let step = match live.load(Ordering::Relaxed) {
                true => LIVE_STEP_NS,
                false => FILE_STEP_NS,
            };
            let samples = buffer.size() / SAMPLE_BYTES;
            let pts = buffer.pts().map(nanoseconds);
            if let Some(shown) = lock(&line).enters(pts, samples, step) {
                let buffer = buffer.make_mut();
                buffer.set_pts(clock_time(shown.at));
                if shown.starts_again {
                    buffer.set_flags(gst::BufferFlags::DISCONT);
                }
            }
        }
        gst::PadProbeReturn::Ok
    });
    src.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer_mut()
            && let Some(at) = buffer.pts().map(nanoseconds)
        {
            let real = lock(&shared).leaves(at);
            if real != at {
                buffer.make_mut().set_pts(clock_time(real));
            }
        }
        gst::PadProbeReturn::Ok
    });
}

fn nanoseconds(at: gst::ClockTime) -> i64 {
    i64::try_from(at.nseconds()).unwrap_or(i64::MAX)
}

fn clock_time(at: i64) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(u64::try_from(at).unwrap_or(0))
}

/// What the resampler is shown of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    at: i64,
    /// It does not continue the last one.
    starts_again: bool,
}

/// A block as counted, and how far its real time lies after that.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    counted: i64,
    ahead: i64,
}

/// The resampler's count, and the real times beside it, in nanoseconds.
#[derive(Debug, Default)]
struct Line {
    rate: u32,
    /// Where the count started; `None` where the next block starts it.
    start: Option<i64>,
    /// Samples since then.
    samples: usize,
    /// The block before the last one, and the last one.
    marks: [Mark; 2],
    /// The format changed: the resampler must not keep its count.
    changed: bool,
}

impl Line {
    fn note(&mut self, event: &gst::EventRef) {
        match event.view() {
            gst::EventView::Caps(caps) => {
                let format = caps.caps().structure(0);
                let rate = format.and_then(|format| format.get::<i32>("rate").ok());
                let rate = rate.and_then(|rate| u32::try_from(rate).ok()).unwrap_or(0);
                if std::mem::replace(&mut self.rate, rate) != rate {
                    self.changed = self.start.take().is_some();
                }
            }
            // The resampler drops its count.
            gst::EventView::Segment(_) | gst::EventView::FlushStop(_) => self.start = None,
            _ => {}
        }
    }

    /// A block of so many samples enters the resampler; what to show it, or `None` for
    /// the block as it is. A block without a time continues the last one.
    fn enters(&mut self, at: Option<i64>, samples: usize, step: i64) -> Option<Shown> {
        // At this rate the resampler changes nothing, timestamps included.
        if self.rate == 0 || self.rate == SAMPLE_RATE {
            return None;
        }
        let expected = self.start.map(|start| {
            let counted = start.saturating_add(self.length());
            (counted, counted.saturating_add(self.marks[1].ahead))
        });
        let continues = |at: i64| match expected {
            // Half a block more or less is for the timestamps to say, a hole is not.
            Some((_, end)) => at.saturating_sub(end).saturating_abs() <= step,
            None => false,
        };
        let shown = match (at, expected) {
            (None, None) => return None,
            (None, Some((counted, _))) => {
                self.mark(counted, self.marks[1].ahead);
                Shown {
                    at: counted,
                    starts_again: false,
                }
            }
            (Some(at), Some((counted, _))) if continues(at) => {
                self.mark(counted, at.saturating_sub(counted));
                Shown {
                    at: counted,
                    starts_again: false,
                }
            }
            (Some(at), _) => {
                let starts_again = self.start.replace(at).is_some() || self.changed;
                self.changed = false;
                self.samples = 0;
                self.mark(at, 0);
                self.marks[0] = self.marks[1];
                Shown { at, starts_again }
            }
        };
        self.samples += samples;
        Some(shown)
    }

    /// The real time of what leaves the resampler at `at` by its count.
    fn leaves(&self, at: i64) -> i64 {
        let [before, last] = self.marks;
        let ahead = if self.start.is_none() || self.rate == SAMPLE_RATE {
            0
        } else if at >= last.counted || before.counted >= last.counted {
            last.ahead
        } else {
            // Its filter holds some samples back: what leaves began in the block before.
            let into = i128::from(at.saturating_sub(before.counted).max(0));
            let length = i128::from(last.counted.saturating_sub(before.counted));
            let more = i128::from(last.ahead.saturating_sub(before.ahead)) * into / length;
            before
                .ahead
                .saturating_add(i64::try_from(more).unwrap_or(0))
        };
        at.saturating_add(ahead)
    }

    fn mark(&mut self, counted: i64, ahead: i64) {
        self.marks = [self.marks[1], Mark { counted, ahead }];
    }

    /// Length of the samples counted so far.
    fn length(&self) -> i64 {
        let ns = self.samples as i128 * NS_PER_S / i128::from(self.rate);
        i64::try_from(ns).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
#[path = "restamp_tests.rs"]
mod tests;
