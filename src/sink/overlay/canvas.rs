//! Fits frames to the overlay video, whose size is constant.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use crate::draw::Area;
use crate::picture::Picture;

/// Larger frames are scaled down: encoding takes CPU time from the network.
const LARGEST: u32 = 1280;
/// Smaller frames are scaled up: encoders refuse tiny pictures, and the score would be
/// unreadable.
const SMALLEST: u32 = 320;

/// The size of the video, fixed by its first frame.
pub struct Canvas {
    pub width: u32,
    pub height: u32,
    resizer: Resizer,
}

impl Canvas {
    /// A canvas for a frame of this size.
    pub fn for_frame(width: u32, height: u32) -> Self {
        let long = width.max(height).max(1);
        let (w, h) = if long > LARGEST {
            let scaled = |v: u32| (u64::from(v) * u64::from(LARGEST) / u64::from(long)) as u32;
            (scaled(width), scaled(height))
        } else {
            let times = SMALLEST.div_ceil(long);
            (width * times, height * times)
        };
        // Even, because chroma is subsampled; a multiple of four, so that GStreamer's RGB
        // rows need no padding; at least 16, because encoders need that.
        Self {
            width: w.max(16).next_multiple_of(4),
            height: h.max(16).next_multiple_of(2),
            resizer: Resizer::new(),
        }
    }

    /// Scales the whole frame onto the canvas, with black bars if the aspect ratios differ;
    /// also returns its area. `None` if the picture's size and bytes do not match.
    pub fn place(&mut self, frame: Picture) -> Option<(Picture, Area)> {
        let (w, h) = (frame.width, frame.height);
        if w == 0 || h == 0 || frame.rgb.len() != w as usize * h as usize * 3 {
            return None;
        }
        if (w, h) == (self.width, self.height) {
            return Some((frame, Area::of(w, h)));
        }
        let scale =
            (f64::from(self.width) / f64::from(w)).min(f64::from(self.height) / f64::from(h));
        let fit = |v: u32, most: u32| ((f64::from(v) * scale).round() as u32).clamp(1, most);
        let (width, height) = (fit(w, self.width), fit(h, self.height));
        let (x, y) = ((self.width - width) / 2, (self.height - height) / 2);
        let scaled = self.scale(&frame, width, height)?;
        let area = Area {
            x: x as f32,
            y: y as f32,
            width: width as f32,
            height: height as f32,
        };
        if (width, height) == (self.width, self.height) {
            return Some((scaled, area));
        }
        let mut whole = Picture::filled(self.width, self.height, [0; 3]);
        let rows = scaled.rgb.chunks_exact(width as usize * 3);
        for (row, line) in (y..).zip(rows) {
            let start = (row * self.width + x) as usize * 3;
            whole.rgb[start..start + line.len()].copy_from_slice(line);
        }
        Some((whole, area))
    }

    fn scale(&mut self, frame: &Picture, width: u32, height: u32) -> Option<Picture> {
        if (width, height) == (frame.width, frame.height) {
            return Some(frame.clone());
        }
        let mut rgb = vec![0; width as usize * height as usize * 3];
        // Typed: the untyped `resize` would be instantiated here for every pixel type and
        // instruction set, which takes minutes to compile.
        let from = TypedImageRef::<U8x3>::from_buffer(frame.width, frame.height, &frame.rgb);
        let mut to = TypedImage::<U8x3>::from_buffer(width, height, &mut rgb).ok()?;
        let bilinear = ResizeAlg::Convolution(FilterType::Bilinear);
        let options = ResizeOptions::new().resize_alg(bilinear);
        let done = self.resizer.resize_typed(&from.ok()?, &mut to, &options);
        drop(to);
        done.ok()?;
        Some(Picture { width, height, rgb })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_suit_encoders() {
        let size = |w, h| {
            let canvas = Canvas::for_frame(w, h);
            (canvas.width, canvas.height)
        };
        assert_eq!(size(1280, 720), (1280, 720));
        assert_eq!(size(3840, 2160), (1280, 720));
        assert_eq!(size(1080, 1920), (720, 1280));
        assert_eq!(size(853, 481), (856, 482));
        assert_eq!(size(176, 144), (352, 288));
        assert_eq!(size(2, 2), (320, 320));
        assert_eq!(size(4096, 1), (1280, 16));
    }

    #[test]
    fn a_frame_of_another_size_lies_whole_between_bars() {
        let mut canvas = Canvas::for_frame(640, 360);
        let (picture, area) = canvas.place(Picture::filled(100, 100, [200; 3])).unwrap();
        assert_eq!((picture.width, picture.height), (640, 360));
        assert_eq!(
            (area.x, area.y, area.width, area.height),
            (140.0, 0.0, 360.0, 360.0)
        );
        let white = picture.rgb.chunks(3).filter(|p| *p == [200; 3]).count();
        assert_eq!(white, 360 * 360);
    }

    #[test]
    fn a_frame_that_fits_is_not_touched() {
        let frame = Picture {
            width: 320,
            height: 16,
            rgb: (0..320 * 16 * 3).map(|i| (i % 251) as u8).collect(),
        };
        let (picture, _) = Canvas::for_frame(320, 16).place(frame.clone()).unwrap();
        assert_eq!(picture, frame);
    }

    #[test]
    fn an_odd_size_is_padded_and_not_stretched() {
        let mut canvas = Canvas::for_frame(641, 361);
        let (picture, area) = canvas.place(Picture::filled(641, 361, [9; 3])).unwrap();
        assert_eq!((picture.width, picture.height), (644, 362));
        assert_eq!((area.width, area.height), (643.0, 362.0));
    }

    #[test]
    fn a_picture_that_lacks_bytes_is_refused() {
        let mut broken = Picture::filled(64, 64, [0; 3]);
        broken.rgb.pop();
        assert!(Canvas::for_frame(64, 64).place(broken).is_none());
    }
}
