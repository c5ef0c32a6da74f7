//! The frames of a file: their planes in the decoder's format.

use std::sync::Arc;

use gst_video::prelude::*;
use gst_video::{
    VideoColorRange, VideoConverter, VideoFormat, VideoFormatInfo, VideoFrame, VideoFrameRef,
    VideoInfo,
};
use gstreamer as gst;
use gstreamer_video as gst_video;

use crate::media::colour;
use crate::media::frame::VideoState;
use crate::qc::{Black, Freeze, Plane, VideoReport, black_level, is_black, is_still};
use crate::time::MediaTime;

/// A frame whose pixels can be read.
type Readable = VideoFrame<gst_video::video_frame::Readable>;

/// Measures frames in whatever format they come.
#[derive(Default)]
pub(super) struct PictureMeter {
    video_state: Option<Arc<VideoState>>,
    format: Option<Format>,
    black: Black,
    freeze: Freeze<Readable>,
    unreadable: u64,
}

/// How frames of a format are looked at.
struct Format {
    info: VideoInfo,
    /// Nominal time from frame to frame.
    frame_ns: Option<u64>,
    /// To YUV whose luma is a plane of its own, for what has none.
    to_planar: Option<(VideoInfo, VideoConverter)>,
    /// Frames are compared as they are, not as they are converted.
    compares_own: bool,
}

impl PictureMeter {
    /// A pipeline begins.
    pub fn begin(&mut self, video_state: Arc<VideoState>) {
        self.video_state = Some(video_state);
    }

    /// The format of the next frames.
    pub fn format(&mut self, caps: &gst::CapsRef) {
        let info = described(caps);
        if self.format.as_ref().map(|format| &format.info) != info.as_ref() {
            // Frames of different formats cannot be compared.
            self.freeze.restart();
            self.format = info.and_then(Format::of);
        }
    }

    /// The next frame.
    pub fn frame(&mut self, at: MediaTime, buffer: &gst::Buffer) {
        if self.look(at, buffer).is_none() {
            self.unreadable += 1;
        }
    }

    fn look(&mut self, at: MediaTime, buffer: &gst::Buffer) -> Option<()> {
        let format = self.format.as_ref()?;
        // The reference is kept, for hours perhaps.
        let is_scarce = self.video_state.as_ref()?.is_pool_fixed();
        let buffer = match is_scarce {
            true => buffer.copy_deep().ok()?,
            false => buffer.clone(),
        };
        let own = VideoFrame::from_buffer_readable(buffer, &format.info).ok()?;
        let planar = match &format.to_planar {
            Some((to, converter)) => Some(converted(&own, to, converter)?),
            None => None,
        };
        self.black
            .frame(at, is_black_frame(planar.as_ref().unwrap_or(&own))?);
        let compared = match planar {
            Some(planar) if !format.compares_own => planar,
            _ => own,
        };
        let depth = bits(&compared.format_info());
        self.freeze
            .frame(at, format.frame_ns, compared, |frame, reference| {
                is_still(&planes(frame), &planes(reference), depth)
            });
        Some(())
    }

    /// What was measured; `None` if there was no picture.
    pub fn finish(self) -> Option<VideoReport> {
        let report = VideoReport {
            frames: self.freeze.frames(),
            unreadable_frames: self.unreadable,
            blackdetect: self.black.finish(),
            freezedetect: self.freeze.finish(),
        };
        (report.frames > 0 || report.unreadable_frames > 0).then_some(report)
    }
}

impl Format {
    fn of(info: VideoInfo) -> Option<Self> {
        let format = info.format_info();
        let compares_own = has_plain_samples(&format);
        let to_planar = match compares_own && has_plane_of_luma(&format) {
            true => None,
            false => {
                let mut to = VideoInfo::builder(planar_of(&format), info.width(), info.height())
                    .fps(info.fps())
                    .interlace_mode(info.interlace_mode());
                let colorimetry = info.colorimetry();
                if format.is_yuv() {
                    to = to.colorimetry(&colorimetry);
                }
                let to = to.build().ok()?;
                let converter = VideoConverter::new(&info, &to, None).ok()?;
                Some((to, converter))
            }
        };
        let (n, d) = (info.fps().numer(), info.fps().denom());
        let ns =
            |n: i32, d: i32| Some(u64::try_from(d).ok()? * 1_000_000_000 / u64::try_from(n).ok()?);
        Some(Self {
            frame_ns: (n > 0).then(|| ns(n, d)).flatten(),
            info,
            to_planar,
            compares_own,
        })
    }
}

/// The format of frames with these caps.
fn described(caps: &gst::CapsRef) -> Option<VideoInfo> {
    let plain = VideoInfo::from_caps(caps).ok()?;
    // Grey of 8 bits is shown as if of full range, whatever the file says; for `blackdetect`
    // it is what the file says.
    match plain.format() {
        VideoFormat::Gray8 => Some(plain),
        _ => colour::described(caps).ok(),
    }
}

/// Bits of a sample, counted from the highest that may be set.
fn bits(format: &VideoFormatInfo) -> u32 {
    match (format.depth().first(), format.shift().first()) {
        (Some(depth), Some(shift)) if *depth > 8 => depth + shift,
        (Some(depth), _) => *depth,
        _ => 0,
    }
}

/// Components that lie in a plane.
fn components(format: &VideoFormatInfo, plane: u32) -> impl Iterator<Item = usize> {
    let planes = format.plane().iter().enumerate();
    let inside = planes.filter(move |(_, of)| **of == plane).map(|(i, _)| i);
    let inside: Vec<_> = inside.collect();
    inside.into_iter()
}

/// Whether planes consist of bytes or 16-bit words, each of which is a sample.
fn has_plain_samples(format: &VideoFormatInfo) -> bool {
    let depth = format.depth().first().copied().unwrap_or(0);
    let is_plain = !format.is_complex()
        && !format.is_tiled()
        && !format.has_palette()
        && format.depth().iter().all(|other| *other == depth);
    is_plain
        && match depth {
            8 => true,
            9..=16 => (0..format.n_planes()).all(|plane| {
                let count = components(format, plane).count();
                let pixel = components(format, plane)
                    .next()
                    .map(|i| format.pixel_stride()[i]);
                format.is_le() && pixel == i32::try_from(2 * count).ok()
            }),
            _ => false,
        }
}

fn has_plane_of_luma(format: &VideoFormatInfo) -> bool {
    (format.is_yuv() || format.is_gray()) && components(format, 0).eq([0])
}

/// The planar format that is nearest.
fn planar_of(format: &VideoFormatInfo) -> VideoFormat {
    let subsampled = |by: &[u32]| format.is_yuv() && by.get(1) == Some(&1);
    let is_deep = bits(format) > 8;
    match (subsampled(format.w_sub()), subsampled(format.h_sub())) {
        (true, true) if is_deep => VideoFormat::I42010le,
        (true, true) => VideoFormat::I420,
        (true, false) if is_deep => VideoFormat::I42210le,
        (true, false) => VideoFormat::Y42b,
        _ if is_deep => VideoFormat::Y44410le,
        _ => VideoFormat::Y444,
    }
}

fn converted(frame: &Readable, to: &VideoInfo, converter: &VideoConverter) -> Option<Readable> {
    let mut buffer = gst::Buffer::with_size(to.size()).ok()?;
    {
        let buffer = buffer.get_mut()?;
        let mut target = VideoFrameRef::from_buffer_ref_writable(buffer, to).ok()?;
        converter.frame_ref(&frame.as_video_frame_ref(), &mut target);
    }
    VideoFrame::from_buffer_readable(buffer, to).ok()
}

fn is_black_frame(frame: &Readable) -> Option<bool> {
    let depth = bits(&frame.format_info());
    let is_full = frame.info().colorimetry().range() == VideoColorRange::Range0_255;
    let luma = plane(frame, 0)?;
    Some(is_black(&luma, depth, black_level(depth, is_full)))
}

/// A plane of a frame.
fn plane(frame: &Readable, number: u32) -> Option<Plane<'_>> {
    let format = frame.format_info();
    let of = |i: usize| {
        let i = u32::try_from(i).ok()?;
        let pixel = usize::try_from(frame.comp_pstride(i)).ok()?;
        let row = frame.comp_width(i) as usize * pixel;
        Some((row, frame.comp_height(i) as usize))
    };
    let sizes = components(&format, number).filter_map(of);
    let (row_bytes, rows) = sizes.reduce(|a, b| (a.0.max(b.0), a.1.max(b.1)))?;
    Some(Plane {
        bytes: frame.plane_data(number).ok()?,
        stride: usize::try_from(*frame.plane_stride().get(number as usize)?).ok()?,
        row_bytes,
        rows,
    })
}

fn planes(frame: &Readable) -> Vec<Plane<'_>> {
    let planes = (0..frame.n_planes()).filter_map(|number| plane(frame, number));
    planes.collect()
}
