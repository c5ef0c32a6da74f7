//! The network's image straight from the planes of a decoder.
//!
//! Belongs here: scaling each plane to the size that is looked at, and colours of what is
//! left. Does not: formats of decoders (`media`), scaling of whole pictures
//! ([`FrameScaler::scale`]).
//!
//! Scaling and the matrix of the colours are both linear, so their order does not matter but
//! for rounding and for what is cut off at black and white. The other way round each pixel
//! of the frame has to become RGB first: 60 times as many at 4K.

use std::borrow::Cow;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;

use super::frame::{FrameScaler, ScaledFrame};

/// A frame in 8 bits with brightness and two colours in planes of their own.
#[derive(Clone, Copy, Debug)]
pub struct Planes<'a> {
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// Y, Cb, Cr.
    pub bytes: [&'a [u8]; 3],
    /// Bytes from a row of a plane to the next.
    pub strides: [usize; 3],
    /// The colours have half of the columns; of the rows.
    pub halved: [bool; 2],
    /// A colour lies on the first of the two columns that it stands for, not between them; of
    /// the two rows.
    pub cosited: [bool; 2],
    /// Values are 0 to 255, not 16 to 235 or 240.
    pub full_range: bool,
    /// The share of red, and of blue, in brightness.
    pub shares: [f32; 2],
}

/// A plane without padding between its rows.
struct Whole<'a> {
    bytes: Cow<'a, [u8]>,
    width: u32,
    height: u32,
}

impl<'a> Planes<'a> {
    /// The width and height of a colour's plane.
    fn size(&self, plane: usize) -> [u32; 2] {
        let of = |side: u32, halved: bool| match halved && plane > 0 {
            true => side.div_ceil(2),
            false => side,
        };
        [
            of(self.width, self.halved[0]),
            of(self.height, self.halved[1]),
        ]
    }

    /// A plane; with `more`, it has the last column and row once more.
    fn whole(&self, plane: usize, more: bool) -> Option<Whole<'a>> {
        let [width, height] = self.size(plane);
        let (bytes, stride) = (self.bytes[plane], self.strides[plane]);
        if stride == width as usize && !more {
            let bytes = bytes.get(..stride.checked_mul(height as usize)?)?;
            return Some(Whole {
                bytes: Cow::Borrowed(bytes),
                width,
                height,
            });
        }
        let edge = u32::from(more);
        let (across, down) = (width + edge, height + edge);
        let mut whole = Vec::with_capacity(across as usize * down as usize);
        for y in 0..down {
            let y = y.min(height - 1) as usize;
            let row = bytes.get(y.checked_mul(stride)?..)?.get(..width as usize)?;
            whole.extend_from_slice(row);
            whole.extend(row.last().filter(|_| more));
        }
        Some(Whole {
            bytes: Cow::Owned(whole),
            width: across,
            height: down,
        })
    }

    /// Turns scaled planes into RGB.
    fn rgb(&self, [ys, cbs, crs]: &[Vec<u8>; 3]) -> Vec<u8> {
        let [red, blue] = self.shares;
        let green = 1.0 - red - blue;
        let (black, bright, colourful) = match self.full_range {
            true => (0.0, 1.0, 1.0),
            false => (16.0, 255.0 / 219.0, 255.0 / 224.0),
        };
        let to_red = 2.0 * (1.0 - red) * colourful;
        let to_blue = 2.0 * (1.0 - blue) * colourful;
        let (from_cb, from_cr) = (to_blue * blue / green, to_red * red / green);
        let mut rgb = vec![0; ys.len() * 3];
        let pixels = ys.iter().zip(cbs).zip(crs);
        for (pixel, ((y, cb), cr)) in rgb.as_chunks_mut().0.iter_mut().zip(pixels) {
            let y = (f32::from(*y) - black) * bright + 0.5;
            let (cb, cr) = (f32::from(*cb) - 128.0, f32::from(*cr) - 128.0);
            // Casts from floats end at 0 and 255.
            *pixel = [
                (y + to_red * cr) as u8,
                (y - from_cb * cb - from_cr * cr) as u8,
                (y + to_blue * cb) as u8,
            ];
        }
        rgb
    }
}

impl FrameScaler {
    /// The image that [`scale`](Self::scale) makes of the frame as an RGB picture, but for a
    /// rounding: `None` if the planes end early.
    pub fn scale_planes(&mut self, planes: &Planes<'_>) -> Option<ScaledFrame> {
        if planes.width == 0 || planes.height == 0 {
            return None;
        }
        let shape = self.shape(planes.width, planes.height);
        let mut scaled = [Vec::new(), Vec::new(), Vec::new()];
        for (plane, scaled) in scaled.iter_mut().enumerate() {
            let is_halved = |side: usize| plane > 0 && planes.halved[side];
            let is_shifted = |side: usize| is_halved(side) && planes.cosited[side];
            let whole = planes.whole(plane, is_shifted(0) || is_shifted(1))?;
            // Where the part that is looked at lies in the plane. The first colour of those
            // that lie on pixels is half a pixel nearer to the edge.
            let place = |side: usize, begin: f64, length: f64| {
                let per = if is_halved(side) { 2.0 } else { 1.0 };
                let shift = if is_shifted(side) { 0.25 } else { 0.0 };
                (begin / per + shift, length / per)
            };
            let [left, top, width, height] = shape.source;
            let ((left, width), (top, height)) = (place(0, left, width), place(1, top, height));
            let options = self.options().crop(left, top, width, height);
            *scaled = vec![0; shape.width as usize * shape.height as usize];
            let from = TypedImageRef::<U8>::from_buffer(whole.width, whole.height, &whole.bytes);
            let mut to = TypedImage::<U8>::from_buffer(shape.width, shape.height, scaled).ok()?;
            (self.resizer())
                .resize_typed(&from.ok()?, &mut to, &options)
                .ok()?;
        }
        Some(ScaledFrame {
            rgb: planes.rgb(&scaled),
            width: shape.width,
            height: shape.height,
            view: shape.view,
        })
    }
}

#[cfg(test)]
#[path = "planes_tests.rs"]
mod tests;
