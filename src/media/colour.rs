//! What the numbers of a decoded frame mean: matrix and range of its colours.
//!
//! Belongs here: what is taken where a file does not say, or GStreamer (1.22) does not
//! listen, so that colours are those that `ffmpeg -pix_fmt rgb24` gives
//! (`tests/data/colours`). Does not: the conversion itself ([`super::frame`]); HDR, which
//! is shown as if it were not.

use gst_video::prelude::*;
use gst_video::{VideoColorMatrix, VideoColorRange, VideoColorimetry, VideoFormat};
use gstreamer as gst;
use gstreamer_video as gst_video;

use super::frame::ReadableFrame;
use crate::picture::Picture;

/// Untagged pictures of more rows are taken for BT.709, as players and GStreamer do; others
/// for BT.601.
const SD_ROWS: u32 = 576;

/// The format of a frame with these caps, its colorimetry complete.
///
/// [`gst_video::VideoInfo::from_caps`] alone is wrong in two cases. Of YUV without a known
/// matrix it drops the range too: a full-range picture loses its ends. Of grey
/// without a known matrix it keeps none, and grey is converted as if it had colours.
pub(super) fn described(caps: &gst::CapsRef) -> Result<gst_video::VideoInfo, String> {
    let unknown = || format!("a frame of unknown format {caps}");
    let info = gst_video::VideoInfo::from_caps(caps).map_err(|_| unknown())?;
    let given = caps
        .structure(0)
        .and_then(|s| s.get::<&str>("colorimetry").ok());
    let Some(given) = given.and_then(|text| text.parse::<VideoColorimetry>().ok()) else {
        return Ok(info);
    };
    let format = info.format_info();
    if !format.is_yuv() && !format.is_gray() {
        return Ok(info);
    }
    let matrix = match given.matrix() {
        VideoColorMatrix::Unknown | VideoColorMatrix::Rgb => untagged_matrix(info.height()),
        matrix => matrix,
    };
    let range = match given.range() {
        // ffmpeg knows no other, whatever the file says.
        _ if format.format() == VideoFormat::Gray8 => VideoColorRange::Range0_255,
        VideoColorRange::Unknown => VideoColorRange::Range16_235,
        range => range,
    };
    let complete = VideoColorimetry::new(range, matrix, given.transfer(), given.primaries());
    let mut caps = caps.to_owned();
    caps.make_mut().set("colorimetry", complete.to_string());
    gst_video::VideoInfo::from_caps(&caps).map_err(|_| unknown())
}

fn untagged_matrix(rows: u32) -> VideoColorMatrix {
    if rows > SD_ROWS {
        VideoColorMatrix::Bt709
    } else {
        VideoColorMatrix::Bt601
    }
}

/// Whether `vp9dec` (1.22) has copied the planes G, B, R as if they were R, G, B: it does so
/// where nobody asked for a description of the planes.
pub(super) fn is_rotated(buffer: &gst::BufferRef, format: VideoFormat) -> bool {
    let planar_rgb = matches!(
        format,
        VideoFormat::Gbr | VideoFormat::Gbr10le | VideoFormat::Gbr12le
    );
    planar_rgb && buffer.meta::<gst_video::VideoMeta>().is_none()
}

/// The picture of a frame of `pngdec` (1.22), if it is of 16-bit RGB: every value lies one
/// place too late, so that the opaque alpha stands where red should be.
pub(super) fn unshifted(frame: &ReadableFrame<'_>) -> Option<Picture> {
    if frame.format() != VideoFormat::Argb64 {
        return None;
    }
    let (width, height) = (frame.width(), frame.height());
    let stride = usize::try_from(frame.plane_stride()[0]).ok()?;
    let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
    for row in frame
        .plane_data(0)
        .ok()?
        .chunks(stride)
        .take(height as usize)
    {
        rgb.extend(unshifted_row(row.get(..width as usize * 8)?)?);
    }
    Some(Picture { width, height, rgb })
}

/// A row of such a picture as 8-bit RGB; `None` if something else than opaque alpha stands
/// in the place of red. The last blue lies beyond the row: it is that of its neighbour.
fn unshifted_row(row: &[u8]) -> Option<Vec<u8>> {
    let value = |i: usize| u16::from_ne_bytes([row[2 * i], row[2 * i + 1]]);
    let values = row.len() / 2;
    let opaque = (1..values).step_by(4).all(|i| value(i) == u16::MAX);
    let last = values.checked_sub(4)?;
    let blue = |pixel: usize| value(if pixel < last { pixel + 4 } else { pixel });
    let rgb = |pixel: usize| [value(pixel + 2), value(pixel + 3), blue(pixel)];
    let eight_bits = |v: u16| (v >> 8) as u8;
    opaque.then(|| {
        let pixels = (0..values).step_by(4);
        pixels.flat_map(rgb).map(eight_bits).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colorimetry(format: &str, height: i32, colorimetry: Option<&str>) -> VideoColorimetry {
        gst::init().expect("GStreamer starts");
        let mut caps = gst::Caps::builder("video/x-raw")
            .field("format", format)
            .field("width", 64)
            .field("height", height);
        if let Some(colorimetry) = colorimetry {
            caps = caps.field("colorimetry", colorimetry);
        }
        described(&caps.build()).expect("a format").colorimetry()
    }

    #[test]
    fn what_the_caps_do_not_say_is_filled_in_and_what_they_say_is_kept() {
        use VideoColorMatrix as M;
        use VideoColorRange as R;
        for (format, height, given, range, matrix) in [
            // Full range and no matrix: a camera's or screen recorder's file.
            ("I420", 480, Some("1:0:0:0"), R::Range0_255, M::Bt601),
            ("I420", 720, Some("1:0:0:0"), R::Range0_255, M::Bt709),
            ("I420_10LE", 480, Some("2:0:0:0"), R::Range16_235, M::Bt601),
            ("Y444", 480, Some("0:3:0:0"), R::Range16_235, M::Bt709),
            // The matrix of RGB on something that is not.
            ("Y444", 480, Some("1:1:0:0"), R::Range0_255, M::Bt601),
            ("GRAY8", 480, Some("1:0:0:0"), R::Range0_255, M::Bt601),
            ("GRAY8", 480, Some("2:0:0:0"), R::Range0_255, M::Bt601),
            ("GRAY16_LE", 480, Some("2:0:0:0"), R::Range16_235, M::Bt601),
            ("I420", 480, Some("1:3:5:1"), R::Range0_255, M::Bt709),
            ("I420", 1080, Some("bt601"), R::Range16_235, M::Bt601),
            ("RGB", 480, Some("0:1:0:0"), R::Unknown, M::Rgb),
            ("I420", 480, None, R::Range16_235, M::Bt601),
            ("I420", 720, None, R::Range16_235, M::Bt709),
        ] {
            let found = colorimetry(format, height, given);
            let case = format!("{format}, {height} rows, {given:?}");
            assert_eq!((found.range(), found.matrix()), (range, matrix), "{case}");
        }
    }

    #[test]
    fn shifted_16_bit_pixels_are_put_back() {
        let row =
            |values: &[u16]| -> Vec<u8> { values.iter().flat_map(|v| v.to_ne_bytes()).collect() };
        let shifted = row(&[0, 0xffff, 0x1000, 0x2000, 0x3000, 0xffff, 0x4000, 0x5000]);
        assert_eq!(
            unshifted_row(&shifted),
            Some(vec![0x10, 0x20, 0x30, 0x40, 0x50, 0x30])
        );
        let right = row(&[0xffff, 0x1000, 0x2000, 0x3000]);
        assert_eq!(unshifted_row(&right), None);
        assert_eq!(unshifted_row(&[]), None);
    }
}
