//! The picture as the network sees it, and the geometry back from a heatmap's cell.

use std::borrow::Cow;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8x3, U16};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use serde::{Deserialize, Serialize};

use super::yuv::{YuvPicture, widened};
use crate::picture::Picture;
use crate::plane::Plane;

/// Length of the scaled short side (paper, section 2.2).
pub const SHORT_SIDE: u32 = 256;
/// The paper's crop, and the side of a squeezed picture: what networks are trained on.
const CROP_SIDE: u32 = 224;
/// Limit of the long side: a strip of 1 × 4000 pixels would become an image of a
/// million columns otherwise.
const MAX_SIDE: u32 = 1024;
/// The smallest side with a heatmap of 2 cells.
const MIN_SIDE: u32 = 32;

/// The part of the picture that the network sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Crop {
    /// The whole frame.
    #[default]
    Full,
    /// The whole frame, whatever its aspect, as 224 × 224: 0.43 of the pixels of a full one of
    /// 16:9, 0.57 of 4:3. Pictures of all aspects have one size, and share a forward pass.
    Squeeze,
    /// The middle 224 × 224 of the frame scaled to 256, as the paper tests.
    Center,
}

impl Crop {
    /// The name in results and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Squeeze => "squeeze",
            Self::Center => "center",
        }
    }
}

/// The part of the picture that the network's image shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Viewport {
    /// Left edge in the picture, 0 to 1 from its left.
    pub left: f32,
    /// Top edge in the picture, 0 to 1 from its top.
    pub top: f32,
    /// Width as a fraction of the picture's.
    pub width: f32,
    /// Height as a fraction of the picture's.
    pub height: f32,
    /// Width and height of the network's image in pixels.
    pub pixels: [u32; 2],
}

impl Viewport {
    /// The whole picture, scaled to an image of this size.
    pub fn whole(width: u32, height: u32) -> Self {
        Self {
            left: 0.0,
            top: 0.0,
            width: 1.0,
            height: 1.0,
            pixels: [width, height],
        }
    }

    /// The part of the picture under a heatmap of `rows × cols` cells:
    /// left, top, right, bottom, 0 to 1 from the picture's top left.
    ///
    /// A cell is 16 pixels of the image (8 with `conv1_stride: 1`). Pooling drops the
    /// remainder at the right and the bottom: a map over 455 columns has 28 cells and
    /// covers 448 columns.
    pub fn under_map(&self, rows: u32, cols: u32) -> [f32; 4] {
        let right = self.left + self.width * covered(self.pixels[0], cols);
        let bottom = self.top + self.height * covered(self.pixels[1], rows);
        [self.left, self.top, right, bottom]
    }

    /// The middle of a cell of a heatmap of `rows × cols` cells, as x and y in the
    /// picture, 0 to 1 from its top left.
    pub fn image_from_cell(&self, row: u32, col: u32, rows: u32, cols: u32) -> [f32; 2] {
        let [left, top, right, bottom] = self.under_map(rows, cols);
        let x = left + (right - left) * (col as f32 + 0.5) / cols.max(1) as f32;
        let y = top + (bottom - top) * (row as f32 + 0.5) / rows.max(1) as f32;
        [x, y]
    }
}

/// The fraction of `pixels` under `cells`. The cells' size, 8 or 16, follows from the
/// pixels per cell: at most 15 pixels remain and there are at least 2 cells, so it is at
/// most 11.5 for cells of 8 and at least 15.5 for cells of 16.
fn covered(pixels: u32, cells: u32) -> f32 {
    let pixels = pixels.max(1);
    let cell = if pixels < 13 * cells { 8 } else { 16 };
    ((cell * cells) as f32 / pixels as f32).min(1.0)
}

/// A picture scaled and cropped for the network.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaledFrame {
    /// `height × width × 3` bytes, rows from the top.
    pub rgb: Vec<u8>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The part of the picture that it shows.
    pub view: Viewport,
}

impl ScaledFrame {
    /// The middle `side × side` of an uncropped picture; a shorter side is kept whole.
    pub fn middle(&self, side: u32) -> Self {
        let (width, height) = (self.width, self.height);
        let (w, h) = (width.min(side), height.min(side));
        let (x, y) = ((width - w) / 2, (height - h) / 2);
        let rows = self.rgb.chunks_exact(width as usize * 3);
        let cut = rows
            .skip(y as usize)
            .take(h as usize)
            .flat_map(|row| &row[x as usize * 3..(x + w) as usize * 3]);
        let fraction = |part: u32, of: u32| part as f32 / of as f32;
        Self {
            rgb: cut.copied().collect(),
            width: w,
            height: h,
            view: Viewport {
                left: fraction(x, width),
                top: fraction(y, height),
                width: fraction(w, width),
                height: fraction(h, height),
                pixels: [w, h],
            },
        }
    }
}

/// What is looked at of a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Width of the upright picture with square pixels.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// What the network sees of it.
    pub image: ScaledFrame,
}

/// Scales pictures, bilinear, antialiased: the short side to 256, and of that the whole or the
/// middle 224 × 224; or the whole to 224 × 224.
pub struct FrameScaler {
    crop: Crop,
    resizer: Resizer,
    options: ResizeOptions,
}

impl FrameScaler {
    /// A scaler that crops as `crop` says.
    pub fn new(crop: Crop) -> Self {
        Self {
            crop,
            resizer: Resizer::new(),
            // "Convolution" widens the filter with the scale, which antialiases. Plain
            // interpolation would let fine patterns flicker.
            options: ResizeOptions::new()
                .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
                .use_alpha(false),
        }
    }

    /// The picture as the network sees it.
    ///
    /// Any size from 1 × 1 works. Unless all are squeezed, the long side becomes at most 1024 and
    /// each side at least 32, which changes the aspect of very long pictures.
    pub fn scale(&mut self, picture: &Picture) -> ScaledFrame {
        let (width, height) = self.size(picture.width, picture.height);
        let source = whole_rows(picture);
        let from = (picture.width.max(1), picture.height.max(1));
        let rgb = match from == (width, height) {
            true => source.into_owned(),
            false => {
                let mut rgb = vec![0; width as usize * height as usize * 3];
                let pixels = TypedImageRef::<U8x3>::from_buffer(from.0, from.1, &source)
                    .expect("the buffer has every pixel");
                let mut to = TypedImage::from_buffer(width, height, &mut rgb)
                    .expect("the buffer was made for this size");
                self.resize(&pixels, &mut to, self.options);
                drop(to);
                rgb
            }
        };
        self.cropped(rgb, width, height)
    }

    /// As [`scale`](Self::scale) of the picture in RGB, to the rounding of its planes; `None` if
    /// a plane ends early.
    pub fn scale_yuv(&mut self, picture: &YuvPicture<'_>) -> Option<ScaledFrame> {
        let luma = picture.luma;
        let side = |length: usize| u32::try_from(length).ok();
        let (from_width, from_height) = (side(luma.row_bytes)?, side(luma.rows)?);
        let (width, height) = self.size(from_width, from_height);
        let mut scaled = |plane: &Plane<'_>, [across, down]: [u32; 2]| {
            let (columns, rows) = (side(plane.row_bytes)?, side(plane.rows)?);
            if columns < from_width.div_ceil(across) || rows < from_height.div_ceil(down) {
                return None;
            }
            // A column of chroma that lies on one of luma is half of one of luma left of the
            // middle of its part of the picture.
            let is_shifted = picture.is_cosited && across > 1;
            let shift = if is_shifted {
                0.5 - 0.5 / f64::from(across)
            } else {
                0.0
            };
            let pixels = widened(plane, usize::from(is_shifted))?;
            let pixels =
                TypedImageRef::new(columns + u32::from(is_shifted), rows, &pixels[..]).ok()?;
            let part = |of: u32, by: u32| f64::from(of) / f64::from(by);
            let (across, down) = (part(from_width, across), part(from_height, down));
            let mut to = TypedImage::<U16>::new(width, height);
            self.resize(
                &pixels,
                &mut to,
                self.options.crop(shift, 0.0, across, down),
            );
            Some(to)
        };
        let [blue, red] = &picture.chroma;
        let y = scaled(&luma, [1, 1])?;
        let cb = scaled(blue, picture.subsampling)?;
        let cr = scaled(red, picture.subsampling)?;
        let rgb = picture.colours.rgb(y.pixels(), [cb.pixels(), cr.pixels()]);
        Some(self.cropped(rgb, width, height))
    }

    /// Width and height that a picture of this size is scaled to, before it is cropped.
    fn size(&self, width: u32, height: u32) -> (u32, u32) {
        match self.crop {
            Crop::Full | Crop::Center => scaled_size(width, height),
            // Not letterboxed: the network would compute the borders, too, and told no more on
            // real clips (benches/RESULTS.md).
            Crop::Squeeze => (CROP_SIDE, CROP_SIDE),
        }
    }

    fn cropped(&self, rgb: Vec<u8>, width: u32, height: u32) -> ScaledFrame {
        let whole = ScaledFrame {
            rgb,
            width,
            height,
            view: Viewport::whole(width, height),
        };
        match self.crop {
            Crop::Full | Crop::Squeeze => whole,
            Crop::Center => whole.middle(CROP_SIDE),
        }
    }

    /// Scales an image. The untyped `resize` would compile code for every pixel type and
    /// processor into this crate, which takes a minute.
    fn resize<P: PixelTrait>(
        &mut self,
        from: &TypedImageRef<'_, P>,
        to: &mut TypedImage<'_, P>,
        options: ResizeOptions,
    ) {
        self.resizer
            .resize_typed(from, to, &options)
            .expect("the part lies in the image");
    }
}

/// The picture's pixels; those that its buffer lacks are black.
fn whole_rows(picture: &Picture) -> Cow<'_, [u8]> {
    let len = picture.width.max(1) as usize * picture.height.max(1) as usize * 3;
    match picture.rgb.get(..len) {
        Some(pixels) => Cow::Borrowed(pixels),
        None => {
            let mut pixels = picture.rgb.clone();
            pixels.resize(len, 0);
            Cow::Owned(pixels)
        }
    }
}

fn scaled_size(width: u32, height: u32) -> (u32, u32) {
    let (w, h) = (f64::from(width.max(1)), f64::from(height.max(1)));
    let scale = (f64::from(SHORT_SIDE) / w.min(h)).min(f64::from(MAX_SIDE) / w.max(h));
    let side = |v: f64| ((v * scale).round() as u32).clamp(MIN_SIDE, MAX_SIDE);
    (side(w), side(h))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_side_becomes_256_whatever_the_aspect() {
        assert_eq!(scaled_size(1280, 720), (455, 256));
        assert_eq!(scaled_size(720, 1280), (256, 455));
        assert_eq!(scaled_size(224, 224), (256, 256));
        assert_eq!(scaled_size(3840, 2160), (455, 256));
    }

    #[test]
    fn odd_sizes_stay_within_the_limits_of_the_network() {
        assert_eq!(scaled_size(2, 2), (256, 256));
        assert_eq!(scaled_size(1, 4000), (32, 1024));
        assert_eq!(scaled_size(4000, 1), (1024, 32));
        assert_eq!(scaled_size(0, 0), (256, 256));
        for crop in [Crop::Full, Crop::Squeeze, Crop::Center] {
            for (w, h) in [(1, 1), (2, 2), (1, 4000), (33, 7)] {
                let frame = FrameScaler::new(crop).scale(&Picture::filled(w, h, [9, 8, 7]));
                assert_eq!(frame.rgb.len(), (frame.width * frame.height * 3) as usize);
                assert!(frame.rgb.chunks(3).all(|p| p == [9, 8, 7]));
                assert!(frame.width >= 32 && frame.height >= 32);
            }
        }
    }

    #[test]
    fn a_fine_checkerboard_becomes_grey_instead_of_moire() {
        let (w, h) = (1024, 1024);
        let rgb = (0..w * h)
            .flat_map(|i| [if (i / w + i % w) % 2 == 0 { 255 } else { 0 }; 3])
            .collect();
        let picture = Picture {
            width: w,
            height: h,
            rgb,
        };
        let frame = FrameScaler::new(Crop::Full).scale(&picture);
        assert!(frame.rgb.iter().all(|&v| (126..=129).contains(&v)));
    }

    #[test]
    fn a_picture_of_the_right_size_is_unchanged() {
        let rgb: Vec<u8> = (0..256 * 300 * 3).map(|i| (i * 7 % 251) as u8).collect();
        let picture = Picture {
            width: 300,
            height: 256,
            rgb: rgb.clone(),
        };
        assert_eq!(FrameScaler::new(Crop::Full).scale(&picture).rgb, rgb);
    }

    #[test]
    fn a_squeezed_picture_shows_the_whole_frame_in_one_size() {
        // Four quarters of different colours, in each orientation.
        for (w, h) in [(1280, 720), (720, 1280), (640, 480), (224, 224), (31, 900)] {
            let quarter = |x: u32, y: u32| 60 * (u32::from(2 * x >= w) + 2 * u32::from(2 * y >= h));
            let rgb = (0..h)
                .flat_map(|y| (0..w).flat_map(move |x| [quarter(x, y) as u8; 3]))
                .collect();
            let frame = FrameScaler::new(Crop::Squeeze).scale(&Picture {
                width: w,
                height: h,
                rgb,
            });
            assert_eq!((frame.width, frame.height), (224, 224), "{w} × {h}");
            assert_eq!(frame.view, Viewport::whole(224, 224));
            // Its map covers all of the frame, and each cell lies over its part of it.
            assert_eq!(frame.view.under_map(14, 14), [0.0, 0.0, 1.0, 1.0]);
            assert_eq!(frame.view.under_map(28, 28), [0.0, 0.0, 1.0, 1.0]);
            for (row, col) in [(3, 3), (3, 10), (10, 3), (10, 10)] {
                let [x, y] = frame.view.image_from_cell(row, col, 14, 14);
                let seen = frame.rgb[((row * 16 + 8) * 224 + col * 16 + 8) as usize * 3];
                let there = quarter((x * w as f32) as u32, (y * h as f32) as u32);
                assert_eq!(u32::from(seen), there, "{w} × {h}, cell {row}, {col}");
            }
        }
    }

    #[test]
    fn the_center_crop_shows_the_middle() {
        let rgb: Vec<u8> = (0..256_u32 * 256)
            .flat_map(|i| [(i % 256) as u8, (i / 256) as u8, 0])
            .collect();
        let frame = FrameScaler::new(Crop::Center).scale(&Picture {
            width: 256,
            height: 256,
            rgb,
        });
        assert_eq!((frame.width, frame.height), (224, 224));
        assert_eq!(frame.rgb[..3], [16, 16, 0]);
        assert_eq!(frame.rgb[frame.rgb.len() - 3..], [239, 239, 0]);
        let middle = frame.view.image_from_cell(7, 7, 14, 14);
        assert!((middle[0] - (16.0 + 120.0) / 256.0).abs() < 1e-6);
    }

    #[test]
    fn a_buffer_that_is_too_short_is_filled_with_black() {
        let picture = Picture {
            width: 64,
            height: 64,
            rgb: vec![255; 64 * 32 * 3],
        };
        let frame = FrameScaler::new(Crop::Full).scale(&picture);
        assert_eq!(frame.rgb[0], 255);
        assert_eq!(frame.rgb.last(), Some(&0));
    }

    #[test]
    fn cells_lie_where_the_network_looked() {
        // 455 columns have 28 cells of 16: the last 7 columns are under none.
        let view = Viewport::whole(455, 256);
        let [x, y] = view.image_from_cell(15, 27, 16, 28);
        assert!((x - (27.5 * 16.0) / 455.0).abs() < 1e-6);
        assert!((y - 15.5 / 16.0).abs() < 1e-6);
        // conv1_stride 1: cells of 8, and the same places.
        let [fine, _] = view.image_from_cell(31, 55, 32, 56);
        assert!((fine - (55.5 * 8.0) / 455.0).abs() < 1e-6);
        // The smallest image has two cells, or four.
        let smallest = Viewport::whole(32, 46);
        assert_eq!(smallest.under_map(2, 2), [0.0, 0.0, 1.0, 32.0 / 46.0]);
        assert_eq!(smallest.under_map(5, 4), [0.0, 0.0, 1.0, 40.0 / 46.0]);
    }
}
