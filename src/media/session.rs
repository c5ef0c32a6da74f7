//! One open source: its pipeline, its taps, its bus.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use gst::prelude::*;
use gstreamer as gst;

use super::bus;
use super::description::RESAMPLER;
use super::error::MediaError;
use super::frame::{Frame, VideoState};
use super::gate::skip_late_pictures;
use super::graph::{
    Kind, build, configure, for_each_element, has_pads_to_come, is_fed, note_lost_start, sinks,
    watch_tags,
};
use super::graph_files::GraphFiles;
use super::meter::Meter;
use super::packets::{PacketRing, Taps};
use super::restamp::keep_timestamps;
use super::ring::{SoundEnder, SoundReader, sound_ring};
use super::skip::{Looks, Skipping};
use super::source::{Source, SourceKind};
use super::tap::{FrameTap, SoundTap, TapState};
use super::tracks::Trouble;
use crate::cancel::CancelToken;
use crate::sync::lock;
use crate::time::{MediaTime, SAMPLE_RATE, SamplePos};
use crate::window::TAIL_SAMPLES;

/// Sound that the ring holds, in seconds. A live reader that is further behind has lost
/// the stream anyway.
const RING_SECONDS: usize = 4;
/// Blocks that the ring holds: 4 s in blocks of 2 ms.
const RING_BLOCKS: usize = 2_048;
/// Frames that the channel holds. Few, because they occupy memory of decoders and cameras.
pub(super) const CHANNEL_FRAMES: usize = 8;
/// Buffers that an appsink holds before it blocks.
const SINK_BUFFERS: u32 = 4;
/// The most that the last window may lack where a demuxer or decoder has dropped sound: 25 ms,
/// about a block of AAC.
pub(super) const MAX_TAIL_SAMPLES: usize = 1_200;
/// How long a description may take to start; until then it is unknown whether it is live.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// What decoders call the number of their threads: libav's and de265, vpx, dav1d.
const THREADS: [&str; 3] = ["max-threads", "threads", "n-threads"];

/// How to open a source.
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    /// Play in real time, even if the source is not live.
    pub real_time: bool,
    /// Added to all times, so that a reopened source continues in its timeline.
    pub offset: MediaTime,
    /// Cancels a slow opening.
    pub stop: CancelToken,
    /// Threads of each video decoder; as many as it likes if not given.
    pub decoder_threads: Option<u32>,
    /// Keeps the encoded packets. Without it nothing is kept, and nothing is spent on it.
    pub packets: Option<Arc<PacketRing>>,
    /// Measures all sound and frames. Only of a file: it takes its time.
    pub meter: Option<Arc<Meter>>,
    /// Where the pipeline is drawn.
    pub graphs: Option<GraphFiles>,
    /// Which frames of a file are looked at; others may be missing. All of them if not given.
    pub looks: Option<Looks>,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// All was read.
    Whole,
    /// It failed.
    Failed(MediaError),
}

/// An open source.
pub struct Session {
    pipeline: gst::Pipeline,
    /// The sound.
    pub sound: SoundReader,
    /// The frames.
    pub frames: Receiver<Frame>,
    sound_state: Arc<TapState>,
    frame_state: Arc<TapState>,
    kind: SourceKind,
    missing: Option<String>,
    trouble: Trouble,
    tail: Arc<AtomicUsize>,
    demuxers: Arc<Mutex<Vec<gst::glib::WeakRef<gst::Element>>>>,
    live: bool,
    by_clock: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    pumps: Vec<JoinHandle<()>>,
    graphs: Option<GraphFiles>,
    skipping: Option<Arc<Skipping>>,
    /// Dropped after the pipeline has stopped: fields are dropped after `drop` has run.
    _taps: Option<Taps>,
}

impl Session {
    /// Opens a source and starts it. What arrives wakes the calling thread, which is to read
    /// it.
    ///
    /// # Errors
    /// Why it does not start. Later errors are returned by [`poll`](Self::poll).
    pub fn open(source: &Source, options: SessionOptions) -> Result<Self, MediaError> {
        Self::open_part(source, options, None)
    }

    /// Opens a part of a file as if it were the whole, or all of any source.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) fn open_part(
        source: &Source,
        options: SessionOptions,
        part: Option<Range<u64>>,
    ) -> Result<Self, MediaError> {
        let trouble = Trouble::default();
        let pipeline = build(source, part, &trouble)?;
        let (sound_sink, frame_sink) = sinks(&pipeline)?;
        let (writer, sound) = sound_ring(RING_SECONDS * SAMPLE_RATE as usize, RING_BLOCKS);
        let (sender, frames) = crossbeam_channel::bounded(CHANNEL_FRAMES);
        let video_state = Arc::new(VideoState::default());
        let mut session = Self {
            pipeline,
            sound,
            frames,
            sound_state: Arc::new(TapState::new()),
            frame_state: Arc::new(TapState::new()),
            kind: source.kind.clone(),
            missing: None,
            trouble,
            tail: Arc::new(AtomicUsize::new(TAIL_SAMPLES)),
            demuxers: Arc::default(),
            live: false,
            by_clock: Arc::new(AtomicBool::new(options.real_time)),
            stop: Arc::default(),
            pumps: Vec::new(),
            graphs: options.graphs,
            skipping: None,
            _taps: None,
        };
        if let Some(graphs) = &session.graphs {
            graphs.draw_changes_of(&session.pipeline);
        }
        // Before the gate, which drops packets that come too late for the decoder.
        let taps = options.packets.as_ref();
        session._taps = taps.map(|ring| Taps::add(&session.pipeline, ring));
        watch_tags(&frame_sink, &video_state);
        if let Some(meter) = &options.meter {
            meter.attach(&session.pipeline, &frame_sink, &video_state, options.offset)?;
        }
        let jitters = Arc::new(AtomicBool::new(false));
        if let Some(resampler) = session.pipeline.by_name(RESAMPLER) {
            keep_timestamps(&resampler, &jitters);
        }
        session.watch_pads(writer.ender());
        session.watch_elements(options.decoder_threads);
        let frames_state = Arc::clone(&video_state);
        for_each_element(&session.pipeline, move |_, factory| {
            frames_state.note_element(factory);
        });
        let looks = options.looks.filter(|_| options.meter.is_none());
        // What a description does with its pictures besides is not known.
        let is_ours = matches!(
            source.kind,
            SourceKind::File(_) | SourceKind::Uri { live: false, .. }
        );
        session.skipping = looks.filter(|_| is_ours).map(|looks| {
            let by_clock = &session.by_clock;
            Skipping::add(&session.pipeline, looks, options.offset, by_clock)
        });
        skip_late_pictures(&session.pipeline, &session.by_clock, &session.frame_state);

        let live = session.pause(source, &options.stop)?;
        session.live = live;
        jitters.store(live, Ordering::Relaxed);
        session.by_clock.fetch_or(live, Ordering::Relaxed);
        let by_clock = options.real_time && !live;
        for sink in [&sound_sink, &frame_sink] {
            // A live source keeps its own time; synchronising again would add latency.
            sink.set_sync(by_clock);
        }
        let sound_tap = SoundTap {
            writer,
            offset: options.offset,
            plays: by_clock,
            next: None,
            skipping: session.skipping.clone(),
            state: Arc::clone(&session.sound_state),
        };
        let frame_tap = FrameTap {
            sender,
            video_state,
            offset: options.offset,
            state: Arc::clone(&session.frame_state),
        };
        let stop = &session.stop;
        if live {
            sound_tap.listen(&sound_sink);
        } else {
            let pump = sound_tap.pump(sound_sink.clone(), Arc::clone(stop));
            session.pumps.push(pump);
        }
        if session.is_by_clock() {
            frame_tap.watch(&frame_sink);
        } else {
            let pump = frame_tap.pump(frame_sink.clone());
            session.pumps.push(pump);
        }
        if session.pipeline.set_state(gst::State::Playing).is_err() {
            return Err(session.first_error());
        }
        // Not earlier: an appsink whose first buffer arrives while it is being set to
        // PLAYING renders it, and the next ones, under the lock that the state change
        // needs. If it were full, this thread would block, and nobody would drain it. A
        // state change that continues in a thread of GStreamer may block: by then the
        // sink is being read.
        for sink in [sound_sink, frame_sink] {
            sink.set_max_buffers(SINK_BUFFERS);
        }
        Ok(session)
    }

    /// Whether the source is live.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// Whether it runs in real time: what is not read in time is lost.
    pub fn is_by_clock(&self) -> bool {
        self.by_clock.load(Ordering::Relaxed)
    }

    /// Handles bus messages. `Some` when the session has ended; what is still in the ring
    /// and the channel remains valid.
    pub fn poll(&mut self) -> Option<End> {
        if let Some(cause) = lock(&self.trouble).take() {
            return Some(End::Failed(cause));
        }
        let bus = self.pipeline.bus()?;
        while let Some(message) = bus.pop() {
            match message.view() {
                gst::MessageView::Error(error) => {
                    let cause = bus::explain(error, &self.kind, self.missing.as_deref());
                    return Some(End::Failed(cause));
                }
                gst::MessageView::Element(element) => {
                    if let Some(what) = bus::missing_plugin(element.message()) {
                        tracing::debug!(what, "no decoder");
                        self.missing.get_or_insert(what);
                    }
                }
                // Without it, elements that were added late play too early. It waits for
                // state changes, which may wait for a full sink; so not for a file,
                // whose sinks this very thread drains.
                gst::MessageView::Latency(_) if self.is_by_clock() => {
                    let _ = self.pipeline.recalculate_latency();
                }
                gst::MessageView::Warning(warning) => {
                    tracing::debug!(warning = %warning.error(), debug = ?warning.debug(), "pipeline");
                }
                _ => {}
            }
        }
        (self.sound_ended() && self.picture_ended()).then_some(End::Whole)
    }

    /// Whether a demuxer stopped before anything arrived, without an error.
    ///
    /// decodebin swallows errors of a demuxer that it is still setting up (1.22): whether
    /// an error is reported depends on which thread is faster. A demuxer that has exposed
    /// a pad has done its work: it also stops at the end of a short file, while a slow
    /// decoder is still busy.
    pub fn has_failed_silently(&self) -> bool {
        let seen = |state: &TapState| state.seen.load(Ordering::Relaxed);
        if seen(&self.sound_state) || seen(&self.frame_state) {
            return false;
        }
        let Ok(demuxers) = self.demuxers.lock() else {
            return false;
        };
        let gave_up = |demuxer: gst::Element| {
            let sink = demuxer.static_pad("sink");
            // Only in pull mode does the demuxer's own task drive it.
            demuxer.num_src_pads() == 0
                && sink.is_some_and(|pad| {
                    pad.mode() == gst::PadMode::Pull && pad.task_state() == gst::TaskState::Paused
                })
        };
        demuxers.iter().filter_map(|d| d.upgrade()).any(gave_up)
    }

    /// No more sound will be written to the ring.
    pub fn sound_ended(&self) -> bool {
        self.sound_state.ended.load(Ordering::Acquire)
    }

    /// No more frames will be sent to the channel.
    pub fn picture_ended(&self) -> bool {
        self.frame_state.ended.load(Ordering::Acquire)
    }

    /// Frames that a live source lost because the channel was full, and pictures that were
    /// not decoded because they were late.
    pub fn dropped_frames(&self) -> u64 {
        self.frame_state.dropped.load(Ordering::Relaxed)
    }

    /// Blocks of sound that came without a timestamp.
    pub fn untimed_blocks(&self) -> u64 {
        self.sound_state.untimed.load(Ordering::Relaxed)
    }

    /// A decoder that is missing for a part of the source.
    pub fn missing_decoder(&self) -> Option<&str> {
        self.missing.as_deref()
    }

    /// How many samples the last window may lack and still count as whole.
    pub fn tail_samples(&self) -> usize {
        self.tail.load(Ordering::Relaxed)
    }

    /// The length of the source, if known.
    pub fn duration(&self) -> Option<MediaTime> {
        let duration = self.pipeline.query_duration::<gst::ClockTime>()?;
        Some(MediaTime(duration.nseconds()))
    }

    /// Frames a second, as far as the source says; `None` before the first frame, and where
    /// the rate varies.
    pub fn frame_rate(&self) -> Option<f64> {
        let end = self.pipeline.by_name(Kind::Picture.name())?;
        let caps = end.static_pad("sink")?.current_caps()?;
        let rate: gst::Fraction = caps.structure(0)?.get("framerate").ok()?;
        (rate.numer() > 0).then(|| f64::from(rate.numer()) / f64::from(rate.denom()))
    }

    /// Wall-clock time at running time zero of this session, measured now; `None` before it
    /// plays.
    pub fn utc_origin(&self) -> Option<jiff::Timestamp> {
        let running = self.pipeline.current_running_time()?;
        let running = jiff::SignedDuration::from_nanos(i64::try_from(running.nseconds()).ok()?);
        jiff::Timestamp::now().checked_sub(running).ok()
    }

    /// Sets PAUSED; true if the source is live.
    fn pause(&mut self, source: &Source, stop: &CancelToken) -> Result<bool, MediaError> {
        let change = self.pipeline.set_state(gst::State::Paused);
        match (change, &source.kind) {
            (Err(_), _) => Err(self.first_error()),
            (Ok(gst::StateChangeSuccess::NoPreroll), _) => Ok(true),
            (_, SourceKind::Uri { live, .. }) => Ok(*live),
            // Only a description can be either.
            (Ok(gst::StateChangeSuccess::Async), SourceKind::Launch(_)) => {
                let end = Instant::now() + START_TIMEOUT;
                while Instant::now() < end && !stop.is_cancelled() {
                    let step = gst::ClockTime::from_mseconds(50);
                    match self.pipeline.state(step).0 {
                        Ok(gst::StateChangeSuccess::NoPreroll) => return Ok(true),
                        Ok(gst::StateChangeSuccess::Success) => return Ok(false),
                        Ok(gst::StateChangeSuccess::Async) => {}
                        Err(_) => return Err(self.first_error()),
                    }
                }
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// The error on the bus that explains a failed state change.
    fn first_error(&mut self) -> MediaError {
        match self.poll() {
            Some(End::Failed(cause)) => cause,
            _ => MediaError::Pipeline("the pipeline does not start".into()),
        }
    }

    /// Configures elements that decodebin adds.
    fn watch_elements(&self, decoder_threads: Option<u32>) {
        let tail = Arc::clone(&self.tail);
        let demuxers = Arc::clone(&self.demuxers);
        self.pipeline
            .connect_deep_element_added(move |_, _, element| {
                let Some(factory) = element.factory() else {
                    return;
                };
                if factory.has_type(gst::ElementFactoryType::DEMUXER)
                    && let Ok(mut demuxers) = demuxers.lock()
                {
                    demuxers.push(element.downgrade());
                }
                if let Some(threads) = decoder_threads
                    && factory.has_type(gst::ElementFactoryType::DECODER)
                    && let Some(name) = THREADS.into_iter().find(|n| element.has_property(n))
                {
                    element.set_property_from_str(name, &threads.to_string());
                }
                match factory.name().as_str() {
                    "tsdemux" | "mpegpsdemux" => {
                        let tail = Arc::clone(&tail);
                        note_lost_start(element, move |lost| {
                            // What lacks at the start, the last window lacks at the end.
                            let samples = TAIL_SAMPLES + SamplePos::from_time(lost).0 as usize;
                            if samples <= MAX_TAIL_SAMPLES {
                                tail.store(samples, Ordering::Relaxed);
                            }
                        });
                    }
                    // The first block of AAC is an encoder's priming, and its time goes to the
                    // second: where times then jump, the end lacks a block.
                    "qtdemux" => tail.store(MAX_TAIL_SAMPLES, Ordering::Relaxed),
                    _ => {}
                }
                configure(element);
            });
    }

    /// Detects which streams the source does not have: after `no-more-pads`, an end that
    /// nothing is linked to gets no data.
    fn watch_pads(&self, sound: SoundEnder) {
        let weak = self.pipeline.downgrade();
        let sound_state = Arc::clone(&self.sound_state);
        let frame_state = Arc::clone(&self.frame_state);
        let missing_ends = move || {
            let Some(pipeline) = weak.upgrade() else {
                return;
            };
            if !is_fed(&pipeline, "audio") {
                sound.end();
                sound_state.end();
            }
            if !is_fed(&pipeline, "video") {
                frame_state.end();
            }
        };
        let growing: Vec<_> = self
            .pipeline
            .iterate_elements()
            .into_iter()
            .flatten()
            .filter(has_pads_to_come)
            .collect();
        // If there are several such elements, only the last one decides.
        let left = Arc::new(AtomicUsize::new(growing.len()));
        let missing_ends = Arc::new(missing_ends);
        for element in growing {
            let (left, missing_ends) = (Arc::clone(&left), Arc::clone(&missing_ends));
            element.connect_no_more_pads(move |_| {
                if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    missing_ends();
                }
            });
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(graphs) = &self.graphs {
            graphs.draw(&self.pipeline, "end");
        }
        if let Some(skipping) = &self.skipping {
            let (decoded, skipped) = skipping.counts();
            tracing::debug!(decoded, skipped, "pictures");
        }
        // The pumps continue but discard: full sinks would block the state change.
        self.stop.store(true, Ordering::Relaxed);
        self.frames = crossbeam_channel::never();
        for pump in &self.pumps {
            pump.thread().unpark();
        }
        let _ = self.pipeline.set_state(gst::State::Null);
        for pump in self.pumps.drain(..) {
            // A pump that panicked has nothing more to give.
            let _ = pump.join();
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
