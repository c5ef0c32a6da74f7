//! The matrix kernel: rows of an input times packed weights.
//!
//! Belongs here: the product of a few rows with one panel of weights, which stays in
//! registers. What is multiplied, and in which order, is up to the callers: a position
//! of Winograd's tiles, or the pixels of a direct convolution.
#![allow(unsafe_code, reason = "the innermost loop reads without bounds checks")]

use crate::simd::{Isa, Lanes, dispatch};

/// Vectors in a row of a panel.
///
/// With two, 12 sums of AVX2 are 6 × 2: 8 loads for 12 multiplications, which the
/// multiplications hide. 4 × 3 loads less, but does not divide 64 channels.
pub(crate) const VECTORS: usize = 2;

/// Values of a cache line.
pub(crate) const LINE: usize = 16;

/// Columns of a panel, the output channels that a kernel computes at once.
pub(crate) fn panel(isa: Isa) -> usize {
    VECTORS * isa.lanes()
}

/// What a product reads and writes.
#[derive(Clone, Copy)]
pub(crate) struct Product {
    /// The first row of the input.
    pub input: *const f32,
    /// From one row of it to the next.
    pub input_stride: usize,
    /// Rows of input and output.
    pub rows: usize,
    /// Consecutive values that a row is made of: `segment` of them in `segments` places.
    pub segment: usize,
    /// The number of those places.
    pub segments: usize,
    /// From one of them to the next.
    pub segment_stride: usize,
    /// `[segments · segment, panel]`.
    pub weights: *const f32,
    /// What is wanted next, which is read ahead: an address, which need not exist.
    pub next: *const f32,
    /// Values of it that this product reads ahead, up to a panel's weights.
    pub ahead: usize,
    /// What the sums of the first row start with, `panel` values. May be the output.
    pub start: *const f32,
    /// From one row of it to the next.
    pub start_stride: usize,
    /// What is negative becomes 0.
    pub relu: bool,
    /// The first row of the output, `panel` values.
    pub output: *mut f32,
    /// From one row of it to the next.
    pub output_stride: usize,
}

dispatch! {
    /// Computes a product.
    ///
    /// The sum of an output value has one order, whatever the number of rows: results do
    /// not depend on how an image is cut into blocks.
    ///
    /// # Safety
    /// The CPU must have `isa`; all rows lie in memory that may be read and written.
    pub(crate) unsafe fn multiply = product<_>(p: Product)
}

#[inline(always)]
unsafe fn product<L: Lanes>(mut p: Product) {
    // Groups of nearly equal size: 16 rows are 6, 5, 5, not 6, 6, 4, whose few sums
    // would wait for each other.
    let mut groups = p.rows.div_ceil(L::ROWS);
    // With each value of a row a piece of what is next: more at once would wait for each
    // other, since a core of today can wait for little more than a dozen cache lines.
    let depth = p.segments * p.segment;
    let step = p.ahead / (depth * groups).max(1);
    while groups > 0 {
        let rows = p.rows.div_ceil(groups);
        // SAFETY: these rows are the first of those that remain.
        unsafe {
            match rows {
                1 => some_rows::<L, 1>(&p, step),
                2 => some_rows::<L, 2>(&p, step),
                3 => some_rows::<L, 3>(&p, step),
                4 => some_rows::<L, 4>(&p, step),
                5 => some_rows::<L, 5>(&p, step),
                6 => some_rows::<L, 6>(&p, step),
                7 => some_rows::<L, 7>(&p, step),
                8 => some_rows::<L, 8>(&p, step),
                9 => some_rows::<L, 9>(&p, step),
                10 => some_rows::<L, 10>(&p, step),
                11 => some_rows::<L, 11>(&p, step),
                _ => some_rows::<L, 12>(&p, step),
            }
            // After the last rows these lead past the end, where `add` may not.
            p.input = p.input.wrapping_add(rows * p.input_stride);
            p.output = p.output.wrapping_add(rows * p.output_stride);
            p.start = p.start.wrapping_add(rows * p.start_stride);
            p.next = p.next.wrapping_add(depth * step);
        }
        p.rows -= rows;
        groups -= 1;
    }
}

#[inline(always)]
unsafe fn some_rows<L: Lanes, const R: usize>(p: &Product, step: usize) {
    if R > L::ROWS {
        return; // never: groups are not larger
    }
    // SAFETY: `product` has as many rows, each of `segments` × `segment` values, and the
    // weights have a row for each of these.
    unsafe {
        let mut sums = [[L::splat(0.0); VECTORS]; R];
        for (r, sums) in sums.iter_mut().enumerate() {
            let start = p.start.add(r * p.start_stride);
            *sums = [L::load(start), L::load(start.add(L::N))];
        }
        let mut weights = p.weights;
        let mut next = p.next;
        for s in 0..p.segments {
            let input = p.input.add(s * p.segment_stride);
            for k in 0..p.segment {
                let row = [L::load(weights), L::load(weights.add(L::N))];
                weights = weights.add(VECTORS * L::N);
                L::prefetch(next);
                if VECTORS * L::N > LINE && step > LINE {
                    L::prefetch(next.wrapping_add(LINE));
                }
                next = next.wrapping_add(step);
                for (r, sums) in sums.iter_mut().enumerate() {
                    let value = L::splat(*input.add(r * p.input_stride + k));
                    sums[0] = value.mul_add(row[0], sums[0]);
                    sums[1] = value.mul_add(row[1], sums[1]);
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            let output = p.output.add(r * p.output_stride);
            let zero = L::splat(0.0);
            // In this order NaN stays what it is.
            let finish = |sum: L| if p.relu { zero.max(sum) } else { sum };
            finish(sums[0]).store(output);
            finish(sums[1]).store(output.add(L::N));
        }
    }
}
