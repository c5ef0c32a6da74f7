//! Whether sound and picture have stopped belonging together.

use std::collections::VecDeque;
use std::time::Duration;

use l3net_data::result::Verdict;

use super::latch::Condition;
use super::{Normals, margin};
use crate::settings::Mismatch;
use crate::time::UtcMs;

/// An average z-score that other cameras' sounds have, too.
pub const FOREIGN_Z: f32 = 0.5;
/// An average z-score that is this camera's own.
pub const OWN_Z: f32 = 1.0;
/// Spreads of a stream whose judgements hardly vary are taken as this, in differences of
/// logits: else the smallest change would be many of them.
const MIN_SPREAD: f32 = 0.3;
/// A moment is of the second before it.
const WINDOW: Duration = Duration::from_secs(1);

/// The latest judgements of moments that have sound.
#[derive(Clone, Debug, Default)]
pub(super) struct Correspondence {
    latest: VecDeque<Judged>,
    /// They span at least half of the averaging time. Silent moments are not among them.
    full: bool,
}

#[derive(Clone, Copy, Debug)]
struct Judged {
    at: UtcMs,
    margin: f32,
    z_score: Option<f32>,
}

impl Correspondence {
    /// Takes a moment; what it says with those before it.
    pub fn condition(
        &mut self,
        verdict: &Verdict,
        at: UtcMs,
        settings: &Mismatch,
        normals: &Normals,
    ) -> Condition {
        let margin = margin(verdict);
        if !margin.is_finite() {
            return Condition::Unclear;
        }
        let over = settings.over_s.get();
        self.latest.push_back(Judged {
            at,
            margin,
            z_score: verdict.z_score,
        });
        // Also those from the future: the clock was set back.
        let is_old = |first: &Judged| first.at > at || at.since(first.at) >= over;
        while self.latest.front().is_some_and(is_old) {
            self.latest.pop_front();
        }
        let reach = self.latest.front().map(|first| at.since(first.at));
        self.full = reach.is_some_and(|reach| (reach + WINDOW) * 2 >= over);
        let Some(average) = self.average() else {
            return Condition::Unclear;
        };
        let foreign = self.average_z().map(|z| z < FOREIGN_Z);
        let own = self.average_z().is_none_or(|z| z > OWN_Z);
        let known = normals.averages.weight() >= settings.learn_s.0 as f32;
        let sigmas = known.then(|| {
            let averages = &normals.averages;
            let median = averages.quantile(0.5);
            let spread = (median - averages.quantile(0.16)).max(MIN_SPREAD);
            (median - average) / spread
        });
        let is_under = sigmas.is_some_and(|sigmas| sigmas >= settings.sigmas);
        if is_under || foreign == Some(true) {
            let over = sigmas.map_or(0.0, |sigmas| sigmas / settings.sigmas.max(0.1) - 1.0);
            return Condition::Holds(0.5 + over.clamp(0.0, 1.0) / 2.0);
        }
        match sigmas {
            Some(sigmas) if own && sigmas <= settings.sigmas / 2.0 => Condition::Over,
            None if foreign.is_some() && own => Condition::Over,
            _ => Condition::Unclear,
        }
    }

    /// The average, once it is over enough of the time.
    pub fn average(&self) -> Option<f32> {
        let count = self.latest.len() as f32;
        let sum: f32 = self.latest.iter().map(|judged| judged.margin).sum();
        self.full.then(|| sum / count)
    }

    fn average_z(&self) -> Option<f32> {
        let scores = self.latest.iter().map(|judged| judged.z_score);
        let sum: f32 = scores.sum::<Option<f32>>()?;
        self.full.then(|| sum / self.latest.len() as f32)
    }
}
