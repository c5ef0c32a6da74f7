//! What an output holds already, stream by stream, and so what is new.
//!
//! Belongs here: the rule that each moment is written exactly once, on plain
//! numbers. Does not: files.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::result::{GapReason, Record, StreamName};
use crate::time::{Hop, SamplePos};

/// Two times between moments are the same if they differ by no more.
const ROUNDING_NS: u64 = 1_000;

/// What an output holds of every stream.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    streams: HashMap<StreamName, StreamProgress>,
}

/// What an output holds of one stream.
#[derive(Clone, Debug, Default)]
pub struct StreamProgress {
    finished: bool,
    /// Size of the file, as the last summary that knows it has it.
    bytes: Option<u64>,
    /// All moments below this one are there …
    below: u64,
    /// … and these above it. Empty, as moments come in order; kept so that a
    /// file that somebody cut lines out of is filled up rightly.
    above: BTreeSet<u64>,
    correspondence_sum: f64,
    correspondences: u64,
    /// Number and start of the last moment.
    last: Option<(u64, u64)>,
    /// The shortest time from one moment to the next, and how often it was met. Where
    /// something is missing between two, it is longer.
    hop: Option<(u64, u64)>,
    gaps: HashSet<(u64, GapReason)>,
    /// Ends that were none: moments, gaps and, where it failed, the cause.
    /// Another try that comes no further says nothing new.
    unfinished: HashSet<(u64, u64, Option<String>)>,
    errors: HashSet<String>,
}

/// As much of a record as tells whether it is there already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub stream: &'a str,
    pub kind: Kind<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind<'a> {
    Moment {
        seq: u64,
        start_ns: u64,
        correspondence: f32,
    },
    Gap {
        start_ns: u64,
        why: GapReason,
    },
    Summary(End<'a>),
    Error {
        text: &'a str,
    },
}

/// As much of a summary as tells whether it is there already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End<'a> {
    pub moments: u64,
    pub gaps: u64,
    pub bytes: Option<u64>,
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
            Record::Moment(m) => Kind::Moment {
                seq: m.seq,
                start_ns: m.start_ns.0,
                correspondence: m.correspondence,
            },
            Record::Gap(g) => Kind::Gap {
                start_ns: g.start_ns.0,
                why: g.why,
            },
            Record::Summary(s) => Kind::Summary(End {
                moments: s.moments,
                gaps: s.gaps,
                bytes: s.bytes,
                interrupted: s.interrupted,
                error: s.error.as_deref(),
            }),
            Record::Error(e) => Kind::Error { text: &e.error },
        };
        Self {
            stream: record.stream(),
            kind,
        }
    }
}

impl Progress {
    /// What is there of a stream, if anything.
    pub fn stream(&self, name: &str) -> Option<&StreamProgress> {
        self.streams.get(name)
    }

    /// All streams that have a record.
    pub fn streams(&self) -> impl Iterator<Item = (&StreamName, &StreamProgress)> {
        self.streams.iter()
    }

    /// True if the stream need not be decoded again: a summary is there that says
    /// that all was well, and no error came after it.
    pub fn is_finished(&self, name: &str) -> bool {
        self.stream(name).is_some_and(|s| s.finished)
    }

    /// True if the stream is finished, and of a file of another size. What is not
    /// finished is gone on with: a file that failed may have been repaired.
    pub fn is_of_another(&self, name: &str, bytes: Option<u64>) -> bool {
        let finished = self.stream(name).filter(|stream| stream.finished);
        let there = finished.and_then(|stream| stream.bytes);
        matches!((there, bytes), (Some(there), Some(now)) if there != now)
    }

    /// True if nothing that says the same is there.
    pub(crate) fn is_new(&self, entry: &Entry<'_>) -> bool {
        let Some(stream) = self.streams.get(entry.stream) else {
            return true;
        };
        match entry.kind {
            Kind::Moment { seq, .. } => seq >= stream.below && !stream.above.contains(&seq),
            Kind::Gap { start_ns, why } => !stream.gaps.contains(&(start_ns, why)),
            Kind::Summary(end) => {
                !stream.finished && (end.is_whole() || !stream.unfinished.contains(&end.key()))
            }
            Kind::Error { text } => !stream.errors.contains(text),
        }
    }

    /// Takes note of a record; false (and no change) if it was there.
    pub(crate) fn admit(&mut self, entry: &Entry<'_>) -> bool {
        if !self.is_new(entry) {
            return false;
        }
        if !self.streams.contains_key(entry.stream) {
            self.streams
                .insert(entry.stream.into(), StreamProgress::default());
        }
        let stream = self.streams.get_mut(entry.stream).expect("just put there");
        match entry.kind {
            Kind::Moment {
                seq,
                start_ns,
                correspondence,
            } => {
                stream.add_start(seq, start_ns);
                stream.add_moment(seq, correspondence);
            }
            Kind::Gap { start_ns, why } => {
                stream.gaps.insert((start_ns, why));
            }
            Kind::Summary(end) => {
                stream.bytes = end.bytes.or(stream.bytes);
                if end.is_whole() {
                    stream.finished = true;
                } else {
                    stream.unfinished.insert(end.key());
                }
            }
            Kind::Error { text } => {
                stream.errors.insert(text.to_owned());
                stream.finished = false;
            }
        }
        true
    }
}

impl StreamProgress {
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

    /// Nanoseconds from one moment to the next, if that is not `hop`; none if it is,
    /// or where too few are there to tell.
    pub fn other_hop(&self, hop: Hop) -> Option<u64> {
        let asked = SamplePos(hop.samples() as u64).to_time().0;
        // Where something is missing between the only two, a gap says so.
        let (there, _) = self
            .hop
            .filter(|(_, met)| *met > 1 || self.gaps.is_empty())?;
        (there.abs_diff(asked) > ROUNDING_NS).then_some(there)
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

    /// A summary is there that says that all was well, and no error came after it.
    pub fn finished(&self) -> bool {
        self.finished
    }

    /// Moments that are there.
    pub fn moments(&self) -> u64 {
        self.below + self.above.len() as u64
    }

    /// The highest number of a moment that is there, plus one.
    pub fn next_seq(&self) -> u64 {
        self.above.last().map_or(self.below, |last| last + 1)
    }

    /// All moments below this number are there.
    pub fn contiguous(&self) -> u64 {
        self.below
    }

    /// Sum of the correspondences of the moments that are there.
    pub fn correspondence_sum(&self) -> f64 {
        self.correspondence_sum
    }

    /// Mean correspondence of the moments that are there, for a summary over
    /// all runs; none without moments.
    pub fn mean_correspondence(&self) -> Option<f32> {
        (self.correspondences > 0)
            .then(|| (self.correspondence_sum / self.correspondences as f64) as f32)
    }

    /// Gaps that are there.
    pub fn gaps(&self) -> u64 {
        self.gaps.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use crate::time::MediaTime;

    use super::super::testing::{error, failed, gap, moment, summary, summary_of};
    use super::*;

    fn admit(progress: &mut Progress, record: &Record) -> bool {
        progress.admit(&Entry::from(record))
    }

    #[test]
    fn a_moment_is_new_once_in_whatever_order_moments_come() {
        let mut progress = Progress::default();
        for seq in [0, 1, 5, 3, 4] {
            assert!(admit(&mut progress, &Record::Moment(moment("a", seq))));
        }
        for seq in [0, 1, 3, 4, 5] {
            assert!(!admit(&mut progress, &Record::Moment(moment("a", seq))));
        }
        let stream = progress.stream("a").unwrap();
        assert_eq!((stream.moments(), stream.next_seq()), (5, 6));
        assert!(admit(&mut progress, &Record::Moment(moment("a", 2))));
        let stream = progress.stream("a").unwrap();
        assert_eq!((stream.moments(), stream.next_seq()), (6, 6));
        assert!(stream.above.is_empty());
        assert!((stream.mean_correspondence().unwrap() - 0.83).abs() < 1e-6);
        assert!(admit(&mut progress, &Record::Moment(moment("b", 0))));
    }

    #[test]
    fn an_error_opens_a_finished_stream_again_and_is_told_once() {
        let mut progress = Progress::default();
        assert!(admit(&mut progress, &error("a", "broken")));
        assert!(!progress.is_finished("a"));
        assert!(!admit(&mut progress, &error("a", "broken")));
        assert!(admit(&mut progress, &summary("a", 3)));
        assert!(progress.is_finished("a"));
        // Said before: a stale journal must not open a finished stream.
        assert!(!admit(&mut progress, &error("a", "broken")));
        assert!(!admit(&mut progress, &summary("a", 3)));
        assert!(progress.is_finished("a"));
        assert!(admit(&mut progress, &error("a", "worse")));
        assert!(!progress.is_finished("a"));
    }

    #[test]
    fn a_gap_is_known_by_its_start_and_reason() {
        let mut progress = Progress::default();
        assert!(admit(&mut progress, &gap("a", 1, GapReason::NoAudio)));
        assert!(!admit(&mut progress, &gap("a", 1, GapReason::NoAudio)));
        assert!(admit(&mut progress, &gap("a", 1, GapReason::NoVideo)));
        assert!(admit(&mut progress, &gap("a", 2, GapReason::NoAudio)));
        assert_eq!(progress.stream("a").unwrap().gaps(), 3);
    }

    #[test]
    fn a_stream_that_was_stopped_goes_on_later() {
        let mut progress = Progress::default();
        let Record::Summary(mut stopped) = summary("a", 1) else {
            unreachable!("a summary")
        };
        stopped.interrupted = true;
        assert!(admit(&mut progress, &Record::Summary(stopped.clone())));
        assert!(!progress.is_finished("a"));
        // Stopped again before it came any further.
        assert!(!admit(&mut progress, &Record::Summary(stopped)));
        assert!(admit(&mut progress, &summary("a", 2)));
        assert!(progress.is_finished("a"));
    }

    #[test]
    fn a_file_of_another_size_is_another() {
        let mut progress = Progress::default();
        assert!(!progress.is_of_another("a", Some(3)), "nothing is there");
        assert!(admit(&mut progress, &summary_of("a", 2, 7)));
        assert!(!progress.is_of_another("a", Some(7)));
        assert!(!progress.is_of_another("a", None), "nobody knows");
        assert!(progress.is_of_another("a", Some(8)));
        // It failed; now it is longer, and goes on.
        let [mut end, cause] = failed("bad", 1, "cut off");
        if let Record::Summary(end) = &mut end {
            end.bytes = Some(7);
        }
        assert!(admit(&mut progress, &end) && admit(&mut progress, &cause));
        assert!(!progress.is_of_another("bad", Some(8)));
        // Written before sizes were.
        assert!(admit(&mut progress, &summary("old", 1)));
        assert!(!progress.is_of_another("old", Some(3)));
    }

    #[test]
    fn another_hop_is_seen_once_it_is_sure() {
        let mut progress = Progress::default();
        let hop = |seconds| Hop::from_secs(seconds).expect("a hop");
        // Every third of a second, and nothing is known from 1 s to 5 s.
        for seq in 0..8_u64 {
            let ms = if seq < 4 { 0 } else { 4_000 };
            let mut moment = moment("a", seq);
            moment.start_ns = MediaTime(seq * 1_000_000_000 / 3 + ms * 1_000_000);
            assert!(admit(&mut progress, &Record::Moment(moment)));
            let stream = progress.stream("a").expect("there");
            assert_eq!(stream.other_hop(hop(1.0)).is_some(), seq > 0, "{seq}");
            assert_eq!(stream.other_hop(hop(1.0 / 3.0)), None, "{seq}");
        }
        let stream = progress.stream("a").expect("there");
        assert_eq!(stream.other_hop(hop(0.5)), Some(333_333_333));
        // Two moments with a gap between them say nothing.
        assert!(admit(&mut progress, &gap("b", 1, GapReason::NoVideo)));
        for seq in 0..2 {
            let mut moment = moment("b", seq);
            moment.start_ns = MediaTime(seq * 2_000_000_000);
            assert!(admit(&mut progress, &Record::Moment(moment)));
        }
        assert_eq!(
            progress.stream("b").expect("there").other_hop(hop(1.0)),
            None
        );
    }

    #[test]
    fn a_stream_that_fails_again_and_again_is_never_finished() {
        let mut progress = Progress::default();
        let [end, cause] = failed("a", 0, "broken");
        assert!(admit(&mut progress, &end));
        assert!(!progress.is_finished("a"), "killed before the error's line");
        assert!(admit(&mut progress, &cause));
        for _ in 0..3 {
            assert!(!admit(&mut progress, &end));
            assert!(!admit(&mut progress, &cause));
            assert!(!progress.is_finished("a"));
        }
        // It comes further, and fails in the same way.
        assert!(admit(&mut progress, &Record::Moment(moment("a", 0))));
        assert!(admit(&mut progress, &failed("a", 1, "broken")[0]));
        assert!(!progress.is_finished("a"));
        assert!(admit(&mut progress, &summary("a", 2)));
        assert!(progress.is_finished("a"));
        assert!(!admit(&mut progress, &end));
        assert!(progress.is_finished("a"));
    }
}
