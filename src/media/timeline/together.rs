//! Sound and picture of a source share one clock: what keeps them together over splices.
//!
//! Belongs here: which shift applies to which of them. Does not: whether timestamps are
//! believed.

use std::time::Instant;

use super::answer::{Note, Origin, Stream};
use super::ticks::{MS, SECOND, Ticks, from_duration, whole_samples};
use super::{Timeline, Track};

/// How far a stream continues beyond a splice of the other before it counts as not taking
/// part. In a file one may be read ahead of the other.
const FILE_ALONE: Ticks = 5 * SECOND;
const LIVE_ALONE: Ticks = 2 * SECOND;

/// Live sound and picture that arrive together are at most this far apart; a window does
/// not wait much longer for its frame.
const TOGETHER: Ticks = 300 * MS;

/// Shifts that are tried, from the latest: streams may lag behind by a splice or two.
const SHIFTS_TRIED: usize = 3;
const SHIFTS_KEPT: usize = 16;

/// Sound and picture may reach a splice this far apart.
const JOIN: Ticks = 10 * SECOND;

impl Timeline {
    /// The shift that another stream got at a splice, if it fits here too.
    pub(super) fn shift_for(&self, track: &Track, raw: Ticks) -> Option<usize> {
        let mut tried = (0..self.shifts.len()).rev().take(SHIFTS_TRIED);
        tried.find(|&known| {
            known != track.shift && (raw + self.shifts[known] - track.end).abs() <= JOIN
        })
    }

    /// After a splice at `from`, the streams have the same shift, or not yet.
    pub(super) fn note_shifts(&mut self, stream: Stream, from: Ticks) {
        let [sound, picture] = &self.tracks;
        let arrived = self.tracks[stream as usize].arrived;
        self.apart_since = (sound.shift != picture.shift).then_some((stream, from, arrived));
    }

    /// If this stream has passed a splice of the other without one of its own, that is
    /// reported.
    pub(super) fn bring_together(&mut self, stream: Stream) {
        let (track, other) = (
            self.tracks[stream as usize],
            self.tracks[stream.other() as usize],
        );
        let has_passed = |(who, since, then): (Stream, Ticks, Instant)| {
            let passed = match self.origin {
                Origin::File => track.end - since > FILE_ALONE,
                Origin::Live => {
                    from_duration(track.arrived.saturating_duration_since(then)) > LIVE_ALONE
                }
            };
            who != stream && passed
        };
        if track.shift == other.shift || !self.apart_since.is_some_and(has_passed) {
            return;
        }
        self.apart_since = None;
        self.notes.push(Note::Alone(stream.other()));
        if self.origin == Origin::Live {
            self.align_by_arrival();
        }
    }

    /// Live sound and picture that no longer share a clock: what arrives together belongs
    /// together. Time never goes back, so the one that is behind goes ahead.
    fn align_by_arrival(&mut self) {
        let lead = |track: &Track| {
            track.end - from_duration(track.arrived.saturating_duration_since(self.opened))
        };
        let [sound, picture] = self.tracks.each_ref().map(lead);
        let late = match sound < picture {
            true => Stream::Sound,
            false => Stream::Picture,
        };
        let by = (sound - picture).abs();
        if by <= TOGETHER {
            return;
        }
        let (own, other) = (
            self.tracks[late as usize].shift,
            self.tracks[late.other() as usize].shift,
        );
        let ahead = self.shifts[other] - self.shifts[own];
        let (shift, by) = if (ahead - by).abs() <= TOGETHER {
            // By the timestamps they still belong together as well.
            (other, ahead)
        } else {
            let by = whole_samples(by);
            let shift = self.shifts[own] + by;
            (self.add_shift(shift), by)
        };
        let track = &mut self.tracks[late as usize];
        track.shift = shift;
        track.end += by;
        self.doubts.jumps += 1;
        if late == Stream::Sound {
            self.following.restart();
        }
    }

    /// A new shift; the oldest is forgotten if it is not in use.
    pub(super) fn add_shift(&mut self, shift: Ticks) -> usize {
        if self.shifts.len() > SHIFTS_KEPT && self.tracks.iter().all(|track| track.shift > 0) {
            self.shifts.remove(0);
            for track in &mut self.tracks {
                track.shift -= 1;
            }
        }
        self.shifts.push(shift);
        self.shifts.len() - 1
    }
}
