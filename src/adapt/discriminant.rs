//! Which camera is it? A linear discriminant analysis of one modality's features, with
//! several prototypes for a camera that changes (Hastie and Tibshirani, 1996).
//!
//! Belongs here: prototypes, the covariance within cameras, and scores that are linear in
//! the features, so that a layer on top of them folds into fc1. Does not: what both
//! modalities say together (`head`).

use tch::{Device, Kind, TchError, Tensor};

use super::camera::{Camera, Second};
use crate::learn::{KMeans, KMeansSettings, Rows};
use crate::net::{FEATURE, Modality};

/// Rows for each prototype of a camera.
const ROWS_PER_PROTOTYPE: usize = 20;
/// Prototypes of a camera, at most: day and night, a door that is open or shut, …
const MAX_PROTOTYPES: usize = 8;
/// How far the covariance is drawn towards a multiple of the identity. A camera has fewer
/// rows than a feature has values; from 0.3 to 0.5 nothing changed on real clips.
const SHRINKAGE: f64 = 0.4;
/// Log-likelihoods are multiplied by it: 512 values that depend on each other are less
/// evidence than as many independent ones. From 0.03 to 1 the order of pairs is the same.
const TEMPERATURE: f64 = 0.1;
/// Least spread of a feature, against the mean one: some units are nearly dead.
const LEAST_SPREAD: f64 = 1e-2;

/// Scores of all prototypes: `scores = features · weight + bias`.
pub struct Discriminant {
    /// `[512, P]`.
    pub weight: Tensor,
    /// `[P]`.
    pub bias: Tensor,
    /// Whose each prototype is: `[P, C]` of zeros and ones.
    pub owners: Tensor,
    /// Turns `[B, P]` independent noise of unit size into that of scores: the factor of
    /// the covariance that the variation within cameras gives them, `[P, P]`.
    pub spread: Tensor,
}

impl Discriminant {
    /// Of the rows of each camera that are learnt.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn fit(
        cameras: &[Camera],
        learnt: &[Vec<usize>],
        modality: Modality,
        seed: u64,
    ) -> Result<Self, TchError> {
        let rows: Vec<Tensor> = (cameras.iter().zip(learnt))
            .map(|(camera, learnt)| {
                let seconds = learnt.iter().map(|&row| &camera.seconds[row]);
                features(seconds, modality)?.f_to_kind(Kind::Double)
            })
            .collect::<Result<_, _>>()?;
        let (mean, spread) = mean_and_spread(&rows)?;
        let mut prototypes = Vec::new();
        let mut owners = Vec::new();
        let mut within = Tensor::f_zeros([FEATURE as i64; 2], (Kind::Double, Device::Cpu))?;
        for (camera, rows) in rows.iter().enumerate() {
            let rows = rows.f_sub(&mean)?.f_div(&spread)?; // [T, 512]
            let (own, residuals) = prototypes_of(&rows, seed)?;
            // Each camera counts the same, however long it was recorded.
            within += residuals
                .f_tr()?
                .f_matmul(&residuals)?
                .f_div_scalar(rows.size()[0] as f64)?;
            owners.extend(std::iter::repeat_n(camera, own.size()[0] as usize));
            prototypes.push(own);
        }
        let within = shrunk(&within.f_div_scalar(rows.len() as f64)?)?;
        let prototypes = Tensor::f_cat(&prototypes, 0)?; // [P, 512]
        // Σ⁻¹ μ, of which everything else is made.
        let factor = within.f_linalg_cholesky(false)?;
        let directions = prototypes.f_tr()?.f_cholesky_solve(&factor, false)?; // [512, P]
        let strengths = prototypes.f_matmul(&directions)?; // [P, P]
        let owners = membership(&owners, rows.len())?;
        let sizes = owners.f_sum_dim_intlist(0, false, Kind::Double)?; // [C]
        let shares = owners.f_matmul(&sizes.f_log()?)?; // [P]
        let weight = directions
            .f_mul_scalar(TEMPERATURE)?
            .f_div(&spread.f_unsqueeze(1)?)?;
        let bias = strengths
            .f_diagonal(0, 0, 1)?
            .f_mul_scalar(-0.5 * TEMPERATURE)?
            .f_sub(&shares)?
            .f_sub(&mean.f_matmul(&weight)?)?;
        let covariance = shrunk_a_little(&strengths.f_mul_scalar(TEMPERATURE * TEMPERATURE)?)?;
        let single = |tensor: &Tensor| tensor.f_to_kind(Kind::Float);
        Ok(Self {
            spread: single(&covariance.f_linalg_cholesky(false)?.f_tr()?)?.f_contiguous()?,
            weight: single(&weight)?,
            bias: single(&bias)?,
            owners: single(&owners)?,
        })
    }

    /// Features `[B, 512]` to scores `[B, P]`.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn scores(&self, features: &Tensor) -> Result<Tensor, TchError> {
        features.f_matmul(&self.weight)?.f_add(&self.bias)
    }

    /// Scores `[B, P]` to the probability of each camera, `[B, C]`.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn cameras(&self, scores: &Tensor) -> Result<Tensor, TchError> {
        scores.f_softmax(1, Kind::Float)?.f_matmul(&self.owners)
    }
}

/// Features of one modality, `[T, 512]`.
pub(super) fn features<'a>(
    seconds: impl IntoIterator<Item = &'a Second>,
    modality: Modality,
) -> Result<Tensor, TchError> {
    let rows = seconds.into_iter().map(|second| second.of(modality));
    let values: Vec<f32> = rows.flatten().copied().collect();
    Tensor::f_from_slice(&values)?.f_view([-1, FEATURE as i64])
}

/// Mean and standard deviation of each value over all cameras, each with the same weight.
fn mean_and_spread(cameras: &[Tensor]) -> Result<(Tensor, Tensor), TchError> {
    let means: Vec<Tensor> = (cameras.iter())
        .map(|rows| rows.f_mean_dim([0].as_slice(), false, Kind::Double))
        .collect::<Result<_, _>>()?;
    let mean = Tensor::f_stack(&means, 0)?.f_mean_dim([0].as_slice(), false, Kind::Double)?;
    let squares: Vec<Tensor> = (cameras.iter())
        .map(|rows| {
            let square = rows.f_sub(&mean)?.f_square()?;
            square.f_mean_dim([0].as_slice(), false, Kind::Double)
        })
        .collect::<Result<_, TchError>>()?;
    let variance = Tensor::f_stack(&squares, 0)?.f_mean_dim([0].as_slice(), false, Kind::Double)?;
    let spread = variance.f_sqrt()?;
    // Never 0: features of streams that are all black do not vary at all.
    let least = spread.f_mean(Kind::Double)?.f_double_value(&[])? * LEAST_SPREAD;
    Ok((mean, spread.f_add_scalar(least.max(1e-9))?))
}

/// The prototypes of a camera's rows, and what is left of each row.
fn prototypes_of(rows: &Tensor, seed: u64) -> Result<(Tensor, Tensor), TchError> {
    let count = rows.size()[0] as usize;
    let clusters = (count / ROWS_PER_PROTOTYPE).clamp(1, MAX_PROTOTYPES);
    let values = crate::net::input::to_vec(&rows.f_to_kind(Kind::Float)?)?;
    let settings = KMeansSettings {
        clusters,
        starts: 2,
        max_iterations: 30,
        seed,
        // Learning has one thread, and during a run no more than its share of a core.
        threads: 1,
    };
    let labels = match KMeans::find(&Rows::new(values, FEATURE), &settings) {
        Some(found) => found.labels,
        None => vec![0; count],
    };
    // A cluster without rows is no prototype.
    let mut kinds = labels.clone();
    kinds.sort_unstable();
    kinds.dedup();
    let numbers: Vec<usize> = labels
        .iter()
        .map(|l| kinds.partition_point(|k| k < l))
        .collect();
    let member = membership(&numbers, kinds.len())?; // [T, K]
    let sizes = member.f_sum_dim_intlist(0, false, Kind::Double)?; // [K]
    let centres = member
        .f_tr()?
        .f_matmul(rows)?
        .f_div(&sizes.f_unsqueeze(1)?)?; // [K, 512]
    let residuals = rows.f_sub(&member.f_matmul(&centres)?)?;
    Ok((centres, residuals))
}

/// `[N, count]`: a one in each row, in the column that is given.
fn membership(columns: &[usize], count: usize) -> Result<Tensor, TchError> {
    let columns: Vec<i64> = columns.iter().map(|&c| c as i64).collect();
    Tensor::f_from_slice(&columns)?
        .f_one_hot(count as i64)?
        .f_to_kind(Kind::Double)
}

/// Drawn towards the identity times the mean variance.
fn shrunk(covariance: &Tensor) -> Result<Tensor, TchError> {
    drawn(covariance, SHRINKAGE)
}

/// So little that only singular matrices change.
fn shrunk_a_little(covariance: &Tensor) -> Result<Tensor, TchError> {
    drawn(covariance, 1e-4)
}

fn drawn(covariance: &Tensor, part: f64) -> Result<Tensor, TchError> {
    let size = covariance.size()[0];
    let mean = covariance.f_trace()?.f_double_value(&[])? / size as f64;
    let identity = Tensor::f_eye(size, (Kind::Double, Device::Cpu))?;
    // Rows that do not vary at all have no variance to be drawn towards.
    covariance
        .f_mul_scalar(1.0 - part)?
        .f_add(&identity.f_mul_scalar(part * mean.max(1e-9))?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::testing::cameras;
    use super::*;

    fn all_rows(cameras: &[Camera]) -> Vec<Vec<usize>> {
        cameras
            .iter()
            .map(|c| (0..c.seconds.len()).collect())
            .collect()
    }

    /// Scores against the textbook's formula, in which nothing is shared between steps.
    #[test]
    fn scores_are_log_likelihoods_of_gaussians_with_one_covariance() {
        let cameras = cameras(3, 10, 4);
        let found = Discriminant::fit(&cameras, &all_rows(&cameras), Modality::Audio, 0)
            .expect("a discriminant");
        assert_eq!(found.weight.size(), [512, 3]);
        let all: Vec<Tensor> = (cameras.iter())
            .map(|c| {
                features(&c.seconds, Modality::Audio)
                    .expect("rows")
                    .to_kind(Kind::Double)
            })
            .collect();
        let (mean, spread) = mean_and_spread(&all).expect("moments");
        let scaled: Vec<Tensor> = all.iter().map(|rows| (rows - &mean) / &spread).collect();
        let centres: Vec<Tensor> = (scaled.iter())
            .map(|rows| rows.mean_dim([0].as_slice(), false, Kind::Double))
            .collect();
        let mut within = Tensor::zeros([512, 512], (Kind::Double, Device::Cpu));
        for (rows, centre) in scaled.iter().zip(&centres) {
            let rest = rows - centre;
            within += rest.tr().matmul(&rest) / 30.0;
        }
        let inverse = shrunk(&within).expect("a matrix").inverse();
        let x = scaled[1].get(7);
        let distances: Vec<f64> = (centres.iter())
            .map(|centre| {
                let off = &x - centre;
                off.dot(&inverse.mv(&off)).double_value(&[])
            })
            .collect();
        let features = all[1].get(7).unsqueeze(0).to_kind(Kind::Float);
        let scores = found.scores(&features).expect("scores");
        let scores = crate::net::input::to_vec(&scores).expect("values");
        // Up to a term that is the same for all cameras.
        for (a, b) in [(0, 1), (1, 2)] {
            let expected = -0.5 * TEMPERATURE * (distances[a] - distances[b]);
            let got = f64::from(scores[a] - scores[b]);
            assert!(
                (got - expected).abs() < 1e-2 * expected.abs().max(1.0),
                "{got} {expected}"
            );
        }
        let cameras = found.cameras(&found.scores(&features).expect("scores"));
        let cameras = crate::net::input::to_vec(&cameras.expect("shares")).expect("values");
        assert!((cameras.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert!(cameras[1] > 0.9, "{cameras:?}");
    }

    #[test]
    fn long_cameras_have_several_prototypes_and_rows_that_are_equal_do_no_harm() {
        let mut cameras = cameras(2, 61, 1);
        for second in &mut cameras[1].seconds {
            Arc::make_mut(&mut second.features).vision = vec![0.0; FEATURE];
        }
        let rows = all_rows(&cameras);
        let found = Discriminant::fit(&cameras, &rows, Modality::Vision, 0).expect("one");
        let prototypes = found.owners.sum_dim_intlist(0, false, Kind::Float);
        let prototypes = crate::net::input::to_vec(&prototypes).expect("counts");
        assert_eq!(prototypes, [3.0, 1.0], "equal rows are one prototype");
        let black = Tensor::zeros([1, 512], (Kind::Float, Device::Cpu));
        let answer = found
            .cameras(&found.scores(&black).expect("scores"))
            .expect("shares");
        assert!(answer.double_value(&[0, 1]) > 0.99, "{answer:?}");
    }
}
