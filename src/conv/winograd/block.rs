//! A block of tiles through the layer: transform, multiply, transform back.
//!
//! Belongs here: where in memory a tile's pixels, values and products are. All of the
//! layer's threads write to one output, each to its own tiles and channels.
#![allow(unsafe_code, reason = "threads write to disjoint parts of one output")]

use std::ops::Range;

use super::points::MAX_POSITIONS;
use super::tile::{
    InputTile, KernelPart, OutputTile, Pixels, transform_input, transform_kernels, transform_output,
};
use super::weights::Packed;
use super::{After, BLOCK, Conv3x3, Grid, Place};
use crate::buffer::OutOfMemory;
use crate::gemm::{Product, multiply};
use crate::map::Map;
use crate::workers::Workers;

/// Values between two positions, so that they do not compete for one place in the caches.
const GAP: usize = 16;

/// Values of transformed input that all threads share: about what the third-level cache
/// keeps.
const SHARED: usize = 3 << 19;

/// Tiles that a task transforms for all.
const TRANSFORMED_AT_ONCE: usize = 4;

/// Tiles that a task computes in a group of panels, at most.
const COMPUTED_AT_ONCE: usize = 96;

/// Transformed tiles: `[part of the channels, position, tile, channels]`, and where they
/// start.
#[derive(Clone, Copy)]
pub(super) struct Transformed {
    start: *mut f32,
    /// The first of the tiles, and the one after the last.
    first: usize,
    end: usize,
    positions: usize,
    position_stride: usize,
    part: usize,
    parts: usize,
}

// SAFETY: the functions that write through it say who may.
unsafe impl Send for Transformed {}
// SAFETY: as above.
unsafe impl Sync for Transformed {}

impl Transformed {
    /// Values that `tiles` need.
    pub fn len(tiles: usize, packed: &Packed) -> usize {
        let parts = packed.depth.div_ceil(packed.part);
        parts * packed.positions * (tiles * packed.part + GAP)
    }

    /// For `tiles` in memory of [`Self::len`].
    pub fn new(memory: &mut [f32], tiles: &Range<usize>, packed: &Packed) -> Self {
        assert!(memory.len() >= Self::len(tiles.len(), packed));
        Self {
            start: memory.as_mut_ptr(),
            first: tiles.start,
            end: tiles.end,
            positions: packed.positions,
            position_stride: tiles.len() * packed.part + GAP,
            part: packed.part,
            parts: packed.depth.div_ceil(packed.part),
        }
    }

    /// `part` values of a tile.
    fn at(self, part: usize, position: usize, tile: usize) -> *mut f32 {
        assert!(part < self.parts && position < self.positions);
        assert!((self.first..self.end).contains(&tile));
        let row = part * self.positions + position;
        let place = row * self.position_stride + (tile - self.first) * self.part;
        // SAFETY: within the memory: the place was checked, its length by `new`.
        unsafe { self.start.add(place) }
    }
}

/// A layer at work: its input, its output and how one becomes the other.
pub(super) struct Layer<'a> {
    conv: &'a Conv3x3,
    packed: &'a Packed,
    x: &'a Map,
    grid: Grid<'a>,
    after: After,
    y: *mut f32,
    y_height: usize,
    y_width: usize,
    y_stride: usize,
}

// SAFETY: the functions that write through `y` say who may.
unsafe impl Sync for Layer<'_> {}

impl<'a> Layer<'a> {
    /// `y` has the places that `grid` covers, each once.
    pub fn new(
        conv: &'a Conv3x3,
        x: &'a Map,
        grid: Grid<'a>,
        after: After,
        y: &'a mut Map,
    ) -> Self {
        let packed = &conv.packed;
        assert_eq!(x.stride(), packed.depth);
        assert_eq!(
            x.values().len(),
            x.batch() * x.height() * x.width() * packed.depth
        );
        assert_eq!(packed.positions, (grid.side + 2).pow(2));
        let (y_height, y_width, y_stride) = (y.height(), y.width(), y.stride());
        assert_eq!(y_stride, packed.panels * packed.columns);
        assert_eq!(y.values().len(), x.batch() * y_height * y_width * y_stride);
        assert_eq!(grid.rows, y_height.div_ceil(grid.step));
        let mut covered = 0;
        for span in grid.spans {
            assert!(covered <= span.start && span.start <= span.end && span.end <= y_width);
            covered = span.end;
        }
        Self {
            conv,
            packed,
            x,
            grid,
            after,
            y: y.values_mut().as_mut_ptr(),
            y_height,
            y_width,
            y_stride,
        }
    }

    /// Each task takes a block of tiles all the way: what it transforms stays in its
    /// core's second-level cache. All weights pass through it once a block.
    pub fn by_tiles(&self, tiles: usize, workers: &mut Workers) -> Result<(), OutOfMemory> {
        let parts = Parts::of(0..tiles, BLOCK);
        let most = parts.get(0).len();
        let memory = Transformed::len(most, self.packed) + self.work_len(most);
        workers.each(parts.len(), memory, |task, scratch| {
            let tiles = parts.get(task);
            let (memory, work) = scratch.split_at_mut(Transformed::len(tiles.len(), self.packed));
            let transformed = Transformed::new(memory, &tiles, self.packed);
            // SAFETY: the memory is this task's, and so are the tiles.
            unsafe {
                self.transform(tiles.clone(), transformed);
                for group in 0..self.groups() {
                    self.compute(tiles.clone(), group, transformed, work);
                }
            }
        })
    }

    /// All threads transform some tiles, then each task computes some channels of them:
    /// weights pass through a core once for many tiles.
    pub fn by_channels(&self, tiles: usize, workers: &mut Workers) -> Result<(), OutOfMemory> {
        let mut memory = std::mem::take(&mut workers.shared);
        let together = (SHARED / self.packed.positions / self.packed.depth).max(BLOCK);
        for first in (0..tiles).step_by(together) {
            let tiles = first..tiles.min(first + together);
            memory.resize(Transformed::len(tiles.len(), self.packed))?;
            let transformed = Transformed::new(&mut memory, &tiles, self.packed);
            let parts = Parts::of(tiles.clone(), TRANSFORMED_AT_ONCE);
            workers.each(parts.len(), 0, |task, _| {
                // SAFETY: each task has other tiles.
                unsafe { self.transform(parts.get(task), transformed) };
            })?;
            let parts = Parts::of(tiles, COMPUTED_AT_ONCE);
            let memory = self.work_len(parts.get(0).len());
            workers.each(parts.len() * self.groups(), memory, |task, scratch| {
                let (group, part) = (task / parts.len(), task % parts.len());
                let tiles = parts.get(part);
                // SAFETY: each task has other tiles or another group, and all tiles
                // were transformed when the first `each` returned.
                unsafe { self.compute(tiles, group, transformed, scratch) };
            })?;
        }
        workers.shared = memory;
        Ok(())
    }

    /// The number of groups of panels.
    fn groups(&self) -> usize {
        self.packed.panels.div_ceil(self.packed.in_group())
    }

    /// Values of memory that a task needs for a group: for products, and for kernels if
    /// it has to transform them.
    fn work_len(&self, tiles: usize) -> usize {
        self.products_len(tiles) + self.kernels_len()
    }

    fn products_len(&self, tiles: usize) -> usize {
        self.packed.in_group() * tiles * self.packed.positions * self.packed.columns
    }

    fn kernels_len(&self) -> usize {
        match self.packed.transformed {
            true => 0,
            false => self.packed.positions * self.kernels_stride(),
        }
    }

    /// From one position to the next of kernels that a task transformed.
    fn kernels_stride(&self) -> usize {
        self.packed.part * self.packed.columns + GAP
    }

    /// The channels of a part.
    fn channels(&self, part: usize) -> Range<usize> {
        let first = part * self.packed.part;
        first..self.packed.depth.min(first + self.packed.part)
    }

    /// Parts of the channels.
    fn parts(&self) -> Range<usize> {
        0..self.packed.depth.div_ceil(self.packed.part)
    }

    /// Transforms tiles of the input.
    ///
    /// # Safety
    /// Nobody else reads or writes these tiles of `to`, which has them.
    unsafe fn transform(&self, tiles: Range<usize>, to: Transformed) {
        let mut next = self.pixels(tiles.start);
        for tile in tiles.clone() {
            let pixels = next;
            // The last reads itself ahead.
            next = self.pixels(tiles.end.min(tile + 2) - 1);
            for part in self.parts() {
                let channels = self.channels(part);
                let tile = InputTile {
                    pixels: &pixels,
                    next: &next,
                    first: channels.start,
                    channels: channels.len(),
                    to: to.at(part, 0, tile),
                    position_stride: to.position_stride,
                };
                // SAFETY: these values are at each pixel, and ours, the caller says, at
                // each position of the tile. The convolution checked the CPU.
                unsafe {
                    match self.grid.side {
                        2 => transform_input::<2>(self.conv.isa, &tile),
                        _ => transform_input::<4>(self.conv.isa, &tile),
                    }
                }
            }
        }
    }

    /// The pixels of a tile of the input, `depth` values at each.
    fn pixels(&self, tile: usize) -> Pixels {
        let (height, width) = (self.x.height(), self.x.width());
        let (depth, side) = (self.packed.depth, self.grid.side);
        let place = self.grid.place(tile);
        let scale = side / self.grid.step;
        let (row, column) = (place.row * scale, place.columns.start * scale);
        // What lies further than the neighbours of the last column may be anything.
        let width_here = width.min(place.columns.end * scale + 1);
        let picture = &self.x.values()[place.image * height * width * depth..];
        let mut pixels = [[self.conv.zeros[..depth].as_ptr(); MAX_POSITIONS]; MAX_POSITIONS];
        for (i, pixels) in pixels.iter_mut().enumerate().take(side + 2) {
            // Padding by 1: the row and column before the first are -1.
            let y = (row + i).wrapping_sub(1);
            if y >= height {
                continue;
            }
            for (j, pixel) in pixels.iter_mut().enumerate().take(side + 2) {
                let x = (column + j).wrapping_sub(1);
                if x < width_here {
                    *pixel = picture[(y * width + x) * depth..][..depth].as_ptr();
                }
            }
        }
        pixels
    }

    /// Computes the output of `tiles` in the channels of a group of panels, from their
    /// transformed input.
    ///
    /// # Safety
    /// `from` has these tiles, nobody writes to them, and nobody else computes these
    /// tiles in this group.
    unsafe fn compute(
        &self,
        tiles: Range<usize>,
        group: usize,
        from: Transformed,
        work: &mut [f32],
    ) {
        let Packed {
            positions, columns, ..
        } = *self.packed;
        let (products, kernels) = work.split_at_mut(self.products_len(tiles.len()));
        let first = group * self.packed.in_group();
        let panels = first..self.packed.panels.min(first + self.packed.in_group());
        // [panel, tile, position, column]
        let place = |panel: usize, tile: usize, position: usize| {
            ((panel * tiles.len() + tile) * positions + position) * columns
        };
        for part in self.parts() {
            let depth = self.channels(part).len();
            if !self.packed.transformed {
                self.transform_kernels(first, part, kernels);
            }
            for position in 0..positions {
                for panel in panels.clone() {
                    let output = products[place(panel - first, 0, position)..].as_mut_ptr();
                    let (weights, next, ahead) = self.weights(panel, position, part, kernels);
                    let (start, start_stride) = match part {
                        0 => (self.conv.zeros[..columns].as_ptr(), 0),
                        _ => (output.cast_const(), positions * columns),
                    };
                    let product = Product {
                        input: from.at(part, position, tiles.start),
                        input_stride: self.packed.part,
                        rows: tiles.len(),
                        segment: depth,
                        segments: 1,
                        segment_stride: 0,
                        weights: weights[..depth * columns].as_ptr(),
                        next,
                        ahead,
                        start,
                        start_stride,
                        relu: false,
                        output,
                        output_stride: positions * columns,
                    };
                    // SAFETY: a row is `depth` values of a tile at this position, which
                    // the caller says are there; `place` is within the products.
                    unsafe { multiply(self.conv.isa, product) };
                }
            }
        }
        for tile in tiles.clone() {
            let place_in_y = self.grid.place(tile);
            for panel in panels.clone() {
                let from = &products[place(panel - first, tile - tiles.start, 0)..];
                // SAFETY: this tile and these channels are ours, the caller says.
                unsafe { self.finish(&place_in_y, panel, &from[..positions * columns]) };
            }
        }
    }

    /// The transformed kernels of a panel for a position and a part of the channels, what
    /// to read ahead meanwhile, and how much of it.
    fn weights<'k>(
        &'k self,
        panel: usize,
        position: usize,
        part: usize,
        kernels: &'k [f32],
    ) -> (&'k [f32], *const f32, usize) {
        let packed = self.packed;
        if packed.transformed {
            let weights = &packed.values[packed.place(panel, position)..];
            let ahead = packed.depth * packed.columns;
            return (weights, weights.as_ptr().wrapping_add(ahead), ahead);
        }
        // Each position reads a piece of the part that follows.
        let channel = (part + 1) * packed.part;
        let piece = packed.part * 9 * packed.columns / packed.positions;
        let place = packed.plain_place(panel, channel) + position * piece;
        let next = packed.values.as_ptr().wrapping_add(place);
        (&kernels[position * self.kernels_stride()..], next, piece)
    }

    /// Transforms the kernels of a panel for a part of the channels.
    fn transform_kernels(&self, panel: usize, part: usize, to: &mut [f32]) {
        let packed = self.packed;
        let channels = self.channels(part);
        let from = &packed.values[packed.plain_place(panel, channels.start)..];
        assert!(to.len() >= self.kernels_len());
        let kernels = KernelPart {
            from: from[..channels.len() * 9 * packed.columns].as_ptr(),
            channels: channels.len(),
            to: to.as_mut_ptr(),
            position_stride: self.kernels_stride(),
        };
        // SAFETY: what is read was checked, and there is place for a part of each
        // position. The convolution checked the CPU.
        unsafe {
            match self.grid.side {
                2 => transform_kernels::<2>(self.conv.isa, &kernels),
                _ => transform_kernels::<4>(self.conv.isa, &kernels),
            }
        }
    }

    /// # Safety
    /// It is the place of a tile that nobody else computes in this panel.
    unsafe fn finish(&self, place: &Place, panel: usize, products: &[f32]) {
        let &Place {
            image,
            row,
            ref columns,
        } = place;
        let channel = panel * self.packed.columns;
        let pixel = (image * self.y_height + row) * self.y_width + columns.start;
        let tile = OutputTile {
            products: products.as_ptr(),
            bias: self.conv.bias[channel..][..self.packed.columns].as_ptr(),
            // SAFETY: the grid has only tiles whose first pixel the output has.
            to: unsafe { self.y.add(pixel * self.y_stride + channel) },
            row_stride: self.y_width * self.y_stride,
            pixel_stride: self.y_stride,
            rows: self.y_height - row,
            columns: columns.len(),
            relu: self.after.relu,
            pool: self.after.pool,
        };
        // SAFETY: only pixels that the output has are written, ours by the caller's word.
        // The convolution checked the CPU.
        unsafe {
            match self.grid.side {
                2 => transform_output::<2>(self.conv.isa, &tile),
                _ => transform_output::<4>(self.conv.isa, &tile),
            }
        }
    }
}

/// A range of tiles in parts of nearly equal size.
struct Parts {
    tiles: Range<usize>,
    size: usize,
}

impl Parts {
    /// Of `most` tiles at most.
    fn of(tiles: Range<usize>, most: usize) -> Self {
        let size = tiles.len().div_ceil(tiles.len().div_ceil(most).max(1));
        Self { tiles, size }
    }

    fn len(&self) -> usize {
        self.tiles.len().div_ceil(self.size)
    }

    fn get(&self, part: usize) -> Range<usize> {
        let first = self.tiles.start + part * self.size;
        first..self.tiles.end.min(first + self.size)
    }
}
