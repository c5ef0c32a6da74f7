//! Recordings in shards: a random frame, and a random second of sound around it.
//!
//! Belongs here: what is drawn from a recording, and for which split. Does not:
//! how clips lie in shards ([`shards`](super::shards)).

mod parts;
mod recording;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use rand::RngExt;
use rand::seq::IndexedRandom;

use super::error::CorpusError;
use super::held_out::{patterns, warn_of_unused_patterns};
use super::random::Rng;
use super::shards::{StoredClip, find_shards, read_shard};
use super::sounds::SILENT_RMS;
use super::{Corpus, Example, Split, Tag, WINDOW_SAMPLES};
use crate::features::Level;
use crate::text::plural;
use crate::time::SamplePos;
use parts::MIN_RECORDINGS;
use recording::{Candidate, Recording, heard_at, recordings};
pub use rules::{ClipRules, SplitBy};

/// Silent seconds drawn in a row before drawing fails.
const TRIES: usize = 200;

/// Recordings in shards.
pub struct Clips {
    recordings: Vec<Recording>,
    rules: ClipRules,
    /// What can be drawn, by split: each is drawn as often as the others, whatever
    /// recordings it is of.
    candidates: BTreeMap<Split, Vec<Vec<Candidate>>>,
    skipped: usize,
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
        let mut corpus = Self {
            recordings: recordings(clips, rules.split_by),
            rules: rules.clone(),
            candidates: BTreeMap::new(),
            skipped: 0,
        };
        let patterns = patterns(&rules.test)?;
        let is_named = |recording: &Recording| {
            let file = Path::new(&recording.name).file_name();
            file.is_some_and(|name| patterns.is_match(name))
        };
        let named = corpus.recordings.iter().map(is_named).collect();
        let names = corpus.names().map(Path::new);
        warn_of_unused_patterns(&rules.test, names);
        let split = match rules.split_by {
            SplitBy::Clip => corpus.split_by_clip(named),
            SplitBy::Time => corpus.split_by_time(named),
        };
        // A recording is drawn as often as any other; split by time, a camera is,
        // however many recordings there are of it.
        let mut alike: BTreeMap<(Split, &Tag), Vec<Candidate>> = BTreeMap::new();
        for (split, candidate) in split {
            let tag = &corpus.recordings[candidate.recording].tag;
            alike.entry((split, tag)).or_default().push(candidate);
        }
        for ((split, _), candidates) in alike {
            corpus.candidates.entry(split).or_default().push(candidates);
        }
        Ok(corpus)
    }

    /// Those that are `named` are held out; where none is, the rules choose.
    fn split_by_clip(&mut self, named: Vec<bool>) -> Vec<(Split, Candidate)> {
        let all = |(i, r): (usize, &Recording)| r.candidate(i, &r.span());
        let candidates: Vec<Candidate> = self
            .recordings
            .iter()
            .enumerate()
            .map(all)
            .filter(|candidate| candidate.frames > 0)
            .collect();
        self.skipped = self.recordings.len() - candidates.len();
        let some_are_named = named.contains(&true);
        let (held_out, rest): (Vec<_>, Vec<_>) = candidates
            .into_iter()
            .partition(|candidate| named[candidate.recording]);
        let name =
            |candidate: &Candidate| self.recordings[candidate.recording].fingerprint.as_str();
        let names: Vec<&str> = rest.iter().map(name).collect();
        let splits = parts::assign(&names, self.rules.seed);
        let splits = splits.into_iter().map(|split| match split {
            Split::Test if some_are_named => Split::Train,
            split => split,
        });
        let held_out = held_out
            .into_iter()
            .map(|candidate| (Split::Test, candidate));
        splits.zip(rest).chain(held_out).collect()
    }

    /// The parts of each; those that are `named` are held out whole.
    fn split_by_time(&mut self, named: Vec<bool>) -> Vec<(Split, Candidate)> {
        let mut found = Vec::new();
        for (i, recording) in self.recordings.iter().enumerate() {
            let span = recording.span();
            let parts: Vec<(Split, Range<u64>)> = if named[i] {
                vec![(Split::Test, span)]
            } else {
                let parts = parts::parts(&span);
                let part = |split| Some((split, parts.as_ref()?.of(split)?.clone()));
                Split::ALL.into_iter().filter_map(part).collect()
            };
            self.skipped += usize::from(parts.is_empty());
            let candidates = parts
                .iter()
                .map(|(split, part)| (*split, recording.candidate(i, part)));
            found.extend(candidates.filter(|(_, candidate)| candidate.frames > 0));
        }
        found
    }

    /// How many recordings there are.
    pub fn recordings(&self) -> usize {
        self.recordings.len()
    }

    /// The files that they were cut from.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.recordings.iter().map(|recording| &*recording.name)
    }

    /// How many of them can be drawn from in a split.
    pub fn recordings_in(&self, split: Split) -> usize {
        self.candidates(split).count()
    }

    /// How many of them are in no split: too short.
    pub fn skipped(&self) -> usize {
        self.skipped
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
        for split in Split::ALL {
            for candidate in self.candidates(split) {
                let recording = &self.recordings[candidate.recording];
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

    fn drawn_alike(&self, split: Split) -> &[Vec<Candidate>] {
        self.candidates.get(&split).map_or(&[], Vec::as_slice)
    }

    fn candidates(&self, split: Split) -> impl Iterator<Item = &Candidate> {
        self.drawn_alike(split).iter().flatten()
    }

    /// A frame and a second around it, wherever it lies; `None` if it is silent.
    fn try_draw(
        &self,
        candidate: &Candidate,
        rng: &mut Rng,
    ) -> Result<Option<Example>, CorpusError> {
        let recording = &self.recordings[candidate.recording];
        let (stretch, frame) = candidate.frame(rng);
        let clip = &recording.clips[stretch.clip];
        let shown = heard_at(clip, clip.info.frame_times_ns[frame]);
        let start = rng.random_range(starts(shown, &stretch.sound));
        let pcm = clip.sound(start, WINDOW_SAMPLES)?;
        if Level::of(&pcm).rms <= SILENT_RMS {
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
        let why = match self.rules.split_by {
            SplitBy::Clip => "without a second of sound with a picture",
            SplitBy::Time => "too short for that",
        };
        let skipped = match self.skipped {
            0 => String::new(),
            n => format!(", {n} skipped ({why})"),
        };
        let [train, validation, test] = Split::ALL.map(|split| self.recordings_in(split));
        format!(
            "{}, {:.0} s, split by {by}: {train} to train, {validation} to validate, \
             {test} to test{skipped}",
            plural(self.recordings(), "recording"),
            self.seconds(),
        )
    }

    fn draw(&self, split: Split, rng: &mut Rng) -> Result<Example, CorpusError> {
        for _ in 0..TRIES {
            let Some(alike) = self.drawn_alike(split).choose(rng) else {
                break;
            };
            // Of a camera every picture is as likely as any other.
            let candidate = match alike.as_slice() {
                [only] => only,
                several => several
                    .choose_weighted(rng, |candidate| candidate.frames)
                    .expect("what can be drawn has frames"),
            };
            if let Some(example) = self.try_draw(candidate, rng)? {
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
        if self.drawn_alike(split).len() >= MIN_RECORDINGS {
            return Ok(());
        }
        let there = self.recordings_in(split);
        let purpose = split.purpose();
        let needed = match (self.rules.split_by, split) {
            _ if self.recordings() < MIN_RECORDINGS => "one alone has no others to compare with",
            (SplitBy::Time, _) if there >= MIN_RECORDINGS => {
                "they lie in one folder and count as one camera; each camera needs its own"
            }
            (SplitBy::Clip, _) => "prepare more recordings (six at least), or give --split time",
            (SplitBy::Time, Split::Validation) => "those of 4 s and more have such a part",
            (SplitBy::Time, _) => "those of 2.2 s and more have such a part",
        };
        Err(CorpusError::TooFew(format!(
            "{} to {purpose}, and pairs that do not correspond need {MIN_RECORDINGS}: \
             {needed}; there are {}",
            plural(there, "recording"),
            self.describe()
        )))
    }
}

/// Where a second may begin that lies in `sound` and has the sample `shown` in
/// it, which is in `sound` too.
fn starts(shown: usize, sound: &Range<usize>) -> std::ops::RangeInclusive<usize> {
    let first = (shown + 1).saturating_sub(WINDOW_SAMPLES).max(sound.start);
    first..=shown.min(sound.end - WINDOW_SAMPLES)
}

fn shard_name(shard: &Path) -> String {
    let name = shard.file_name().unwrap_or(shard.as_os_str());
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
#[path = "clips/tests.rs"]
mod tests;

#[cfg(test)]
#[path = "clips/split_tests.rs"]
mod split_tests;
