//! What is looked at of a decoded frame, without making all of it RGB.
//!
//! Belongs here: which formats of decoders have planes that can be scaled as they are. Does
//! not: the scaling ([`Planes`]), every other frame ([`super::frame`]).

use gst_video::prelude::*;
use gst_video::{VideoChromaSite, VideoColorMatrix, VideoColorRange, VideoFormat};
use gstreamer as gst;
use gstreamer_video as gst_video;

use crate::features::Planes;

/// The planes of a frame that can be scaled as they are: 8 bits, square pixels, not
/// interlaced, colours of a known kind.
pub(super) fn planes<'a>(
    frame: &'a gst_video::VideoFrameRef<&'a gst::BufferRef>,
    info: &gst_video::VideoInfo,
) -> Option<Planes<'a>> {
    let (halved, order) = match frame.format() {
        VideoFormat::I420 => ([true, true], [0, 1, 2]),
        VideoFormat::Yv12 => ([true, true], [0, 2, 1]),
        VideoFormat::Y42b => ([true, false], [0, 1, 2]),
        VideoFormat::Y444 => ([false, false], [0, 1, 2]),
        _ => return None,
    };
    let colours = info.colorimetry();
    let shares = match colours.matrix() {
        VideoColorMatrix::Bt601 => [0.299, 0.114],
        VideoColorMatrix::Bt709 => [0.2126, 0.0722],
        VideoColorMatrix::Bt2020 => [0.2627, 0.0593],
        _ => return None,
    };
    let full_range = match colours.range() {
        VideoColorRange::Range0_255 => true,
        VideoColorRange::Range16_235 => false,
        _ => return None,
    };
    if frame.is_interlaced() || info.par() != gst::Fraction::new(1, 1) {
        return None;
    }
    let site = info.chroma_site();
    let [y, cb, cr] = order;
    let bytes = |component: u32| frame.plane_data(component).ok();
    let stride = |component: usize| usize::try_from(*frame.plane_stride().get(component)?).ok();
    Some(Planes {
        width: frame.width(),
        height: frame.height(),
        bytes: [bytes(y)?, bytes(cb)?, bytes(cr)?],
        strides: [
            stride(y as usize)?,
            stride(cb as usize)?,
            stride(cr as usize)?,
        ],
        halved,
        cosited: [
            site.contains(VideoChromaSite::H_COSITED),
            site.contains(VideoChromaSite::V_COSITED),
        ],
        full_range,
        shares,
    })
}
