//! Not decoding pictures that nobody looks at, where every frame that somebody looks at comes
//! out the same.
//!
//! Belongs here: the probe before a file's decoder, and how it knows the format. Does not:
//! what a packet holds ([`coded`]), which frames are looked at ([`wanted`]), which pictures
//! may be missing for that ([`pictures`]).
//!
//! A window takes one frame a second or so, and half of the pictures of a film are such that
//! no other refers to them. Decoding the rest takes two thirds of the time. What is dropped
//! is decided by rules, not by guesses of the rate: a picture is passed on whenever
//! anything about it or the stream is unusual.

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
const PROVEN: [&str; 3] = ["avdec_h264", "avdec_h265", "avdec_mpeg2video"];

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
    passed: AtomicU64,
    dropped: AtomicU64,
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
            passed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        });
        let shared = Arc::clone(&skipping);
        for_each_element(pipeline, move |element, factory| {
            let is_decoder = factory.has_type(gst::ElementFactoryType::DECODER)
                && factory.has_type(gst::ElementFactoryType::MEDIA_VIDEO);
            let Some(pad) = element.static_pad("sink").filter(|_| is_decoder) else {
                return;
            };
            if shared.looks == Looks::KeyPictures {
                shared.keep_keys(&pad);
            } else if PROVEN.contains(&factory.name().as_str()) {
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
        (count(&self.passed), count(&self.dropped))
    }

    fn answer(&self, drop: bool) -> gst::PadProbeReturn {
        if drop {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            // Not `Drop`: see `mov`.
            gst::PadProbeReturn::Handled
        } else {
            self.passed.fetch_add(1, Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        }
    }

    fn keep_keys(self: &Arc<Self>, pad: &gst::Pad) {
        let skipping = Arc::clone(self);
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let by_clock = skipping.by_clock.load(Ordering::Relaxed);
            let is_delta = |b: &gst::Buffer| b.flags().contains(gst::BufferFlags::DELTA_UNIT);
            skipping.answer(!by_clock && info.buffer().is_some_and(is_delta))
        });
    }

    fn watch(self: &Arc<Self>, pad: &gst::Pad) {
        let skipping = Arc::clone(self);
        let before = Mutex::new(Before::new(self.offset));
        let kinds = gst::PadProbeType::BUFFER
            | gst::PadProbeType::EVENT_DOWNSTREAM
            | gst::PadProbeType::EVENT_FLUSH;
        pad.add_probe(kinds, move |_, info| match &info.data {
            Some(gst::PadProbeData::Event(event)) => {
                lock(&before).note(event);
                gst::PadProbeReturn::Ok
            }
            Some(gst::PadProbeData::Buffer(buffer)) => {
                let mut before = lock(&before);
                let drop = before.may_drop(buffer, &lock(&skipping.heard));
                skipping.answer(drop && !skipping.by_clock.load(Ordering::Relaxed))
            }
            _ => gst::PadProbeReturn::Ok,
        });
    }
}

/// What is known before a decoder.
struct Before {
    offset: MediaTime,
    format: Option<Format>,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    pictures: Pictures,
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

    fn note(&mut self, event: &gst::EventRef) {
        match event.view() {
            gst::EventView::Caps(caps) => {
                self.format = Format::of(caps.caps());
                self.pictures.restart();
            }
            gst::EventView::Segment(segment) => {
                self.segment = segment.segment().downcast_ref().cloned();
                self.pictures.restart();
            }
            gst::EventView::FlushStop(_) => self.pictures.restart(),
            _ => {}
        }
    }

    fn may_drop(&mut self, buffer: &gst::BufferRef, heard: &Heard) -> bool {
        let unusual = gst::BufferFlags::DISCONT | gst::BufferFlags::CORRUPTED;
        if buffer.flags().intersects(unusual) {
            self.pictures.restart();
        }
        let coded = match (&mut self.format, buffer.map_readable()) {
            (Some(format), Ok(map)) => format.picture(&map),
            _ => Coded::Unknown,
        };
        if buffer.flags().contains(gst::BufferFlags::DECODE_ONLY) {
            return false;
        }
        let (Some(pts), Some(_)) = (buffer.pts(), buffer.duration()) else {
            self.pictures.give_up();
            return false;
        };
        let running = self.segment.as_ref().and_then(|s| s.to_running_time(pts));
        // Outside of what is played: it does not come out of the decoder.
        let Some(running) = running else {
            return false;
        };
        let at = MediaTime(running.nseconds().saturating_add(self.offset.0));
        self.pictures.may_drop(coded, at, heard)
    }
}

#[cfg(test)]
mod tests;
