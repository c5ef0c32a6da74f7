//! Moments as vectors, for models that are trained on top.

use super::error::NetError;
use super::layout::{FEATURE, Modality};
use super::model::{L3Net, by_size};
use super::plain::rows;
use super::response::{PICTURE_BLOCKS, Response, SOUND_BLOCKS};
use crate::features::Features;
use crate::pooled::Pooled;

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

impl L3Net {
    /// What the fusion compares, of each moment: [`embed`](Self::embed) without what it
    /// takes to classify.
    ///
    /// # Errors
    /// As [`embed`](Self::embed).
    pub fn pool4(&self, batch: &[&Features]) -> Result<Vec<Pooled>, NetError> {
        self.in_parts(batch, |part| {
            let audio = self.audio_response_of(part)?.pool4()?;
            let vision = self.of_pictures(part, |vision| Ok(rows(&vision.pool4()?, FEATURE)))?;
            let pairs = vision.into_iter().zip(rows(&audio, FEATURE));
            Ok(pairs
                .map(|(vision, audio)| Pooled { vision, audio })
                .collect())
        })
    }

    /// The trunks' features of each moment; none of a trunk that the model lacks. Pictures
    /// may differ in size; those of one size share a forward pass.
    ///
    /// # Errors
    /// If features are not of the network's shape, or libtorch fails.
    pub fn embed(&self, batch: &[&Features]) -> Result<Vec<Embedding>, NetError> {
        self.in_parts(batch, |part| {
            let parts = self.info.variant.parts;
            let none = vec![(Vec::new(), Vec::new()); part.len()];
            let audio = match parts.audio {
                true => {
                    let audio = self.audio_response_of(part)?;
                    let (pooled, blocks) = (audio.pool4()?, audio.sound_6144()?);
                    pairs(rows(&pooled, FEATURE), rows(&blocks, SOUND_WIDTH))
                }
                false => none.clone(),
            };
            let vision = match parts.vision {
                true => self.of_pictures(part, |vision| {
                    let (pooled, blocks) = (vision.pool4()?, vision.picture_8192()?);
                    Ok(pairs(rows(&pooled, FEATURE), rows(&blocks, PICTURE_WIDTH)))
                })?,
                false => none,
            };
            let both = audio.into_iter().zip(vision);
            let embedding = |((audio_512, audio_6144), (vision_512, vision_8192))| Embedding {
                audio_512,
                vision_512,
                audio_6144,
                vision_8192,
            };
            Ok(both.map(embedding).collect())
        })
    }

    /// The audio trunk's response to the sounds of moments.
    fn audio_response_of(&self, batch: &[&Features]) -> Result<Response, NetError> {
        let sounds: Vec<&[f32]> = batch.iter().map(|f| &f.spectrogram[..]).collect();
        self.audio_response(&sounds)
    }

    /// What `of` makes of the vision trunk's response, a value for each picture, in the
    /// order of the batch. Pictures of one size share a forward pass.
    fn of_pictures<T>(
        &self,
        batch: &[&Features],
        of: impl Fn(&Response) -> Result<Vec<T>, NetError>,
    ) -> Result<Vec<T>, NetError> {
        by_size(batch, |members, _| of(&self.vision_response_of(members)?))
    }

    /// The vision trunk's response to the pictures of moments, all of one size.
    fn vision_response_of(&self, batch: &[&Features]) -> Result<Response, NetError> {
        let _guard = self.enter();
        let pictures = self.vision_input(batch)?;
        self.response(Modality::Vision, &pictures)
    }
}

fn pairs(pooled: Vec<Vec<f32>>, blocks: Vec<Vec<f32>>) -> Vec<(Vec<f32>, Vec<f32>)> {
    pooled.into_iter().zip(blocks).collect()
}
