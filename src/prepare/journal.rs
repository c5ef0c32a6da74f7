//! The state of each recording, in `prepare.jsonl` beside the shards.
//!
//! Policy:
//! - A recording is marked as prepared once the last of its clips is in a complete
//!   shard. What a killed run did not finish is done by the next one.
//! - An incomplete last line, of a run that was killed, is cut off on opening.
//! - All shards of a folder are made with the same settings.
//! - One program at a time: the file is locked while it is open.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::corpus::CorpusError;
use crate::corpus::shards::Settings;
use crate::lock::lock;

const NAME: &str = "prepare.jsonl";
const FORMAT: &str = "l3net-prepare/1";

/// The state of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RecordingState {
    /// Some of its clips may be in shards.
    #[serde(rename = "begun")]
    Started,
    /// All of its clips are.
    Prepared,
    /// There is nothing in it to train on.
    #[serde(rename = "left_out")]
    Skipped,
    /// It is damaged, or could not be opened.
    Failed,
}

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct JournalEntry {
    pub source: String,
    /// Where it was, to notice when it changes.
    pub place: String,
    pub fingerprint: String,
    #[serde(rename = "outcome")]
    pub state: RecordingState,
    /// How many clips of it there are, once it is prepared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clips: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct JournalHeader {
    format: String,
    settings: Settings,
}

/// The journal of a folder of shards.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    by_fingerprint: HashMap<String, JournalEntry>,
    /// Fingerprints that were seen at a place.
    by_place: HashMap<String, Vec<String>>,
}

impl Journal {
    /// Opens the journal of a folder, or begins it.
    ///
    /// # Errors
    /// If it cannot be written, another run writes it, or the folder was prepared
    /// with other settings.
    pub fn open(folder: &Path, settings: &Settings) -> Result<Self, CorpusError> {
        std::fs::create_dir_all(folder)
            .map_err(|e| CorpusError::layout(folder, format!("cannot be made: {e}")))?;
        let path = folder.join(NAME);
        let refuse = |e: std::io::Error| CorpusError::file(&path, e);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(refuse)?;
        if !lock(&file) {
            return Err(CorpusError::layout(
                folder,
                "another l3net is writing into it; wait for that one, or name another folder",
            ));
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(refuse)?;
        let whole = text.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
        file.set_len(whole as u64).map_err(refuse)?;
        file.seek(SeekFrom::End(0)).map_err(refuse)?;
        let mut journal = Self {
            path,
            file,
            by_fingerprint: HashMap::new(),
            by_place: HashMap::new(),
        };
        let text = String::from_utf8_lossy(&text[..whole]).into_owned();
        let mut lines = text.lines();
        match lines.next() {
            None => journal.write(&JournalHeader {
                format: FORMAT.to_owned(),
                settings: settings.clone(),
            })?,
            Some(head) => journal.check(folder, head, settings)?,
        }
        for line in lines {
            let entry = serde_json::from_str(line).map_err(|e| {
                CorpusError::file(&journal.path, format!("a damaged line: {e}; take it out"))
            })?;
            journal.admit(entry);
        }
        Ok(journal)
    }

    /// What is known of a recording.
    pub fn entry(&self, fingerprint: &str) -> Option<&JournalEntry> {
        self.by_fingerprint.get(fingerprint)
    }

    /// What was seen before at the place of a recording that is another now.
    pub fn earlier_at(&self, place: &str, now: &str) -> impl Iterator<Item = &str> {
        let seen = self.by_place.get(place).into_iter().flatten();
        seen.map(String::as_str).filter(move |f| *f != now)
    }

    /// Writes the state of a recording.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn append(&mut self, entry: JournalEntry) -> Result<(), CorpusError> {
        if self.by_fingerprint.get(&entry.fingerprint) != Some(&entry) {
            self.write(&entry)?;
            self.admit(entry);
        }
        Ok(())
    }

    fn admit(&mut self, entry: JournalEntry) {
        let seen = self.by_place.entry(entry.place.clone()).or_default();
        if !seen.contains(&entry.fingerprint) {
            seen.push(entry.fingerprint.clone());
        }
        self.by_fingerprint.insert(entry.fingerprint.clone(), entry);
    }

    fn check(&self, folder: &Path, head: &str, settings: &Settings) -> Result<(), CorpusError> {
        let head: JournalHeader = serde_json::from_str(head)
            .ok()
            .filter(|head: &JournalHeader| head.format == FORMAT)
            .ok_or_else(|| {
                let what = format!("not written by this version ({FORMAT}): name another folder");
                CorpusError::file(&self.path, what)
            })?;
        same_settings(folder, &head.settings, settings)
    }

    fn write(&mut self, line: &impl Serialize) -> Result<(), CorpusError> {
        let refuse =
            |e: std::io::Error| CorpusError::file(&self.path, format!("cannot be written: {e}"));
        let mut line = serde_json::to_vec(line).map_err(|e| refuse(e.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(refuse)
    }
}

/// Refuses to mix clips that were made in different ways.
pub(super) fn same_settings(
    folder: &Path,
    there: &Settings,
    wanted: &Settings,
) -> Result<(), CorpusError> {
    if there == wanted {
        return Ok(());
    }
    let what = if there.fps == wanted.fps {
        format!("was prepared in another way ({there:?})")
    } else {
        format!("was prepared with --fps {}", there.fps)
    };
    Err(CorpusError::layout(
        folder,
        format!("{what}: give the same, or name another folder"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(fps: f64) -> Settings {
        Settings {
            fps,
            short_side: 256,
            jpeg_quality: 90,
            piece_s: 10,
        }
    }

    fn entry(fingerprint: &str, state: RecordingState) -> JournalEntry {
        JournalEntry {
            source: "a.mp4".to_owned(),
            place: "/data/a.mp4".to_owned(),
            fingerprint: fingerprint.to_owned(),
            state,
            clips: None,
            why: None,
        }
    }

    fn state(journal: &Journal, fingerprint: &str) -> Option<RecordingState> {
        journal.entry(fingerprint).map(|entry| entry.state)
    }

    #[test]
    fn what_was_written_is_known_again_and_a_torn_line_is_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut journal = Journal::open(dir.path(), &settings(4.0)).expect("opened");
        journal
            .append(entry("1", RecordingState::Started))
            .expect("written");
        journal
            .append(entry("1", RecordingState::Prepared))
            .expect("written");
        drop(journal);
        let file = dir.path().join(NAME);
        let mut torn = std::fs::read(&file).expect("read");
        torn.extend_from_slice(br#"{"source":"b.mp4","pla"#);
        std::fs::write(&file, torn).expect("written");

        let mut journal = Journal::open(dir.path(), &settings(4.0)).expect("opened");
        assert_eq!(state(&journal, "1"), Some(RecordingState::Prepared));
        journal
            .append(entry("2", RecordingState::Failed))
            .expect("written");
        drop(journal);
        let journal = Journal::open(dir.path(), &settings(4.0)).expect("opened");
        assert_eq!(state(&journal, "2"), Some(RecordingState::Failed));
        let earlier: Vec<&str> = journal.earlier_at("/data/a.mp4", "2").collect();
        assert_eq!(earlier, ["1"]);
    }

    #[test]
    fn other_settings_and_other_programs_are_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let journal = Journal::open(dir.path(), &settings(4.0)).expect("opened");
        let busy = Journal::open(dir.path(), &settings(4.0))
            .err()
            .expect("locked");
        assert!(busy.to_string().contains("another l3net"), "{busy}");
        drop(journal);
        let other = Journal::open(dir.path(), &settings(5.0))
            .err()
            .expect("5 fps");
        assert!(other.to_string().contains("--fps 4"), "{other}");
        std::fs::write(dir.path().join(NAME), "shopping list\n").expect("written");
        let foreign = Journal::open(dir.path(), &settings(4.0))
            .err()
            .expect("foreign");
        assert!(foreign.to_string().contains(NAME), "{foreign}");
    }
}
