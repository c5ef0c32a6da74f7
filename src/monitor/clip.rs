//! How clips are asked for.
//!
//! Belongs here: the interface between events and whoever holds a stream's encoded packets.
//! Does not: packets and containers (they need GStreamer, which this package does not).

use std::path::{Path, PathBuf};

use crate::time::UtcMs;

/// Writes clips from the packets of live streams.
pub trait Recorder: Send + Sync {
    /// Starts a clip of a stream from `from` on, as far back as packets are kept. The file
    /// is to be `stem` with an ending that says what it is (`.mp4`, `.mkv`), and is there
    /// only once it is whole. Returns at once.
    ///
    /// # Errors
    /// Why there can be none, in one line.
    fn start(&self, stream: &str, from: UtcMs, stem: &Path) -> Result<Box<dyn Recording>, String>;

    /// How full a stream's ring of packets is, 0 to 1; `None` if it has none.
    fn ring_fill(&self, stream: &str) -> Option<f64>;
}

/// A clip that is being written.
pub trait Recording: Send {
    /// Ends the clip with the packets of this time, which may be in the future. The last call
    /// counts.
    fn end_at(&mut self, until: UtcMs);

    /// What became of it; `None` while it is being written. Never waits.
    fn poll(&mut self) -> Option<Result<Clip, String>>;
}

/// A finished clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// The file.
    pub path: PathBuf,
    /// Its length in seconds.
    pub seconds: f64,
    /// Its size.
    pub bytes: u64,
}
