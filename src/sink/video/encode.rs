//! The GStreamer pipeline of a video: raw pictures and sound in, a file out.
//!
//! Belongs here: the pipeline, caps, buffers, end of stream. Does not: what the pictures
//! show, which encoders exist.

use std::path::Path;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::encoders::{Container, Encoder, choose};
use super::sound::{CHANNELS, Chunk};
use crate::time::{MediaTime, SAMPLE_RATE};

/// Raw pictures that may be queued for the encoder.
const FRAMES_AHEAD: u64 = 4;
/// How often errors are polled while waiting.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// How long the encoder may take to finish.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Duration of a frame that is the only one.
const DEFAULT_FRAME_NS: u64 = 40_000_000;

const UNLIMITED: &str = "queue max-size-buffers=0 max-size-bytes=0 max-size-time=0";

/// A file that is being encoded.
pub struct Encode {
    pipeline: gst::Pipeline,
    bus: gst::Bus,
    video: Option<gst_app::AppSrc>,
    audio: Option<gst_app::AppSrc>,
    frame_bytes: u64,
    /// The last frame, held until the next one determines its duration.
    held: Option<(MediaTime, Vec<u8>)>,
    /// Duration of the frame before it.
    last_ns: u64,
}

impl Encode {
    /// Starts a file with pictures of this size (none: no pictures), and with or without
    /// sound.
    pub fn start(
        path: &Path,
        container: Container,
        size: Option<(u32, u32)>,
        sound: bool,
    ) -> Result<Self, String> {
        let video = size.map(|_| choose(&container.video())).transpose()?;
        let audio = sound.then(|| choose(&container.audio())).transpose()?;
        Self::start_with(path, container, size, (video, audio))
    }

    fn start_with(
        path: &Path,
        container: Container,
        size: Option<(u32, u32)>,
        (video, audio): (Option<&Encoder>, Option<&Encoder>),
    ) -> Result<Self, String> {
        let mut text = format!("{} ! filesink name=file ", container.muxer());
        let steady = video.is_some_and(|encoder| encoder.steady);
        if let Some(encoder) = video {
            // An unlimited queue after the encoder, so that one track never blocks the
            // other; encoded frames are small. I420, because otherwise full chroma would
            // be kept, which few players support.
            text += &format!(
                "appsrc name=video ! videoconvert ! video/x-raw,format=I420 ! {} ! {UNLIMITED} ! mux. ",
                encoder.chain
            );
        }
        if let Some(encoder) = audio {
            text += &format!(
                "appsrc name=audio ! audioconvert ! {} ! {UNLIMITED} ! mux. ",
                encoder.chain
            );
        }
        let pipeline = gst::parse::launch(&text)
            .map_err(|e| format!("GStreamer cannot build it: {e}"))?
            .downcast::<gst::Pipeline>()
            .map_err(|_| "GStreamer built no pipeline".to_owned())?;
        let by_name = |name: &str| pipeline.by_name(name);
        if let Some(file) = by_name("file") {
            file.set_property("location", path.to_string_lossy().as_ref());
        }
        let source = |name: &str| by_name(name).and_then(|e| e.downcast::<gst_app::AppSrc>().ok());
        let (video, audio) = (source("video"), source("audio"));
        for source in video.iter().chain(&audio) {
            source.set_format(gst::Format::Time);
            // We check the level ourselves: a blocked push would not wake up on an error
            // such as a full disk.
            source.set_max_bytes(0);
        }
        let (width, height) = size.unwrap_or_default();
        if let Some(source) = &video {
            let rate = gst::Fraction::new(if steady { 30 } else { 0 }, 1);
            let caps = gst::Caps::builder("video/x-raw")
                .field("format", "RGB")
                .field("width", width as i32)
                .field("height", height as i32)
                .field("framerate", rate)
                .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
                .build();
            source.set_caps(Some(&caps));
        }
        if let Some(source) = &audio {
            let caps = gst::Caps::builder("audio/x-raw")
                .field("format", "F32LE")
                .field("layout", "interleaved")
                .field("rate", SAMPLE_RATE as i32)
                .field("channels", CHANNELS as i32)
                .build();
            source.set_caps(Some(&caps));
        }
        let bus = pipeline.bus().ok_or("GStreamer's pipeline has no bus")?;
        let encode = Self {
            pipeline,
            bus,
            video,
            audio,
            frame_bytes: u64::from(width) * u64::from(height) * 3,
            held: None,
            last_ns: DEFAULT_FRAME_NS,
        };
        if encode.pipeline.set_state(gst::State::Playing).is_err() {
            let wait = gst::ClockTime::from_mseconds(500);
            let said = encode
                .bus
                .timed_pop_filtered(wait, &[gst::MessageType::Error]);
            return Err(said.map_or_else(|| "GStreamer does not start it".into(), |m| cause(&m)));
        }
        Ok(encode)
    }

    /// Writes a frame of the size given at the start; times must increase.
    pub fn picture(&mut self, at: MediaTime, rgb: Vec<u8>) -> Result<(), String> {
        self.check()?;
        let Some((shown_at, shown)) = self.held.replace((at, rgb)) else {
            return Ok(());
        };
        self.last_ns = at.distance(shown_at);
        self.push_picture(shown_at, shown, self.last_ns)
    }

    /// Repeats the last frame from `at` on.
    pub fn again(&mut self, at: MediaTime) -> Result<(), String> {
        match self.held.as_ref().map(|(_, rgb)| rgb.clone()) {
            Some(rgb) => self.picture(at, rgb),
            None => Ok(()),
        }
    }

    fn push_picture(&self, at: MediaTime, rgb: Vec<u8>, lasts_ns: u64) -> Result<(), String> {
        let Some(source) = &self.video else {
            return Ok(());
        };
        while source.current_level_bytes() >= FRAMES_AHEAD * self.frame_bytes.max(1) {
            std::thread::sleep(POLL_INTERVAL);
            self.check()?;
        }
        let mut buffer = gst::Buffer::from_mut_slice(rgb);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(at.0));
            buffer.set_duration(gst::ClockTime::from_nseconds(lasts_ns));
        }
        self.pushed(source.push_buffer(buffer))
    }

    /// Writes sound that continues the last one, unless it is marked as after a hole.
    pub fn sound(&self, chunk: &Chunk) -> Result<(), String> {
        let Some(source) = &self.audio else {
            return Ok(());
        };
        self.check()?;
        let bytes: Vec<u8> = chunk.pcm.iter().flat_map(|v| v.to_le_bytes()).collect();
        let samples = chunk.pcm.len() / CHANNELS;
        let (start, end) = (chunk.at.to_time(), chunk.at.plus(samples).to_time());
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(start.0));
            buffer.set_duration(gst::ClockTime::from_nseconds(end.distance(start)));
            if chunk.after_hole {
                buffer.set_flags(gst::BufferFlags::DISCONT);
            }
        }
        self.pushed(source.push_buffer(buffer))
    }

    fn pushed(&self, result: Result<gst::FlowSuccess, gst::FlowError>) -> Result<(), String> {
        let Err(flow) = result else {
            return Ok(());
        };
        // The failed element posts its error at most a moment later.
        let wait = gst::ClockTime::from_mseconds(500);
        let said = self
            .bus
            .timed_pop_filtered(wait, &[gst::MessageType::Error]);
        Err(said.map_or_else(|| format!("GStreamer takes no more: {flow}"), |m| cause(&m)))
    }

    /// Returns an error that has happened meanwhile.
    pub fn check(&self) -> Result<(), String> {
        match self.bus.pop_filtered(&[gst::MessageType::Error]) {
            Some(message) => Err(cause(&message)),
            None => Ok(()),
        }
    }

    /// Closes the file so that all of it plays.
    pub fn finish(mut self) -> Result<(), String> {
        if let Some((at, rgb)) = self.held.take() {
            // With the duration of the one before it.
            self.push_picture(at, rgb, self.last_ns)?;
        }
        for source in self.video.iter().chain(&self.audio) {
            // Fails only if the pipeline has failed, which is reported below.
            let _ = source.end_of_stream();
        }
        let started = Instant::now();
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        let wait = gst::ClockTime::from_mseconds(TIMEOUT.as_millis() as u64);
        match self.bus.timed_pop_filtered(wait, &kinds) {
            Some(message) if message.type_() == gst::MessageType::Eos => Ok(()),
            Some(message) => Err(cause(&message)),
            None => Err(format!(
                "the encoder did not end within {:.0} s; the file may lack its end",
                started.elapsed().as_secs_f64()
            )),
        }
    }
}

impl Drop for Encode {
    fn drop(&mut self) {
        // Closes the file. An error here has been reported, or does not matter.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// GStreamer's error in one line, with the next step if known.
fn cause(message: &gst::Message) -> String {
    let gst::MessageView::Error(error) = message.view() else {
        return "GStreamer stopped".into();
    };
    let said = error.error();
    let step = match said.kind::<gst::ResourceError>() {
        Some(gst::ResourceError::NoSpaceLeft) => "; free some space and run the same command again",
        Some(gst::ResourceError::OpenWrite | gst::ResourceError::Write) => {
            "; name a place that you may write to, with room on its disk"
        }
        _ => "",
    };
    // "/x/y.c(12): f (): /GstPipeline:p/…:\nSystem error: Disk quota exceeded"
    let more = error.debug().and_then(|debug| {
        let last = debug.lines().last()?.trim().to_owned();
        (!last.is_empty() && debug.lines().count() > 1).then_some(last)
    });
    let text = said.to_string();
    let text = text.trim().trim_end_matches('.');
    match more {
        Some(more) => format!("{text} ({more}){step}"),
        None => format!("{text}{step}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::encoders::exists;
    use super::*;

    #[test]
    fn every_encoder_that_is_there_makes_a_file() {
        let dir = tempfile::tempdir().unwrap();
        gst::init().unwrap();
        for container in [Container::Matroska, Container::Mp4] {
            let there = |e: &&Encoder| exists(e.element);
            for video in container.video().into_iter().filter(there) {
                for audio in container.audio().into_iter().filter(there) {
                    let path = dir
                        .path()
                        .join(format!("{}.{}", video.element, audio.element));
                    let size = Some((64, 48));
                    let with = (Some(video), Some(audio));
                    let mut file = Encode::start_with(&path, container, size, with).unwrap();
                    for i in 0..10 {
                        let at = MediaTime(i * 100_000_000);
                        file.picture(at, vec![i as u8 * 20; 64 * 48 * 3]).unwrap();
                        let sound = Chunk {
                            at: crate::time::SamplePos::from_time(at),
                            pcm: vec![0.1; 4800 * CHANNELS],
                            after_hole: false,
                        };
                        file.sound(&sound).unwrap();
                    }
                    file.finish().unwrap();
                    assert!(path.metadata().unwrap().len() > 1000);
                }
            }
        }
    }
}
