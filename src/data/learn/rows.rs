//! Rows of numbers, and sums over them.

use crate::cores::cores;

/// A matrix with a row for each sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    values: Vec<f32>,
    width: usize,
}

impl Rows {
    /// From consecutive rows.
    ///
    /// # Panics
    /// If `values` is not a whole number of rows, or the width is 0.
    pub fn new(values: Vec<f32>, width: usize) -> Self {
        assert!(
            width > 0 && values.len().is_multiple_of(width),
            "{} values are not rows of {width}",
            values.len()
        );
        Self { values, width }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Numbers in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// A row.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.width..(index + 1) * self.width]
    }

    /// A mutable row.
    pub fn row_mut(&mut self, index: usize) -> &mut [f32] {
        &mut self.values[index * self.width..(index + 1) * self.width]
    }

    /// Some rows, in the given order.
    pub fn select(&self, rows: &[usize]) -> Self {
        let values = rows.iter().flat_map(|&row| self.row(row)).copied();
        Self::new(values.collect(), self.width)
    }

    /// All rows, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }

    /// All numbers, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

/// Parallel sums: a single sum waits for each addition, and the compiler may not
/// reorder it.
const LANES: usize = 8;

/// Σ a·b in double precision.
pub(super) fn dot(a: &[f32], b: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (a_parts, a_rest) = a.as_chunks::<LANES>();
    let (b_parts, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_parts.iter().zip(b_parts) {
        for lane in 0..LANES {
            lanes[lane] += f64::from(a[lane]) * b[lane];
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(&a, &b)| f64::from(a) * b);
    lanes.iter().sum::<f64>() + rest.sum::<f64>()
}

/// Σ (a − b)².
pub(super) fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (a_parts, a_rest) = a.as_chunks::<LANES>();
    let (b_parts, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_parts.iter().zip(b_parts) {
        for lane in 0..LANES {
            let d = a[lane] - b[lane];
            lanes[lane] += d * d;
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b));
    lanes.iter().sum::<f32>() + rest.sum::<f32>()
}

/// Calls `one` for each of so many rows on all cores; returns the results in order.
pub(super) fn by_row<T: Send>(rows: usize, one: impl Fn(usize) -> T + Sync) -> Vec<T> {
    by_row_on(cores(), rows, one)
}

/// As [`by_row`], on so many threads.
pub(super) fn by_row_on<T: Send>(
    threads: usize,
    rows: usize,
    one: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    if threads <= 1 {
        return (0..rows).map(one).collect();
    }
    let part = rows.div_ceil(threads).max(1);
    let one = &one;
    std::thread::scope(|scope| {
        let parts = (0..rows).step_by(part).map(|from| {
            let to = rows.min(from + part);
            scope.spawn(move || (from..to).map(one).collect::<Vec<_>>())
        });
        let threads: Vec<_> = parts.collect();
        let joined = threads.into_iter().map(|t| t.join());
        joined
            .flat_map(|part| part.expect("sums do not panic"))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_are_consecutive() {
        let rows = Rows::new(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3);
        assert_eq!((rows.len(), rows.width()), (2, 3));
        assert_eq!(rows.row(1), [4.0, 5.0, 6.0]);
        assert_eq!(rows.iter().map(<[f32]>::len).collect::<Vec<_>>(), [3, 3]);
        assert_eq!(rows.select(&[1, 0, 1]).values()[..4], [4.0, 5.0, 6.0, 1.0]);
        assert!(Rows::new(Vec::new(), 3).is_empty());
    }

    #[test]
    fn results_are_in_the_order_of_rows() {
        for rows in [0, 1, 7, 100] {
            for threads in 1..4 {
                let found = by_row_on(threads, rows, |row| row * 2);
                assert!(found.into_iter().eq((0..rows).map(|r| r * 2)));
            }
        }
    }

    proptest! {
        #[test]
        fn sums_do_not_depend_on_the_width(values in prop::collection::vec(-9..9_i8, 0..40)) {
            let a: Vec<f32> = values.iter().map(|&v| f32::from(v)).collect();
            let b: Vec<f32> = a.iter().rev().copied().collect();
            let wide: Vec<f64> = b.iter().map(|&v| f64::from(v)).collect();
            // Whole numbers: any order gives the same.
            let sum: f32 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
            prop_assert_eq!(dot(&a, &wide), f64::from(sum));
            let sum: f32 = a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum();
            prop_assert_eq!(squared_distance(&a, &b), sum);
        }
    }
}
