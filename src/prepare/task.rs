//! One recording of a run: whether it is to be done, and doing it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use super::Gauges;
use super::cutter::Piece;
use super::journal::{Entry, Outcome};
use super::recorder::{Jpeg, Recorded, record};
use super::report::{Done, LeftOut, Report};
use super::shelf::Shelf;
use crate::cancel::CancelToken;
use crate::corpus::shards::{Clip, ClipInfo, FORMAT, encode_sound};
use crate::corpus::{CorpusError, hash, hash_bytes};
use crate::media::{Kind, Source};
use crate::result::StreamName;
use crate::time::SAMPLE_RATE;

/// How much of a file's start and end its fingerprint is made of.
const FINGERPRINT_BYTES: u64 = 64 << 10;

/// A recording that is to be done.
pub(super) struct Task {
    source: Source,
    /// Which of the gauges' positions is its.
    index: usize,
    place: String,
    fingerprint: String,
}

/// What is to be done. What is not is told in the report at once.
pub(super) fn plan(
    sources: Vec<Source>,
    shelf: &Shelf,
    gauges: &Gauges,
    report: &mut Report,
) -> Vec<Task> {
    let mut tasks: Vec<Task> = Vec::new();
    let mut seen: HashMap<String, StreamName> = HashMap::new();
    for (index, source) in sources.into_iter().enumerate() {
        let name = source.name.clone();
        let (place, fingerprint) = match identity(&source) {
            Ok(identity) => identity,
            Err(cause) => {
                report.add(Done::Failed(name, cause));
                continue;
            }
        };
        let is_done = || {
            let position = &gauges.positions[index];
            position.position_ns.store(1, Ordering::Relaxed);
            position.length_ns.store(1, Ordering::Relaxed);
        };
        if let Some(first) = seen.get(&fingerprint) {
            is_done();
            report.add(Done::LeftOut(name.clone(), LeftOut::Copy(first.clone())));
        } else if shelf.is_done(&fingerprint) {
            is_done();
            report.done_already += 1;
        } else if shelf.has_earlier(&place, &fingerprint) {
            let what = "has changed since it was prepared, and both would be in the data: \
                        prepare it into a new folder";
            report.add(Done::Failed(name.clone(), what.to_owned()));
        } else {
            tasks.push(Task {
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
        Kind::Broken(cause) => return Err(cause.to_string()),
        Kind::File(path) => {
            let place = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let number = fingerprint(path).map_err(|e| format!("cannot be read: {e}"))?;
            (place.display().to_string(), number)
        }
        Kind::Uri { uri, .. } => (uri.clone(), hash(0, uri)),
        Kind::Launch(description) => {
            let text = description.to_string();
            let number = hash(0, &text);
            (text, number)
        }
        Kind::Camera(_) | Kind::Test => return Err("has no end: record it first".to_owned()),
    };
    Ok((place, format!("{number:016x}")))
}

/// Of a file's size, its start and its end: a recording that is copied or moved
/// stays the same, one that goes on does not.
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

/// Does a recording.
pub(super) fn run(
    task: &Task,
    fps: f64,
    shelf: &Mutex<Shelf>,
    gauges: &Gauges,
    stop: &CancelToken,
) -> Result<Done, CorpusError> {
    let lock = || shelf.lock().unwrap_or_else(|e| e.into_inner());
    lock().note(task.entry(Outcome::Begun, None))?;
    let (mut clips, mut silent) = (0, 0);
    let mut take = |piece: Piece<Jpeg>| {
        if piece.silent {
            silent += 1;
        } else if !piece.frames.is_empty() {
            clips += 1;
            task.keep(piece, shelf, gauges)?;
        }
        Ok(())
    };
    let position = &gauges.positions[task.index];
    let recorded = record(&task.source, fps, stop, position, &mut take)?;
    let name = task.source.name.clone();
    let done = match recorded {
        Recorded::Stopped => return Ok(Done::Stopped),
        Recorded::Failed(cause) if clips > 0 => {
            Done::Failed(name, format!("{cause} (what came before it is kept)"))
        }
        Recorded::Failed(cause) => Done::Failed(name, cause.to_string()),
        Recorded::Lacks { what, undecodable } => Done::lacking(&name, &what, undecodable),
        Recorded::Whole if clips > 0 => Done::Prepared,
        Recorded::Whole if silent > 0 => Done::LeftOut(name, LeftOut::Silent),
        Recorded::Whole => Done::LeftOut(name, LeftOut::Short),
    };
    let (outcome, why) = match &done {
        Done::LeftOut(_, why) => (Outcome::LeftOut, Some(why.to_string())),
        Done::Failed(_, why) => (Outcome::Failed, Some(why.clone())),
        Done::Prepared | Done::Stopped => (Outcome::Prepared, None),
    };
    lock().note(task.entry(outcome, why))?;
    Ok(done)
}

impl Task {
    fn entry(&self, outcome: Outcome, why: Option<String>) -> Entry {
        Entry {
            source: self.source.name.to_string(),
            place: self.place.clone(),
            fingerprint: self.fingerprint.clone(),
            outcome,
            clips: None,
            why,
        }
    }

    /// Writes a piece, unless an earlier run has.
    fn keep(
        &self,
        piece: Piece<Jpeg>,
        shelf: &Mutex<Shelf>,
        gauges: &Gauges,
    ) -> Result<(), CorpusError> {
        let lock = || shelf.lock().unwrap_or_else(|e| e.into_inner());
        let settings = {
            let shelf = lock();
            if shelf.knows(&self.fingerprint, piece.start.0) {
                return Ok(());
            }
            shelf.settings().clone()
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
        lock().put(&clip)?;
        gauges.clips.fetch_add(1, Ordering::Relaxed);
        let frames = clip.frames.len() as u64;
        gauges.frames.fetch_add(frames, Ordering::Relaxed);
        let ms = clip.info.samples as u64 * 1_000 / u64::from(SAMPLE_RATE);
        gauges.ms.fetch_add(ms, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_that_goes_on_gets_another_fingerprint_and_a_copy_does_not() {
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
