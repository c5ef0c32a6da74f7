//! Keeps a live source that decodes too slowly from falling behind: pictures that are late
//! are dropped before they are decoded, which costs nearly nothing.
//!
//! Belongs here: the probe before a decoder. Does not: which pictures are dropped
//! ([`super::lag`]).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gstreamer as gst;

use super::graph::for_each_element;
use super::lag::LagGate;
use super::tap::TapState;

/// Drops late pictures before the pipeline's decoders, and counts them, while `by_clock` is
/// set: a file that is read as fast as possible is never late.
pub(super) fn skip_late_pictures(
    pipeline: &gst::Pipeline,
    by_clock: &Arc<AtomicBool>,
    skipped: &Arc<TapState>,
) {
    let (by_clock, skipped) = (Arc::clone(by_clock), Arc::clone(skipped));
    for_each_element(pipeline, move |element, factory| {
        if decodes_pictures(factory) {
            guard(element, &by_clock, &skipped);
        }
    });
}

fn decodes_pictures(factory: &gst::ElementFactory) -> bool {
    factory.has_type(gst::ElementFactoryType::DECODER)
        && factory.has_type(gst::ElementFactoryType::MEDIA_VIDEO)
}

fn guard(decoder: &gst::Element, by_clock: &Arc<AtomicBool>, skipped: &Arc<TapState>) {
    let Some(pad) = decoder.static_pad("sink") else {
        return;
    };
    let (by_clock, skipped) = (Arc::clone(by_clock), Arc::clone(skipped));
    let gate = Mutex::new(LagGate::default());
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if !by_clock.load(Ordering::Relaxed) {
            return gst::PadProbeReturn::Ok;
        }
        let admitted = pad.parent_element().is_none_or(|decoder| {
            let buffer = info.buffer();
            let times = buffer.and_then(|buffer| Some((due(pad, buffer)?, now(&decoder)?)));
            let is_key = buffer.is_some_and(|b| !b.flags().contains(gst::BufferFlags::DELTA_UNIT));
            let (Some((due, now)), Ok(mut gate)) = (times, gate.lock()) else {
                return true;
            };
            gate.admits(due, now, is_key)
        });
        if admitted {
            gst::PadProbeReturn::Ok
        } else {
            skipped.dropped.fetch_add(1, Ordering::Relaxed);
            // Not `Drop`: see `mov`.
            gst::PadProbeReturn::Handled
        }
    });
}

/// The running time at which a buffer is due. By decoding time: it never goes back.
fn due(pad: &gst::Pad, buffer: &gst::BufferRef) -> Option<u64> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    let segment = segment.segment().downcast_ref::<gst::ClockTime>()?;
    let at = segment.to_running_time(buffer.dts_or_pts()?)?;
    Some(at.nseconds())
}

fn now(element: &gst::Element) -> Option<u64> {
    element.current_running_time().map(gst::ClockTime::nseconds)
}
