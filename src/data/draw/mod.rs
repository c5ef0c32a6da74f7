//! Drawing on pictures: glow, score, spectrogram. Pure functions.
//!
//! Belongs here: what a judged moment looks like, and text. Does not: files, video,
//! charts (`report`).
//!
//! The opacity of a heatmap is its value over its maximum, times [`strength`], which
//! is 0 for a correspondence of 0.5 or less. At 0.5 the network cannot tell, but a
//! heatmap always has a maximum somewhere: without that factor a picture with a
//! foreign sound would glow as much as one with its own. Under a fifth of the maximum
//! nothing is drawn, so that silent parts of the picture stay clear.

mod badge;
mod layer;
pub mod png;
mod sound;
pub mod text;

pub use badge::clock;
pub use badge::{Caption, Score};
pub use layer::{Area, Layer};
pub use sound::{sound_picture, spectrogram_picture, under_sound_map};
pub use text::shortened;

use crate::event::{JudgedMoment, Region};
use crate::picture::Picture;
use crate::result::Heatmap;

/// Below this share of a map's maximum nothing is drawn.
const MIN_SHARE: f32 = 0.2;
/// Opacity of the strongest glow.
const MAX_OPACITY: f32 = 0.72;

/// Strength of a moment's glow, 0 to 1: `√(2p − 1)`. The root, because at p = 0.6 or
/// 0.7, where a fair network puts most true pairs, the plain difference could hardly be
/// seen.
pub fn strength(correspondence: f32) -> f32 {
    unit(2.0 * correspondence - 1.0).sqrt()
}

/// The value clamped to 0 to 1; NaN gives 0.
pub fn unit(value: f32) -> f32 {
    if value > 0.0 { value.min(1.0) } else { 0.0 }
}

/// The picture of a moment with its heatmap and score; `None` without a picture.
pub fn heatmap_picture(judged: &JudgedMoment) -> Option<Picture> {
    let mut picture = judged.evidence.picture.as_deref()?.clone();
    let mut layer = Layer::new(picture.width, picture.height);
    let area = Area::of(picture.width, picture.height);
    draw_judged(&mut layer, area, judged);
    layer.blend(&mut picture);
    Some(picture)
}

/// A moment's heatmap over its picture in any size, without the score.
pub fn add_glow(picture: &mut Picture, judged: &JudgedMoment) {
    let mut layer = Layer::new(picture.width, picture.height);
    draw_glow(&mut layer, Area::of(picture.width, picture.height), judged);
    layer.blend(picture);
}

/// Glow and score of a moment over the part `area` of the layer.
pub fn draw_judged(layer: &mut Layer, area: Area, judged: &JudgedMoment) {
    draw_glow(layer, area, judged);
    Caption::of(&judged.verdict).draw(layer, area);
}

fn draw_glow(layer: &mut Layer, area: Area, judged: &JudgedMoment) {
    let Region { x0, y0, x1, y1 } = judged.evidence.covered;
    let seen = Area {
        x: area.x + x0 * area.width,
        y: area.y + y0 * area.height,
        width: (x1 - x0) * area.width,
        height: (y1 - y0) * area.height,
    };
    let correspondence = judged.verdict.correspondence;
    glow(
        layer,
        seen,
        &judged.evidence.judgement.vision,
        correspondence,
        false,
    );
}

/// Draws a heatmap over an area; its row 0 is at the bottom if `upward`.
pub fn glow(layer: &mut Layer, area: Area, map: &Heatmap, correspondence: f32, upward: bool) {
    let gain = strength(correspondence);
    let (rows, cols) = (map.rows as usize, map.cols as usize);
    let max = map.values.iter().copied().fold(0.0, f32::max);
    let drawable = rows > 0 && cols > 0 && rows * cols == map.values.len() && max.is_finite();
    if !drawable || max <= 0.0 || gain <= 0.0 {
        return;
    }
    let palette = palette(gain);
    let columns = layer.columns(area);
    let taps: Vec<_> = columns
        .clone()
        .map(|x| taps(x as f32 + 0.5 - area.x, area.width, cols))
        .collect();
    let mut line = vec![0.0_f32; cols];
    for y in layer.rows(area) {
        let down = y as f32 + 0.5 - area.y;
        let up = if upward { area.height - down } else { down };
        let (first, weights) = self::taps(up, area.height, rows);
        line.iter_mut().enumerate().for_each(|(col, out)| {
            let at = |k: usize| map.values[clamped(first, k, rows) * cols + col];
            *out = (0..4).map(|k| weights[k] * at(k)).sum::<f32>() / max;
        });
        // The spline does not overshoot by more than a quarter.
        if line.iter().all(|&v| v < MIN_SHARE * 0.75) {
            continue;
        }
        for (x, (first, weights)) in columns.clone().zip(&taps) {
            let at = |k: usize| line[clamped(*first, k, cols)];
            let value: f32 = (0..4).map(|k| weights[k] * at(k)).sum();
            // NaN becomes 0 here.
            let (colour, alpha) = palette[(value * 255.0) as u8 as usize];
            if alpha > 0 {
                layer.over(x, y, colour, alpha);
            }
        }
    }
}

/// The first of four cells (may be −1) and the weights that interpolate the value at
/// `position` of `length`, which is divided into `cells` cells.
///
/// A Catmull-Rom spline: it goes through the map's values, so the peak stays in place,
/// and has none of the diamonds and ridges of bilinear interpolation.
fn taps(position: f32, length: f32, cells: usize) -> (isize, [f32; 4]) {
    let place = position / length * cells as f32 - 0.5;
    let place = place.clamp(-0.5, cells as f32 - 0.5);
    let (first, t) = (place.floor(), place - place.floor());
    let (t2, t3) = (t * t, t * t * t);
    let weights = [
        -0.5 * t3 + t2 - 0.5 * t,
        1.5 * t3 - 2.5 * t2 + 1.0,
        -1.5 * t3 + 2.0 * t2 + 0.5 * t,
        0.5 * t3 - 0.5 * t2,
    ];
    (first as isize - 1, weights)
}

fn clamped(first: isize, tap: usize, cells: usize) -> usize {
    (first + tap as isize).clamp(0, cells as isize - 1) as usize
}

/// Colour and opacity by part of the maximum. Inferno: perceptually even,
/// readable without colour vision, and few pictures are full of the colours of its hot
/// end. Its black start is skipped: it would darken the picture around a glow.
fn palette(gain: f32) -> [([u8; 3], u8); 256] {
    std::array::from_fn(|i| {
        let value = i as f32 / 255.0;
        let ramp = ((value - MIN_SHARE) / (0.9 - MIN_SHARE)).clamp(0.0, 1.0);
        let alpha = MAX_OPACITY * gain * ramp * (2.0 - ramp);
        (hot(value * (0.5 + 0.5 * gain)), (alpha * 255.0) as u8)
    })
}

/// The colour of a strength or correspondence, 0 to 1.
fn hot(strength: f32) -> [u8; 3] {
    let colour = colorous::INFERNO.eval_continuous(0.25 + 0.68 * f64::from(strength));
    [colour.r, colour.g, colour.b]
}

#[cfg(test)]
mod tests;
