//! conv3×3 with padding 1 straight from its definition, for the few channels of a
//! network's input.
//!
//! With 1 or 3 channels in, Winograd's transforms cost more than the multiplications
//! that they save.
#![allow(unsafe_code, reason = "threads write to disjoint rows of one output")]

use std::ops::Range;

use crate::buffer::{Buffer, OutOfMemory};
use crate::gemm::{Product, multiply, panel};
use crate::map::{GRAIN, Map};
use crate::simd::Isa;
use crate::workers::Workers;

/// A layer conv3×3 with padding 1 and stride 1 or 2 over few channels, ready to run.
pub struct InputConv {
    isa: Isa,
    stride: usize,
    channels_in: usize,
    channels: usize,
    /// `[panel, 3, 3, channels in, columns of the panel]`.
    weights: Buffer,
    /// For all panels.
    bias: Buffer,
}

/// Rows of the output that one task computes.
const ROWS: usize = 4;
/// Pixels that are multiplied with a panel before the next, while they are in the
/// first-level cache.
const PIXELS: usize = 48;

impl InputConv {
    /// From kernels `[out, in, 3, 3]` and a bias for each output channel.
    ///
    /// # Errors
    /// If there is too little memory.
    ///
    /// # Panics
    /// If there are no channels, the numbers of values do not fit each other, the stride
    /// is 0, or the CPU does not have `isa`.
    pub fn new(
        kernels: &[f32],
        bias: &[f32],
        stride: usize,
        isa: Isa,
    ) -> Result<Self, OutOfMemory> {
        let (channels, channels_in) = crate::channels_of(kernels, bias, isa);
        assert!(stride > 0, "a stride is 1 or more");
        let columns = panel(isa);
        let panels = channels.next_multiple_of(GRAIN).div_ceil(columns);
        let mut weights = Buffer::zeros(panels * 9 * channels_in * columns)?;
        for (i, kernel) in kernels.chunks_exact(9).enumerate() {
            let (to, from) = (i / channels_in, i % channels_in);
            for (place, &value) in kernel.iter().enumerate() {
                let row = (to / columns * 9 + place) * channels_in + from;
                weights[row * columns + to % columns] = value;
            }
        }
        let mut all = Buffer::zeros(panels * columns)?;
        all[..channels].copy_from_slice(bias);
        Ok(Self {
            isa,
            stride,
            channels_in,
            channels,
            weights,
            bias: all,
        })
    }

    /// Computes the layer: from `x`, `[B, height, width, in]` in row-major order, to
    /// `[B, ⌈height / stride⌉, ⌈width / stride⌉, out]`, and what is negative becomes 0 if
    /// `relu`. `y` becomes of that shape; its memory is reused.
    ///
    /// # Errors
    /// If there is too little memory.
    ///
    /// # Panics
    /// If `x` has another number of values.
    pub fn run(
        &self,
        x: &[f32],
        size: [usize; 3],
        relu: bool,
        y: &mut Map,
        workers: &mut Workers,
    ) -> Result<(), OutOfMemory> {
        let columns = 0..size[2].div_ceil(self.stride);
        self.run_columns(x, size, relu, &[columns], y, workers)
    }

    /// As [`run`](Self::run), but only some columns. The others stay if `y` had its shape
    /// before; else they are those of anything.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Panics
    /// As [`run`](Self::run), and if columns are beyond those of `y`.
    pub fn run_columns(
        &self,
        x: &[f32],
        [batch, height, width]: [usize; 3],
        relu: bool,
        spans: &[Range<usize>],
        y: &mut Map,
        workers: &mut Workers,
    ) -> Result<(), OutOfMemory> {
        let c = self.channels_in;
        assert_eq!(x.len(), batch * height * width * c, "values of the input");
        let (rows, columns) = (height.div_ceil(self.stride), width.div_ceil(self.stride));
        assert!(spans.iter().all(|span| span.end <= columns), "columns");
        y.reshape(batch, rows, columns, self.channels)?;
        assert_eq!(y.stride(), self.bias.len());
        let job = Job {
            conv: self,
            x,
            height,
            width,
            rows,
            columns,
            spans,
            relu,
            stride: y.stride(),
            y: y.values_mut().as_mut_ptr(),
        };
        let blocks = rows.div_ceil(ROWS);
        if columns == 0 {
            return Ok(());
        }
        let memory = job.padded_rows(ROWS.min(rows)) * job.padded_row();
        workers.each(batch * blocks, memory, |task, scratch| {
            let first = task % blocks * ROWS;
            // SAFETY: each task has other rows.
            unsafe { job.rows(task / blocks, first..rows.min(first + ROWS), scratch) };
        })
    }
}

/// The layer at work.
struct Job<'a> {
    conv: &'a InputConv,
    x: &'a [f32],
    height: usize,
    width: usize,
    /// Of the output.
    rows: usize,
    columns: usize,
    /// The columns that are computed.
    spans: &'a [Range<usize>],
    relu: bool,
    /// From one pixel of the output to the next.
    stride: usize,
    /// `[batch, rows, columns, stride]`.
    y: *mut f32,
}

// SAFETY: the function that writes through `y` says who may.
unsafe impl Sync for Job<'_> {}

impl Job<'_> {
    /// Rows of the input, with padding, that some rows of the output need.
    fn padded_rows(&self, rows: usize) -> usize {
        (rows.max(1) - 1) * self.conv.stride + 3
    }

    /// Values of such a row.
    fn padded_row(&self) -> usize {
        let needed = (self.columns - 1) * self.conv.stride + 3;
        needed.max(self.width + 2) * self.conv.channels_in
    }

    /// Computes some rows of an image.
    ///
    /// # Safety
    /// Nobody else computes these rows.
    unsafe fn rows(&self, image: usize, rows: Range<usize>, scratch: &mut [f32]) {
        let InputConv {
            isa,
            stride,
            channels_in: c,
            ..
        } = *self.conv;
        let panel = panel(isa);
        // The rows of the input with padding around them.
        let padded_row = self.padded_row();
        let padded = &mut scratch[..self.padded_rows(rows.len()) * padded_row];
        padded.fill(0.0);
        let picture = &self.x[image * self.height * self.width * c..];
        for (i, padded) in padded.chunks_exact_mut(padded_row).enumerate() {
            let y = (rows.start * stride + i).wrapping_sub(1);
            if y < self.height {
                let row = &picture[y * self.width * c..][..self.width * c];
                padded[c..][..self.width * c].copy_from_slice(row);
            }
        }
        for row in rows.clone() {
            let from = &padded[(row - rows.start) * stride * padded_row..];
            let to = (image * self.rows + row) * self.columns * self.stride;
            let pieces = |span: &Range<usize>| {
                let end = span.end;
                let pieces = span.clone().step_by(PIXELS);
                pieces.map(move |first| (first, PIXELS.min(end - first)))
            };
            for (first, pixels) in self.spans.iter().flat_map(pieces) {
                let last = (first + pixels - 1) * stride * c + 2 * padded_row + 3 * c;
                assert!(last <= from.len());
                for (p, weights) in self.conv.weights.chunks_exact(9 * c * panel).enumerate() {
                    let at = to + first * self.stride + p * panel;
                    let product = Product {
                        input: from[first * stride * c..].as_ptr(),
                        input_stride: stride * c,
                        rows: pixels,
                        segment: 3 * c,
                        segments: 3,
                        segment_stride: padded_row,
                        weights: weights.as_ptr(),
                        next: weights.as_ptr(),
                        ahead: 0,
                        start: self.conv.bias[p * panel..][..panel].as_ptr(),
                        start_stride: 0,
                        relu: self.relu,
                        // SAFETY: a pixel of these rows, and all panels together are as
                        // long as it is.
                        output: unsafe { self.y.add(at) },
                        output_stride: self.stride,
                    };
                    // SAFETY: the last pixel's input ends at `last`, the pixels of the
                    // output are ours, the caller says, and `new` checked the CPU.
                    unsafe { multiply(isa, product) };
                }
            }
        }
    }
}
