//! Clips and snapshots of events, as files.
//!
//! Belongs here: their names, and which are deleted to make room. Does not: how a clip is
//! written ([`crate::clip`]).
//!
//! `YYYY-MM-DD/HH/stream/HHMMSS_kind_id.*` in UTC, below the folder of `--record`: a person
//! finds a file without us. Beside clip and snapshot lies the event as JSON, so that an index
//! that is lost can be made anew.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use l3net_data::atomic_file;
use l3net_data::folder::folder_of;
use ulid::Ulid;

use crate::event::{ClipState, StreamEvent};
use crate::store::EventFiles;
use crate::time::UtcMs;

/// Names of snapshots.
const SNAPSHOT: &str = "jpg";
/// Names of events.
const EVENT: &str = "json";

/// The folder of clips and snapshots.
#[derive(Debug)]
pub struct EventFolder {
    folder: PathBuf,
    max_bytes: u64,
    max_age: Option<Duration>,
    /// Bytes of each event's files, the oldest first.
    index: BTreeMap<(UtcMs, Ulid), u64>,
    bytes: u64,
}

impl EventFolder {
    /// A folder with limits; nothing of what lies in it is known yet ([`Self::keep`]).
    pub fn new(folder: &Path, max_bytes: u64, max_age: Option<Duration>) -> Self {
        Self {
            folder: folder.to_owned(),
            max_bytes,
            max_age,
            index: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// What all files take.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The file of an event without its ending; its folder is made.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn stem(&self, event: &StreamEvent) -> io::Result<PathBuf> {
        let begin = event.begin_ms.to_timestamp();
        // Levels of a name stay one level here: the day is what is looked for first.
        let stream = folder_of(&event.stream).replace('/', "~");
        let folder = self
            .folder
            .join(begin.strftime("%Y-%m-%d/%H").to_string())
            .join(stream);
        fs::create_dir_all(&folder)?;
        let time = begin.strftime("%H%M%S");
        Ok(folder.join(format!("{time}_{}_{}", event.kind.name(), event.id)))
    }

    /// The path below the folder, as it is kept in the index.
    pub fn relative(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.folder).unwrap_or(path).to_owned()
    }

    /// Writes the snapshot of an event.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_snapshot(&self, event: &StreamEvent, jpeg: &[u8]) -> io::Result<PathBuf> {
        let path = with_ending(self.stem(event)?, SNAPSHOT);
        atomic_file::write(&path, jpeg)?;
        Ok(self.relative(&path))
    }

    /// Writes the event itself beside its files, and counts what they take.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_event(&mut self, event: &StreamEvent, files: &EventFiles) -> io::Result<()> {
        let path = with_ending(self.stem(event)?, EVENT);
        write_json(&path, event)?;
        self.keep(event, files);
        Ok(())
    }

    /// Counts what the files of an event take, which has ended: they may be deleted from now
    /// on.
    pub fn keep(&mut self, event: &StreamEvent, files: &EventFiles) {
        let paths = [&files.clip, &files.snapshot].into_iter().flatten();
        let sizes = paths.filter_map(|path| fs::metadata(self.folder.join(path)).ok());
        let bytes: u64 = sizes.map(|facts| facts.len()).sum();
        let before = self.index.insert((event.begin_ms, event.id), bytes);
        self.bytes = self.bytes + bytes - before.unwrap_or(0);
    }

    /// The files of an event are no more.
    pub fn forget(&mut self, event: &StreamEvent) {
        if let Some(bytes) = self.index.remove(&(event.begin_ms, event.id)) {
            self.bytes -= bytes;
        }
    }

    /// All events with files, the oldest first.
    pub fn oldest_first(&self) -> Vec<(UtcMs, Ulid)> {
        self.index.keys().copied().collect()
    }

    /// Whether an event that began then is over the limits, if older ones are gone.
    pub fn is_over(&self, begin: UtcMs, now: UtcMs) -> bool {
        let oldest = self.max_age.map(|age| now.minus(age));
        self.bytes > self.max_bytes || oldest.is_some_and(|oldest| begin < oldest)
    }

    /// Deletes the files of an event, and folders that are empty then. What is gone already
    /// is gone.
    ///
    /// # Errors
    /// Names the first file that cannot be deleted.
    pub fn delete(&self, files: &EventFiles) -> Result<(), (PathBuf, io::Error)> {
        let mut result = Ok(());
        for path in [&files.clip, &files.snapshot].into_iter().flatten() {
            let path = self.folder.join(path);
            for path in [with_ending(path.clone(), EVENT), path] {
                if let Err(cause) = fs::remove_file(&path)
                    && cause.kind() != io::ErrorKind::NotFound
                {
                    result = result.and(Err((path.clone(), cause)));
                }
                // Stream, hour, day; refused where something is left.
                let folders = path.ancestors().skip(1).take(3);
                folders
                    .take_while(|folder| fs::remove_dir(folder).is_ok())
                    .for_each(drop);
            }
        }
        result
    }

    /// The events whose JSON lies in the folder, with the files that are there: an index
    /// that was lost is made anew from them.
    pub fn recover(&self) -> Vec<(StreamEvent, EventFiles)> {
        let days = walkdir::WalkDir::new(&self.folder)
            .min_depth(4)
            .max_depth(4);
        let files = days.into_iter().flatten().map(walkdir::DirEntry::into_path);
        let events = files.filter(|path| path.extension().is_some_and(|e| e == EVENT));
        events
            .filter_map(|path| {
                let mut event: StreamEvent = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
                let there = |ending: &str| {
                    let path = path.with_extension(ending);
                    path.is_file().then(|| self.relative(&path))
                };
                let files = EventFiles {
                    clip: there("mp4").or_else(|| there("mkv")),
                    snapshot: there(SNAPSHOT),
                };
                event.snapshot = files.snapshot.is_some();
                event.clip = match (&files.clip, event.clip) {
                    (Some(_), _) => ClipState::Ready,
                    (None, ClipState::Ready) => ClipState::Deleted,
                    (None, ClipState::Pending) => ClipState::None,
                    (None, state) => state,
                };
                // Of a run that did not come to it.
                event.end_ms = event.end_ms.or(Some(event.begin_ms));
                Some((event, files))
            })
            .collect()
    }
}

/// The names have no dots of their own.
fn with_ending(path: PathBuf, ending: &str) -> PathBuf {
    path.with_extension(ending)
}

/// Writes an event beside its files, which are `files` below the folder, over what is there.
///
/// # Errors
/// If it cannot be written.
pub fn rewrite_event(folder: &Path, event: &StreamEvent, files: &EventFiles) -> io::Result<()> {
    match files.clip.as_ref().or(files.snapshot.as_ref()) {
        Some(file) => write_json(&with_ending(folder.join(file), EVENT), event),
        None => Ok(()),
    }
}

fn write_json(path: &Path, event: &StreamEvent) -> io::Result<()> {
    atomic_file::write(path, &serde_json::to_vec(event).expect("plain data"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::event;

    /// An event with a clip of so many bytes.
    fn recorded(folder: &mut EventFolder, begin_s: i64, bytes: usize) -> (StreamEvent, EventFiles) {
        let mut event = event("gate/ä", begin_s * 1000, Some(begin_s * 1000 + 500));
        let clip = with_ending(folder.stem(&event).expect("made"), "mp4");
        fs::write(&clip, vec![0; bytes]).expect("written");
        event.clip = ClipState::Ready;
        let files = EventFiles {
            clip: Some(folder.relative(&clip)),
            snapshot: Some(folder.write_snapshot(&event, &[1; 10]).expect("written")),
        };
        event.snapshot = true;
        folder.write_event(&event, &files).expect("written");
        (event, files)
    }

    #[test]
    fn the_oldest_are_over_until_the_rest_fits() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut folder = EventFolder::new(dir.path(), 2_500, None);
        let events: Vec<_> = (0..4)
            .map(|hour| recorded(&mut folder, 1_780_000_000 + hour * 3600, 1000))
            .collect();
        assert_eq!(folder.bytes(), 4 * 1010);
        let oldest: Vec<_> = folder
            .oldest_first()
            .into_iter()
            .map(|(_, id)| id)
            .collect();
        assert_eq!(
            oldest,
            events.iter().map(|(event, _)| event.id).collect::<Vec<_>>()
        );
        for (event, files) in &events[..2] {
            assert!(folder.is_over(event.begin_ms, UtcMs::now()));
            folder.delete(files).expect("deleted");
            folder.delete(files).expect("gone is gone");
            folder.forget(event);
        }
        assert!(!folder.is_over(events[2].0.begin_ms, UtcMs::now()));
        assert_eq!(folder.recover().len(), 2);
        let hours = fs::read_dir(dir.path().join("2026-05-28"))
            .expect("a day")
            .count();
        assert_eq!(hours, 2, "empty hours went with their clips");
    }

    #[test]
    fn what_is_too_old_goes() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = EventFolder::new(dir.path(), u64::MAX, Some(Duration::from_secs(60)));
        assert!(folder.is_over(UtcMs(100_000), UtcMs(1_001_000)));
        assert!(!folder.is_over(UtcMs(1_000_000), UtcMs(1_001_000)));
    }

    #[test]
    fn an_index_that_is_lost_is_made_from_the_files() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut folder = EventFolder::new(dir.path(), u64::MAX, None);
        let (event, files) = recorded(&mut folder, 1_780_000_000, 10);
        let name = files.clip.clone().expect("it has one");
        assert!(
            name.starts_with("2026-05-28/20/gate~ä"),
            "{}",
            name.display()
        );
        fs::write(dir.path().join("2026-05-28/20/gate~ä/x.json"), "no event").expect("written");
        assert_eq!(folder.recover(), [(event.clone(), files)]);
        fs::remove_file(dir.path().join(name)).expect("deleted");
        assert_eq!(folder.recover()[0].0.clip, ClipState::Deleted);
    }
}
