use std::collections::BTreeMap;
use std::time::Duration;

use tch::{Device, Kind};

use super::super::mixture::Mixture;
use super::super::network::Network;
use super::super::objective::{Freeze, Objective};
use super::super::testing::{Tones, sampler_settings};
use super::*;
use crate::net::{Conv1Stride, Precision, Weights};
use crate::train::TrainTask;

fn settings(pairing: PairingMode, pool: usize) -> TrainSettings {
    TrainSettings {
        sampler: sampler_settings(pairing),
        split_by: None,
        split_seed: 0,
        held_out: String::new(),
        steps: 1000,
        limit: None,
        rate: 1e-3,
        warm_up: 0,
        cool_down: 0.0,
        weight_decay: 0.0,
        task: TrainTask::Avc,
        freeze: Freeze::Trunks,
        freeze_norm: false,
        pool,
        dropout: 0.0,
        local_loss: 0.0,
        validate_every: 100,
        validation_pairs: 8,
        save_every: Duration::from_secs(300),
        device: crate::net::Device::Cpu,
        precision: Precision::F32,
        threads: 1,
        loaders: 1,
    }
}

fn sampler(tones: Tones, settings: &TrainSettings) -> Arc<Sampler> {
    let mixture = Mixture::new(vec![(1.0, Box::new(tones))]);
    Arc::new(Sampler::new(Arc::new(mixture), settings.sampler.clone()))
}

fn pool(tones: Tones, settings: &TrainSettings) -> (Pool, Arc<Sampler>) {
    let start = Start::Model(Weights::random(4, Conv1Stride::Two));
    let sampler = sampler(tones, settings);
    let folder = tempfile::tempdir().expect("a folder");
    let pool = Pool::make_in(
        folder.path(),
        &sampler,
        &start,
        settings,
        || false,
        |_, _| {},
    );
    (pool.expect("a pool"), sampler)
}

fn network(standardisation: Option<&Standardisation>) -> Network {
    let weights = Weights::random(4, Conv1Stride::Two);
    let layers = standardisation.map_or_else(BTreeMap::new, |by| {
        by.first_layers(&weights, BTreeMap::new())
    });
    let objective = Objective {
        freeze: Freeze::Trunks,
        ..Objective::default()
    };
    Network::new(&weights, &layers, objective, Device::Cpu, Kind::Float).expect("a network")
}

/// A batch of the pool is the one that would have been drawn, and gets the same answers.
#[test]
fn the_first_turn_is_what_would_have_been_drawn() {
    let settings = settings(PairingMode::All, 100);
    let (mut pool, sampler) = pool(Tones::default(), &settings);
    let drawn = sampler.batch(2, &mut sampler.augmenter()).expect("a batch");
    let pooled = pool.batch(2, &settings);
    assert_eq!(pooled.pairs, drawn.pairs);
    assert_eq!(pooled.origins, drawn.origins);
    assert_eq!(pooled.image_classes, drawn.image_classes);
    assert_eq!(pooled.sound_classes, drawn.sound_classes);
    let validation = sampler.validation(0, 8).expect("a batch");
    let (plain, standardised) = (network(None), network(Some(&pool.standardisation)));
    for (drawn, pooled) in [(&drawn, &pooled), (&validation, &pool.validation[0])] {
        let (_, expected) = plain.evaluate(drawn).expect("scores");
        let (_, found) = standardised.evaluate(pooled).expect("scores");
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            let (found, expected) = (found.margin, expected.margin);
            assert!((found - expected).abs() < 1e-4 * expected.abs().max(1.0));
        }
    }
}

#[test]
fn every_example_is_used_once_a_turn() {
    // A block of 64, in turns of 5 batches of 12 and a rest.
    let settings = settings(PairingMode::All, 64);
    let (mut pool, _) = pool(Tones::default(), &settings);
    assert_eq!(pool.drawn.len(), 64);
    let mut rows = |steps: std::ops::Range<u64>| -> Vec<Vec<f32>> {
        let vision =
            steps.flat_map(|step| pool.batch(step, &settings).pooled.expect("rows").vision);
        let vision: Vec<f32> = vision.collect();
        vision.chunks(FEATURE).map(<[f32]>::to_vec).collect()
    };
    let all = rows(0..16); // three turns of 64
    let sorted = |turn: usize| {
        let mut turn = all[turn * 64..(turn + 1) * 64].to_vec();
        turn.sort_by(|a, b| a.partial_cmp(b).expect("numbers"));
        turn
    };
    assert_eq!(sorted(0), sorted(1));
    assert_eq!(sorted(0), sorted(2));
    assert_ne!(all[..64], all[64..128]);
    assert_ne!(all[64..128], all[128..]);
    let again = pool.batch(2, &settings);
    assert_eq!(pool.batch(9, &settings), pool.batch(9, &settings));
    assert_eq!(pool.batch(2, &settings), again);
}

#[test]
fn half_of_the_papers_pairs_correspond() {
    for clips in [false, true] {
        let tones = Tones {
            clips,
            ..Tones::default()
        };
        let settings = settings(PairingMode::Paper, 64);
        let (mut pool, _) = pool(tones, &settings);
        for step in 0..10 {
            let batch = pool.batch(step, &settings);
            let yes = batch.pairs.iter().filter(|p| p.corresponds).count();
            assert_eq!((yes, batch.pairs.len()), (6, 12));
            let things = |row: u32| batch.origins[row as usize].split_once('/').expect("two");
            for pair in &batch.pairs {
                let (seen, heard) = (things(pair.image).0, things(pair.sound).1);
                assert_eq!(pair.corresponds, seen == heard);
            }
            let sum: f32 = batch.pairs.iter().map(|p| p.weight).sum();
            assert!((sum - 1.0).abs() < 1e-5, "{sum}");
        }
    }
}

#[test]
fn a_corpus_of_which_all_pairs_correspond_is_left_out() {
    let settings = settings(PairingMode::Paper, 64);
    let (one, two) = (Tones::default(), Tones::default());
    let mixture = Mixture::new(vec![(8.0, Box::new(one)), (1.0, Box::new(two))]);
    let sampler = Sampler::new(Arc::new(mixture), settings.sampler.clone());
    for block in 0..20 {
        let examples = sampler.examples(block * 8..(block + 1) * 8, &mut sampler.augmenter());
        let examples = examples.expect("examples");
        let drawn: Vec<&Drawn> = examples.drawn.iter().collect();
        let mut batch = Batch::of(block, &drawn);
        halves(&drawn, &mut batch);
        for part in 0..2 {
            let of = batch
                .pairs
                .iter()
                .filter(|p| drawn[p.image as usize].part == part);
            let labels: Vec<bool> = of.map(|p| p.corresponds).collect();
            let both = labels.contains(&true) && labels.contains(&false);
            assert!(labels.is_empty() || both, "{labels:?}");
        }
        let sum: f32 = batch.pairs.iter().map(|p| p.weight).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    }
}
