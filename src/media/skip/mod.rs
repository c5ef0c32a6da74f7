//! Not decoding pictures that nobody looks at, where every frame that somebody looks at comes
//! out the same.
//!
//! Belongs here: the probe before a file's decoder, and how it knows the format. Does not:
//! what a packet holds ([`coded`]), which frames are looked at ([`wanted`]), which pictures
//! may be missing for that ([`pictures`]).
//!
//! A window takes one frame a second or so, and half of the pictures of a film are such that
//! no other refers to them. Decoding the rest takes two thirds of the time. Of formats in which
//! each picture stands for itself (MJPEG, ProRes), and of cameras that begin anew every second,
//! more can be missing. What is dropped is decided by rules, not by guesses of the rate: a
//! picture is passed on whenever anything about it or the stream is unusual.

mod bits;
mod coded;
mod pictures;
mod wanted;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gstreamer as gst;
use serde::{Deserialize, Serialize};

use super::graph::for_each_element;
use crate::sync::lock;
use crate::time::{MediaTime, SamplePos};
use coded::{Coded, Format};
use pictures::Pictures;
use wanted::Heard;

/// Decoders that are known to give the same frames if pictures are missing that nothing
/// refers to. In hardware and in other software it has not been tried.
const PROVEN: [&str; 12] = [
    "avdec_h264",
    "avdec_h265",
    "avdec_mpeg2video",
    "vp8dec",
    "vp9dec",
    "jpegdec",
    "avdec_mjpeg",
    "avdec_prores",
    "avdec_dnxhd",
    "dvdec",
    "avdec_dvvideo",
    "avdec_huffyuv",
];

/// Which frames of a file are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Looks {
    /// The one nearest to the middle of each window of sound.
    Windows {
        /// Length of a window in samples.
        window: usize,
        /// Time from the start of one to the start of the next in samples.
        hop: usize,
    },
    /// The first one in each step of so many nanoseconds, at least 1.
    Steps(u64),
    /// Those of key pictures alone: another answer, for less.
    KeyPictures,
}

/// What a session's probe knows and counts.
pub(super) struct Skipping {
    looks: Looks,
    offset: MediaTime,
    heard: Mutex<Heard>,
    /// The source turned out to run by the clock: nothing is dropped.
    by_clock: Arc<AtomicBool>,
    /// Pictures that came, and those that were passed on.
    taken: AtomicU64,
    passed: AtomicU64,
}

impl Skipping {
    /// Adds a probe to each decoder that a file's pipeline has or will get.
    pub fn add(
        pipeline: &gst::Pipeline,
        looks: Looks,
        offset: MediaTime,
        by_clock: &Arc<AtomicBool>,
    ) -> Arc<Self> {
        let skipping = Arc::new(Self {
            looks,
            offset,
            heard: Mutex::new(Heard::new(looks, offset)),
            by_clock: Arc::clone(by_clock),
            taken: AtomicU64::new(0),
            passed: AtomicU64::new(0),
        });
        let shared = Arc::clone(&skipping);
        for_each_element(pipeline, move |element, factory| {
            let shows = gst::ElementFactoryType::MEDIA_VIDEO | gst::ElementFactoryType::MEDIA_IMAGE;
            let is_decoder =
                factory.has_type(gst::ElementFactoryType::DECODER) && factory.has_type(shows);
            // Of a pair that decodes colours and transparency, what one gives the other must.
            let is_paired = || {
                let parent = element.parent().and_downcast::<gst::Element>();
                let factory = parent.and_then(|parent| parent.factory());
                factory.is_some_and(|factory| factory.name().contains("alpha"))
            };
            let Some(pad) = element.static_pad("sink").filter(|_| is_decoder) else {
                return;
            };
            if shared.looks == Looks::KeyPictures {
                shared.keep_keys(&pad);
            } else if PROVEN.contains(&factory.name().as_str()) && !is_paired() {
                shared.watch(&pad);
            }
        });
        skipping
    }

    /// Sound has left its decoder. Not when it is read: pictures may not wait for that.
    pub fn hear(&self, at: SamplePos, samples: usize) {
        lock(&self.heard).take(at, samples);
    }

    /// No more sound comes.
    pub fn sound_ended(&self) {
        lock(&self.heard).end();
    }

    /// Pictures that were decoded, and pictures that were not.
    pub fn counts(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (passed, taken) = (count(&self.passed), count(&self.taken));
        (passed, taken.saturating_sub(passed))
    }

    fn keep_keys(self: &Arc<Self>, pad: &gst::Pad) {
        let skipping = Arc::clone(self);
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let by_clock = skipping.by_clock.load(Ordering::Relaxed);
            let is_delta = |b: &gst::Buffer| b.flags().contains(gst::BufferFlags::DELTA_UNIT);
            skipping.taken.fetch_add(1, Ordering::Relaxed);
            if !by_clock && info.buffer().is_some_and(is_delta) {
                // Not `Drop`: see `mov`.
                return gst::PadProbeReturn::Handled;
            }
            skipping.passed.fetch_add(1, Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
    }

    fn watch(self: &Arc<Self>, pad: &gst::Pad) {
        let skipping = Arc::clone(self);
        let before = Mutex::new(Before::new(self.offset));
        // What is passed on comes by here once more, on the same thread.
        let passing = AtomicBool::new(false);
        let kinds = gst::PadProbeType::BUFFER
            | gst::PadProbeType::EVENT_DOWNSTREAM
            | gst::PadProbeType::EVENT_FLUSH;
        pad.add_probe(kinds, move |pad, info| {
            if info.buffer().is_some() && passing.load(Ordering::Relaxed) {
                return gst::PadProbeReturn::Ok;
            }
            let (now, ours) = match info.data.take() {
                Some(gst::PadProbeData::Buffer(buffer)) => {
                    let by_clock = skipping.by_clock.load(Ordering::Relaxed);
                    let mut before = lock(&before);
                    let now = before.take(buffer, &lock(&skipping.heard), by_clock);
                    (now, true)
                }
                data => {
                    let held = match &data {
                        Some(gst::PadProbeData::Event(event)) => lock(&before).note(event),
                        _ => Vec::new(),
                    };
                    info.data = data;
                    (held, false)
                }
            };
            let passed = now.len() as u64;
            skipping.passed.fetch_add(passed, Ordering::Relaxed);
            passing.store(true, Ordering::Relaxed);
            let flow = now.into_iter().try_for_each(|b| pad.chain(b).map(drop));
            passing.store(false, Ordering::Relaxed);
            if !ours {
                return gst::PadProbeReturn::Ok;
            }
            skipping.taken.fetch_add(1, Ordering::Relaxed);
            info.flow_res = flow.map(|()| gst::FlowSuccess::Ok);
            gst::PadProbeReturn::Handled
        });
    }
}

/// What is known before a decoder.
struct Before {
    offset: MediaTime,
    format: Option<Format>,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    pictures: Pictures<gst::Buffer>,
}

impl Before {
    fn new(offset: MediaTime) -> Self {
        Self {
            offset,
            format: None,
            segment: None,
            pictures: Pictures::new(offset),
        }
    }

    /// Returns what goes before the event.
    fn note(&mut self, event: &gst::EventRef) -> Vec<gst::Buffer> {
        match event.view() {
            gst::EventView::FlushStart(_) | gst::EventView::FlushStop(_) => {
                // A decoder that is flushed wants none of it.
                drop(self.pictures.restart());
                return Vec::new();
            }
            gst::EventView::Caps(caps) => self.format = Format::of(caps.caps()),
            gst::EventView::Segment(segment) => {
                self.segment = segment.segment().downcast_ref().cloned();
            }
            // Parsers tell the bitrate before each packet; how a picture is turned counts from
            // the next one on.
            gst::EventView::Tag(tag)
                if tag.tag().get::<gst::tags::ImageOrientation>().is_none() =>
            {
                return Vec::new();
            }
            _ if event.is_serialized() => return self.pictures.release_all(),
            _ => return Vec::new(),
        }
        self.pictures.restart()
    }

    /// Takes a picture. Returns what is to be decoded now.
    fn take(&mut self, buffer: gst::Buffer, heard: &Heard, by_clock: bool) -> Vec<gst::Buffer> {
        let unusual = gst::BufferFlags::DISCONT | gst::BufferFlags::CORRUPTED;
        let mut now = match by_clock || buffer.flags().intersects(unusual) {
            true => self.pictures.restart(),
            false => Vec::new(),
        };
        let coded = match (&mut self.format, buffer.map_readable()) {
            (Some(format), Ok(map)) if !by_clock => format.picture(&map),
            _ => Coded::Unknown,
        };
        let running = buffer.pts().zip(buffer.duration()).map(|(pts, _)| {
            let segment = self.segment.as_ref();
            segment.and_then(|segment| segment.to_running_time(pts))
        });
        match running {
            _ if buffer.flags().contains(gst::BufferFlags::DECODE_ONLY) => {
                now.extend(self.pictures.take_hidden(buffer));
            }
            None => {
                now.extend(self.pictures.give_up());
                now.push(buffer);
            }
            // Outside of what is played: it does not come out of the decoder.
            Some(None) => now.extend(self.pictures.take_hidden(buffer)),
            Some(Some(running)) => {
                let at = MediaTime(running.nseconds().saturating_add(self.offset.0));
                now.extend(self.pictures.take(buffer, coded, at, heard));
            }
        }
        now
    }
}

#[cfg(test)]
mod tests;
