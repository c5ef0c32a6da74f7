//! The response of a single trunk to pictures or sounds: for classification,
//! clusters, units and embeddings (paper, sections 3.3 to 3.5).

use tch::{Kind, Tensor};

use super::error::NetError;
use super::fusion::above_least;
use super::input::{self, to_vec};
use super::layout::{FEATURE, Modality};
use super::model::{L3Net, check_spectrogram};
use crate::features::ScaledFrame;
use crate::result::Heatmap;

/// conv4_2 before its ReLU, `[B, 512, h, w]`: 16 × 12 for a window of sound, 14 × 14
/// for a picture of 224 × 224, or twice as many with a stride of 1.
pub struct Response {
    map: Tensor,
    /// A ReLU follows.
    rectified: bool,
}

/// Blocks of frequency and of time in the features of a sound.
pub(super) const SOUND_BLOCKS: (usize, usize) = (4, 3);
/// Blocks of rows and of columns in the features of a picture.
pub(super) const PICTURE_BLOCKS: (usize, usize) = (4, 4);

impl L3Net {
    /// The audio trunk's response to log-spectrograms.
    ///
    /// # Errors
    /// If one is not of the network's shape, or libtorch fails.
    pub fn audio_response(&self, spectrograms: &[&[f32]]) -> Result<Response, NetError> {
        for (index, s) in spectrograms.iter().enumerate() {
            check_spectrogram(s, self.info.variant.spec, index)?;
        }
        let _guard = self.enter();
        let (spec, device) = (self.info.variant.spec, self.info.device);
        let input = input::spectrograms(&spectrograms.concat(), spec, device)?;
        self.response(Modality::Audio, &input)
    }

    /// The vision trunk's response to pictures of one size.
    ///
    /// # Errors
    /// If their sizes differ, or libtorch fails.
    pub fn vision_response(&self, pictures: &[&ScaledFrame]) -> Result<Response, NetError> {
        let size = |p: &ScaledFrame| (p.width, p.height);
        let (width, height) = pictures.first().map_or((0, 0), |p| size(p));
        if let Some(index) = pictures.iter().position(|p| size(p) != (width, height)) {
            let what = "its picture differs in size from the first".to_owned();
            return Err(NetError::Features { index, what });
        }
        let _guard = self.enter();
        let bytes: Vec<&[u8]> = pictures.iter().map(|p| p.rgb.as_slice()).collect();
        let input = input::images(&bytes.concat(), height, width, self.info.device)?;
        self.response(Modality::Vision, &input)
    }

    /// The vision trunk's response to pictures of `side × side` whose values are those of its
    /// input already, row by row, each pixel's channels together.
    ///
    /// # Errors
    /// If the model has no vision trunk, or libtorch fails.
    pub fn prepared_response(&self, values: &[f32], side: usize) -> Result<Response, NetError> {
        let _guard = self.enter();
        let input = Tensor::f_from_slice(values)?
            .f_view([-1, side as i64, side as i64, 3])?
            .f_to(self.info.device)?
            .f_permute([0, 3, 1, 2])?;
        self.response(Modality::Vision, &input)
    }

    /// The response of a trunk to its input, `[B, 3 or 1, H, W]`.
    pub(super) fn response(
        &self,
        modality: Modality,
        input: &Tensor,
    ) -> Result<Response, NetError> {
        let trunk = self.trunk(modality)?;
        Ok(Response {
            map: trunk.to_conv4_2(input, false)?,
            rectified: trunk.is_rectified(),
        })
    }
}

impl Response {
    /// pool4 of each of the batch in turn: B × 512.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn pool4(&self) -> Result<Vec<f32>, NetError> {
        let strongest = self.map.f_amax([2, 3], false)?;
        Ok(to_vec(&self.activated(strongest)?.f_to_kind(Kind::Float)?)?)
    }

    /// After the ReLU that the paper's trunks have.
    fn activated(&self, x: Tensor) -> Result<Tensor, tch::TchError> {
        match self.rectified {
            true => x.f_relu(),
            false => Ok(x),
        }
    }

    /// The features for classifying sounds (paper, section 3.3): the maxima of 4 × 3
    /// blocks (frequency, time) before the ReLU, B × 6144, channel by channel.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn sound_6144(&self) -> Result<Vec<f32>, NetError> {
        Ok(to_vec(&self.blocks(SOUND_BLOCKS)?)?)
    }

    /// The features for classifying pictures (paper, section 3.4): the maxima of 4 × 4
    /// blocks after the ReLU, B × 8192, channel by channel.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn picture_8192(&self) -> Result<Vec<f32>, NetError> {
        Ok(to_vec(&self.activated(self.blocks(PICTURE_BLOCKS)?)?)?)
    }

    /// As [`sound_6144`](Self::sound_6144), block by block: OpenL3's order.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn sound_blocks_last(&self) -> Result<Vec<f32>, NetError> {
        self.blocks_last(SOUND_BLOCKS)
    }

    /// The maxima of 4 × 4 blocks of a picture, block by block: OpenL3's order. Without a
    /// ReLU if the trunk has none.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn picture_blocks_last(&self) -> Result<Vec<f32>, NetError> {
        self.blocks_last(PICTURE_BLOCKS)
    }

    fn blocks_last(&self, (rows, cols): (usize, usize)) -> Result<Vec<f32>, NetError> {
        let blocks = self.blocks((rows, cols))?;
        let by_channel = blocks.f_view([-1, FEATURE as i64, (rows * cols) as i64])?;
        Ok(to_vec(&by_channel.f_permute([0, 2, 1])?.f_contiguous()?)?)
    }

    /// The map of one of the 512 units, of one row of the batch; none of its values is negative.
    ///
    /// # Errors
    /// If there is no such row or unit, or libtorch fails.
    pub fn unit(&self, row: usize, unit: usize) -> Result<Heatmap, NetError> {
        let map = self.map.f_select(0, row as i64)?.f_select(0, unit as i64)?;
        let (rows, cols) = map.size2()?;
        Ok(Heatmap {
            rows: rows as u32,
            cols: cols as u32,
            values: to_vec(&match self.rectified {
                true => map.f_relu()?.f_to_kind(Kind::Float)?,
                false => above_least(&map.f_to_kind(Kind::Float)?)?,
            })?,
        })
    }

    /// Maxima over `rows × cols` blocks, `[B, 512 · rows · cols]` in f32. Remaining
    /// cells at the right and the bottom are ignored: kernel and stride are equal, as
    /// in the paper. Where a map has fewer cells than blocks, as of a picture more than
    /// 16 times as long as high, each cell is in several of them.
    fn blocks(&self, (rows, cols): (usize, usize)) -> Result<Tensor, tch::TchError> {
        let (rows, cols) = (rows as i64, cols as i64);
        let (_, channels, h, w) = self.map.size4()?;
        debug_assert_eq!(channels, FEATURE as i64);
        let mut map = self.map.f_to_kind(Kind::Float)?;
        if h < rows || w < cols {
            (map, _) = map.f_adaptive_max_pool2d([h.max(rows), w.max(cols)])?;
        }
        let kernel = [(h / rows).max(1), (w / cols).max(1)];
        map.f_max_pool2d(kernel, kernel, [0, 0], [1, 1], false)?
            .f_narrow(2, 0, rows)?
            .f_narrow(3, 0, cols)?
            .f_flatten(1, 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A response whose map has `rows × cols` cells, numbered from 1.
    fn numbered(rows: i64, cols: i64) -> Response {
        let cells = Tensor::arange(rows * cols, (Kind::Float, tch::Device::Cpu)) + 1.0;
        Response {
            map: cells
                .view([1, 1, rows, cols])
                .repeat([1, FEATURE as i64, 1, 1]),
            rectified: true,
        }
    }

    #[test]
    fn a_block_is_the_maximum_of_its_cells() {
        let found = numbered(9, 8).picture_8192().expect("features");
        assert_eq!(found.len(), 8192);
        // The ninth row is ignored.
        let last: Vec<f32> = (0..4).map(|i| (7 * 8 + 2 * i + 2) as f32).collect();
        assert_eq!(found[12..16], last);
    }

    #[test]
    fn a_strip_has_its_cells_in_several_blocks() {
        let found = numbered(2, 16).picture_8192().expect("features");
        let (above, below) = ([4.0, 8.0, 12.0, 16.0], [20.0, 24.0, 28.0, 32.0]);
        assert_eq!(found[..16], [above, above, below, below].concat());
        assert_eq!(found.len(), 8192);
        let upright = numbered(20, 3).picture_8192().expect("features");
        assert_eq!((upright.len(), upright[15]), (8192, 60.0));
    }
}
