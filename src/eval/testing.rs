//! Judges and corpora with known answers.

use rand::RngExt;

use crate::corpus::{Corpus, CorpusError, Example, Region, Rng, Split, Tag};
use crate::features::Features;
use crate::picture::Picture;
use crate::result::{Heatmap, Judgement};
use crate::window_spec::WindowSpec;

/// Side of the pictures of [`Scenes`].
pub const SIDE: u32 = 256;

/// Name, colour and tone in Hz of what there is in [`Scenes`].
const KINDS: [(&str, [u8; 3], f32); 3] = [
    ("red", [255, 0, 0], 600.0),
    ("green", [0, 255, 0], 2400.0),
    ("blue", [0, 0, 255], 6000.0),
];

/// Scenes of one or two coloured squares and a tone, mostly that of one of
/// them. Every tenth draw is of a file that cannot be read, if `spoilt`.
pub struct Scenes {
    pub spoilt: bool,
}

impl Corpus for Scenes {
    fn describe(&self) -> String {
        "squares".to_owned()
    }

    fn draw(&self, _: Split, rng: &mut Rng) -> Result<Example, CorpusError> {
        if self.spoilt && rng.random_bool(0.1) {
            let file = format!("spoilt-{}.png", rng.random_range(0..2));
            return Err(CorpusError::file(file, "not a picture"));
        }
        let mut picture = Picture::filled(SIDE, SIDE, [90, 90, 90]);
        let mut regions = Vec::new();
        let first = rng.random_range(0..3);
        let shown = rng.random_range(1..=2);
        // The first in the left half, the second in the right.
        for nth in 0..shown {
            let (name, colour, _) = KINDS[(first + nth) % 3];
            let x = rng.random_range(0..4) * 16 + nth as u32 * 144;
            let y = rng.random_range(0..12) * 16;
            for row in y..y + 64 {
                for col in x..x + 64 {
                    let at = (row * SIDE + col) as usize * 3;
                    picture.rgb[at..at + 3].copy_from_slice(&colour);
                }
            }
            let edge = |v: u32| v as f32 / SIDE as f32;
            regions.push(Region {
                tag: Tag::class(name),
                bounds: [edge(x), edge(y), edge(x + 64), edge(y + 64)],
            });
        }
        let among = if rng.random_bool(0.8) { shown } else { 3 };
        let (sound, _, hertz) = KINDS[(first + rng.random_range(0..among)) % 3];
        let pcm = (0..48_000)
            .map(|i| 0.1 * (std::f32::consts::TAU * hertz * i as f32 / 48_000.0).sin())
            .collect();
        Ok(Example {
            picture,
            pcm,
            shows: regions.iter().map(|r| r.tag.clone()).collect(),
            sounds: vec![Tag::class(sound)],
            regions,
            label: None,
            origin: format!("{sound} of {shown}"),
        })
    }

    fn check(&self, split: Split) -> Result<(), CorpusError> {
        match split {
            Split::Train => Err(CorpusError::TooFew("nothing to train".to_owned())),
            _ => Ok(()),
        }
    }
}

/// A flat map with one strong cell of 16 × 16.
pub fn map(row: usize, col: usize) -> Heatmap {
    let mut values = vec![0.1; 256];
    values[row * 16 + col] = 1.0;
    Heatmap {
        rows: 16,
        cols: 16,
        values,
    }
}

pub fn judgement(margin: f32, vision: Heatmap) -> Judgement {
    Judgement {
        logits: [0.0, margin],
        correspondence: 1.0 / (1.0 + (-margin).exp()),
        audio: vision.clone(),
        vision,
    }
}

/// The colour that the tone belongs to, by the spectrogram.
pub fn heard(features: &Features) -> [u8; 3] {
    let spec = WindowSpec::PAPER;
    let row = |hertz: f32| (spec.height_of(hertz) * spec.bins as f32 - 0.5).round() as usize;
    let level = |hertz: f32| features.spectrogram[row(hertz) * spec.frames];
    let loudest = KINDS
        .iter()
        .max_by(|a, b| level(a.2).total_cmp(&level(b.2)));
    loudest.expect("there are three").1
}

/// The first cell of a 16 × 16 map whose middle has such a colour.
pub fn cell(features: &Features, wanted: impl Fn([u8; 3]) -> bool) -> Option<(usize, usize)> {
    let mut cells = (0..16).flat_map(|row| (0..16).map(move |col| (row, col)));
    cells.find(|&(row, col)| wanted(colour(features, row, col)))
}

/// Colour in the middle of a cell of a whole picture of [`SIDE`].
fn colour(features: &Features, row: usize, col: usize) -> [u8; 3] {
    let side = SIDE as usize;
    assert_eq!(features.image.len(), side * side * 3);
    let at = ((row * 16 + 8) * side + col * 16 + 8) * 3;
    [0, 1, 2].map(|i| features.image[at + i])
}
