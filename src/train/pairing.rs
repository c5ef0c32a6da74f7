//! Pairs among examples that are drawn.

use std::collections::BTreeMap;

use super::batch::{Batch, BatchPair};
use crate::corpus::Example;

/// How pictures and sounds of a batch are paired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PairingMode {
    /// As in the paper: every picture and every sound is in one pair; half of the pairs
    /// correspond.
    #[default]
    Paper,
    /// Every picture with every sound of the batch, each label with half of the weight:
    /// one pass of the trunks serves B² pairs instead of B.
    All,
}

/// What a drawn example is of: all that it takes to pair it.
pub struct Drawn {
    /// The number of its corpus.
    pub part: usize,
    /// The example, without picture and sound.
    pub example: Example,
    /// The classes in its image.
    pub image_classes: Vec<u16>,
    /// The classes in its sound.
    pub sound_classes: Vec<u16>,
}

impl Drawn {
    /// Whether its picture corresponds to the sound of another one, or of itself; `None`
    /// where that is not known.
    fn corresponds_to(&self, other: &Self) -> Option<bool> {
        if std::ptr::eq(self, other) {
            return Some(self.example.corresponds());
        }
        // A negative across corpora would teach to tell the corpora apart.
        if self.part != other.part {
            return None;
        }
        self.example.corresponds_to(&other.example)
    }
}

/// Adds every picture with every sound of its corpus, except where it is unknown whether
/// they correspond.
pub fn grid(drawn: &[&Drawn], batch: &mut Batch) {
    for (i, seen) in drawn.iter().enumerate() {
        for (j, heard) in drawn.iter().enumerate() {
            if let Some(corresponds) = seen.corresponds_to(heard) {
                batch.pairs.push(pair_of(i, j, corresponds));
            }
        }
    }
    let parts: Vec<usize> = drawn.iter().map(|d| d.part).collect();
    batch.set_weights(&parts);
}

/// Adds the paper's pairs: each even row is paired with its own sound, each odd row with the
/// sound of another odd row that is known not to correspond, or failing that of any row.
///
/// A corpus whose pairs in this batch all have the same label is left out: recognising the
/// corpus would be enough to get the label right.
pub fn halves(drawn: &[&Drawn], batch: &mut Batch) {
    let own = (0..drawn.len()).step_by(2);
    let own = own.map(|i| pair_of(i, i, drawn[i].example.corresponds()));
    batch.pairs.extend(own);
    let mut left: Vec<usize> = (1..drawn.len()).step_by(2).collect();
    for i in (1..drawn.len()).step_by(2) {
        let differs = |j: &usize| *j != i && drawn[i].corresponds_to(drawn[*j]) == Some(false);
        let other = match left.iter().position(differs) {
            Some(place) => Some(left.remove(place)),
            None => (0..drawn.len()).find(differs),
        };
        batch.pairs.extend(other.map(|j| pair_of(i, j, false)));
    }
    // Which of the two labels each corpus has.
    let part = |pair: &BatchPair| drawn[pair.image as usize].part;
    let mut labels: BTreeMap<usize, [bool; 2]> = BTreeMap::new();
    for pair in &batch.pairs {
        labels.entry(part(pair)).or_default()[usize::from(pair.corresponds)] = true;
    }
    if labels.values().any(|both| *both == [true; 2]) {
        batch.pairs.retain(|pair| labels[&part(pair)] == [true; 2]);
    }
    // As where they are drawn: not by corpus.
    batch.set_weights(&vec![0; drawn.len()]);
}

/// A pair of these rows, without its weight.
pub(super) fn pair_of(image: usize, sound: usize, corresponds: bool) -> BatchPair {
    BatchPair {
        image: image as u32,
        sound: sound as u32,
        corresponds,
        weight: 0.0,
    }
}
