//! One row a clip: what people choose clips by.
//!
//! Belongs here: what a clip's seconds come to, and how far its sound matches its pictures
//! better than others'. Does not: files ([`crate::sink::clips`]), tensors.

mod chance;

use std::collections::BTreeMap;

pub use chance::{Chance, ChanceMeter, FEWEST_CLIPS};

use crate::result::{StreamName, Summary};

/// One second of a clip, as far as its row needs it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClipMoment {
    /// Counts the clip's moments from 0.
    pub seq: u64,
    /// Start of its window.
    pub start_ns: u64,
    /// End of its window.
    pub end_ns: u64,
    /// Probability that sound and picture correspond.
    pub correspondence: f32,
    /// Level of the sound.
    pub rms_dbfs: f32,
    /// It is silent.
    pub silent: bool,
    /// Its picture is the one before.
    pub still: bool,
    /// Its picture is black.
    pub black: bool,
    /// Width and height of the picture, in pixels.
    pub size: [u32; 2],
}

/// The end of a clip, as far as its row needs it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClipEnd {
    /// Its length in seconds.
    pub seconds: f64,
    /// Gaps.
    pub gaps: u64,
    /// Frames a second, if the file says so.
    pub fps: Option<f64>,
    /// Size of the file.
    pub bytes: Option<u64>,
    /// The model that judged it.
    pub model: Option<String>,
    /// Why it could not be read to its end.
    pub error: Option<String>,
    /// It was stopped before its end.
    pub interrupted: bool,
}

impl From<&Summary> for ClipEnd {
    fn from(summary: &Summary) -> Self {
        Self {
            seconds: summary.seconds,
            gaps: summary.gaps,
            fps: summary.fps,
            bytes: summary.bytes,
            model: summary.model.clone(),
            error: summary.error.clone(),
            interrupted: summary.interrupted,
        }
    }
}

/// A clip's row.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// Its stream.
    pub stream: StreamName,
    /// How it ended.
    pub end: ClipEnd,
    /// Seconds that were judged.
    pub moments: u64,
    /// Mean of their correspondence; none without moments, as all below.
    pub mean: Option<f64>,
    /// Its 10th percentile.
    pub p10: Option<f64>,
    /// Its median.
    pub p50: Option<f64>,
    /// Share of moments at or over the threshold.
    pub share_over: Option<f64>,
    /// The longest time without a moment at or over the threshold, in seconds.
    pub longest_mismatch_s: f64,
    /// Share of silent moments.
    pub silent: Option<f64>,
    /// Share of moments with the picture of the moment before.
    pub still: Option<f64>,
    /// Share of black moments.
    pub black: Option<f64>,
    /// Mean level of the sound, by power, in dBFS.
    pub level_dbfs: Option<f64>,
    /// Integrated loudness (EBU R128), in LUFS, if `--qc` measured it.
    pub loudness_lufs: Option<f64>,
    /// Width and height of most of its pictures, in pixels.
    pub size: Option<[u32; 2]>,
    /// How much better its sound matches its own pictures than others'.
    pub chance: Option<Chance>,
}

/// What is known of a clip so far.
#[derive(Clone, Debug, Default)]
pub struct ClipFacts {
    /// Its moments, in any order.
    pub moments: Vec<ClipMoment>,
    /// Its last end.
    pub end: Option<ClipEnd>,
    /// What `--qc` measured: integrated loudness, in LUFS.
    pub loudness_lufs: Option<f64>,
}

impl ClipFacts {
    /// The row, for a threshold of correspondence; `None` if the clip has not ended yet.
    pub fn row(
        mut self,
        stream: StreamName,
        threshold: f32,
        chance: Option<Chance>,
    ) -> Option<Clip> {
        let end = self.end.filter(|end| !end.interrupted)?;
        self.moments.sort_by_key(|moment| moment.seq);
        let moments = &self.moments;
        let share = |is: fn(&ClipMoment) -> bool| {
            let count = moments.iter().filter(|moment| is(moment)).count();
            share_of(count, moments.len())
        };
        let answers = moments
            .iter()
            .map(|moment| f64::from(moment.correspondence));
        let mut answers: Vec<f64> = answers.filter(|p| !p.is_nan()).collect();
        answers.sort_by(f64::total_cmp);
        let over = answers
            .iter()
            .filter(|p| **p >= f64::from(threshold))
            .count();
        let power = moments
            .iter()
            .map(|m| 10_f64.powf(f64::from(m.rms_dbfs) / 10.0));
        let power = power.sum::<f64>() / moments.len() as f64;
        Some(Clip {
            stream,
            moments: moments.len() as u64,
            mean: (!answers.is_empty()).then(|| answers.iter().sum::<f64>() / answers.len() as f64),
            p10: percentile(&answers, 0.1),
            p50: percentile(&answers, 0.5),
            share_over: share_of(over, answers.len()),
            longest_mismatch_s: longest_under(moments, threshold),
            silent: share(|moment| moment.silent),
            still: share(|moment| moment.still),
            black: share(|moment| moment.black),
            level_dbfs: (!moments.is_empty()).then(|| 10.0 * power.log10()),
            loudness_lufs: self.loudness_lufs,
            size: most_frequent(moments.iter().map(|moment| moment.size)),
            chance,
            end,
        })
    }
}

fn share_of(count: usize, of: usize) -> Option<f64> {
    (of > 0).then(|| count as f64 / of as f64)
}

/// Between the two nearest values, as numpy's default.
fn percentile(sorted: &[f64], part: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = part * last as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(low + (high - low) * at.fract())
}

/// The longest time that moments under the threshold cover without one over it, or a gap,
/// between them.
fn longest_under(moments: &[ClipMoment], threshold: f32) -> f64 {
    let (mut longest, mut run): (u64, Option<[u64; 2]>) = (0, None);
    for moment in moments {
        if moment.correspondence >= threshold || moment.correspondence.is_nan() {
            run = None;
            continue;
        }
        let begin = run
            .filter(|[_, end]| moment.start_ns <= *end)
            .map(|[begin, _]| begin);
        let begin = begin.unwrap_or(moment.start_ns);
        longest = longest.max(moment.end_ns - begin);
        run = Some([begin, moment.end_ns]);
    }
    longest as f64 / 1e9
}

fn most_frequent<T: Ord>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.map(|(value, _)| value)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
