//! t-SNE: rows as places in a plane, near where the rows are near (van der Maaten
//! and Hinton, 2008).
//!
//! The exact method, as scikit-learn's: all pairs in each of a thousand rounds,
//! in the first 250 of which likeness is exaggerated. That is some seconds for a
//! thousand rows and a minute for five thousand.
//!
//! A round computes each row by itself and adds up the rows in their order, and
//! the start comes from the seed: a thousand rounds make another picture of
//! another last digit.

use rand::RngExt;

use super::rows::{Rows, by_row, squared_distance};
use crate::corpus::{hash, rng};

/// Rounds until rows have found their places.
pub const ROUNDS: usize = 1000;
/// Likeness of all pairs takes 4 N² bytes: 1.6 GB.
const MOST_ROWS: usize = 20_000;
/// Rounds in which likeness is exaggerated, so that what is alike comes together
/// before the rest is in its way.
const EARLY_ROUNDS: usize = 250;
const EXAGGERATION: f32 = 12.0;
/// How much of the last step is made again.
const EARLY_MOMENTUM: f32 = 0.5;
const MOMENTUM: f32 = 0.8;
/// The start: a bell curve about the middle, so wide.
const START: f32 = 1e-4;

/// Why rows could not be laid out.
#[derive(Debug, thiserror::Error)]
pub enum TsneError {
    /// A row has not enough neighbours.
    #[error(
        "a perplexity of {perplexity} needs {} files or more, and there are {rows}; {}",
        least_rows(*.perplexity), next_step(*.rows)
    )]
    TooFewRows {
        /// What was asked for.
        perplexity: usize,
        /// How many there are.
        rows: usize,
    },
    /// They would take too much memory.
    #[error("a map of {rows} files is too large; take {MOST_ROWS} or fewer")]
    TooManyRows {
        /// How many there are.
        rows: usize,
    },
}

/// What is farther than three times the perplexity hardly counts; nearer there
/// should be somebody.
fn least_rows(perplexity: usize) -> usize {
    3 * perplexity + 1
}

fn next_step(rows: usize) -> String {
    match rows.saturating_sub(1) / 3 {
        most @ 2.. => format!("take --perplexity {most} or less, or more files"),
        _ => "take more files".to_owned(),
    }
}

/// Places of rows in a plane.
#[derive(Clone, Debug, PartialEq)]
pub struct Places {
    /// A place for each row, two wide; their middle is 0.
    pub places: Rows,
    /// How much of what is near in the rows is not in the plane, in nats: the
    /// Kullback-Leibler divergence.
    pub divergence: f64,
}

impl Places {
    /// Whether that many rows can be laid out.
    ///
    /// # Errors
    /// If not: says how many there should be.
    pub fn check(rows: usize, perplexity: usize) -> Result<(), TsneError> {
        match rows {
            n if n < least_rows(perplexity) => Err(TsneError::TooFewRows { perplexity, rows }),
            n if n > MOST_ROWS => Err(TsneError::TooManyRows { rows }),
            _ => Ok(()),
        }
    }

    /// Finds places. `perplexity` is about the number of neighbours that a row
    /// should stay near to. `progress` is called [`ROUNDS`] times.
    ///
    /// # Errors
    /// If there are too few rows for the perplexity, or too many.
    pub fn find(
        rows: &Rows,
        perplexity: usize,
        seed: u64,
        progress: &mut dyn FnMut(),
    ) -> Result<Self, TsneError> {
        Self::check(rows.len(), perplexity)?;
        let likeness = likeness(rows, perplexity);
        let mut plane = Plane::start(rows.len(), seed);
        for round in 0..ROUNDS {
            if round == EARLY_ROUNDS {
                plane.halt();
            }
            let (exaggeration, momentum) = match round < EARLY_ROUNDS {
                true => (EXAGGERATION, EARLY_MOMENTUM),
                false => (1.0, MOMENTUM),
            };
            plane.step(&likeness, exaggeration, momentum);
            progress();
        }
        Ok(Self {
            divergence: plane.divergence(&likeness),
            places: plane.places(),
        })
    }
}

/// How alike the rows are, all pairs: near ones near 1 / (rows · perplexity), and
/// all together 1.
fn likeness(rows: &Rows, perplexity: usize) -> Rows {
    let n = rows.len();
    let target = (perplexity as f64).ln();
    let mut of_each: Vec<Vec<f32>> = by_row(n, |own| {
        let distances: Vec<f32> = (rows.iter())
            .map(|other| squared_distance(rows.row(own), other))
            .collect();
        neighbourhood(own, &distances, target)
    });
    // Of both ways, so that a row that is far from all has neighbours too.
    for a in 0..n {
        let (before, rest) = of_each.split_at_mut(a + 1);
        for (b, of_b) in (a + 1..n).zip(rest) {
            let both = (before[a][b] + of_b[a]) / (2 * n) as f32;
            (before[a][b], of_b[a]) = (both, both);
        }
    }
    Rows::new(of_each.concat(), n)
}

/// Weights of the others by a bell curve around one row, so wide that their
/// entropy is the target: they sum to 1, its own is 0.
fn neighbourhood(own: usize, distances: &[f32], target: f64) -> Vec<f32> {
    let others = || {
        let all = distances.iter().enumerate();
        all.filter(move |(other, _)| *other != own)
            .map(|(_, &d)| f64::from(d))
    };
    // From the nearest on: the bell of a row that is far from all is no zero.
    let nearest = others().fold(f64::INFINITY, f64::min);
    let mean = others().map(|d| d - nearest).sum::<f64>() / (distances.len() - 1) as f64;
    let (mut low, mut high) = (0.0, f64::INFINITY);
    let mut steepness = if mean > 0.0 { 1.0 / mean } else { 1.0 };
    for _ in 0..100 {
        let (mut sum, mut moment) = (0.0, 0.0);
        for d in others() {
            let weight = (-(d - nearest) * steepness).exp();
            sum += weight;
            moment += weight * (d - nearest);
        }
        let entropy = sum.ln() + steepness * moment / sum;
        if (entropy - target).abs() < 1e-5 {
            break;
        }
        if entropy > target {
            low = steepness;
        } else {
            high = steepness;
        }
        steepness = match high.is_finite() {
            true => (low + high) / 2.0,
            false => 2.0 * low,
        };
    }
    let mut weights: Vec<f64> = (distances.iter())
        .map(|&d| (-(f64::from(d) - nearest) * steepness).exp())
        .collect();
    weights[own] = 0.0;
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| (w / sum) as f32).collect()
}

/// Where the rows are, and how they move: x of all rows, then y.
struct Plane {
    at: [Vec<f32>; 2],
    moved: [Vec<f32>; 2],
    /// How far a step goes: farther while it goes on in one direction.
    gain: [Vec<f32>; 2],
    rate: f32,
}

/// What all others do to a row.
#[derive(Clone, Copy, Default)]
struct Forces {
    pull: [f32; 2],
    push: [f32; 2],
    /// How near the others are, all together.
    nearness: f32,
}

/// Others looked at together.
const LANES: usize = 8;

impl Plane {
    fn start(rows: usize, seed: u64) -> Self {
        let mut at = [Vec::with_capacity(rows), Vec::with_capacity(rows)];
        for row in 0..rows {
            let mut rng = rng(seed, hash(0, "t-SNE"), row as u64);
            let (part, turn): (f32, f32) = (rng.random(), rng.random());
            // 1 − part is never 0.
            let far = START * (-2.0 * (1.0 - part).ln()).sqrt();
            at[0].push(far * (std::f32::consts::TAU * turn).cos());
            at[1].push(far * (std::f32::consts::TAU * turn).sin());
        }
        let mut plane = Self {
            at,
            moved: Default::default(),
            gain: Default::default(),
            rate: (rows as f32 / EXAGGERATION / 4.0).max(50.0),
        };
        plane.halt();
        plane
    }

    /// Lets all rows rest where they are: what they gathered under other forces
    /// would throw some of them far out.
    fn halt(&mut self) {
        let rows = self.at[0].len();
        self.moved = [(); 2].map(|()| vec![0.0; rows]);
        self.gain = [(); 2].map(|()| vec![1.0; rows]);
    }

    fn step(&mut self, likeness: &Rows, exaggeration: f32, momentum: f32) {
        let forces = by_row(likeness.len(), |row| self.forces(row, likeness.row(row)));
        let nearness = nearness(&forces);
        for axis in 0..2 {
            for (row, force) in forces.iter().enumerate() {
                let push = (f64::from(force.push[axis]) / nearness) as f32;
                let slope = 4.0 * (exaggeration * force.pull[axis] - push);
                let (moved, gain) = (&mut self.moved[axis][row], &mut self.gain[axis][row]);
                *gain = match *moved * slope < 0.0 {
                    true => *gain + 0.2,
                    false => (*gain * 0.8).max(0.01),
                };
                *moved = momentum * *moved - self.rate * *gain * slope;
                self.at[axis][row] += *moved;
            }
        }
    }

    /// Pull and push along both axes. Each lane sums some of the others, so that
    /// the compiler may take them together.
    fn forces(&self, row: usize, likeness: &[f32]) -> Forces {
        let [xs, ys] = &self.at;
        let (x, y) = (xs[row], ys[row]);
        let mut lanes = [Forces::default(); LANES];
        let one = |lane: &mut Forces, other_x: f32, other_y: f32, likeness: f32| {
            let (dx, dy) = (x - other_x, y - other_y);
            let near = 1.0 / (1.0 + dx * dx + dy * dy);
            let (pull, push) = (likeness * near, near * near);
            lane.nearness += near;
            lane.pull[0] += pull * dx;
            lane.pull[1] += pull * dy;
            lane.push[0] += push * dx;
            lane.push[1] += push * dy;
        };
        let parts = xs.chunks(LANES).zip(ys.chunks(LANES));
        for ((xs, ys), likeness) in parts.zip(likeness.chunks(LANES)) {
            for (((lane, &x), &y), &likeness) in lanes.iter_mut().zip(xs).zip(ys).zip(likeness) {
                one(lane, x, y, likeness);
            }
        }
        let mut sum = Forces::default();
        for lane in lanes {
            sum.nearness += lane.nearness;
            for axis in 0..2 {
                sum.pull[axis] += lane.pull[axis];
                sum.push[axis] += lane.push[axis];
            }
        }
        // It met itself, at no distance.
        sum.nearness -= 1.0;
        sum
    }

    /// Σ p ln (p / q) over all pairs.
    fn divergence(&self, likeness: &Rows) -> f64 {
        let forces = by_row(likeness.len(), |row| self.forces(row, likeness.row(row)));
        let nearness = nearness(&forces);
        let [xs, ys] = &self.at;
        let of_row = |row: usize| -> f64 {
            let pairs = likeness.row(row).iter().zip(xs.iter().zip(ys));
            let pairs = pairs.filter(|(p, _)| **p > 0.0).map(|(&p, (x, y))| {
                let (dx, dy) = (f64::from(xs[row] - x), f64::from(ys[row] - y));
                let q = 1.0 / ((1.0 + dx * dx + dy * dy) * nearness);
                f64::from(p) * (f64::from(p) / q).ln()
            });
            pairs.sum()
        };
        by_row(likeness.len(), of_row).iter().sum()
    }

    fn places(&self) -> Rows {
        let [xs, ys] = &self.at;
        let middle = |axis: &[f32]| {
            let sum: f64 = axis.iter().map(|&v| f64::from(v)).sum();
            (sum / axis.len() as f64) as f32
        };
        let (x, y) = (middle(xs), middle(ys));
        let places = xs.iter().zip(ys).flat_map(|(a, b)| [a - x, b - y]);
        Rows::new(places.collect(), 2)
    }
}

fn nearness(forces: &[Forces]) -> f64 {
    let all = forces.iter().map(|f| f64::from(f.nearness));
    all.sum::<f64>().max(f64::MIN_POSITIVE)
}

#[cfg(test)]
#[path = "tsne_tests.rs"]
mod tests;
