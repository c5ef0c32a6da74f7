//! conv3×3 with stride 1 and padding 1, by Winograd's algorithm.
//!
//! A tile of m × m outputs takes (m + 2)² multiplications for each pair of channels
//! instead of 9 m²: a quarter with m = 4. Tiles are transformed, multiplied position by
//! position with the transformed weights, which makes matrix products over the channels,
//! and transformed back.

mod block;
mod points;
mod tile;
mod weights;

use std::ops::Range;

use self::block::Layer;
use self::weights::Packed;
use crate::buffer::{Buffer, OutOfMemory};
use crate::map::Map;
use crate::simd::Isa;
use crate::workers::Workers;

/// The side of the outputs that a tile has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tile {
    /// 2 × 2, F(2×2, 3×3): 2.25 times fewer multiplications than without it, and as exact.
    Two,
    /// 4 × 4, F(4×4, 3×3): 4 times fewer; errors a few times larger.
    Four,
}

impl Tile {
    fn side(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }
}

/// What follows a convolution, computed with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct After {
    /// What is negative becomes 0.
    pub relu: bool,
    /// The maximum of each 2 × 2; an odd last row or column is dropped.
    pub pool: bool,
}

/// A layer conv3×3 with stride 1 and padding 1, ready to run.
pub struct Conv3x3 {
    isa: Isa,
    tile: Tile,
    channels_in: usize,
    channels: usize,
    packed: Packed,
    /// For all panels.
    bias: Buffer,
    /// A pixel outside the picture.
    zeros: Buffer,
}

impl Conv3x3 {
    /// From kernels `[out, in, 3, 3]` and a bias for each output channel.
    ///
    /// # Errors
    /// If there is too little memory.
    ///
    /// # Panics
    /// If there are no channels, the numbers of values do not fit each other, or the CPU
    /// does not have `isa`.
    pub fn new(kernels: &[f32], bias: &[f32], tile: Tile, isa: Isa) -> Result<Self, OutOfMemory> {
        let (channels, channels_in) = crate::channels_of(kernels, bias, isa);
        let packed = Packed::new(kernels, channels_in, channels, tile.side(), isa)?;
        let mut all = Buffer::zeros(packed.panels * packed.columns)?;
        all[..channels].copy_from_slice(bias);
        let zeros = Buffer::zeros(packed.depth)?;
        Ok(Self {
            isa,
            tile,
            channels_in,
            channels,
            packed,
            bias: all,
            zeros,
        })
    }

    /// Channels of the output.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Computes the layer: from `[B, H, W, in]` to `[B, H, W, out]`, half the height and
    /// width with pooling. `y` becomes of that shape; its memory is reused.
    ///
    /// The result does not depend on the number of threads nor on what else is in the
    /// batch.
    ///
    /// # Errors
    /// If there is too little memory.
    ///
    /// # Panics
    /// If `x` has another number of channels.
    pub fn run(
        &self,
        x: &Map,
        after: After,
        y: &mut Map,
        workers: &mut Workers,
    ) -> Result<(), OutOfMemory> {
        let [_, width] = self.shape(x, after);
        let all = 0..width;
        self.run_columns(x, after, &[all], y, workers)
    }

    /// As [`run`](Self::run), but only some columns. The others stay if `y` had its shape
    /// before; else they are those of anything. Of `x`, columns that are not next to theirs
    /// are not read.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Panics
    /// As [`run`](Self::run), and if the columns are out of order or beyond those of `y`.
    pub fn run_columns(
        &self,
        x: &Map,
        after: After,
        columns: &[Range<usize>],
        y: &mut Map,
        workers: &mut Workers,
    ) -> Result<(), OutOfMemory> {
        assert_eq!(x.channels(), self.channels_in, "channels of the input");
        let [height, width] = self.shape(x, after);
        y.reshape(x.batch(), height, width, self.channels)?;
        let grid = Grid::new(self.tile.side(), after.pool, height, columns);
        let tiles = x.batch() * grid.rows * grid.columns;
        if tiles == 0 {
            return Ok(());
        }
        let layer = Layer::new(self, x, grid, after, y);
        // Few tiles are shared, so that each thread reads a part of the weights only.
        if self.packed.is_shallow() && tiles >= 2 * BLOCK * workers.threads() {
            layer.by_tiles(tiles, workers)
        } else {
            layer.by_channels(tiles, workers)
        }
    }

    /// Height and width of the output.
    fn shape(&self, x: &Map, after: After) -> [usize; 2] {
        let (height, width) = (x.height(), x.width());
        match after.pool {
            true => [height / 2, width / 2],
            false => [height, width],
        }
    }
}

/// Tiles that a task takes all the way, about.
const BLOCK: usize = 24;

/// The tiles of a batch.
#[derive(Clone, Copy, Debug)]
struct Grid<'a> {
    /// Outputs along a side of a tile, before pooling.
    side: usize,
    /// The same after it.
    step: usize,
    /// Rows of tiles in an image.
    rows: usize,
    /// Tiles in a row.
    columns: usize,
    /// The columns of the output that they cover.
    spans: &'a [Range<usize>],
}

/// Where in the output a tile is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    image: usize,
    /// The first row.
    row: usize,
    /// From its first column to the last of its span.
    columns: Range<usize>,
}

impl<'a> Grid<'a> {
    fn new(side: usize, pool: bool, height: usize, spans: &'a [Range<usize>]) -> Self {
        let step = if pool { side / 2 } else { side };
        Self {
            side,
            step,
            rows: height.div_ceil(step),
            columns: spans.iter().map(|span| span.len().div_ceil(step)).sum(),
            spans,
        }
    }

    fn place(self, tile: usize) -> Place {
        let (row, mut column) = (tile / self.columns, tile % self.columns);
        for span in self.spans {
            let tiles = span.len().div_ceil(self.step);
            if column < tiles {
                return Place {
                    image: row / self.rows,
                    row: row % self.rows * self.step,
                    columns: span.start + column * self.step..span.end,
                };
            }
            column -= tiles;
        }
        unreachable!("the spans have all tiles of a row")
    }
}
