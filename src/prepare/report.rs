//! The result of a run, for a person.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::PrepareProgress;
use crate::features::Damage;
use crate::media::MediaError;
use crate::result::StreamName;

/// Why there is nothing in a recording to train on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    /// It has no sound.
    #[error("no sound")]
    NoSound,
    /// It has no picture.
    #[error("no picture")]
    NoPicture,
    /// No second of it is louder than -60 dBFS.
    #[error("silent")]
    Silent,
    /// No second of sound with a picture in it.
    #[error("no second of sound with a picture")]
    Short,
    /// The same bytes under another name.
    #[error("a copy of {0}")]
    Copy(StreamName),
}

/// What one recording came to.
#[derive(Debug)]
pub(super) enum TaskOutcome {
    Prepared,
    Skipped(StreamName, SkipReason),
    Failed(StreamName, String),
    Stopped,
}

impl TaskOutcome {
    /// What to make of a recording that lacks sound or picture.
    pub fn lacking(name: &StreamName, what: &MediaError, undecodable: bool) -> Self {
        let name = name.clone();
        match what {
            MediaError::NoSound(_) if !undecodable => Self::Skipped(name, SkipReason::NoSound),
            MediaError::NoPicture(_) if !undecodable => Self::Skipped(name, SkipReason::NoPicture),
            // Another machine would find something in it.
            what => Self::Failed(name, what.to_string()),
        }
    }
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct PrepareReport {
    /// Where the shards are.
    pub folder: PathBuf,
    /// Recordings that an earlier run had done.
    pub done_already: usize,
    /// Recordings that this run did.
    pub prepared: usize,
    /// Clips that this run wrote.
    pub clips: u64,
    /// Frames in them.
    pub frames: u64,
    /// Seconds of sound in them.
    pub seconds: f64,
    /// Shards in the folder, and their bytes.
    pub shards: (usize, u64),
    /// Recordings with damaged samples of sound, and what was made of them.
    pub damaged: Vec<(StreamName, Damage)>,
    /// Recordings in which there is nothing to train on.
    pub skipped: Vec<(StreamName, SkipReason)>,
    /// Recordings that failed, and why.
    pub failed: Vec<(StreamName, String)>,
    /// It was stopped before its end; the same call resumes.
    pub interrupted: bool,
}

impl PrepareReport {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            done_already: 0,
            prepared: 0,
            clips: 0,
            frames: 0,
            seconds: 0.0,
            shards: (0, 0),
            damaged: Vec::new(),
            skipped: Vec::new(),
            failed: Vec::new(),
            interrupted: false,
        }
    }

    pub(super) fn add(&mut self, done: TaskOutcome) {
        match done {
            TaskOutcome::Prepared => self.prepared += 1,
            TaskOutcome::Skipped(name, why) => self.skipped.push((name, why)),
            TaskOutcome::Failed(name, why) => self.failed.push((name, why)),
            TaskOutcome::Stopped => {}
        }
    }

    pub(super) fn finish(
        &mut self,
        progress: &PrepareProgress,
        shards: (usize, u64),
        interrupted: bool,
    ) {
        self.clips = progress.clips.load(Ordering::Relaxed);
        self.frames = progress.frames.load(Ordering::Relaxed);
        self.seconds = progress.ms.load(Ordering::Relaxed) as f64 / 1e3;
        self.shards = shards;
        self.interrupted = interrupted;
        let damaged = progress.damaged.lock();
        self.damaged = damaged.unwrap_or_else(|e| e.into_inner()).clone();
        // Jobs side by side end in any order.
        self.damaged.sort_by(|a, b| a.0.cmp(&b.0));
        self.skipped.sort_by(|a, b| a.0.cmp(&b.0));
        self.failed.sort_by(|a, b| a.0.cmp(&b.0));
    }
}
