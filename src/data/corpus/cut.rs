//! What is left of a picture's things where only a part of it is looked at.

use super::{Example, Region, Tag};
use crate::features::Crop;
use crate::picture::Picture;

/// The paper's crop of 224 in a picture whose short side is 256.
pub const MIDDLE: f64 = 224.0 / 256.0;
/// Of the thing that is heard, this much is in a part that keeps it.
const MIN_HEARD_SHARE: f64 = 0.5;
/// Of a thing that counts as shown, this much is left.
const MIN_SHOWN_SHARE: f64 = 0.25;

/// A part of a picture, in its pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    /// From the left side.
    pub left: f64,
    /// From the upper side.
    pub top: f64,
    /// Across.
    pub width: f64,
    /// Down.
    pub height: f64,
}

impl Cut {
    /// What a network sees of a picture that is cut so.
    pub fn of(crop: Crop, picture: &Picture) -> Self {
        match crop {
            Crop::Full | Crop::Squeeze => Self {
                left: 0.0,
                top: 0.0,
                width: f64::from(picture.width),
                height: f64::from(picture.height),
            },
            Crop::Center => Self::middle(picture, MIDDLE),
        }
    }

    /// The square in the middle whose side is `share` of the picture's short side.
    pub fn middle(picture: &Picture, share: f64) -> Self {
        let (w, h) = (f64::from(picture.width), f64::from(picture.height));
        let side = w.min(h) * share;
        Self {
            left: (w - side) / 2.0,
            top: (h - side) / 2.0,
            width: side,
            height: side,
        }
    }

    /// The share of a region that lies in it.
    fn share_of(&self, region: &Region, picture: &Picture) -> f64 {
        let (w, h) = (f64::from(picture.width), f64::from(picture.height));
        let [l, t, r, b] = region.bounds.map(f64::from);
        let (l, t, r, b) = (l * w, t * h, r * w, b * h);
        let across = (r.min(self.left + self.width) - l.max(self.left)).max(0.0);
        let down = (b.min(self.top + self.height) - t.max(self.top)).max(0.0);
        across * down / ((r - l) * (b - t)).max(f64::MIN_POSITIVE)
    }
}

impl Example {
    /// Whether a part of the picture shows at least half of what is heard. True
    /// where the corpus does not know where things are.
    pub fn keeps_what_is_heard(&self, cut: Cut) -> bool {
        let mut heard = self.regions.iter().filter(|r| self.sounds.contains(&r.tag));
        heard.all(|region| cut.share_of(region, &self.picture) >= MIN_HEARD_SHARE)
    }

    /// The largest square, with the middle of what is heard as near to its own as the
    /// picture allows.
    pub fn largest_cut(&self) -> Cut {
        let (w, h) = (
            f64::from(self.picture.width),
            f64::from(self.picture.height),
        );
        let side = w.min(h);
        let heard = self.regions.iter().filter(|r| self.sounds.contains(&r.tag));
        let bounds: Vec<[f64; 4]> = heard.map(|r| r.bounds.map(f64::from)).collect();
        let from = |i: usize, length: f64| {
            let middles = bounds.iter().map(|b| (b[i] + b[i + 2]) / 2.0);
            let middle = match bounds.len() {
                0 => 0.5,
                n => middles.sum::<f64>() / n as f64,
            };
            (middle * length - side / 2.0).clamp(0.0, length - side)
        };
        Cut {
            left: from(0, w),
            top: from(1, h),
            width: side,
            height: side,
        }
    }

    /// What can still be seen in a part of the picture; all of it where the corpus
    /// does not know where things are.
    pub fn shown_in(&self, cut: Cut) -> Vec<Tag> {
        let gone = |tag: &Tag| {
            let mut regions = self.regions.iter().filter(|r| r.tag == *tag).peekable();
            regions.peek().is_some()
                && regions.all(|r| cut.share_of(r, &self.picture) < MIN_SHOWN_SHARE)
        };
        self.shows.iter().filter(|t| !gone(t)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dog at the left edge of a wide picture, a cat in its middle.
    fn example(heard: &str) -> Example {
        let region = |name: &str, bounds| Region {
            tag: Tag::class(name),
            bounds,
        };
        Example {
            picture: Picture::filled(160, 90, [0; 3]),
            pcm: Vec::new(),
            shows: vec![Tag::class("dog"), Tag::class("cat"), Tag::class("sea")],
            sounds: vec![Tag::class(heard)],
            regions: vec![
                region("dog", [0.0, 0.2, 0.25, 0.8]),
                region("cat", [0.4, 0.4, 0.6, 0.6]),
            ],
            label: None,
            origin: "a test".to_owned(),
        }
    }

    #[test]
    fn the_largest_cut_lies_over_what_is_heard() {
        let (mut dog, cat) = (example("dog"), example("cat"));
        assert!(dog.keeps_what_is_heard(dog.largest_cut()));
        assert_eq!(dog.largest_cut().left, 0.0);
        let middle = Cut::middle(&cat.picture, 1.0);
        assert!((cat.largest_cut().left - middle.left).abs() < 1e-3);
        dog.regions.clear();
        assert_eq!(dog.largest_cut(), middle);
    }

    #[test]
    fn the_middle_of_a_wide_picture_loses_what_is_at_its_sides() {
        let (dog, cat) = (example("dog"), example("cat"));
        let middle = Cut::of(Crop::Center, &dog.picture);
        assert_eq!((middle.width, middle.height), (78.75, 78.75));
        assert_eq!((middle.left, middle.top), (40.625, 5.625));
        assert!(!dog.keeps_what_is_heard(middle));
        assert!(cat.keeps_what_is_heard(middle));
        // Nobody knows where the sea is.
        assert!(example("sea").keeps_what_is_heard(middle));
        assert_eq!(dog.shown_in(middle), [Tag::class("cat"), Tag::class("sea")]);
        let whole = Cut::of(Crop::Full, &dog.picture);
        assert!(dog.keeps_what_is_heard(whole));
        assert_eq!(dog.shown_in(whole), dog.shows);
        assert_eq!(Cut::of(Crop::Squeeze, &dog.picture), whole);
    }
}
