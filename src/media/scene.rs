//! The built-in scene as a source: a camera and a microphone that see and hear
//! what the generator makes.
//!
//! Three things move about; each sounds in turn for some seconds, then one that
//! is not seen. The same each time, without end, at the pace of the clock.

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use super::error::MediaError;
use crate::corpus::{Split, rng};
use crate::synth::{Renderer, Scene, Stock, SynthSettings};
use crate::time::{MediaTime, SamplePos};

/// Behind an appsrc that only says that it is live, clocksync keeps the pace.
pub(super) const DESCRIPTION: &str = "appsrc name=l3net-scene-picture is-live=true format=time \
     caps=\"video/x-raw,format=RGB,width=1280,height=720,framerate=30/1\" ! clocksync ! video.  \
     appsrc name=l3net-scene-sound is-live=true format=time \
     caps=\"audio/x-raw,format=F32LE,layout=interleaved,rate=48000,channels=1\" ! clocksync ! audio.";

const WIDTH: u32 = 1_280;
const HEIGHT: u32 = 720;
const FPS: f64 = 30.0;
/// Samples in a block: 10 ms, as from a sound card.
const BLOCK: usize = 480;
/// Chosen because one likes to look at it.
const SEED: u64 = 17;

/// Which scene it is.
fn scene() -> Result<Scene, MediaError> {
    let settings = SynthSettings {
        objects: 3..=3,
        distractors: 3..=6,
        scale: 0.25..=0.45,
        silent: 0.0,
        off_screen: 0.0,
        snr_db: 25.0..35.0,
        turn_s: Some(6.0),
        short_side: HEIGHT,
        ..SynthSettings::default()
    };
    Scene::draw(
        &Stock::built_in(),
        &settings,
        Split::Test,
        &mut rng(SEED, 0, 0),
    )
    .map_err(|e| MediaError::Pipeline(e.to_string()))
}

/// Connects the scene with a pipeline that was built from [`DESCRIPTION`].
pub(super) fn feed(pipeline: &gst::Pipeline) -> Result<(), MediaError> {
    let scene = scene()?;
    let source = |name: &str| {
        let element = pipeline.by_name(name);
        element
            .and_then(|e| e.downcast::<gst_app::AppSrc>().ok())
            .ok_or_else(|| MediaError::Pipeline(format!("the pipeline lacks {name}")))
    };
    let mut renderer = Renderer::new(&scene, WIDTH, HEIGHT);
    let mut shown = 0_u64;
    source("l3net-scene-picture")?.set_callbacks(
        gst_app::AppSrcCallbacks::builder()
            .need_data(move |source, _| {
                let (at_s, next_s) = (shown as f64 / FPS, (shown + 1) as f64 / FPS);
                shown += 1;
                let (picture, _) = renderer.frame(at_s);
                push(source, picture.rgb, at_s, next_s);
            })
            .build(),
    );
    let mut listener = scene.listen();
    let mut heard = SamplePos::ZERO;
    source("l3net-scene-sound")?.set_callbacks(
        gst_app::AppSrcCallbacks::builder()
            .need_data(move |source, _| {
                let start = heard;
                heard = heard.plus(BLOCK);
                let pcm = listener.read(BLOCK);
                let bytes = pcm.iter().flat_map(|v| v.to_le_bytes()).collect();
                let seconds = |at: SamplePos| at.to_time().as_secs_f64();
                push(source, bytes, seconds(start), seconds(heard));
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
    // Fails only when the pipeline is being stopped.
    let _ = source.push_buffer(buffer);
}
