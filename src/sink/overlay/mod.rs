//! `--overlay FILE.mkv` (or `.mp4`): a video of one stream with the glow over
//! it, the score in its corner and its sound, at the stream's own times.
//!
//! Policy:
//! - A thread of its own draws and encodes. Frames wait there until their
//!   second has been judged, so each shows its own verdict (`schedule.rs`).
//! - Files: nothing is lost. When 400 MiB of frames wait, no more are
//!   taken until some can be drawn; the sender waits. Verdicts come by a channel of
//!   their own, so that waiting cannot stop what it waits for; should none come
//!   for 10 s, half of the frames are drawn with what is known, and the next
//!   ones soon after, until a verdict comes again.
//! - Live: no sender ever waits. A frame older than 3 s, or beyond
//!   the store, is drawn with the judgement before, if that is at most a second
//!   off, or with none; when even the thread's queue is full, new frames and
//!   sounds are dropped. Both are counted.
//! - The first frame fixes the size (`canvas.rs`); sound becomes stereo without
//!   holes (`video/sound.rs`). Sound only gives a file with sound only.
//! - A failure (disk full) ends the video, not the run: senders are told
//!   [`Delivery::Gone`], and [`Overlay::finish`] says why.

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
use crate::event::{Evidence, JudgedMoment};
use crate::picture::ToPicture;
use crate::result::{GapReason, StreamName};
use crate::time::{Hop, MediaTime};
use draw::Writer;
use schedule::{Shown, Span};

pub use streams::{Overlays, video_paths};

/// How much waits, and for how long.
#[derive(Clone, Copy)]
struct Limits {
    /// Frames that may wait for their judgement, in memory.
    store_bytes: usize,
    /// How long a live frame waits for its judgement.
    live_wait_ns: u64,
    /// How long nothing may come while no frame can be taken.
    timeout: Duration,
}

const LIMITS: Limits = Limits {
    store_bytes: 400 << 20, // 5 s of 720p30
    live_wait_ns: 3_000_000_000,
    timeout: Duration::from_secs(10),
};
/// How long nothing may come once timeout has run out: where the sound has ended
/// and the picture goes on, no verdict comes before the film's end.
const SHORT_TIMEOUT: Duration = Duration::from_millis(100);
/// Frames and blocks of sound on their way to the thread. Frames are the
/// decoder's own memory there, so few.
const QUEUE: usize = 64;
/// How long the end may take: what waits is drawn and encoded.
const END: Duration = Duration::from_secs(180);

/// How long a cancelled run may still draw what waits, before the file is closed.
const HURRIED_END: Duration = Duration::from_secs(3);

/// What kind of stream it is.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its name, for the caption.
    pub stream: StreamName,
    /// Nobody waits: what does not fit is dropped and counted.
    pub live: bool,
    /// The stream has sound, or may get some; until it does the track is
    /// silent. With `false` there is no track.
    pub sound: bool,
    /// How far the windows are apart.
    pub hop: Hop,
    /// Once cancelled, frames that wait are not all drawn: see [`HURRIED_END`].
    pub cancel: CancelToken,
}

/// What became of a frame or sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It will be in the video.
    Taken,
    /// There was no room (live only); counted in [`Report::dropped`].
    Dropped,
    /// The video has ended or failed: send no more.
    Gone,
}

/// What is in the video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Frames written.
    pub frames: u64,
    /// Of these, frames that could not wait for their own judgement.
    pub late: u64,
    /// Frames and blocks of sound left out: no room, or a time that goes back.
    pub dropped: u64,
    /// Frames that the decoder's format could not be converted of.
    pub unreadable: u64,
    /// There is a file: something came.
    pub written: bool,
}

enum Media {
    Frame(MediaTime, Box<dyn ToPicture>),
    Sound(MediaTime, Vec<f32>, usize),
    End,
}

/// A video that is being made. Dropped without [`Overlay::finish`] it is ended
/// too, but nobody waits for that or hears of its errors.
pub struct Overlay {
    path: PathBuf,
    sender: OverlaySender,
    done: Receiver<Result<Report, String>>,
    thread: Option<JoinHandle<()>>,
}

/// Where frames, sound and verdicts go. Clones send to the same video.
#[derive(Clone)]
pub struct OverlaySender {
    media: Sender<Media>,
    spans: Sender<Span>,
    live: bool,
    dropped: Arc<AtomicU64>,
}

impl Overlay {
    /// Starts a video; an old file of that name is replaced.
    ///
    /// # Errors
    /// If the name ends in neither `.mkv` nor `.mp4`, if the file cannot be
    /// written, or if GStreamer lacks something (says which package brings it).
    pub fn create(path: &Path, options: Options) -> Result<Self, SinkError> {
        Self::create_within(path, options, LIMITS)
    }

    /// Says whether a video of that name can be made, and leaves the place as it is.
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
        // Span now rather than when the first frame comes.
        std::fs::File::create(path).map_err(SinkError::io(path, "write"))?;
        let (media_in, media) = bounded(QUEUE);
        let (spans_in, spans) = unbounded();
        let (done_in, done) = bounded(1);
        let live = options.live;
        let writer = Writer::new(path, container, options);
        let thread = std::thread::Builder::new()
            .name("overlay".into())
            .spawn(move || {
                // Nobody listens if the program ends without finish().
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

    /// Where frames, sound and verdicts go.
    pub fn sender(&self) -> OverlaySender {
        self.sender.clone()
    }

    /// Draws what waits, ends the file so that it plays, and says what is in it.
    ///
    /// # Errors
    /// What went wrong, now or before.
    pub fn finish(mut self) -> Result<Report, SinkError> {
        // Fails if the thread has ended, which `done` tells.
        let _ = self.sender.media.send_timeout(Media::End, END);
        let result = self.done.recv_timeout(END).unwrap_or_else(|error| {
            Err(match error {
                RecvTimeoutError::Timeout => "the encoder hangs; the file may lack its end".into(),
                RecvTimeoutError::Disconnected => "its thread broke down; please report it".into(),
            })
        });
        if let Some(thread) = self.thread.take() {
            // It has sent its last word, or panicked, which is told; one that
            // hangs is not waited for.
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
    let container = Container::of(path).ok_or_else(|| SinkError::Extension {
        path: path.to_owned(),
        expected: ".mkv or .mp4",
    })?;
    container.check().map_err(video_error(path))?;
    Ok(container)
}

impl OverlaySender {
    /// A frame of the stream. Times rise.
    pub fn frame(&self, at: MediaTime, frame: Box<dyn ToPicture>) -> Delivery {
        self.send(Media::Frame(at, frame))
    }

    /// Sound of the stream, 48 kHz, `channels` interleaved.
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

    /// The judgement of a window; never waits. What drawing does not need (the
    /// picture, the spectrogram) is not kept.
    pub fn verdict(&self, judged: &JudgedMoment) -> Delivery {
        let light = JudgedMoment {
            verdict: judged.verdict.clone(),
            evidence: Evidence {
                judgement: judged.evidence.judgement.clone(),
                picture: None,
                spectrogram: None,
                covered: judged.evidence.covered,
            },
        };
        self.label(Span {
            start: light.verdict.start_ns,
            end: light.verdict.end_ns,
            what: Shown::Judged(Arc::new(light)),
        })
    }

    /// A part of the stream without judgement; never waits.
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

/// The thread: takes, draws what is settled, and ends the file whatever happens.
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
        // Disconnected channels are always ready: not asked again.
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
