//! The ground truth of a scene, written as JSON beside its video.

use serde::{Deserialize, Serialize};

use super::scene::Scene;
use crate::corpus::Region;

/// The ground truth of a scene.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// The video's name, without its folder.
    pub file: String,
    /// The family of scenes, and which of it this is.
    pub seed: u64,
    /// Number of the scene within its seed.
    pub index: u64,
    /// `train`, `validation` or `test`.
    pub split: String,
    /// Width of the picture in pixels.
    pub width: u32,
    /// Height of the picture in pixels.
    pub height: u32,
    /// Frames a second.
    pub fps: f64,
    /// Length.
    pub seconds: f64,
    /// The classes that are seen, from back to front.
    pub shows: Vec<String>,
    /// The class that the background is a photograph of.
    pub backdrop: Option<String>,
    /// What is heard, and when. Where nothing is, there is no entry.
    pub sounds: Vec<Heard>,
    /// One for each frame.
    pub frames: Vec<FrameTruth>,
    /// How the scene was drawn.
    pub settings: serde_json::Value,
}

/// A time in which a class is heard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    /// The class.
    pub class: String,
    /// From here on.
    pub from_s: f64,
    /// Up to here.
    pub to_s: f64,
    /// Whether something of the class is in the picture.
    pub seen: bool,
}

/// What is where in a frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrameTruth {
    /// When it is shown.
    pub at_s: f64,
    /// The things, from back to front.
    pub boxes: Vec<BoxTruth>,
}

/// A thing in a frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoxTruth {
    /// Its class.
    pub class: String,
    /// Left, top, right, bottom, 0 to 1 from the picture's top left.
    pub bounds: [f32; 4],
    /// The same in whole pixels; right and bottom are not in it any more.
    pub pixels: [u32; 4],
    /// Whether it is what is heard.
    pub sounds: bool,
}

impl FrameTruth {
    /// What a frame of a scene has in it.
    pub fn new(scene: &Scene, at_s: f64, regions: &[Region], width: u32, height: u32) -> Self {
        let heard = scene.sounds_at(at_s);
        let side = [width, height, width, height];
        let boxes = regions.iter().map(|region| BoxTruth {
            class: region.tag.name().to_owned(),
            bounds: region.bounds,
            pixels: std::array::from_fn(|i| (region.bounds[i] * side[i] as f32).round() as u32),
            sounds: heard.is_some_and(|class| **class == *region.tag.name()),
        });
        Self {
            at_s,
            boxes: boxes.collect(),
        }
    }
}

impl Heard {
    /// What is heard of a scene in the first `seconds`.
    pub fn of(scene: &Scene, seconds: f64) -> Vec<Self> {
        let heard = scene.soundscape().heard(seconds);
        heard
            .map(|(from_s, to_s, source)| Self {
                class: source.class.to_string(),
                from_s,
                to_s,
                seen: scene.shows().any(|shown| *shown == source.class),
            })
            .collect()
    }
}
