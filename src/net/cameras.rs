//! What a model knows about single cameras: part of its header.
//!
//! Belongs here: the record of each, and how it is stored. Does not: how it is found
//! (`adapt`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Weights;

/// The key of the header's metadata.
pub(super) const KEY: &str = "cameras";

/// What a model knows about a camera. Margins are logits of correspondence less those of
/// none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CameraRecord {
    /// Added to a margin, so that 0 (a correspondence of 0.5) is half-way between its own
    /// sounds and others', as it is for other cameras.
    pub shift: f64,
    /// Mean margin of its pictures with the sounds of other cameras, with the shift.
    pub others_mean: f64,
    /// Standard deviation of these margins.
    pub others_std: f64,
}

impl CameraRecord {
    /// Least standard deviation that a margin is held against. Cameras that differ plainly
    /// have nearly the same margin with all others' sounds: how much it varies is rounding.
    const LEAST_STD: f64 = 1.0;

    /// How far a margin, with the shift, lies over those of others' sounds, in standard
    /// deviations.
    pub fn z_score(&self, margin: f64) -> f64 {
        (margin - self.others_mean) / self.others_std.max(Self::LEAST_STD)
    }
}

/// The cameras of a model, by name.
pub type Cameras = BTreeMap<String, CameraRecord>;

/// What results say of the model that gave them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelRecord {
    /// Its name in summaries: [`Weights::identity`].
    pub name: String,
    /// The cameras that it knows.
    pub cameras: Cameras,
}

impl ModelRecord {
    /// Of a model; slow, as [`Weights::identity`] is.
    pub fn of(weights: &Weights) -> Self {
        Self {
            name: weights.identity(),
            cameras: weights.cameras().clone(),
        }
    }
}

/// Reads the metadata's value.
pub(super) fn parse(text: &str) -> Result<Cameras, String> {
    let cameras: Cameras = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let finite = |c: &CameraRecord| {
        [c.shift, c.others_mean, c.others_std]
            .iter()
            .all(|v| v.is_finite())
    };
    match cameras.iter().find(|(_, record)| !finite(record)) {
        Some((name, _)) => Err(format!("numbers of {name} are not finite")),
        None => Ok(cameras),
    }
}

/// The metadata's value.
pub(super) fn to_text(cameras: &Cameras) -> String {
    serde_json::to_string(cameras).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written_and_damage_is_named() {
        let record = CameraRecord {
            shift: -0.5,
            others_mean: -3.0,
            others_std: 0.0,
        };
        let cameras = Cameras::from([("front".to_owned(), record)]);
        assert_eq!(parse(&to_text(&cameras)), Ok(cameras));
        assert!((record.z_score(1.0) - 4.0).abs() < 1e-9);
        assert!(parse("{\"front\":{\"shift\":1}}").is_err());
        let huge = r#"{"front":{"shift":1e999,"others_mean":0,"others_std":1}}"#;
        assert!(parse(huge).is_err());
    }
}
