//! The `test` source: a generated scene in place of a camera and a microphone.
//!
//! Belongs here: feeding its pipeline endlessly, in real time. Does not: the scene
//! itself, which the program provides as a [`SceneSource`].

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use super::error::MediaError;
use crate::time::{MediaTime, SamplePos};

/// An appsrc with is-live does not pace itself; clocksync does.
pub(super) const DESCRIPTION: &str = "appsrc name=l3net-scene-picture is-live=true format=time \
     caps=\"video/x-raw,format=RGB,width=1280,height=720,framerate=30/1\" ! clocksync ! video.  \
     appsrc name=l3net-scene-sound is-live=true format=time \
     caps=\"audio/x-raw,format=F32LE,layout=interleaved,rate=48000,channels=1\" ! clocksync ! audio.";

const WIDTH: u32 = 1_280;
const HEIGHT: u32 = 720;
const FPS: f64 = 30.0;
/// Samples in a block: 10 ms, as from a sound card.
const BLOCK: usize = 480;

/// How to start the scene of a `test` source.
#[derive(Clone, Copy, Debug)]
pub struct SceneSource {
    /// Starts it with pictures of this width and height in pixels; the error says why it
    /// cannot.
    pub start: fn(u32, u32) -> Result<SceneFeed, String>,
}

impl PartialEq for SceneSource {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::fn_addr_eq(self.start, other.start)
    }
}

impl Eq for SceneSource {}

/// A running scene; picture and sound are used on different threads.
pub struct SceneFeed {
    /// The picture at a time in seconds: RGB, row by row.
    pub picture: Box<dyn FnMut(f64) -> Vec<u8> + Send>,
    /// The next samples, this many: 48 kHz, mono, in `[-1, 1]`.
    pub sound: Box<dyn FnMut(usize) -> Vec<f32> + Send>,
}

/// Connects a scene with a pipeline that was built from [`DESCRIPTION`].
pub(super) fn feed(pipeline: &gst::Pipeline, scene: SceneSource) -> Result<(), MediaError> {
    let SceneFeed {
        mut picture,
        mut sound,
    } = (scene.start)(WIDTH, HEIGHT).map_err(MediaError::Pipeline)?;
    let source = |name: &str| {
        let element = pipeline.by_name(name);
        element
            .and_then(|e| e.downcast::<gst_app::AppSrc>().ok())
            .ok_or_else(|| MediaError::Pipeline(format!("the pipeline lacks {name}")))
    };
    let mut frames = 0_u64;
    source("l3net-scene-picture")?.set_callbacks(
        gst_app::AppSrcCallbacks::builder()
            .need_data(move |source, _| {
                let (at_s, next_s) = (frames as f64 / FPS, (frames + 1) as f64 / FPS);
                frames += 1;
                push(source, picture(at_s), at_s, next_s);
            })
            .build(),
    );
    let mut next = SamplePos::ZERO;
    source("l3net-scene-sound")?.set_callbacks(
        gst_app::AppSrcCallbacks::builder()
            .need_data(move |source, _| {
                let start = next;
                next = next.plus(BLOCK);
                let bytes = sound(BLOCK).iter().flat_map(|v| v.to_le_bytes()).collect();
                let seconds = |at: SamplePos| at.to_time().as_secs_f64();
                push(source, bytes, seconds(start), seconds(next));
            })
            .build(),
    );
    Ok(())
}

fn push(source: &gst_app::AppSrc, bytes: Vec<u8>, from_s: f64, to_s: f64) {
    let (from, to) = (
        MediaTime::from_secs_f64(from_s),
        MediaTime::from_secs_f64(to_s),
    );
    let mut buffer = gst::Buffer::from_mut_slice(bytes);
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_pts(gst::ClockTime::from_nseconds(from.0));
        buffer.set_duration(gst::ClockTime::from_nseconds(to.distance(from)));
    }
    // Fails only while the pipeline is being stopped.
    let _ = source.push_buffer(buffer);
}
