//! Pairs of a picture and a sound, half of which correspond (paper, section 2.2).

use super::{Corpus, CorpusError, Cut, Example, Rng, Split};
use crate::features::Crop;

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
    /// Of a picture that `crop` will cut, what makes the sound that was drawn with it
    /// stays in what is left, whichever sound is heard in the end.
    ///
    /// # Errors
    /// If a file cannot be read, or the corpus has no such pair.
    pub fn draw(
        corpus: &dyn Corpus,
        split: Split,
        corresponds: bool,
        crop: Crop,
        rng: &mut Rng,
    ) -> Result<Self, CorpusError> {
        for _ in 0..TRIES {
            let seen = corpus.draw(split, rng)?;
            // Of pictures that do not go with the sound, too: whether all of a picture is
            // left must say nothing.
            let cut = Cut::of(crop, &seen.picture);
            if seen.corresponds() && !seen.keeps_what_is_heard(cut) {
                continue;
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{Region, Tag, rng};
    use crate::picture::Picture;
    use rand::RngExt;

    /// A thing that is heard, in the middle of a wide picture or at its edge.
    struct Wide;

    impl Corpus for Wide {
        fn describe(&self) -> String {
            "wide pictures".to_owned()
        }

        fn draw(&self, _: Split, rng: &mut Rng) -> Result<Example, CorpusError> {
            let left = if rng.random_bool(0.5) { 0.4 } else { 0.0 };
            let tag = Tag::class(["dog", "cat"][usize::from(rng.random_bool(0.5))]);
            Ok(Example {
                picture: Picture::filled(160, 90, [0; 3]),
                pcm: Vec::new(),
                shows: vec![tag.clone()],
                sounds: vec![tag.clone()],
                regions: vec![Region {
                    tag,
                    bounds: [left, 0.4, left + 0.2, 0.6],
                }],
                label: None,
                origin: "a test".to_owned(),
            })
        }

        fn check(&self, _: Split) -> Result<(), CorpusError> {
            Ok(())
        }
    }

    #[test]
    fn pictures_of_either_kind_show_what_sounds_in_them_where_the_network_looks() {
        let lefts = |crop, wanted| -> Vec<f32> {
            let pairs = (0..50).map(|seed| {
                let pair = Pair::draw(&Wide, Split::Test, wanted, crop, &mut rng(seed, 0, 0));
                pair.expect("a pair").seen.regions[0].bounds[0]
            });
            pairs.collect()
        };
        for wanted in [true, false] {
            assert!(lefts(Crop::Center, wanted).iter().all(|&left| left > 0.3));
            assert!(lefts(Crop::Full, wanted).contains(&0.0));
        }
    }
}
