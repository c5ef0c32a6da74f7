//! Sound of a live source continues by its samples, and follows its timestamps slowly.
//!
//! Belongs here: how far a block of live sound lies from its timestamp. Does not: steps of
//! over a second (`timeline`), inserting and cutting samples (the windows).
//!
//! The timestamps of live sources jitter, by the network and by senders that send in
//! bursts, and the clock of the sound may drift against them. The two are told apart by
//! what the timestamps of the last second agree on: where all of them are later (or all
//! earlier) than the samples, they are right by the least of it. Of jitter nothing is
//! left; a clock that drifts by 2 % is followed 30 ms behind.

use super::ticks::{MS, SECOND, Ticks};
use super::{NEAR, STEP};

/// Timestamps that disagree by more than this for over a second end the window, as in
/// GStreamer's audio sinks (`alignment-threshold`, `discont-wait`). To it comes how far
/// the timestamps of the ten seconds before disagree among themselves.
const ALIGNMENT: Ticks = 40 * MS;

/// What the timestamps agree on is made good within about this time.
const FOLLOW_WITHIN: Ticks = SECOND / 2;

/// But by no more than a twentieth of the sound: a step of 40 ms takes a second.
const FASTEST: Ticks = 20;

/// Until so much has been heard, what the newest timestamps disagree by counts as jitter, so
/// that sound and picture of a source that sends in bursts belong together from the start.
const KNOWN: Ticks = 3 * SECOND;

/// Sound that follows its timestamps.
#[derive(Debug)]
pub(super) struct Following {
    /// How far timestamps lie after the samples, both counted from the last restart.
    recent: Extremes,
    earlier: Extremes,
    /// Where it was restarted or last broke off; `None` before the first block.
    begun: Option<Ticks>,
    /// What has been followed since.
    corrected: Ticks,
    /// How far the last timestamp lay after its block, within the usual jitter.
    off_by: Ticks,
    hole: bool,
}

impl Default for Following {
    fn default() -> Self {
        Self {
            recent: Extremes::new(SECOND / 10),
            earlier: Extremes::new(SECOND),
            begun: None,
            corrected: 0,
            off_by: 0,
            hole: false,
        }
    }
}

impl Following {
    /// The next block is where its timestamp says.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }

    /// Blocks were dropped: the next step ahead is a hole.
    pub(super) fn expect_a_hole(&mut self) {
        self.hole = true;
    }

    /// By how much timestamps are late at the moment through jitter. Those of pictures
    /// are mostly late by the same.
    pub(super) fn off_by(&self) -> Ticks {
        self.off_by
    }

    /// Where a block of this length with the timestamp `at` belongs, if the last one ended
    /// at `end`.
    pub(super) fn place(&mut self, at: Ticks, end: Ticks, length: Ticks) -> Ticks {
        let ahead = at - end;
        let is_hole = self.hole && ahead > STEP;
        let Some(begun) = self.begun.filter(|_| !is_hole && ahead.abs() <= NEAR) else {
            self.restart();
            self.begun = Some(at);
            return at;
        };
        let off = ahead + self.corrected;
        self.recent.note(end, off);
        self.earlier.note(end, off);
        let agreed = match self.recent.span(0) {
            Some((least, _)) if end - begun > SECOND && least > self.corrected => {
                least - self.corrected
            }
            Some((_, most)) if end - begun > SECOND && most < self.corrected => {
                most - self.corrected
            }
            _ => 0,
        };
        // The last two may hold what is being judged. At first they are all there is.
        let without = if end - begun < KNOWN { 0 } else { 2 };
        let spans = self.earlier.span(without);
        let jitter = spans.map_or(0, |(least, most)| most - least);
        let step = if agreed.abs() > ALIGNMENT + jitter.min(NEAR) {
            self.begun = Some(end);
            agreed
        } else {
            let most = length / FASTEST;
            (agreed * length / FOLLOW_WITHIN).clamp(-most, most)
        };
        self.corrected += step;
        self.off_by = (ahead - step).clamp(-jitter, jitter);
        end + step
    }
}

/// The least and the greatest value in each of the last steps of time.
#[derive(Debug)]
struct Extremes {
    step: Ticks,
    newest: Ticks,
    spans: [Option<(Ticks, Ticks)>; Self::STEPS],
}

impl Extremes {
    /// Ten whole steps, and the one that is under way.
    const STEPS: usize = 11;

    fn new(step: Ticks) -> Self {
        Self {
            step,
            newest: 0,
            spans: [None; Self::STEPS],
        }
    }

    fn note(&mut self, time: Ticks, value: Ticks) {
        let now = time / self.step;
        for passed in (self.newest + 1..=now).rev().take(Self::STEPS) {
            self.spans[slot(passed)] = None;
        }
        self.newest = self.newest.max(now);
        let span = &mut self.spans[slot(now)];
        let (least, most) = span.unwrap_or((value, value));
        *span = Some((least.min(value), most.max(value)));
    }

    /// Over all steps but the newest `without`.
    fn span(&self, without: usize) -> Option<(Ticks, Ticks)> {
        let steps = (0..Self::STEPS as Ticks).skip(without);
        let spans = steps.filter_map(|ago| self.spans[slot(self.newest - ago)]);
        spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }
}

fn slot(step: Ticks) -> usize {
    usize::try_from(step.rem_euclid(Extremes::STEPS as Ticks)).unwrap_or(0)
}
