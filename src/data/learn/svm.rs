//! A linear SVM for several classes, one versus rest.
//!
//! Solves what LIBLINEAR solves with `-s 1` to `-s 3` and `-B 1`, and
//! scikit-learn's LinearSVC: for each class it minimises
//! `½‖w‖² + C Σ loss(y (w·x + b))`, where b is the weight of a constant feature. By
//! coordinate descent in the dual with shrinking (Hsieh et al., "A dual coordinate
//! descent method for large-scale linear SVM", 2008, algorithm 3).

use std::sync::atomic::{AtomicUsize, Ordering};

use rand::seq::SliceRandom;

use super::rows::{Rows, dot};
use crate::cores::cores;
use crate::corpus::{hash, rng};

/// The loss of a sample, by its distance from the margin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loss {
    /// The distance.
    Hinge,
    /// Its square, the default of LIBLINEAR and LinearSVC.
    #[default]
    SquaredHinge,
}

/// Settings of training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SvmSettings {
    /// Weight of errors against the width of the margin.
    pub c: f64,
    /// The loss.
    pub loss: Loss,
    /// Training ends when the range of projected gradients is within this.
    pub tolerance: f64,
    /// Maximum number of passes over the samples.
    pub max_passes: usize,
    /// Orders the samples; the result depends on it only within the tolerance.
    pub seed: u64,
}

impl Default for SvmSettings {
    /// C = 1, the squared hinge, and scikit-learn's tolerance and passes.
    fn default() -> Self {
        Self {
            c: 1.0,
            loss: Loss::default(),
            tolerance: 1e-4,
            max_passes: 1000,
            seed: 0,
        }
    }
}

/// A trained SVM.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearSvm {
    /// For each class its weights, then its bias.
    planes: Vec<Vec<f64>>,
    unfinished: usize,
}

impl LinearSvm {
    /// Trains on rows with their classes, `0..classes`, in parallel on all cores.
    ///
    /// # Panics
    /// If the numbers of rows and labels differ.
    pub fn train(rows: &Rows, labels: &[usize], classes: usize, settings: &SvmSettings) -> Self {
        assert_eq!(rows.len(), labels.len(), "a label for each row");
        let squares: Vec<f64> = rows.iter().map(square).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            loop {
                let class = next.fetch_add(1, Ordering::Relaxed);
                if class >= classes {
                    return done;
                }
                let signs = labels.iter().map(|&l| if l == class { 1.0 } else { -1.0 });
                let mut problem = Problem::new(rows, &squares, signs.collect(), settings);
                let finished = problem.solve(settings, class);
                done.push((class, problem.plane, finished));
            }
        };
        let mut planes = vec![Vec::new(); classes];
        let mut unfinished = 0;
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..cores().min(classes))
                .map(|_| scope.spawn(work))
                .collect();
            for thread in threads {
                let done = thread.join().expect("training does not panic");
                for (class, plane, finished) in done {
                    planes[class] = plane;
                    unfinished += usize::from(!finished);
                }
            }
        });
        Self { planes, unfinished }
    }

    /// The decision value of each class.
    pub fn scores(&self, row: &[f32]) -> Vec<f64> {
        let score = |plane: &Vec<f64>| match plane.split_last() {
            Some((bias, weights)) => dot(row, weights) + bias,
            None => 0.0,
        };
        self.planes.iter().map(score).collect()
    }

    /// The class with the highest score; 0 without classes.
    pub fn predict(&self, row: &[f32]) -> usize {
        strongest(&self.scores(row))
    }

    /// Classes whose training did not converge within the maximum number of passes; a
    /// smaller C or standardised features help.
    pub fn unfinished(&self) -> usize {
        self.unfinished
    }
}

/// Index of the highest score, the first of equals; 0 if there is none.
pub fn strongest(scores: &[f64]) -> usize {
    let all = scores.iter().enumerate();
    let best = all.max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
    best.map_or(0, |(place, _)| place)
}

/// ‖x‖² of a row with its constant feature.
fn square(row: &[f32]) -> f64 {
    row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() + 1.0
}

/// One class versus the rest.
struct Problem<'a> {
    rows: &'a Rows,
    squares: &'a [f64],
    /// 1 for the class, −1 for the others.
    signs: Vec<f64>,
    /// The dual variable of each sample.
    alphas: Vec<f64>,
    /// Upper bound of the alphas.
    ceiling: f64,
    /// Added to the diagonal by the squared hinge.
    diagonal: f64,
    /// Weights, then bias: the sum of the samples by sign and alpha.
    plane: Vec<f64>,
}

/// Lowest and highest projected gradient of a pass.
#[derive(Clone, Copy)]
struct Span {
    low: f64,
    high: f64,
}

impl Span {
    const ALL: Self = Self {
        low: f64::NEG_INFINITY,
        high: f64::INFINITY,
    };
    const NONE: Self = Self {
        low: f64::INFINITY,
        high: f64::NEG_INFINITY,
    };

    /// Bounds beyond which the next pass shrinks samples at their limits. A bound on the
    /// wrong side of zero is ignored.
    fn for_shrinking(self) -> Self {
        Self {
            low: if self.low < 0.0 {
                self.low
            } else {
                Self::ALL.low
            },
            high: if self.high > 0.0 {
                self.high
            } else {
                Self::ALL.high
            },
        }
    }
}

impl<'a> Problem<'a> {
    fn new(rows: &'a Rows, squares: &'a [f64], signs: Vec<f64>, settings: &SvmSettings) -> Self {
        let (ceiling, diagonal) = match settings.loss {
            Loss::Hinge => (settings.c, 0.0),
            Loss::SquaredHinge => (f64::INFINITY, 0.5 / settings.c),
        };
        Self {
            rows,
            squares,
            alphas: vec![0.0; signs.len()],
            signs,
            ceiling,
            diagonal,
            plane: vec![0.0; rows.width() + 1],
        }
    }

    /// True if it converged.
    fn solve(&mut self, settings: &SvmSettings, class: usize) -> bool {
        let mut rng = rng(settings.seed, hash(0, "svm"), class as u64);
        let mut order: Vec<usize> = (0..self.signs.len()).collect();
        let mut active = order.len();
        let mut bounds = Span::ALL;
        for _ in 0..settings.max_passes {
            order[..active].shuffle(&mut rng);
            let span = self.pass(&mut order, &mut active, bounds);
            if span.high - span.low > settings.tolerance {
                bounds = span.for_shrinking();
            } else if active == order.len() {
                return true;
            } else {
                // Shrunk samples may have to move after all.
                active = order.len();
                bounds = Span::ALL;
            }
        }
        false
    }

    /// Updates each active sample once; shrinks those at a limit with a gradient beyond
    /// `bounds`.
    fn pass(&mut self, order: &mut [usize], active: &mut usize, bounds: Span) -> Span {
        let mut span = Span::NONE;
        let mut at = 0;
        while at < *active {
            let sample = order[at];
            let alpha = self.alphas[sample];
            let gradient = self.gradient(sample);
            let (at_floor, at_ceiling) = (alpha <= 0.0, alpha >= self.ceiling);
            let pressed =
                (at_floor && gradient > bounds.high) || (at_ceiling && gradient < bounds.low);
            if pressed {
                *active -= 1;
                order.swap(at, *active);
                continue;
            }
            let held = (at_floor && gradient > 0.0) || (at_ceiling && gradient < 0.0);
            let projected = if held { 0.0 } else { gradient };
            span.low = span.low.min(projected);
            span.high = span.high.max(projected);
            if projected != 0.0 {
                let step = gradient / (self.squares[sample] + self.diagonal);
                self.set(sample, (alpha - step).clamp(0.0, self.ceiling));
            }
            at += 1;
        }
        span
    }

    fn gradient(&self, sample: usize) -> f64 {
        let (bias, weights) = self.plane.split_last().expect("a plane has a bias");
        let side = dot(self.rows.row(sample), weights) + bias;
        self.signs[sample] * side - 1.0 + self.diagonal * self.alphas[sample]
    }

    fn set(&mut self, sample: usize, alpha: f64) {
        let change = (alpha - self.alphas[sample]) * self.signs[sample];
        self.alphas[sample] = alpha;
        let (bias, weights) = self.plane.split_last_mut().expect("a plane has a bias");
        for (weight, &value) in weights.iter_mut().zip(self.rows.row(sample)) {
            *weight += change * f64::from(value);
        }
        *bias += change;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::golden;
    use super::*;

    #[test]
    fn weights_and_answers_are_those_of_liblinear() {
        let golden = golden();
        for case in &golden.svm {
            let set = &golden.sets[case.set];
            let settings = SvmSettings {
                c: case.c,
                loss: match case.loss.as_str() {
                    "hinge" => Loss::Hinge,
                    _ => Loss::SquaredHinge,
                },
                tolerance: 1e-9,
                max_passes: 1_000_000,
                seed: 1,
            };
            let rows = set.rows();
            let svm = LinearSvm::train(&rows, &set.labels, case.weights.len(), &settings);
            assert_eq!(svm.unfinished(), 0);
            for (ours, theirs) in svm.planes.iter().zip(&case.weights) {
                for (a, b) in ours.iter().zip(theirs) {
                    assert!(
                        (a - b).abs() < 1e-5,
                        "{} C={}: {a}, not {b}",
                        case.loss,
                        case.c
                    );
                }
            }
            let predicted: Vec<usize> = rows.iter().map(|row| svm.predict(row)).collect();
            assert_eq!(predicted, case.predicted);
        }
    }

    #[test]
    fn the_seed_changes_the_way_not_the_end() {
        let golden = golden();
        let set = &golden.sets[0];
        let train = |seed| {
            let settings = SvmSettings {
                seed,
                ..SvmSettings::default()
            };
            LinearSvm::train(&set.rows(), &set.labels, 3, &settings)
        };
        assert_eq!(train(3), train(3));
        let (a, b) = (train(3), train(4));
        assert_ne!(a, b);
        for (a, b) in a.planes.iter().flatten().zip(b.planes.iter().flatten()) {
            assert!((a - b).abs() < 1e-3, "{a} and {b}");
        }
    }

    #[test]
    fn too_few_passes_are_reported() {
        let golden = golden();
        let set = &golden.sets[0];
        let settings = SvmSettings {
            c: 100.0,
            max_passes: 2,
            ..SvmSettings::default()
        };
        let svm = LinearSvm::train(&set.rows(), &set.labels, 3, &settings);
        assert_eq!(svm.unfinished(), 3);
    }
}
