//! z-score: every feature is shifted and scaled to zero mean and unit variance.

use super::rows::Rows;

/// Mean and standard deviation of each feature of a training set, applicable to any
/// rows.
#[derive(Clone, Debug, PartialEq)]
pub struct ZScore {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl ZScore {
    /// Computes them from rows; the deviation is that of the population. A constant
    /// feature is shifted only.
    pub fn fit(rows: &Rows) -> Self {
        let n = rows.len().max(1) as f64;
        let mut mean = vec![0.0; rows.width()];
        for row in rows.iter() {
            mean.iter_mut()
                .zip(row)
                .for_each(|(m, &v)| *m += f64::from(v));
        }
        mean.iter_mut().for_each(|m| *m /= n);
        // In a second pass: a sum of squares loses deviations much smaller than the
        // mean.
        let mut deviation = vec![0.0; rows.width()];
        for row in rows.iter() {
            for ((d, &v), m) in deviation.iter_mut().zip(row).zip(&mean) {
                *d += (f64::from(v) - m).powi(2);
            }
        }
        for (d, m) in deviation.iter_mut().zip(&mean) {
            *d = (*d / n).sqrt();
            // Equal values differ from their mean by its rounding.
            if *d <= m.abs() * f64::EPSILON * n {
                *d = 1.0;
            }
        }
        Self { mean, deviation }
    }

    /// Shifts and scales rows of the same width in place.
    pub fn apply(&self, rows: &mut Rows) {
        for index in 0..rows.len() {
            let scales = self.mean.iter().zip(&self.deviation);
            for (v, (mean, deviation)) in rows.row_mut(index).iter_mut().zip(scales) {
                *v = ((f64::from(*v) - mean) / deviation) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::golden;
    use super::*;

    #[test]
    fn values_are_those_of_scikit_learn() {
        let golden = golden();
        let mut rows = golden.sets[golden.zscore.set].rows();
        ZScore::fit(&rows).apply(&mut rows);
        for (ours, theirs) in rows.values().iter().zip(&golden.zscore.values) {
            assert!((ours - theirs).abs() < 1e-5, "{ours}, not {theirs}");
        }
    }

    #[test]
    fn a_feature_that_never_changes_is_shifted_alone() {
        for value in [0.0, 0.1, 12345.679] {
            let mut rows = Rows::new(vec![value; 7], 1);
            ZScore::fit(&rows).apply(&mut rows);
            assert!(rows.values().iter().all(|v| v.abs() < 1e-6), "{rows:?}");
        }
    }

    #[test]
    fn a_small_deviation_from_a_large_mean_is_not_lost() {
        let mut rows = Rows::new(vec![1000.0, 1000.5, 1001.0], 1);
        ZScore::fit(&rows).apply(&mut rows);
        let expected = 1.5_f32.sqrt();
        assert!((rows.values()[2] - expected).abs() < 1e-5, "{rows:?}");
    }
}
