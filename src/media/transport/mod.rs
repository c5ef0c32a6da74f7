//! MPEG transport streams whose tables do not say what their streams are.
//!
//! Blu-ray's 192-byte files have types for a few codecs only; muxers (ffmpeg's among them)
//! write AAC, MP2 and MP3 as "private data" there, and DTS under a type that GStreamer's
//! tsdemux (1.22) does not know. It drops such streams. What they are shows in their data:
//! the program map tables are corrected on their way into the demuxer.
//!
//! Belongs here: finding the tables and streams ([`packets`], [`tables`]), recognising a
//! codec ([`codec`]), correcting the tables ([`rewrite`]) at the demuxer's input. Does not:
//! timestamps (`splice`), samples.

mod codec;
mod packets;
mod rewrite;
mod tables;

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gstreamer as gst;

use crate::sync::lock;
use rewrite::{Found, Rewriter, find};

/// How much is read of a file to learn what its streams are, in bytes: tables come ten times
/// a second; more only if a stream is not declared in them.
const GLANCE: u32 = 1 << 20;
const LOOK: u32 = 1 << 24;
/// How much of a stream that cannot be read ahead is held back, in bytes.
const HELD: usize = 1 << 20;

/// Corrects the tables that a demuxer of transport streams is about to read.
pub(super) fn declare_streams(demuxer: &gst::Element) {
    let Some(pad) = demuxer.static_pad("sink") else {
        return;
    };
    let state = Arc::new(Mutex::new(State::default()));
    let (of_data, of_end) = (Arc::clone(&state), state);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let Some(buffer) = info.buffer_mut() else {
            return gst::PadProbeReturn::Ok;
        };
        let mut state = lock(&of_data);
        if pad.mode() == gst::PadMode::Pull {
            state.pulled(pad, buffer);
            return gst::PadProbeReturn::Ok;
        }
        state.pushed(buffer)
    });
    // A stream may end while its beginning is held back.
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
        let is_end = info
            .event()
            .is_some_and(|e| e.type_() == gst::EventType::Eos);
        let held = is_end.then(|| lock(&of_end).end()).flatten();
        if let Some(held) = held {
            // Fails only if nothing is taken any more.
            let _ = pad.chain(held);
        }
        gst::PadProbeReturn::Ok
    });
}

#[derive(Default)]
enum State {
    /// Nothing has been read.
    #[default]
    New,
    /// Pushed data that is held back until its tables have been understood.
    Holding(Held),
    /// There are tables to correct.
    Correcting(Rewriter),
    /// Nothing to correct.
    Plain,
}

#[derive(Default)]
struct Held {
    data: Vec<u8>,
    first: Option<gst::Buffer>,
    /// Size from which on it is worth another look.
    look_at: usize,
}

impl Held {
    /// All of it, with the time of its beginning.
    fn release(self) -> Option<gst::Buffer> {
        let mut whole = gst::Buffer::from_mut_slice(self.data);
        let copied = gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS;
        let of_first = self.first?;
        // Cannot fail: it copies no memory.
        let _ = of_first.copy_into(whole.make_mut(), copied, ..);
        Some(whole)
    }
}

impl State {
    /// Data that the demuxer has pulled.
    fn pulled(&mut self, pad: &gst::Pad, buffer: &mut gst::Buffer) {
        if matches!(self, Self::New) {
            let source = pad.peer();
            let ahead = |bytes| {
                // Not through this pad, whose probe this is.
                let buffer = source.as_ref()?.range(0, bytes).ok()?;
                Some(find(&buffer.map_readable().ok()?))
            };
            let glance = ahead(GLANCE);
            let found = match glance {
                Some(found) if found.is_whole => Some(found),
                other => ahead(LOOK).or(other),
            };
            *self = Self::knowing(found.and_then(|found| found.rewriter));
        }
        if let Self::Correcting(rewriter) = self {
            let at = buffer.offset();
            correct(rewriter, buffer, Some(at).filter(|&at| at != u64::MAX));
        }
    }

    /// Data that arrives by itself.
    fn pushed(&mut self, buffer: &mut gst::Buffer) -> gst::PadProbeReturn {
        if matches!(self, Self::New) {
            *self = Self::Holding(Held::default());
        }
        if let Self::Holding(held) = self {
            if let Ok(map) = buffer.map_readable() {
                held.data.extend_from_slice(&map);
            }
            held.first.get_or_insert_with(|| buffer.clone());
            let size = held.data.len();
            if size < held.look_at {
                // Not `Drop`: see `mov`.
                return gst::PadProbeReturn::Handled;
            }
            held.look_at = size + size / 8;
            let found = find(&held.data);
            if !found.is_whole && size < HELD {
                return gst::PadProbeReturn::Handled;
            }
            if let Some(whole) = self.release(found) {
                *buffer = whole;
            }
        } else if let Self::Correcting(rewriter) = self {
            correct(rewriter, buffer, None);
        }
        gst::PadProbeReturn::Ok
    }

    /// What was held back when the stream ends, corrected.
    fn end(&mut self) -> Option<gst::Buffer> {
        let Self::Holding(held) = self else {
            return None;
        };
        let found = find(&held.data);
        self.release(found)
    }

    /// What was held back, corrected.
    fn release(&mut self, found: Found) -> Option<gst::Buffer> {
        let Self::Holding(held) = std::mem::replace(self, Self::Plain) else {
            return None;
        };
        *self = Self::knowing(found.rewriter);
        let mut whole = held.release()?;
        if let Self::Correcting(rewriter) = self {
            correct(rewriter, &mut whole, None);
        }
        Some(whole)
    }

    fn knowing(rewriter: Option<Rewriter>) -> Self {
        rewriter.map_or(Self::Plain, Self::Correcting)
    }
}

fn correct(rewriter: &mut Rewriter, buffer: &mut gst::Buffer, at: Option<u64>) {
    if let Ok(mut map) = buffer.make_mut().map_writable() {
        rewriter.correct(at, &mut map);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The types of the sound that a demuxer finds in a file.
    fn sounds(file: &str, between: &str) -> Vec<String> {
        gst::init().expect("GStreamer starts");
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/made/");
        let text =
            format!("filesrc location={path}{file} blocksize=1000 {between} ! tsdemux name=d");
        let element = gst::parse::launch(&text).expect("it parses");
        let pipeline = element.downcast::<gst::Pipeline>().expect("it is one");
        let demuxer = pipeline.by_name("d").expect("it has a name");
        declare_streams(&demuxer);
        let found = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&found);
        demuxer.connect_pad_added(move |_, pad| {
            if let Some(caps) = pad.current_caps()
                && pad.name().starts_with("audio")
            {
                let kind = caps.structure(0).map(|s| s.name().to_string());
                seen.lock().expect("no panic").extend(kind);
            }
        });
        pipeline.set_state(gst::State::Playing).expect("it starts");
        let bus = pipeline.bus().expect("it has one");
        // Nothing is linked: an error, in which it ends.
        let ended = [gst::MessageType::Eos, gst::MessageType::Error];
        bus.timed_pop_filtered(gst::ClockTime::from_seconds(20), &ended);
        pipeline.set_state(gst::State::Null).expect("it stops");
        found.lock().expect("no panic").clone()
    }

    #[test]
    fn a_demuxer_finds_sound_that_no_table_declares() {
        for (file, kind) in [
            ("private_aac.m2ts", "audio/mpeg"),
            ("private_mp2.m2ts", "audio/mpeg"),
            ("private_mp3.m2ts", "audio/mpeg"),
            ("private_dts.m2ts", "audio/x-dts"),
            ("dts.ts", "audio/x-dts"),
            ("interlaced.ts", "audio/mpeg"),
        ] {
            // As a file, which can be read ahead, and as a stream.
            for between in ["", "! queue"] {
                assert_eq!(sounds(file, between), [kind], "{file} {between}");
            }
        }
    }
}
