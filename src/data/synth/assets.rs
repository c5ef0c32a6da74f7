//! The things that scenes are made of: the built-in kinds, and classes from
//! folders of pictures and sounds.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::RngExt;
use rand::seq::IndexedRandom;

use super::kind::{KINDS, PERIOD_S, ThingKind};
use super::look::Cutout;
use super::soundscape::SoundOf;
use crate::corpus::{
    CacheLimit, Cached, ClassFolder, CorpusError, PICTURE_EXTENSIONS, Rng, SOUND_EXTENSIONS, Sound,
    Split, SplitRules, WINDOW_SAMPLES, has_alpha, read_image,
};
use crate::picture::Picture;

/// For decoded photographs: 512 MiB.
static CACHE_LIMIT: CacheLimit = CacheLimit::new(512 << 20);
/// Silent sounds drawn in a row before drawing fails.
const TRIES: usize = 50;

/// Folders of classes (`DIR/<class>/<file>`); a class may be in several.
#[derive(Clone, Debug, Default)]
pub struct AssetFolders {
    /// Cut-out pictures with transparent ground.
    pub sprites: Vec<PathBuf>,
    /// Sounds of the same classes.
    pub sounds: Vec<PathBuf>,
    /// Photographs: of the classes that sound, and of others, which are shown
    /// without a sound.
    pub photos: Vec<PathBuf>,
    /// Which files are held out.
    pub rules: SplitRules,
}

/// All the classes that can be in a scene.
pub struct AssetLibrary {
    classes: Vec<Class>,
}

pub(super) struct Class {
    pub name: Arc<str>,
    pub kind: Option<&'static ThingKind>,
    cutouts: BySplit<Arc<Cutout>>,
    photos: BySplit<Arc<Photo>>,
    sounds: BySplit<Arc<Sound>>,
}

/// Files by the split that they belong to.
struct BySplit<T>([Vec<T>; 3]);

impl<T> Default for BySplit<T> {
    fn default() -> Self {
        Self([Vec::new(), Vec::new(), Vec::new()])
    }
}

impl<T> BySplit<T> {
    fn of(&self, split: Split) -> &[T] {
        &self.0[split as usize]
    }

    fn push(&mut self, split: Split, item: T) {
        self.0[split as usize].push(item);
    }
}

/// A photograph that is decoded when it is first shown.
pub(super) struct Photo {
    file: PathBuf,
    picture: Cached<Picture>,
}

impl Photo {
    pub fn picture(&self) -> Result<Arc<Picture>, CorpusError> {
        self.picture.get(|| {
            let image = read_image(&self.file)?.into_rgb8();
            let picture = Picture {
                width: image.width(),
                height: image.height(),
                rgb: image.into_raw(),
            };
            let bytes = picture.rgb.len();
            Ok((Arc::new(picture), bytes))
        })
    }
}

/// What a thing of a class is shown as.
pub(super) enum Shown {
    Kind(&'static ThingKind),
    Cutout(Arc<Cutout>),
    Photo(Arc<Photo>),
}

impl Class {
    fn built_in(kind: &'static ThingKind) -> Self {
        Self {
            kind: Some(kind),
            ..Self::named(kind.name)
        }
    }

    fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            kind: None,
            cutouts: BySplit::default(),
            photos: BySplit::default(),
            sounds: BySplit::default(),
        }
    }

    /// Seconds from beat to beat.
    pub fn period_s(&self) -> Range<f64> {
        self.kind.map_or(PERIOD_S, |kind| kind.period_s.clone())
    }

    pub fn can_be_seen(&self, split: Split) -> bool {
        self.kind.is_some() || !self.cutouts.of(split).is_empty() || self.has_photos(split)
    }

    pub fn can_be_heard(&self, split: Split) -> bool {
        self.kind.is_some() || !self.sounds.of(split).is_empty()
    }

    pub fn has_photos(&self, split: Split) -> bool {
        !self.photos.of(split).is_empty()
    }

    /// A picture of it; drawn ones and photographs equally often.
    pub fn show(&self, split: Split, rng: &mut Rng) -> Option<Shown> {
        if let Some(kind) = self.kind {
            return Some(Shown::Kind(kind));
        }
        let cutout = self.cutouts.of(split).choose(rng);
        let photo = self.photos.of(split).choose(rng);
        match (cutout, photo) {
            (Some(cutout), Some(_)) if rng.random_bool(0.5) => {
                Some(Shown::Cutout(Arc::clone(cutout)))
            }
            (_, Some(photo)) => Some(Shown::Photo(Arc::clone(photo))),
            (Some(cutout), None) => Some(Shown::Cutout(Arc::clone(cutout))),
            (None, None) => None,
        }
    }

    pub fn photo(&self, split: Split, rng: &mut Rng) -> Option<Arc<Photo>> {
        self.photos.of(split).choose(rng).map(Arc::clone)
    }

    /// A sound of it, `seconds` long before it repeats.
    pub fn sound(&self, split: Split, seconds: f64, rng: &mut Rng) -> Result<SoundOf, CorpusError> {
        if let Some(kind) = self.kind {
            return Ok(SoundOf::Kind(kind));
        }
        for _ in 0..TRIES {
            let Some(sound) = self.sounds.of(split).choose(rng) else {
                break;
            };
            let mut pcm = Vec::new();
            while let Some(second) = sound.second(rng)? {
                pcm.extend(second);
                if pcm.len() as f64 >= seconds * WINDOW_SAMPLES as f64 {
                    return Ok(SoundOf::Recording(pcm.into()));
                }
            }
        }
        Err(CorpusError::TooFew(format!(
            "{TRIES} sounds of class {} in a row are silent; leave the class out",
            self.name
        )))
    }
}

impl AssetLibrary {
    /// The built-in kinds.
    pub fn built_in() -> Self {
        Self {
            classes: KINDS.iter().map(Class::built_in).collect(),
        }
    }

    /// Classes from folders. With photographs alone the built-in kinds stay, and
    /// the photographs are behind and between them.
    ///
    /// # Errors
    /// If a folder is no folder of classes, a cut-out is no picture, or fewer
    /// than two classes have pictures and sounds.
    pub fn from_folders(folders: &AssetFolders) -> Result<Self, CorpusError> {
        let read = |dirs: &[PathBuf], extensions: &[&str]| {
            ClassFolder::read(dirs, extensions, &folders.rules)
        };
        let with_kinds = folders.sprites.is_empty() && folders.sounds.is_empty();
        let mut classes: BTreeMap<String, Class> = BTreeMap::new();
        if with_kinds {
            let kinds = KINDS.iter();
            classes.extend(kinds.map(|k| (k.name.to_owned(), Class::built_in(k))));
        }
        let pictures: Vec<PathBuf> = [&folders.sprites[..], &folders.photos[..]].concat();
        let seen = read(&pictures, &PICTURE_EXTENSIONS)?;
        for name in seen.classes() {
            let class = classes
                .entry(name.to_owned())
                .or_insert_with(|| Class::named(name));
            for item in seen.items(name) {
                class.add_picture(&item.path, item.split)?;
            }
        }
        let heard = read(&folders.sounds, &SOUND_EXTENSIONS)?;
        let files = seen.files().chain(heard.files());
        folders.rules.warn_if_unused(files);
        for name in heard.classes() {
            let class = classes
                .entry(name.to_owned())
                .or_insert_with(|| Class::named(name));
            for item in heard.items(name) {
                let sound = Arc::new(Sound::new(item.path.clone()));
                class.sounds.push(item.split, sound);
            }
        }
        let assets = Self {
            classes: classes.into_values().collect(),
        };
        assets.check(Split::Train)?;
        Ok(assets)
    }

    /// The names of all classes, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.classes.iter().map(|class| &*class.name)
    }

    /// The names of the classes that can be both seen and heard in a split.
    pub fn matched(&self, split: Split) -> impl Iterator<Item = &str> {
        let classes = self.classes.iter();
        classes
            .filter(move |class| class.can_be_seen(split) && class.can_be_heard(split))
            .map(|class| &*class.name)
    }

    /// Whether a split has at least two classes to tell apart.
    ///
    /// # Errors
    /// Says how many classes have pictures and sounds, if fewer than two do.
    pub fn check(&self, split: Split) -> Result<(), CorpusError> {
        let matched = self.matched(split).count();
        if matched >= 2 {
            return Ok(());
        }
        Err(CorpusError::TooFew(format!(
            "{matched} classes have a picture and a sound to {}; two are needed: name \
             the folders of a class alike for pictures and sounds, or change what is held out",
            split.purpose()
        )))
    }

    pub(super) fn classes(&self) -> &[Class] {
        &self.classes
    }
}

impl Class {
    fn add_picture(&mut self, path: &Path, split: Split) -> Result<(), CorpusError> {
        let png = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("png"));
        let cutout = if png && has_alpha(path)? {
            Cutout::from_rgba(&read_image(path)?.into_rgba8())
        } else {
            None
        };
        match cutout {
            Some(cutout) => self.cutouts.push(split, Arc::new(cutout)),
            None => self.photos.push(
                split,
                Arc::new(Photo {
                    file: path.to_owned(),
                    picture: Cached::new(&CACHE_LIMIT),
                }),
            ),
        }
        Ok(())
    }
}
