//! A scene's pictures.
//!
//! The background is painted once; each picture is that background with the
//! places painted anew where things are and were.

use std::sync::Arc;

use tiny_skia::{IntSize, Pixmap, Transform};

use super::grade::TILE;
use super::look::REACH;
use super::scene::{Object, Scene};
use crate::corpus::{Region, Tag};
use crate::picture::Picture;

/// Alpha from which on a pixel belongs to a thing's box.
const VISIBLE: u8 = 1;

/// Renders pictures of one scene at one size.
pub struct Renderer {
    scene: Scene,
    width: u32,
    height: u32,
    /// The background as painted, and the picture on which things are painted.
    backdrop: Option<Pixmap>,
    canvas: Option<Pixmap>,
    /// The background as seen.
    rgb: Vec<u8>,
    table: [u8; 256],
    grain: Vec<i16>,
    /// Where things were in the picture before.
    painted: Vec<Area>,
}

/// A thing on a layer of its own, at its place in the picture.
struct Layer {
    area: Area,
    pixels: Pixmap,
}

/// A rectangle of pixels.
#[derive(Clone, Copy)]
struct Area {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

impl Renderer {
    /// A renderer of pictures of at least 1 × 1.
    pub fn new(scene: &Scene, width: u32, height: u32) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        let backdrop = scene.background.paint(width, height);
        let mut renderer = Self {
            width,
            height,
            canvas: backdrop.clone(),
            backdrop,
            rgb: vec![0; width as usize * height as usize * 3],
            table: scene.grade.table(),
            grain: scene.grade.tile(),
            painted: Vec::new(),
            scene: scene.clone(),
        };
        let whole = Area {
            left: 0,
            top: 0,
            width,
            height,
        };
        let mut rgb = std::mem::take(&mut renderer.rgb);
        renderer.develop(whole, &mut rgb);
        renderer.rgb = rgb;
        renderer
    }

    /// The picture at a moment, and what is where in it: the background if it is
    /// a picture of something, then the things from back to front. A thing that
    /// another hides is there all the same.
    pub fn frame(&mut self, t_s: f64) -> (Picture, Vec<Region>) {
        let mut rgb = self.rgb.clone();
        for area in std::mem::take(&mut self.painted) {
            self.clear(area);
        }
        let mut regions = Vec::new();
        regions.extend(self.scene.backdrop.as_ref().map(|class| Region {
            tag: Tag::Class(Arc::clone(class)),
            bounds: [0.0, 0.0, 1.0, 1.0],
        }));
        let layers: Vec<Layer> = (0..self.scene.objects.len())
            .filter_map(|i| {
                let layer = self.layer(i, t_s)?;
                let class = Arc::clone(&self.scene.objects[i].class);
                let region = layer.region(Tag::Class(class), self.width, self.height)?;
                regions.push(region);
                Some(layer)
            })
            .collect();
        for layer in &layers {
            self.put(layer);
        }
        for layer in &layers {
            self.develop(layer.area, &mut rgb);
            self.painted.push(layer.area);
        }
        let picture = Picture {
            width: self.width,
            height: self.height,
            rgb,
        };
        (picture, regions)
    }

    fn layer(&self, i: usize, t_s: f64) -> Option<Layer> {
        let object: &Object = &self.scene.objects[i];
        let works = self.scene.works(i, t_s);
        let beats = object.moves_to_beats(works);
        let place = object.motion.at(t_s, &object.rhythm, beats);
        let (w, h) = (self.width as f32, self.height as f32);
        let half = 0.5 * object.scale * place.scale as f32 * w.min(h);
        let [ex, ey] = object.look.extent();
        let squash = place.squash as f32;
        let (sx, sy) = (half * (1.0 + squash), half * (1.0 - squash));
        // A thing may stick out of the picture a little.
        let at = |share: f64, side: f32, half: f32| {
            let edge = (0.9 * half).min(side / 2.0);
            edge + share as f32 * (side - 2.0 * edge)
        };
        let (x, y) = (at(place.at[0], w, sx * ex), at(place.at[1], h, sy * ey));
        let (sin, cos) = (place.angle as f32).to_radians().sin_cos();
        let reach_x = REACH * (sx * ex * cos.abs() + sy * ey * sin.abs());
        let reach_y = REACH * (sx * ex * sin.abs() + sy * ey * cos.abs());
        let area = Area::around(x, y, reach_x, reach_y, self.width, self.height)?;
        let mut pixels = Pixmap::new(area.width, area.height)?;
        let flip = if object.flip { -1.0 } else { 1.0 };
        let to_layer = Transform::from_translate(x - area.left as f32, y - area.top as f32)
            .pre_rotate(place.angle as f32)
            .pre_scale(sx * flip, sy);
        let pose = object.pose(t_s, works);
        object.look.paint(&mut pixels, to_layer, pose);
        Some(Layer { area, pixels })
    }

    fn clear(&mut self, area: Area) {
        if let (Some(canvas), Some(backdrop)) = (&mut self.canvas, &self.backdrop) {
            for y in area.top..area.top + area.height {
                let row = area.row(y, self.width, 4);
                canvas.data_mut()[row.clone()].copy_from_slice(&backdrop.data()[row]);
            }
        }
    }

    /// Lays a layer over the canvas.
    fn put(&mut self, layer: &Layer) {
        let Some(canvas) = &mut self.canvas else {
            return;
        };
        let area = layer.area;
        let rows = layer.pixels.data().chunks_exact(area.width as usize * 4);
        for (y, row) in (area.top..).zip(rows) {
            let under = &mut canvas.data_mut()[area.row(y, self.width, 4)];
            for (under, over) in under.chunks_exact_mut(4).zip(row.chunks_exact(4)) {
                let left = 255 - u32::from(over[3]);
                if left == 255 {
                    continue;
                }
                for channel in 0..3 {
                    let below = (u32::from(under[channel]) * left + 127) / 255;
                    under[channel] = (below + u32::from(over[channel])).min(255) as u8;
                }
            }
        }
    }

    /// Makes RGB as the camera sees it of a part of the canvas.
    fn develop(&self, area: Area, rgb: &mut [u8]) {
        let Some(canvas) = &self.canvas else { return };
        for y in area.top..area.top + area.height {
            let from = &canvas.data()[area.row(y, self.width, 4)];
            let to = &mut rgb[area.row(y, self.width, 3)];
            let pixels = to.chunks_exact_mut(3).zip(from.chunks_exact(4));
            if self.grain.is_empty() {
                for (to, from) in pixels {
                    for channel in 0..3 {
                        to[channel] = self.table[usize::from(from[channel])];
                    }
                }
                continue;
            }
            let line = y as usize % TILE * TILE;
            for (x, (to, from)) in (area.left as usize..).zip(pixels) {
                let grain = self.grain[line + x % TILE];
                for channel in 0..3 {
                    let value = i16::from(self.table[usize::from(from[channel])]);
                    to[channel] = (value + grain).clamp(0, 255) as u8;
                }
            }
        }
    }
}

impl Scene {
    /// One picture. Keep a [`Renderer`] for several.
    pub fn frame(&self, t_s: f64, width: u32, height: u32) -> Picture {
        Renderer::new(self, width, height).frame(t_s).0
    }

    /// The regions of that picture: the things from back to front, after the
    /// background if it is a photograph of a class.
    pub fn boxes(&self, t_s: f64, width: u32, height: u32) -> Vec<Region> {
        Renderer::new(self, width, height).frame(t_s).1
    }
}

impl Area {
    /// The pixels of the picture around a place; `None` if there are none.
    fn around(x: f32, y: f32, rx: f32, ry: f32, width: u32, height: u32) -> Option<Self> {
        let clip = |v: f32, side: u32| v.clamp(0.0, side as f32) as u32;
        let (left, top) = (
            clip((x - rx).floor(), width),
            clip((y - ry).floor(), height),
        );
        let right = clip((x + rx).ceil() + 1.0, width);
        let bottom = clip((y + ry).ceil() + 1.0, height);
        IntSize::from_wh(right.saturating_sub(left), bottom.saturating_sub(top)).map(|size| Self {
            left,
            top,
            width: size.width(),
            height: size.height(),
        })
    }

    /// The bytes of a row of it in a picture.
    fn row(&self, y: u32, width: u32, bytes: usize) -> std::ops::Range<usize> {
        let start = (y as usize * width as usize + self.left as usize) * bytes;
        start..start + self.width as usize * bytes
    }
}

impl Layer {
    /// Where the thing is; `None` if nothing of it is in the picture.
    fn region(&self, tag: Tag, width: u32, height: u32) -> Option<Region> {
        let row_bytes = self.area.width as usize * 4;
        let (mut left, mut right, mut top, mut bottom) = (usize::MAX, 0, usize::MAX, 0);
        for (y, row) in self.pixels.data().chunks_exact(row_bytes).enumerate() {
            let mut alphas = row.chunks_exact(4).map(|pixel| pixel[3] >= VISIBLE);
            let Some(first) = alphas.position(|seen| seen) else {
                continue;
            };
            let last = row
                .chunks_exact(4)
                .rposition(|pixel| pixel[3] >= VISIBLE)
                .unwrap_or(first);
            (left, right) = (left.min(first), right.max(last + 1));
            (top, bottom) = (top.min(y), y + 1);
        }
        if left >= right {
            return None;
        }
        let x = |at: usize| (self.area.left as usize + at) as f32 / width as f32;
        let y = |at: usize| (self.area.top as usize + at) as f32 / height as f32;
        Some(Region {
            tag,
            bounds: [x(left), y(top), x(right), y(bottom)],
        })
    }
}
