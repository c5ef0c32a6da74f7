//! Winograd's transforms of one tile in two dimensions, in all of its channels.
#![allow(unsafe_code, reason = "the innermost loops read without bounds checks")]
#![allow(
    clippy::needless_range_loop,
    reason = "rows and columns of small matrices by their numbers"
)]

use super::points::{MAX_POSITIONS, input, kernel, output};
use crate::gemm::{LINE, VECTORS};
use crate::simd::{Lanes, dispatch};

/// The first channel at each pixel of a tile of the input; outside the picture, zeros.
pub(super) type Pixels = [[*const f32; MAX_POSITIONS]; MAX_POSITIONS];

/// Some channels of a tile of the input.
pub(super) struct InputTile<'a> {
    /// Its pixels.
    pub pixels: &'a Pixels,
    /// The same of the tile that follows.
    pub next: &'a Pixels,
    /// The first of the channels.
    pub first: usize,
    /// Their number, a multiple of every vector.
    pub channels: usize,
    /// The first position's channels, from the first of these on.
    pub to: *mut f32,
    /// From one position to the next.
    pub position_stride: usize,
}

/// Kernels of a panel for some channels of the input.
pub(super) struct KernelPart {
    /// `[channels, 3, 3, panel]`.
    pub from: *const f32,
    /// Channels of the input.
    pub channels: usize,
    /// `[channels, panel]` of the first position.
    pub to: *mut f32,
    /// From one position to the next.
    pub position_stride: usize,
}

/// A tile of the output, in the channels of one panel.
pub(super) struct OutputTile {
    /// `[position, panel]`.
    pub products: *const f32,
    /// Of the panel.
    pub bias: *const f32,
    /// Its first pixel; after pooling, where it is pooled.
    pub to: *mut f32,
    /// From one row of the output to the next.
    pub row_stride: usize,
    /// From one pixel to the next.
    pub pixel_stride: usize,
    /// Rows of it that the output has; after pooling, where it is pooled.
    pub rows: usize,
    /// The same of columns.
    pub columns: usize,
    /// What is negative becomes 0.
    pub relu: bool,
    /// The maximum of each 2 × 2.
    pub pool: bool,
}

dispatch! {
    /// Transforms a tile of the input for outputs of `M` × `M`.
    ///
    /// # Safety
    /// The CPU must have `isa`; what the tile points to may be read and written.
    pub(super) unsafe fn transform_input = input_tile<_, M>(tile: &InputTile)
}

dispatch! {
    /// Transforms products to `M` × `M` of the output.
    ///
    /// # Safety
    /// As of [`transform_input`].
    pub(super) unsafe fn transform_output = output_tile<_, M>(tile: &OutputTile)
}

dispatch! {
    /// Transforms kernels for tiles of `M` × `M` of the output.
    ///
    /// # Safety
    /// As of [`transform_input`].
    pub(super) unsafe fn transform_kernels = kernel_part<_, M>(part: &KernelPart)
}

#[inline(always)]
unsafe fn kernel_part<L: Lanes, const M: usize>(part: &KernelPart) {
    let side = M + 2;
    let columns = VECTORS * L::N;
    for c in 0..part.channels {
        for v in 0..VECTORS {
            // SAFETY: 9 rows of each channel are there, and its row of each position.
            unsafe {
                let from = part.from.add(c * 9 * columns + v * L::N);
                let zero = L::splat(0.0);
                let mut half = [[zero; 3]; MAX_POSITIONS];
                for j in 0..3 {
                    let at = |i: usize| L::load(from.add((3 * i + j) * columns));
                    let column = kernel::<L, M>([at(0), at(1), at(2)]);
                    for i in 0..side {
                        half[i][j] = column[i];
                    }
                }
                let mut to = part.to.add(c * columns + v * L::N);
                for row in &half[..side] {
                    let row = kernel::<L, M>(*row);
                    for value in &row[..side] {
                        value.store(to);
                        to = to.wrapping_add(part.position_stride);
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn input_tile<L: Lanes, const M: usize>(tile: &InputTile) {
    let side = M + 2;
    let mut done = 0;
    while done < tile.channels {
        let c = tile.first + done;
        // SAFETY: N channels remain at each pixel and each position.
        unsafe {
            if c.is_multiple_of(LINE) {
                for next in &tile.next[..side] {
                    for pixel in &next[2..side] {
                        L::prefetch(pixel.wrapping_add(c));
                    }
                }
            }
            let zero = L::splat(0.0);
            let mut half = [[zero; MAX_POSITIONS]; MAX_POSITIONS];
            for j in 0..side {
                let mut column = [zero; MAX_POSITIONS];
                for i in 0..side {
                    column[i] = L::load(tile.pixels[i][j].add(c));
                }
                let column = input::<L, M>(column);
                for i in 0..side {
                    half[i][j] = column[i];
                }
            }
            let mut to = tile.to.add(done);
            for row in &half[..side] {
                let row = input::<L, M>(*row);
                for value in &row[..side] {
                    value.store(to);
                    to = to.wrapping_add(tile.position_stride);
                }
            }
        }
        done += L::N;
    }
}

#[inline(always)]
unsafe fn output_tile<L: Lanes, const M: usize>(tile: &OutputTile) {
    let side = M + 2;
    for v in 0..VECTORS {
        // SAFETY: the products have `side`² positions, and the output has the rows and
        // columns that the tile says.
        unsafe {
            let zero = L::splat(0.0);
            let mut half = [[zero; MAX_POSITIONS]; 4];
            for j in 0..side {
                let mut column = [zero; MAX_POSITIONS];
                for i in 0..side {
                    let position = i * side + j;
                    column[i] = L::load(tile.products.add((position * VECTORS + v) * L::N));
                }
                let column = output::<L, M>(column);
                for i in 0..M {
                    half[i][j] = column[i];
                }
            }
            let bias = L::load(tile.bias.add(v * L::N));
            let finish = |value: L| {
                let value = value.add(bias);
                // In this order NaN stays what it is.
                if tile.relu { zero.max(value) } else { value }
            };
            let to = tile.to.add(v * L::N);
            let at = |i: usize, j: usize| to.add(i * tile.row_stride + j * tile.pixel_stride);
            if tile.pool {
                // Rounding keeps the order: bias and ReLU after the maximum give the same.
                for i in 0..tile.rows.min(M / 2) {
                    let upper = output::<L, M>(half[2 * i]);
                    let lower = output::<L, M>(half[2 * i + 1]);
                    for j in 0..tile.columns.min(M / 2) {
                        let upper = upper[2 * j].max(upper[2 * j + 1]);
                        let lower = lower[2 * j].max(lower[2 * j + 1]);
                        finish(upper.max(lower)).store(at(i, j));
                    }
                }
            } else {
                for i in 0..tile.rows.min(M) {
                    let row = output::<L, M>(half[i]);
                    for j in 0..tile.columns.min(M) {
                        finish(row[j]).store(at(i, j));
                    }
                }
            }
        }
    }
}
