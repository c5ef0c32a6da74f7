//! Whether a file comes forward, or goes round in circles. Pure.
//!
//! A decoder or demuxer may deliver without end: the same time again and again, or a stretch
//! that it begins anew for ever. To the watchdog that looks for silence it is alive.

use std::time::{Duration, Instant};

use crate::time::MediaTime;

/// A file that delivers for this long, and no time later than before, is abandoned: as long
/// as one that delivers nothing.
const CEASED: Duration = Duration::from_secs(60);

/// And at least so often: who takes it may be slow.
const ARRIVALS: u64 = 100;

/// Times that go back by more than this begin another recording. Pictures out of order are
/// closer together.
const ANEW: u64 = 1_000_000_000;

/// Recordings in one file of which none comes further than one before: more than two days of
/// a camera that begins anew every ten seconds.
const MOST_ANEW: u64 = 20_000;

/// How far a file has come.
pub(super) struct Progress {
    sound: Track,
    picture: Track,
    /// When either last came further.
    advanced: Instant,
    /// What has arrived since.
    arrivals: u64,
}

#[derive(Default)]
struct Track {
    /// The latest time of the recording that it is in.
    latest: MediaTime,
    /// Of all recordings.
    furthest: MediaTime,
    /// How often it has begun anew and come no further.
    anew: u64,
    begun: bool,
}

impl Progress {
    pub fn new(now: Instant) -> Self {
        Self {
            sound: Track::default(),
            picture: Track::default(),
            advanced: now,
            arrivals: 0,
        }
    }

    /// A block of sound ends at this time.
    pub fn sound(&mut self, end: MediaTime, now: Instant) {
        let advances = self.sound.reaches(end);
        self.note(advances, now);
    }

    /// A picture is of this time.
    pub fn picture(&mut self, at: MediaTime, now: Instant) {
        let advances = self.picture.reaches(at);
        self.note(advances, now);
    }

    fn note(&mut self, advances: bool, now: Instant) {
        if advances {
            self.advanced = now;
            self.arrivals = 0;
        } else {
            self.arrivals += 1;
        }
    }

    /// Whether nothing more is to be expected.
    pub fn has_ceased(&self, now: Instant) -> bool {
        let stands =
            self.arrivals >= ARRIVALS && now.saturating_duration_since(self.advanced) > CEASED;
        stands || self.sound.anew.max(self.picture.anew) > MOST_ANEW
    }
}

impl Track {
    /// Whether it comes further by what is of this time.
    fn reaches(&mut self, at: MediaTime) -> bool {
        let advances = at > self.latest || !self.begun;
        self.begun = true;
        if at.0.saturating_add(ANEW) < self.latest.0 {
            self.anew += 1;
            self.latest = at;
            return true;
        }
        self.latest = self.latest.max(at);
        if self.latest > self.furthest {
            self.furthest = self.latest;
            self.anew = 0;
        }
        advances
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Whether a file whose pictures come every 10 ms has ceased by the last.
    fn ceases(times_ms: impl Iterator<Item = u64>) -> bool {
        let begun = Instant::now();
        let mut progress = Progress::new(begun);
        let mut now = begun;
        for ms in times_ms {
            now += Duration::from_millis(10);
            progress.picture(MediaTime(ms * MS), now);
        }
        progress.has_ceased(now)
    }

    #[test]
    fn what_stands_still_for_a_minute_has_ceased() {
        assert!(!ceases((0..20_000).map(|k| k * 40)));
        assert!(!ceases((0..5_900).map(|_| 7)));
        assert!(ceases((0..6_100).map(|_| 7)));
        // Back and forth within a second.
        assert!(ceases((0..6_200).map(|k| k % 20 * 40)));
        // It may wait for one that is slow to take it.
        let begun = Instant::now();
        let mut progress = Progress::new(begun);
        (0..5).for_each(|_| progress.picture(MediaTime(7), begun));
        assert!(!progress.has_ceased(begun + Duration::from_secs(600)));
        // The sound continues.
        let mut progress = Progress::new(begun);
        for second in 0..600 {
            let now = begun + Duration::from_secs(second);
            progress.picture(MediaTime(7), now);
            progress.sound(MediaTime(second * 1_000 * MS), now);
            assert!(!progress.has_ceased(now));
        }
    }

    #[test]
    fn recordings_may_begin_anew_but_not_for_ever() {
        let loops = |count: u64, ms: u64| (0..count * ms / 500).map(move |k| k * 500 % ms);
        assert!(!ceases(loops(15_000, 3_000)));
        assert!(ceases(loops(25_000, 3_000)));
        // Each comes further than the one before.
        let further = (0..300_u64).flat_map(|n| (0..n + 10).map(|k| k * 500));
        assert!(!ceases(further));
    }
}
