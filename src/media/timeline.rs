//! Timestamps are doubted before they are believed.
//!
//! What should be in this file: the one policy for times that cannot be, that jump, that
//! jitter or drift, with its figures. What should not: GStreamer, clocks (times of arrival
//! are parameters), samples and pixels (the caller keeps what is held back), the windows.
//!
//! A [`Timeline`] is asked about each block of sound and each frame of a source, in the
//! order in which they arrived, and says where it belongs.
//!
//! | what the timestamps do | a file | a live source |
//! |---|---|---|
//! | differ by less than [`NEAR`] from where the last block ended | believed; the windows smooth over up to 20 ms and report the rest | sound continues by its samples and follows them slowly ([`Following`]) |
//! | differ by more, once | that block continues the last one; that frame is dropped | the same |
//! | jump ahead | a hole of up to [`FILE_HOLE`] | up to [`LIVE_AHEAD`] more than the clock says |
//! | jump further, or back | a splice: continues [`APART`] after the last one | continues where the clock says, at least [`APART`] after the last one |
//!
//! After a splice all timestamps are shifted, of sound and picture by the same, as they
//! share one clock. A stream that does not jump keeps its old shift.

mod answer;
mod following;
mod ticks;
mod together;

use std::time::Instant;

use crate::time::{MediaTime, SamplePos};
pub use answer::{Answer, Doubts, Held, Note, Origin, Place, Stream};
use following::Following;
use ticks::{
    FURTHEST, HOUR, MS, SECOND, Ticks, from_duration, from_samples, from_time, to_time,
    whole_samples,
};

/// A timestamp this close to the end of the last block continues it. More than the
/// jitter of networks and the overlap of segments; less than any step of a clock.
const NEAR: Ticks = SECOND;

/// Windows smooth over as much.
const STEP: Ticks = 20 * MS;

/// The first timestamps of a source lie this close to its start: pictures that are
/// reordered, and tracks that start late, by seconds.
const FIRST: Ticks = 10 * SECOND;

/// Sound of a file whose timestamps jump is held back this long before it is believed:
/// more than a container's largest usual block, so that no block confirms itself.
const FILE_DOUBT: Ticks = SECOND;

/// The same for a live source, where it is latency: two blocks, of 20 to 100 ms mostly.
const LIVE_DOUBT: Ticks = 200 * MS;

/// Pictures are held back a little longer than sound, so that the sound, which nothing may
/// be missing from, decides where both continue: by their times, but no more than this many.
const PICTURE_DOUBT: Ticks = 100 * MS;
const MOST_PICTURES: u64 = 16;

/// A hole in a file is at most this long. Recordings pause for minutes; hours are a
/// timestamp that wrapped or a clock that was set.
const FILE_HOLE: Ticks = HOUR;

/// Where a file may start: some count from midnight.
const FILE_START: Ticks = 24 * HOUR;

/// How far a live source may jump ahead of the clock: RTSP sender reports move a stream
/// by up to 3 s, buffers of a sender hold some seconds. More is a clock that was set.
const LIVE_AHEAD: Ticks = 10 * SECOND;

/// What lies between two recordings: enough to end a window.
const APART: Ticks = 100 * MS;

/// The timestamps of one open source.
#[derive(Debug)]
pub struct Timeline {
    origin: Origin,
    opened: Instant,
    /// Added to timestamps; the first one is zero. Whole samples.
    shifts: Vec<Ticks>,
    tracks: [Track; 2],
    following: Following,
    doubts: Doubts,
    notes: Vec<Note>,
    /// A splice that one stream has not reached yet: where it was, and of which other.
    apart_since: Option<(Stream, Ticks, Instant)>,
}

/// Sound or picture, as far as it is believed.
#[derive(Clone, Copy, Debug)]
struct Track {
    begun: bool,
    /// Which shift applies.
    shift: usize,
    /// Where the last block ended or the last frame was.
    end: Ticks,
    /// When that arrived.
    arrived: Instant,
    doubt: Option<Doubt>,
}

/// What is held back: times as the source has them.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    first: Ticks,
    end: Ticks,
    /// Of the sound in it.
    length: Ticks,
    blocks: u64,
    since: Instant,
}

impl Timeline {
    /// The timeline of a source that was opened at `opened`, whose times begin at `start`.
    pub fn new(origin: Origin, start: MediaTime, opened: Instant) -> Self {
        let track = || Track {
            begun: false,
            shift: 0,
            end: from_time(start),
            arrived: opened,
            doubt: None,
        };
        Self {
            origin,
            opened,
            shifts: vec![0],
            tracks: [track(), track()],
            following: Following::default(),
            doubts: Doubts::default(),
            notes: Vec::new(),
            apart_since: None,
        }
    }

    /// Where a block of sound belongs.
    pub fn sound(&mut self, at: SamplePos, samples: usize, arrived: Instant) -> Answer {
        let at = from_samples(at.0);
        self.ask(Stream::Sound, at, from_samples(samples as u64), arrived)
    }

    /// Where a frame belongs.
    pub fn picture(&mut self, at: MediaTime, arrived: Instant) -> Answer {
        self.ask(Stream::Picture, from_time(at), 0, arrived)
    }

    /// Sound was lost on the way: where timestamps are ahead, it is missing.
    pub fn sound_was_lost(&mut self) {
        self.following.expect_a_hole();
    }

    /// The stream ended, so nothing will tell whether what is held back is right.
    pub fn ends(&mut self, stream: Stream) -> Held {
        match self.tracks[stream as usize].doubt.take() {
            Some(doubt) => self.believe(stream, doubt),
            None => Held::Wait,
        }
    }

    /// By how much timestamps of sound and picture are shifted now, in thirds of a
    /// nanosecond. Another shift: they have jumped.
    pub fn shifts(&self) -> [Ticks; 2] {
        self.tracks.map(|track| self.shifts[track.shift])
    }

    /// How often timestamps were not believed.
    pub fn doubts(&self) -> Doubts {
        self.doubts
    }

    /// What there is to tell since the last call.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    fn ask(&mut self, stream: Stream, raw: Ticks, length: Ticks, arrived: Instant) -> Answer {
        let mut held = Held::Wait;
        if let Some(mut doubt) = self.tracks[stream as usize].doubt.take() {
            match self.weigh(stream, &doubt, raw) {
                Opinion::Unsure => {
                    doubt.end = raw + length;
                    doubt.length += length;
                    doubt.blocks += 1;
                    self.tracks[stream as usize].doubt = Some(doubt);
                    return Answer {
                        held,
                        place: Place::Hold,
                    };
                }
                Opinion::Right => held = self.believe(stream, doubt),
                Opinion::Wrong => held = self.refute(stream, doubt),
                Opinion::Extra => {
                    self.doubts.discarded += doubt.blocks;
                    held = Held::Drop;
                }
            }
        }
        let place = self.place(stream, raw, length, arrived);
        Answer { held, place }
    }

    /// What a block or frame says about those that are held back before it.
    fn weigh(&self, stream: Stream, doubt: &Doubt, raw: Ticks) -> Opinion {
        let track = &self.tracks[stream as usize];
        let at = raw + self.shifts[track.shift];
        let filled = track.end + doubt.length;
        let (to_end, to_filled) = ((at - track.end).abs(), (at - filled).abs());
        if track.begun && to_end.min(to_filled) <= NEAR {
            return match stream {
                Stream::Sound if to_filled <= to_end => Opinion::Wrong,
                _ => Opinion::Extra,
            };
        }
        let step = raw - doubt.end;
        let is_next = match stream {
            Stream::Sound => (-NEAR..=FILE_HOLE).contains(&step),
            Stream::Picture => (0..=FILE_HOLE).contains(&step),
        };
        let hold = match self.origin {
            Origin::File => FILE_DOUBT,
            Origin::Live => LIVE_DOUBT,
        };
        let may_be_wrong = match stream {
            Stream::Sound => doubt.length < hold,
            Stream::Picture => {
                doubt.blocks < MOST_PICTURES && raw - doubt.first < hold + PICTURE_DOUBT
            }
        };
        match step {
            _ if !is_next || doubt.end >= FURTHEST => Opinion::Wrong,
            ..=NEAR if may_be_wrong => Opinion::Unsure,
            _ => Opinion::Right,
        }
    }

    /// How long after the last of its stream something arrived; of a file that tells nothing.
    fn elapsed(&self, track: &Track, arrived: Instant) -> Ticks {
        match self.origin {
            Origin::File => 0,
            Origin::Live => from_duration(arrived.saturating_duration_since(track.arrived)),
        }
    }

    /// What was held back is where its timestamps say, one way or another.
    fn believe(&mut self, stream: Stream, doubt: Doubt) -> Held {
        let track = &self.tracks[stream as usize];
        let elapsed = self.elapsed(track, doubt.since);
        let (from, before) = (track.end, track.shift);
        let furthest = match (self.origin, track.begun) {
            (Origin::File, true) => FILE_HOLE,
            (Origin::File, false) => FILE_START,
            (Origin::Live, _) => LIVE_AHEAD + elapsed,
        };
        let ahead = doubt.first + self.shifts[track.shift] - from;
        let shift = if (0..=furthest).contains(&ahead) {
            track.shift
        } else if let Some(known) = self.shift_for(track, doubt.first) {
            // The other stream was here before: both continue together.
            let behind = from - (doubt.first + self.shifts[known]);
            self.shifts[known] += whole_samples(behind.max(0));
            known
        } else {
            let gap = match (self.origin, track.begun) {
                (Origin::File, false) => 0,
                _ => APART.max(elapsed),
            };
            self.add_shift(whole_samples(from + gap - doubt.first))
        };
        let by = self.shifts[shift];
        let track = &mut self.tracks[stream as usize];
        track.shift = shift;
        track.begun = true;
        track.end = doubt.end + by;
        track.arrived = doubt.since;
        self.note_shifts(stream, from);
        // A hole in a file is no jump: the windows report it, and slides last.
        if self.origin == Origin::Live || shift != before {
            self.doubts.jumps += 1;
            self.notes.push(Note::Jumped {
                stream,
                from: to_time(from),
                to: to_time(doubt.first),
                at: to_time(doubt.first + by),
            });
        }
        if stream == Stream::Sound {
            self.following.restart();
        }
        Held::From(to_time(doubt.first + by))
    }

    /// What was held back has wrong timestamps.
    fn refute(&mut self, stream: Stream, doubt: Doubt) -> Held {
        let track = &mut self.tracks[stream as usize];
        match stream {
            Stream::Picture => {
                self.doubts.discarded += doubt.blocks;
                Held::Drop
            }
            Stream::Sound => {
                let at = to_time(track.end);
                track.begun = true;
                track.end += doubt.length;
                track.arrived = doubt.since;
                self.doubts.continued += doubt.blocks;
                Held::Continues(at)
            }
        }
    }

    /// Where a block or frame belongs that nothing is held back before.
    fn place(&mut self, stream: Stream, raw: Ticks, length: Ticks, arrived: Instant) -> Place {
        let own = self.tracks[stream as usize];
        let elapsed = self.elapsed(&own, arrived);
        let late = match (stream, self.origin) {
            (Stream::Picture, Origin::Live) => self.following.off_by(),
            _ => 0,
        };
        let slack = if own.begun { NEAR } else { FIRST };
        let allowed = -NEAR..=slack + elapsed;
        let fits = |shift: usize| allowed.contains(&(raw + self.shifts[shift] - late - own.end));
        // Where the other stream has passed a splice, this one needs no second opinion.
        let joins = || Some(self.shifts.len() - 1).filter(|&last| last != own.shift && fits(last));
        let shift = match fits(own.shift) {
            true => Some(own.shift),
            false => joins(),
        };
        let Some(shift) = shift else {
            self.tracks[stream as usize].doubt = Some(Doubt {
                first: raw,
                end: raw + length,
                length,
                blocks: 1,
                since: arrived,
            });
            return Place::Hold;
        };
        if shift != own.shift {
            self.following.restart();
        }
        let at = raw + self.shifts[shift] - late;
        let place = match (stream, self.origin) {
            (Stream::Sound, Origin::Live) => self.following.place(at, own.end, length),
            _ => at,
        };
        // The windows see it by themselves; here it is counted and reported.
        if own.begun && stream == Stream::Sound && self.origin == Origin::Live {
            self.note_step(own.end, at, place);
        }
        let track = &mut self.tracks[stream as usize];
        let is_repeated = place + length < track.end && track.begun;
        track.shift = shift;
        track.begun = true;
        track.arrived = arrived;
        track.end = track.end.max(place + length);
        if stream == Stream::Sound && self.origin == Origin::Live {
            track.end = place + length;
        }
        if shift != own.shift {
            self.note_shifts(stream, own.end);
        }
        self.bring_together(stream);
        match stream {
            Stream::Picture if is_repeated => {
                self.doubts.discarded += 1;
                Place::Drop
            }
            // The windows skip it; it is counted here.
            Stream::Sound if is_repeated && self.origin == Origin::File => {
                self.doubts.discarded += 1;
                Place::At(to_time(place))
            }
            _ => Place::At(to_time(place)),
        }
    }

    /// Counts and reports where live sound does not continue by its samples.
    fn note_step(&mut self, from: Ticks, to: Ticks, at: Ticks) {
        if (at - from).abs() > STEP {
            self.doubts.jumps += 1;
            self.notes.push(Note::Jumped {
                stream: Stream::Sound,
                from: to_time(from),
                to: to_time(to),
                at: to_time(at),
            });
        }
    }
}

/// What is thought of timestamps that jumped.
enum Opinion {
    /// They may be right.
    Unsure,
    Right,
    Wrong,
    /// They are wrong, and the place that they would have had is taken.
    Extra,
}

#[cfg(test)]
mod tests;
