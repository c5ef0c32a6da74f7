//! What is behind the things: a texture or a photograph, cluttered with shapes.

use std::sync::Arc;

use rand::RngExt;
use tiny_skia::{Color, FillRule, Paint, Path, Pixmap, Shader, Stroke, Transform};

use super::look::{self, Part, Recolour, hsv, resize};
use super::settings::SynthSettings;
use super::texture::Texture;
use crate::corpus::{Rng, rng};
use crate::picture::Picture;

/// The ground of a scene.
#[derive(Clone, Debug)]
pub struct Background {
    ground: Ground,
    clutter: Vec<Clutter>,
}

#[derive(Clone, Debug)]
enum Ground {
    Texture(Box<Texture>),
    /// Two textures with a ragged border.
    Two(Box<[Texture; 2]>, Box<Texture>),
    Photo {
        photo: Arc<Picture>,
        zoom: f32,
        place: [f32; 2],
        flip: bool,
        recolour_seed: u64,
    },
}

/// A shape that means nothing.
#[derive(Clone, Debug)]
struct Clutter {
    path: Path,
    colour: Color,
    /// Only its line is drawn, that wide.
    line: Option<f32>,
    at: [f32; 2],
    size: f32,
    degrees: f32,
}

impl Background {
    /// A ground of textures.
    pub fn draw(settings: &SynthSettings, rng: &mut Rng) -> Self {
        let ground = if rng.random_bool(0.3) {
            let two = [Texture::draw(rng), Texture::draw(rng)];
            Ground::Two(Box::new(two), Box::new(Texture::draw(rng)))
        } else {
            Ground::Texture(Box::new(Texture::draw(rng)))
        };
        Self {
            ground,
            clutter: clutter(settings, rng),
        }
    }

    /// A photograph.
    pub fn photo(photo: Arc<Picture>, settings: &SynthSettings, rng: &mut Rng) -> Self {
        let ground = Ground::Photo {
            photo,
            zoom: rng.random_range(0.7..1.0),
            place: [rng.random_range(0.0..1.0), rng.random_range(0.0..1.0)],
            flip: rng.random_bool(0.5),
            recolour_seed: rng.random(),
        };
        let clutter = if rng.random_bool(0.3) {
            clutter(settings, rng)
        } else {
            Vec::new()
        };
        Self { ground, clutter }
    }

    /// Paints it at this size; `None` if that is no size.
    pub fn paint(&self, width: u32, height: u32) -> Option<Pixmap> {
        let mut canvas = Pixmap::new(width, height)?;
        let (w, h) = (width as usize, height as usize);
        match &self.ground {
            Ground::Texture(texture) => texture.paint(w, h, canvas.data_mut()),
            Ground::Two(two, mask) => {
                two[0].paint(w, h, canvas.data_mut());
                let mut other = vec![0; w * h * 4];
                let mut where_other = vec![0; w * h * 4];
                two[1].paint(w, h, &mut other);
                mask.paint(w, h, &mut where_other);
                let pixels = canvas.data_mut().chunks_exact_mut(4);
                let masks = where_other.chunks_exact(4);
                for ((pixel, other), mask) in pixels.zip(other.chunks_exact(4)).zip(masks) {
                    if mask[1] > 127 {
                        pixel.copy_from_slice(other);
                    }
                }
            }
            Ground::Photo {
                photo,
                zoom,
                place,
                flip,
                recolour_seed,
            } => {
                let part = Part::shaped(photo, width as f32 / height as f32, *zoom, *place);
                let bytes = part.rgba(photo);
                let mut pixels = resize(&bytes, part.width, part.height, width, height)?;
                if *flip {
                    for row in pixels.chunks_exact_mut(w * 4) {
                        let (mut left, mut right) = (0, w - 1);
                        while left < right {
                            for channel in 0..4 {
                                row.swap(left * 4 + channel, right * 4 + channel);
                            }
                            (left, right) = (left + 1, right - 1);
                        }
                    }
                }
                Recolour::draw(&mut rng(*recolour_seed, 0, 0), false).apply(&mut pixels);
                canvas.data_mut().copy_from_slice(&pixels);
            }
        }
        for clutter in &self.clutter {
            clutter.paint(&mut canvas);
        }
        Some(canvas)
    }
}

fn clutter(settings: &SynthSettings, rng: &mut Rng) -> Vec<Clutter> {
    let count = rng.random_range(settings.distractors.clone());
    (0..count).filter_map(|_| Clutter::draw(rng)).collect()
}

impl Clutter {
    fn draw(rng: &mut Rng) -> Option<Self> {
        let corners = rng.random_range(3..8);
        let ragged: Vec<(f32, f32)> = (0..corners)
            .map(|i| {
                let turn = std::f32::consts::TAU * i as f32 / corners as f32;
                let r = rng.random_range(0.3..1.0);
                (r * turn.cos(), r * turn.sin())
            })
            .collect();
        let path = match rng.random_range(0..5) {
            0 => look::polygon(&ragged),
            1 => look::smooth(&ragged),
            2 => look::polyline(&ragged),
            3 => {
                let (a, b) = (rng.random_range(0.1..1.0), rng.random_range(0.1..1.0));
                look::rounded(-a, -b, a, b, rng.random_range(0.0..0.4))
            }
            _ => look::ellipse(0.0, 0.0, 1.0, rng.random_range(0.2..1.0)),
        }?;
        let mut colour = hsv(
            rng.random_range(0.0..1.0),
            rng.random_range(0.0..1.0),
            rng.random_range(0.05..1.0),
        );
        colour.set_alpha(rng.random_range(0.4..1.0));
        Some(Self {
            path,
            colour,
            line: rng.random_bool(0.35).then(|| rng.random_range(0.05..0.25)),
            at: [rng.random_range(0.0..1.0), rng.random_range(0.0..1.0)],
            size: 0.02 * 9.0_f32.powf(rng.random_range(0.0..1.0)),
            degrees: rng.random_range(0.0..360.0),
        })
    }

    fn paint(&self, canvas: &mut Pixmap) {
        let (w, h) = (canvas.width() as f32, canvas.height() as f32);
        let size = self.size * w.min(h);
        let transform = Transform::from_translate(self.at[0] * w, self.at[1] * h)
            .pre_rotate(self.degrees)
            .pre_scale(size, size);
        let paint = Paint {
            shader: Shader::SolidColor(self.colour),
            anti_alias: true,
            ..Paint::default()
        };
        match self.line {
            Some(width) => {
                let stroke = Stroke {
                    width,
                    ..Stroke::default()
                };
                canvas.stroke_path(&self.path, &paint, &stroke, transform, None);
            }
            None => canvas.fill_path(&self.path, &paint, FillRule::Winding, transform, None),
        }
    }
}
