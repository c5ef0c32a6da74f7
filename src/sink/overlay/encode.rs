//! The GStreamer side of the overlay video: raw pictures and sound in, a file
//! out.
//!
//! Belongs here: elements, caps, buffers, the end of the stream. Does not: what
//! is on the pictures.
//!
//! Matroska lays itself out so that a file that was not ended plays; MP4 is
//! written in fragments with the same effect, and made a plain MP4 at its end.

use std::path::Path;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::sound::{CHANNELS, Chunk};
use crate::time::{MediaTime, SAMPLE_RATE};

/// Raw pictures that may wait for the encoder.
const FRAMES_AHEAD: u64 = 4;
/// How often a wait looks for an error.
const GLANCE: Duration = Duration::from_millis(5);
/// How long the encoder may take to come to an end.
const PATIENCE: Duration = Duration::from_secs(60);

const UNLIMITED: &str = "queue max-size-buffers=0 max-size-bytes=0 max-size-time=0";

/// What the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    Matroska,
    Mp4,
}

impl Container {
    /// By the ending of the name.
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "mkv" => Some(Self::Matroska),
            "mp4" | "m4v" => Some(Self::Mp4),
            _ => None,
        }
    }
}

/// An encoder: its element, the package that brings it, the rest of its chain.
struct Encoder {
    element: &'static str,
    package: &'static str,
    chain: &'static str,
    /// It needs a frame rate; the others take frames as they come.
    steady: bool,
}

// Quality 23 of x264 and like it: good to look at, small enough to keep. No
// B-frames: then pictures are written in the order of their times. Few frames
// of look-ahead, which are raw frames in memory.
const H264: [Encoder; 2] = [
    Encoder {
        element: "x264enc",
        package: "gstreamer1.0-plugins-ugly",
        chain: "x264enc pass=qual quantizer=23 speed-preset=superfast bframes=0 \
                key-int-max=60 rc-lookahead=10 ! video/x-h264,profile=high",
        steady: false,
    },
    Encoder {
        element: "openh264enc",
        package: "gstreamer1.0-plugins-bad",
        chain: "openh264enc rate-control=quality bitrate=3000000 gop-size=60 ! h264parse",
        steady: true,
    },
];
const VP8: Encoder = Encoder {
    element: "vp8enc",
    package: "gstreamer1.0-plugins-good",
    chain: "vp8enc deadline=1 cpu-used=8 target-bitrate=3000000 keyframe-max-dist=60",
    steady: false,
};
const MPEG4: Encoder = Encoder {
    element: "avenc_mpeg4",
    package: "gstreamer1.0-libav",
    chain: "avenc_mpeg4 bitrate=4000000 ! mpeg4videoparse",
    steady: true,
};
const OPUS: Encoder = Encoder {
    element: "opusenc",
    package: "gstreamer1.0-plugins-base",
    chain: "opusenc bitrate=96000",
    steady: false,
};
const VORBIS: Encoder = Encoder {
    element: "vorbisenc",
    package: "gstreamer1.0-plugins-base",
    chain: "vorbisenc",
    steady: false,
};
const AAC: [Encoder; 3] = [
    Encoder {
        element: "fdkaacenc",
        package: "gstreamer1.0-fdkaac",
        chain: "fdkaacenc bitrate=128000",
        steady: false,
    },
    Encoder {
        element: "avenc_aac",
        package: "gstreamer1.0-libav",
        chain: "avenc_aac bitrate=128000",
        steady: false,
    },
    Encoder {
        element: "voaacenc",
        package: "gstreamer1.0-plugins-bad",
        chain: "voaacenc bitrate=128000",
        steady: false,
    },
];

impl Container {
    fn video(self) -> Vec<&'static Encoder> {
        match self {
            Self::Matroska => vec![&H264[0], &H264[1], &VP8, &MPEG4],
            Self::Mp4 => vec![&H264[0], &H264[1], &MPEG4],
        }
    }

    fn audio(self) -> Vec<&'static Encoder> {
        match self {
            Self::Matroska => vec![&OPUS, &VORBIS, &AAC[0], &AAC[1], &AAC[2]],
            Self::Mp4 => vec![&AAC[0], &AAC[1], &AAC[2]],
        }
    }

    fn muxer(self) -> &'static str {
        match self {
            Self::Matroska => "matroskamux name=mux writing-app=l3net",
            Self::Mp4 => {
                "mp4mux name=mux fragment-duration=1000 fragment-mode=first-moov-then-finalise"
            }
        }
    }

    /// Elements besides encoders, and the package of each.
    fn needs(self) -> [(&'static str, &'static str); 6] {
        let good = "gstreamer1.0-plugins-good";
        let base = "gstreamer1.0-plugins-base";
        [
            match self {
                Self::Matroska => ("matroskamux", good),
                Self::Mp4 => ("mp4mux", good),
            },
            ("appsrc", base),
            ("videoconvert", base),
            ("audioconvert", base),
            ("queue", "libgstreamer1.0-0"),
            ("filesink", "libgstreamer1.0-0"),
        ]
    }

    /// Tells what is missing, and the package that brings it.
    pub fn check(self) -> Result<(), String> {
        gst::init().map_err(|e| format!("GStreamer does not start: {e}"))?;
        for (element, package) in self.needs() {
            if !exists(element) {
                return Err(missing(&[element], package));
            }
        }
        choose(&self.video())?;
        choose(&self.audio())?;
        Ok(())
    }
}

fn exists(element: &str) -> bool {
    gst::ElementFactory::find(element).is_some()
}

/// The first of the encoders that is there.
fn choose<'a>(encoders: &[&'a Encoder]) -> Result<&'a Encoder, String> {
    let there = encoders.iter().find(|e| exists(e.element));
    there.copied().ok_or_else(|| {
        let names: Vec<&str> = encoders.iter().map(|e| e.element).collect();
        missing(&names, encoders[0].package)
    })
}

fn missing(elements: &[&str], package: &str) -> String {
    format!(
        "GStreamer lacks {}; install the package {package}",
        elements.join(", ")
    )
}

/// A file that is being encoded.
pub struct Encode {
    pipeline: gst::Pipeline,
    bus: gst::Bus,
    video: Option<gst_app::AppSrc>,
    audio: Option<gst_app::AppSrc>,
    frame_bytes: u64,
    /// The last frame: how long it is shown is known when the next one comes.
    held: Option<(MediaTime, Vec<u8>)>,
}

impl Encode {
    /// Starts a file with a picture of that size, or none, and with sound or
    /// without.
    pub fn start(
        path: &Path,
        container: Container,
        size: Option<(u32, u32)>,
        sound: bool,
    ) -> Result<Self, String> {
        let mut text = format!("{} ! filesink name=file ", container.muxer());
        let mut steady = false;
        if size.is_some() {
            let encoder = choose(&container.video())?;
            steady = encoder.steady;
            // Behind the encoder a queue without limit: one track never holds
            // the other up, and coded frames are small. I420, as converters
            // would keep RGB's full chroma, which few players know.
            text += &format!(
                "appsrc name=video ! videoconvert ! video/x-raw,format=I420 ! {} ! {UNLIMITED} ! mux. ",
                encoder.chain
            );
        }
        if sound {
            let encoder = choose(&container.audio())?;
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
            // The level is watched here: a blocked push would not wake up when
            // the disk is full.
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

    /// Writes a frame of the size that was said; times rise.
    pub fn picture(&mut self, at: MediaTime, rgb: Vec<u8>) -> Result<(), String> {
        self.check()?;
        let Some((shown_at, shown)) = self.held.replace((at, rgb)) else {
            return Ok(());
        };
        self.push_picture(shown_at, shown, at.distance(shown_at))
    }

    fn push_picture(&self, at: MediaTime, rgb: Vec<u8>, lasts_ns: u64) -> Result<(), String> {
        let Some(source) = &self.video else {
            return Ok(());
        };
        while source.current_level_bytes() >= FRAMES_AHEAD * self.frame_bytes.max(1) {
            std::thread::sleep(GLANCE);
            self.check()?;
        }
        let mut buffer = gst::Buffer::from_mut_slice(rgb);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(at.0));
            buffer.set_duration(gst::ClockTime::from_nseconds(lasts_ns));
        }
        self.pushed(source.push_buffer(buffer))
    }

    /// Writes sound that goes on where the last one ended, or says otherwise.
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
        // The element that failed says why, a moment later at most.
        let wait = gst::ClockTime::from_mseconds(500);
        let said = self
            .bus
            .timed_pop_filtered(wait, &[gst::MessageType::Error]);
        Err(said.map_or_else(|| format!("GStreamer takes no more: {flow}"), |m| cause(&m)))
    }

    /// An error that happened meanwhile.
    pub fn check(&self) -> Result<(), String> {
        match self.bus.pop_filtered(&[gst::MessageType::Error]) {
            Some(message) => Err(cause(&message)),
            None => Ok(()),
        }
    }

    /// Ends the file so that it plays in full.
    pub fn finish(mut self) -> Result<(), String> {
        if let Some((at, rgb)) = self.held.take() {
            // One more frame's time, of a usual rate.
            self.push_picture(at, rgb, 40_000_000)?;
        }
        for source in self.video.iter().chain(&self.audio) {
            // Fails only if the pipeline has; its own word comes below.
            let _ = source.end_of_stream();
        }
        let started = Instant::now();
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        let wait = gst::ClockTime::from_mseconds(PATIENCE.as_millis() as u64);
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
        // Lets go of the file. An error here has been told, or does not matter.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// GStreamer's error in one line, with what to do where that is known.
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
