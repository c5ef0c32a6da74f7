//! t-SNE: points in the plane that are near each other where rows are (van der
//! Maaten, 2014).
//!
//! Uses bhtsne's Barnes-Hut approximation. Its result depends on the order in which
//! threads add their sums, and on the random order in which it searches neighbours.
//! On one thread, with a start drawn from the seed and neighbours searched here, it is
//! reproducible. The crate's exact form is worse: it counts a row as its own
//! neighbour.

use bhtsne::{Neighbor, SparseAffinities, tSNE};
use rand::RngExt;

use super::neighbours::neighbours;
use super::rows::{Rows, by_row, squared_distance};
use crate::corpus::{hash, rng};

/// Iterations of gradient descent.
pub const ROUNDS: usize = 1000;
/// Barnes-Hut angle θ, as in scikit-learn.
const ANGLE: f32 = 0.5;
/// Standard deviation of the initial points.
const START: f32 = 1e-4;

/// Why rows cannot be embedded.
#[derive(Debug, thiserror::Error)]
pub enum TsneError {
    /// Too few rows for the perplexity.
    #[error(
        "a perplexity of {perplexity} needs {} files or more, and there are {rows}; {}",
        min_rows(*.perplexity), next_step(*.rows)
    )]
    TooFewRows {
        /// The requested perplexity.
        perplexity: usize,
        /// Number of rows.
        rows: usize,
    },
    /// The thread cannot be started.
    #[error("no thread to lay {rows} files out: {cause}")]
    Thread {
        /// Number of rows.
        rows: usize,
        /// The cause.
        cause: rayon::ThreadPoolBuildError,
    },
}

/// Three times the perplexity neighbours of each row: farther ones hardly count.
fn min_rows(perplexity: usize) -> usize {
    3 * perplexity + 1
}

fn next_step(rows: usize) -> String {
    match rows.saturating_sub(1) / 3 {
        max @ 2.. => format!("take --perplexity {max} or less, or more files"),
        _ => "take more files, or a smaller --perplexity".to_owned(),
    }
}

/// Points of rows in the plane.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// A point for each row, two wide; their mean is 0.
    pub points: Rows,
    /// Kullback-Leibler divergence of the points from the rows, in nats.
    pub divergence: f64,
}

impl Embedding {
    /// Checks whether that many rows can be embedded.
    ///
    /// # Errors
    /// If there are too few; names the minimum.
    pub fn check(rows: usize, perplexity: usize) -> Result<(), TsneError> {
        match rows < min_rows(perplexity) {
            true => Err(TsneError::TooFewRows { perplexity, rows }),
            false => Ok(()),
        }
    }

    /// Embeds rows. `perplexity` is about the number of neighbours that a row stays near
    /// to. `progress` is called [`ROUNDS`] times.
    ///
    /// # Errors
    /// If there are too few rows for the perplexity, or the thread cannot be started.
    pub fn new(
        rows: &Rows,
        perplexity: usize,
        seed: u64,
        progress: &mut (dyn FnMut() + Send),
    ) -> Result<Self, TsneError> {
        Self::check(rows.len(), perplexity)?;
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1);
        let one_thread = one_thread.build().map_err(|cause| TsneError::Thread {
            rows: rows.len(),
            cause,
        })?;
        Ok(one_thread.install(|| embed(rows, perplexity, seed, progress)))
    }
}

fn embed(rows: &Rows, perplexity: usize, seed: u64, progress: &mut dyn FnMut()) -> Embedding {
    let near = near(rows, min_rows(perplexity) - 1);
    let samples: Vec<&[f32]> = rows.iter().collect();
    let mut tsne = tSNE::<f32, &[f32], 2>::new(&samples);
    tsne.perplexity(perplexity as f32)
        .epochs(ROUNDS)
        .initial_embedding(start(rows.len(), seed))
        .epoch_callback(|_, _| progress())
        .barnes_hut_with_neighbors(ANGLE, &near);
    let points = Rows::new(tsne.embedding(), 2);
    let affinities = tsne.affinities().expect("it has just found them");
    Embedding {
        divergence: divergence(&affinities, &points),
        points,
    }
}

/// The `count` rows nearest to each, with squared distances less that of the nearest:
/// the normalised similarities exp(-βd²) stay the same, and do not underflow where a
/// row is far from all others.
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
fn divergence(affinities: &SparseAffinities<f32>, points: &Rows) -> f64 {
    let near = |a: usize, b: usize| {
        1.0 / (1.0 + f64::from(squared_distance(points.row(a), points.row(b))))
    };
    let n = points.len();
    let all = by_row(n, |a| (0..n).map(|b| near(a, b)).sum::<f64>() - 1.0);
    let all: f64 = all.iter().sum();
    let of_row = |a: usize| -> f64 {
        let own = affinities.rows()[a]..affinities.rows()[a + 1];
        let others = affinities.columns()[own.clone()].iter();
        let pairs = affinities.values()[own].iter().zip(others);
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
