//! Takes packets from a pipeline where its decoders get them.
//!
//! Belongs here: the probes, and which of several decoders is used. Does not: what is kept
//! ([`super::ring`]).
//!
//! The probes run on GStreamer's threads, for each packet once. They take a reference to
//! it and put that into a bounded channel; they never copy, allocate, log or wait. What
//! does not fit is counted and lost, and what follows begins a new generation. The one
//! lock is that of the probe's own notes: a pad has one thread at a time, so nobody else
//! ever holds it.
//!
//! A decoder is used if what reaches an end of the pipeline has the id of the stream that
//! goes into it: decoders, converters and queues pass that on. What reaches an end without
//! having passed a decoder came unencoded; sound is kept as it is then (PCM).

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gstreamer as gst;

use super::super::graph::{Kind, for_each_element};
use super::PacketRing;
use crate::sync::lock;

/// A packet on its way to the ring.
#[derive(Debug)]
pub(super) struct Arrival {
    pub session: u64,
    pub tap: Arc<Tap>,
    /// Consecutive within a tap, lost packets included.
    pub count: u64,
    pub caps: gst::Caps,
    pub buffer: gst::Buffer,
    pub pts_ns: i64,
    pub at: jiff::Timestamp,
}

/// Whether the ends of the pipeline get what comes out of a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Nothing has come out of it yet.
    Unknown = 0,
    Used = 1,
    Unused = 2,
}

/// A place where packets are taken.
#[derive(Debug)]
pub(super) struct Tap {
    pub kind: Kind,
    stream_id: gst::glib::GString,
    pad: gst::glib::WeakRef<gst::Pad>,
    used: AtomicU8,
}

impl Tap {
    pub fn used(&self) -> Use {
        match self.used.load(Ordering::Acquire) {
            1 => Use::Used,
            2 => Use::Unused,
            _ => Use::Unknown,
        }
    }

    fn set(&self, used: Use) {
        self.used.store(used as u8, Ordering::Release);
    }
}

/// The taps of one pipeline. The ring's generation is closed when it is dropped, which must
/// be after the pipeline has stopped.
pub(in super::super) struct Taps {
    ring: Arc<PacketRing>,
    session: u64,
}

impl Taps {
    /// Taps all decoders that a pipeline has or will get. To be called before other probes
    /// are added that drop what comes too late for the decoder.
    pub fn add(pipeline: &gst::Pipeline, ring: &Arc<PacketRing>) -> Self {
        let session = ring.open(pipeline);
        let common = Arc::new(Common {
            ring: Arc::clone(ring),
            session,
            taps: Mutex::default(),
        });
        for kind in [Kind::Sound, Kind::Picture] {
            let end = pipeline.by_name(kind.name());
            if let Some(pad) = end.and_then(|end| end.static_pad("sink")) {
                common.watch_end(&pad, kind);
            }
        }
        for_each_element(pipeline, move |element, factory| {
            if let Some(kind) = decodes(factory)
                && let Some(pad) = element.static_pad("sink")
            {
                common.watch_decoder(&pad, kind);
            }
        });
        Self {
            ring: Arc::clone(ring),
            session,
        }
    }
}

impl Drop for Taps {
    fn drop(&mut self) {
        self.ring.close(self.session);
    }
}

fn decodes(factory: &gst::ElementFactory) -> Option<Kind> {
    use gst::ElementFactoryType as T;
    if !factory.has_type(T::DECODER) {
        None
    } else if factory.has_type(T::MEDIA_VIDEO) || factory.has_type(T::MEDIA_IMAGE) {
        Some(Kind::Picture)
    } else {
        factory.has_type(T::MEDIA_AUDIO).then_some(Kind::Sound)
    }
}

/// What the probes of a pipeline share.
struct Common {
    ring: Arc<PacketRing>,
    session: u64,
    /// Locked at the start of a stream only.
    taps: Mutex<Vec<Arc<Tap>>>,
}

impl Common {
    fn watch_decoder(self: &Arc<Self>, pad: &gst::Pad, kind: Kind) {
        let common = Arc::clone(self);
        let notes = Mutex::new(Notes::default());
        pad.add_probe(PACKETS, move |pad, info| {
            let mut notes = lock(&notes);
            match &info.data {
                Some(gst::PadProbeData::Event(event)) => {
                    if let gst::EventView::StreamStart(start) = event.view() {
                        notes.tap = common.claim(pad, kind, start.stream_id());
                    }
                    notes.note(event);
                }
                Some(gst::PadProbeData::Buffer(buffer)) => common.take(&mut notes, buffer),
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Watches what reaches an end. Sound that has not passed a decoder is taken there.
    fn watch_end(self: &Arc<Self>, pad: &gst::Pad, kind: Kind) {
        let common = Arc::clone(self);
        let notes = Mutex::new(Notes {
            is_raw: true,
            ..Notes::default()
        });
        pad.add_probe(PACKETS, move |pad, info| {
            let mut notes = lock(&notes);
            match &info.data {
                Some(gst::PadProbeData::Event(event)) => {
                    if let gst::EventView::StreamStart(start) = event.view() {
                        notes.tap = common.reaches(pad, kind, start.stream_id());
                    }
                    notes.note(event);
                }
                Some(gst::PadProbeData::Buffer(buffer)) => common.take(&mut notes, buffer),
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// A stream begins at a decoder. Of decoders within each other, the first gets it.
    fn claim(&self, pad: &gst::Pad, kind: Kind, stream_id: &str) -> Option<Arc<Tap>> {
        let mut taps = lock(&self.taps);
        let is_it = |tap: &&Arc<Tap>| tap.kind == kind && tap.stream_id == stream_id;
        if let Some(tap) = taps.iter().find(is_it) {
            let other = tap.pad.upgrade();
            if other.as_ref() == Some(pad) {
                return Some(Arc::clone(tap));
            }
            if other.is_some_and(|pad| pad.is_active()) {
                return None;
            }
        }
        // A decoder that did not do was replaced.
        taps.retain(|tap| !is_it(&tap));
        let tap = Arc::new(Tap {
            kind,
            stream_id: stream_id.into(),
            pad: pad.downgrade(),
            used: AtomicU8::new(Use::Unknown as u8),
        });
        taps.push(Arc::clone(&tap));
        Some(tap)
    }

    /// A stream reaches an end. A tap for it, if it is sound that came unencoded.
    fn reaches(&self, pad: &gst::Pad, kind: Kind, stream_id: &str) -> Option<Arc<Tap>> {
        let known = lock(&self.taps).iter().any(|tap| {
            let is_it = tap.kind == kind && tap.stream_id == stream_id;
            is_it && tap.pad.upgrade().as_ref() != Some(pad)
        });
        let raw = match (known, kind) {
            (true, _) => None,
            (false, Kind::Picture) => {
                self.ring.note_raw_picture();
                None
            }
            (false, Kind::Sound) => self.claim(pad, kind, stream_id),
        };
        for tap in lock(&self.taps).iter().filter(|tap| tap.kind == kind) {
            let is_it = tap.stream_id == stream_id;
            tap.set(if is_it { Use::Used } else { Use::Unused });
        }
        raw
    }

    /// Never copies, allocates, logs or waits.
    fn take(&self, notes: &mut Notes, buffer: &gst::Buffer) {
        if notes.is_raw && self.ring.has_raw_picture() {
            // No clip can be made of it.
            return;
        }
        let (Some(tap), Some(caps)) = (&notes.tap, &notes.caps) else {
            return;
        };
        let Some(pts_ns) = notes.running_ns(buffer) else {
            return;
        };
        if tap.used() == Use::Unused {
            return;
        }
        notes.count += 1;
        self.ring.offer(Arrival {
            session: self.session,
            tap: Arc::clone(tap),
            count: notes.count,
            caps: caps.clone(),
            buffer: buffer.clone(),
            pts_ns,
            at: jiff::Timestamp::now(),
        });
    }
}

const PACKETS: gst::PadProbeType =
    gst::PadProbeType::BUFFER.union(gst::PadProbeType::EVENT_DOWNSTREAM);

/// What a probe knows of its pad.
#[derive(Default)]
struct Notes {
    /// What is taken there has passed no decoder.
    is_raw: bool,
    tap: Option<Arc<Tap>>,
    caps: Option<gst::Caps>,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    count: u64,
}

impl Notes {
    fn note(&mut self, event: &gst::EventRef) {
        match event.view() {
            gst::EventView::Caps(caps) => self.caps = Some(caps.caps_owned()),
            gst::EventView::Segment(segment) => {
                self.segment = segment.segment().downcast_ref().cloned();
            }
            _ => {}
        }
    }

    /// When a packet is presented. Headers have no time, and are in the caps as well.
    fn running_ns(&self, buffer: &gst::BufferRef) -> Option<i64> {
        let at = buffer.pts().or(buffer.dts())?;
        let running = self.segment.as_ref()?.to_running_time_full(at)?;
        let ns = i64::try_from(running.abs().nseconds()).ok()?;
        Some(if running.is_negative() { -ns } else { ns })
    }
}
