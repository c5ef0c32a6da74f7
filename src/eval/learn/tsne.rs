//! t-SNE: rows as places in a plane, near where the rows are near (van der Maaten,
//! 2014).
//!
//! By bhtsne, Barnes-Hut. Its threads sum in the order in which they get done, and
//! a thousand rounds make another picture of another last digit: on one thread,
//! from a start that comes from the seed and from neighbours that are found here
//! the same is found each time. (The crate looks for neighbours in a random order,
//! and equals change places.) What its exact form finds is worse, as it counts a
//! row as its own neighbour.

use bhtsne::{Neighbor, SparseAffinities, tSNE};
use rand::RngExt;

use super::neighbours::neighbours;
use super::rows::{Rows, by_row, squared_distance};
use crate::corpus::{hash, rng};

/// Rounds until rows have found their places.
pub const ROUNDS: usize = 1000;
/// What is seen under a smaller angle counts as one, in radians; scikit-learn's.
const ANGLE: f32 = 0.5;
/// The start is so wide about the middle.
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
    /// The system gives no thread.
    #[error("no thread to lay {rows} files out: {cause}")]
    NoThread {
        /// How many there are.
        rows: usize,
        /// What the system says.
        cause: rayon::ThreadPoolBuildError,
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
        _ => "take more files, or a smaller --perplexity".to_owned(),
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
        match rows < least_rows(perplexity) {
            true => Err(TsneError::TooFewRows { perplexity, rows }),
            false => Ok(()),
        }
    }

    /// Finds places. `perplexity` is about the number of neighbours that a row
    /// should stay near to. `progress` is called [`ROUNDS`] times.
    ///
    /// # Errors
    /// If there are too few rows for the perplexity, or the system has no thread.
    pub fn find(
        rows: &Rows,
        perplexity: usize,
        seed: u64,
        progress: &mut (dyn FnMut() + Send),
    ) -> Result<Self, TsneError> {
        Self::check(rows.len(), perplexity)?;
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1);
        let one_thread = one_thread.build().map_err(|cause| TsneError::NoThread {
            rows: rows.len(),
            cause,
        })?;
        Ok(one_thread.install(|| laid_out(rows, perplexity, seed, progress)))
    }
}

fn laid_out(rows: &Rows, perplexity: usize, seed: u64, progress: &mut dyn FnMut()) -> Places {
    let near = near(rows, least_rows(perplexity) - 1);
    let samples: Vec<&[f32]> = rows.iter().collect();
    let mut tsne = tSNE::<f32, &[f32], 2>::new(&samples);
    tsne.perplexity(perplexity as f32)
        .epochs(ROUNDS)
        .initial_embedding(start(rows.len(), seed))
        .epoch_callback(|_, _| progress())
        .barnes_hut_with_neighbors(ANGLE, &near);
    let places = Rows::new(tsne.embedding(), 2);
    let likeness = tsne.affinities().expect("it has just found them");
    Places {
        divergence: divergence(&likeness, &places),
        places,
    }
}

/// The `count` rows nearest to each. The squares of their distances are told from
/// that of the nearest on: the likeness exp(-βd²) of a row, scaled to 1, stays the
/// same, and does not fade to nothing where a row is far from all.
fn near(rows: &Rows, count: usize) -> Vec<Vec<Neighbor<f32>>> {
    let of_row = |near: Vec<(usize, f32)>| {
        let nearest = near.first().map_or(0.0, |(_, distance)| *distance);
        let neighbour = |(index, distance): (usize, f32)| Neighbor {
            index,
            // The difference of the squares, exactly 0 for the nearest.
            distance: ((distance - nearest) * (distance + nearest)).sqrt(),
        };
        near.into_iter().map(neighbour).collect()
    };
    neighbours(rows, count).into_iter().map(of_row).collect()
}

fn start(rows: usize, seed: u64) -> Vec<f32> {
    let mut rng = rng(seed, hash(0, "t-SNE"), 0);
    let mut one = || rng.random_range(-START..START);
    (0..2 * rows).map(|_| one()).collect()
}

/// Σ p ln (p / q) over all pairs that are neighbours; p of the others is 0. The
/// crate's own sum goes over a tree: several times the true one was seen.
fn divergence(likeness: &SparseAffinities<f32>, places: &Rows) -> f64 {
    let near = |a: usize, b: usize| {
        1.0 / (1.0 + f64::from(squared_distance(places.row(a), places.row(b))))
    };
    let n = places.len();
    let all = by_row(n, |a| (0..n).map(|b| near(a, b)).sum::<f64>() - 1.0);
    let all: f64 = all.iter().sum();
    let of_row = |a: usize| -> f64 {
        let own = likeness.rows()[a]..likeness.rows()[a + 1];
        let others = likeness.columns()[own.clone()].iter();
        let pairs = likeness.values()[own].iter().zip(others);
        let pairs = pairs.filter(|(p, _)| **p > 0.0).map(|(&p, &b)| {
            let p = f64::from(p);
            p * (p * all / near(a, b as usize)).ln()
        });
        pairs.sum()
    };
    by_row(n, of_row).iter().sum()
}

#[cfg(test)]
#[path = "tsne_tests.rs"]
mod tests;
