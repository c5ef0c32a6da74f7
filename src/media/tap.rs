//! The two ends of a pipeline: appsink to ring, appsink to channel.
//!
//! A live source is read by appsink callbacks on the source's thread: they never
//! allocate, lock, log or wait, and drop what does not fit. A file is read by two pump
//! threads, which wait for space and so block upstream: nothing is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, TrySendError};
use gstreamer as gst;
use gstreamer_app as gst_app;

use super::frame::{Frame, VideoState};
use super::ring::SoundWriter;
use super::skip::Skipping;
use crate::time::{MediaTime, SamplePos};

/// The largest block that a pump writes: one buffer of a container may hold seconds, more
/// than the ring.
const PUMP_PIECE: usize = 4_800;

/// State of a tap, read by the session.
pub(super) struct TapState {
    /// The thread that reads the source; it parks while nothing arrives.
    reader: Thread,
    /// The stream has ended.
    pub ended: AtomicBool,
    /// Something has arrived.
    pub seen: AtomicBool,
    /// Frames dropped because the channel was full (live only).
    pub dropped: AtomicU64,
    /// Blocks of sound that came without a timestamp.
    pub untimed: AtomicU64,
}

impl TapState {
    /// For a source that this thread is going to read.
    pub fn new() -> Self {
        Self {
            reader: std::thread::current(),
            ended: AtomicBool::new(false),
            seen: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            untimed: AtomicU64::new(0),
        }
    }

    /// Something has arrived: wakes the reader. Neither allocates, locks nor waits.
    fn arrived(&self) {
        self.seen.store(true, Ordering::Relaxed);
        self.reader.unpark();
    }

    /// Nothing more will arrive.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.reader.unpark();
    }
}

/// Puts sound into the ring.
pub(super) struct SoundTap {
    pub writer: SoundWriter,
    pub offset: MediaTime,
    /// A file played in real time: sound within a buffer arrives when it is played.
    pub plays: bool,
    /// Where the last block ended: there, one without a timestamp continues.
    pub next: Option<SamplePos>,
    /// Skips pictures by what is heard.
    pub skipping: Option<Arc<Skipping>>,
    pub state: Arc<TapState>,
}

/// Puts frames into the channel.
pub(super) struct FrameTap {
    pub sender: Sender<Frame>,
    pub video_state: Arc<VideoState>,
    pub offset: MediaTime,
    pub state: Arc<TapState>,
}

/// The running time of a sample's buffer on the stream's timeline.
fn stream_time(sample: &gst::Sample, offset: MediaTime) -> Option<MediaTime> {
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    let at = segment.to_running_time(sample.buffer()?.pts()?)?;
    Some(MediaTime(at.nseconds().saturating_add(offset.0)))
}

fn samples_of(bytes: &[u8]) -> impl ExactSizeIterator<Item = f32> + '_ {
    bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

impl SoundTap {
    /// Never allocates, locks, logs or waits.
    fn accept(&mut self, sample: &gst::Sample) {
        let arrived = Instant::now();
        if let Some(at) = self.position(sample)
            && let Some(Ok(map)) = sample.buffer().map(gst::BufferRef::map_readable)
        {
            let samples = samples_of(map.as_slice());
            self.next = Some(at.plus(samples.len()));
            self.writer.accept(at, arrived, samples);
            self.state.arrived();
        }
    }

    /// Where a block begins; `None` where that is unknown, or outside of the stream. A
    /// block without a timestamp continues the one before, and is counted.
    fn position(&self, sample: &gst::Sample) -> Option<SamplePos> {
        if sample.buffer()?.pts().is_none() {
            self.state.untimed.fetch_add(1, Ordering::Relaxed);
            return self.next;
        }
        stream_time(sample, self.offset).map(SamplePos::from_time)
    }

    fn end(&self) {
        self.writer.end();
        self.state.end();
    }

    /// Taps a live source.
    pub fn listen(mut self, sink: &gst_app::AppSink) {
        // An appsink has one callback object; `end` needs no exclusive access.
        let ender = self.writer.ender();
        let state = Arc::clone(&self.state);
        sink.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    self.accept(&sample);
                    Ok(gst::FlowSuccess::Ok)
                })
                .eos(move |_| {
                    ender.end();
                    state.end();
                })
                .build(),
        );
    }

    /// Taps a file on its own thread until the pipeline ends, also in real time: a buffer
    /// may hold more than the ring. Once `stop` is set, it discards what does not fit.
    pub fn pump(mut self, sink: gst_app::AppSink, stop: Arc<AtomicBool>) -> JoinHandle<()> {
        std::thread::spawn(move || {
            self.writer.wake_when_read(std::thread::current());
            'samples: while let Some(sample) = pull(&sink, &self.state) {
                let arrived = Instant::now();
                let Some(begin) = self.position(&sample) else {
                    continue;
                };
                let Some(Ok(map)) = sample.buffer().map(gst::BufferRef::map_readable) else {
                    continue;
                };
                let mut at = begin;
                self.next = Some(begin.plus(map.len() / 4));
                self.hear(begin, map.len() / 4);
                for piece in map.as_slice().chunks(PUMP_PIECE * 4) {
                    let samples = piece.len() / 4;
                    while !self.writer.has_room(samples) {
                        if stop.load(Ordering::Relaxed) {
                            continue 'samples;
                        }
                        // Whoever reads a block or ends the session wakes it.
                        std::thread::park();
                    }
                    let heard = at.to_time().distance(begin.to_time());
                    let later = Duration::from_nanos(if self.plays { heard } else { 0 });
                    self.writer.accept(at, arrived + later, samples_of(piece));
                    self.state.arrived();
                    at = at.plus(samples);
                }
            }
            if let Some(skipping) = &self.skipping {
                skipping.sound_ended();
            }
            self.end();
        })
    }

    /// Before it waits for room: pictures are decoded meanwhile.
    fn hear(&self, begin: SamplePos, samples: usize) {
        let Some(skipping) = &self.skipping else {
            return;
        };
        for first in (0..samples).step_by(PUMP_PIECE) {
            skipping.hear(begin.plus(first), PUMP_PIECE.min(samples - first));
        }
    }
}

impl FrameTap {
    fn frame(&self, sample: gst::Sample) -> Option<Frame> {
        let at = stream_time(&sample, self.offset)?;
        let video_state = Arc::clone(&self.video_state);
        Some(Frame::decoded(at, sample, video_state))
    }

    /// Taps a live source.
    pub fn watch(self, sink: &gst_app::AppSink) {
        let state = Arc::clone(&self.state);
        sink.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    if let Some(frame) = self.frame(sample) {
                        if let Err(TrySendError::Full(_)) = self.sender.try_send(frame) {
                            self.state.dropped.fetch_add(1, Ordering::Relaxed);
                        }
                        self.state.arrived();
                    }
                    Ok(gst::FlowSuccess::Ok)
                })
                .eos(move |_| state.end())
                .build(),
        );
    }

    /// Taps a file, like [`SoundTap::pump`]; it discards once nobody receives.
    pub fn pump(self, sink: gst_app::AppSink) -> JoinHandle<()> {
        std::thread::spawn(move || {
            while let Some(sample) = pull(&sink, &self.state) {
                if let Some(frame) = self.frame(sample) {
                    let _ = self.sender.send(frame);
                    self.state.arrived();
                }
            }
            self.state.end();
        })
    }
}

/// The next sample; `None` at the end of the stream or pipeline.
fn pull(sink: &gst_app::AppSink, state: &TapState) -> Option<gst::Sample> {
    let step = gst::ClockTime::from_mseconds(20);
    loop {
        if let Some(sample) = sink.try_pull_sample(step) {
            return Some(sample);
        }
        // The session marks it as ended if the source has no such stream.
        if sink.is_eos() || state.ended.load(Ordering::Acquire) {
            return None;
        }
    }
}
