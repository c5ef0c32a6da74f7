//! k-means clustering.
//!
//! Lloyd's algorithm until convergence, from several starts of greedy k-means++
//! (Arthur and Vassilvitskii, 2007); the best is returned.

use rand::RngExt;

use super::rows::{Rows, by_row_on, squared_distance};
use crate::cores::cores;
use crate::corpus::{Rng, hash, rng};

/// Settings of the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KMeansSettings {
    /// Number of clusters.
    pub clusters: usize,
    /// Number of starts.
    pub starts: usize,
    /// Maximum number of iterations per start.
    pub max_iterations: usize,
    /// The same seed gives the same clusters.
    pub seed: u64,
    /// Number of threads; the clusters do not depend on it.
    pub threads: usize,
}

impl Default for KMeansSettings {
    /// The paper's 64 clusters, ten starts.
    fn default() -> Self {
        Self {
            clusters: 64,
            starts: 10,
            max_iterations: 300,
            seed: 0,
            threads: cores(),
        }
    }
}

/// A clustering.
#[derive(Clone, Debug, PartialEq)]
pub struct KMeans {
    /// The middle of each cluster.
    pub centers: Rows,
    /// The cluster of each row.
    pub labels: Vec<usize>,
    /// Sum of the squared distances of the rows from their centers.
    pub inertia: f64,
}

impl KMeans {
    /// Finds clusters; `None` where there are fewer rows than clusters.
    pub fn find(rows: &Rows, settings: &KMeansSettings) -> Option<Self> {
        if settings.clusters == 0 || rows.len() < settings.clusters {
            return None;
        }
        let start = |nth: usize| {
            let mut rng = rng(settings.seed, hash(0, "k-means"), nth as u64);
            let centers = plus_plus(rows, settings.clusters, &mut rng);
            Self::from(rows, centers, settings)
        };
        (0..settings.starts.max(1))
            .map(start)
            .min_by(|a, b| a.inertia.total_cmp(&b.inertia))
    }

    /// Lloyd's algorithm from these centers.
    fn from(rows: &Rows, mut centers: Rows, settings: &KMeansSettings) -> Self {
        let (mut labels, mut distances) = nearest(rows, &centers, settings.threads);
        for _ in 0..settings.max_iterations {
            fill_empty(&mut labels, &mut distances, centers.len());
            centers = means(rows, &labels, centers.len());
            let before = labels;
            (labels, distances) = nearest(rows, &centers, settings.threads);
            if labels == before {
                break;
            }
        }
        Self {
            inertia: distances.iter().map(|&d| f64::from(d)).sum(),
            centers,
            labels,
        }
    }
}

/// The nearest center of each row (the first of equals) and its squared distance.
fn nearest(rows: &Rows, centers: &Rows, threads: usize) -> (Vec<usize>, Vec<f32>) {
    let one = |row: &[f32]| {
        let distances = centers.iter().map(|center| squared_distance(row, center));
        let first = (0, f32::INFINITY);
        distances
            .enumerate()
            .fold(first, |best, now| if now.1 < best.1 { now } else { best })
    };
    let found = by_row_on(threads, rows.len(), |i| one(rows.row(i)));
    found.into_iter().unzip()
}

/// Gives each empty cluster the row that is farthest from its center.
fn fill_empty(labels: &mut [usize], distances: &mut [f32], clusters: usize) {
    let mut sizes = vec![0_usize; clusters];
    labels.iter().for_each(|&l| sizes[l] += 1);
    for cluster in 0..clusters {
        if sizes[cluster] > 0 {
            continue;
        }
        let farthest = (0..labels.len())
            // Moving the only row would empty its cluster.
            .filter(|&i| sizes[labels[i]] > 1)
            .max_by(|&a, &b| distances[a].total_cmp(&distances[b]).then(b.cmp(&a)));
        if let Some(row) = farthest {
            sizes[labels[row]] -= 1;
            sizes[cluster] = 1;
            (labels[row], distances[row]) = (cluster, 0.0);
        }
    }
}

fn means(rows: &Rows, labels: &[usize], clusters: usize) -> Rows {
    let width = rows.width();
    let mut sums = vec![0.0_f64; clusters * width];
    let mut sizes = vec![0_usize; clusters];
    for (row, &label) in rows.iter().zip(labels) {
        sizes[label] += 1;
        let sum = &mut sums[label * width..(label + 1) * width];
        sum.iter_mut()
            .zip(row)
            .for_each(|(s, &v)| *s += f64::from(v));
    }
    let size = |at: usize| sizes[at / width].max(1) as f64;
    let means = sums.iter().enumerate().map(|(at, s)| (s / size(at)) as f32);
    Rows::new(means.collect(), width)
}

/// Initial centers that lie far apart: each is drawn by its squared distance from
/// those before it; of some candidates, the one that reduces the inertia most is used.
fn plus_plus(rows: &Rows, clusters: usize, rng: &mut Rng) -> Rows {
    let trials = 2 + (clusters as f64).ln() as usize;
    let mut chosen = rows.row(rng.random_range(0..rows.len())).to_vec();
    let mut distances: Vec<f32> = rows.iter().map(|r| squared_distance(r, &chosen)).collect();
    for _ in 1..clusters {
        let total: f64 = distances.iter().map(|&d| f64::from(d)).sum();
        let candidates = (0..trials).map(|_| draw(&distances, total, rng));
        let with = |candidate: usize| -> Vec<f32> {
            let center = rows.row(candidate);
            let nearer = rows.iter().zip(&distances);
            nearer
                .map(|(r, &d)| squared_distance(r, center).min(d))
                .collect()
        };
        let left = |d: &[f32]| d.iter().map(|&d| f64::from(d)).sum::<f64>();
        let best = candidates
            .map(|c| (c, with(c)))
            .min_by(|a, b| left(&a.1).total_cmp(&left(&b.1)));
        if let Some((row, nearer)) = best {
            chosen.extend_from_slice(rows.row(row));
            distances = nearer;
        }
    }
    Rows::new(chosen, rows.width())
}

/// A row drawn by its distance; uniformly if all are 0.
fn draw(distances: &[f32], total: f64, rng: &mut Rng) -> usize {
    if total <= 0.0 {
        return rng.random_range(0..distances.len());
    }
    let mut at = rng.random_range(0.0..total);
    let found = distances.iter().position(|&d| {
        at -= f64::from(d);
        at < 0.0
    });
    // Rounding may leave a remainder at the end.
    found.unwrap_or(distances.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::super::testing::golden;
    use super::*;

    #[test]
    fn from_the_same_start_it_ends_where_scikit_learn_does() {
        let golden = golden();
        for case in &golden.kmeans {
            let rows = golden.sets[case.set].rows();
            let first = Rows::new(case.first.clone(), rows.width());
            let found = KMeans::from(&rows, first, &KMeansSettings::default());
            assert_eq!(found.labels, case.labels);
            assert!((found.inertia / case.inertia - 1.0).abs() < 1e-5);
            for (ours, theirs) in found.centers.values().iter().zip(&case.centers) {
                assert!((ours - theirs).abs() < 1e-4, "{ours}, not {theirs}");
            }
        }
    }

    #[test]
    fn of_some_starts_the_best_is_as_good_as_scikit_learns() {
        let golden = golden();
        for case in &golden.kmeans {
            let rows = golden.sets[case.set].rows();
            let settings = KMeansSettings {
                clusters: case.first.len() / rows.width(),
                starts: 10,
                ..KMeansSettings::default()
            };
            let found = KMeans::find(&rows, &settings).expect("enough rows");
            // Ten starts of theirs end between these two, which are one where the
            // clusters are well apart.
            let (best, worst) = (case.best_inertia, case.worst_of_ten);
            let inertia = found.inertia;
            assert!(
                inertia <= worst * (1.0 + 1e-5),
                "{best} to {worst}: {inertia}"
            );
            assert_eq!(KMeans::find(&rows, &settings), Some(found));
        }
    }

    #[test]
    fn no_cluster_stays_empty() {
        // Both centers start beyond the same end of the rows.
        let rows = Rows::new(vec![0.0, 1.0, 2.0, 10.0], 1);
        let found = KMeans::from(
            &rows,
            Rows::new(vec![-1.0, -50.0], 1),
            &KMeansSettings::default(),
        );
        assert_eq!(found.labels, [0, 0, 0, 1]);
        assert_eq!(found.centers.values(), [1.0, 10.0]);
    }

    #[test]
    fn fewer_rows_than_clusters_have_no_clusters() {
        let settings = |clusters| KMeansSettings {
            clusters,
            starts: 2,
            ..KMeansSettings::default()
        };
        let rows = Rows::new(vec![1.0, 1.0, 2.0], 1);
        assert_eq!(KMeans::find(&rows, &settings(4)), None);
        assert_eq!(KMeans::find(&rows, &settings(0)), None);
        // As many clusters as rows, and two rows the same.
        let found = KMeans::find(&rows, &settings(3)).expect("enough rows");
        assert_eq!(found.inertia, 0.0);
    }
}
