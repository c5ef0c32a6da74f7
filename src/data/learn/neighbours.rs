//! Nearest neighbours by exhaustive search.

use super::rows::{Rows, by_row, squared_distance};

/// The `count` other rows nearest to each, with their distances, nearest first (of
/// equals, the first row).
pub fn neighbours(rows: &Rows, count: usize) -> Vec<Vec<(usize, f32)>> {
    let count = count.min(rows.len().saturating_sub(1));
    by_row(rows.len(), |own| {
        let mut others: Vec<(usize, f32)> = (rows.iter().enumerate())
            .filter(|(other, _)| *other != own)
            .map(|(other, row)| (other, squared_distance(rows.row(own), row)))
            .collect();
        let nearer = |a: &(usize, f32), b: &(usize, f32)| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0));
        if count < others.len() {
            others.select_nth_unstable_by(count, nearer);
            others.truncate(count);
        }
        others.sort_unstable_by(nearer);
        others.iter_mut().for_each(|(_, d)| *d = d.sqrt());
        others
    })
}

/// Share of the `count` nearest rows that have the label of the row itself, over all
/// rows. `None` if there are no neighbours.
pub fn agreement(rows: &Rows, labels: &[usize], count: usize) -> Option<f64> {
    let mut same = 0;
    let mut all = 0;
    for (own, near) in neighbours(rows, count).iter().enumerate() {
        all += near.len();
        same += (near.iter())
            .filter(|(other, _)| labels[*other] == labels[own])
            .count();
    }
    (all > 0).then(|| same as f64 / all as f64)
}

/// The same share if the nearest rows were random.
pub fn chance_agreement(labels: &[usize]) -> Option<f64> {
    let others = labels.len().checked_sub(1).filter(|&n| n > 0)?;
    Some(mean_share(labels, |same| same as f64 / others as f64))
}

/// The highest possible share: a row of a small class has fewer than `count` others of
/// its label.
pub fn max_agreement(labels: &[usize], count: usize) -> Option<f64> {
    let count = count.min(labels.len().saturating_sub(1));
    (count > 0).then(|| mean_share(labels, |same| same.min(count) as f64 / count as f64))
}

/// The mean over all rows of a share that depends on how many others have the same
/// label.
fn mean_share(labels: &[usize], share: impl Fn(usize) -> f64) -> f64 {
    let classes = labels.iter().max().map_or(0, |max| max + 1);
    let mut sizes = vec![0_usize; classes];
    labels.iter().for_each(|&l| sizes[l] += 1);
    let shares = labels.iter().map(|&l| share(sizes[l] - 1));
    shares.sum::<f64>() / labels.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first_and_none_is_its_own() {
        let rows = Rows::new(vec![0.0, 1.0, 3.0, 3.0], 1);
        let near = neighbours(&rows, 2);
        assert_eq!(near[0], [(1, 1.0), (2, 3.0)]);
        assert_eq!(near[1], [(0, 1.0), (2, 2.0)]);
        assert_eq!(near[3], [(2, 0.0), (1, 2.0)]);
        // There are no more than three others.
        assert_eq!(neighbours(&rows, 10)[0].len(), 3);
        assert_eq!(
            neighbours(&Rows::new(vec![7.0], 1), 3),
            [Vec::<(usize, f32)>::new()]
        );
    }

    #[test]
    fn agreement_is_the_share_of_like_neighbours() {
        let rows = Rows::new(vec![0.0, 1.0, 2.0, 10.0, 11.0, 12.0], 1);
        assert_eq!(agreement(&rows, &[0, 0, 0, 1, 1, 1], 2), Some(1.0));
        assert_eq!(agreement(&rows, &[0, 1, 0, 1, 0, 1], 2), Some(2.0 / 6.0));
        assert_eq!(agreement(&Rows::new(vec![1.0], 1), &[0], 2), None);
        // Two, or one, of the four others are alike.
        assert_eq!(chance_agreement(&[0, 0, 0, 1, 1]), Some(0.4));
        assert_eq!(chance_agreement(&[3]), None);
        assert_eq!(max_agreement(&[0, 0, 0, 1, 1, 1], 4), Some(0.5));
        assert_eq!(max_agreement(&[0, 0, 0, 1, 1, 1], 2), Some(1.0));
        assert_eq!(max_agreement(&[3], 2), None);
    }
}
