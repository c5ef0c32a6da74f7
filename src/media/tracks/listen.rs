//! The first seconds of each track of a file, for what no flag tells: which tracks are
//! silent, which hold one picture only.
//!
//! A separate, short reading of the file, and only of files with several tracks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstreamer as gst;

use super::super::graph;
use super::{Notes, number_in};
use crate::sync::lock;

/// How much of each track is read, in seconds.
const ENOUGH_S: f64 = 3.0;
/// Once one track has come this far, the others are not waited for.
const FAR_S: f64 = 6.0;
/// How long it may take; what is known by then counts.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Below this peak, -80 dBFS, nothing is heard: a 16-bit sample's noise is louder.
const SILENCE: f32 = 1e-4;

/// The first seconds of a track.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    pub notes: Notes,
    seconds: f64,
    peak: f32,
    pictures: u64,
    first: Option<gst::ClockTime>,
    has_ended: bool,
}

impl Heard {
    /// Whether there is sound, but none that is heard.
    pub fn is_silent(&self) -> bool {
        self.seconds > 0.0 && self.peak < SILENCE
    }

    /// Whether there is one picture and no more.
    pub fn is_still(&self) -> bool {
        self.pictures == 1
    }
}

type Shared = Arc<Mutex<BTreeMap<String, Heard>>>;

/// Reads the beginning of all tracks, by the numbers in their stream ids.
pub(super) fn listen(uri: &str) -> BTreeMap<String, Heard> {
    let heard = Shared::default();
    match read(uri, &heard) {
        Ok(pipeline) => {
            // Fails only for elements that have failed before.
            let _ = pipeline.set_state(gst::State::Null);
        }
        Err(error) => tracing::debug!(%error, "the beginning of the tracks"),
    }
    lock(&heard).clone()
}

fn read(uri: &str, heard: &Shared) -> Result<gst::Pipeline, gst::glib::BoolError> {
    let pipeline = gst::Pipeline::new();
    let source = gst::ElementFactory::make("uridecodebin")
        .property("uri", uri)
        .property("expose-all-streams", false)
        .property_from_str("caps", graph::DECODED)
        .build()?;
    pipeline.add(&source)?;
    graph::for_each_element(&pipeline, |element, _| graph::configure(element));
    let shared = Arc::clone(heard);
    let weak = pipeline.downgrade();
    source.connect_pad_added(move |_, pad| {
        let linked = weak
            .upgrade()
            .map(|pipeline| add_track(&pipeline, pad, &shared));
        if let Some(Err(error)) = linked {
            tracing::debug!(%error, "a track that cannot be read");
        }
    });
    let end = Instant::now() + TIMEOUT;
    if pipeline.set_state(gst::State::Playing).is_err() {
        return Ok(pipeline);
    }
    let bus = pipeline.bus();
    while let Some(bus) = bus.as_ref().filter(|_| Instant::now() < end) {
        let step = gst::ClockTime::from_mseconds(5);
        let message =
            bus.timed_pop_filtered(step, &[gst::MessageType::Eos, gst::MessageType::Error]);
        if message.is_some() || is_enough(&lock(heard)) {
            break;
        }
    }
    Ok(pipeline)
}

fn is_enough(heard: &BTreeMap<String, Heard>) -> bool {
    let is_far = heard.values().any(|track| track.seconds >= FAR_S);
    let has_enough =
        |track: &Heard| track.has_ended || track.seconds >= ENOUGH_S && track.pictures != 1;
    !heard.is_empty() && (is_far || heard.values().all(has_enough))
}

fn add_track(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    heard: &Shared,
) -> Result<(), gst::glib::BoolError> {
    let Some(id) = pad.stream_id().map(|id| number_in(&id).to_owned()) else {
        return Ok(());
    };
    let sink = gst::ElementFactory::make("fakesink")
        .property("sync", false)
        .property("async", false)
        .build()?;
    let is_sound = graph::kind_of(pad) == Some(graph::Kind::Sound);
    let chain = match is_sound {
        true => {
            let convert = gst::ElementFactory::make("audioconvert").build()?;
            let floats = gst::ElementFactory::make("capsfilter")
                .property_from_str("caps", "audio/x-raw,format=F32LE,layout=interleaved")
                .build()?;
            vec![convert, floats, sink.clone()]
        }
        false => vec![sink.clone()],
    };
    pipeline.add_many(&chain)?;
    gst::Element::link_many(&chain)?;
    lock(heard).insert(id.clone(), Heard::default());
    let shared = Arc::clone(heard);
    let which = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    let end = sink.static_pad("sink");
    let _ = end.as_ref().and_then(|end| {
        end.add_probe(which, move |pad, info| {
            if let Some(track) = lock(&shared).get_mut(&id) {
                match &info.data {
                    Some(gst::PadProbeData::Buffer(buffer)) if is_sound => track.hear(pad, buffer),
                    Some(gst::PadProbeData::Buffer(buffer)) => track.see(buffer),
                    Some(gst::PadProbeData::Event(event)) => {
                        track.has_ended |= event.type_() == gst::EventType::Eos;
                        if let gst::EventView::Tag(tag) = event.view() {
                            track.notes.read(tag.tag());
                        }
                    }
                    _ => {}
                }
            }
            gst::PadProbeReturn::Ok
        })
    });
    for element in &chain {
        element.sync_state_with_parent()?;
    }
    if let Some(begin) = chain.first().and_then(|element| element.static_pad("sink")) {
        pad.link(&begin)
            .map_err(|_| gst::glib::bool_error!("it does not fit"))?;
    }
    Ok(())
}

impl Heard {
    fn hear(&mut self, pad: &gst::Pad, buffer: &gst::Buffer) {
        let caps = pad.current_caps();
        let number = |name| caps.as_ref()?.structure(0)?.get::<i32>(name).ok();
        let (Some(rate), Some(channels)) = (number("rate"), number("channels")) else {
            return;
        };
        let Ok(map) = buffer.map_readable() else {
            return;
        };
        let (samples, _) = map.as_chunks::<4>();
        let loudest = samples.iter().map(|bytes| f32::from_le_bytes(*bytes).abs());
        self.peak = loudest.fold(self.peak, f32::max);
        self.seconds += samples.len() as f64 / f64::from(rate) / f64::from(channels);
    }

    fn see(&mut self, buffer: &gst::Buffer) {
        self.pictures += 1;
        let first = *self.first.get_or_insert(buffer.pts().unwrap_or_default());
        let since = buffer.pts().unwrap_or_default().saturating_sub(first);
        self.seconds = self.seconds.max(since.seconds_f64());
    }
}
