//! Builds the pipeline of a source and links its pads to the ends.

use std::path::Path;
use std::sync::Arc;

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use super::description::{self, FRAME_SINK, SOUND_SINK};
use super::error::MediaError;
use super::frame::VideoState;
use super::scene;
use super::source::{Source, SourceKind};

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

fn start_gstreamer() -> Result<(), MediaError> {
    gst::init().map_err(|e| MediaError::Pipeline(format!("GStreamer does not start: {e}")))?;
    let registry = gst::Registry::get();
    for name in UNWANTED {
        if let Some(feature) = registry.lookup_feature(name) {
            feature.set_rank(gst::Rank::NONE);
        }
    }
    Ok(())
}

pub(super) fn build(source: &Source) -> Result<gst::Pipeline, MediaError> {
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
        return Ok(pipeline);
    }
    let uri = match &source.kind {
        SourceKind::File(path) => file_uri(path)?,
        SourceKind::Uri { uri, .. } => uri.clone(),
        SourceKind::Broken(cause) => return Err(cause.clone()),
        _ => return Err(MediaError::Nothing),
    };
    let pipeline = description::build(
        "uridecodebin name=l3net-source expose-all-streams=false \
         caps=\"video/x-raw(ANY);audio/x-raw(ANY)\"",
    )
    .map_err(|e| MediaError::Pipeline(e.message().to_owned()))?;
    if let Some(decoder) = pipeline.by_name("l3net-source") {
        decoder.set_property("uri", uri);
        let weak = pipeline.downgrade();
        decoder.connect_pad_added(move |_, pad| {
            if let Some(pipeline) = weak.upgrade() {
                link_by_caps(&pipeline, pad);
            }
        });
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

/// Links the first sound pad and the first video pad to the ends, whenever they appear;
/// further pads stay unlinked.
fn link_by_caps(pipeline: &gst::Pipeline, pad: &gst::Pad) {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let Some(end) = caps.structure(0).and_then(|s| match s.name().as_str() {
        "audio/x-raw" => Some("audio"),
        "video/x-raw" => Some("video"),
        _ => None,
    }) else {
        return;
    };
    let sink = pipeline.by_name(end).and_then(|e| e.static_pad("sink"));
    if let Some(sink) = sink.filter(|s| !s.is_linked())
        && let Err(error) = pad.link(&sink)
    {
        tracing::debug!(%error, end, "a stream that does not fit its end");
    }
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
