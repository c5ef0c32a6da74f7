//! What an output already holds of each stream, and so which records are new.
//!
//! Belongs here: the rule that each moment is written exactly once. Does not: files.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::features::Crop;
use crate::result::{GapReason, Record, StreamName};
use crate::time::{Hop, SamplePos};

/// Times between moments that differ by at most this are equal.
const ROUNDING_NS: u64 = 1_000;

/// What an output holds of every stream.
#[derive(Clone, Debug, Default)]
pub struct ArchiveIndex {
    /// Boxed, or the free places of the map would be as large.
    streams: HashMap<StreamName, Box<ArchivedStream>>,
    /// The last model that was met: nearly always that of all streams.
    model: Option<Arc<str>>,
}

/// What an output holds of one stream. There may be a million, so what is mostly empty
/// takes little.
#[derive(Clone, Debug, Default)]
pub struct ArchivedStream {
    finished: bool,
    /// Crop of the last moment.
    crop: Option<Crop>,
    /// The model, from the last summary that has it.
    model: Option<Arc<str>>,
    /// Whether key frames alone were decoded, from the last summary with moments.
    keyframes: Option<bool>,
    /// Size of the file, from the last summary that has it.
    bytes: Option<u64>,
    /// All moments below this one are there …
    below: u64,
    /// … and these above it. Usually empty, as moments are in order; needed to fill up a file
    /// from which lines were removed.
    above: BTreeSet<u64>,
    correspondence_sum: f64,
    correspondences: u64,
    /// Number and start of the last moment.
    last: Option<(u64, u64)>,
    /// The shortest time from one moment to the next, and how often it occurred. Longer times
    /// mean that something is missing in between.
    hop: Option<(u64, u64)>,
    gaps: BTreeSet<(u64, GapReason)>,
    /// Summaries of unfinished tries: moments, gaps and, if it failed, the cause. A further
    /// try with the same values is not new.
    unfinished: BTreeSet<(u64, u64, Option<String>)>,
    errors: BTreeSet<String>,
    /// Sizes of the files that were measured: another one under the same name is measured
    /// again.
    measured: BTreeSet<Option<u64>>,
}

/// The part of a record that identifies it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub stream: &'a str,
    pub kind: EntryKind<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum EntryKind<'a> {
    Moment {
        seq: u64,
        start_ns: u64,
        crop: Option<Crop>,
        correspondence: f32,
    },
    Gap {
        start_ns: u64,
        why: GapReason,
    },
    Qc {
        bytes: Option<u64>,
    },
    Summary(End<'a>),
    Error {
        text: &'a str,
    },
}

/// The part of a summary that identifies it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End<'a> {
    pub moments: u64,
    pub gaps: u64,
    pub model: Option<&'a str>,
    pub bytes: Option<u64>,
    pub keyframes: bool,
    pub interrupted: bool,
    pub error: Option<&'a str>,
}

impl End<'_> {
    fn is_whole(&self) -> bool {
        !self.interrupted && self.error.is_none()
    }

    fn key(&self) -> (u64, u64, Option<String>) {
        (self.moments, self.gaps, self.error.map(str::to_owned))
    }
}

impl<'a> From<&'a Record> for Entry<'a> {
    fn from(record: &'a Record) -> Self {
        let kind = match record {
            Record::Moment(m) => EntryKind::Moment {
                seq: m.seq,
                start_ns: m.start_ns.0,
                crop: Some(m.heatmap.crop),
                correspondence: m.correspondence,
            },
            Record::Gap(g) => EntryKind::Gap {
                start_ns: g.start_ns.0,
                why: g.why,
            },
            Record::Qc(q) => EntryKind::Qc { bytes: q.bytes },
            Record::Summary(s) => EntryKind::Summary(End {
                moments: s.moments,
                gaps: s.gaps,
                model: s.model.as_deref(),
                bytes: s.bytes,
                keyframes: s.keyframes,
                interrupted: s.interrupted,
                error: s.error.as_deref(),
            }),
            Record::Error(e) => EntryKind::Error { text: &e.error },
        };
        Self {
            stream: record.stream(),
            kind,
        }
    }
}

impl ArchiveIndex {
    /// What the output holds of a stream, if anything.
    pub fn stream(&self, name: &str) -> Option<&ArchivedStream> {
        self.streams.get(name).map(|stream| &**stream)
    }

    /// All streams with a record.
    pub fn streams(&self) -> impl Iterator<Item = (&StreamName, &ArchivedStream)> {
        self.streams.iter().map(|(name, stream)| (name, &**stream))
    }

    /// Whether the stream need not be decoded again: it has a summary without error or
    /// interruption, and no error after it.
    pub fn is_finished(&self, name: &str) -> bool {
        self.stream(name).is_some_and(|s| s.finished)
    }

    /// Whether a file of this name and size has been measured.
    pub fn is_measured(&self, name: &str, bytes: Option<u64>) -> bool {
        self.stream(name)
            .is_some_and(|stream| stream.measured.contains(&bytes))
    }

    /// Whether the stream is finished but its file had another size. Unfinished streams are
    /// resumed whatever the size: a file that failed may have been repaired.
    pub fn is_of_another(&self, name: &str, bytes: Option<u64>) -> bool {
        let finished = self.stream(name).filter(|stream| stream.finished);
        let there = finished.and_then(|stream| stream.bytes);
        matches!((there, bytes), (Some(there), Some(now)) if there != now)
    }

    /// Whether the output does not hold this record yet.
    pub(crate) fn is_new(&self, entry: &Entry<'_>) -> bool {
        let Some(stream) = self.streams.get(entry.stream) else {
            return true;
        };
        match entry.kind {
            EntryKind::Moment { seq, .. } => seq >= stream.below && !stream.above.contains(&seq),
            EntryKind::Gap { start_ns, why } => !stream.gaps.contains(&(start_ns, why)),
            EntryKind::Qc { bytes } => !stream.measured.contains(&bytes),
            EntryKind::Summary(end) => {
                !stream.finished && (end.is_whole() || !stream.unfinished.contains(&end.key()))
            }
            EntryKind::Error { text } => !stream.errors.contains(text),
        }
    }

    /// Adds a record; false (and no change) if it is already there.
    pub(crate) fn admit(&mut self, entry: &Entry<'_>) -> bool {
        if !self.is_new(entry) {
            return false;
        }
        if !self.streams.contains_key(entry.stream) {
            self.streams.insert(entry.stream.into(), Box::default());
        }
        let stream = self.streams.get_mut(entry.stream).expect("just put there");
        match entry.kind {
            EntryKind::Moment {
                seq,
                start_ns,
                crop,
                correspondence,
            } => {
                stream.crop = crop.or(stream.crop);
                stream.add_start(seq, start_ns);
                stream.add_moment(seq, correspondence);
            }
            EntryKind::Gap { start_ns, why } => {
                stream.gaps.insert((start_ns, why));
            }
            EntryKind::Qc { bytes } => {
                stream.measured.insert(bytes);
            }
            EntryKind::Summary(end) => {
                stream.bytes = end.bytes.or(stream.bytes);
                if end.moments > 0 {
                    stream.keyframes = Some(end.keyframes);
                }
                if let Some(model) = end.model.filter(|_| end.moments > 0) {
                    let known = self.model.take().filter(|known| **known == *model);
                    self.model = Some(known.unwrap_or_else(|| model.into()));
                    stream.model = self.model.clone();
                }
                if end.is_whole() {
                    stream.finished = true;
                } else {
                    stream.unfinished.insert(end.key());
                }
            }
            EntryKind::Error { text } => {
                stream.errors.insert(text.to_owned());
                stream.finished = false;
            }
        }
        true
    }
}

impl ArchivedStream {
    fn add_start(&mut self, seq: u64, start_ns: u64) {
        let before = self.last.replace((seq, start_ns));
        let Some((_, start)) = before.filter(|(before, _)| before + 1 == seq) else {
            return;
        };
        let found = start_ns.saturating_sub(start);
        self.hop = Some(match self.hop {
            Some((hop, met)) if hop.abs_diff(found) <= ROUNDING_NS => (hop, met + 1),
            Some(shorter) if shorter.0 < found => shorter,
            _ => (found, 1),
        });
    }

    /// Nanoseconds from one moment to the next if that differs from `hop`; `None` if it is
    /// equal or unknown.
    pub fn other_hop(&self, hop: Hop) -> Option<u64> {
        let asked = SamplePos(hop.samples() as u64).to_time().0;
        // A single time may span a gap.
        let (there, _) = self
            .hop
            .filter(|(_, met)| *met > 1 || self.gaps.is_empty())?;
        (there.abs_diff(asked) > ROUNDING_NS).then_some(there)
    }

    /// The moments' crop, if it differs from `crop`.
    pub fn other_crop(&self, crop: Crop) -> Option<Crop> {
        self.crop.filter(|there| *there != crop)
    }

    /// Whether key frames alone were decoded, if that differs from `keyframes`.
    pub fn other_keyframes(&self, keyframes: bool) -> Option<bool> {
        self.keyframes.filter(|there| *there != keyframes)
    }

    /// The model, if its weights differ from those of `model`, whatever their names.
    pub fn other_model(&self, model: &str) -> Option<&str> {
        let weights = |name: &str| name.rsplit('@').next().map(str::to_owned);
        let there = self.model.as_deref();
        there.filter(|there| weights(there) != weights(model))
    }

    fn add_moment(&mut self, seq: u64, correspondence: f32) {
        self.above.insert(seq);
        while self.above.remove(&self.below) {
            self.below += 1;
        }
        if correspondence.is_finite() {
            self.correspondence_sum += f64::from(correspondence);
            self.correspondences += 1;
        }
    }

    /// Whether it has a summary without error or interruption, and no error after it.
    pub fn finished(&self) -> bool {
        self.finished
    }

    /// Number of moments.
    pub fn moments(&self) -> u64 {
        self.below + self.above.len() as u64
    }

    /// The highest number of a moment, plus one.
    pub fn next_seq(&self) -> u64 {
        self.above.last().map_or(self.below, |last| last + 1)
    }

    /// The number below which all moments are there.
    pub fn contiguous(&self) -> u64 {
        self.below
    }

    /// Sum of the moments' correspondences.
    pub fn correspondence_sum(&self) -> f64 {
        self.correspondence_sum
    }

    /// Mean correspondence of the moments, for a summary over all runs; `None` without
    /// moments.
    pub fn mean_correspondence(&self) -> Option<f32> {
        (self.correspondences > 0)
            .then(|| (self.correspondence_sum / self.correspondences as f64) as f32)
    }

    /// Number of gaps.
    pub fn gaps(&self) -> u64 {
        self.gaps.len() as u64
    }
}

#[cfg(test)]
#[path = "archive_index_tests.rs"]
mod tests;
