//! Bending drawings: the same thing with other proportions.

use rand::RngExt;
use tiny_skia::{IntSize, Pixmap};

use crate::corpus::Rng;

/// Knots of the grid on each side.
const KNOTS: usize = 4;
/// How far a knot moves at most, as a share of the side.
const MOST: f32 = 0.1;
/// What is fainter than this, of 255, counts as not there.
const FAINT: u8 = 16;

/// A smooth displacement: a grid of knots, straight lines between them.
#[derive(Debug)]
pub struct Bend {
    /// Where the colour at each knot is taken from, relative to it, as shares of
    /// width and height.
    from: [[[f32; 2]; KNOTS]; KNOTS],
}

impl Bend {
    /// Any bend that leaves nothing of the drawing outside.
    pub fn draw(rng: &mut Rng) -> Self {
        let mut shift = |knot: usize| match knot {
            // Colours at the edge come from beyond it: the drawing shrinks there.
            0 => rng.random_range(-MOST..=0.0),
            last if last == KNOTS - 1 => rng.random_range(0.0..=MOST),
            _ => rng.random_range(-MOST..=MOST),
        };
        let from = std::array::from_fn(|y| std::array::from_fn(|x| [shift(x), shift(y)]));
        Self { from }
    }

    /// The drawing bent, cropped to what can be seen; `None` if that is nothing.
    /// Pixels are premultiplied.
    pub fn apply(&self, drawing: &Pixmap) -> Option<Pixmap> {
        let (w, h) = (drawing.width(), drawing.height());
        let mut bent = Pixmap::new(w, h)?;
        for (i, pixel) in bent.data_mut().chunks_exact_mut(4).enumerate() {
            let (x, y) = (i as u32 % w, i as u32 / w);
            let (u, v) = ((x as f32 + 0.5) / w as f32, (y as f32 + 0.5) / h as f32);
            let [dx, dy] = self.at(u, v);
            let from = [(u + dx) * w as f32 - 0.5, (v + dy) * h as f32 - 0.5];
            pixel.copy_from_slice(&sample(drawing, from));
        }
        crop(&bent)
    }

    fn at(&self, u: f32, v: f32) -> [f32; 2] {
        let cell = |t: f32| {
            let t = t * (KNOTS - 1) as f32;
            let knot = (t as usize).min(KNOTS - 2);
            (knot, t - knot as f32)
        };
        let ((i, a), (j, b)) = (cell(u), cell(v));
        std::array::from_fn(|axis| {
            let row = |j: usize| self.from[j][i][axis] * (1.0 - a) + self.from[j][i + 1][axis] * a;
            row(j) * (1.0 - b) + row(j + 1) * b
        })
    }
}

/// Between the four pixels around; what is outside is transparent.
fn sample(drawing: &Pixmap, [x, y]: [f32; 2]) -> [u8; 4] {
    let (left, top) = (x.floor(), y.floor());
    let (a, b) = (x - left, y - top);
    let (w, h) = (drawing.width() as i32, drawing.height() as i32);
    let mut sum = [0.0; 4];
    for (dx, dy, share) in [
        (0, 0, (1.0 - a) * (1.0 - b)),
        (1, 0, a * (1.0 - b)),
        (0, 1, (1.0 - a) * b),
        (1, 1, a * b),
    ] {
        let (x, y) = (left as i32 + dx, top as i32 + dy);
        if (0..w).contains(&x) && (0..h).contains(&y) {
            let start = (y * w + x) as usize * 4;
            for (sum, &value) in sum.iter_mut().zip(&drawing.data()[start..start + 4]) {
                *sum += share * f32::from(value);
            }
        }
    }
    sum.map(|value| value.round() as u8)
}

/// Cuts away what is transparent all around; `None` if all of it is.
pub fn crop(drawing: &Pixmap) -> Option<Pixmap> {
    let w = drawing.width();
    let (mut left, mut top, mut right, mut bottom) = (u32::MAX, u32::MAX, 0, 0);
    for (i, pixel) in drawing.data().chunks_exact(4).enumerate() {
        if pixel[3] > FAINT {
            let (x, y) = (i as u32 % w, i as u32 / w);
            (left, top) = (left.min(x), top.min(y));
            (right, bottom) = (right.max(x + 1), bottom.max(y + 1));
        }
    }
    if left >= right || top >= bottom {
        return None;
    }
    let mut bytes = Vec::with_capacity(((right - left) * (bottom - top)) as usize * 4);
    for y in top..bottom {
        let row = (y * w) as usize * 4;
        bytes.extend(&drawing.data()[row + left as usize * 4..row + right as usize * 4]);
    }
    Pixmap::from_vec(bytes, IntSize::from_wh(right - left, bottom - top)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::rng;

    /// A white disc that touches all four edges.
    fn disc(w: u32, h: u32) -> Pixmap {
        let mut disc = Pixmap::new(w, h).expect("a size");
        for (i, pixel) in disc.data_mut().chunks_exact_mut(4).enumerate() {
            let (x, y) = (i as u32 % w, i as u32 / w);
            let [u, v] = [(x, w), (y, h)].map(|(a, b)| (a as f32 + 0.5) / b as f32 * 2.0 - 1.0);
            pixel.fill(if u * u + v * v < 1.0 { 255 } else { 0 });
        }
        disc
    }

    fn seen(pixels: &Pixmap) -> f32 {
        let alpha = pixels.data().iter().skip(3).step_by(4);
        alpha.map(|&a| f32::from(a)).sum::<f32>() / 255.0
    }

    #[test]
    fn no_displacement_changes_nothing() {
        let none = Bend {
            from: [[[0.0; 2]; KNOTS]; KNOTS],
        };
        let disc = disc(33, 20);
        assert_eq!(none.apply(&disc).expect("is seen").data(), disc.data());
    }

    #[test]
    fn a_bend_keeps_the_drawing_whole_and_touching_its_edges() {
        let disc = disc(60, 48);
        for seed in 0..40 {
            let bent = Bend::draw(&mut rng(seed, 0, 0)).apply(&disc);
            let bent = bent.expect("is seen");
            // Smaller at the edges by a tenth at most, swollen inside at most so.
            let share = seen(&bent) / seen(&disc);
            assert!((0.5..1.5).contains(&share), "{seed}: {share}");
            assert!(bent.width() >= 45 && bent.height() >= 36, "{seed}");
            assert_eq!(crop(&bent).expect("is seen").data(), bent.data(), "{seed}");
            assert!(
                bent.data()
                    .chunks_exact(4)
                    .all(|p| p[..3].iter().all(|&v| v <= p[3])),
                "{seed}"
            );
        }
    }

    #[test]
    fn nothing_to_be_seen_is_none() {
        let empty = Pixmap::new(8, 8).expect("a size");
        assert!(crop(&empty).is_none());
        assert!(
            Bend::draw(&mut rng(0, 0, 0)).apply(&empty).is_none(),
            "nothing bent is nothing"
        );
    }
}
