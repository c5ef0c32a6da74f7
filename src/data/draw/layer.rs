//! A transparent layer that is drawn once and blended over many pictures.
//!
//! An overlay video has 30 pictures per verdict: for every byte of a picture the layer
//! stores a factor and an addend, so that blending is one multiplication and one
//! addition per byte, and nothing outside of what was drawn.

use std::ops::Range;

use crate::picture::Picture;

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

impl Area {
    /// All of a picture or layer of that size.
    pub fn of(width: u32, height: u32) -> Self {
        Self {
            x: 0.0,
            y: 0.0,
            width: width as f32,
            height: height as f32,
        }
    }
}

/// A drawing to be blended over pictures.
pub struct Layer {
    width: u32,
    height: u32,
    /// For every byte: what is added, and the share of the picture that stays (of 255).
    add: Vec<u8>,
    keep: Vec<u8>,
    /// The columns of each row that are drawn on.
    drawn: Vec<Range<u32>>,
}

impl Layer {
    /// An empty layer.
    pub fn new(width: u32, height: u32) -> Self {
        let bytes = width as usize * height as usize * 3;
        Self {
            width,
            height,
            add: vec![0; bytes],
            keep: vec![255; bytes],
            drawn: vec![0..0; height as usize],
        }
    }

    /// The columns whose centre lies in the area.
    pub(super) fn columns(&self, area: Area) -> Range<u32> {
        pixels(area.x, area.width, self.width)
    }

    /// The rows whose centre lies in the area.
    pub(super) fn rows(&self, area: Area) -> Range<u32> {
        pixels(area.y, area.height, self.height)
    }

    /// Draws a pixel, if it lies on the layer.
    pub fn over(&mut self, x: u32, y: u32, colour: [u8; 3], alpha: u8) {
        if x >= self.width || y >= self.height || alpha == 0 {
            return;
        }
        let drawn = &mut self.drawn[y as usize];
        *drawn = if drawn.start >= drawn.end {
            x..x + 1
        } else {
            drawn.start.min(x)..drawn.end.max(x + 1)
        };
        let at = (y as usize * self.width as usize + x as usize) * 3;
        let clear = 255 - alpha;
        for (i, colour) in (at..at + 3).zip(colour) {
            self.keep[i] = part(self.keep[i], clear);
            self.add[i] = part(self.add[i], clear) + part(colour, alpha);
        }
    }

    /// Fills an area.
    pub fn fill(&mut self, area: Area, colour: [u8; 3], alpha: u8) {
        for y in self.rows(area) {
            for x in self.columns(area) {
                self.over(x, y, colour, alpha);
            }
        }
    }

    /// Blends it over a picture of the same size; other pictures are unchanged.
    pub fn blend(&self, picture: &mut Picture) {
        if (picture.width, picture.height) != (self.width, self.height) {
            return;
        }
        let row_bytes = self.width as usize * 3;
        for (y, drawn) in self.drawn.iter().enumerate() {
            let start = y * row_bytes + drawn.start as usize * 3;
            let end = y * row_bytes + drawn.end as usize * 3;
            let bytes = picture.rgb[start..end].iter_mut();
            let (add, keep) = (&self.add[start..end], &self.keep[start..end]);
            for ((byte, &add), &keep) in bytes.zip(add).zip(keep) {
                *byte = add + part(*byte, keep);
            }
        }
    }
}

/// `value · of / 255`, rounded down, and exact if `of` is 0 or 255: the two parts of a
/// blend never exceed 255.
fn part(value: u8, of: u8) -> u8 {
    let of = u16::from(of) + u16::from(of >> 7);
    ((u16::from(value) * of) >> 8) as u8
}

fn pixels(start: f32, length: f32, limit: u32) -> Range<u32> {
    // Float to integer casts saturate; NaN becomes 0.
    let first = (start + 0.5).floor().max(0.0) as u32;
    let end = (start + length + 0.5).floor().max(0.0) as u32;
    first.min(limit)..end.min(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_layer_changes_nothing_and_a_full_one_all() {
        let mut picture = Picture::filled(3, 2, [10, 200, 255]);
        Layer::new(3, 2).blend(&mut picture);
        assert_eq!(picture, Picture::filled(3, 2, [10, 200, 255]));
        let mut layer = Layer::new(3, 2);
        layer.fill(Area::of(3, 2), [255, 0, 7], 255);
        layer.blend(&mut picture);
        assert_eq!(picture, Picture::filled(3, 2, [255, 0, 7]));
    }

    #[test]
    fn no_blend_of_any_colours_overflows() {
        for alpha in 0..=255 {
            for under in [0, 1, 127, 128, 254, 255] {
                let mut layer = Layer::new(1, 1);
                layer.over(0, 0, [255; 3], 77);
                layer.over(0, 0, [255; 3], alpha);
                let mut picture = Picture::filled(1, 1, [under; 3]);
                layer.blend(&mut picture);
                assert!(picture.rgb[0].saturating_add(5) >= under);
            }
        }
    }

    #[test]
    fn only_what_lies_in_the_area_is_drawn() {
        let mut layer = Layer::new(4, 4);
        let area = Area {
            x: 1.0,
            y: -5.0,
            width: 2.0,
            height: 7.0,
        };
        layer.fill(area, [255; 3], 255);
        layer.over(9, 9, [255; 3], 255);
        let mut picture = Picture::filled(4, 4, [0; 3]);
        layer.blend(&mut picture);
        let lit: Vec<usize> = (0..16).filter(|i| picture.rgb[i * 3] == 255).collect();
        assert_eq!(lit, [1, 2, 5, 6]);
    }

    #[test]
    fn a_picture_of_another_size_stays_as_it_is() {
        let mut layer = Layer::new(4, 4);
        layer.fill(Area::of(4, 4), [255; 3], 255);
        let mut picture = Picture::filled(2, 2, [0; 3]);
        layer.blend(&mut picture);
        assert_eq!(picture, Picture::filled(2, 2, [0; 3]));
    }
}
