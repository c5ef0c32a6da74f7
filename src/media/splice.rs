//! Recordings that were joined byte by byte, so that timestamps start again.
//!
//! `cat a.mpg b.mpg` and the cells of a DVD's `.vob` give a program stream whose
//! timestamps jump back. From there on GStreamer's decoders (1.22) repeat the time of the
//! last picture, so timestamps are corrected before them, at the demuxer's output. So are
//! those that start again because the clock has wrapped (`wrap`).

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gstreamer as gst;

use super::wrap::{Wraps, beside};
use crate::sync::lock;

/// Smallest jump in ns that counts as a splice. Smaller steps come from reordered frames and
/// from the interleaving of streams.
const JUMP: i64 = 1_000_000_000;

/// Gap in ns inserted between two recordings: long enough for the last buffer to end in it,
/// and for the hole to end a window.
const APART: i64 = 100_000_000;

/// Number of recent recordings whose timestamps may still arrive, from streams that lag.
const OPEN: usize = 3;

/// Shifts the timestamps of each later recording after those of the earlier ones, by the
/// same offset in all streams of a demuxer.
pub(super) fn follow_splices(demuxer: &gst::Element) {
    let shared = Arc::new(Mutex::new(Splices::default()));
    demuxer.connect_pad_added(move |_, pad| {
        let shared = Arc::clone(&shared);
        let stream = lock(&shared).add();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(buffer) = info.buffer_mut()
                && let Some(at) = ns(buffer.pts()).or(ns(buffer.dts()))
            {
                let time = lock(&shared).time(stream, at);
                let pts = buffer.pts().map(|_| time);
                let dts = ns(buffer.dts()).map(|dts| time.saturating_add(beside(dts, at) - at));
                if pts.is_some_and(|pts| pts < 0) {
                    // Before the beginning: it began just behind a wrap.
                    return gst::PadProbeReturn::Drop;
                }
                let clock_time = |time| u64::try_from(time).ok().map(gst::ClockTime::from_nseconds);
                let (pts, dts) = (pts.and_then(clock_time), dts.and_then(clock_time));
                if (pts, dts) != (buffer.pts(), buffer.dts()) {
                    let buffer = buffer.make_mut();
                    buffer.set_pts(pts);
                    buffer.set_dts(dts);
                }
            }
            gst::PadProbeReturn::Ok
        });
    });
}

fn ns(time: Option<gst::ClockTime>) -> Option<i64> {
    Some(i64::try_from(time?.nseconds()).unwrap_or(i64::MAX))
}

/// The recordings of a demuxer, shared by its streams. A stream may lack a recording, or
/// reach it late.
#[derive(Debug, Default)]
struct Splices {
    /// Offset of each recording after the first.
    offsets: Vec<i64>,
    /// Of each stream.
    streams: Vec<Stream>,
    /// A recent timestamp of any of them, as in the file but without wraps.
    recent: Option<i64>,
    /// Latest shifted timestamp of all streams.
    latest: Option<i64>,
    /// A timestamp far ahead of it. A single one is taken for damage.
    ahead: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    /// Its latest timestamp, as in the file but without wraps.
    latest: Option<i64>,
    wraps: Wraps,
}

impl Splices {
    /// Adds a stream; returns its number.
    fn add(&mut self) -> usize {
        self.streams.push(Stream::default());
        self.streams.len() - 1
    }

    /// The time that a stream's timestamp `at` stands for.
    fn time(&mut self, stream: usize, at: i64) -> i64 {
        let Stream { latest, wraps } = &mut self.streams[stream];
        let at = wraps.unwrap(at, latest.or(self.recent).unwrap_or(at));
        self.recent = Some(at);
        at.saturating_add(self.offset(stream, at))
    }

    /// The offset for a stream's timestamp `at`.
    fn offset(&mut self, stream: usize, at: i64) -> i64 {
        let own = &mut self.streams[stream].latest;
        let is_back = own.is_some_and(|own| at + JUMP < own);
        *own = Some(own.filter(|_| !is_back).unwrap_or(at).max(at));
        let latest = self.latest.unwrap_or(at);
        let continues = |offset: &i64| (at + offset - latest).abs() <= JUMP;
        let newest_first = self.offsets.iter().rev().copied().chain([0]);
        let offset = match newest_first.take(OPEN).find(continues) {
            Some(offset) => offset,
            None if is_back => {
                let offset = latest + APART - at;
                self.offsets.push(offset);
                offset
            }
            // A hole, or a stream far from the others.
            None => self.offsets.last().copied().unwrap_or(0),
        };
        self.reach(at + offset);
        offset
    }

    fn reach(&mut self, time: i64) {
        let latest = *self.latest.get_or_insert(time);
        let is_far = time > latest + JUMP;
        if is_far && self.ahead.is_none_or(|ahead| time + JUMP < ahead) {
            self.ahead = Some(time);
            return;
        }
        if is_far {
            self.ahead = None;
        }
        self.latest = Some(latest.max(time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out of times in milliseconds, of sound (`s`) and picture (`p`).
    fn out(times: &[(char, i64)]) -> Vec<i64> {
        let mut splices = Splices::default();
        let (sound, picture) = (splices.add(), splices.add());
        let number = |which| if which == 's' { sound } else { picture };
        let moved = times.iter().map(|&(which, ms)| {
            let ns = ms * 1_000_000;
            splices.time(number(which), ns) / 1_000_000
        });
        moved.collect()
    }

    #[test]
    fn streams_continue_together_behind_what_was_there() {
        let first = [
            ('p', 0),
            ('s', 0),
            ('p', 120),
            ('p', 40),
            ('p', 900),
            ('s', 950),
        ];
        let more = [('p', 1_800), ('s', 1_900), ('p', 2_700), ('s', 2_800)];
        let second = [
            ('p', 200),
            ('s', 2_900),
            ('s', 170),
            ('s', 1_100),
            ('p', 1_200),
        ];
        let third = [('p', 2_100), ('s', 0), ('p', 2_140), ('p', 100), ('s', 900)];
        assert_eq!(
            out(&[&first[..], &more, &second, &third].concat()),
            [
                0, 0, 120, 40, 900, 950, // pictures out of order are no splice
                1_800, 1_900, 2_700, 2_800, //
                2_900, 2_900, 2_870, 3_800, 3_900, // the sound's last comes late
                4_800, 4_900, 4_840, 5_000, 5_800, // here the sound is the first
            ]
        );
    }

    #[test]
    fn a_stream_that_was_missing_comes_in_where_the_others_are() {
        let first = [
            ('p', 0),
            ('s', 0),
            ('p', 900),
            ('s', 900),
            ('p', 1_800),
            ('s', 1_800),
        ];
        let mute = [('p', 100), ('p', 1_000), ('p', 1_900)];
        let last = [('p', 0), ('s', 50), ('s', 900), ('p', 900)];
        assert_eq!(
            out(&[&first[..], &mute, &last].concat())[6..],
            [1_900, 2_800, 3_700, 3_800, 3_850, 4_700, 4_700]
        );
        // It was not there before.
        assert_eq!(
            out(&[&mute[..], &last].concat()),
            [100, 1_000, 1_900, 2_000, 2_050, 2_900, 2_900]
        );
    }

    #[test]
    fn a_damaged_time_moves_nothing_but_itself() {
        for wrong in [6_000, 3_600_000, -5_000] {
            let times = |at| {
                [
                    ('p', 0),
                    ('s', 0),
                    ('p', 900),
                    ('s', at),
                    ('p', 1_000),
                    ('s', 1_000),
                ]
            };
            let shifted = out(&times(wrong));
            assert_eq!(shifted[..3], [0, 0, 900]);
            assert_eq!(shifted[4..], [1_000, 1_000], "{wrong}");
        }
    }

    #[test]
    fn streams_continue_together_behind_a_wrap() {
        // 2^33 / 90 ms is no whole number of them.
        let wrap = 95_443_717;
        let times = [
            ('p', wrap - 200),
            ('s', wrap - 240),
            ('p', 80), // presented behind the wrap, before those that follow
            ('p', wrap - 160),
            ('s', wrap - 20),
            ('p', 40),
            ('s', 100),
            ('p', 1_000),
            ('s', 1_000),
        ];
        let shifted = out(&times).into_iter().map(|ms| ms - wrap);
        assert_eq!(
            shifted.collect::<Vec<_>>(),
            [-200, -240, 80, -160, -20, 40, 100, 1_000, 1_000]
        );
        // The picture begins behind it.
        assert_eq!(
            out(&[('p', 20), ('s', wrap - 40), ('s', 60)]),
            [20, -40, 60]
        );
    }

    #[test]
    fn holes_stay_and_streams_may_be_apart() {
        let hole = [
            ('p', 0),
            ('s', 0),
            ('p', 8_000),
            ('s', 8_010),
            ('p', 8_900),
            ('s', 8_910),
        ];
        assert_eq!(out(&hole), hole.map(|(_, ms)| ms));
        let apart = [
            ('p', 2_000),
            ('s', 0),
            ('p', 2_500),
            ('s', 500),
            ('p', 3_000),
            ('s', 1_000),
        ];
        assert_eq!(out(&apart), apart.map(|(_, ms)| ms));
        let slides = [
            ('p', 0),
            ('p', 3_000),
            ('p', 6_000),
            ('p', 9_000),
            ('p', 12_000),
        ];
        assert_eq!(out(&slides), slides.map(|(_, ms)| ms));
    }
}
