//! Figures of merit with their intervals, as pure functions of plain numbers.
//!
//! Belongs here: textbook arithmetic, verified against scikit-learn
//! (`tests/oracle/metrics.py`). Does not: which answers go in, and what the figures
//! are called.

/// 95 % of a normal distribution lie within this many standard deviations.
const Z_95: f64 = 1.959_963_984_540_054;

/// Low and high end of a 95 % confidence interval.
pub type Interval = [f64; 2];

/// Mean; `None` without values.
pub fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values
        .into_iter()
        .fold((0.0, 0_usize), |(sum, count), v| (sum + v, count + 1));
    (count > 0).then(|| sum / count as f64)
}

/// Wilson's interval of a share: `hits` of `of`. Unlike the normal approximation it
/// stays within 0 to 1 and has a width if all or none were hits. `None` if `of` is 0.
pub fn wilson(hits: usize, of: usize) -> Option<Interval> {
    if of == 0 {
        return None;
    }
    let (n, p) = (of as f64, hits as f64 / of as f64);
    let z2 = Z_95 * Z_95;
    let centre = p + z2 / (2.0 * n);
    let half = Z_95 * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let end = |sign: f64| ((centre + sign * half) / (1.0 + z2 / n)).clamp(0.0, 1.0);
    Some([end(-1.0), end(1.0)])
}

/// Area under the ROC curve: the chance that a positive scores higher than a
/// negative, ties counting half. `None` if either is empty.
pub fn roc_auc(positives: &[f64], negatives: &[f64]) -> Option<f64> {
    Some(Placements::of(positives, negatives)?.auc())
}

/// The interval of [`roc_auc`] after DeLong, DeLong and Clarke-Pearson (1988),
/// clamped to 0 to 1. `None` if either has under two scores, or if they are perfectly
/// separated: the variance is 0 then, which says nothing about others.
pub fn roc_auc_interval(positives: &[f64], negatives: &[f64]) -> Option<Interval> {
    if positives.len() < 2 || negatives.len() < 2 {
        return None;
    }
    let placements = Placements::of(positives, negatives)?;
    let half = Z_95 * placements.variance().sqrt();
    let auc = placements.auc();
    (half > 0.0).then(|| [(auc - half).max(0.0), (auc + half).min(1.0)])
}

/// For each positive the share of negatives below it, and for each negative the
/// share of positives above it; ties count half.
struct Placements {
    of_positives: Vec<f64>,
    of_negatives: Vec<f64>,
}

impl Placements {
    /// By ranks, in n log n (Sun and Xu, 2014).
    fn of(positives: &[f64], negatives: &[f64]) -> Option<Self> {
        if positives.is_empty() || negatives.is_empty() {
            return None;
        }
        let all: Vec<f64> = positives.iter().chain(negatives).copied().collect();
        let ranks = mid_ranks(&all);
        let (among_all, among_negatives) = (ranks.iter(), mid_ranks(negatives));
        let (m, n) = (positives.len() as f64, negatives.len() as f64);
        let of_positives = among_all
            .clone()
            .zip(mid_ranks(positives))
            .map(|(all, own)| (all - own) / n);
        let of_negatives = among_all
            .skip(positives.len())
            .zip(among_negatives)
            .map(|(all, own)| 1.0 - (all - own) / m);
        Some(Self {
            of_positives: of_positives.collect(),
            of_negatives: of_negatives.collect(),
        })
    }

    fn auc(&self) -> f64 {
        self.of_positives.iter().sum::<f64>() / self.of_positives.len() as f64
    }

    fn variance(&self) -> f64 {
        let part = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
            squares / (values.len() as f64 - 1.0) / values.len() as f64
        };
        part(&self.of_positives) + part(&self.of_negatives)
    }
}

/// Ranks from 1 up; equal values share the mean of theirs.
fn mid_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut done = 0;
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = done as f64 + (tied.len() as f64 + 1.0) / 2.0;
        tied.iter().for_each(|&i| ranks[i] = rank);
        done += tied.len();
    }
    ranks
}

/// Cross-entropy of two logits, index 1 = corresponds.
pub fn cross_entropy(logits: [f32; 2], corresponds: bool) -> f64 {
    let [other, own] = if corresponds {
        logits
    } else {
        [logits[1], logits[0]]
    };
    // ln(1 + e^d), where e^d may overflow.
    let d = f64::from(other) - f64::from(own);
    d.max(0.0) + (-d.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        auc: Vec<AucCase>,
        wilson: Vec<WilsonCase>,
        cross_entropy: Vec<EntropyCase>,
    }

    #[derive(Deserialize)]
    struct AucCase {
        positives: Vec<f64>,
        negatives: Vec<f64>,
        auc: f64,
        interval: Interval,
    }

    #[derive(Deserialize)]
    struct WilsonCase {
        hits: usize,
        of: usize,
        interval: Interval,
    }

    #[derive(Deserialize)]
    struct EntropyCase {
        logits: [f32; 2],
        corresponds: bool,
        loss: f64,
    }

    fn golden() -> Golden {
        let text = include_str!("../../../tests/data/metrics.json");
        serde_json::from_str(text).expect("the oracle's JSON")
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn auc_is_that_of_scikit_learn_and_its_interval_delongs() {
        for case in golden().auc {
            let auc = roc_auc(&case.positives, &case.negatives).expect("both labels");
            assert!(near(auc, case.auc), "{auc}, not {}", case.auc);
            let interval = roc_auc_interval(&case.positives, &case.negatives);
            let [from, to] = case.interval;
            match interval {
                Some([low, high]) => assert!(near(low, from) && near(high, to)),
                // A width of 0, which would say that it cannot be otherwise.
                None => assert_eq!(from, to),
            }
        }
    }

    #[test]
    fn wilsons_interval_is_that_of_scipy() {
        for case in golden().wilson {
            let [low, high] = wilson(case.hits, case.of).expect("some were asked");
            let expected = case.interval;
            assert!(near(low, expected[0]) && near(high, expected[1]));
        }
    }

    #[test]
    fn cross_entropy_is_that_of_scikit_learn_however_sure_the_network() {
        for case in golden().cross_entropy {
            let loss = cross_entropy(case.logits, case.corresponds);
            let off = (loss - case.loss).abs() / case.loss.max(1e-12);
            assert!(off < 1e-6, "{loss}, not {}", case.loss);
        }
    }

    #[test]
    fn of_nothing_there_is_no_figure() {
        assert_eq!(mean([]), None);
        assert_eq!(wilson(0, 0), None);
        assert_eq!(roc_auc(&[], &[1.0]), None);
        assert_eq!(roc_auc(&[1.0], &[]), None);
        assert_eq!(roc_auc_interval(&[1.0], &[0.0, 0.5]), None);
    }

    proptest! {
        #[test]
        fn auc_is_the_share_of_pairs_in_order(
            positives in prop::collection::vec(-4..4_i32, 1..20),
            negatives in prop::collection::vec(-4..4_i32, 1..20),
        ) {
            let float = |v: &[i32]| v.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
            let (p, n) = (float(&positives), float(&negatives));
            let wins: f64 = p
                .iter()
                .flat_map(|a| n.iter().map(move |b| if a > b { 1.0 } else if a == b { 0.5 } else { 0.0 }))
                .sum();
            let auc = roc_auc(&p, &n).expect("both labels");
            prop_assert!(near(auc, wins / (p.len() * n.len()) as f64));
            let mirrored = roc_auc(&n, &p).expect("both labels");
            prop_assert!(near(auc + mirrored, 1.0));
        }

        #[test]
        fn wilsons_interval_holds_the_share(hits in 0..50_usize, more in 0..50_usize) {
            prop_assume!(hits + more > 0);
            let share = hits as f64 / (hits + more) as f64;
            let [low, high] = wilson(hits, hits + more).expect("some were asked");
            prop_assert!(0.0 <= low && low <= share + 1e-12);
            prop_assert!(share - 1e-12 <= high && high <= 1.0);
        }
    }
}
