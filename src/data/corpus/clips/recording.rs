//! Clips by recording, and what of a recording can be drawn.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use rand::RngExt;

use super::rules::SplitBy;
use crate::corpus::random::Rng;
use crate::corpus::shards::StoredClip;
use crate::corpus::{Tag, WINDOW_SAMPLES};
use crate::time::{MediaTime, SamplePos};

/// Clips of one recording, by time.
pub(super) struct Recording {
    pub name: String,
    pub tag: Tag,
    pub fingerprint: String,
    pub label: Option<Arc<str>>,
    pub clips: Vec<StoredClip>,
}

/// What of a recording is in a split.
pub(super) struct Candidate {
    pub recording: usize,
    stretches: Vec<Stretch>,
    pub frames: usize,
}

/// What of a clip is in a split: sound of a second at least, and frames in it.
pub(super) struct Stretch {
    pub clip: usize,
    /// In samples of the clip.
    pub sound: Range<usize>,
    frames: Range<usize>,
    /// Frames of the stretches before.
    frames_before: usize,
}

impl Recording {
    pub fn span(&self) -> Range<u64> {
        let start = self.clips.first().map_or(0, |c| c.info.start_sample);
        let ends = self.clips.iter().map(|c| span_of(c).end);
        start..ends.max().unwrap_or(start)
    }

    /// What of it lies in `part`.
    pub fn candidate(&self, recording: usize, part: &Range<u64>) -> Candidate {
        let mut candidate = Candidate {
            recording,
            stretches: Vec::new(),
            frames: 0,
        };
        for (i, clip) in self.clips.iter().enumerate() {
            let span = span_of(clip);
            let within = |at: u64| (at.clamp(span.start, span.end) - span.start) as usize;
            let sound = within(part.start)..within(part.end);
            if sound.len() < WINDOW_SAMPLES {
                continue;
            }
            let times = &clip.info.frame_times_ns;
            let before = |end: usize| times.partition_point(|&ns| heard_at(clip, ns) < end);
            let frames = before(sound.start)..before(sound.end);
            if frames.is_empty() {
                continue;
            }
            let frames_before = candidate.frames;
            candidate.frames += frames.len();
            candidate.stretches.push(Stretch {
                clip: i,
                sound,
                frames,
                frames_before,
            });
        }
        candidate
    }
}

impl Candidate {
    /// A random frame and the sound it may go with.
    pub fn frame(&self, rng: &mut Rng) -> (&Stretch, usize) {
        let nth = rng.random_range(0..self.frames);
        let after = self.stretches.partition_point(|s| s.frames_before <= nth);
        let stretch = &self.stretches[after - 1];
        (stretch, stretch.frames.start + nth - stretch.frames_before)
    }
}

/// Clips by recording, each by time; nothing twice.
pub(super) fn recordings(clips: Vec<StoredClip>, split_by: SplitBy) -> Vec<Recording> {
    let mut by_fingerprint: BTreeMap<String, BTreeMap<u64, StoredClip>> = BTreeMap::new();
    for clip in clips {
        let recording = by_fingerprint
            .entry(clip.info.fingerprint.clone())
            .or_default();
        recording.entry(clip.info.start_sample).or_insert(clip);
    }
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut recordings = Vec::new();
    for (fingerprint, clips) in by_fingerprint {
        let clips: Vec<StoredClip> = clips.into_values().collect();
        let name = clips.iter().map(|clip| &clip.info.source).min().cloned();
        let name = name.unwrap_or_default();
        *names.entry(name.clone()).or_default() += 1;
        recordings.push((name, fingerprint, clips));
    }
    recordings.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    let recording = |(name, fingerprint, clips): (String, String, Vec<StoredClip>)| {
        let label = clips.iter().find_map(|clip| clip.info.label.as_deref());
        let tag = match (split_by, label) {
            // Split by time, recordings are of cameras: a folder is one of them, and
            // what another of its files has heard may be heard in this one, too.
            (SplitBy::Time, Some(folder)) => Tag::clip(folder),
            _ if names[&name] == 1 => Tag::clip(&name),
            // Two folders may both have a 0001.mp4.
            _ => Tag::clip(&format!("{name}#{fingerprint}")),
        };
        Recording {
            name,
            tag,
            fingerprint,
            label: label.map(Into::into),
            clips,
        }
    };
    recordings.into_iter().map(recording).collect()
}

fn span_of(clip: &StoredClip) -> Range<u64> {
    let start = SamplePos(clip.info.start_sample);
    start.0..start.plus(clip.info.samples).0
}

/// The sample of the clip that is heard when a frame is shown.
pub(super) fn heard_at(clip: &StoredClip, frame_ns: u64) -> usize {
    let at = SamplePos::heard_at(MediaTime(frame_ns));
    usize::try_from(at.minus(SamplePos(clip.info.start_sample))).unwrap_or(0)
}
