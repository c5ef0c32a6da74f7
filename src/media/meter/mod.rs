//! `--qc`: measures all sound and frames of a file, where they leave the decoder.
//!
//! Belongs here: getting at them in a pipeline, what their formats mean for the detectors
//! ([`crate::qc`]). Does not: rules of detection.
//!
//! The network hears mono and sees a frame a second. Here all channels are heard, at the
//! file's own rate, in a branch of their own before the mix, and all frames are seen, in the
//! decoder's format. A file that is decoded in a child is measured in the child, so that no
//! picture has to cross for it.
//!
//! The probes run on the threads that carry the data: a file waits for them, and nothing is
//! lost. They are not for live sources.

mod picture;
mod sound;

use std::fmt;
use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use super::downmix::DOWNMIX;
use super::error::MediaError;
use super::frame::VideoState;
use crate::qc::Report;
use crate::sync::lock;
use crate::time::MediaTime;
use picture::PictureMeter;
use sound::SoundMeter;

/// What passes a probe of it.
const DATA: gst::PadProbeType =
    gst::PadProbeType::BUFFER.union(gst::PadProbeType::EVENT_DOWNSTREAM);

/// Measures a file, over all its openings and recordings.
#[derive(Default)]
pub struct Meter {
    picture: Mutex<PictureMeter>,
    sound: Mutex<SoundMeter>,
    /// From the child that decoded the file.
    taken_over: Mutex<Option<Report>>,
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meter")
    }
}

impl Meter {
    /// What was measured so far. To be called at the end, and once: the meter is empty
    /// afterwards.
    pub fn report(&self) -> Report {
        if let Some(report) = lock(&self.taken_over).take() {
            return report;
        }
        Report {
            video: std::mem::take(&mut *lock(&self.picture)).finish(),
            audio: std::mem::take(&mut *lock(&self.sound)).finish(),
        }
    }

    /// What a child has measured.
    pub(super) fn take_over(&self, report: Report) {
        *lock(&self.taken_over) = Some(report);
    }

    /// Measures what passes through a pipeline that has not started. `offset` is added to all
    /// times.
    ///
    /// # Errors
    /// If GStreamer lacks an element.
    pub(super) fn attach(
        self: &Arc<Self>,
        pipeline: &gst::Pipeline,
        frames: &gst_app::AppSink,
        video_state: &Arc<VideoState>,
        offset: MediaTime,
    ) -> Result<(), MediaError> {
        if let Some(pad) = frames.static_pad("sink") {
            lock(&self.picture).begin(Arc::clone(video_state));
            let meter = Arc::clone(self);
            probe(&pad, offset, move |passing| match passing {
                Passing::Format(caps) => lock(&meter.picture).format(caps),
                Passing::Data(Some(at), buffer) => lock(&meter.picture).frame(at, buffer),
                Passing::Data(None, _) => {}
            });
        }
        let heard = branch(pipeline).map_err(|e| MediaError::Pipeline(e.to_string()))?;
        let meter = Arc::clone(self);
        probe(&heard, offset, move |passing| match passing {
            Passing::Format(caps) => lock(&meter.sound).format(caps),
            // Without a time it goes on where the last one ended.
            Passing::Data(at, buffer) if at.is_some() || buffer.pts().is_none() => {
                lock(&meter.sound).block(at, buffer);
            }
            Passing::Data(..) => {}
        });
        Ok(())
    }
}

/// What passes a pad.
enum Passing<'a> {
    /// The format of what follows.
    Format(&'a gst::CapsRef),
    /// A frame or a block, and its time in the stream.
    Data(Option<MediaTime>, &'a gst::Buffer),
}

/// Shows `to` what passes a pad. `offset` is added to all times.
fn probe(pad: &gst::Pad, offset: MediaTime, to: impl Fn(Passing<'_>) + Send + Sync + 'static) {
    let clock = Mutex::new(Clock::new(offset));
    pad.add_probe(DATA, move |_, info| {
        match &info.data {
            Some(gst::PadProbeData::Event(event)) => {
                lock(&clock).note(event);
                if let gst::EventView::Caps(caps) = event.view() {
                    to(Passing::Format(caps.caps()));
                }
            }
            Some(gst::PadProbeData::Buffer(buffer)) => {
                let at = lock(&clock).time_of(buffer);
                to(Passing::Data(at, buffer));
            }
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
}

/// Adds a branch for the sound before it is mixed: all channels as floats at the rate of the
/// file. Returns the pad where they arrive.
///
/// Not a converter in the way of the sound: the network would hear it converted twice.
fn branch(pipeline: &gst::Pipeline) -> Result<gst::Pad, gst::glib::BoolError> {
    let missing = || gst::glib::bool_error!("the pipeline has no end for its sound");
    let make = |name| gst::ElementFactory::make(name).build();
    let (tee, convert) = (make("tee")?, make("audioconvert")?);
    let floats = gst::ElementFactory::make("capsfilter")
        .property_from_str("caps", "audio/x-raw,format=F32LE,layout=interleaved")
        .build()?;
    // It ends with the sound, and must not hold up the start where there is none.
    let sink = gst::ElementFactory::make("fakesink")
        .property("async", false)
        .property("sync", false)
        .property("enable-last-sample", false)
        .build()?;
    let queue = pipeline.by_name("audio").ok_or_else(missing)?;
    let mix = pipeline.by_name(DOWNMIX).ok_or_else(missing)?;
    pipeline.add_many([&tee, &convert, &floats, &sink])?;
    queue.unlink(&mix);
    gst::Element::link_many([&queue, &tee, &mix])?;
    gst::Element::link_many([&tee, &convert, &floats, &sink])?;
    sink.static_pad("sink").ok_or_else(missing)
}

/// Times of a pad's buffers on the stream's timeline.
struct Clock {
    offset: MediaTime,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
}

impl Clock {
    fn new(offset: MediaTime) -> Self {
        Self {
            offset,
            segment: None,
        }
    }

    fn note(&mut self, event: &gst::EventRef) {
        if let gst::EventView::Segment(segment) = event.view() {
            self.segment = segment.segment().downcast_ref().cloned();
        }
    }

    /// `None` without a time, and outside of what is to be played.
    fn time_of(&self, buffer: &gst::BufferRef) -> Option<MediaTime> {
        let running = self.segment.as_ref()?.to_running_time(buffer.pts()?)?;
        Some(MediaTime(running.nseconds().saturating_add(self.offset.0)))
    }
}

#[cfg(test)]
mod tests;
