use super::super::neighbours::agreement;
use super::super::testing::golden;
use super::*;

fn embedding(rows: &Rows, perplexity: usize, seed: u64) -> Embedding {
    Embedding::new(rows, perplexity, seed, &mut || ()).expect("points")
}

/// Rows around three middles in ten dimensions.
fn blobs() -> (Rows, Vec<usize>) {
    let mut rng = rng(1, 0, 0);
    let labels: Vec<usize> = (0..90).map(|i| i % 3).collect();
    let values = labels.iter().flat_map(|&label| {
        let row: [f32; 10] = std::array::from_fn(|k| {
            let middle = if k == label { 20.0 } else { 0.0 };
            middle + rng.random_range(-1.0..1.0)
        });
        row
    });
    (Rows::new(values.collect(), 10), labels)
}

#[test]
fn separate_groups_stay_separate() {
    let (rows, labels) = blobs();
    let found = embedding(&rows, 10, 0);
    assert_eq!(agreement(&found.points, &labels, 10), Some(1.0));
}

#[test]
fn the_seed_alone_decides() {
    let (rows, _) = blobs();
    let first = embedding(&rows, 10, 3);
    // Also from other threads, and concurrently.
    let again = std::thread::scope(|scope| {
        let both = [3, 4].map(|seed| scope.spawn(move || embedding(&blobs().0, 10, seed)));
        both.map(|thread| thread.join().expect("points"))
    });
    assert_eq!(again[0], first);
    assert_ne!(again[1].points, first.points);
}

#[test]
fn points_are_as_good_as_those_of_scikit_learn() {
    let golden = golden();
    for case in &golden.tsne {
        let rows = golden.sets[case.set].rows();
        // A single start may end badly.
        let mut found: Vec<f64> = (0..21)
            .map(|seed| embedding(&rows, case.perplexity, seed).divergence)
            .collect();
        found.sort_by(f64::total_cmp);
        let (found, expected) = (found[10], case.divergence);
        // Similarities of distant points are omitted: at most a hundredth of a nat.
        let max = 1.03 * expected + 0.01;
        assert!(
            (0.97 * expected..max).contains(&found),
            "{found}, not {expected}"
        );
    }
}

/// Between many rows that are alike chance could choose.
#[test]
fn the_seed_alone_decides_between_equals() {
    let (blobs, _) = blobs();
    let equal = std::iter::repeat_n(3.0, 40 * 10);
    let rows = Rows::new(blobs.values().iter().copied().chain(equal).collect(), 10);
    assert_eq!(embedding(&rows, 5, 0), embedding(&rows, 5, 0));
}

#[test]
fn a_row_that_is_far_from_all_has_neighbours_too() {
    // About as far from each of the others, in many dimensions.
    let mut rng = rng(2, 0, 0);
    let mut values: Vec<f32> = (0..200 * 100)
        .map(|_| rng.random_range(-1.0..1.0))
        .collect();
    values[..100].fill(30.0);
    let rows = Rows::new(values, 100);
    let near = near(&rows, 30);
    let samples: Vec<&[f32]> = rows.iter().collect();
    let mut tsne = tSNE::<f32, &[f32], 2>::new(&samples);
    tsne.perplexity(10.0)
        .epochs(1)
        .barnes_hut_with_neighbors(0.5, &near);
    let affinities = tsne.affinities().expect("affinities");
    for row in 0..200 {
        let own = affinities.rows()[row]..affinities.rows()[row + 1];
        let sum: f32 = affinities.values()[own].iter().sum();
        // Half of what each gives, if nobody gives back.
        assert!(sum > 0.99 / 400.0, "row {row}: {sum}");
    }
    // Squares of distances are as far apart as before.
    let ours = neighbours(&rows, 30);
    for (near, ours) in near.iter().zip(&ours) {
        let square = |i: usize| f64::from(ours[i].1).powi(2);
        let off = f64::from(near[29].distance).powi(2) - (square(29) - square(0));
        assert!(off.abs() < 1e-4 * square(29), "{off}");
    }
}

#[test]
fn rows_that_are_all_alike_have_places_too() {
    let found = embedding(&Rows::new(vec![3.0; 40 * 4], 4), 5, 0);
    assert!(found.points.values().iter().all(|v| v.is_finite()));
}

#[test]
fn too_great_a_perplexity_says_what_would_do() {
    let rows = Rows::new(vec![0.0; 40], 1);
    let error = Embedding::new(&rows, 30, 0, &mut || ()).expect_err("too few");
    let error = error.to_string();
    assert!(error.contains("needs 91 files or more"), "{error}");
    assert!(error.contains("--perplexity 13 or less"), "{error}");
    assert!(Embedding::check(40, 13).is_ok() && Embedding::check(40, 14).is_err());
    let few = Embedding::check(3, 2).expect_err("too few").to_string();
    assert!(
        few.ends_with("take more files, or a smaller --perplexity"),
        "{few}"
    );
}
