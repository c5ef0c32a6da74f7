//! The built-in scene: the same each time, without end.

use super::assets::AssetLibrary;
use super::scene::Scene;
use super::settings::SynthSettings;
use crate::corpus::{CorpusError, Split, rng};

/// Chosen for its looks.
const SEED: u64 = 17;

/// Three things move about; each sounds in turn for some seconds, then one that is
/// not seen. Drawn for pictures with this short side, in pixels.
///
/// # Errors
/// None, as the built-in kinds need no files.
pub fn demo_scene(short_side: u32) -> Result<Scene, CorpusError> {
    let settings = SynthSettings {
        objects: 3..=3,
        distractors: 3..=6,
        scale: 0.25..=0.45,
        silent: 0.0,
        off_screen: 0.0,
        snr_db: 25.0..35.0,
        turn_s: Some(6.0),
        short_side,
        ..SynthSettings::default()
    };
    let assets = AssetLibrary::built_in();
    Scene::draw(&assets, &settings, Split::Test, &mut rng(SEED, 0, 0))
}
