//! A stream that is watched: its status, and what of its timeline is not on disk yet.

use std::collections::BTreeMap;
use std::time::Duration;

use l3net_data::event::JudgedMoment;
use l3net_data::result::{Gap, GapReason, StreamName};

use crate::detect::Detectors;
use crate::status::{StreamState, StreamStatus};
use crate::store::{Minute, Writer};
use crate::time::UtcMs;

/// Minutes that wait for a disk that is full: a day.
const WAITING_MINUTES: usize = 1440;
/// Gaps that wait for it.
const WAITING_GAPS: usize = 10_000;

/// One stream.
pub(super) struct Watched {
    pub status: StreamStatus,
    pub detectors: Detectors,
    /// The minute that goes on, and those that could not be kept yet.
    minutes: BTreeMap<i64, Minute>,
    gaps: Vec<(UtcMs, UtcMs, GapReason)>,
    /// Wall time of stream time zero, by the newest moment.
    origin_ms: Option<i64>,
    /// When it last delivered.
    delivered: UtcMs,
    /// The second of the last picture.
    pictured: Option<i64>,
    pictures: u64,
}

impl Watched {
    /// A stream that has not delivered yet.
    pub fn new(status: StreamStatus, detectors: Detectors) -> Self {
        Self {
            delivered: status.since_ms,
            status,
            detectors,
            minutes: BTreeMap::new(),
            gaps: Vec::new(),
            origin_ms: None,
            pictured: None,
            pictures: 0,
        }
    }

    /// Takes a moment that ended at `at` and was judged at `now`.
    pub fn take(&mut self, moment: &JudgedMoment, at: UtcMs, now: UtcMs, lag_s: f32) {
        let verdict = &moment.verdict;
        self.deliver(now);
        self.origin_ms = i64::try_from(verdict.end_ns.0 / 1_000_000)
            .ok()
            .map(|end| at.0 - end);
        // A second is named by its beginning, and the moment is of the second before its end.
        let second = self.second_mut(at.minus(Duration::from_millis(1)));
        second.add(verdict.correspondence, verdict.audio.rms_dbfs);
        second.silent |= verdict.audio.silent;
        second.still |= verdict.video.still;
        second.black |= verdict.video.black;
        let status = &mut self.status;
        status.last_ms = Some(at);
        status.correspondence = finite(verdict.correspondence);
        status.z_score = verdict.z_score.and_then(finite);
        status.level_dbfs = finite(verdict.audio.rms_dbfs);
        status.lag_s = lag_s;
        status.width = Some(verdict.video.width);
        status.height = Some(verdict.video.height);
        status.peak = Some(verdict.heatmap.peak);
        if moment.evidence.picture.is_some() {
            self.pictures += 1;
            // Another run counts from one again.
            status.picture = Some(format!("{:x}-{}", at.0, self.pictures));
        }
    }

    /// Something comes of a stream that had ended: it was opened anew, and its time began
    /// anew.
    pub fn begin_again(&mut self, now: UtcMs) {
        if self.status.state == StreamState::Ended {
            self.origin_ms = None;
            self.delivered = now;
            self.set_state(StreamState::Reconnecting, now);
        }
    }

    /// Takes a gap.
    pub fn take_gap(&mut self, gap: &Gap, begin: UtcMs, end: UtcMs, now: UtcMs) {
        match gap.why {
            GapReason::Discontinuity => {}
            _ => self.deliver(now),
        }
        if self.gaps.len() < WAITING_GAPS {
            self.gaps.push((begin, end, gap.why));
        }
    }

    /// When a gap was, by the wall clock.
    pub fn utc_of(&self, gap: &Gap, now: UtcMs) -> (UtcMs, UtcMs) {
        let ms = |ns: u64| i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX);
        let (start, end) = (ms(gap.start_ns.0), ms(gap.end_ns.0));
        // Before the first moment: it has just ended.
        let origin = self.origin_ms.unwrap_or(now.0.saturating_sub(end));
        (
            UtcMs(origin.saturating_add(start)),
            UtcMs(origin.saturating_add(end)),
        )
    }

    pub fn set_state(&mut self, state: StreamState, now: UtcMs) {
        if self.status.state != state {
            self.status.state = state;
            self.status.since_ms = now;
        }
    }

    /// Since when it has delivered nothing.
    pub fn quiet_since(&self) -> UtcMs {
        self.delivered
    }

    /// Whether this second has no picture yet.
    pub fn wants_picture(&mut self, at: UtcMs) -> bool {
        let second = at.0.div_euclid(1000);
        self.pictured.replace(second) != Some(second)
    }

    /// Keeps what is not on disk yet.
    pub fn save(&self, name: &StreamName, writer: &Writer<'_>) -> rusqlite::Result<()> {
        let mut minutes = self.minutes.values();
        minutes.try_for_each(|minute| writer.minute(name, minute))?;
        let mut gaps = self.gaps.iter();
        gaps.try_for_each(|&(begin, end, why)| writer.gap(name, begin, end, why))
    }

    /// All is on disk: only the minute that goes on is needed.
    pub fn saved(&mut self) {
        self.gaps.clear();
        let now = self.status.last_ms.map(Minute::number_of);
        self.minutes.retain(|number, _| Some(*number) == now);
    }

    fn deliver(&mut self, now: UtcMs) {
        if self.status.state == StreamState::Reconnecting {
            metrics::counter!("l3net_reconnects_total", "stream" => self.status.name.clone())
                .increment(1);
        }
        self.delivered = now;
        self.set_state(StreamState::Live, now);
    }

    fn second_mut(&mut self, at: UtcMs) -> &mut crate::store::Second {
        let number = Minute::number_of(at);
        if !self.minutes.contains_key(&number) && self.minutes.len() >= WAITING_MINUTES {
            self.minutes.pop_first();
        }
        let minute = self.minutes.entry(number);
        minute.or_insert_with(|| Minute::new(number)).second_mut(at)
    }
}

fn finite(value: f32) -> Option<f32> {
    value.is_finite().then_some(value)
}
