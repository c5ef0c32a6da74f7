//! The folder that is written to: shards, and what they hold already.
//!
//! Jobs share it behind a lock, which they hold for the writing alone.

use std::collections::HashSet;
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
    /// Fingerprints of the recordings that they are of.
    recordings: HashSet<String>,
    /// To be written down when the shard is whole that is being written.
    unsaved: Vec<Entry>,
}

impl Shelf {
    pub fn open(folder: &Path, options: &PrepareOptions) -> Result<Self, CorpusError> {
        let settings = options.settings();
        let journal = Journal::open(folder, &settings)?;
        let writer = ShardWriter::open(folder, options.shard_bytes)?;
        let (mut known, mut recordings) = (HashSet::new(), HashSet::new());
        for shard in find_shards(folder)? {
            for clip in read_shard(&shard)? {
                same_settings(folder, &clip.info.settings, &settings)?;
                recordings.insert(clip.info.fingerprint.clone());
                known.insert((clip.info.fingerprint, clip.info.start_sample));
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            settings,
            writer,
            journal,
            known,
            recordings,
            unsaved: Vec::new(),
        })
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether nothing is left to be done of a recording.
    pub fn is_done(&self, fingerprint: &str) -> bool {
        let outcome = self.journal.outcome(fingerprint);
        matches!(outcome, Some(Outcome::Prepared | Outcome::LeftOut))
    }

    /// Whether clips are there of what was at this place before it was changed.
    pub fn has_earlier(&self, place: &str, fingerprint: &str) -> bool {
        let mut earlier = self.journal.earlier_at(place, fingerprint);
        earlier.any(|fingerprint| self.recordings.contains(fingerprint))
    }

    /// Whether a clip is there, from a run that did not come to the end of the
    /// recording.
    pub fn knows(&self, fingerprint: &str, start_sample: u64) -> bool {
        self.known.contains(&(fingerprint.to_owned(), start_sample))
    }

    pub fn put(&mut self, clip: &Clip) -> Result<(), CorpusError> {
        let shard_is_whole = self.writer.append(clip)?;
        let info = &clip.info;
        self.known
            .insert((info.fingerprint.clone(), info.start_sample));
        if shard_is_whole {
            self.save()?;
        }
        Ok(())
    }

    /// Takes note of what became of a recording, once its clips are safe.
    pub fn note(&mut self, entry: Entry) -> Result<(), CorpusError> {
        // A beginning is told at once: a killed run may leave clips of it.
        if entry.outcome == Outcome::Begun {
            return self.journal.append(entry);
        }
        self.unsaved.push(entry);
        if self.writer.has_unfinished() {
            return Ok(());
        }
        self.save()
    }

    fn save(&mut self) -> Result<(), CorpusError> {
        for entry in std::mem::take(&mut self.unsaved) {
            self.journal.append(entry)?;
        }
        Ok(())
    }

    /// Closes the last shard. Says how many shards there are and their bytes.
    pub fn close(mut self) -> Result<(usize, u64), CorpusError> {
        self.writer.close()?;
        self.save()?;
        let shards = find_shards(&self.folder)?;
        let bytes = |shard: &PathBuf| std::fs::metadata(shard).map_or(0, |m| m.len());
        Ok((shards.len(), shards.iter().map(bytes).sum()))
    }
}
