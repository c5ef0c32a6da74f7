//! A frame: in the decoder's format, with its conversion to RGB, or in a child process.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use gstreamer_video::{VideoColorRange, VideoFormat};

use super::colour;
use super::planes::planes;
use super::process::RemoteFrame;
use crate::features::{Crop, FrameScaler, Seen};
use crate::picture::{Picture, ToPicture};
use crate::time::MediaTime;
use crate::window::Timed;

/// A frame's pixels in the decoder's format.
pub(super) type ReadableFrame<'a> = gst_video::VideoFrameRef<&'a gst::BufferRef>;

/// A frame as it arrived from the source; clones share its memory.
#[derive(Clone)]
pub struct Frame {
    at: MediaTime,
    pixels: Pixels,
}

/// Where its pixels are.
#[derive(Clone)]
enum Pixels {
    Here(DecodedFrame),
    InChild(Arc<RemoteFrame>),
}

/// A frame that this process has decoded.
#[derive(Clone)]
struct DecodedFrame {
    sample: gst::Sample,
    video_state: Arc<VideoState>,
}

/// State shared by the frames of a stream.
#[derive(Default)]
pub(super) struct VideoState {
    /// An [`Orientation`], set by tags, also in the middle of a stream.
    orientation: AtomicU8,
    /// Frames lie in a fixed number of buffers of a device, which stops when all are held.
    is_pool_fixed: AtomicBool,
    converter: Mutex<Option<Converter>>,
    /// Decoded by `pngdec`, whose 16-bit RGB is out of place.
    from_pngdec: AtomicBool,
    /// Decoded by `vp9dec`, whose RGB may be.
    from_vp9dec: AtomicBool,
}

struct Converter {
    from: gst_video::VideoInfo,
    to: gst_video::VideoInfo,
    inner: gst_video::VideoConverter,
}

/// How to turn a picture upright, from the `image-orientation` tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Orientation {
    quarter_turns: u8,
    /// Mirror left to right before turning.
    mirrored: bool,
}

impl Orientation {
    fn from_tag(tag: &str) -> Option<Self> {
        let (mirrored, turn) = match tag.strip_prefix("flip-") {
            Some(turn) => (true, turn),
            None => (false, tag),
        };
        let quarter_turns = match turn {
            "rotate-0" => 0,
            "rotate-90" => 1,
            "rotate-180" => 2,
            "rotate-270" => 3,
            _ => return None,
        };
        Some(Self {
            quarter_turns,
            mirrored,
        })
    }

    fn pack(self) -> u8 {
        self.quarter_turns | u8::from(self.mirrored) << 2
    }

    fn unpack(bits: u8) -> Self {
        Self {
            quarter_turns: bits & 3,
            mirrored: bits & 4 != 0,
        }
    }
}

impl VideoState {
    /// Notes an element of the pipeline: what its frames need to be right, and whether it has
    /// few buffers, as a camera's driver or a decoder in hardware.
    pub(super) fn note_element(&self, factory: &gst::ElementFactory) {
        let klass = factory.metadata("klass").unwrap_or_default();
        let is_device = klass.contains("Source/Video") || klass.contains("Hardware");
        self.is_pool_fixed.fetch_or(is_device, Ordering::Relaxed);
        match factory.name().as_str() {
            "pngdec" => self.from_pngdec.store(true, Ordering::Relaxed),
            "vp9dec" => self.from_vp9dec.store(true, Ordering::Relaxed),
            _ => {}
        }
    }

    /// Whether frames that are kept may stop the device that they are of.
    pub(super) fn is_pool_fixed(&self) -> bool {
        self.is_pool_fixed.load(Ordering::Relaxed)
    }

    /// A frame as RGB at the display size.
    fn converted(&self, source: &ReadableFrame<'_>) -> Result<Picture, String> {
        let from = source.info();
        let mut guard = self
            .converter
            .lock()
            .map_err(|_| "an earlier frame broke the converter")?;
        if guard.as_ref().is_none_or(|c| c.from != *from) {
            *guard = Some(Converter::new(from.clone())?);
        }
        guard.as_ref().ok_or("no converter")?.rgb(source)
    }

    /// Reads the orientation from a tag list.
    pub(super) fn note_tags(&self, tags: &gst::TagListRef) {
        if let Some(tag) = tags.get::<gst::tags::ImageOrientation>()
            && let Some(orientation) = Orientation::from_tag(tag.get())
        {
            self.orientation
                .store(orientation.pack(), Ordering::Relaxed);
        }
    }
}

impl Frame {
    /// The same in memory of its own, if the device that it came from has few buffers.
    /// Frames wait for their window to end; a device without free buffers loses frames.
    pub(super) fn off_the_device(self) -> Self {
        match self.pixels {
            Pixels::Here(frame) if frame.video_state.is_pool_fixed() => {
                let frame = frame.copied();
                let pixels = Pixels::Here(frame);
                Self { pixels, ..self }
            }
            _ => self,
        }
    }

    /// The same picture at another time.
    #[must_use]
    pub(crate) fn moved_to(self, at: MediaTime) -> Self {
        Self { at, ..self }
    }

    /// A frame that this process has decoded.
    pub(super) fn decoded(
        at: MediaTime,
        sample: gst::Sample,
        video_state: Arc<VideoState>,
    ) -> Self {
        Self {
            at,
            pixels: Pixels::Here(DecodedFrame {
                sample,
                video_state,
            }),
        }
    }

    /// A frame that a child has decoded.
    pub(super) fn in_child(at: MediaTime, frame: RemoteFrame) -> Self {
        Self {
            at,
            pixels: Pixels::InChild(Arc::new(frame)),
        }
    }
}

impl Frame {
    /// What the network sees of it, and the size of its picture. In a child, it is scaled
    /// there: no more than that crosses.
    ///
    /// # Errors
    /// Says in one line why the frame cannot be converted.
    pub fn look(&self, crop: Crop) -> Result<Seen, String> {
        match &self.pixels {
            Pixels::Here(frame) => frame.look(crop),
            Pixels::InChild(frame) => frame.look(crop),
        }
    }
}

impl Timed for Frame {
    fn at(&self) -> MediaTime {
        self.at
    }

    fn duration_ns(&self) -> Option<u64> {
        match &self.pixels {
            Pixels::Here(frame) => frame.duration_ns(),
            Pixels::InChild(frame) => frame.duration_ns(),
        }
    }

    fn bytes(&self) -> usize {
        match &self.pixels {
            Pixels::Here(frame) => frame.bytes(),
            Pixels::InChild(frame) => frame.bytes(),
        }
    }
}

impl ToPicture for Frame {
    fn to_picture(&self) -> Result<Picture, String> {
        match &self.pixels {
            Pixels::Here(frame) => frame.to_picture(),
            Pixels::InChild(frame) => frame.to_picture(),
        }
    }
}

impl DecodedFrame {
    /// The same in memory of its own, if there is any.
    fn copied(self) -> Self {
        let buffer = self.sample.buffer().and_then(|b| b.copy_deep().ok());
        let (Some(buffer), Some(caps)) = (buffer, self.sample.caps_owned()) else {
            return self;
        };
        let sample = gst::Sample::builder().buffer(&buffer).caps(&caps);
        Self {
            sample: sample.build(),
            ..self
        }
    }

    fn duration_ns(&self) -> Option<u64> {
        let buffer = self.sample.buffer()?;
        buffer.duration().map(gst::ClockTime::nseconds)
    }

    fn bytes(&self) -> usize {
        self.sample.buffer().map_or(0, gst::BufferRef::size)
    }
}

impl DecodedFrame {
    fn look(&self, crop: Crop) -> Result<Seen, String> {
        let mut scaler = FrameScaler::new(crop);
        let source = self.readable()?;
        let planes = match self.orientation() == Orientation::default() {
            true => planes(&source),
            false => None,
        };
        if let Some(image) = planes.and_then(|planes| scaler.scale_yuv(&planes)) {
            return Ok(Seen {
                width: source.width(),
                height: source.height(),
                image,
            });
        }
        let picture = self.rgb(&source)?;
        Ok(Seen {
            width: picture.width,
            height: picture.height,
            image: scaler.scale(&picture),
        })
    }

    fn readable(&self) -> Result<ReadableFrame<'_>, String> {
        let caps = self.sample.caps().ok_or("a frame without a format")?;
        let format = colour::described(caps)?;
        let buffer = self.sample.buffer().ok_or("a frame without a picture")?;
        gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &format)
            .map_err(|_| "a frame that cannot be read".to_owned())
    }

    fn orientation(&self) -> Orientation {
        Orientation::unpack(self.video_state.orientation.load(Ordering::Relaxed))
    }

    /// The whole of it as RGB.
    fn rgb(&self, source: &ReadableFrame<'_>) -> Result<Picture, String> {
        let is_png = self.video_state.from_pngdec.load(Ordering::Relaxed);
        let mut rgb = match is_png.then(|| colour::unshifted(source)).flatten() {
            Some(picture) => picture,
            None => self.video_state.converted(source)?,
        };
        let is_vp9 = self.video_state.from_vp9dec.load(Ordering::Relaxed);
        if is_vp9 && colour::is_rotated(source.buffer(), source.format()) {
            rgb.rotate_channels();
        }
        if source.is_interlaced() {
            bob(&mut rgb);
        }
        Ok(upright(rgb, self.orientation()))
    }
}

impl ToPicture for DecodedFrame {
    fn to_picture(&self) -> Result<Picture, String> {
        self.rgb(&self.readable()?)
    }
}

impl Converter {
    /// Converts to RGB at the display size.
    fn new(from: gst_video::VideoInfo) -> Result<Self, String> {
        let par = from.par();
        let (n, d) = (par.numer().max(1) as u64, par.denom().max(1) as u64);
        let (w, h) = (u64::from(from.width()), u64::from(from.height()));
        // Make pixels square by enlarging, which loses nothing.
        let (w, h) = if n >= d {
            (w * n / d, h)
        } else {
            (w, h * d / n)
        };
        let side = |v: u64| u32::try_from(v.clamp(1, 16_384)).unwrap_or(16_384);
        // GStreamer stretches YUV of limited range in 8 bits with an error of up to 3 steps,
        // always too dark, and in 16 bits with one of at most 1. That costs 10 ms of a core
        // for 1920 × 1080.
        let limited = from.colorimetry().range() == VideoColorRange::Range16_235;
        let format = match limited && from.format_info().is_yuv() {
            true => VideoFormat::Argb64,
            false => VideoFormat::Rgb,
        };
        let to = gst_video::VideoInfo::builder(format, side(w), side(h))
            .fps(from.fps())
            .interlace_mode(from.interlace_mode())
            .build()
            .map_err(|e| format!("no RGB picture of {w} × {h}: {e}"))?;
        let inner = gst_video::VideoConverter::new(&from, &to, None)
            .map_err(|e| format!("no way from {} to RGB: {e}", from.name()))?;
        Ok(Self { from, to, inner })
    }

    fn rgb(&self, source: &ReadableFrame<'_>) -> Result<Picture, String> {
        let mut buffer =
            gst::Buffer::with_size(self.to.size()).map_err(|_| "no memory for a picture")?;
        {
            let buffer = buffer.get_mut().ok_or("a picture in use")?;
            let mut target = gst_video::VideoFrameRef::from_buffer_ref_writable(buffer, &self.to)
                .map_err(|_| "a picture that cannot be written")?;
            self.inner.frame_ref(source, &mut target);
        }
        let map = buffer
            .map_readable()
            .map_err(|_| "a picture that cannot be read")?;
        let (width, height) = (self.to.width(), self.to.height());
        let stride = usize::try_from(self.to.stride()[0]).unwrap_or(0);
        let picture = match self.to.format() {
            VideoFormat::Argb64 => Picture::from_argb64(width, height, &map, stride),
            _ => Picture::from_rgb(width, height, &map, stride),
        };
        picture.ok_or_else(|| "a picture that ends early".to_owned())
    }
}

/// Keeps one field of an interlaced picture: the fields are of different times, and the
/// comb would look like texture to the network.
fn bob(picture: &mut Picture) {
    let row = picture.width as usize * 3;
    let rows = picture.height as usize;
    for y in (1..rows).step_by(2) {
        let (above, rest) = picture.rgb.split_at_mut(y * row);
        let above = &above[(y - 1) * row..];
        let (this, below) = rest.split_at_mut(row);
        for (x, value) in this.iter_mut().enumerate() {
            let below = below.get(x).copied().unwrap_or(above[x]);
            *value = above[x].midpoint(below);
        }
    }
}

fn upright(picture: Picture, orientation: Orientation) -> Picture {
    if orientation == Orientation::default() {
        return picture;
    }
    let (w, h) = (picture.width as usize, picture.height as usize);
    let turned = orientation.quarter_turns % 2 == 1;
    let (out_w, out_h) = if turned { (h, w) } else { (w, h) };
    let mut rgb = Vec::with_capacity(picture.rgb.len());
    for y in 0..out_h {
        for x in 0..out_w {
            // The pixel's place before the clockwise turn.
            let (sx, sy) = match orientation.quarter_turns {
                1 => (y, h - 1 - x),
                2 => (w - 1 - x, h - 1 - y),
                3 => (w - 1 - y, x),
                _ => (x, y),
            };
            let sx = if orientation.mirrored { w - 1 - sx } else { sx };
            let at = (sy * w + sx) * 3;
            rgb.extend_from_slice(&picture.rgb[at..at + 3]);
        }
    }
    Picture {
        width: out_w as u32,
        height: out_h as u32,
        rgb,
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
