//! The features of one camera's seconds.

use std::sync::Arc;

use tch::{Kind, TchError, Tensor};

use super::discriminant::features;
use crate::net::Modality;
use crate::pooled::Pooled;

/// Seconds without overlap that a camera needs to be learnt.
pub const MIN_SECONDS: usize = 4;

/// A window of sound and its frame, as the trunks see them.
#[derive(Clone, Debug, PartialEq)]
pub struct Second {
    /// Start of the window in seconds, counted on over all recordings of the camera.
    pub at_s: f64,
    /// What the trunks make of it.
    pub features: Arc<Pooled>,
}

impl Second {
    /// The features of one modality.
    pub fn of(&self, modality: Modality) -> &[f32] {
        match modality {
            Modality::Vision => &self.features.vision,
            Modality::Audio => &self.features.audio,
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

    /// Whether both are of the same recording: nearly all sounds of the shorter one are
    /// among those of the other.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn sounds_like(&self, other: &Self) -> Result<bool, TchError> {
        const PROBES: usize = 12;
        /// Of a feature's length; what is decoded twice differs by rounding.
        const SAME: f64 = 1e-3;
        let (short, long) = match self.seconds.len() <= other.seconds.len() {
            true => (self, other),
            false => (other, self),
        };
        if short.seconds.is_empty() {
            return Ok(false);
        }
        let step = (short.seconds.len() / PROBES).max(1);
        let probes = features(short.seconds.iter().step_by(step), Modality::Audio)?;
        let all = features(&long.seconds, Modality::Audio)?;
        // Exact distances: those by scalar products lose what is as small as this.
        let nearest = Tensor::f_cdist(&probes, &all, 2.0, 2)?.f_amin([1].as_slice(), false)?;
        let lengths = probes.f_norm_scalaropt_dim(2.0, [1].as_slice(), false)?;
        let same = nearest.f_le_tensor(&lengths.f_mul_scalar(SAME)?)?;
        let share = same.f_to_kind(Kind::Float)?.f_mean(Kind::Float)?;
        Ok(share.f_double_value(&[])? >= 0.9)
    }
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
    fn a_copy_is_known_by_its_sounds_and_so_is_a_part_of_it() {
        let all = cameras(2, 30, 1);
        let mut part = all[0].clone();
        part.seconds.truncate(20);
        let same = |a: &Camera, b: &Camera| a.sounds_like(b).expect("distances");
        assert!(same(&part, &all[0]));
        assert!(same(&all[0], &part));
        assert!(!same(&all[1], &all[0]));
        assert!(!same(&Camera::new("none"), &all[0]));
    }
}
