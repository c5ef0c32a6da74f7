//! The kernels of a convolution as Winograd's algorithm multiplies them.
//!
//! Most are transformed once, in f64, and rounded once. Those of many channels are four
//! times as large once they are transformed, and a core that multiplies a few tiles with
//! them would wait for memory most of the time. So they are stored as they are, and
//! transformed where they are used, a part at a time.

use super::points::{POINTS_OF_2, POINTS_OF_4};
use crate::buffer::{Buffer, OutOfMemory};
use crate::gemm::panel;
use crate::map::GRAIN;
use crate::simd::Isa;

/// Channels in up to which a task takes tiles all the way. With more, a block's
/// transformed input outgrows its core's second-level cache.
const FEW_CHANNELS: usize = 128;

/// Values up to which kernels are transformed once: 256 channels to 256 are still
/// quicker so, 256 to 512 take a quarter longer.
const ONCE: usize = 256 * 256 * 36;

/// Channels of the input that are multiplied at a time where kernels are transformed
/// where they are used: the transformed ones stay in the second-level cache.
const PART: usize = 64;

/// Panels of a group, where kernels are transformed once; the last may have fewer.
///
/// Each position's transformed input is read once for a group. With 4 that is half as
/// often, but there are fewer tasks for many threads, and the products of a group take
/// twice the memory; there was no difference in time.
const IN_GROUP: usize = 2;

/// Kernels in the order in which they are read.
pub(super) struct Packed {
    /// Transformed: `[group, position, panel of the group, channels in, columns of the
    /// panel]`. Else `[panel, channels in, 3, 3, columns of the panel]`.
    pub values: Buffer,
    /// They are transformed.
    pub transformed: bool,
    /// Channels in, with those that fill up.
    pub depth: usize,
    /// Channels in that are multiplied at a time; the last may be fewer.
    pub part: usize,
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
    ) -> Result<Self, OutOfMemory> {
        let (depth, columns) = (channels_in.next_multiple_of(GRAIN), panel(isa));
        let positions = (side + 2) * (side + 2);
        let panels = channels.next_multiple_of(GRAIN).div_ceil(columns);
        let transformed = positions * panels * depth * columns <= ONCE;
        let each = if transformed { positions } else { 9 };
        let mut packed = Self {
            values: Buffer::zeros(each * panels * depth * columns)?,
            transformed,
            depth,
            part: if transformed { depth } else { PART },
            positions,
            columns,
            panels,
        };
        let rows = match side {
            2 => rows(&POINTS_OF_2),
            _ => rows(&POINTS_OF_4),
        };
        for (i, kernel) in kernels.chunks_exact(9).enumerate() {
            let (to, from) = (i / channels_in, i % channels_in);
            let (panel, column) = (to / columns, to % columns);
            if transformed {
                for (position, value) in transform(kernel, &rows).enumerate() {
                    let place = packed.place(panel, position);
                    packed.values[place + from * columns + column] = value as f32;
                }
            } else {
                let place = packed.plain_place(panel, from);
                for (k, &value) in kernel.iter().enumerate() {
                    packed.values[place + k * columns + column] = value;
                }
            }
        }
        Ok(packed)
    }

    /// Whether a task can take tiles all the way.
    pub fn is_shallow(&self) -> bool {
        self.transformed && self.depth <= FEW_CHANNELS
    }

    /// Panels of a group; the last may have fewer.
    pub fn in_group(&self) -> usize {
        if self.transformed { IN_GROUP } else { 1 }
    }

    /// Where transformed kernels of a panel start for a position, `[depth, columns]`.
    pub fn place(&self, panel: usize, position: usize) -> usize {
        let group = panel / IN_GROUP;
        let first = group * IN_GROUP;
        let in_this = IN_GROUP.min(self.panels - first);
        let before = first * self.positions + position * in_this + (panel - first);
        before * self.depth * self.columns
    }

    /// Where others start for a channel of the input, `[9, columns]`.
    pub fn plain_place(&self, panel: usize, channel: usize) -> usize {
        (panel * self.depth + channel) * 9 * self.columns
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
fn transform<'a>(kernel: &'a [f32], rows: &'a [[f64; 3]]) -> impl Iterator<Item = f64> + 'a {
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
        let packed = Packed::new(&vec![1.0; 70 * 3 * 9], 3, 70, 4, Isa::Portable).expect("memory");
        assert!(packed.transformed);
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
