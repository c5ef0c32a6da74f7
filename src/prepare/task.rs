//! One recording of a run: whether it needs to be prepared, and preparing it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use super::PrepareProgress;
use super::cutter::Piece;
use super::journal::{JournalEntry, RecordingState};
use super::recorder::{Jpeg, ReadOutcome, record};
use super::report::{PrepareReport, SkipReason, TaskOutcome};
use super::shard_set::ShardSet;
use crate::cancel::CancelToken;
use crate::corpus::shards::{Clip, ClipInfo, FORMAT, encode_sound};
use crate::corpus::{CorpusError, hash, hash_bytes};
use crate::media::{Opener, Source, SourceKind};
use crate::result::StreamName;
use crate::time::SAMPLE_RATE;

/// How much of a file's start and end its fingerprint is made of.
const FINGERPRINT_BYTES: u64 = 64 << 10;

/// A recording that needs to be prepared.
pub(super) struct RecordingTask {
    source: Source,
    /// Index of its position in the progress.
    index: usize,
    place: String,
    fingerprint: String,
}

/// The recordings that need to be prepared; the others go into the report at once.
pub(super) fn plan(
    sources: Vec<Source>,
    shard_set: &ShardSet,
    progress: &PrepareProgress,
    report: &mut PrepareReport,
) -> Vec<RecordingTask> {
    let mut tasks: Vec<RecordingTask> = Vec::new();
    let mut seen: HashMap<String, StreamName> = HashMap::new();
    for (index, source) in sources.into_iter().enumerate() {
        let name = source.name.clone();
        let (place, fingerprint) = match identity(&source) {
            Ok(identity) => identity,
            Err(cause) => {
                report.add(TaskOutcome::Failed(name, cause));
                continue;
            }
        };
        let is_done = || {
            let position = &progress.positions[index];
            position.position_ns.store(1, Ordering::Relaxed);
            position.length_ns.store(1, Ordering::Relaxed);
        };
        if let Some(first) = seen.get(&fingerprint) {
            is_done();
            report.add(TaskOutcome::Skipped(
                name.clone(),
                SkipReason::Copy(first.clone()),
            ));
        } else if shard_set.is_done(&fingerprint) {
            is_done();
            report.done_already += 1;
        } else if shard_set.has_earlier(&place, &fingerprint) {
            let what = "has changed since it was prepared, and both would be in the data: \
                        prepare it into a new folder";
            report.add(TaskOutcome::Failed(name.clone(), what.to_owned()));
        } else {
            tasks.push(RecordingTask {
                source,
                index,
                place,
                fingerprint: fingerprint.clone(),
            });
        }
        seen.entry(fingerprint).or_insert(name);
    }
    tasks
}

/// Where a source is, and a number made of its content.
fn identity(source: &Source) -> Result<(String, String), String> {
    let (place, number) = match &source.kind {
        SourceKind::Broken(cause) => return Err(cause.to_string()),
        SourceKind::File(path) => {
            let place = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let number = fingerprint(path).map_err(|e| format!("cannot be read: {e}"))?;
            (place.display().to_string(), number)
        }
        SourceKind::Uri { uri, .. } => (uri.clone(), hash(0, uri)),
        #[cfg(feature = "store")]
        SourceKind::Stored(stored) => {
            let number = hash(stored.bytes.unwrap_or(0), &stored.at.to_string());
            (stored.at.to_string(), number)
        }
        SourceKind::Launch(description) => {
            let text = description.to_string();
            let number = hash(0, &text);
            (text, number)
        }
        SourceKind::Camera(_) | SourceKind::Test(_) => {
            return Err("has no end: record it first".to_owned());
        }
    };
    Ok((place, format!("{number:016x}")))
}

/// Of a file's size, its start and its end: a recording that is copied or moved
/// keeps its fingerprint, one that grows does not.
fn fingerprint(path: &Path) -> std::io::Result<u64> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut bytes = Vec::new();
    (&mut file)
        .take(FINGERPRINT_BYTES)
        .read_to_end(&mut bytes)?;
    let start = hash_bytes(size, &bytes);
    file.seek(SeekFrom::Start(size.saturating_sub(FINGERPRINT_BYTES)))?;
    bytes.clear();
    file.take(FINGERPRINT_BYTES).read_to_end(&mut bytes)?;
    Ok(hash_bytes(start, &bytes))
}

/// Prepares a recording.
pub(super) fn run(
    task: &RecordingTask,
    opener: &dyn Opener,
    fps: f64,
    shard_set: &Mutex<ShardSet>,
    progress: &PrepareProgress,
    stop: &CancelToken,
) -> Result<TaskOutcome, CorpusError> {
    let lock = || shard_set.lock().unwrap_or_else(|e| e.into_inner());
    lock().record(task.entry(RecordingState::Started, None))?;
    let (mut clips, mut silent) = (0, 0);
    let mut take = |piece: Piece<Jpeg>| {
        if piece.silent {
            silent += 1;
        } else if !piece.frames.is_empty() {
            clips += 1;
            task.keep(piece, shard_set, progress)?;
        }
        Ok(())
    };
    let position = &progress.positions[task.index];
    let (recorded, damage) = record(&task.source, opener, fps, stop, position, &mut take)?;
    let name = task.source.name.clone();
    if !damage.is_none() {
        let mut damaged = progress.damaged.lock().unwrap_or_else(|e| e.into_inner());
        damaged.push((name.clone(), damage));
    }
    let done = match recorded {
        ReadOutcome::Stopped => return Ok(TaskOutcome::Stopped),
        ReadOutcome::Failed(cause) if clips > 0 => {
            TaskOutcome::Failed(name, format!("{cause} (what came before it is kept)"))
        }
        ReadOutcome::Failed(cause) => TaskOutcome::Failed(name, cause.to_string()),
        ReadOutcome::Lacks { what, undecodable } => TaskOutcome::lacking(&name, &what, undecodable),
        ReadOutcome::Whole if clips > 0 => TaskOutcome::Prepared,
        ReadOutcome::Whole if silent > 0 => TaskOutcome::Skipped(name, SkipReason::Silent),
        ReadOutcome::Whole => TaskOutcome::Skipped(name, SkipReason::Short),
    };
    let (state, why) = match &done {
        TaskOutcome::Skipped(_, why) => (RecordingState::Skipped, Some(why.to_string())),
        TaskOutcome::Failed(_, why) => (RecordingState::Failed, Some(why.clone())),
        TaskOutcome::Prepared | TaskOutcome::Stopped => (RecordingState::Prepared, None),
    };
    lock().record(task.entry(state, why))?;
    Ok(done)
}

impl RecordingTask {
    fn entry(&self, state: RecordingState, why: Option<String>) -> JournalEntry {
        JournalEntry {
            source: self.source.name.to_string(),
            place: self.place.clone(),
            fingerprint: self.fingerprint.clone(),
            state,
            clips: None,
            why,
        }
    }

    /// Writes a piece, unless an earlier run has.
    fn keep(
        &self,
        piece: Piece<Jpeg>,
        shard_set: &Mutex<ShardSet>,
        progress: &PrepareProgress,
    ) -> Result<(), CorpusError> {
        let lock = || shard_set.lock().unwrap_or_else(|e| e.into_inner());
        let settings = {
            let set = lock();
            if set.has_clip(&self.fingerprint, piece.start.0) {
                return Ok(());
            }
            set.settings().clone()
        };
        let (times, frames): (Vec<u64>, Vec<Jpeg>) = piece
            .frames
            .into_iter()
            .map(|(at, jpeg)| (at.0, jpeg))
            .unzip();
        let sound = encode_sound(&piece.pcm)
            .map_err(|e| CorpusError::file(&self.place, format!("its sound as FLAC: {e}")))?;
        let clip = Clip {
            info: ClipInfo {
                format: FORMAT.to_owned(),
                source: self.source.name.to_string(),
                fingerprint: self.fingerprint.clone(),
                label: self.source.label.clone(),
                sample_rate: SAMPLE_RATE,
                start_sample: piece.start.0,
                samples: piece.pcm.len(),
                duration_s: piece.pcm.len() as f64 / f64::from(SAMPLE_RATE),
                frame_times_ns: times,
                settings,
            },
            sound,
            frames,
        };
        lock().write(&clip)?;
        progress.clips.fetch_add(1, Ordering::Relaxed);
        let frames = clip.frames.len() as u64;
        progress.frames.fetch_add(frames, Ordering::Relaxed);
        let ms = clip.info.samples as u64 * 1_000 / u64::from(SAMPLE_RATE);
        progress.ms.fetch_add(ms, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_that_differs_at_its_end_gets_another_fingerprint_and_a_copy_does_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let [a, b] = ["a.mkv", "b.mkv"].map(|name| dir.path().join(name));
        let mut bytes: Vec<u8> = (0..200_000_u32).map(|i| (i / 7) as u8).collect();
        std::fs::write(&a, &bytes).expect("written");
        std::fs::write(&b, &bytes).expect("written");
        let first = fingerprint(&a).expect("read");
        assert_eq!(first, fingerprint(&b).expect("read"));
        bytes[199_999] ^= 1;
        std::fs::write(&b, &bytes).expect("written");
        assert_ne!(first, fingerprint(&b).expect("read"));
        std::fs::write(&b, &bytes[..199_998]).expect("written");
        assert_ne!(first, fingerprint(&b).expect("read"));
        std::fs::write(&b, b"").expect("written");
        assert!(fingerprint(&b).is_ok());
    }
}
