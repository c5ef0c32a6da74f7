//! Recordings into shards: decoded once, for training.
//!
//! Belongs here: running media through the graph of `live` and `batch`, several
//! files side by side; cutting recordings into pieces; what is skipped; resuming
//! after a run that was killed. Does not: how a clip is stored in a shard
//! (`corpus::shards`), the command line (`cmd`).
//!
//! ```text
//! a thread for each file   Session -> Cutter -> JPEG, FLAC --+
//! …                                                          +-> ShardSet: shards, journal
//! ```

mod cache;
mod cutter;
mod journal;
mod recorder;
mod report;
mod shard_set;
mod task;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;

pub use cache::prepare_into_cache;
pub use cutter::{Cutter, PIECE_S, Piece};
pub use report::{PrepareReport, SkipReason};

use crate::cancel::CancelToken;
use crate::cores::cores;
use crate::corpus::CorpusError;
use crate::corpus::shards::{JPEG_QUALITY, Settings};
use crate::features::{Damage, SHORT_SIDE};
use crate::media::{Opener, Source};
use crate::result::StreamName;
use crate::stats::StreamStats;
use report::TaskOutcome;
use shard_set::ShardSet;

/// How often progress is reported.
const REPORT_INTERVAL: Duration = Duration::from_millis(200);

/// How to prepare.
#[derive(Clone, Debug)]
pub struct PrepareOptions {
    /// Frames that are kept of each second, at most.
    pub fps: f64,
    /// Files that are decoded side by side.
    pub jobs: usize,
    /// Bytes from which on a shard is closed.
    pub shard_bytes: u64,
}

impl Default for PrepareOptions {
    fn default() -> Self {
        Self {
            fps: 4.0,
            jobs: cores().clamp(2, 16),
            shard_bytes: 256_000_000,
        }
    }
}

impl PrepareOptions {
    fn settings(&self) -> Settings {
        Settings {
            fps: self.fps,
            short_side: SHORT_SIDE,
            jpeg_quality: JPEG_QUALITY,
            piece_s: PIECE_S,
        }
    }
}

/// Progress of a run, for a progress bar.
#[derive(Debug)]
pub struct PrepareProgress {
    /// Where each source is.
    pub positions: Vec<StreamStats>,
    /// Clips that were written.
    pub clips: AtomicU64,
    /// Frames in them.
    pub frames: AtomicU64,
    /// Milliseconds of sound in them.
    pub ms: AtomicU64,
    /// Recordings with damaged sound, and how much of it was made harmless.
    pub damaged: Mutex<Vec<(StreamName, Damage)>>,
}

impl PrepareProgress {
    fn new(sources: usize) -> Self {
        Self {
            positions: (0..sources).map(|_| StreamStats::default()).collect(),
            clips: AtomicU64::new(0),
            frames: AtomicU64::new(0),
            ms: AtomicU64::new(0),
            damaged: Mutex::default(),
        }
    }
}

/// Writes the recordings that `sources` name into shards in `folder`, those that
/// it does not have yet; `opener` opens them. `watch` is called now and then on the calling
/// thread.
///
/// A recording that is damaged or cannot be opened is listed in the report and does
/// not stop the others; what could be read of it is used.
///
/// # Errors
/// If the folder cannot be written to (the disk is full, another run writes it),
/// or holds something else.
pub fn prepare(
    sources: Vec<Source>,
    folder: &Path,
    options: &PrepareOptions,
    opener: &dyn Opener,
    stop: &CancelToken,
    mut watch: impl FnMut(&PrepareProgress),
) -> Result<PrepareReport, CorpusError> {
    let progress = PrepareProgress::new(sources.len());
    let shard_set = ShardSet::open(folder, options)?;
    let mut report = PrepareReport::new(folder);
    let tasks = task::plan(sources, &shard_set, &progress, &mut report);
    let mut left = tasks.len();
    let shard_set = Mutex::new(shard_set);
    let next = AtomicUsize::new(0);
    let (sender, done) = crossbeam_channel::unbounded::<Result<TaskOutcome, CorpusError>>();

    std::thread::scope(|scope| {
        for _ in 0..options.jobs.clamp(1, tasks.len().max(1)) {
            let sender = sender.clone();
            let (shard_set, tasks, progress, next) = (&shard_set, &tasks, &progress, &next);
            scope.spawn(move || {
                while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // What has not begun is left for a later run.
                    if stop.is_cancelled() {
                        break;
                    }
                    let done = task::run(task, opener, options.fps, shard_set, progress, stop);
                    if done.is_err() {
                        stop.cancel();
                    }
                    let _ = sender.send(done);
                }
            });
        }
        drop(sender);
        let mut result = Ok(());
        loop {
            match done.recv_timeout(REPORT_INTERVAL) {
                Ok(Ok(TaskOutcome::Stopped)) => {}
                Ok(Ok(done)) => {
                    left -= 1;
                    report.add(done);
                }
                // The first one is the cause of the others.
                Ok(Err(error)) => result = result.and(Err(error)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return result,
            }
            watch(&progress);
        }
    })?;
    let shard_set = shard_set.into_inner().unwrap_or_else(|e| e.into_inner());
    report.finish(&progress, shard_set.close()?, left > 0);
    Ok(report)
}
