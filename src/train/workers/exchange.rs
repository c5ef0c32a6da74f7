//! What the processes of a run tell each other in a step: their gradients, and with them,
//! in the same sum, everything they have to decide alike.

use std::time::Duration;

use tch::Tensor;

use super::ending::WorkersError;
use super::team::Team;
use crate::net::input::to_vec;
use crate::train::score::Score;

/// What a process has to tell after its part of a step.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    /// Of its part of the batch.
    pub score: Score,
    /// Its pairs.
    pub pairs: u64,
    /// How long it took, with the wait for its batch.
    pub seconds: f64,
    /// It wants the run to stop after this step.
    pub stop: bool,
    /// It wants a checkpoint after this step.
    pub save: bool,
}

/// What all of them know then.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Of the whole batch.
    pub score: Score,
    /// Of the whole batch.
    pub pairs: u64,
    /// How long each took.
    pub seconds: Vec<f64>,
    /// One of them wants the run to stop.
    pub stop: bool,
    /// One of them wants a checkpoint.
    pub save: bool,
}

impl Heard {
    /// How long a process waited for the slowest.
    pub fn wait_of(&self, rank: usize) -> Duration {
        let slowest = self.seconds.iter().fold(0.0, |most: f64, s| most.max(*s));
        let own = self.seconds.get(rank).copied().unwrap_or(slowest);
        Duration::try_from_secs_f64(slowest - own).unwrap_or_default()
    }
}

/// Numbers behind the gradient that are not of a single process.
const COMMON: usize = 7;

/// The mean of the gradients of all processes, and what they told.
///
/// # Errors
/// If the run has ended.
pub fn exchange(
    team: &mut Team,
    gradient: &Tensor,
    told: &Told,
) -> Result<(Tensor, Heard), WorkersError> {
    let tail = tail(told, team.rank(), team.size());
    let count = gradient.size1()?;
    let mut all = Tensor::f_cat(&[gradient, &Tensor::f_from_slice(&tail)?], 0)?;
    team.sum(&mut all)?;
    let tail = to_vec(&all.f_narrow(0, count, tail.len() as i64)?)?;
    let mean = all
        .f_narrow(0, 0, count)?
        .f_div_scalar_(team.size() as f64)?;
    Ok((mean, heard(&tail, team.size())))
}

fn tail(told: &Told, rank: usize, size: usize) -> Vec<f32> {
    let score = told.score;
    let flag = |on: bool| f32::from(u8::from(on));
    let mut tail = vec![
        score.loss as f32,
        score.accuracy as f32,
        score.classes[0] as f32,
        score.classes[1] as f32,
        told.pairs as f32,
        flag(told.stop),
        flag(told.save),
    ];
    tail.resize(COMMON + size, 0.0);
    tail[COMMON + rank] = told.seconds as f32;
    tail
}

/// What a sum of tails says.
fn heard(tail: &[f32], size: usize) -> Heard {
    let mean = |i: usize| f64::from(tail[i]) / size as f64;
    Heard {
        score: Score {
            loss: mean(0),
            accuracy: mean(1),
            classes: [mean(2), mean(3)],
        },
        pairs: tail[4].round() as u64,
        stop: tail[5] > 0.0,
        save: tail[6] > 0.0,
        seconds: tail[COMMON..].iter().map(|&s| f64::from(s)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_hears_what_each_has_told() {
        let told = |loss: f64, stop: bool| Told {
            score: Score {
                loss,
                accuracy: 0.5,
                classes: [0.0, 1.0],
            },
            pairs: 8,
            seconds: loss + 1.0,
            stop,
            save: false,
        };
        let [a, b] = [tail(&told(1.0, false), 0, 2), tail(&told(3.0, true), 1, 2)];
        let sum: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
        let heard = heard(&sum, 2);
        assert_eq!((heard.score.loss, heard.score.accuracy), (2.0, 0.5));
        assert_eq!((heard.pairs, heard.stop, heard.save), (16, true, false));
        assert_eq!(heard.seconds, [2.0, 4.0]);
        let waits = [0, 1].map(|rank| heard.wait_of(rank));
        assert_eq!(waits, [Duration::from_secs(2), Duration::ZERO]);
    }
}
