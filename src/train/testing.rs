//! A synthetic corpus for the tests of this module.

use rand::RngExt;

use super::augment::AugmentationStrength;
use super::pairing::PairingMode;
use super::sampler::{SamplerSettings, Share};
use crate::corpus::{Corpus, CorpusError, Example, Region, Rng, Split, Tag};
use crate::picture::Picture;
use crate::window_spec::WindowSpec;

/// Three objects, each with a colour and a pitch. `mismatched` is how often the sound is
/// of an object that is not in the picture; with `clips`, each object is a recording
/// instead of a class; `broken` is how often a draw fails.
#[derive(Clone, Debug, Default)]
pub struct Tones {
    pub mismatched: f64,
    pub clips: bool,
    pub broken: f64,
}

pub const COLOURS: [[u8; 3]; 3] = [[200, 30, 30], [30, 200, 30], [30, 30, 200]];

impl Corpus for Tones {
    fn describe(&self) -> String {
        "three tones".to_owned()
    }

    fn draw(&self, _: Split, rng: &mut Rng) -> Result<Example, CorpusError> {
        let seen = rng.random_range(0..3_usize);
        if rng.random_bool(self.broken) {
            return Err(CorpusError::file("broken.jpg", "not a picture"));
        }
        let heard = match rng.random_bool(self.mismatched) {
            true => (seen + 1) % 3,
            false => seen,
        };
        let tag = |i: usize| match self.clips {
            true => Tag::clip(&i.to_string()),
            false => Tag::class(&i.to_string()),
        };
        let mut picture = Picture::filled(80, 64, [90; 3]);
        for y in 20..44 {
            for x in 10..34 {
                picture.rgb[(y * 80 + x) * 3..][..3].copy_from_slice(&COLOURS[seen]);
            }
        }
        let phase: f32 = rng.random();
        let pitch = [300.0, 1200.0, 4800.0][heard] / 48_000.0;
        let pcm = (0..WindowSpec::PAPER.window_samples)
            .map(|i| 0.3 * (std::f32::consts::TAU * (pitch * i as f32 + phase)).sin());
        Ok(Example {
            picture,
            pcm: pcm.collect(),
            shows: vec![tag(seen)],
            sounds: vec![tag(heard)],
            regions: vec![Region {
                tag: tag(seen),
                bounds: [0.125, 20.0 / 64.0, 34.0 / 80.0, 44.0 / 64.0],
            }],
            label: None,
            origin: format!("{seen}/{heard}"),
        })
    }

    fn check(&self, _: Split) -> Result<(), CorpusError> {
        Ok(())
    }
}

/// Batches of twelve small pictures.
pub fn sampler_settings(pairing: PairingMode) -> SamplerSettings {
    SamplerSettings {
        batch: 12,
        share: Share::WHOLE,
        pairing,
        augment: AugmentationStrength::Paper,
        spec: WindowSpec::PAPER,
        side: 32,
        overfit: None,
        seed: 5,
    }
}
