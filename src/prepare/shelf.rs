//! The folder that is written to: shards, and what they hold already.
//!
//! Jobs share it behind a lock, which they hold for the writing alone.
//!
//! Policy: what fails once fails for good. The shard that was being written is lost
//! then, with clips of any of the jobs, so none of these may be noted as done.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::PrepareOptions;
use super::journal::{Entry, Journal, Outcome, same_settings};
use crate::corpus::CorpusError;
use crate::corpus::shards::{Clip, Settings, ShardWriter, find_shards, read_shard};

pub(super) struct Shelf {
    folder: PathBuf,
    settings: Settings,
    writer: ShardWriter,
    journal: Journal,
    /// Fingerprint and first sample of the clips that are there.
    known: HashSet<(String, u64)>,
    /// How many there are of each recording, by its fingerprint.
    counts: HashMap<String, usize>,
    /// To be written down when the shard is whole that is being written.
    unsaved: Vec<Entry>,
    /// The first error, which is that of all who come later.
    broken: Option<CorpusError>,
}

impl Shelf {
    pub fn open(folder: &Path, options: &PrepareOptions) -> Result<Self, CorpusError> {
        let settings = options.settings();
        let journal = Journal::open(folder, &settings)?;
        let writer = ShardWriter::open(folder, options.shard_bytes)?;
        let mut shelf = Self {
            folder: folder.to_owned(),
            settings: settings.clone(),
            writer,
            journal,
            known: HashSet::new(),
            counts: HashMap::new(),
            unsaved: Vec::new(),
            broken: None,
        };
        for shard in find_shards(folder)? {
            for clip in read_shard(&shard)? {
                same_settings(folder, &clip.info.settings, &settings)?;
                shelf.admit(clip.info.fingerprint, clip.info.start_sample);
            }
        }
        Ok(shelf)
    }

    fn admit(&mut self, fingerprint: String, start_sample: u64) {
        if self.known.insert((fingerprint.clone(), start_sample)) {
            *self.counts.entry(fingerprint).or_default() += 1;
        }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether nothing is left to be done of a recording: of one that is prepared
    /// all clips are there, and have not been lost with their shard.
    pub fn is_done(&self, fingerprint: &str) -> bool {
        let there = self.counts.get(fingerprint).copied().unwrap_or(0);
        self.journal
            .entry(fingerprint)
            .is_some_and(|entry| match entry.outcome {
                Outcome::Prepared => there >= entry.clips.unwrap_or(1),
                Outcome::LeftOut => true,
                Outcome::Begun | Outcome::Failed => false,
            })
    }

    /// Whether clips are there of what was at this place before it was changed.
    pub fn has_earlier(&self, place: &str, fingerprint: &str) -> bool {
        let mut earlier = self.journal.earlier_at(place, fingerprint);
        earlier.any(|fingerprint| self.counts.contains_key(fingerprint))
    }

    /// Whether a clip is there, from a run that did not come to the end of the
    /// recording.
    pub fn knows(&self, fingerprint: &str, start_sample: u64) -> bool {
        self.known.contains(&(fingerprint.to_owned(), start_sample))
    }

    /// Writes a clip.
    ///
    /// # Errors
    /// If it, or anything before it, cannot be written.
    pub fn put(&mut self, clip: &Clip) -> Result<(), CorpusError> {
        self.unless_broken(|shelf| {
            let shard_is_whole = shelf.writer.append(clip)?;
            let info = &clip.info;
            shelf.admit(info.fingerprint.clone(), info.start_sample);
            if shard_is_whole {
                shelf.save()?;
            }
            Ok(())
        })
    }

    /// Takes note of what became of a recording, once its clips are safe.
    ///
    /// # Errors
    /// If it, or anything before it, cannot be written.
    pub fn note(&mut self, mut entry: Entry) -> Result<(), CorpusError> {
        self.unless_broken(|shelf| {
            // A beginning is told at once: a killed run may leave clips of it.
            if entry.outcome == Outcome::Begun {
                return shelf.journal.append(entry);
            }
            if entry.outcome == Outcome::Prepared {
                entry.clips = shelf.counts.get(&entry.fingerprint).copied();
            }
            shelf.unsaved.push(entry);
            if shelf.writer.has_unfinished() {
                return Ok(());
            }
            shelf.save()
        })
    }

    fn unless_broken(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<(), CorpusError>,
    ) -> Result<(), CorpusError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let written = write(self);
        self.broken = written.as_ref().err().cloned();
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
        self.unless_broken(|shelf| {
            shelf.writer.close()?;
            shelf.save()
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

    fn entry(recording: &str, outcome: Outcome) -> Entry {
        Entry {
            source: recording.to_owned(),
            place: format!("/films/{recording}"),
            fingerprint: recording.to_owned(),
            outcome,
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
        let mut shelf = Shelf::open(dir.path(), &options).expect("opened");
        for recording in ["a", "b", "c"] {
            let begun = entry(recording, Outcome::Begun);
            shelf.note(begun).expect("noted");
        }
        for recording in ["b", "c"] {
            let clip = clip(recording, 1_000, &settings);
            shelf.put(&clip).expect("written");
        }
        shelf.note(entry("c", Outcome::Prepared)).expect("noted");
        // Nothing gets the name of a folder: closing the shard fails.
        let name = dir.path().join("shard-000000.tar");
        std::fs::create_dir(&name).expect("made");
        let clip = clip("a", 100_000, &settings);
        let error = shelf.put(&clip).expect_err("in the way").to_string();
        assert!(error.contains("shard-000000.tar"), "{error}");

        // The other jobs come to their ends before they hear of it.
        let later = shelf.note(entry("b", Outcome::Prepared));
        assert_eq!(later.expect_err("lost").to_string(), error);
        assert!(shelf.put(&clip).is_err());
        assert!(shelf.close().is_err());

        std::fs::remove_dir(&name).expect("removed");
        let shelf = Shelf::open(dir.path(), &options).expect("opened");
        for recording in ["a", "b", "c"] {
            assert!(!shelf.is_done(recording), "{recording} is not there");
            assert!(!shelf.knows(recording, 0), "{recording}");
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
        let mut shelf = Shelf::open(dir.path(), &options).expect("opened");
        for start_sample in [0, 480_000] {
            let mut clip = clip("a", 10_000, &settings);
            clip.info.start_sample = start_sample;
            shelf.put(&clip).expect("written");
        }
        shelf.note(entry("a", Outcome::Prepared)).expect("noted");
        let (shards, _) = shelf.close().expect("closed");
        assert_eq!(shards, 2);
        let shelf = Shelf::open(dir.path(), &options).expect("opened");
        assert!(shelf.is_done("a"));
        drop(shelf);

        std::fs::remove_file(dir.path().join("shard-000001.tar")).expect("removed");
        let shelf = Shelf::open(dir.path(), &options).expect("opened");
        assert!(!shelf.is_done("a"));
        assert!(shelf.knows("a", 0));
        assert!(!shelf.knows("a", 480_000));
    }
}
