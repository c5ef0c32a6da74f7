//! What is known of a run in progress: plain counters that any thread may read.
//!
//! Belongs here: the counters of the engine, for progress bars, metrics and benches.
//! Does not: who shows them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use crate::result::StreamName;
use crate::sync::lock;
use crate::time::MediaTime;

/// Counters of a run.
#[derive(Debug, Default)]
pub struct RunStats {
    /// How the network spends its time.
    pub network: NetworkStats,
    streams: RwLock<Vec<RunStream>>,
    live: AtomicBool,
}

/// A stream of a run.
#[derive(Debug)]
pub struct RunStream {
    /// Its name in results.
    pub name: StreamName,
    /// What is counted of it.
    pub stats: Arc<StreamStats>,
}

impl RunStats {
    /// Adds a stream and returns its counters. If a stream of this name is `known`, its
    /// counters continue; finding them takes time in proportion to the number of streams.
    pub fn add(&self, name: &StreamName, known: bool) -> Arc<StreamStats> {
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        let before = match known {
            true => streams.iter().find(|s| s.name == *name),
            false => None,
        };
        let stats = before.map_or_else(Arc::default, |stream| Arc::clone(&stream.stats));
        streams.push(RunStream {
            name: name.clone(),
            stats: Arc::clone(&stats),
        });
        stats
    }

    /// The streams so far, in the order in which they were added: that of the sources, then
    /// those that came later.
    pub fn streams(&self) -> RwLockReadGuard<'_, Vec<RunStream>> {
        self.streams.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A source that runs in real time has been opened.
    pub fn set_live(&self) {
        self.live.store(true, Ordering::Relaxed);
    }

    /// Whether a source runs in real time: then the run must not wait for displays. Known
    /// once the source is open.
    pub fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }
}

/// Counters of one stream.
#[derive(Debug, Default)]
pub struct StreamStats {
    /// How far it has been read, in nanoseconds of stream time.
    pub position_ns: AtomicU64,
    /// Its length in nanoseconds; 0 where it is not known.
    pub length_ns: AtomicU64,
    /// Moments that wait for the network.
    pub queued_moments: AtomicU64,
    /// Blocks of sound that found the ring full, since the run began.
    pub dropped_blocks: AtomicU64,
    /// Frames that found the channel full, and pictures that were not decoded because they
    /// were late, since the run began.
    pub dropped_frames: AtomicU64,
    /// How far a live source is behind the clock, in nanoseconds.
    pub lag_ns: AtomicU64,
    /// Blocks of sound that came without a timestamp.
    pub untimed_blocks: AtomicU64,
    /// Blocks and frames whose timestamps were not believed.
    pub doubted_times: AtomicU64,
    /// Jumps of timestamps, of sound or picture.
    pub time_jumps: AtomicU64,
    /// How far sound and picture of a live source have come apart.
    drift: Mutex<Option<AvDrift>>,
}

impl StreamStats {
    /// How far sound and picture of a live source have come apart since it was opened or
    /// its timestamps last jumped; `None` while that is not known.
    pub fn drift(&self) -> Option<AvDrift> {
        *lock(&self.drift)
    }

    /// Sets what [`drift`](Self::drift) tells.
    pub fn set_drift(&self, drift: Option<AvDrift>) {
        *lock(&self.drift) = drift;
    }
}

/// How far the timestamps of sound and picture have come apart since a beginning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AvDrift {
    /// How much earlier the sound has become against the picture, in nanoseconds; later, if
    /// it is negative.
    pub sound_early_ns: i64,
    /// By how many millionths the timestamps of the sound run fast against the clock of this
    /// machine. Known after some minutes.
    pub sound_ppm: Option<f32>,
    /// The same of the picture.
    pub picture_ppm: Option<f32>,
}

/// How the network thread spent its time.
#[derive(Debug, Default)]
pub struct NetworkStats {
    busy_ns: AtomicU64,
    idle_ns: AtomicU64,
    moments: AtomicU64,
    batches: AtomicU64,
}

impl NetworkStats {
    /// A batch of `moments` took `busy`, after the network had waited for `idle`.
    pub fn record(&self, moments: u64, busy: Duration, idle: Duration) {
        let ns = |time| MediaTime::from_duration(time).0;
        self.busy_ns.fetch_add(ns(busy), Ordering::Relaxed);
        self.idle_ns.fetch_add(ns(idle), Ordering::Relaxed);
        self.moments.fetch_add(moments, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
    }

    /// Share of the time between the first and the last batch, 0 to 1, in which the
    /// network waited for work or for sinks.
    pub fn idle_share(&self) -> f64 {
        let busy = self.busy_ns.load(Ordering::Relaxed) as f64;
        let idle = self.idle_ns.load(Ordering::Relaxed) as f64;
        if busy + idle > 0.0 {
            idle / (busy + idle)
        } else {
            0.0
        }
    }

    /// Moments judged.
    pub fn moments(&self) -> u64 {
        self.moments.load(Ordering::Relaxed)
    }

    /// Forward passes that they took.
    pub fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }
}
