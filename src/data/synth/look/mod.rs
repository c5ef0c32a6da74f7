//! What things look like.
//!
//! Belongs here: drawing one thing on a transparent layer, as vector shapes for
//! the built-in kinds or from a picture. Does not: where in the scene it is
//! (`motion`), and what is behind it (`background`).
//!
//! A thing is drawn in a box from -1 to 1, x to the right and y down. Shapes may
//! stick out of it by a tenth.

mod bend;
pub mod machines;
pub mod natural;
mod pen;
pub mod percussion;
mod raster;
mod style;

pub use pen::{Pen, ellipse, polygon, polyline, rounded, smooth};
pub use raster::{Cutout, Part, Pasted, Recolour, resize};
pub use style::{Style, Variation, hsv};

use tiny_skia::{Pixmap, Transform};

use crate::corpus::Rng;

/// How far shapes may reach from the middle of their box.
pub const REACH: f32 = 1.1;

/// How bright a shaded thing is where the light comes from, and across.
const LIT: f32 = 1.45;
const SHADED: f32 = 0.45;

/// What moves in a thing itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pose {
    /// 1 when it is struck, then falling to 0; 0 for a thing at rest.
    pub strike: f32,
    /// Turns of what turns, in revolutions.
    pub turn: f32,
    /// 1 and -1 in turn, beat by beat: which hand, which side.
    pub side: f32,
    /// Whether it is at work, or rests.
    pub works: bool,
}

/// Paints a thing of a kind in its proportions and pose.
pub type Paint = fn(&mut Pen, &Variation, Pose);

/// The look of one thing.
#[derive(Clone, Debug)]
pub enum Look {
    /// A built-in kind.
    Drawn {
        /// Paints the kind.
        paint: Paint,
        /// Its colours and lines.
        style: Style,
        /// Its proportions and details.
        variation: Variation,
    },
    /// A picture.
    Pasted(Pasted),
}

impl Look {
    /// Draws what a thing of a built-in kind looks like.
    pub fn draw(paint: Paint, rng: &mut Rng) -> Self {
        Self::Drawn {
            paint,
            style: Style::draw(rng),
            variation: Variation::draw(rng),
        }
    }

    /// Half its width and half its height in its box; the larger is 1.
    pub fn extent(&self) -> [f32; 2] {
        match self {
            Self::Drawn { .. } => [1.0, 1.0],
            Self::Pasted(pasted) => pasted.extent(),
        }
    }

    /// Paints it; `to_layer` takes its box to the layer's pixels.
    pub fn paint(&self, layer: &mut Pixmap, to_layer: Transform, pose: Pose) {
        match self {
            Self::Drawn {
                paint,
                style,
                variation,
            } => {
                let mut pen = Pen::new(layer, to_layer, style);
                paint(&mut pen, variation, pose);
                if style.shaded {
                    shade(layer);
                }
            }
            Self::Pasted(pasted) => pasted.paint(layer, to_layer),
        }
    }
}

/// Light from the top left. Once over the layer: much quicker than a gradient in
/// each part.
fn shade(layer: &mut Pixmap) {
    let (w, h) = (layer.width() as usize, layer.height() as usize);
    let step = 256.0 * (LIT - SHADED) / (w + h) as f32;
    for (y, row) in layer.data_mut().chunks_exact_mut(w * 4).enumerate() {
        for (x, pixel) in row.chunks_exact_mut(4).enumerate() {
            let light = (256.0 * LIT - (x + y) as f32 * step) as u32;
            let max = u32::from(pixel[3]);
            for value in &mut pixel[..3] {
                *value = (u32::from(*value) * light / 256).min(max) as u8;
            }
        }
    }
}
