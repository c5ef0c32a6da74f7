//! Clips of live streams from their own encoded packets, never encoded anew.
//!
//! Belongs here: the recorder that events ask for clips ([`PacketRecorder`]), and how
//! packets become files. Does not: the packets ([`crate::media::packets`]), when a clip is
//! wanted (the monitor).
//!
//! ```text
//! PacketRing ──one thread per open clip──▶ appsrc ─ parser ─ muxer ─ file
//! ```
//!
//! A clip begins with a key picture and ends where its stream breaks off or changes its
//! format. Times of sound and picture are the stream's own; zero is the first picture.

mod clip;
mod container;
mod file;
mod mux;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use l3net_monitor::clip::{Recorder, Recording};
use l3net_monitor::time::UtcMs;

use crate::media::packets::{COLLECT_EVERY, PacketRing};
use crate::result::StreamName;
use crate::sync::lock;
use clip::{Job, OpenClip, Shared, no_clip, why_not};
use file::Draft;
pub use file::remove_drafts;

/// How long clips may take to end when the recorder is dropped.
const CLOSING: Duration = Duration::from_secs(5);

/// What a recorder may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory for the packets of a stream.
    pub ring_bytes: usize,
    /// Clips that are written at a time, of all streams.
    pub open_clips: usize,
    /// Length of a clip.
    pub longest: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ring_bytes: 64 << 20,
            open_clips: 16,
            longest: Duration::from_secs(3_600),
        }
    }
}

type Rings = Arc<Mutex<BTreeMap<StreamName, Arc<PacketRing>>>>;

/// Keeps the last packets of streams, and writes clips from them.
///
/// The engine gets each stream's ring with its task ([`crate::engine::Task::packets`]).
/// When it is dropped, open clips end with what has arrived; it waits for them for 5 s.
pub struct PacketRecorder {
    rings: Rings,
    limits: Limits,
    clips: Mutex<Vec<JoinHandle<()>>>,
    closing: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    collector: Option<JoinHandle<()>>,
}

impl PacketRecorder {
    /// For the streams of [`set_streams`](Self::set_streams).
    ///
    /// # Errors
    /// If the system has no thread for it.
    pub fn new(limits: Limits) -> std::io::Result<Self> {
        let rings = Rings::default();
        let stop = Arc::new(AtomicBool::new(false));
        let collector = std::thread::Builder::new().name("packets".to_owned());
        let collector = collector.spawn({
            let rings = Arc::clone(&rings);
            let stop = Arc::clone(&stop);
            move || {
                while !stop.load(Ordering::Relaxed) {
                    let present: Vec<_> = lock(&rings).values().cloned().collect();
                    (present.iter()).for_each(|ring| ring.collect(Timestamp::now()));
                    std::thread::park_timeout(COLLECT_EVERY);
                }
            }
        })?;
        Ok(Self {
            rings,
            limits,
            clips: Mutex::default(),
            closing: Arc::default(),
            stop,
            collector: Some(collector),
        })
    }

    /// Keeps the packets of these streams from now on, each for clips that begin up to so
    /// long earlier than they are asked for; forgets those of others.
    pub fn set_streams(&self, streams: impl IntoIterator<Item = (StreamName, Duration)>) {
        let mut rings = lock(&self.rings);
        let mut before = std::mem::take(&mut *rings);
        for (name, earlier) in streams {
            let ring = before.remove(&name);
            let new = || Arc::new(PacketRing::new(earlier, self.limits.ring_bytes));
            let ring = ring.unwrap_or_else(new);
            ring.set_before(earlier);
            rings.insert(name, ring);
        }
    }

    /// The packets of a stream, for the engine.
    pub fn ring(&self, stream: &str) -> Option<Arc<PacketRing>> {
        lock(&self.rings).get(stream).cloned()
    }

    fn begin(&self, stream: &str, from: UtcMs, stem: &Path) -> Result<OpenClip, String> {
        let Some(ring) = self.ring(stream) else {
            return Err("its packets are not kept".to_owned());
        };
        if ring.has_raw_picture() {
            return Err(
                "its picture is not encoded, as of a raw camera or a generated scene, and \
                 clips are copies of what is: have it sent as H.264"
                    .to_owned(),
            );
        }
        let from = from.to_timestamp();
        ring.find(from).map_err(why_not)?;
        let mut clips = lock(&self.clips);
        clips.retain(|clip| !clip.is_finished());
        if clips.len() >= self.limits.open_clips {
            return Err(format!(
                "{} clips are being written, as many as may be: try again when one has ended",
                clips.len()
            ));
        }
        let shared = Arc::new(Shared::default());
        let job = Job {
            stream: stream.to_owned(),
            ring,
            from,
            stem: stem.to_owned(),
            draft: Draft::new(stem)?,
            longest: self.limits.longest,
            shared: Arc::clone(&shared),
            closing: Arc::clone(&self.closing),
        };
        let thread = std::thread::Builder::new().name("clip".to_owned());
        let thread = thread.spawn(move || job.run());
        let thread = thread.map_err(|e| format!("the system has no thread for it: {e}"))?;
        let clip = OpenClip {
            shared,
            thread: thread.thread().clone(),
        };
        clips.push(thread);
        Ok(clip)
    }
}

impl Recorder for PacketRecorder {
    fn start(&self, stream: &str, from: UtcMs, stem: &Path) -> Result<Box<dyn Recording>, String> {
        match self.begin(stream, from, stem) {
            Ok(clip) => Ok(Box::new(clip)),
            Err(cause) => Err(no_clip(stream, &cause)),
        }
    }

    fn ring_fill(&self, stream: &str) -> Option<f64> {
        Some(self.ring(stream)?.fill())
    }
}

impl Drop for PacketRecorder {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        let clips = std::mem::take(&mut *lock(&self.clips));
        clips.iter().for_each(|clip| clip.thread().unpark());
        while clips.iter().any(|clip| !clip.is_finished()) && begun.elapsed() < CLOSING {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.stop.store(true, Ordering::Relaxed);
        if let Some(collector) = self.collector.take() {
            collector.thread().unpark();
            // One that panicked has nothing more to collect.
            let _ = collector.join();
        }
    }
}
