//! Where pictures and sounds for training and evaluation come from.
//!
//! Belongs here: drawing a picture and the second of sound that goes with it
//! from whatever holds them (shards of video, folders of classes, synthetic
//! scenes), and telling of any picture and any sound whether they correspond.
//! Does not: which pairs make a batch, and augmentation (`train`).
//!
//! Drawing has no memory: what comes depends on the split and the state of the
//! generator alone. So loader threads may draw in any order, and a resumed run
//! sees what the unbroken one would have.

mod annotated;
mod cached;
mod classes;
mod clips;
mod cut;
mod error;
mod folder;
mod held_out;
mod manifest;
mod pair;
mod picture_file;
mod random;
pub mod shards;
mod sound_file;
mod sounds;
mod wav;

pub use annotated::Annotated;
pub use cached::{CacheLimit, Cached};
pub use classes::{ClassPairs, PICTURE_EXTENSIONS};
pub use clips::{ClipRules, Clips, SplitBy};
pub use cut::{Cut, MIDDLE};
pub use error::CorpusError;
pub use folder::ClassFolder;
pub use held_out::{ClassFile, SplitRules, TEST_FOLD, unused_patterns, warn_of_unused_patterns};
pub use pair::Pair;
pub use picture_file::{has_alpha, opaque, read_image, read_picture};
pub use random::{Rng, hash, hash_bytes, rng};
pub use sound_file::{SOUND_EXTENSIONS, read_sound, read_sound_as_it_is, read_sound_bytes};
pub use sounds::{SILENT_RMS, Sound};
pub use wav::wav;

use std::sync::Arc;

use crate::picture::Picture;
use crate::window_spec::WindowSpec;

/// The window that all corpora cut the sound of an [`Example`] for.
pub const EXAMPLE_SPEC: WindowSpec = WindowSpec::PAPER;
/// Samples in it.
pub const WINDOW_SAMPLES: usize = EXAMPLE_SPEC.window_samples;

/// Which part of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Split {
    /// The network learns from it.
    Train,
    /// Tells during training how well it goes; nothing is learnt from it.
    Validation,
    /// Looked at once, at the end.
    Test,
}

impl Split {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// `train`, `validation` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// What it is for, after "to": `train`, `validate` or `test`.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validate",
            Self::Test => "test",
        }
    }
}

/// What a picture shows or a sound holds; what both have makes them correspond.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tag {
    /// A kind of thing: any picture of it goes with any sound of it.
    Class(Arc<str>),
    /// One recording: its pictures go with its sounds of the same time alone.
    Clip(Arc<str>),
}

impl Tag {
    /// A kind of thing.
    pub fn class(name: &str) -> Self {
        Self::Class(name.into())
    }

    /// A recording.
    pub fn clip(name: &str) -> Self {
        Self::Clip(name.into())
    }

    /// Its name, without its kind.
    pub fn name(&self) -> &str {
        match self {
            Self::Class(name) | Self::Clip(name) => name,
        }
    }
}

/// A rectangle of a picture that shows something.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// What is there.
    pub tag: Tag,
    /// Left, top, right, bottom, 0 to 1 from the picture's top left.
    pub bounds: [f32; 4],
}

/// A picture and a second of sound that were drawn together.
#[derive(Clone, Debug)]
pub struct Example {
    /// The picture, of any size.
    pub picture: Picture,
    /// [`WINDOW_SAMPLES`] at 48 kHz, mono.
    pub pcm: Vec<f32>,
    /// What is in the picture.
    pub shows: Vec<Tag>,
    /// What is heard.
    pub sounds: Vec<Tag>,
    /// Where things are, if the corpus knows.
    pub regions: Vec<Region>,
    /// The class of the recording that both are of, where recordings have one. It is
    /// learnt as a class, but two recordings of a class do not correspond.
    pub label: Option<Arc<str>>,
    /// Where it comes from, for errors and reports.
    pub origin: String,
}

impl Example {
    /// Whether picture and sound, drawn together, correspond: something that is
    /// heard is seen. Silence goes with nothing.
    pub fn corresponds(&self) -> bool {
        self.sounds.iter().any(|tag| self.shows.contains(tag))
    }

    /// Whether this picture corresponds to the sound of another draw. `None`
    /// where that is not known: they are of one recording, and may or may not
    /// overlap.
    pub fn corresponds_to(&self, other: &Self) -> Option<bool> {
        let mut common = other.sounds.iter().filter(|tag| self.shows.contains(tag));
        match common.next() {
            None => Some(false),
            Some(Tag::Class(_)) => Some(true),
            Some(Tag::Clip(_)) => None,
        }
    }
}

/// A source of examples.
pub trait Corpus: Send + Sync {
    /// What it is and how much it holds, in one line.
    fn describe(&self) -> String;

    /// Draws a picture and the sound that it was drawn with. Most correspond;
    /// where a corpus has scenes whose source is not seen, some do not.
    ///
    /// # Errors
    /// If a file cannot be read any more, or the split is empty.
    fn draw(&self, split: Split, rng: &mut Rng) -> Result<Example, CorpusError>;

    /// The classes that its tags name, none if it knows none.
    fn classes(&self) -> Vec<String> {
        Vec::new()
    }

    /// The list of annotated pictures that it is, if it is one: then each of them
    /// is looked at once, instead of draws.
    fn annotated(&self) -> Option<&Annotated> {
        None
    }

    /// Whether a split can be drawn from: two different things at least, or
    /// there would be no pair that does not correspond.
    ///
    /// # Errors
    /// Says what is missing.
    fn check(&self, split: Split) -> Result<(), CorpusError>;
}
