//! Which process is slower than the others: every step waits for it.

use std::time::{Duration, Instant};

/// How often a slow process is named.
const INTERVAL: Duration = Duration::from_secs(60);
/// Fewer steps say little.
const LEAST_STEPS: u32 = 5;
/// How much longer than the others' a slow process's step takes.
const SLOW: f64 = 1.25;

/// The steps of each process since the last look.
pub struct Pace {
    since: Instant,
    steps: u32,
    seconds: Vec<f64>,
}

/// A process that is slower than the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slow {
    /// Its number.
    pub rank: usize,
    /// Seconds of its step.
    pub seconds: f64,
    /// Those of the median of the others.
    pub others: f64,
}

impl Pace {
    /// Of so many processes.
    pub fn new(size: usize) -> Self {
        Self {
            since: Instant::now(),
            steps: 0,
            seconds: vec![0.0; size],
        }
    }

    /// Adds the seconds that each took for a step, without the wait for the others. Now and
    /// then returns who is slow.
    pub fn add(&mut self, seconds: &[f64]) -> Option<Slow> {
        self.steps += 1;
        for (sum, seconds) in self.seconds.iter_mut().zip(seconds) {
            *sum += seconds;
        }
        if self.since.elapsed() < INTERVAL || self.steps < LEAST_STEPS {
            return None;
        }
        let steps = f64::from(self.steps);
        let means: Vec<f64> = self.seconds.iter().map(|sum| sum / steps).collect();
        *self = Self::new(means.len());
        slow(&means)
    }
}

fn slow(means: &[f64]) -> Option<Slow> {
    let (rank, &seconds) = (means.iter().enumerate()).max_by(|a, b| a.1.total_cmp(b.1))?;
    let mut others = means.to_vec();
    others.remove(rank);
    others.sort_by(f64::total_cmp);
    let others = *others.get(others.len() / 2)?;
    (seconds > others * SLOW).then_some(Slow {
        rank,
        seconds,
        others,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_is_named_if_it_is_slow() {
        assert_eq!(slow(&[1.0, 1.1, 0.9, 1.2]), None);
        let found = slow(&[1.0, 1.1, 2.0, 0.9]).expect("slow");
        assert_eq!((found.rank, found.seconds, found.others), (2, 2.0, 1.0));
        assert_eq!(slow(&[1.0, 1.5]).map(|slow| slow.rank), Some(1));
        assert_eq!(slow(&[1.0]), None);
    }
}
