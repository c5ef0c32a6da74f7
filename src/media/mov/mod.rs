//! Corrects what GStreamer's `qtdemux` (1.22) misreads in MP4 and MOV.
//!
//! Belongs here: the movie's header (`moov`) is read as the demuxer gets it, from a file or
//! from the network, and corrected on the way; what it says of its tracks corrects the
//! demuxer's pads. Does not: other containers, decoders, choosing a track.

mod atoms;
mod header;
mod walker;

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gstreamer as gst;

use crate::sync::lock;
use header::Movie;
use walker::{Sent, Walker};

/// What is known of a demuxer's input.
#[derive(Default)]
struct Known {
    /// Of bytes that are pushed to it.
    walker: Walker,
    movie: Movie,
}

/// Corrects what a `qtdemux` reads, and what it says of it.
pub(super) fn correct(demuxer: &gst::Element) {
    let Some(sink) = demuxer.static_pad("sink") else {
        return;
    };
    let known = Arc::new(Mutex::new(Known::default()));
    let shared = Arc::clone(&known);
    let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    sink.add_probe(kinds, move |_, info| {
        let pulled = info.mask.contains(gst::PadProbeType::PULL);
        match &mut info.data {
            Some(gst::PadProbeData::Buffer(buffer)) if pulled => {
                pull(&mut lock(&shared), buffer);
                gst::PadProbeReturn::Ok
            }
            Some(gst::PadProbeData::Buffer(buffer)) => push(&mut lock(&shared), buffer),
            Some(gst::PadProbeData::Event(event)) => {
                // One follows each flush, too.
                if event.type_() == gst::EventType::Segment {
                    lock(&shared).walker.reset();
                }
                gst::PadProbeReturn::Ok
            }
            _ => gst::PadProbeReturn::Ok,
        }
    });
    demuxer.connect_pad_added(move |_, pad| correct_pad(pad, &lock(&known).movie));
}

/// A demuxer that reads a file pulls the header whole.
fn pull(known: &mut Known, buffer: &mut gst::Buffer) {
    let read = |bytes: &[u8]| match bytes.get(4..8) {
        Some(b"moov") => Movie::read(bytes),
        _ => None,
    };
    let movie = buffer.map_readable().ok().and_then(|map| read(&map));
    if let Some(movie) = movie
        && let Ok(mut map) = buffer.make_mut().map_writable()
    {
        movie.correct(&mut map);
        known.movie = movie;
    }
}

/// To a demuxer of a network stream it is pushed in pieces.
fn push(known: &mut Known, buffer: &mut gst::Buffer) -> gst::PadProbeReturn {
    let Ok(map) = buffer.map_readable() else {
        return gst::PadProbeReturn::Ok;
    };
    let (sent, movie) = known.walker.take(&map);
    drop(map);
    if let Some(movie) = movie {
        known.movie = movie;
    }
    match sent {
        Sent::Same => gst::PadProbeReturn::Ok,
        // Not `Drop`, with which the bindings (0.25) leave GStreamer nothing to release at a
        // sink pad; it prints a critical warning for each buffer.
        Sent::Instead(bytes) if bytes.is_empty() => gst::PadProbeReturn::Handled,
        Sent::Instead(bytes) => {
            *buffer = gst::Buffer::from_mut_slice(bytes);
            gst::PadProbeReturn::Ok
        }
    }
}

/// Corrects the byte order of a track's PCM and the length of the movie.
fn correct_pad(pad: &gst::Pad, movie: &Movie) {
    if let Some(length) = movie.length_ns {
        let length = gst::ClockTime::from_nseconds(length);
        pad.add_probe(gst::PadProbeType::QUERY_UPSTREAM, move |_, info| {
            if let Some(gst::QueryViewMut::Duration(query)) = info.query_mut().map(|q| q.view_mut())
                && query.format() == gst::Format::Time
            {
                query.set(length);
                return gst::PadProbeReturn::Handled;
            }
            gst::PadProbeReturn::Ok
        });
    }
    let track = pad.stream_id().and_then(|id| track_of(&id));
    let of_track = movie
        .little_endian
        .iter()
        .filter(|(id, _)| Some(*id) == track);
    let wrong: Vec<&'static str> = of_track.map(|(_, format)| *format).collect();
    if wrong.is_empty() {
        return;
    }
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        let event = info.event().filter(|e| e.type_() == gst::EventType::Caps);
        if let Some(caps) = event.and_then(|event| little_endian(event, &wrong)) {
            info.data = Some(gst::PadProbeData::Event(gst::event::Caps::new(&caps)));
        }
        gst::PadProbeReturn::Ok
    });
}

/// The track's number, which qtdemux puts at the end of the name of a stream.
fn track_of(stream_id: &str) -> Option<u32> {
    stream_id.rsplit('/').next()?.parse().ok()
}

/// The caps of an event, in the other byte order if they are among the wrong ones.
fn little_endian(event: &gst::Event, wrong: &[&str]) -> Option<gst::Caps> {
    let gst::EventView::Caps(event) = event.view() else {
        return None;
    };
    let caps = event.caps();
    let format = caps.structure(0)?.get::<&str>("format").ok()?;
    if !wrong.contains(&format) {
        return None;
    }
    let mut caps = caps.to_owned();
    caps.make_mut().set("format", format.replace("BE", "LE"));
    Some(caps)
}
