//! When events of a stream begin and end.
//!
//! Belongs here: pure state machines over verdicts, gaps and the time. Does not: what is done
//! with an event ([`crate::monitor`]).
//!
//! | kind | holds | is over |
//! |---|---|---|
//! | mute | level under `below_dbfs`, or sound is missing | 3 dB over it |
//! | frozen | the picture has not changed | it has |
//! | black | the picture is black | it is not |
//! | lost | no moment, or no picture | a moment |
//! | loud | level `over_db` over the stream's median | 6 dB less |
//! | out_of_sync | the timestamps of the sound have become early by `sound_early_ms` or late by `sound_late_ms` against the picture's, since the stream was opened | 10 ms less |
//! | mismatch | average of the judgements `sigmas` spreads under the stream's median; of a camera that the model knows also an average z-score under [`FOREIGN_Z`] | half of `sigmas`, and a z-score over [`OWN_Z`] |
//!
//! Levels of correspondence differ from model to model and from stream to stream, so a
//! mismatch is one against the stream's own normal. A stream that has been cross-wired from
//! its first second on has no other normal: only a model that was adapted to the camera sees
//! that.

mod histogram;
mod latch;
mod mismatch;

use std::time::Duration;

use l3net_data::result::{Gap, GapReason, Verdict};
use serde::{Deserialize, Serialize};

pub use histogram::Histogram;
pub use latch::{Condition, Edge, Latch};
pub use mismatch::{FOREIGN_Z, OWN_Z};

use crate::event::Kind;
use crate::settings::Detect;
use crate::status::Normal;
use crate::time::UtcMs;
use mismatch::Correspondence;

/// Moments with sound until the level's normal is known.
const LEVELS_KNOWN: f32 = 60.0;
/// Half of the normal is of the last hours: 4 h of seconds.
const HALF_LIFE: f32 = 14_400.0;
/// Nothing arrives for less than this between moments, with some lateness.
const QUIET: Duration = Duration::from_secs(3);
/// Hysteresis of levels.
const MUTE_HYSTERESIS_DB: f32 = 3.0;
const LOUD_HYSTERESIS_DB: f32 = 6.0;
/// Of the drift of sound against picture.
const SYNC_HYSTERESIS_MS: f32 = 10.0;

/// What an observation has made of a kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// The kind of event.
    pub kind: Kind,
    /// It begins or ends; `None` if it goes on.
    pub edge: Option<Edge>,
    /// How far it is over its threshold, 0 to 1.
    pub score: f32,
}

/// What is normal for a stream, as it is kept over restarts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normals {
    /// The model that judged: another one differs in level.
    model: String,
    /// Of single moments: differences of the logits.
    margins: Histogram,
    /// Of their averages, which a mismatch is found in.
    averages: Histogram,
    /// dBFS of moments that are not silent.
    levels: Histogram,
}

impl Normals {
    /// Of a stream of which nothing is known, judged by this model.
    pub fn new(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            margins: Histogram::new(-20.0, 20.0, HALF_LIFE),
            averages: Histogram::new(-20.0, 20.0, HALF_LIFE),
            levels: Histogram::new(-120.0, 20.0, HALF_LIFE),
        }
    }

    /// What of it holds for another model: the levels of the sound.
    #[must_use]
    pub fn for_model(self, model: &str) -> Self {
        match self.model == model {
            true => self,
            false => Self {
                levels: self.levels,
                ..Self::new(model)
            },
        }
    }

    /// Whether it can be used, for one that was read from a file.
    pub fn is_valid(&self) -> bool {
        [&self.margins, &self.averages, &self.levels]
            .into_iter()
            .all(Histogram::is_valid)
    }
}

/// The detectors of one stream.
#[derive(Clone, Debug)]
pub struct Detectors {
    settings: Detect,
    normals: Normals,
    correspondence: Correspondence,
    latches: [Latch; Kind::ALL.len()],
    /// End of the latest moment.
    last_moment: Option<UtcMs>,
    /// By how many milliseconds the sound has become early.
    drift_ms: Option<f32>,
}

impl Detectors {
    /// Of a stream with the normals of an earlier run.
    pub fn new(settings: Detect, normals: Normals) -> Self {
        let latches = Kind::ALL.map(|kind| {
            let (after, clear) = times(&settings, kind);
            Latch::new(after, clear)
        });
        Self {
            correspondence: Correspondence::default(),
            settings,
            normals,
            latches,
            last_moment: None,
            drift_ms: None,
        }
    }

    /// What is normal, to be kept.
    pub fn normals(&self) -> &Normals {
        &self.normals
    }

    /// Takes other settings; events that go on stay.
    pub fn set(&mut self, settings: Detect) {
        for kind in Kind::ALL {
            let (after, clear) = times(&settings, kind);
            self.latch(kind).set_times(after, clear);
        }
        self.settings = settings;
    }

    /// Takes answers of another model from now on.
    pub fn set_model(&mut self, model: &str) {
        if self.normals.model != model {
            let normals = std::mem::replace(&mut self.normals, Normals::new(model));
            self.normals = normals.for_model(model);
            self.correspondence = Correspondence::default();
        }
    }

    /// Goes on with an event of an earlier run.
    pub fn resume(&mut self, kind: Kind) {
        self.latch(kind).resume();
    }

    /// By how many milliseconds the sound has become early against the picture, for the
    /// moments that follow; `None` while it is not known.
    pub fn set_drift(&mut self, sound_early_ms: Option<f32>) {
        self.drift_ms = sound_early_ms;
    }

    /// Whether an event of this kind goes on.
    pub fn is_on(&self, kind: Kind) -> bool {
        self.latches[index(kind)].is_on()
    }

    /// The stream's own correspondence, once enough is known.
    pub fn normal(&self) -> Option<Normal> {
        let margins = &self.normals.margins;
        let known = margins.weight() >= self.settings.mismatch.learn_s.0 as f32;
        known.then(|| Normal {
            low: sigmoid(margins.quantile(0.05)),
            median: sigmoid(margins.quantile(0.5)),
        })
    }

    /// Takes a moment that ended at `to`. Kinds that are off or have nothing to say are not
    /// in the answer.
    pub fn moment(&mut self, verdict: &Verdict, to: UtcMs) -> Vec<Finding> {
        let length = verdict.end_ns.0.saturating_sub(verdict.start_ns.0);
        let from = to.minus(Duration::from_nanos(length));
        // What overlaps the moment before counts once.
        let fresh_from = self.last_moment.map_or(from, |last| last.max(from));
        let fresh = to.since(fresh_from).as_secs_f32();
        self.last_moment = Some(to);
        let mismatch = self.mismatch(verdict, to, fresh);
        let level = self.level(verdict, fresh);
        let video = verdict.video;
        let holds = |holds: bool| match holds {
            true => Condition::Holds(1.0),
            false => Condition::Over,
        };
        let conditions = [
            (Kind::Lost, Condition::Over),
            (Kind::Mute, self.mute(verdict.audio.rms_dbfs)),
            (Kind::Frozen, holds(video.still)),
            (Kind::Black, holds(video.black)),
            (Kind::Loud, level),
            (Kind::Mismatch, mismatch),
            (Kind::OutOfSync, self.sync()),
        ];
        conditions
            .into_iter()
            .filter_map(|(kind, condition)| self.observe(kind, from, to, condition))
            .collect()
    }

    /// Takes a gap that ended at `to`.
    pub fn gap(&mut self, gap: &Gap, to: UtcMs) -> Vec<Finding> {
        let length = gap.end_ns.0.saturating_sub(gap.start_ns.0);
        let from = to.minus(Duration::from_nanos(length));
        let conditions = match gap.why {
            GapReason::NoAudio => vec![
                (Kind::Lost, Condition::Over),
                (Kind::Mute, Condition::Holds(1.0)),
            ],
            GapReason::NoVideo => vec![(Kind::Lost, Condition::Holds(1.0))],
            GapReason::Overload => vec![(Kind::Lost, Condition::Over)],
            // Told when the stream is back; ticks have counted the time.
            GapReason::Discontinuity => Vec::new(),
        };
        conditions
            .into_iter()
            .filter_map(|(kind, condition)| self.observe(kind, from, to, condition))
            .collect()
    }

    /// Takes the time, where nothing has arrived since `quiet_since`.
    pub fn tick(&mut self, quiet_since: UtcMs, now: UtcMs) -> Option<Finding> {
        // Between two moments nothing arrives either.
        if now.since(quiet_since) < QUIET {
            return None;
        }
        self.observe(Kind::Lost, quiet_since, now, Condition::Holds(1.0))
    }

    /// Ends what goes on: the stream is over, or the kind was switched off.
    pub fn end(&mut self, kind: Kind, now: UtcMs) -> Option<Finding> {
        let edge = self.latch(kind).end(now)?;
        Some(Finding {
            kind,
            edge: Some(edge),
            score: 0.0,
        })
    }

    fn latch(&mut self, kind: Kind) -> &mut Latch {
        &mut self.latches[index(kind)]
    }

    fn observe(
        &mut self,
        kind: Kind,
        from: UtcMs,
        to: UtcMs,
        condition: Condition,
    ) -> Option<Finding> {
        if !is_enabled(&self.settings, kind) {
            return self.end(kind, to);
        }
        let latch = self.latch(kind);
        let edge = latch.observe(from, to, condition);
        let score = match condition {
            Condition::Holds(score) => score.clamp(0.0, 1.0),
            _ => 0.0,
        };
        (edge.is_some() || latch.is_on()).then_some(Finding { kind, edge, score })
    }

    fn mute(&self, dbfs: f32) -> Condition {
        let below = self.settings.mute.below_dbfs;
        if dbfs < below {
            let room = (below - l3net_data::result::SILENCE_FLOOR_DBFS).max(1.0);
            Condition::Holds(0.5 + 0.5 * (below - dbfs) / room)
        } else if dbfs > below + MUTE_HYSTERESIS_DB {
            Condition::Over
        } else {
            Condition::Unclear
        }
    }

    fn sync(&self) -> Condition {
        let settings = &self.settings.out_of_sync;
        // It was opened anew, or its times jumped: what was is over.
        let Some(early) = self.drift_ms else {
            return Condition::Over;
        };
        let (off, most) = match early > 0.0 {
            true => (early, settings.sound_early_ms),
            false => (-early, settings.sound_late_ms),
        };
        if off > most {
            // Twice the thresholds of EBU R37 is near what ITU-R BT.1359 calls the limit of
            // what viewers accept (90 ms early, 185 ms late).
            Condition::Holds(off / most / 2.0)
        } else if off < most - SYNC_HYSTERESIS_MS {
            Condition::Over
        } else {
            Condition::Unclear
        }
    }

    fn level(&mut self, verdict: &Verdict, weight: f32) -> Condition {
        let (dbfs, settings) = (verdict.audio.rms_dbfs, &self.settings.loud);
        let levels = &mut self.normals.levels;
        let condition = if levels.weight() < LEVELS_KNOWN {
            Condition::Unclear
        } else {
            let from = (levels.quantile(0.5) + settings.over_db).max(settings.above_dbfs);
            if dbfs > from {
                Condition::Holds(0.5 + (dbfs - from) / 40.0)
            } else if dbfs < from - LOUD_HYSTERESIS_DB {
                Condition::Over
            } else {
                Condition::Unclear
            }
        };
        if !verdict.audio.silent {
            levels.add(dbfs, weight);
        }
        condition
    }

    fn mismatch(&mut self, verdict: &Verdict, to: UtcMs, weight: f32) -> Condition {
        if verdict.audio.silent {
            // Silence says nothing of whose sound it is.
            return Condition::Unclear;
        }
        let is_on = self.is_on(Kind::Mismatch);
        let settings = &self.settings.mismatch;
        let condition = self
            .correspondence
            .condition(verdict, to, settings, &self.normals);
        // A stream that has changed for good becomes normal in the end, ten times as slowly.
        let weight = if is_on { weight / 10.0 } else { weight };
        self.normals.margins.add(margin(verdict), weight);
        if let Some(average) = self.correspondence.average() {
            self.normals.averages.add(average, weight);
        }
        condition
    }
}

/// Difference of the logits.
fn margin(verdict: &Verdict) -> f32 {
    verdict.logits[1] - verdict.logits[0]
}

fn sigmoid(margin: f32) -> f32 {
    1.0 / (1.0 + (-margin).exp())
}

fn index(kind: Kind) -> usize {
    kind as usize
}

fn is_enabled(settings: &Detect, kind: Kind) -> bool {
    match kind {
        Kind::Mismatch => settings.mismatch.enabled,
        Kind::Mute => settings.mute.enabled,
        Kind::Frozen => settings.frozen.enabled,
        Kind::Black => settings.black.enabled,
        Kind::Lost => settings.lost.enabled,
        Kind::Loud => settings.loud.enabled,
        Kind::OutOfSync => settings.out_of_sync.enabled,
    }
}

fn times(settings: &Detect, kind: Kind) -> (Duration, Duration) {
    let (after, clear) = match kind {
        Kind::Mismatch => (settings.mismatch.after_s, settings.mismatch.clear_s),
        Kind::Mute => (settings.mute.after_s, settings.mute.clear_s),
        Kind::Frozen => (settings.frozen.after_s, settings.frozen.clear_s),
        Kind::Black => (settings.black.after_s, settings.black.clear_s),
        Kind::Lost => (settings.lost.after_s, settings.lost.clear_s),
        Kind::Loud => (settings.loud.after_s, settings.loud.clear_s),
        Kind::OutOfSync => (settings.out_of_sync.after_s, settings.out_of_sync.clear_s),
    };
    (after.get(), clear.get())
}

#[cfg(test)]
mod tests;
