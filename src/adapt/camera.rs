//! The features of one camera's seconds.

use crate::net::{FEATURE, Modality};

/// Seconds without overlap that a camera needs to be learnt.
pub const MIN_SECONDS: usize = 4;

/// A window of sound and its frame, as the trunks see them.
#[derive(Clone, Debug, PartialEq)]
pub struct Second {
    /// Start of the window in seconds, counted on over all recordings of the camera.
    pub at_s: f64,
    /// pool4 of the vision trunk, 512 values.
    pub vision: Vec<f32>,
    /// pool4 of the audio trunk, 512 values.
    pub audio: Vec<f32>,
}

impl Second {
    /// The features of one modality.
    pub fn of(&self, modality: Modality) -> &[f32] {
        match modality {
            Modality::Vision => &self.vision,
            Modality::Audio => &self.audio,
        }
    }
}

/// A camera with the features of its seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Camera {
    /// Its name in messages and in the model.
    pub name: String,
    /// In the order of time. Seconds in which nothing is heard do not belong here: they
    /// sound the same everywhere.
    pub seconds: Vec<Second>,
    /// Seconds that were silent.
    pub silent: usize,
}

impl Camera {
    /// A camera without seconds.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Windows of a second that fit beside each other into what is there.
    pub fn whole_seconds(&self) -> usize {
        let mut count = 0;
        let mut end = f64::NEG_INFINITY;
        for second in &self.seconds {
            // Times of frames and blocks are rounded to nanoseconds.
            if second.at_s >= end - 1e-6 {
                count += 1;
                end = second.at_s + 1.0;
            }
        }
        count
    }

    /// Whether it is the same recording as another camera: nearly all of its sounds are
    /// among the other's.
    pub fn is_copy_of(&self, other: &Self) -> bool {
        const PROBES: usize = 12;
        let step = (self.seconds.len() / PROBES).max(1);
        let probes: Vec<&Second> = self.seconds.iter().step_by(step).collect();
        let same = probes.iter().filter(|probe| {
            let is_same = |s: &Second| distance(&s.audio, &probe.audio) < 1e-3;
            other.seconds.iter().any(is_same)
        });
        !probes.is_empty() && same.count() * 10 >= probes.len() * 9
    }
}

/// Distance of two features, relative to the length of the second.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    debug_assert_eq!((a.len(), b.len()), (FEATURE, FEATURE));
    let difference: f32 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
    let length: f32 = b.iter().map(|b| b * b).sum();
    (difference / length.max(1e-12)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::testing::cameras;
    use super::*;

    #[test]
    fn overlapping_windows_are_not_more_seconds() {
        let mut camera = cameras(1, 9, 1).remove(0);
        for (i, second) in camera.seconds.iter_mut().enumerate() {
            second.at_s = i as f64 * 0.5;
        }
        assert_eq!(camera.whole_seconds(), 5);
        assert_eq!(Camera::new("none").whole_seconds(), 0);
    }

    #[test]
    fn a_copy_is_known_by_its_sounds_and_a_part_of_them_is_one_too() {
        let all = cameras(2, 30, 1);
        let mut part = all[0].clone();
        part.seconds.truncate(20);
        assert!(part.is_copy_of(&all[0]));
        assert!(!all[1].is_copy_of(&all[0]));
        assert!(!Camera::new("none").is_copy_of(&all[0]));
    }
}
