//! The pipeline that puts packets into a file, as they are.
//!
//! Belongs here: elements, caps, pushing, the end of the stream, errors. Does not: which
//! packets, the name of the file ([`super::clip`]).

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use super::container::{Container, Way, package};
use crate::media::packets::{Kind, Packet};

/// Where a clip begins on the time line of its pipeline. Far from zero, because pictures
/// are decoded before they are shown, and times in buffers cannot be negative.
const BEGIN_NS: i64 = 1_000 * 3_600 * 1_000_000_000;

/// Bytes that may wait for the muxer in each track.
const AHEAD_BYTES: u64 = 4 << 20;

/// How often a full track is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// How long the end may take: a file of an hour is copied once, so that its index comes
/// first.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Units a second in an MP4's times.
const TIMESCALE: u32 = 90_000;

/// What goes into a track.
pub(super) struct Input {
    pub kind: Kind,
    pub caps: gst::Caps,
    pub way: Way,
}

/// A packet's times after the beginning of the clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub pts_ns: i64,
    pub dts_ns: i64,
    pub duration_ns: Option<i64>,
}

struct Track {
    kind: Kind,
    source: gst_app::AppSrc,
    has_begun: bool,
    has_ended: bool,
}

/// A file that is being written.
pub(super) struct Mux {
    pipeline: gst::Pipeline,
    bus: gst::Bus,
    tracks: Vec<Track>,
    /// Open for as long as the muxer may need it.
    _scratch: Option<File>,
}

impl Mux {
    /// Starts a file. `scratch` is a second one beside it, for MP4.
    pub fn start(
        container: Container,
        inputs: &[Input],
        file: &Path,
        scratch: &Path,
    ) -> Result<Self, String> {
        let text = |path: &Path| match path.to_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err("its name is not UTF-8, which GStreamer needs: name another".to_owned()),
        };
        let pipeline = gst::Pipeline::new();
        let muxer = make(container.muxer())?;
        let mut held = None;
        match container {
            Container::Mp4 => {
                muxer.set_property("faststart", true);
                // If it cannot open this file, mp4mux (1.22) says so while it holds its own
                // lock, and waits for itself for ever: it gets one that is open.
                let open = File::create(scratch);
                let open = open.map_err(|cause| format!("{}: {cause}", scratch.display()))?;
                let path = match cfg!(target_os = "linux") {
                    true => format!("/proc/self/fd/{}", open.as_raw_fd()),
                    false => text(scratch)?,
                };
                muxer.set_property("faststart-file", path);
                held = Some(open);
                muxer.set_property("movie-timescale", TIMESCALE);
            }
            Container::Matroska => muxer.set_property("writing-app", "l3net"),
        }
        let sink = make("filesink")?;
        sink.set_property("location", text(file)?);
        let built = |e: gst::glib::BoolError| format!("GStreamer cannot build it: {e}");
        pipeline.add_many([&muxer, &sink]).map_err(built)?;
        muxer.link(&sink).map_err(built)?;
        let tracks = inputs
            .iter()
            .map(|input| track(&pipeline, &muxer, container, input))
            .collect::<Result<_, _>>()?;
        let bus = pipeline.bus().ok_or("GStreamer's pipeline has no bus")?;
        let mux = Self {
            pipeline,
            bus,
            tracks,
            _scratch: held,
        };
        if mux.pipeline.set_state(gst::State::Playing).is_err() {
            return Err(mux
                .failure()
                .unwrap_or_else(|| "GStreamer does not start".into()));
        }
        Ok(mux)
    }

    /// Adds a packet to the track of its kind. Waits while the disk is behind, unless
    /// another track lacks packets: then the muxer waits for those.
    pub fn push(&mut self, kind: Kind, packet: &Packet, times: Times) -> Result<(), String> {
        self.check()?;
        while self.is_full(kind) {
            std::thread::sleep(POLL_INTERVAL);
            self.check()?;
        }
        let track = self.tracks.iter_mut().find(|track| track.kind == kind);
        let Some(track) = track.filter(|track| !track.has_ended) else {
            return Ok(());
        };
        let is_first = !std::mem::replace(&mut track.has_begun, true);
        let mut buffer = match (&packet.headers, is_first) {
            (Some(headers), true) => {
                let mut whole = headers.clone();
                whole.append(packet.buffer.clone());
                whole
            }
            // A copy of the times and a reference to the data.
            _ => packet.buffer.copy(),
        };
        let time = |ns: i64| {
            u64::try_from(BEGIN_NS + ns)
                .ok()
                .map(gst::ClockTime::from_nseconds)
        };
        let buffer_ref = buffer.make_mut();
        buffer_ref.set_pts(time(times.pts_ns));
        buffer_ref.set_dts(time(times.dts_ns));
        let duration = times.duration_ns.and_then(|ns| u64::try_from(ns).ok());
        buffer_ref.set_duration(duration.map(gst::ClockTime::from_nseconds));
        if is_first {
            buffer_ref.unset_flags(gst::BufferFlags::DELTA_UNIT);
        }
        let pushed = match is_first {
            true => {
                let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
                let begin = time(0).unwrap_or(gst::ClockTime::ZERO);
                segment.set_start(begin);
                segment.set_position(begin);
                let sample = gst::Sample::builder()
                    .buffer(&buffer)
                    .segment(segment.upcast_ref());
                track.source.push_sample(&sample.build())
            }
            false => track.source.push_buffer(buffer),
        };
        match pushed {
            Ok(_) => Ok(()),
            Err(flow) => Err(self
                .failure()
                .unwrap_or_else(|| format!("GStreamer takes no more: {flow}"))),
        }
    }

    fn is_full(&self, kind: Kind) -> bool {
        let level = |track: &Track| track.source.current_level_bytes();
        let open = || self.tracks.iter().filter(|track| !track.has_ended);
        let is_over = |track: &Track| track.kind == kind && level(track) > AHEAD_BYTES;
        open().any(is_over) && open().all(|track| level(track) > 0)
    }

    /// A track gets no more packets.
    pub fn end(&mut self, kind: Kind) {
        for track in self.tracks.iter_mut().filter(|track| track.kind == kind) {
            if !std::mem::replace(&mut track.has_ended, true) {
                // Fails only if the pipeline has failed, which is told later.
                let _ = track.source.end_of_stream();
            }
        }
    }

    /// Returns an error that has happened meanwhile.
    fn check(&self) -> Result<(), String> {
        match self.bus.pop_filtered(&[gst::MessageType::Error]) {
            Some(message) => Err(cause(&message)),
            None => Ok(()),
        }
    }

    /// The error of an element that has failed: it is there a moment later at most.
    fn failure(&self) -> Option<String> {
        let wait = gst::ClockTime::from_mseconds(500);
        let kinds = [gst::MessageType::Error];
        self.bus.timed_pop_filtered(wait, &kinds).map(|m| cause(&m))
    }

    /// Closes the file, so that all of it plays.
    pub fn finish(mut self) -> Result<(), String> {
        self.end(Kind::Sound);
        self.end(Kind::Picture);
        let begun = Instant::now();
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        let wait = gst::ClockTime::from_seconds(TIMEOUT.as_secs());
        match self.bus.timed_pop_filtered(wait, &kinds) {
            Some(message) if message.type_() == gst::MessageType::Eos => Ok(()),
            Some(message) => Err(cause(&message)),
            None => Err(format!(
                "the file was not closed within {:.0} s: check the disk",
                begun.elapsed().as_secs_f64()
            )),
        }
    }
}

impl Drop for Mux {
    fn drop(&mut self) {
        // Closes the files. An error here has been told, or does not matter.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn make(element: &str) -> Result<gst::Element, String> {
    gst::ElementFactory::make(element).build().map_err(|_| {
        let package = package(element);
        format!("GStreamer lacks {element}; install the package {package}")
    })
}

fn track(
    pipeline: &gst::Pipeline,
    muxer: &gst::Element,
    container: Container,
    input: &Input,
) -> Result<Track, String> {
    let built = |e: gst::glib::BoolError| format!("GStreamer cannot build it: {e}");
    let element = make("appsrc")?;
    let source = element.clone().downcast::<gst_app::AppSrc>();
    let source = source.map_err(|_| "GStreamer's appsrc is none".to_owned())?;
    source.set_caps(Some(&input.caps));
    source.set_format(gst::Format::Time);
    source.set_property("handle-segment-change", true);
    // The level is looked at before: a blocked push would not notice a full disk.
    source.set_max_bytes(0);
    pipeline.add(&element).map_err(built)?;
    let mut last = element;
    if let Some(name) = input.way.parser {
        let parser = make(name)?;
        pipeline.add(&parser).map_err(built)?;
        last.link(&parser).map_err(built)?;
        last = parser;
    }
    let name = Container::pad(input.kind);
    let pad = muxer.request_pad_simple(name);
    let pad = pad.ok_or_else(|| format!("GStreamer's {} takes no {name}", container.muxer()))?;
    if container == Container::Mp4 && input.kind == Kind::Picture {
        pad.set_property("trak-timescale", TIMESCALE);
        complete_vp9(&pad);
    }
    let from = last.static_pad("src");
    let linked = from.is_some_and(|from| from.link(&pad).is_ok());
    linked.then_some(()).ok_or_else(|| {
        let muxer = container.muxer();
        format!(
            "GStreamer's {muxer} does not take its format ({})",
            input.caps
        )
    })?;
    Ok(Track {
        kind: input.kind,
        source,
        has_begun: false,
        has_ended: false,
    })
}

/// Says what VP9's format leaves open: of formats that lack it, `mp4mux` (1.22) reads text
/// at no address, and the process ends.
fn complete_vp9(pad: &gst::Pad) {
    const OPEN: [(&str, &str); 2] = [("chroma-site", "mpeg2"), ("colorimetry", "2:0:0:0")];
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
        if let Some(event) = info.event_mut()
            && let gst::EventView::Caps(caps) = event.view()
            && caps
                .caps()
                .structure(0)
                .is_some_and(|s| s.name() == "video/x-vp9")
        {
            let mut caps = caps.caps_owned();
            for format in caps.make_mut().iter_mut() {
                for (field, value) in OPEN {
                    if !format.has_field(field) {
                        format.set(field, value);
                    }
                }
            }
            *event = gst::event::Caps::new(&caps);
        }
        gst::PadProbeReturn::Ok
    });
}

/// GStreamer's error in one line, with the next step if it is known.
fn cause(message: &gst::Message) -> String {
    let gst::MessageView::Error(error) = message.view() else {
        return "GStreamer stopped".into();
    };
    let said = error.error();
    // "/x/y.c(12): f (): /GstPipeline:p/…:\nSystem error: No space left on device"
    let debug = error.debug().unwrap_or_default();
    let more = debug
        .lines()
        .skip(1)
        .last()
        .map(str::trim)
        .unwrap_or_default();
    let is_full = said.matches(gst::ResourceError::NoSpaceLeft)
        || ["No space left", "Disk quota", "File too large"]
            .iter()
            .any(|s| debug.contains(s));
    let step = match said.kind::<gst::ResourceError>() {
        _ if is_full => "; free some space on its disk",
        Some(gst::ResourceError::OpenWrite | gst::ResourceError::Write) => {
            "; name a folder that may be written to, with room on its disk"
        }
        _ => "",
    };
    let text = said.to_string();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.trim_end_matches('.');
    match more {
        "" => format!("{text}{step}"),
        more => format!("{text} ({}){step}", more.trim_end_matches('.')),
    }
}
