//! Pictures as things: cut-outs with transparent ground, and photographs pasted
//! as they are.

use std::f32::consts::TAU;
use std::sync::Arc;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x4;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbaImage;
use rand::RngExt;
use tiny_skia::{FilterQuality, IntSize, Pixmap, PixmapPaint, Transform};

use super::bend::{Bend, crop};
use crate::corpus::Rng;
use crate::picture::Picture;

/// A picture with a transparent ground, cropped to what can be seen.
#[derive(Debug)]
pub struct Cutout(Pixmap);

impl Cutout {
    /// `None` if nothing of the picture can be seen, or all of it: then it is no
    /// cut-out.
    pub fn from_rgba(image: &RgbaImage) -> Option<Self> {
        let holes = image.pixels().any(|pixel| pixel[3] < 128);
        if !holes {
            return None;
        }
        let over = |c: u8, a: u8| ((u32::from(c) * u32::from(a) + 127) / 255) as u8;
        let pixels = image.pixels().map(|pixel| pixel.0);
        let bytes = pixels.flat_map(|[r, g, b, a]| [over(r, a), over(g, a), over(b, a), a]);
        let size = IntSize::from_wh(image.width(), image.height())?;
        crop(&Pixmap::from_vec(bytes.collect(), size)?).map(Self)
    }
}

/// A picture ready to be pasted, in its own colours and sharpness.
#[derive(Clone, Debug)]
pub struct Pasted {
    /// With a transparent border of one pixel, for smooth edges.
    pixels: Arc<Pixmap>,
    extent: [f32; 2],
}

impl Pasted {
    /// A cut-out with other colours, squeezed, bent and sometimes blurred. Its
    /// longer side is about to be `wanted` pixels long.
    pub fn cutout(cutout: &Cutout, wanted: f32, rng: &mut Rng) -> Option<Self> {
        let squeeze = rng.random_range(0.75..1.33_f32);
        let size = sharpness(wanted, rng);
        let (w, h) = (cutout.0.width(), cutout.0.height());
        let small = Self::scale(cutout.0.data(), w, h, squeeze, size)?;
        let bent = match rng.random_bool(0.7) {
            true => Bend::draw(rng).apply(&small)?,
            false => small,
        };
        let mut pasted = Self::bordered(&bent)?;
        let pixels = Arc::make_mut(&mut pasted.pixels);
        Recolour::draw(rng, true).apply(pixels.data_mut());
        Some(pasted)
    }

    /// A part of a photograph as a card with round or soft edges.
    pub fn photo(photo: &Picture, wanted: f32, rng: &mut Rng) -> Option<Self> {
        let part = Part::draw(photo, 0.75..1.0, rng);
        let size = sharpness(wanted, rng);
        let bytes = part.rgba(photo);
        let small = Self::scale(&bytes, part.width, part.height, 1.0, size)?;
        let mut pasted = Self::bordered(&small)?;
        let pixels = Arc::make_mut(&mut pasted.pixels);
        Recolour::draw(rng, false).apply(pixels.data_mut());
        let corner = rng.random_range(0.0..0.5_f32);
        let soft = if rng.random_bool(0.5) {
            rng.random_range(0.02..0.2)
        } else {
            0.0
        };
        fade_edges(pixels, corner, soft);
        Some(pasted)
    }

    fn scale(bytes: &[u8], width: u32, height: u32, squeeze: f32, size: f32) -> Option<Pixmap> {
        let (w, h) = (width as f32 * squeeze, height as f32);
        let to = |side: f32| ((size * side / w.max(h)).round() as u32).max(4);
        let (to_w, to_h) = (to(w), to(h));
        let small = resize(bytes, width, height, to_w, to_h)?;
        Pixmap::from_vec(small, IntSize::from_wh(to_w, to_h)?)
    }

    fn bordered(inner: &Pixmap) -> Option<Self> {
        let (w, h) = (inner.width(), inner.height());
        let mut pixels = Pixmap::new(w + 2, h + 2)?;
        let (row, wide) = (w as usize * 4, (w as usize + 2) * 4);
        for (y, from) in inner.data().chunks_exact(row).enumerate() {
            let start = (y + 1) * wide + 4;
            pixels.data_mut()[start..start + row].copy_from_slice(from);
        }
        let longer = w.max(h) as f32;
        Some(Self {
            pixels: Arc::new(pixels),
            extent: [w as f32 / longer, h as f32 / longer],
        })
    }

    /// Half its width and height; the larger is 1.
    pub fn extent(&self) -> [f32; 2] {
        self.extent
    }

    /// Paints it into the box from -1 to 1.
    pub fn paint(&self, layer: &mut Pixmap, to_layer: Transform) {
        let [ex, ey] = self.extent;
        let (w, h) = (self.pixels.width() as f32, self.pixels.height() as f32);
        let (sx, sy) = (2.0 * ex / (w - 2.0), 2.0 * ey / (h - 2.0));
        let transform = to_layer.pre_translate(-ex - sx, -ey - sy).pre_scale(sx, sy);
        let paint = PixmapPaint {
            quality: FilterQuality::Bilinear,
            ..PixmapPaint::default()
        };
        layer.draw_pixmap(0, 0, self.pixels.as_ref().as_ref(), &paint, transform, None);
    }
}

/// Now and then fewer pixels than wanted: a blurred picture.
fn sharpness(wanted: f32, rng: &mut Rng) -> f32 {
    let share = if rng.random_bool(0.3) {
        rng.random_range(0.4..1.0)
    } else {
        1.0
    };
    (wanted * share).clamp(8.0, 1_024.0)
}

/// A rectangle of a photograph.
pub struct Part {
    left: u32,
    top: u32,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}

impl Part {
    /// A part that is `share` of each side.
    pub fn draw(photo: &Picture, share: std::ops::Range<f32>, rng: &mut Rng) -> Self {
        let mut side = |length: u32| {
            let part = (length as f32 * rng.random_range(share.clone())).round();
            let part = (part as u32).clamp(1, length);
            (rng.random_range(0..=length - part), part)
        };
        let ((left, width), (top, height)) = (side(photo.width), side(photo.height));
        Self {
            left,
            top,
            width,
            height,
        }
    }

    /// The largest part of this shape, a little smaller at times.
    pub fn shaped(photo: &Picture, aspect: f32, zoom: f32, place: [f32; 2]) -> Self {
        let (w, h) = (photo.width as f32, photo.height as f32);
        let width = w.min(h * aspect) * zoom;
        let width = (width.round() as u32).clamp(1, photo.width);
        let height = ((width as f32 / aspect).round() as u32).clamp(1, photo.height);
        let at = |space: u32, place: f32| (space as f32 * place).round() as u32;
        Self {
            left: at(photo.width - width, place[0]),
            top: at(photo.height - height, place[1]),
            width,
            height,
        }
    }

    /// Its pixels.
    pub fn rgba(&self, photo: &Picture) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.width as usize * self.height as usize * 4);
        for y in self.top..self.top + self.height {
            let start = (y as usize * photo.width as usize + self.left as usize) * 3;
            let row = &photo.rgb[start..start + self.width as usize * 3];
            for pixel in row.chunks_exact(3) {
                bytes.extend([pixel[0], pixel[1], pixel[2], 255]);
            }
        }
        bytes
    }
}

/// Scales premultiplied pixels.
pub fn resize(bytes: &[u8], width: u32, height: u32, to_w: u32, to_h: u32) -> Option<Vec<u8>> {
    let from = TypedImageRef::<U8x4>::from_buffer(width, height, bytes).ok()?;
    let mut out = vec![0; to_w as usize * to_h as usize * 4];
    let mut to = TypedImage::<U8x4>::from_buffer(to_w, to_h, &mut out).ok()?;
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .use_alpha(false);
    Resizer::new().resize_typed(&from, &mut to, &options).ok()?;
    Some(out)
}

/// Other hues, more or less colour, brighter or darker.
pub struct Recolour {
    matrix: [[f32; 3]; 3],
    add: [f32; 3],
}

impl Recolour {
    /// Strong changes for drawn pictures, slight ones for photographs.
    pub fn draw(rng: &mut Rng, strong: bool) -> Self {
        let (hue, saturation, gain, add) = if strong {
            (0.5, 0.0..1.6, 0.6..1.4, 0.35)
        } else {
            (0.04, 0.5..1.4, 0.7..1.3, 0.06)
        };
        let hue = if rng.random_bool(0.6) {
            rng.random_range(-hue..hue) * TAU
        } else {
            0.0
        };
        let mut saturation: f32 = rng.random_range(saturation);
        if rng.random_bool(0.12) {
            saturation = 0.0;
        }
        let gain: f32 = rng.random_range(gain);
        // A rotation about the grey axis, by `hue`, stretched by `saturation`.
        let (sin, cos) = hue.sin_cos();
        let third: f32 = 1.0 / 3.0;
        let root = third.sqrt();
        let mut matrix = [[0.0; 3]; 3];
        for (i, row) in matrix.iter_mut().enumerate() {
            for (j, cell) in row.iter_mut().enumerate() {
                let same = if i == j { 1.0 } else { 0.0 };
                let around = if i == j {
                    0.0
                } else if (i + 1) % 3 == j {
                    -root
                } else {
                    root
                };
                let colour = cos * (same - third) + sin * around;
                *cell = gain * (third + saturation * colour);
            }
        }
        let add = if rng.random_bool(0.4) {
            std::array::from_fn(|_| rng.random_range(-add..add))
        } else {
            [0.0; 3]
        };
        let recolour = Self { matrix, add };
        // The same thing is drawn light on dark and dark on light.
        if strong && rng.random_bool(0.25) {
            return recolour.negative();
        }
        recolour
    }

    /// The same, then light for dark.
    fn negative(self) -> Self {
        Self {
            matrix: self.matrix.map(|row| row.map(|v| -v)),
            add: self.add.map(|v| 1.0 - v),
        }
    }

    /// Changes premultiplied pixels.
    pub fn apply(&self, pixels: &mut [u8]) {
        for pixel in pixels.chunks_exact_mut(4) {
            let alpha = f32::from(pixel[3]);
            if alpha == 0.0 {
                continue;
            }
            let old = [pixel[0], pixel[1], pixel[2]].map(f32::from);
            for (channel, row) in self.matrix.iter().enumerate() {
                let new = row[0] * old[0] + row[1] * old[1] + row[2] * old[2];
                let new = new + self.add[channel] * alpha;
                pixel[channel] = new.clamp(0.0, alpha) as u8;
            }
        }
    }
}

/// Rounds the corners (`corner` of the half side) and fades the edge (`soft` of it).
fn fade_edges(pixels: &mut Pixmap, corner: f32, soft: f32) {
    let (w, h) = (pixels.width() as i32, pixels.height() as i32);
    let half = [(w - 2) as f32 / 2.0, (h - 2) as f32 / 2.0];
    let short = half[0].min(half[1]);
    let (radius, fade) = (corner * short, (soft * short).max(1.0));
    for y in 0..h {
        for x in 0..w {
            // How far inside the rounded rectangle (its signed distance).
            let dx = (x as f32 + 0.5 - w as f32 / 2.0).abs() - half[0] + radius;
            let dy = (y as f32 + 0.5 - h as f32 / 2.0).abs() - half[1] + radius;
            let outside = dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - radius;
            let alpha = (-outside / fade).clamp(0.0, 1.0);
            if alpha < 1.0 {
                let start = (y * w + x) as usize * 4;
                for value in &mut pixels.data_mut()[start..start + 4] {
                    *value = (f32::from(*value) * alpha) as u8;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_keeps_alpha_and_swaps_light_and_dark() {
        let same = Recolour {
            matrix: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            add: [0.0; 3],
        };
        // Premultiplied: opaque, half transparent, not there.
        let mut pixels = [255, 0, 100, 255, 128, 0, 28, 128, 0, 0, 0, 0];
        same.negative().apply(&mut pixels);
        assert_eq!(pixels, [0, 255, 155, 255, 0, 128, 100, 128, 0, 0, 0, 0]);
    }

    #[test]
    fn colours_stay_below_alpha() {
        let mut rng = crate::corpus::rng(5, 0, 0);
        for _ in 0..200 {
            let mut pixels = [200, 120, 0, 200, 3, 3, 3, 3];
            Recolour::draw(&mut rng, true).apply(&mut pixels);
            assert!(pixels[..3].iter().all(|&v| v <= 200), "{pixels:?}");
            assert!(pixels[4..7].iter().all(|&v| v <= 3), "{pixels:?}");
            assert_eq!((pixels[3], pixels[7]), (200, 3));
        }
    }
}
