//! Pictures as most decoders give them: a plane of luma and two of chroma.
//!
//! What the network sees of one is scaled plane by plane, and only the few pixels that are
//! left become RGB. Conversion is linear, so that the result is the same but for rounding, and
//! for colours that do not exist. Planes have 16 bits in between: rounded to 8, all three
//! colours would have the same error, which is seen in the correspondence (by 0.005 in the mean
//! instead of 0.001).

use fast_image_resize::pixels::U16;

use crate::plane::Plane;

/// An upright picture with square pixels: Y′CbCr, 8 bits.
pub struct YuvPicture<'a> {
    /// Luma: its size is that of the picture.
    pub luma: Plane<'a>,
    /// Blue and red chroma.
    pub chroma: [Plane<'a>; 2],
    /// Columns and rows of luma for one of chroma.
    pub subsampling: [u32; 2],
    /// Each column of chroma lies on one of luma (MPEG-2), not between two (JPEG).
    pub is_cosited: bool,
    /// What the numbers mean.
    pub colours: Colours,
}

/// The matrix and range of Y′CbCr.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Colours {
    /// The weight of red in luma: 0.2126 in BT.709.
    pub red: f64,
    /// The weight of blue in luma: 0.0722 in BT.709.
    pub blue: f64,
    /// Black is 16 and white 235, not 0 and 255.
    pub is_limited: bool,
}

/// A step of 8 bits in 16.
const STEP: u16 = 256;

/// The rows of a plane without what lies between them, and `more` columns like the last at their
/// ends, in 16 bits; `None` if it ends early.
pub(super) fn widened(plane: &Plane<'_>, more: usize) -> Option<Vec<U16>> {
    let wide = |byte: &u8| U16::new(u16::from(*byte) * STEP);
    let len = (plane.row_bytes + more) * plane.rows;
    let mut rows = Vec::with_capacity(len);
    for line in plane.lines() {
        rows.extend(line.iter().map(wide));
        rows.extend(std::iter::repeat_n(wide(line.last()?), more));
    }
    (rows.len() == len).then_some(rows)
}

impl Colours {
    /// RGB of pixels whose luma and chroma are given one for each, rounded.
    pub(super) fn rgb(self, luma: &[U16], [blue, red]: [&[U16]; 2]) -> Vec<u8> {
        let (black, luma_scale, chroma_scale) = match self.is_limited {
            true => (16.0, 255.0 / 219.0, 255.0 / 112.0),
            false => (0.0, 1.0, 2.0),
        };
        let green = 1.0 - self.red - self.blue;
        let (of_red, of_blue) = (
            chroma_scale * (1.0 - self.red),
            chroma_scale * (1.0 - self.blue),
        );
        let factor = |v: f64| (v / f64::from(STEP)) as f32;
        let of_luma = factor(luma_scale);
        // Half a step more, because what follows is cut off.
        let offset = (0.5 - black * luma_scale) as f32;
        let [red_of_red, green_of_red] = [of_red, -of_red * self.red / green].map(factor);
        let [blue_of_blue, green_of_blue] = [of_blue, -of_blue * self.blue / green].map(factor);
        let middle = f32::from(128 * STEP);
        let mut rgb = vec![0; luma.len() * 3];
        let pixels = rgb.chunks_exact_mut(3).zip(luma).zip(blue.iter().zip(red));
        for ((pixel, y), (cb, cr)) in pixels {
            let y = f32::from(y.0) * of_luma + offset;
            let (cb, cr) = (f32::from(cb.0) - middle, f32::from(cr.0) - middle);
            // Casts saturate.
            pixel[0] = (y + red_of_red * cr) as u8;
            pixel[1] = (y + green_of_red * cr + green_of_blue * cb) as u8;
            pixel[2] = (y + blue_of_blue * cb) as u8;
        }
        rgb
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Crop, FrameScaler};
    use super::*;
    use crate::picture::Picture;

    const BT709: Colours = Colours {
        red: 0.2126,
        blue: 0.0722,
        is_limited: true,
    };

    /// By the definition (ITU-R BT.709, 3.2 and 4), in floating point.
    fn defined(colours: Colours, y: f64, cb: f64, cr: f64) -> [f64; 3] {
        let (y, cb, cr) = match colours.is_limited {
            true => (
                (y - 16.0) / 219.0,
                (cb - 128.0) / 224.0,
                (cr - 128.0) / 224.0,
            ),
            false => (y / 255.0, (cb - 128.0) / 255.0, (cr - 128.0) / 255.0),
        };
        let red = y + 2.0 * (1.0 - colours.red) * cr;
        let blue = y + 2.0 * (1.0 - colours.blue) * cb;
        let green =
            (y - colours.red * red - colours.blue * blue) / (1.0 - colours.red - colours.blue);
        [red, green, blue].map(|v| (v * 255.0).clamp(0.0, 255.0))
    }

    #[test]
    fn every_colour_is_the_defined_one_rounded() {
        for is_limited in [true, false] {
            for (red, blue) in [(0.2126, 0.0722), (0.299, 0.114), (0.2627, 0.0593)] {
                let colours = Colours {
                    red,
                    blue,
                    is_limited,
                };
                let widened = |v: u16| U16::new(v * STEP);
                let luma: Vec<U16> = (0..=255).map(widened).collect();
                for cb in (0..=255).step_by(5) {
                    for cr in [255 - cb, cb, 77] {
                        let chroma = [cb, cr].map(|v| vec![widened(v); 256]);
                        let rgb = colours.rgb(&luma, [&chroma[0], &chroma[1]]);
                        for (pixel, y) in rgb.chunks(3).zip(0_u8..=255) {
                            let exact = defined(colours, y.into(), cb.into(), cr.into());
                            for (value, exact) in pixel.iter().zip(exact) {
                                let off = (f64::from(*value) - exact).abs();
                                assert!(off < 0.501, "{colours:?} {y} {cb} {cr}: {pixel:?}");
                            }
                        }
                    }
                }
            }
        }
    }

    /// A smooth scene of colours that all exist, at a place in pixels.
    fn scene(x: f64, y: f64) -> [f64; 3] {
        let wave = |f: f64, phase: f64| (x * f + y * f * 0.7 + phase).sin();
        [
            126.0 + 30.0 * wave(0.05, 0.0) + 20.0 * wave(0.31, 1.0),
            128.0 + 20.0 * wave(0.04, 2.0),
            128.0 + 20.0 * wave(0.06, 4.0),
        ]
    }

    fn sampled(
        [w, h]: [u32; 2],
        stride: usize,
        value: impl Fn(f64, f64) -> f64,
    ) -> (Vec<u8>, [u32; 2], usize) {
        let mut bytes = vec![255; stride * h as usize];
        for y in 0..h {
            for x in 0..w {
                bytes[y as usize * stride + x as usize] =
                    value(f64::from(x), f64::from(y)).round() as u8;
            }
        }
        (bytes, [w, h], stride)
    }

    fn plane((bytes, [width, height], stride): &(Vec<u8>, [u32; 2], usize)) -> Plane<'_> {
        Plane {
            bytes,
            stride: *stride,
            row_bytes: *width as usize,
            rows: *height as usize,
        }
    }

    #[test]
    fn what_is_seen_is_what_is_seen_of_the_picture_in_rgb() {
        let sizes = [
            (1280, 720),
            (640, 360),
            (320, 240),
            (321, 181),
            (455, 256),
            (97, 300),
        ];
        for (width, height) in sizes {
            let exact = (0..height).flat_map(|y| {
                (0..width).flat_map(move |x| {
                    let [y, cb, cr] = scene(f64::from(x), f64::from(y));
                    defined(BT709, y, cb, cr).map(|v| v.round() as u8)
                })
            });
            let picture = Picture {
                width,
                height,
                rgb: exact.collect(),
            };
            for (subsampling, is_cosited) in [
                ([2, 2], true),
                ([2, 2], false),
                ([2, 1], true),
                ([1, 1], true),
                ([4, 1], true),
            ] {
                let [sx, sy] = subsampling;
                let luma = sampled([width, height], width as usize + 19, |x, y| scene(x, y)[0]);
                let place = |k: f64, s: u32, on: bool| match on {
                    true => k * f64::from(s),
                    false => (k + 0.5) * f64::from(s) - 0.5,
                };
                let size = [width.div_ceil(sx), height.div_ceil(sy)];
                let chroma = [1, 2].map(|i| {
                    sampled(size, size[0] as usize + 7, |x, y| {
                        scene(place(x, sx, is_cosited), place(y, sy, false))[i]
                    })
                });
                let yuv = YuvPicture {
                    luma: plane(&luma),
                    chroma: [plane(&chroma[0]), plane(&chroma[1])],
                    subsampling,
                    is_cosited,
                    colours: BT709,
                };
                for crop in [Crop::Full, Crop::Squeeze, Crop::Center] {
                    let mut scaler = FrameScaler::new(crop);
                    let (ours, whole) = (scaler.scale_yuv(&yuv), scaler.scale(&picture));
                    let ours = ours.expect("all of it is there");
                    assert_eq!(
                        (ours.width, ours.height, ours.view),
                        (whole.width, whole.height, whole.view)
                    );
                    let off: Vec<u8> = (ours.rgb.iter().zip(&whole.rgb))
                        .map(|(a, b)| a.abs_diff(*b))
                        .collect();
                    // At the edges chroma has no neighbours to lie between.
                    let (w, h) = (ours.width as usize, ours.height as usize);
                    let is_inside = |i: usize| {
                        let (x, y) = (i / 3 % w, i / 3 / w);
                        (8..w - 8).contains(&x) && (8..h - 8).contains(&y)
                    };
                    let inside = (0..off.len()).filter(|i| is_inside(*i)).map(|i| off[i]);
                    let most = (inside.max(), off.iter().copied().max());
                    let mean = off.iter().map(|v| f64::from(*v)).sum::<f64>() / off.len() as f64;
                    let what = format!("{w} × {h}, {subsampling:?}, {is_cosited}, {crop:?}");
                    let is_near = most.0 <= Some(3) && most.1 <= Some(8) && mean < 0.5;
                    assert!(is_near, "{width} × {height} as {what}: {most:?}, {mean:.2}");
                }
            }
        }
    }

    #[test]
    fn planes_that_end_early_are_none() {
        let bytes = [128; 32 * 32];
        let plane = |height| Plane {
            bytes: &bytes[..],
            stride: 32,
            row_bytes: 32,
            rows: height,
        };
        let picture = |luma, chroma| YuvPicture {
            luma: plane(luma),
            chroma: [plane(32), plane(chroma)],
            subsampling: [1, 1],
            is_cosited: false,
            colours: BT709,
        };
        let mut scaler = FrameScaler::new(Crop::Full);
        assert!(scaler.scale_yuv(&picture(32, 32)).is_some());
        assert!(scaler.scale_yuv(&picture(33, 32)).is_none());
        assert!(scaler.scale_yuv(&picture(32, 33)).is_none());
    }
}
