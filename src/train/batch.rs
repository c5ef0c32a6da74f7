//! What one step learns from, as plain numbers.

use std::collections::BTreeMap;

/// Pictures, sounds, and which of them are held against each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The step that it is for.
    pub step: u64,
    /// Side of the square images in pixels.
    pub side: u32,
    /// B × side × side × 3 bytes of RGB.
    pub images: Vec<u8>,
    /// B × [`BINS`](crate::features::BINS) × [`FRAMES`](crate::features::FRAMES).
    pub spectrograms: Vec<f32>,
    /// The pairs.
    pub pairs: Vec<PairOf>,
    /// Of each image the classes that are in it, by their number in
    /// [`Mixture::classes`](super::Mixture::classes).
    pub shown: Vec<Vec<u16>>,
    /// Of each sound the classes that are in it.
    pub heard: Vec<Vec<u16>>,
    /// Where each picture and its sound are from, for errors.
    pub origins: Vec<String>,
}

/// Two rows of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairOf {
    /// Row of the image.
    pub seen: u32,
    /// Row of the spectrogram.
    pub heard: u32,
    /// Whether they correspond.
    pub corresponds: bool,
    /// Its part of the loss; those of a batch add up to 1.
    pub weight: f32,
}

impl Batch {
    /// Gives each corpus as much weight as it has rows, and half of that to each
    /// label; `parts` says the corpus of each row.
    ///
    /// Over all corpora together would not do: where few rows make few pairs more
    /// of them correspond, and which corpus it is would tell half of the answer.
    pub(super) fn weigh(&mut self, parts: &[usize]) {
        let mut counts: BTreeMap<(usize, bool), usize> = BTreeMap::new();
        let key = |pair: &PairOf| (parts[pair.seen as usize], pair.corresponds);
        for pair in &self.pairs {
            *counts.entry(key(pair)).or_default() += 1;
        }
        for pair in &mut self.pairs {
            let (part, corresponds) = key(pair);
            let rows = parts.iter().filter(|p| **p == part).count();
            // All pairs of a corpus may correspond by chance.
            let labels = 1 + usize::from(counts.contains_key(&(part, !corresponds)));
            let shared_by = labels * counts[&(part, corresponds)];
            pair.weight = rows as f32 / (parts.len() * shared_by) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_corpus_has_its_part_and_each_label_half_of_it() {
        // Three rows of corpus 0, one of corpus 1.
        let pair = |seen, heard, corresponds| PairOf {
            seen,
            heard,
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
        batch.weigh(&[0, 0, 0, 1]);
        let weights: Vec<f32> = batch.pairs.iter().map(|p| p.weight).collect();
        assert_eq!(weights, [0.375, 0.125, 0.125, 0.125, 0.25]);
    }
}
