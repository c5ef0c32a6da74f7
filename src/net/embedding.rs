//! Moments as vectors, for models that are trained on top.

use super::error::NetError;
use super::layout::FEATURE;
use super::model::{L3Net, check, group_by_size};
use super::response::{PICTURE_BLOCKS, Response, SOUND_BLOCKS};
use crate::features::Features;

/// Length of the features for classifying sounds (paper, section 3.3).
pub const SOUND_WIDTH: usize = FEATURE * SOUND_BLOCKS.0 * SOUND_BLOCKS.1;
/// Length of the features for classifying pictures (paper, section 3.4).
pub const PICTURE_WIDTH: usize = FEATURE * PICTURE_BLOCKS.0 * PICTURE_BLOCKS.1;

/// The trunks' features of a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// pool4 of the audio trunk, 512 values: the input of the fusion.
    pub audio_512: Vec<f32>,
    /// pool4 of the vision trunk, 512 values.
    pub vision_512: Vec<f32>,
    /// conv4_2 of the audio trunk in 4 × 3 blocks, 6144 values; see
    /// [`Response::sound_6144`].
    pub audio_6144: Vec<f32>,
    /// conv4_2 of the vision trunk in 4 × 4 blocks, 8192 values; see
    /// [`Response::picture_8192`].
    pub vision_8192: Vec<f32>,
}

/// What the fusion compares: pool4 of both trunks.
#[derive(Clone, Debug, PartialEq)]
pub struct Pooled {
    /// Of the picture, 512 values.
    pub vision: Vec<f32>,
    /// Of the sound, 512 values.
    pub audio: Vec<f32>,
}

impl L3Net {
    /// What the fusion compares, of each moment: [`embed`](Self::embed) without what it
    /// takes to classify.
    ///
    /// # Errors
    /// As [`embed`](Self::embed).
    pub fn pool4(&self, batch: &[&Features]) -> Result<Vec<Pooled>, NetError> {
        check(batch, self.info.spec)?;
        let mut all = Vec::with_capacity(batch.len());
        for part in batch.chunks(self.batch()) {
            let sounds: Vec<&[f32]> = part.iter().map(|f| &f.spectrogram[..]).collect();
            let audio = self.audio_response(&sounds)?.pool4()?;
            let mut pictures = vec![Vec::new(); part.len()];
            for group in group_by_size(part) {
                let members: Vec<&Features> = group.iter().map(|&i| part[i]).collect();
                let vision = self.vision_response_of(&members)?.pool4()?;
                for (&i, row) in group.iter().zip(vision.chunks_exact(FEATURE)) {
                    pictures[i] = row.to_vec();
                }
            }
            let sounds = audio.chunks_exact(FEATURE).map(<[f32]>::to_vec);
            let both = pictures.into_iter().zip(sounds);
            all.extend(both.map(|(vision, audio)| Pooled { vision, audio }));
        }
        Ok(all)
    }

    /// The trunks' features of each moment. Pictures may differ in size; those of one
    /// size share a forward pass.
    ///
    /// # Errors
    /// If features are not of the network's shape, or libtorch fails.
    pub fn embed(&self, batch: &[&Features]) -> Result<Vec<Embedding>, NetError> {
        check(batch, self.info.spec)?;
        let mut all = Vec::with_capacity(batch.len());
        for part in batch.chunks(self.batch()) {
            all.extend(self.embed_part(part)?);
        }
        Ok(all)
    }

    fn embed_part(&self, batch: &[&Features]) -> Result<Vec<Embedding>, NetError> {
        let sounds: Vec<&[f32]> = batch.iter().map(|f| &f.spectrogram[..]).collect();
        let audio = self.audio_response(&sounds)?;
        let (pooled, blocks) = (audio.pool4()?, audio.sound_6144()?);
        let mut all: Vec<Embedding> = pooled
            .chunks_exact(FEATURE)
            .zip(blocks.chunks_exact(SOUND_WIDTH))
            .map(|(pooled, blocks)| Embedding {
                audio_512: pooled.to_vec(),
                audio_6144: blocks.to_vec(),
                vision_512: Vec::new(),
                vision_8192: Vec::new(),
            })
            .collect();
        for group in group_by_size(batch) {
            let members: Vec<&Features> = group.iter().map(|&i| batch[i]).collect();
            let vision = self.vision_response_of(&members)?;
            let (pooled, blocks) = (vision.pool4()?, vision.picture_8192()?);
            let rows = pooled.chunks_exact(FEATURE);
            let rows = rows.zip(blocks.chunks_exact(PICTURE_WIDTH));
            for (&i, (pooled, blocks)) in group.iter().zip(rows) {
                all[i].vision_512 = pooled.to_vec();
                all[i].vision_8192 = blocks.to_vec();
            }
        }
        Ok(all)
    }

    /// The vision trunk's response to the pictures of moments, all of one size.
    fn vision_response_of(&self, batch: &[&Features]) -> Result<Response, NetError> {
        let _guard = self.enter();
        let pictures = self.vision_input(batch)?;
        Ok(Response(self.vision.to_conv4_2(&pictures, false)?))
    }
}
