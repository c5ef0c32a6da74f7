//! The sink of `--overlay`: one video per stream.
//!
//! Belongs here: names of the videos, when each starts and ends, isolating failures. Does
//! not: how a video is made.
//!
//! Policy: a video starts when its source is opened. When the stream ends, it is finished on
//! another thread, so that other streams do not wait. A failure ends that video and is
//! reported; the run continues.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Delivery, Options, Overlay, OverlaySender};
use crate::cancel::CancelToken;
use crate::event::Event;
use crate::features::clean;
use crate::media::{AudioBlock, Frame};
use crate::result::StreamName;
use crate::sink::{OnFailure, Policy, Sink, SinkError, WatchStream, Watcher};
use crate::time::Hop;
use crate::window::Timed;
use l3net_data::folder::folder_of;

/// Videos that may be finishing at a time, as each has an encoder.
const MAX_FINISHING: usize = 16;

/// The videos of a run.
pub struct Overlays {
    slots: Slots,
    finishing: Vec<JoinHandle<Result<(), SinkError>>>,
}

type Slots = Arc<HashMap<StreamName, Slot>>;

/// The video of one stream. Its thread and file exist only while the stream is open, because
/// a run may have thousands of files.
struct Slot {
    path: PathBuf,
    hop: Hop,
    cancel: CancelToken,
    video: Mutex<Video>,
}

enum Video {
    /// The source has not been opened.
    NotBegun,
    Open(Overlay),
    /// It could not be made, which is still to be reported.
    Failed(SinkError),
    /// Finished or failed, and reported: a source that is opened again gets no other.
    Ended,
}

impl Overlays {
    /// Videos of these streams, each with its own name if there are `several`. When the run
    /// is cancelled, waiting frames are not all drawn.
    ///
    /// # Errors
    /// Names the first video, if it cannot be written.
    pub fn new(
        path: &Path,
        streams: &[StreamName],
        several: bool,
        hop: Hop,
        cancel: &CancelToken,
    ) -> Result<Self, SinkError> {
        let paths = video_paths(path, streams, several);
        // Fails before any work is done; an error of one mostly affects all.
        if let Some(first) = paths.first() {
            Overlay::check(first)?;
        }
        let slot = |(stream, path): (&StreamName, PathBuf)| {
            let slot = Slot {
                path,
                hop,
                cancel: cancel.clone(),
                video: Mutex::new(Video::NotBegun),
            };
            (stream.clone(), slot)
        };
        Ok(Self {
            slots: Arc::new(streams.iter().zip(paths).map(slot).collect()),
            finishing: Vec::new(),
        })
    }

    /// Passes something on to the video of a stream. One that has failed is reported now,
    /// not when the stream ends.
    fn pass_on(
        &mut self,
        stream: &StreamName,
        to: impl FnOnce(&OverlaySender) -> Delivery,
    ) -> Result<(), SinkError> {
        let Some(slot) = self.slots.get(stream) else {
            return Ok(());
        };
        let delivery = match &*slot.lock() {
            Video::Open(overlay) => to(&overlay.sender),
            Video::Failed(_) => Delivery::Gone,
            Video::NotBegun | Video::Ended => return Ok(()),
        };
        match delivery {
            Delivery::Gone => self.begin_to_finish(stream),
            Delivery::Taken | Delivery::Dropped => Ok(()),
        }
    }

    /// Starts to finish a video, so that it plays.
    fn begin_to_finish(&mut self, stream: &StreamName) -> Result<(), SinkError> {
        let Some(slot) = self.slots.get(stream) else {
            return Ok(());
        };
        let video = std::mem::replace(&mut *slot.lock(), Video::Ended);
        let overlay = match video {
            Video::Open(overlay) => overlay,
            Video::Failed(error) => return Err(error),
            Video::NotBegun | Video::Ended => return Ok(()),
        };
        let stream = stream.clone();
        self.finishing.push(std::thread::spawn(move || {
            let report = overlay.finish()?;
            tracing::info!("{stream}: {report:?}");
            Ok(())
        }));
        Ok(())
    }

    /// Collects the failures of finished videos; waits for the oldest while more than
    /// `at_most` are still finishing.
    fn reap(&mut self, at_most: usize) -> Vec<SinkError> {
        let mut failures = Vec::new();
        while let Some(at) = (self.finishing.iter().position(JoinHandle::is_finished))
            .or_else(|| (self.finishing.len() > at_most).then_some(0))
        {
            // A panic of the writer thread is returned as an error; nothing else panics.
            if let Ok(outcome) = self.finishing.remove(at).join() {
                failures.extend(outcome.err());
            }
        }
        failures
    }
}

impl Sink for Overlays {
    fn name(&self) -> &'static str {
        "overlay"
    }

    fn policy(&self) -> Policy {
        Policy {
            // A video starts at the beginning, even if the archive has a part of the stream.
            repeats: true,
            on_failure: OnFailure::ReportEach,
            tick: Some(Duration::from_secs(1)),
            ..Policy::LOSSLESS
        }
    }

    fn receive(&mut self, event: &Event) -> Result<(), SinkError> {
        let passed = match event {
            Event::Moment(moment) => {
                self.pass_on(&moment.verdict.stream, |overlay| overlay.verdict(moment))
            }
            Event::Gap(gap) => self.pass_on(&gap.stream, |overlay| {
                overlay.gap(gap.start_ns, gap.end_ns, gap.why)
            }),
            Event::Measured(_) => Ok(()),
            Event::Ended(summary) => self.begin_to_finish(&summary.stream),
        };
        let mut failures = self.reap(MAX_FINISHING);
        failures.extend(passed.err());
        SinkError::all(failures)
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        SinkError::all(self.reap(MAX_FINISHING))
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        let slots = Arc::clone(&self.slots);
        let begun = slots.keys().map(|stream| self.begin_to_finish(stream));
        let mut failures: Vec<_> = begun.filter_map(Result::err).collect();
        failures.extend(self.reap(0));
        SinkError::all(failures)
    }

    fn watch_stream(&self) -> Option<WatchStream> {
        let slots = Arc::clone(&self.slots);
        Some(Box::new(move |stream| {
            Box::new(ToOverlay {
                slots: Arc::clone(&slots),
                stream: stream.clone(),
                sender: None,
            })
        }))
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Video> {
        self.video.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends everything that a stream's thread reads to its video.
struct ToOverlay {
    slots: Slots,
    stream: StreamName,
    sender: Option<OverlaySender>,
}

impl Watcher for ToOverlay {
    fn opened(&mut self, live: bool) {
        let Some(slot) = self.slots.get(&self.stream) else {
            return;
        };
        let mut video = slot.lock();
        // A reopened source continues in its video.
        if matches!(*video, Video::NotBegun) {
            let options = Options {
                stream: self.stream.clone(),
                live,
                sound: true,
                hop: slot.hop,
                cancel: slot.cancel.clone(),
            };
            *video = match Overlay::create(&slot.path, options) {
                Ok(overlay) => Video::Open(overlay),
                Err(error) => Video::Failed(error),
            };
        }
        self.sender = match &*video {
            Video::Open(overlay) => Some(overlay.sender()),
            _ => None,
        };
    }

    fn sound(&mut self, block: &AudioBlock<'_>) {
        if let Some(sender) = &self.sender {
            let mut pcm = block.pcm.to_vec();
            // The results tell of damage; here it would break the encoder's filters.
            clean(&mut pcm);
            // The video counts what it drops, and reports it at its end.
            let _ = sender.sound(block.at.to_time(), pcm, 1);
        }
    }

    fn frame(&mut self, frame: &Frame) {
        if let Some(sender) = &self.sender {
            let _ = sender.frame(frame.at(), Box::new(frame.clone()));
        }
    }
}

/// File names of the videos of these streams.
pub fn video_paths(path: &Path, streams: &[StreamName], several: bool) -> Vec<PathBuf> {
    let video = |stream: &StreamName| match several {
        true => one_of_several(path, stream),
        false => path.to_owned(),
    };
    streams.iter().map(video).collect()
}

/// The name of one of several videos: `all.mkv` of stream `a/b.mp4` is `all-a~b.mp4.mkv`.
/// Not `_`, which may be in a stream's name.
fn one_of_several(path: &Path, stream: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    let stream = folder_of(stream).replace('/', "~");
    path.with_file_name(format!("{stem}-{stream}.{ending}"))
}
