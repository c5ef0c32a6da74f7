//! Decoding in child processes: whatever a decoder does costs its own file, not the run.
//!
//! Belongs here: starting and ending such processes, what goes between them and us, the
//! [`Feed`] that reads a file from one, the child's own side ([`serve`]). Does not: how a
//! file is decoded ([`Session`](super::Session), the same in both), windows.
//!
//! ```text
//! child   Session -> drive -> sound, times of frames --events--> ProcessFeed -> drive -> …
//!         frames <---------- id, picture ---------pictures------ RemoteFrame::to_picture
//! ```
//!
//! All of the sound crosses, but of the frames only when each is shown: pixels stay in
//! the child until one of them is wanted, which is about one a second. A child serves
//! many files, one after another. After a file that failed it is replaced: its memory
//! may be damaged.

mod child;
mod feed;
mod limits;
mod pixels;
mod serve;
mod wire;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use super::error::MediaError;
use super::feed::{Feed, GstOpener, Opener};
use super::session::SessionOptions;
use super::source::Source;
use crate::cores::cores;
use crate::sync::lock;
use child::Child;
use feed::ProcessFeed;
use wire::Place;

pub use child::RemoteFrame;
pub use serve::serve;

/// How many files a child serves before it is replaced. GStreamer and its plugins leak a
/// little with each pipeline.
const FILES_A_CHILD: usize = 100;

/// Opens files and network files in child processes, and everything else in this one:
/// descriptions, cameras and live streams need its clocks.
pub struct ProcessOpener {
    program: PathBuf,
    memory_bytes: u64,
    decoder_threads: Option<u32>,
    pool: Arc<Pool>,
}

/// Children without a file.
#[derive(Default)]
struct Pool(Mutex<Vec<Child>>);

impl Pool {
    fn idle(&self) -> MutexGuard<'_, Vec<Child>> {
        lock(&self.0)
    }

    /// Takes back a child whose file is closed.
    fn give_back(&self, child: Child) {
        if child.files() < FILES_A_CHILD {
            self.idle().push(child);
        }
    }
}

impl ProcessOpener {
    /// With this very program as the child, for so many files side by side.
    pub fn new(jobs: usize) -> Self {
        // Not by its path: the file may be replaced while the run lasts.
        let program = PathBuf::from("/proc/self/exe");
        Self {
            decoder_threads: decoder_threads(jobs),
            ..Self::with_program(program, limits::memory_bytes(jobs))
        }
    }

    /// With another `l3net`, whose memory is bounded by this much.
    pub fn with_program(program: PathBuf, memory_bytes: u64) -> Self {
        Self {
            program,
            memory_bytes,
            decoder_threads: None,
            pool: Arc::default(),
        }
    }

    /// Starts so many children before there are files for them: their libraries load while
    /// this process loads its model. What goes wrong is told when a file is opened.
    pub fn prepare(&self, children: usize) {
        let started =
            (0..children).map_while(|_| Child::start(&self.program, self.memory_bytes).ok());
        self.pool.idle().extend(started);
    }

    fn child(&self) -> Result<Child, MediaError> {
        let idle = self.pool.idle().pop();
        idle.map_or_else(|| Child::start(&self.program, self.memory_bytes), Ok)
            .map_err(|e| MediaError::Pipeline(format!("no process to decode it in: {e}")))
    }
}

/// Threads of a video decoder: its share of the cores, but at least two, as one may wait
/// and the last file of a run has all cores. By itself each takes as many as there are
/// cores; on many cores these are hundreds that cost memory and gain nothing.
fn decoder_threads(jobs: usize) -> Option<u32> {
    let share = (cores() / jobs.max(1)).max(2);
    u32::try_from(share).ok().filter(|_| jobs > 1)
}

impl Opener for ProcessOpener {
    fn open(
        &self,
        source: &Source,
        mut options: SessionOptions,
    ) -> Result<Box<dyn Feed>, MediaError> {
        options.decoder_threads = options.decoder_threads.or(self.decoder_threads);
        match Place::of(source).filter(|_| !options.real_time) {
            Some(place) => {
                let (pool, child) = (Arc::clone(&self.pool), self.child()?);
                let feed = ProcessFeed::open(pool, child, source, place, &options)?;
                Ok(Box::new(feed))
            }
            None => GstOpener.open(source, options),
        }
    }
}
