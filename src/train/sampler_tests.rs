use super::super::batch::BatchPair;
use super::super::testing::{Tones, sampler_settings as settings};
use super::*;

fn sampler(corpora: Vec<Tones>, settings: SamplerSettings) -> Sampler {
    let parts = corpora
        .into_iter()
        .map(|c| (1.0, Box::new(c) as Box<dyn Corpus>))
        .collect();
    Sampler::new(Arc::new(Mixture::new(parts)), settings)
}

/// `0/2 against 1/1` is a picture of 0 and a sound of 1.
fn seen_and_heard(origin: &str) -> (&str, &str) {
    match origin.split_once(" against ") {
        Some((seen, heard)) => (
            seen.split_once('/').expect("two").0,
            heard.split_once('/').expect("two").1,
        ),
        None => origin.split_once('/').expect("two"),
    }
}

#[test]
fn half_of_the_papers_pairs_correspond_and_labels_are_correct() {
    for mismatched in [0.0, 0.5] {
        let tones = Tones {
            mismatched,
            ..Tones::default()
        };
        let sampler = sampler(vec![tones], settings(PairingMode::Paper));
        for step in 0..20 {
            let batch = sampler
                .batch(step, &mut sampler.augmenter())
                .expect("a batch");
            let yes = batch.pairs.iter().filter(|p| p.corresponds).count();
            assert_eq!((yes, batch.pairs.len()), (6, 12));
            for pair in &batch.pairs {
                assert_eq!(pair.image, pair.sound);
                let (seen, heard) = seen_and_heard(&batch.origins[pair.image as usize]);
                assert_eq!(pair.corresponds, seen == heard);
            }
        }
    }
}

#[test]
fn negatives_combine_two_recordings() {
    let tones = Tones {
        clips: true,
        ..Tones::default()
    };
    let sampler = sampler(vec![tones], settings(PairingMode::Paper));
    let batch = sampler.batch(3, &mut sampler.augmenter()).expect("a batch");
    for pair in batch.pairs.iter().filter(|p| !p.corresponds) {
        let (seen, heard) = seen_and_heard(&batch.origins[pair.image as usize]);
        assert_ne!(seen, heard);
    }
}

#[test]
fn a_grid_has_only_pairs_with_a_known_label() {
    for clips in [false, true] {
        let tones = Tones {
            clips,
            ..Tones::default()
        };
        let sampler = sampler(vec![tones.clone(), tones], settings(PairingMode::All));
        let batch = sampler.batch(1, &mut sampler.augmenter()).expect("a batch");
        for pair in &batch.pairs {
            let of = |row: u32| batch.origins[row as usize].as_str();
            let same = of(pair.image) == of(pair.sound);
            assert_eq!(pair.corresponds, same, "{pair:?}");
            assert!(!(clips && same) || pair.image == pair.sound);
        }
        // Two corpora share no pairs, so there are fewer than 12 × 12.
        assert!(batch.pairs.len() < 144, "{}", batch.pairs.len());
        assert!(batch.pairs.iter().filter(|p| p.corresponds).count() >= 12);
    }
}

#[test]
fn a_batch_depends_on_its_step_alone() {
    let tones = vec![Tones::default()];
    let a = sampler(tones.clone(), settings(PairingMode::Paper));
    let b = sampler(tones, settings(PairingMode::Paper));
    let mut augmenter = a.augmenter();
    let first = a.batch(7, &mut augmenter).expect("a batch");
    a.batch(8, &mut augmenter).expect("a batch");
    assert_eq!(first, b.batch(7, &mut b.augmenter()).expect("a batch"));
    assert_ne!(
        first.images,
        a.batch(8, &mut augmenter).expect("a batch").images
    );
}

#[test]
fn overfitting_repeats_a_fixed_number_of_pairs() {
    let settings = SamplerSettings {
        overfit: Some(6),
        ..settings(PairingMode::Paper)
    };
    let sampler = sampler(vec![Tones::default()], settings);
    let first = sampler.batch(0, &mut sampler.augmenter()).expect("a batch");
    let later = sampler.batch(9, &mut sampler.augmenter()).expect("a batch");
    assert_eq!(first.images, later.images);
    assert_eq!(
        first.images[..6 * 32 * 32 * 3],
        first.images[6 * 32 * 32 * 3..]
    );
}

#[test]
fn an_unreadable_file_is_skipped_and_counted() {
    let tones = Tones {
        broken: 0.3,
        ..Tones::default()
    };
    let sampler = sampler(vec![tones], settings(PairingMode::All));
    let batch = sampler.batch(0, &mut sampler.augmenter()).expect("a batch");
    assert_eq!(batch.origins.len(), 12);
    assert!(sampler.skipped() > 0);
    let hopeless = Tones {
        broken: 1.0,
        ..Tones::default()
    };
    let sampler = super::tests::sampler(vec![hopeless], settings(PairingMode::All));
    let error = sampler
        .batch(0, &mut sampler.augmenter())
        .expect_err("all broken");
    assert!(error.to_string().contains("broken.jpg"), "{error}");
}

#[test]
fn the_shares_of_several_processes_are_the_batch_of_one() {
    let whole = sampler(vec![Tones::default()], settings(PairingMode::Paper));
    let whole = whole.batch(3, &mut whole.augmenter()).expect("a batch");
    for of in [2, 3, 6] {
        let shares = (0..of).map(|rank| {
            let settings = SamplerSettings {
                share: Share { rank, of },
                ..settings(PairingMode::Paper)
            };
            let sampler = sampler(vec![Tones::default()], settings);
            sampler.batch(3, &mut sampler.augmenter()).expect("a share")
        });
        let mut joined = Batch::default();
        for share in shares {
            joined.images.extend(share.images);
            joined.spectrograms.extend(share.spectrograms);
            joined.origins.extend(share.origins);
            // The mean of the losses is that of the batch.
            let first = joined.pairs.len() as u32;
            joined
                .pairs
                .extend(share.pairs.iter().map(|pair| BatchPair {
                    image: pair.image + first,
                    sound: pair.sound + first,
                    weight: pair.weight / of as f32,
                    ..*pair
                }));
        }
        assert!(joined.images == whole.images && joined.spectrograms == whole.spectrograms);
        assert_eq!(joined.origins, whole.origins);
        for (joined, whole) in joined.pairs.iter().zip(&whole.pairs) {
            assert!((joined.weight - whole.weight).abs() < 1e-6);
            let weight = whole.weight;
            assert_eq!(BatchPair { weight, ..*joined }, *whole);
        }
    }
}
