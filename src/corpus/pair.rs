//! Pairs of a picture and a sound, half of which correspond (paper, section 2.2).

use super::{Corpus, CorpusError, Example, Rng, Split};

/// Draws before a corpus is said to hold no such pair.
const TRIES: usize = 200;

/// A picture and a second of sound that do or do not correspond. Both are cut
/// out the same way either way: only whether they belong together differs.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Gives the picture.
    pub seen: Example,
    /// Gives the sound; the same draw as `seen` where they correspond.
    pub heard: Option<Example>,
    /// Whether they correspond.
    pub corresponds: bool,
}

impl Pair {
    /// The draw that the sound is of.
    pub fn heard(&self) -> &Example {
        self.heard.as_ref().unwrap_or(&self.seen)
    }

    /// Draws a pair that corresponds, or one that does not: picture and sound of
    /// two different things, or of one scene whose source is not in the picture.
    ///
    /// # Errors
    /// If a file cannot be read, or the corpus has no such pair.
    pub fn draw(
        corpus: &dyn Corpus,
        split: Split,
        corresponds: bool,
        rng: &mut Rng,
    ) -> Result<Self, CorpusError> {
        for _ in 0..TRIES {
            let seen = corpus.draw(split, rng)?;
            if seen.corresponds() == corresponds {
                return Ok(Self {
                    seen,
                    heard: None,
                    corresponds,
                });
            }
            if corresponds {
                continue;
            }
            let heard = corpus.draw(split, rng)?;
            if seen.corresponds_to(&heard) == Some(false) {
                return Ok(Self {
                    seen,
                    heard: Some(heard),
                    corresponds,
                });
            }
        }
        let which = if corresponds {
            "that corresponds"
        } else {
            "of two different things"
        };
        Err(CorpusError::TooFew(format!(
            "no pair {which} in {TRIES} draws from {}",
            corpus.describe()
        )))
    }
}
