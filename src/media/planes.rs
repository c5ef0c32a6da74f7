//! A frame's luma and chroma where they lie apart: what can be scaled before it is RGB.

use gstreamer_video::prelude::*;
use gstreamer_video::{VideoChromaSite, VideoColorRange};

use super::frame::ReadableFrame;
use crate::features::{Colours, YuvPicture};
use crate::qc::Plane;

/// The planes of a frame of 8 bits whose luma and chroma lie apart, as those of nearly all
/// decoders; `None` of others, and of pixels that are no squares.
pub(super) fn planes<'a>(frame: &'a ReadableFrame<'_>) -> Option<YuvPicture<'a>> {
    let (info, format) = (frame.info(), frame.format_info());
    let is_planar = format.is_yuv()
        && !format.is_complex()
        && !format.is_tiled()
        && format.depth() == [8, 8, 8]
        && format.pixel_stride() == [1, 1, 1];
    let site = info.chroma_site();
    let is_between_rows = !site.intersects(VideoChromaSite::V_COSITED | VideoChromaSite::ALT_LINE);
    let is_square = info.par().numer() == info.par().denom();
    if !(is_planar && is_between_rows && is_square) || frame.is_interlaced() {
        return None;
    }
    let plane = |component: u32| {
        Some(Plane {
            bytes: frame.comp_data(component).ok()?,
            stride: usize::try_from(frame.comp_stride(component)).ok()?,
            row_bytes: frame.comp_width(component) as usize,
            rows: frame.comp_height(component) as usize,
        })
    };
    let colorimetry = info.colorimetry();
    let (red, blue) = colorimetry.matrix().kr_kb().ok()?;
    Some(YuvPicture {
        luma: plane(0)?,
        chroma: [plane(1)?, plane(2)?],
        subsampling: [1 << format.w_sub()[1], 1 << format.h_sub()[1]],
        is_cosited: site.contains(VideoChromaSite::H_COSITED),
        colours: Colours {
            red,
            blue,
            is_limited: colorimetry.range() == VideoColorRange::Range16_235,
        },
    })
}
