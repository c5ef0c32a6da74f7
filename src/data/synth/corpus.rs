//! Single moments of scenes, for training and evaluation: straight from the
//! generator, without touching the disk.

use rand::RngExt;

use super::assets::AssetLibrary;
use super::render::Renderer;
use super::scene::Scene;
use super::settings::SynthSettings;
use crate::corpus::{Corpus, CorpusError, Example, Rng, Split, Tag, WINDOW_SAMPLES, rng};

/// A scene a draw: a frame of it, and the second of sound around the frame.
pub struct SynthCorpus {
    assets: AssetLibrary,
    settings: SynthSettings,
    name: String,
}

impl SynthCorpus {
    /// Scenes of the built-in kinds.
    pub fn built_in(settings: SynthSettings) -> Self {
        Self {
            assets: AssetLibrary::built_in(),
            settings,
            name: "synth".to_owned(),
        }
    }

    /// Scenes of what a library holds.
    pub fn new(assets: AssetLibrary, settings: SynthSettings) -> Self {
        Self {
            assets,
            settings,
            name: "synth of folders".to_owned(),
        }
    }

    /// What the scenes are made of.
    pub fn assets(&self) -> &AssetLibrary {
        &self.assets
    }

    /// Scene `position` of a split.
    ///
    /// # Errors
    /// If a file cannot be read, or the split has too few classes.
    pub fn scene(&self, split: Split, position: u64) -> Result<Scene, CorpusError> {
        let mut rng = self.rng(split, position);
        Scene::draw(&self.assets, &self.settings, split, &mut rng)
    }

    /// The splits are far apart even where they are drawn with the same numbers.
    fn rng(&self, split: Split, position: u64) -> Rng {
        rng(self.settings.seed, split as u64, position)
    }
}

impl Corpus for SynthCorpus {
    fn describe(&self) -> String {
        let named = self.assets.names().count();
        let matched = |split| self.assets.matched(split).count();
        format!(
            "{}: {named} classes; seen and heard: {} to train, {} to validate, {} to test",
            self.name,
            matched(Split::Train),
            matched(Split::Validation),
            matched(Split::Test)
        )
    }

    fn draw(&self, split: Split, rng: &mut Rng) -> Result<Example, CorpusError> {
        let position: u64 = rng.random();
        let mut own = self.rng(split, position);
        let scene = Scene::draw(&self.assets, &self.settings, split, &mut own)?;
        let (width, height) = size(self.settings.short_side, &mut own);
        let t_s = own.random_range(0.0..1.0);
        let (picture, regions) = Renderer::new(&scene, width, height).frame(t_s);
        let mut shows: Vec<Tag> = Vec::new();
        for region in &regions {
            if !shows.contains(&region.tag) {
                shows.push(region.tag.clone());
            }
        }
        let sounds = scene.sounds_at(t_s);
        Ok(Example {
            picture,
            pcm: scene.listen().read(WINDOW_SAMPLES),
            shows,
            sounds: sounds
                .map(|class| Tag::Class(class.clone()))
                .into_iter()
                .collect(),
            regions,
            label: None,
            origin: format!("{} {position:016x} at {t_s:.3} s", self.name),
        })
    }

    fn classes(&self) -> Vec<String> {
        self.assets.names().map(str::to_owned).collect()
    }

    fn check(&self, split: Split) -> Result<(), CorpusError> {
        self.assets.check(split)
    }
}

/// Square, or up to 16 : 9, mostly lying.
fn size(short: u32, rng: &mut Rng) -> (u32, u32) {
    let long = |aspect: f32| (short as f32 * aspect).round() as u32;
    match rng.random_range(0..20) {
        0..11 => (short, short),
        11..15 => (long(4.0 / 3.0), short),
        15..17 => (long(16.0 / 9.0), short),
        17..19 => (long(rng.random_range(1.0..16.0 / 9.0)), short),
        _ => (short, long(rng.random_range(1.0..4.0 / 3.0))),
    }
}
