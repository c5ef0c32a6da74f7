//! Recordings in shards: a random frame, and a random second of sound around it.
//!
//! Belongs here: what is drawn from a recording, and for which split. Does not:
//! how clips lie in shards ([`shards`](super::shards)).

mod parts;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::RngExt;
use rand::seq::IndexedRandom;

use super::error::CorpusError;
use super::random::Rng;
use super::shards::{StoredClip, find_shards, read_shard};
use super::sounds::SILENT_RMS;
use super::{Corpus, Example, Split, Tag};
use crate::time::{MediaTime, SamplePos, WINDOW_SAMPLES};
use parts::LEAST;
pub use rules::{ClipRules, SplitBy};

/// Silent seconds drawn in a row before the corpus is given up.
const TRIES: usize = 200;

const SPLITS: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

/// Recordings in shards.
pub struct Clips {
    recordings: Vec<Recording>,
    rules: ClipRules,
    /// What can be drawn, by split.
    choices: BTreeMap<Split, Vec<Choice>>,
    left_out: usize,
}

/// Clips of one recording, by time.
struct Recording {
    tag: Tag,
    fingerprint: String,
    label: Option<Arc<str>>,
    clips: Vec<StoredClip>,
}

/// What of a recording is in a split.
struct Choice {
    recording: usize,
    stretches: Vec<Stretch>,
    frames: usize,
}

/// What of a clip is in a split: sound of a second at least, and frames in it.
struct Stretch {
    clip: usize,
    /// In samples of the clip.
    sound: Range<usize>,
    frames: Range<usize>,
    /// Frames of the stretches before.
    frames_before: usize,
}

impl Recording {
    fn span(&self) -> Range<u64> {
        let start = self.clips.first().map_or(0, |c| c.info.start_sample);
        let ends = self.clips.iter().map(|c| span_of(c).end);
        start..ends.max().unwrap_or(start)
    }

    /// What of it lies in `part`.
    fn choice(&self, recording: usize, part: &Range<u64>) -> Choice {
        let mut choice = Choice {
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
            let frames_before = choice.frames;
            choice.frames += frames.len();
            choice.stretches.push(Stretch {
                clip: i,
                sound,
                frames,
                frames_before,
            });
        }
        choice
    }
}

impl Choice {
    /// A random frame and the sound it may go with.
    fn frame(&self, rng: &mut Rng) -> (&Stretch, usize) {
        let nth = rng.random_range(0..self.frames);
        let after = self.stretches.partition_point(|s| s.frames_before <= nth);
        let stretch = &self.stretches[after - 1];
        (stretch, stretch.frames.start + nth - stretch.frames_before)
    }
}

impl Clips {
    /// Opens the shards that `paths` name: files, and folders of them. Copies of a
    /// recording count as one.
    ///
    /// # Errors
    /// Names the shard and the member that cannot be used, or the folder without
    /// shards.
    pub fn open(paths: &[PathBuf], rules: &ClipRules) -> Result<Self, CorpusError> {
        let mut shards = Vec::new();
        for path in paths {
            let found = find_shards(path)?;
            if found.is_empty() {
                return Err(CorpusError::layout(
                    path,
                    "no shard (.tar) in it: make some with `l3net prepare SOURCE… -o DIR`",
                ));
            }
            shards.extend(found);
        }
        let mut clips = Vec::new();
        for shard in &shards {
            clips.extend(read_shard(shard)?);
        }
        Ok(Self::new(recordings(clips, rules.split_by), rules))
    }

    fn new(recordings: Vec<Recording>, rules: &ClipRules) -> Self {
        let mut corpus = Self {
            recordings,
            rules: *rules,
            choices: BTreeMap::new(),
            left_out: 0,
        };
        match rules.split_by {
            SplitBy::Clip => corpus.split_by_clip(),
            SplitBy::Time => corpus.split_by_time(),
        }
        corpus
    }

    fn split_by_clip(&mut self) {
        let all = |(i, r): (usize, &Recording)| r.choice(i, &r.span());
        let choices: Vec<Choice> = self
            .recordings
            .iter()
            .enumerate()
            .map(all)
            .filter(|choice| choice.frames > 0)
            .collect();
        self.left_out = self.recordings.len() - choices.len();
        let name = |choice: &Choice| self.recordings[choice.recording].fingerprint.as_str();
        let names: Vec<&str> = choices.iter().map(name).collect();
        let splits = parts::assign(&names, self.rules.seed);
        for (choice, split) in choices.into_iter().zip(splits) {
            self.choices.entry(split).or_default().push(choice);
        }
    }

    fn split_by_time(&mut self) {
        for (i, recording) in self.recordings.iter().enumerate() {
            let Some(parts) = parts::parts(&recording.span()) else {
                self.left_out += 1;
                continue;
            };
            for split in SPLITS {
                let part = parts.of(split).map(|part| recording.choice(i, part));
                if let Some(choice) = part.filter(|choice| choice.frames > 0) {
                    self.choices.entry(split).or_default().push(choice);
                }
            }
        }
    }

    /// How many recordings there are.
    pub fn recordings(&self) -> usize {
        self.recordings.len()
    }

    /// How many of them can be drawn from in a split.
    pub fn recordings_in(&self, split: Split) -> usize {
        self.choices(split).len()
    }

    /// How many of them are in no split: too short.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Seconds of sound in all of them.
    pub fn seconds(&self) -> f64 {
        let clips = self.recordings.iter().flat_map(|r| &r.clips);
        clips.map(|clip| clip.info.duration_s).sum()
    }

    /// The clips of labelled recordings: each with its label, what tells its
    /// recording from others, and the split that the recording is in. Without
    /// clips that have no picture, and recordings that are in no split.
    pub fn labelled(&self) -> Vec<(&str, &str, Split, &StoredClip)> {
        let mut found = Vec::new();
        for split in SPLITS {
            for choice in self.choices(split) {
                let recording = &self.recordings[choice.recording];
                let Some(label) = recording.label.as_deref() else {
                    continue;
                };
                let seen = |clip: &&StoredClip| !clip.info.frame_times_ns.is_empty();
                let clips = recording.clips.iter().filter(seen);
                found.extend(clips.map(|clip| (label, &*recording.fingerprint, split, clip)));
            }
        }
        found
    }

    fn choices(&self, split: Split) -> &[Choice] {
        self.choices.get(&split).map_or(&[], Vec::as_slice)
    }

    /// A frame and a second around it, wherever it lies; `None` if it is silent.
    fn try_draw(&self, choice: &Choice, rng: &mut Rng) -> Result<Option<Example>, CorpusError> {
        let recording = &self.recordings[choice.recording];
        let (stretch, frame) = choice.frame(rng);
        let clip = &recording.clips[stretch.clip];
        let shown = heard_at(clip, clip.info.frame_times_ns[frame]);
        let start = rng.random_range(starts(shown, &stretch.sound));
        let pcm = clip.sound(start, WINDOW_SAMPLES)?;
        if rms(&pcm) <= SILENT_RMS {
            return Ok(None);
        }
        let at = SamplePos(clip.info.start_sample).plus(start).to_time();
        Ok(Some(Example {
            picture: clip.frame(frame)?,
            pcm,
            shows: vec![recording.tag.clone()],
            sounds: vec![recording.tag.clone()],
            regions: Vec::new(),
            label: recording.label.clone(),
            origin: format!(
                "{}: {}, the second from {:.3} s",
                shard_name(clip.shard()),
                clip.info.frame_name(frame),
                at.as_secs_f64()
            ),
        }))
    }
}

impl Corpus for Clips {
    fn classes(&self) -> Vec<String> {
        let labels = self.recordings.iter().filter_map(|r| r.label.as_deref());
        let labels: BTreeSet<&str> = labels.collect();
        labels.into_iter().map(str::to_owned).collect()
    }

    fn describe(&self) -> String {
        let by = self.rules.split_by.name();
        let left_out = match self.rules.split_by {
            SplitBy::Clip => "without a second of sound with a picture",
            SplitBy::Time => "too short for that",
        };
        let left_out = match self.left_out {
            0 => String::new(),
            n => format!(", {n} left out ({left_out})"),
        };
        let [train, validation, test] = SPLITS.map(|split| self.recordings_in(split));
        format!(
            "{} recordings, {:.0} s, split by {by}: {train} to train, {validation} to validate, \
             {test} to test{left_out}",
            self.recordings(),
            self.seconds(),
        )
    }

    fn draw(&self, split: Split, rng: &mut Rng) -> Result<Example, CorpusError> {
        let choices = self.choices(split);
        for _ in 0..TRIES {
            let Some(choice) = choices.choose(rng) else {
                break;
            };
            if let Some(example) = self.try_draw(choice, rng)? {
                return Ok(example);
            }
        }
        self.check(split)?;
        Err(CorpusError::TooFew(format!(
            "{TRIES} seconds in a row are silent in {}",
            self.describe()
        )))
    }

    fn check(&self, split: Split) -> Result<(), CorpusError> {
        let there = self.recordings_in(split);
        if there >= LEAST {
            return Ok(());
        }
        let purpose = match split {
            Split::Train => "train",
            Split::Validation => "validate",
            Split::Test => "test",
        };
        let needed = match (self.rules.split_by, split) {
            (SplitBy::Clip, _) => "prepare more recordings (six at least), or split by time",
            (SplitBy::Time, Split::Validation) => "those of 4 s and more have such a part",
            (SplitBy::Time, _) => "those of 2.2 s and more have such a part",
        };
        Err(CorpusError::TooFew(format!(
            "{there} recordings to {purpose}, and pairs that do not correspond need {LEAST}: \
             {needed}; there are {}",
            self.describe()
        )))
    }
}

/// Clips by recording, each by time; nothing twice.
fn recordings(clips: Vec<StoredClip>, split_by: SplitBy) -> Vec<Recording> {
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
fn heard_at(clip: &StoredClip, frame_ns: u64) -> usize {
    let at = SamplePos::heard_at(MediaTime(frame_ns));
    usize::try_from(at.minus(SamplePos(clip.info.start_sample))).unwrap_or(0)
}

/// Where a second may begin that lies in `sound` and has the sample `shown` in
/// it, which is in `sound` too.
fn starts(shown: usize, sound: &Range<usize>) -> std::ops::RangeInclusive<usize> {
    let first = (shown + 1).saturating_sub(WINDOW_SAMPLES).max(sound.start);
    first..=shown.min(sound.end - WINDOW_SAMPLES)
}

fn rms(pcm: &[f32]) -> f32 {
    let power: f64 = pcm.iter().map(|&v| f64::from(v).powi(2)).sum();
    (power / pcm.len().max(1) as f64).sqrt() as f32
}

fn shard_name(shard: &Path) -> String {
    let name = shard.file_name().unwrap_or(shard.as_os_str());
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
#[path = "clips/tests.rs"]
mod tests;
