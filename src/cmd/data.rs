//! DATA on the command line: what training and evaluation draw from.

mod recordings;
mod spec;

use std::ops::RangeInclusive;
use std::path::PathBuf;

use self::spec::Spec;
#[cfg(feature = "eval")]
pub(super) use self::spec::escaped;
use super::common::Usage;
use super::value::choice;
use crate::cancel::CancelToken;
use crate::corpus::{Annotated, ClassPairs, ClipRules, Corpus, SplitBy, SplitRules, TEST_FOLD};
use crate::synth::{AssetFolders, AssetLibrary, SynthCorpus, SynthSettings};

/// What DATA may be, for the help of commands that take it.
pub const HELP: &str = "\
DATA is
  recordings  media files and folders, which are decoded into the cache first
  shards      .tar files, and folders of them, as l3net prepare makes them
  synth:      scenes without end; synth:KEY=VALUE,… with sprites, sounds, photos
              (folders of classes, several joined by +), objects=A-B, seed=N
  classes:    classes:sounds=DIR,images=DIR: pictures and sounds of a class
  annotations: annotations:boxes=FILE.json|DIR,media=DIR: pictures in which people have
              boxed what is heard, as VGG-SS or Flickr-SoundNet have it; for eval
Those with a colon take weight=W, how often they are drawn from, and test=NAMES,
patterns of files to hold out. A comma or a + in a name is written \\, or \\+.";

/// What to draw from, and what is held out.
#[derive(clap::Args, Clone, Debug)]
pub struct DataArgs {
    /// Recordings, their shards, synth: or classes:; see below
    #[arg(value_name = "DATA")]
    pub data: Vec<String>,
    /// Folders of classes of sounds, for pairs of the same class
    #[arg(long, value_name = "DIR", num_args = 1.., requires = "images")]
    pub sounds: Vec<PathBuf>,
    /// Folders of classes of pictures, for pairs of the same class
    #[arg(long, value_name = "DIR", num_args = 1.., requires = "sounds")]
    pub images: Vec<PathBuf>,
    /// What of recordings is held out: whole ones, or the end of each
    #[arg(long, value_parser = choice::<SplitBy>(), default_value = "clip", value_name = "HOW")]
    pub split: SplitBy,
    #[command(flatten)]
    held_out: HeldOutArgs,
}

/// Which files are held out.
#[derive(clap::Args, Clone, Debug)]
pub struct HeldOutArgs {
    /// Names of files or recordings to hold out, such as 'emojitwo_*'
    #[arg(long, value_name = "PATTERN", num_args = 1..)]
    pub test: Vec<String>,
    /// The fold to hold out, where a manifest has folds
    #[arg(long, value_name = "N", default_value_t = TEST_FOLD)]
    pub test_fold: u32,
    /// Chooses what is held out, where nothing else does
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub split_seed: u64,
}

impl HeldOutArgs {
    /// The rules for reading files, with more patterns.
    pub fn rules(&self, more: &[String]) -> SplitRules {
        SplitRules {
            test: self.test.iter().chain(more).cloned().collect(),
            test_fold: self.test_fold,
            seed: self.split_seed,
        }
    }
}

/// A corpus with its name and how often it is drawn from.
pub struct Opened {
    /// As it was named.
    pub name: String,
    /// Against the others.
    pub weight: f64,
    /// What is drawn from.
    pub corpus: Box<dyn Corpus>,
}

impl DataArgs {
    /// Opens all of it.
    ///
    /// # Errors
    /// [`Usage`] for what cannot be understood; else names the folder or file.
    pub fn open(&self, quiet: bool, stop: &CancelToken) -> anyhow::Result<Vec<Opened>> {
        let mut opened = Vec::new();
        let mut media = Vec::new();
        for text in &self.data {
            match is_recording(text) {
                false => opened.push(self.open_one(text)?),
                true => media.push(text.clone()),
            }
        }
        if !media.is_empty() {
            let rules = ClipRules {
                split_by: self.split,
                test: self.held_out.test.clone(),
                seed: self.held_out.split_seed,
            };
            let clips = recordings::open(&media, rules, quiet, stop)?;
            opened.push(Opened {
                name: match media.as_slice() {
                    [one] => one.clone(),
                    several => format!("{} and {} more", several[0], several.len() - 1),
                },
                weight: 1.0,
                corpus: Box::new(clips),
            });
        }
        if !self.sounds.is_empty() {
            let corpus = ClassPairs::read(&self.sounds, &self.images, &self.held_out.rules(&[]))?;
            opened.push(Opened {
                name: "classes".to_owned(),
                weight: 1.0,
                corpus: Box::new(corpus),
            });
        }
        if opened.is_empty() {
            return Err(Usage::error(
                "no DATA; name media files, shards, synth: or --sounds DIR --images DIR",
            ));
        }
        for Opened { name, corpus, .. } in &opened {
            tracing::info!("{name}: {}", corpus.describe());
        }
        Ok(opened)
    }

    /// What chooses what is held out, where nothing else does.
    pub fn split_seed(&self) -> u64 {
        self.held_out.split_seed
    }

    /// What else is held out by options and by `test=`, as options.
    pub fn held_out(&self) -> String {
        let named = self.data.iter().filter_map(|text| Spec::parse(text).ok());
        let mut test: Vec<String> = named.flat_map(|spec| spec.list("test")).collect();
        test.extend(self.held_out.test.iter().cloned());
        test.sort();
        test.dedup();
        let fold = format!("--test-fold {}", self.held_out.test_fold);
        let test = test.iter().map(|pattern| format!("--test {pattern}"));
        std::iter::once(fold)
            .chain(test)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// What of recordings is held out; none if there are none.
    pub fn split_of_recordings(&self) -> Option<SplitBy> {
        let has_some = self.data.iter().any(|text| is_recording(text));
        has_some.then_some(self.split)
    }

    fn open_one(&self, text: &str) -> anyhow::Result<Opened> {
        let spec = Spec::parse(text).map_err(Usage::error)?;
        let rules = self.held_out.rules(&spec.list("test"));
        let corpus: Box<dyn Corpus> = match spec.kind.as_str() {
            "classes" => {
                spec.check(&["sounds", "images"], &[])
                    .map_err(Usage::error)?;
                Box::new(ClassPairs::read(
                    &spec.paths("sounds"),
                    &spec.paths("images"),
                    &rules,
                )?)
            }
            "annotations" => {
                spec.check(&["boxes", "media"], &[]).map_err(Usage::error)?;
                let boxes = PathBuf::from(spec.text("boxes").unwrap_or_default());
                Box::new(Annotated::read(&boxes, &spec.paths("media"))?)
            }
            _ => Box::new(synth(&spec, &rules)?),
        };
        Ok(Opened {
            weight: spec.weight().map_err(Usage::error)?,
            name: text.to_owned(),
            corpus,
        })
    }
}

/// Whether it is media or shards.
pub(super) fn is_recording(text: &str) -> bool {
    let kind = text.split_once(':').map(|(kind, _)| kind);
    !matches!(kind, Some("synth" | "classes" | "annotations"))
}

/// Scenes of the built-in kinds, or of classes from folders.
fn synth(spec: &Spec, rules: &SplitRules) -> anyhow::Result<SynthCorpus> {
    spec.check(&[], &["sprites", "sounds", "photos", "objects", "seed"])
        .map_err(Usage::error)?;
    let mut settings = SynthSettings::default();
    if let Some(text) = spec.get("objects") {
        settings.objects = objects(text).map_err(Usage::error)?;
    }
    if let Some(text) = spec.get("seed") {
        let refuse = |_| Usage::error("synth: seed=N is a whole number");
        settings.seed = text.parse().map_err(refuse)?;
    }
    let folders = AssetFolders {
        sprites: spec.paths("sprites"),
        sounds: spec.paths("sounds"),
        photos: spec.paths("photos"),
        rules: rules.clone(),
    };
    let none = folders.sprites.is_empty() && folders.sounds.is_empty() && folders.photos.is_empty();
    Ok(match none {
        true => SynthCorpus::built_in(settings),
        false => SynthCorpus::new(AssetLibrary::from_folders(&folders)?, settings),
    })
}

/// `A-B`, or `N` for exactly that many.
pub fn objects(text: &str) -> Result<RangeInclusive<usize>, String> {
    let refuse = || format!("{text}: a number of objects is N or A-B");
    let number = |text: &str| text.parse::<usize>().map_err(|_| refuse());
    let (min, max) = text.split_once('-').unwrap_or((text, text));
    let range = number(min)?..=number(max)?;
    if range.is_empty() {
        Err(refuse())
    } else {
        Ok(range)
    }
}
