//! `--overlay FILE.mkv` (or `.mp4`): a video of one stream with glow, score and sound, at the
//! stream's own times.
//!
//! Policy:
//! - Each video has a thread that draws and encodes. It holds frames until their second has
//!   been judged, so that each shows its own verdict (`schedule.rs`).
//! - Files: nothing is lost. When 400 MiB of frames are held, no more are accepted until some
//!   can be drawn; the sender waits. Verdicts have their own channel, so this cannot
//!   deadlock. If no verdict arrives for 10 s, half of the frames are drawn with what is
//!   known, and further ones soon after, until a verdict arrives.
//! - Live: senders never wait. A frame that is over 3 s old, or over the memory limit, is drawn
//!   with the previous verdict if that is at most a second off, otherwise with none. If the
//!   thread's queue is full, new frames and sound are dropped. Both are counted.
//! - The first frame fixes the size (`canvas.rs`). Sound becomes gapless stereo
//!   (`video/sound.rs`). Without any frame the file has sound only.
//! - A failure (such as a full disk) ends the video, not the run: senders get
//!   [`Delivery::Gone`], and [`Overlay::finish`] returns the error.

mod canvas;
mod draw;
mod schedule;
mod streams;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded, unbounded};

use super::SinkError;
use super::video::{Container, video_error};
use crate::cancel::CancelToken;
use crate::event::JudgedMoment;
use crate::file_error::FileError;
use crate::picture::ToPicture;
use crate::result::{GapReason, StreamName};
use crate::time::{Hop, MediaTime};
use draw::Writer;
use schedule::{Shown, Span};

pub use streams::{Overlays, video_paths};

/// Limits on waiting.
#[derive(Clone, Copy)]
struct Limits {
    /// Bytes of frames that may wait for their verdict.
    store_bytes: usize,
    /// How long a live frame waits for its verdict.
    live_wait_ns: u64,
    /// How long to wait for a verdict while the memory limit blocks new frames.
    timeout: Duration,
}

const LIMITS: Limits = Limits {
    store_bytes: 400 << 20, // 5 s of 720p30
    live_wait_ns: 3_000_000_000,
    timeout: Duration::from_secs(10),
};
/// The same once that has passed: if the sound ends before the picture, no verdict arrives
/// until the end of the film.
const SHORT_TIMEOUT: Duration = Duration::from_millis(100);
/// Length of the thread's queue of frames and blocks. Small, because these frames still
/// occupy the decoder's memory.
const QUEUE: usize = 64;
/// How long finishing may take: held frames are drawn and encoded.
const END: Duration = Duration::from_secs(180);

/// How long a cancelled run may draw held frames before the file is closed.
const HURRIED_END: Duration = Duration::from_secs(3);

/// Options of a video.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its name, for the caption.
    pub stream: StreamName,
    /// Senders do not wait: what does not fit is dropped and counted.
    pub live: bool,
    /// Add a sound track; it is silent until sound arrives.
    pub sound: bool,
    /// Time between windows.
    pub hop: Hop,
    /// Once cancelled, only some of the held frames are still drawn.
    pub cancel: CancelToken,
}

/// What happened to a frame or block that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It will be in the video.
    Taken,
    /// The queue was full (live only); counted in [`Report::dropped`].
    Dropped,
    /// The video has ended or failed: send no more.
    Gone,
}

/// Counters of a finished video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Frames written.
    pub frames: u64,
    /// Of these, frames drawn before their own verdict had arrived.
    pub late: u64,
    /// Frames and blocks dropped: the queue was full, or time went back.
    pub dropped: u64,
    /// Frames that could not be converted to RGB.
    pub unreadable: u64,
    /// A file was written.
    pub written: bool,
}

enum Media {
    Frame(MediaTime, Box<dyn ToPicture>),
    Sound(MediaTime, Vec<f32>, usize),
    End,
}

/// A video that is being made. If dropped without [`Overlay::finish`] it is finished in the
/// background, and errors are lost.
pub struct Overlay {
    path: PathBuf,
    sender: OverlaySender,
    done: Receiver<Result<Report, String>>,
    thread: Option<JoinHandle<()>>,
}

/// Sends frames, sound and verdicts to a video. Clones send to the same one.
#[derive(Clone)]
pub struct OverlaySender {
    media: Sender<Media>,
    spans: Sender<Span>,
    live: bool,
    dropped: Arc<AtomicU64>,
}

impl Overlay {
    /// Starts a video; an existing file is overwritten.
    ///
    /// # Errors
    /// If the name ends in neither `.mkv` nor `.mp4`, if the file cannot be
    /// written, or if GStreamer lacks something (says which package brings it).
    pub fn create(path: &Path, options: Options) -> Result<Self, SinkError> {
        Self::create_within(path, options, LIMITS)
    }

    /// Checks whether a video can be written here, without leaving a file.
    ///
    /// # Errors
    /// Those of [`create`](Self::create).
    pub fn check(path: &Path) -> Result<(), SinkError> {
        container_of(path)?;
        let is_new = !path.exists();
        std::fs::File::options()
            .append(true)
            .create(true)
            .open(path)
            .map_err(SinkError::io(path, "write"))?;
        if is_new {
            std::fs::remove_file(path).map_err(SinkError::io(path, "remove"))?;
        }
        Ok(())
    }

    fn create_within(path: &Path, options: Options, limits: Limits) -> Result<Self, SinkError> {
        let container = container_of(path)?;
        // Fails now rather than when the first frame arrives.
        std::fs::File::create(path).map_err(SinkError::io(path, "write"))?;
        let (media_in, media) = bounded(QUEUE);
        let (spans_in, spans) = unbounded();
        let (done_in, done) = bounded(1);
        let live = options.live;
        let writer = Writer::new(path, container, options);
        let thread = std::thread::Builder::new()
            .name("overlay".into())
            .spawn(move || {
                // Nobody receives this if the video was dropped without finish().
                let _ = done_in.send(run(writer, live, limits, &media, &spans));
            })
            .map_err(SinkError::io(path, "start a thread"))?;
        Ok(Self {
            path: path.to_owned(),
            sender: OverlaySender {
                media: media_in,
                spans: spans_in,
                live,
                dropped: Arc::default(),
            },
            done,
            thread: Some(thread),
        })
    }

    /// A sender of frames, sound and verdicts.
    pub fn sender(&self) -> OverlaySender {
        self.sender.clone()
    }

    /// Draws the held frames, closes the file so that it plays, and returns the counters.
    ///
    /// # Errors
    /// The first error of the video, now or earlier.
    pub fn finish(mut self) -> Result<Report, SinkError> {
        // Fails if the thread has ended; then `done` has its result.
        let _ = self.sender.media.send_timeout(Media::End, END);
        let result = self.done.recv_timeout(END).unwrap_or_else(|error| {
            Err(match error {
                RecvTimeoutError::Timeout => "the encoder hangs; the file may lack its end".into(),
                RecvTimeoutError::Disconnected => "its thread broke down; please report it".into(),
            })
        });
        if let Some(thread) = self.thread.take() {
            // Not joined if it hangs.
            if thread.is_finished() || result.is_ok() {
                let _ = thread.join();
            }
        }
        let mut report = result.map_err(video_error(&self.path))?;
        report.dropped += self.sender.dropped.load(Ordering::Relaxed);
        Ok(report)
    }
}

fn container_of(path: &Path) -> Result<Container, SinkError> {
    let container = Container::of(path).ok_or_else(|| FileError::Extension {
        path: path.to_owned(),
        expected: ".mkv or .mp4",
    })?;
    container.check().map_err(video_error(path))?;
    Ok(container)
}

impl OverlaySender {
    /// Sends a frame. Times must increase.
    pub fn frame(&self, at: MediaTime, frame: Box<dyn ToPicture>) -> Delivery {
        self.send(Media::Frame(at, frame))
    }

    /// Sends sound, 48 kHz, `channels` interleaved.
    pub fn sound(&self, at: MediaTime, pcm: Vec<f32>, channels: usize) -> Delivery {
        self.send(Media::Sound(at, pcm, channels))
    }

    fn send(&self, media: Media) -> Delivery {
        if !self.live {
            return match self.media.send(media) {
                Ok(()) => Delivery::Taken,
                Err(_) => Delivery::Gone,
            };
        }
        match self.media.try_send(media) {
            Ok(()) => Delivery::Taken,
            Err(TrySendError::Full(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                Delivery::Dropped
            }
            Err(TrySendError::Disconnected(_)) => Delivery::Gone,
        }
    }

    /// Sends the verdict of a window; never waits. Its picture and spectrogram are not
    /// needed here and not kept.
    pub fn verdict(&self, judged: &JudgedMoment) -> Delivery {
        let light = judged.without_pictures();
        self.label(Span {
            start: light.verdict.start_ns,
            end: light.verdict.end_ns,
            what: Shown::Moment(Arc::new(light)),
        })
    }

    /// Sends a gap; never waits.
    pub fn gap(&self, start: MediaTime, end: MediaTime, why: GapReason) -> Delivery {
        self.label(Span {
            start,
            end,
            what: Shown::Gap(why),
        })
    }

    fn label(&self, span: Span) -> Delivery {
        match self.spans.send(span) {
            Ok(()) => Delivery::Taken,
            Err(_) => Delivery::Gone,
        }
    }
}

/// The thread: receives, draws frames whose verdict is known, and closes the file in any
/// case.
fn run(
    mut writer: Writer,
    live: bool,
    limits: Limits,
    media: &Receiver<Media>,
    spans: &Receiver<Span>,
) -> Result<Report, String> {
    let closed = crossbeam_channel::never();
    let mut spans_open = Some(spans);
    let mut timeout = limits.timeout;
    loop {
        let room = live || writer.waiting_bytes() < limits.store_bytes;
        let media = if room { media } else { &closed };
        // A disconnected channel is always ready, so it is no longer selected.
        let never = crossbeam_channel::never();
        let spans = spans_open.unwrap_or(&never);
        let mut ended = false;
        crossbeam_channel::select! {
            recv(media) -> message => match message {
                Ok(Media::Frame(at, frame)) => writer.frame(at, frame.as_ref())?,
                Ok(Media::Sound(at, pcm, channels)) => writer.sound(at, &pcm, channels)?,
                Ok(Media::End) | Err(_) => ended = true,
            },
            recv(spans) -> message => match message {
                Ok(message) => {
                    writer.label(message);
                    timeout = limits.timeout;
                }
                Err(_) => spans_open = None,
            },
            default(timeout) => if !room {
                writer.draw_at_once(writer.waiting().div_ceil(2))?;
                timeout = SHORT_TIMEOUT.min(limits.timeout);
            },
        }
        if ended {
            spans.try_iter().for_each(|message| writer.label(message));
            return writer.finish();
        }
        writer.draw_settled()?;
        if live {
            writer.draw_older_than(limits.live_wait_ns, limits.store_bytes)?;
        }
    }
}
