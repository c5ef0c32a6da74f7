//! Builds the pipeline of a source and links its pads to the ends.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use super::description::{self, FRAME_SINK, SOUND_SINK};
use super::downmix::{DOWNMIX, mix_without_positions};
use super::error::MediaError;
use super::frame::VideoState;
use super::joined::read_part;
use super::lpcm::unpack_samples;
use super::mov;
use super::rtsp::add_pads_one_by_one;
use super::scene;
use super::source::{Source, SourceKind};
use super::splice::follow_splices;
use super::tracks::{AskedTracks, Counted, FileTracks, Trouble};
use super::transport::declare_streams;
use crate::time::MediaTime;

/// Elements that are never chosen automatically. The alpha decoders fail on files that lack
/// some alpha frames (1.22); alpha is not needed, the plain decoders take over. OpenAL
/// prints errors on stderr where there is no sound device; it only wraps what the other
/// elements offer.
const UNWANTED: [&str; 4] = [
    "vp8alphadecodebin",
    "vp9alphadecodebin",
    "openalsrc",
    "openalsink",
];

/// Starts GStreamer, once in a process.
pub(super) fn start_gstreamer() -> Result<(), MediaError> {
    gst::init().map_err(|e| MediaError::Pipeline(format!("GStreamer does not start: {e}")))?;
    let registry = gst::Registry::get();
    for name in UNWANTED {
        if let Some(feature) = registry.lookup_feature(name) {
            feature.set_rank(gst::Rank::NONE);
        }
    }
    Ok(())
}

/// What decoders are asked for.
pub(super) const DECODED: &str = "video/x-raw(ANY);audio/x-raw(ANY)";

/// Builds a source's pipeline; of a file perhaps only for a part of it. What goes wrong once
/// it runs is left in `trouble`.
pub(super) fn build(
    source: &Source,
    part: Option<Range<u64>>,
    trouble: &Trouble,
) -> Result<gst::Pipeline, MediaError> {
    start_gstreamer()?;
    if let Some(text) = source.description() {
        let pipeline = description::build(&text).map_err(|e| match &source.kind {
            SourceKind::Camera(_) => MediaError::Device(e.message().to_owned()),
            _ => MediaError::Pipeline(e.message().to_owned()),
        })?;
        if let SourceKind::Test(scene) = source.kind {
            let none = || MediaError::Pipeline("this program has no built-in scene".to_owned());
            scene::feed(&pipeline, scene.ok_or_else(none)?)?;
        }
        for element in pipeline.iterate_recurse().into_iter().flatten() {
            configure(&element);
        }
        return Ok(pipeline);
    }
    let uri = match &source.kind {
        SourceKind::File(path) => file_uri(path)?,
        SourceKind::Uri { uri, .. } => uri.clone(),
        SourceKind::Broken(cause) => return Err(cause.clone()),
        #[cfg(feature = "store")]
        SourceKind::Stored(stored) => {
            let why = "is in an object store: only batch, embed and prepare read from these";
            return Err(MediaError::Stored(format!("{} {why}", stored.at)));
        }
        _ => return Err(MediaError::Nothing),
    };
    let pipeline = description::build(&format!(
        "uridecodebin name=l3net-source expose-all-streams=false caps=\"{DECODED}\""
    ))
    .map_err(|e| MediaError::Pipeline(e.message().to_owned()))?;
    if let Some(decoder) = pipeline.by_name("l3net-source") {
        let is_first = part.is_none();
        let begin = part.as_ref().map_or(0, |part| part.start);
        match (&source.kind, part) {
            (SourceKind::File(path), Some(part)) => read_part(&decoder, path, &part)?,
            _ => decoder.set_property("uri", &uri),
        }
        match &source.kind {
            SourceKind::File(path) => {
                let tracks = FileTracks {
                    reported_as: is_first.then(|| source.name.to_string()),
                    path: path.clone(),
                    begin,
                    uri,
                    asked: source.tracks,
                    trouble: Arc::clone(trouble),
                };
                tracks.choose_when_known(&pipeline, &decoder);
            }
            _ => link_as_they_come(&pipeline, &decoder, source.tracks),
        }
    }
    Ok(pipeline)
}

fn file_uri(path: &Path) -> Result<String, MediaError> {
    let meta = std::fs::metadata(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => MediaError::NotFound,
        _ => MediaError::Unreadable(e.to_string()),
    })?;
    if meta.is_file() && meta.len() == 0 {
        return Err(MediaError::Empty);
    }
    std::fs::File::open(path).map_err(|e| MediaError::Unreadable(e.to_string()))?;
    let whole = std::path::absolute(path).map_err(|e| MediaError::Unreadable(e.to_string()))?;
    gst::glib::filename_to_uri(&whole, None)
        .map(Into::into)
        .map_err(|e| MediaError::Unreadable(e.message().to_owned()))
}

/// Links the first sound pad and the first video pad, or those that are asked for, whenever
/// they appear; further pads stay unlinked.
fn link_as_they_come(pipeline: &gst::Pipeline, decoder: &gst::Element, asked: AskedTracks) {
    let weak = pipeline.downgrade();
    let counted = Mutex::new(Counted::new(asked));
    decoder.connect_pad_added(move |_, pad| {
        if let (Some(pipeline), Some(kind)) = (weak.upgrade(), kind_of(pad))
            && counted.lock().is_ok_and(|mut counted| counted.is_it(kind))
        {
            link(&pipeline, pad, kind);
        }
    });
}

/// What a decoded stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sound.
    Sound,
    /// Pictures.
    Picture,
}

impl Kind {
    /// As in the options of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sound => "audio",
            Self::Picture => "video",
        }
    }

    /// The option that chooses among several.
    pub fn option(self) -> &'static str {
        match self {
            Self::Sound => "--audio-track",
            Self::Picture => "--video-track",
        }
    }
}

/// What comes out of a decoder's pad.
pub(super) fn kind_of(pad: &gst::Pad) -> Option<Kind> {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    match caps.structure(0)?.name().as_str() {
        "audio/x-raw" => Some(Kind::Sound),
        "video/x-raw" => Some(Kind::Picture),
        _ => None,
    }
}

/// Links a pad to the end of its kind, if that is still free.
pub(super) fn link(pipeline: &gst::Pipeline, pad: &gst::Pad, kind: Kind) {
    let end = kind.name();
    if let (Kind::Sound, Some(convert)) = (kind, pipeline.by_name(DOWNMIX)) {
        mix_without_positions(&convert, pad);
    }
    let sink = pipeline.by_name(end).and_then(|e| e.static_pad("sink"));
    if let Some(sink) = sink.filter(|s| !s.is_linked())
        && let Err(error) = pad.link(&sink)
    {
        tracing::debug!(%error, end, "a stream that does not fit its end");
    }
}

/// Configures an element, of a description or added by a decoder, by what it gets wrong
/// (1.22).
pub(super) fn configure(element: &gst::Element) {
    // Into buffers of ours, libav's decoders crash on some pixel formats (FFV1 and HEVC in
    // grey, among others). Copying costs 2 % of 1080p H.264. Decoders without threads keep
    // drawing into one frame (Cinepak, QuickTime Animation), and without direct rendering
    // all pictures get the time of the first.
    if element.has_property("direct-rendering") && element.has_property("max-threads") {
        element.set_property("direct-rendering", false);
    }
    let factory = element.factory();
    match factory.as_ref().map(|factory| factory.name()).as_deref() {
        Some("mpegpsdemux") => {
            // Its clock references jump in many files, timestamps in few.
            element.set_property("ignore-scr", true);
            follow_splices(element);
        }
        Some("tsdemux") => declare_streams(element),
        Some("qtdemux") => mov::correct(element),
        Some("dvdlpcmdec") => unpack_samples(element),
        Some("rtpbin") => add_pads_one_by_one(element),
        _ => {}
    }
}

/// Tells how much sound a demuxer drops at the start: the segments of the MPEG demuxers
/// (1.22) begin with the first timestamp in the file, mostly a picture's; sound before it is
/// cut by the decoder.
pub(super) fn note_lost_start(
    demuxer: &gst::Element,
    lost: impl Fn(MediaTime) + Send + Sync + 'static,
) {
    let lost = Arc::new(lost);
    demuxer.connect_pad_added(move |_, pad| {
        if !pad.name().starts_with("audio") {
            return;
        }
        let lost = Arc::clone(&lost);
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let segment = pad.sticky_event::<gst::event::Segment<_>>(0);
            let start =
                segment.and_then(|event| event.segment().downcast_ref::<gst::ClockTime>()?.start());
            let first = info.buffer().and_then(|buffer| buffer.pts());
            if let (Some(start), Some(first)) = (start, first) {
                lost(MediaTime(start.saturating_sub(first).nseconds()));
            }
            gst::PadProbeReturn::Remove
        });
    });
}

/// Whether data can reach an end. In a description the elements before it are linked from
/// the start; what counts is whether there is a source, or a pad that has appeared, at
/// the other end.
pub(super) fn is_fed(pipeline: &gst::Pipeline, end: &str) -> bool {
    pipeline.by_name(end).is_some_and(|e| is_reached(&e))
}

/// Whether an element's input is connected to a source. For elements with several inputs
/// it is assumed.
fn is_reached(element: &gst::Element) -> bool {
    match &element.sink_pads()[..] {
        [pad] => pad.peer().is_some_and(|source| {
            let before = source.parent_element();
            before.is_none_or(|element| is_reached(&element))
        }),
        _ => true,
    }
}

pub(super) fn sinks(
    pipeline: &gst::Pipeline,
) -> Result<(gst_app::AppSink, gst_app::AppSink), MediaError> {
    let sink = |name| {
        pipeline
            .by_name(name)
            .and_then(|e| e.downcast::<gst_app::AppSink>().ok())
            .ok_or_else(|| MediaError::Pipeline(format!("the pipeline lacks {name}")))
    };
    Ok((sink(SOUND_SINK)?, sink(FRAME_SINK)?))
}

pub(super) fn has_pads_to_come(element: &gst::Element) -> bool {
    element.pad_template_list().iter().any(|t| {
        t.presence() == gst::PadPresence::Sometimes && t.direction() == gst::PadDirection::Src
    })
}

/// Calls `watch` for each element that the pipeline has or will get.
pub(super) fn for_each_element(
    pipeline: &gst::Pipeline,
    watch: impl Fn(&gst::Element, &gst::ElementFactory) + Send + Sync + 'static,
) {
    let watch = move |element: &gst::Element| {
        if let Some(factory) = element.factory() {
            watch(element, &factory);
        }
    };
    for element in pipeline.iterate_recurse().into_iter().flatten() {
        watch(&element);
    }
    pipeline.connect_deep_element_added(move |_, _, element| watch(element));
}

pub(super) fn watch_tags(sink: &gst_app::AppSink, video_state: &Arc<VideoState>) {
    let video_state = Arc::clone(video_state);
    if let Some(pad) = sink.static_pad("sink") {
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if let Some(event) = info.event()
                && let gst::EventView::Tag(tag) = event.view()
            {
                video_state.note_tags(tag.tag());
            }
            gst::PadProbeReturn::Ok
        });
    }
}
