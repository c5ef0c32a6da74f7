//! How well a batch was judged, and means of it.

/// What a step found, as numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    /// Cross-entropy, both labels with half the weight.
    pub loss: f64,
    /// Mean of the shares judged rightly of each label.
    pub accuracy: f64,
    /// Share of pictures and of sounds whose strongest class is there.
    pub classes: [f64; 2],
}

/// The mean of the last fifty steps or so: a new one counts a fiftieth, among the
/// first ones as much as each before.
#[derive(Default)]
pub struct RunningMean {
    mean: Score,
    count: u32,
}

impl RunningMean {
    /// Counts one in.
    pub fn add(&mut self, new: Score) {
        self.count = (self.count + 1).min(50);
        let towards = |mean: &mut f64, new: f64| *mean += (new - *mean) / f64::from(self.count);
        towards(&mut self.mean.loss, new.loss);
        towards(&mut self.mean.accuracy, new.accuracy);
        for (mean, new) in self.mean.classes.iter_mut().zip(new.classes) {
            towards(mean, new);
        }
    }

    /// The mean; zeros before the first one.
    pub fn score(&self) -> Score {
        self.mean
    }
}

/// The mean of scores since it was last taken.
#[derive(Default)]
pub struct Mean {
    sum: Score,
    count: u32,
}

impl Mean {
    /// Counts one in.
    pub fn add(&mut self, score: Score) {
        self.sum.loss += score.loss;
        self.sum.accuracy += score.accuracy;
        for (sum, classes) in self.sum.classes.iter_mut().zip(score.classes) {
            *sum += classes;
        }
        self.count += 1;
    }

    /// The mean; the next one starts anew.
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
    fn first_steps_count_alike_and_old_ones_fade() {
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
    fn a_mean_starts_anew_once_taken() {
        let mut mean = Mean::default();
        mean.add(loss(1.0));
        mean.add(loss(2.0));
        assert!((mean.take().loss - 1.5).abs() < 1e-12);
        mean.add(loss(7.0));
        assert!((mean.take().loss - 7.0).abs() < 1e-12);
    }
}
