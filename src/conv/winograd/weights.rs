//! The kernels of a convolution as Winograd's algorithm multiplies them.
//!
//! Computed once, in f64, and rounded once.

use super::points::{POINTS_OF_2, POINTS_OF_4};
use crate::buffer::Buffer;
use crate::gemm::panel;
use crate::map::GRAIN;
use crate::simd::Isa;

/// Panels of a group; the last may have fewer.
///
/// Each position's transformed input is read once for a group. With 4 that is half as
/// often, but there are fewer tasks for many threads, and the products of a group take
/// twice the memory; there was no difference in time.
pub(super) const IN_GROUP: usize = 2;

/// Transformed kernels, in the order in which they are multiplied:
/// `[group, position, panel of the group, channels in, columns of the panel]`.
pub(super) struct Packed {
    pub values: Buffer,
    /// Channels in, with those that fill up.
    pub depth: usize,
    /// Positions of a tile.
    pub positions: usize,
    /// Columns of a panel.
    pub columns: usize,
    /// All panels.
    pub panels: usize,
}

impl Packed {
    /// Of kernels `[out, in, 3, 3]`, for tiles of `side` × `side`.
    pub fn new(
        kernels: &[f32],
        channels_in: usize,
        channels: usize,
        side: usize,
        isa: Isa,
    ) -> Self {
        let rows = match side {
            2 => rows(&POINTS_OF_2),
            _ => rows(&POINTS_OF_4),
        };
        let (depth, columns) = (channels_in.next_multiple_of(GRAIN), panel(isa));
        let positions = rows.len() * rows.len();
        let panels = channels.next_multiple_of(GRAIN).div_ceil(columns);
        let mut packed = Self {
            values: Buffer::zeros(positions * panels * depth * columns),
            depth,
            positions,
            columns,
            panels,
        };
        for (i, kernel) in kernels.chunks_exact(9).enumerate() {
            let (to, from) = (i / channels_in, i % channels_in);
            for (position, value) in transformed(kernel, &rows).enumerate() {
                let place = packed.place(to / columns, position);
                packed.values[place + from * columns + to % columns] = value as f32;
            }
        }
        packed
    }

    /// Where the weights of a panel start for a position, `[depth, columns]`.
    pub fn place(&self, panel: usize, position: usize) -> usize {
        let group = panel / IN_GROUP;
        let first = group * IN_GROUP;
        let in_this = IN_GROUP.min(self.panels - first);
        let before = first * self.positions + position * in_this + (panel - first);
        before * self.depth * self.columns
    }
}

/// The rows of G: a polynomial's value at each point, divided by what the transform of
/// the input has too much, and its highest coefficient (the point at infinity).
fn rows(points: &[f64]) -> Vec<[f64; 3]> {
    let finite = points.iter().enumerate().map(|(i, &p)| {
        let others = points.iter().enumerate().filter(|&(k, _)| k != i);
        let n: f64 = others.map(|(_, q)| p - q).product();
        [1.0 / n, p / n, p * p / n]
    });
    finite.chain([[0.0, 0.0, 1.0]]).collect()
}

/// G · kernel · Gᵀ, row by row.
fn transformed<'a>(kernel: &'a [f32], rows: &'a [[f64; 3]]) -> impl Iterator<Item = f64> + 'a {
    rows.iter().flat_map(move |down| {
        rows.iter().map(move |across| {
            let mut sum = 0.0;
            for (i, down) in down.iter().enumerate() {
                for (j, across) in across.iter().enumerate() {
                    sum += down * across * f64::from(kernel[3 * i + j]);
                }
            }
            sum
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_follow_each_other_without_gaps() {
        let packed = Packed::new(&vec![1.0; 70 * 3 * 9], 3, 70, 4, Isa::Portable);
        let mut places = Vec::new();
        for group in (0..packed.panels).collect::<Vec<_>>().chunks(IN_GROUP) {
            for position in 0..packed.positions {
                places.extend(group.iter().map(|&panel| packed.place(panel, position)));
            }
        }
        let size = packed.depth * packed.columns;
        assert!(places.iter().enumerate().all(|(i, &at)| at == i * size));
        assert_eq!(packed.values.len(), places.len() * size);
    }
}
