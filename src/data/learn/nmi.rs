//! Normalised mutual information of two labellings of the same items.

use std::collections::BTreeMap;

use rand::RngExt;

use crate::corpus::{hash, rng};

/// 0 if one labelling says nothing about the other, 1 if they differ only in names.
/// Normalised by the mean of the two entropies, as in scikit-learn.
///
/// # Panics
/// If they are not of the same length.
pub fn nmi(a: &[usize], b: &[usize]) -> f64 {
    assert_eq!(a.len(), b.len(), "two labels for each thing");
    let both: Vec<(usize, usize)> = a.iter().copied().zip(b.iter().copied()).collect();
    let (of_a, of_b, of_both) = (entropy(a), entropy(b), entropy(&both));
    if of_a + of_b == 0.0 {
        // Both have a single cluster.
        return 1.0;
    }
    // Rounding may give slightly less than 0.
    let shared = (of_a + of_b - of_both).max(0.0);
    (2.0 * shared / (of_a + of_b)).min(1.0)
}

/// In nats.
fn entropy<T: Ord>(labels: &[T]) -> f64 {
    let mut counts: BTreeMap<&T, usize> = BTreeMap::new();
    labels
        .iter()
        .for_each(|l| *counts.entry(l).or_default() += 1);
    let part = |&count: &usize| {
        let p = count as f64 / labels.len() as f64;
        -p * p.ln()
    };
    counts.values().map(part).sum()
}

/// Mean [`nmi`] of these labels with `times` random clusterings: above 0, because few
/// items in many clusters agree by accident.
pub fn chance_nmi(labels: &[usize], clusters: usize, times: usize, seed: u64) -> f64 {
    let one = |nth: usize| {
        let mut rng = rng(seed, hash(0, "nmi by chance"), nth as u64);
        let drawn = labels.iter().map(|_| rng.random_range(0..clusters.max(1)));
        nmi(labels, &drawn.collect::<Vec<_>>())
    };
    (0..times.max(1)).map(one).sum::<f64>() / times.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::super::testing::golden;
    use super::*;

    #[test]
    fn values_are_those_of_scikit_learn() {
        for case in golden().nmi {
            let ours = nmi(&case.a, &case.b);
            assert!((ours - case.nmi).abs() < 1e-9, "{ours}, not {}", case.nmi);
            assert!((nmi(&case.b, &case.a) - case.nmi).abs() < 1e-9);
        }
    }

    #[test]
    fn names_do_not_matter() {
        assert!((nmi(&[0, 0, 1, 2], &[7, 7, 3, 9]) - 1.0).abs() < 1e-12);
        assert_eq!(nmi(&[4, 4, 4], &[1, 1, 1]), 1.0);
        assert_eq!(nmi(&[0, 1, 0, 1], &[5, 5, 5, 5]), 0.0);
    }

    #[test]
    fn by_chance_many_clusters_share_more_than_few() {
        let labels: Vec<usize> = (0..200).map(|i| i % 10).collect();
        let few = chance_nmi(&labels, 2, 20, 0);
        let many = chance_nmi(&labels, 64, 20, 0);
        assert!(few < 0.05 && (0.2..0.6).contains(&many), "{few}, {many}");
    }
}
