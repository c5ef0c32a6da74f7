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
        assert_eq!(x.channels(), self.channels_in, "channels of the input");
        let (mut height, mut width) = (x.height(), x.width());
        let side = self.tile.side();
        if after.pool {
            (height, width) = (height / 2, width / 2);
        }
        y.reshape(x.batch(), height, width, self.channels)?;
        let step = if after.pool { side / 2 } else { side };
        let grid = Grid {
            side,
            rows: height.div_ceil(step),
            columns: width.div_ceil(step),
        };
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
}

/// Tiles that a task takes all the way, about.
const BLOCK: usize = 24;

/// The tiles of a batch.
#[derive(Clone, Copy, Debug)]
struct Grid {
    /// Outputs along a side of a tile, before pooling.
    side: usize,
    /// Rows of tiles in an image.
    rows: usize,
    /// Tiles in a row.
    columns: usize,
}

impl Grid {
    /// Image, row and column of a tile.
    fn place(self, tile: usize) -> (usize, usize, usize) {
        let (row, column) = (tile / self.columns, tile % self.columns);
        (row / self.rows, row % self.rows, column)
    }
}
