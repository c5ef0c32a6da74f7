//! OpenL3's embeddings: its trunks' conv4_2, pooled, in the order of OpenL3's `Flatten`.

use crate::net::{L3Net, Modality, NetError};

use super::{PreparedPicture, SIDE};

/// The length of an embedding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmbeddingSize {
    /// Pooled over all of the map: 512 values.
    Small,
    /// Pooled in 4 × 3 blocks of a sound (6144 values), in 4 × 4 of a picture (8192).
    #[default]
    Full,
}

impl EmbeddingSize {
    /// Number of values.
    pub fn width(self, modality: Modality) -> usize {
        match (self, modality) {
            (Self::Small, _) => crate::net::FEATURE,
            (Self::Full, Modality::Audio) => crate::net::SOUND_WIDTH,
            (Self::Full, Modality::Vision) => crate::net::PICTURE_WIDTH,
        }
    }
}

/// The embeddings of log-spectrograms, one after the other.
///
/// # Errors
/// If the model has no audio trunk, or libtorch fails.
pub fn embed_sounds(
    net: &L3Net,
    spectrograms: &[Vec<f32>],
    size: EmbeddingSize,
) -> Result<Vec<f32>, NetError> {
    let spectrograms: Vec<&[f32]> = spectrograms.iter().map(Vec::as_slice).collect();
    let response = net.audio_response(&spectrograms)?;
    match size {
        EmbeddingSize::Small => response.pool4(),
        EmbeddingSize::Full => response.sound_blocks_last(),
    }
}

/// The embeddings of pictures, one after the other.
///
/// # Errors
/// If the model has no vision trunk, or libtorch fails.
pub fn embed_pictures(
    net: &L3Net,
    pictures: &[PreparedPicture],
    size: EmbeddingSize,
) -> Result<Vec<f32>, NetError> {
    let values: Vec<&[f32]> = pictures.iter().map(|p| p.values.as_slice()).collect();
    let response = net.prepared_response(&values.concat(), SIDE)?;
    match size {
        EmbeddingSize::Small => response.pool4(),
        EmbeddingSize::Full => response.picture_blocks_last(),
    }
}
