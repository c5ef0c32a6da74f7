//! Loss and accuracy of a batch, and their means.

use tch::{TchError, Tensor};

use crate::net::input::to_vec;

/// Loss and accuracy of a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    /// Cross-entropy, both labels with half the weight.
    pub loss: f64,
    /// Mean over both labels of the share judged correctly.
    pub accuracy: f64,
    /// Share of pictures and of sounds whose most likely class is present.
    pub classes: [f64; 2],
}

/// A [`Score`] on the device, each tensor `[]`: reading it waits for all of the device's
/// work.
pub(super) struct DeviceScore {
    pub loss: Tensor,
    pub accuracy: Tensor,
    pub classes: Option<[Tensor; 2]>,
}

impl DeviceScore {
    /// Reads it.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn read(self) -> Result<Score, TchError> {
        let none: [Tensor; 0] = [];
        Ok(self.read_with(none)?.0)
    }

    /// Reads other tensors, `[]` each, at the same time.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn read_with<const N: usize>(
        self,
        others: [Tensor; N],
    ) -> Result<(Score, [f32; N]), TchError> {
        let _guard = tch::no_grad_guard();
        let mut all: Vec<Tensor> = others.into();
        all.extend([self.loss, self.accuracy]);
        all.extend(self.classes.into_iter().flatten());
        let values = to_vec(&Tensor::f_stack(&all, 0)?)?;
        let value = |i: usize| values.get(N + i).copied().map_or(0.0, f64::from);
        let score = Score {
            loss: value(0),
            accuracy: value(1),
            classes: [value(2), value(3)],
        };
        Ok((score, std::array::from_fn(|i| values[i])))
    }
}

/// An exponential mean over about fifty steps; the plain mean of fewer.
#[derive(Default)]
pub struct RunningMean {
    mean: Score,
    count: u32,
}

impl RunningMean {
    /// Adds a score.
    pub fn add(&mut self, new: Score) {
        self.count = (self.count + 1).min(50);
        let towards = |mean: &mut f64, new: f64| *mean += (new - *mean) / f64::from(self.count);
        towards(&mut self.mean.loss, new.loss);
        towards(&mut self.mean.accuracy, new.accuracy);
        for (mean, new) in self.mean.classes.iter_mut().zip(new.classes) {
            towards(mean, new);
        }
    }

    /// The mean; zeros without scores.
    pub fn score(&self) -> Score {
        self.mean
    }
}

/// The mean of the scores since it was last taken.
#[derive(Default)]
pub struct Mean {
    sum: Score,
    count: u32,
}

impl Mean {
    /// Adds a score.
    pub fn add(&mut self, score: Score) {
        self.sum.loss += score.loss;
        self.sum.accuracy += score.accuracy;
        for (sum, classes) in self.sum.classes.iter_mut().zip(score.classes) {
            *sum += classes;
        }
        self.count += 1;
    }

    /// Returns the mean and starts over.
    pub fn take(&mut self) -> Score {
        let count = f64::from(self.count.max(1));
        let mean = Score {
            loss: self.sum.loss / count,
            accuracy: self.sum.accuracy / count,
            classes: self.sum.classes.map(|c| c / count),
        };
        *self = Self::default();
        mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(loss: f64) -> Score {
        Score {
            loss,
            ..Score::default()
        }
    }

    #[test]
    fn first_scores_weigh_the_same_and_old_ones_fade() {
        let mut mean = RunningMean::default();
        for value in [1.0, 2.0, 6.0] {
            mean.add(loss(value));
        }
        assert!((mean.score().loss - 3.0).abs() < 1e-12);
        for _ in 0..1000 {
            mean.add(loss(0.5));
        }
        assert!((mean.score().loss - 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_mean_starts_over_once_taken() {
        let mut mean = Mean::default();
        mean.add(loss(1.0));
        mean.add(loss(2.0));
        assert!((mean.take().loss - 1.5).abs() < 1e-12);
        mean.add(loss(7.0));
        assert!((mean.take().loss - 7.0).abs() < 1e-12);
    }
}
