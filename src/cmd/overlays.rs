//! The overlay videos of a run, one for each stream.
//!
//! Belongs here: what they are called, when each begins and ends, and that one
//! that fails takes nothing from the others. Does not: how a video is made
//! (`sink::overlay`).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::Watcher;
use crate::media::{AudioBlock, Frame};
use crate::result::StreamName;
use crate::sink::SinkError;
use crate::sink::heatmaps::folder_of;
use crate::sink::overlay::{Options, Overlay, OverlaySender};
use crate::time::Hop;
use crate::window::Timed;

/// The videos of the streams that are open; none without `--overlay`.
#[derive(Default)]
pub struct Overlays(Vec<Slot>);

/// The video of one stream. Its thread and its file are there only while the
/// stream is open: an archive has more files than a machine has threads.
#[derive(Clone)]
struct Slot {
    path: PathBuf,
    stream: StreamName,
    hop: Hop,
    overlay: Arc<Mutex<Option<Result<Overlay, SinkError>>>>,
}

impl Overlays {
    /// Videos of these streams, each of a name of its own if there are `several`.
    ///
    /// # Errors
    /// Names the first video, if it cannot be written.
    pub fn new(
        path: &Path,
        streams: &[StreamName],
        several: bool,
        hop: Hop,
    ) -> Result<Self, SinkError> {
        let slot = |(path, stream): (PathBuf, &StreamName)| Slot {
            path,
            stream: stream.clone(),
            hop,
            overlay: Arc::default(),
        };
        let paths = videos(path, streams, several);
        let slots: Vec<Slot> = paths.into_iter().zip(streams).map(slot).collect();
        // Told before any work is done; what is wrong with one is mostly so with all.
        if let Some(first) = slots.first() {
            Overlay::check(&first.path)?;
        }
        Ok(Self(slots))
    }

    /// Who sees all of a stream, and begins its video.
    pub fn watcher(&self, stream: usize) -> Option<Box<dyn Watcher>> {
        let slot = self.0.get(stream)?.clone();
        Some(Box::new(ToOverlay { slot, sender: None }))
    }

    /// Where verdicts and gaps of a stream go.
    pub fn sender(&self, stream: usize) -> Option<OverlaySender> {
        let overlay = self.0.get(stream)?.lock();
        overlay.as_ref()?.as_ref().ok().map(Overlay::sender)
    }

    /// Ends a stream's video, so that it plays.
    ///
    /// # Errors
    /// What went wrong with it, now or before; told once.
    pub fn end(&self, stream: usize) -> Result<(), SinkError> {
        let Some(slot) = self.0.get(stream) else {
            return Ok(());
        };
        let overlay = slot.lock().take();
        if let Some(overlay) = overlay {
            let report = overlay?.finish()?;
            tracing::info!("{}: {report:?}", slot.stream);
        }
        Ok(())
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Option<Result<Overlay, SinkError>>> {
        self.overlay.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends all that a stream's thread reads to its video.
struct ToOverlay {
    slot: Slot,
    sender: Option<OverlaySender>,
}

impl Watcher for ToOverlay {
    fn opened(&mut self, live: bool) {
        let mut overlay = self.slot.lock();
        // A source that is opened again goes on in its video.
        let overlay = overlay.get_or_insert_with(|| {
            let options = Options {
                stream: self.slot.stream.clone(),
                live,
                sound: true,
                hop: self.slot.hop,
            };
            Overlay::create(&self.slot.path, options)
        });
        self.sender = overlay.as_ref().ok().map(Overlay::sender);
    }

    fn sound(&mut self, block: &AudioBlock<'_>) {
        if let Some(sender) = &self.sender {
            // What the video loses it counts itself, and tells at its end.
            let _ = sender.sound(block.at.to_time(), block.pcm.to_vec(), 1);
        }
    }

    fn frame(&mut self, frame: &Frame) {
        if let Some(sender) = &self.sender {
            let _ = sender.frame(frame.at(), Box::new(frame.clone()));
        }
    }
}

/// What the videos of these streams are called.
pub(super) fn videos(path: &Path, streams: &[StreamName], several: bool) -> Vec<PathBuf> {
    let video = |stream: &StreamName| match several {
        true => one_of_several(path, stream),
        false => path.to_owned(),
    };
    streams.iter().map(video).collect()
}

/// The name of one of several files: `all.mkv` of stream `a/b.mp4` is `all-a~b.mp4.mkv`.
/// Not `_`, which a stream may have in its name.
fn one_of_several(path: &Path, stream: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    let stream = folder_of(stream).replace('/', "~");
    path.with_file_name(format!("{stem}-{stream}.{ending}"))
}
