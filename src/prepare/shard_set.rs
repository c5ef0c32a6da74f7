//! The folder that is written to: its shards, and which clips they hold.
//!
//! Jobs share it behind a lock, which they hold only while writing.
//!
//! Policy: the first error is final. The unfinished shard is lost then, with clips of
//! any of the jobs, so none of these recordings may be marked as prepared.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::PrepareOptions;
use super::journal::{Journal, JournalEntry, RecordingState, same_settings};
use crate::corpus::CorpusError;
use crate::corpus::shards::{Clip, Settings, ShardWriter, find_shards, read_shard};

pub(super) struct ShardSet {
    folder: PathBuf,
    settings: Settings,
    writer: ShardWriter,
    journal: Journal,
    /// Fingerprint and first sample of the clips that are there.
    known: HashSet<(String, u64)>,
    /// How many there are of each recording, by its fingerprint.
    counts: HashMap<String, usize>,
    /// Entries to write once the current shard is complete.
    unsaved: Vec<JournalEntry>,
    /// The first error; all later calls return it.
    failed: Option<CorpusError>,
}

impl ShardSet {
    pub fn open(folder: &Path, options: &PrepareOptions) -> Result<Self, CorpusError> {
        let settings = options.settings();
        let journal = Journal::open(folder, &settings)?;
        let writer = ShardWriter::open(folder, options.shard_bytes)?;
        let mut set = Self {
            folder: folder.to_owned(),
            settings: settings.clone(),
            writer,
            journal,
            known: HashSet::new(),
            counts: HashMap::new(),
            unsaved: Vec::new(),
            failed: None,
        };
        for shard in find_shards(folder)? {
            for clip in read_shard(&shard)? {
                same_settings(folder, &clip.info.settings, &settings)?;
                set.admit(clip.info.fingerprint, clip.info.start_sample);
            }
        }
        Ok(set)
    }

    fn admit(&mut self, fingerprint: String, start_sample: u64) {
        if self.known.insert((fingerprint.clone(), start_sample)) {
            *self.counts.entry(fingerprint).or_default() += 1;
        }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether a recording needs no work. One that was prepared needs all of its clips,
    /// none lost with its shard.
    pub fn is_done(&self, fingerprint: &str) -> bool {
        let there = self.counts.get(fingerprint).copied().unwrap_or(0);
        self.journal
            .entry(fingerprint)
            .is_some_and(|entry| match entry.state {
                RecordingState::Prepared => there >= entry.clips.unwrap_or(1),
                RecordingState::Skipped => true,
                RecordingState::Started | RecordingState::Failed => false,
            })
    }

    /// Whether clips are there of what was at this place before it was changed.
    pub fn has_earlier(&self, place: &str, fingerprint: &str) -> bool {
        let mut earlier = self.journal.earlier_at(place, fingerprint);
        earlier.any(|fingerprint| self.counts.contains_key(fingerprint))
    }

    /// Whether a clip is there, from a run that did not come to the end of the
    /// recording.
    pub fn has_clip(&self, fingerprint: &str, start_sample: u64) -> bool {
        self.known.contains(&(fingerprint.to_owned(), start_sample))
    }

    /// Writes a clip.
    ///
    /// # Errors
    /// If it, or anything before it, cannot be written.
    pub fn write(&mut self, clip: &Clip) -> Result<(), CorpusError> {
        self.unless_failed(|set| {
            let shard_is_whole = set.writer.append(clip)?;
            let info = &clip.info;
            set.admit(info.fingerprint.clone(), info.start_sample);
            if shard_is_whole {
                set.save()?;
            }
            Ok(())
        })
    }

    /// Records the state of a recording, once its clips are safe.
    ///
    /// # Errors
    /// If it, or anything before it, cannot be written.
    pub fn record(&mut self, mut entry: JournalEntry) -> Result<(), CorpusError> {
        self.unless_failed(|set| {
            // A start is written at once: a killed run may leave clips of it.
            if entry.state == RecordingState::Started {
                return set.journal.append(entry);
            }
            if entry.state == RecordingState::Prepared {
                entry.clips = set.counts.get(&entry.fingerprint).copied();
            }
            set.unsaved.push(entry);
            if set.writer.has_unfinished() {
                return Ok(());
            }
            set.save()
        })
    }

    fn unless_failed(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<(), CorpusError>,
    ) -> Result<(), CorpusError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let written = write(self);
        self.failed = written.as_ref().err().cloned();
        written
    }

    fn save(&mut self) -> Result<(), CorpusError> {
        for entry in std::mem::take(&mut self.unsaved) {
            self.journal.append(entry)?;
        }
        Ok(())
    }

    /// Closes the last shard. Says how many shards there are and their bytes.
    pub fn close(mut self) -> Result<(usize, u64), CorpusError> {
        self.unless_failed(|set| {
            set.writer.close()?;
            set.save()
        })?;
        let shards = find_shards(&self.folder)?;
        let bytes = |shard: &PathBuf| std::fs::metadata(shard).map_or(0, |m| m.len());
        Ok((shards.len(), shards.iter().map(bytes).sum()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::shards::{ClipInfo, FORMAT};

    fn entry(recording: &str, state: RecordingState) -> JournalEntry {
        JournalEntry {
            source: recording.to_owned(),
            place: format!("/films/{recording}"),
            fingerprint: recording.to_owned(),
            state,
            clips: None,
            why: None,
        }
    }

    fn clip(recording: &str, bytes: usize, settings: &Settings) -> Clip {
        Clip {
            info: ClipInfo {
                format: FORMAT.to_owned(),
                source: recording.to_owned(),
                fingerprint: recording.to_owned(),
                label: None,
                sample_rate: 48_000,
                start_sample: 0,
                samples: 48_000,
                duration_s: 1.0,
                frame_times_ns: Vec::new(),
                settings: settings.clone(),
            },
            sound: vec![0; bytes],
            frames: Vec::new(),
        }
    }

    #[test]
    fn a_recording_whose_clips_were_lost_with_their_shard_is_not_done() {
        let dir = tempfile::tempdir().expect("a folder");
        let options = PrepareOptions {
            shard_bytes: 100_000,
            ..PrepareOptions::default()
        };
        let settings = options.settings();
        let mut set = ShardSet::open(dir.path(), &options).expect("opened");
        for recording in ["a", "b", "c"] {
            let begun = entry(recording, RecordingState::Started);
            set.record(begun).expect("noted");
        }
        for recording in ["b", "c"] {
            let clip = clip(recording, 1_000, &settings);
            set.write(&clip).expect("written");
        }
        set.record(entry("c", RecordingState::Prepared))
            .expect("noted");
        // Nothing gets the name of a folder: closing the shard fails.
        let name = dir.path().join("shard-000000.tar");
        std::fs::create_dir(&name).expect("made");
        let clip = clip("a", 100_000, &settings);
        let error = set.write(&clip).expect_err("in the way").to_string();
        assert!(error.contains("shard-000000.tar"), "{error}");

        // The other jobs come to their ends before they hear of it.
        let later = set.record(entry("b", RecordingState::Prepared));
        assert_eq!(later.expect_err("lost").to_string(), error);
        assert!(set.write(&clip).is_err());
        assert!(set.close().is_err());

        std::fs::remove_dir(&name).expect("removed");
        let set = ShardSet::open(dir.path(), &options).expect("opened");
        for recording in ["a", "b", "c"] {
            assert!(!set.is_done(recording), "{recording} is not there");
            assert!(!set.has_clip(recording, 0), "{recording}");
        }
    }

    #[test]
    fn a_recording_is_done_again_when_a_shard_of_it_is_gone() {
        let dir = tempfile::tempdir().expect("a folder");
        let options = PrepareOptions {
            shard_bytes: 10_000,
            ..PrepareOptions::default()
        };
        let settings = options.settings();
        let mut set = ShardSet::open(dir.path(), &options).expect("opened");
        for start_sample in [0, 480_000] {
            let mut clip = clip("a", 10_000, &settings);
            clip.info.start_sample = start_sample;
            set.write(&clip).expect("written");
        }
        set.record(entry("a", RecordingState::Prepared))
            .expect("noted");
        let (shards, _) = set.close().expect("closed");
        assert_eq!(shards, 2);
        let set = ShardSet::open(dir.path(), &options).expect("opened");
        assert!(set.is_done("a"));
        drop(set);

        std::fs::remove_file(dir.path().join("shard-000001.tar")).expect("removed");
        let set = ShardSet::open(dir.path(), &options).expect("opened");
        assert!(!set.is_done("a"));
        assert!(set.has_clip("a", 0));
        assert!(!set.has_clip("a", 480_000));
    }
}
