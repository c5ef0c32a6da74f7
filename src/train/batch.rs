//! The input of one training step, as plain numbers.

use std::collections::BTreeMap;

use super::pairing::Drawn;

/// Pictures, sounds, and the pairs among them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The step that it belongs to.
    pub step: u64,
    /// Side of the square images in pixels.
    pub side: u32,
    /// B × side × side × 3 bytes of RGB.
    pub images: Vec<u8>,
    /// B × bins × frames.
    pub spectrograms: Vec<f32>,
    /// What frozen trunks make of them, in their place.
    pub pooled: Option<PooledRows>,
    /// The pairs.
    pub pairs: Vec<BatchPair>,
    /// The classes in each image, as indices into
    /// [`Mixture::classes`](super::Mixture::classes).
    pub image_classes: Vec<Vec<u16>>,
    /// The classes in each sound.
    pub sound_classes: Vec<Vec<u16>>,
    /// The source of each picture and its sound, for errors.
    pub origins: Vec<String>,
}

/// pool4 of frozen trunks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PooledRows {
    /// Of the images, B × 512.
    pub vision: Vec<f32>,
    /// Of the sounds, B × 512.
    pub audio: Vec<f32>,
}

/// An image and a sound of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchPair {
    /// Row of the image.
    pub image: u32,
    /// Row of the spectrogram.
    pub sound: u32,
    /// Whether they correspond.
    pub corresponds: bool,
    /// Its weight in the loss; those of a batch add up to 1.
    pub weight: f32,
}

impl Batch {
    /// A batch of these rows, without their pictures, sounds and pairs.
    pub(super) fn of(step: u64, drawn: &[&Drawn]) -> Self {
        Self {
            step,
            image_classes: drawn.iter().map(|d| d.image_classes.clone()).collect(),
            sound_classes: drawn.iter().map(|d| d.sound_classes.clone()).collect(),
            origins: drawn.iter().map(|d| d.example.origin.clone()).collect(),
            ..Self::default()
        }
    }

    /// Weights each corpus by its rows, and both labels within it equally; `parts` is
    /// the corpus of each row.
    ///
    /// Not over all corpora together: of the pairs of a corpus with few rows a larger
    /// share corresponds, so recognising the corpus would be half of the answer.
    pub(super) fn set_weights(&mut self, parts: &[usize]) {
        let mut counts: BTreeMap<(usize, bool), usize> = BTreeMap::new();
        let key = |pair: &BatchPair| (parts[pair.image as usize], pair.corresponds);
        for pair in &self.pairs {
            *counts.entry(key(pair)).or_default() += 1;
        }
        let mut rows: BTreeMap<usize, usize> = BTreeMap::new();
        for part in parts {
            *rows.entry(*part).or_default() += 1;
        }
        for pair in &mut self.pairs {
            let (part, corresponds) = key(pair);
            // By chance, all pairs of a corpus may correspond.
            let labels = 1 + usize::from(counts.contains_key(&(part, !corresponds)));
            let share = labels * counts[&(part, corresponds)];
            pair.weight = rows[&part] as f32 / (parts.len() * share) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corpora_weigh_by_rows_and_labels_weigh_the_same() {
        // Three rows of corpus 0, one of corpus 1.
        let pair = |image, sound, corresponds| BatchPair {
            image,
            sound,
            corresponds,
            weight: 0.0,
        };
        let mut batch = Batch {
            pairs: vec![
                pair(0, 0, true),
                pair(0, 1, false),
                pair(0, 2, false),
                pair(1, 0, false),
                pair(3, 3, true),
            ],
            ..Batch::default()
        };
        batch.set_weights(&[0, 0, 0, 1]);
        let weights: Vec<f32> = batch.pairs.iter().map(|p| p.weight).collect();
        assert_eq!(weights, [0.375, 0.125, 0.125, 0.125, 0.25]);
    }
}
