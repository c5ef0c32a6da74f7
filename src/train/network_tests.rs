use super::super::heads::TrainTask;
use super::super::mixture::Mixture;
use super::super::objective::Freeze;
use super::super::pairing::PairingMode;
use super::super::sampler::{Sampler, SamplerSettings, Share};
use super::super::testing::Tones;
use super::*;
use crate::features::{Features, Viewport};
use crate::net::{Conv1Stride, HeatmapKind, L3Net, NetOptions, Precision};
use crate::train::AugmentationStrength;
use crate::window_spec::WindowSpec;

const SPECTROGRAM_LEN: usize = WindowSpec::PAPER.spectrogram_len();

fn batch(rows: usize, pairing: PairingMode) -> Batch {
    let settings = SamplerSettings {
        batch: rows,
        share: Share::WHOLE,
        pairing,
        augment: AugmentationStrength::Paper,
        spec: WindowSpec::PAPER,
        side: 64,
        overfit: None,
        seed: 3,
    };
    let mixture = Mixture::new(vec![(1.0, Box::new(Tones::default()))]);
    let sampler = Sampler::new(std::sync::Arc::new(mixture), settings);
    sampler.batch(0, &mut sampler.augmenter()).expect("a batch")
}

fn network(weights: &Weights, freeze: Freeze, kind: Kind) -> Network {
    let objective = Objective {
        freeze,
        ..Objective::default()
    };
    network_of(weights, objective, kind)
}

fn network_of(weights: &Weights, objective: Objective, kind: Kind) -> Network {
    Network::new(weights, &BTreeMap::new(), objective, Device::Cpu, kind).expect("a network")
}

#[test]
fn training_and_inference_give_the_same_results() {
    let weights = Weights::random(4, Conv1Stride::Two);
    let batch = batch(4, PairingMode::Paper);
    let (score, pairs) = network(&weights, Freeze::None, Kind::Float)
        .evaluate(&batch)
        .expect("a score");
    let features: Vec<Features> = (0..4)
        .map(|i| Features {
            spectrogram: batch.spectrograms[i * SPECTROGRAM_LEN..][..SPECTROGRAM_LEN].to_vec(),
            image: batch.images[i * 64 * 64 * 3..][..64 * 64 * 3].to_vec(),
            image_width: 64,
            image_height: 64,
            view: Viewport::whole(64, 64),
        })
        .collect();
    let options = NetOptions {
        precision: Precision::F32,
        ..NetOptions::default()
    };
    let net = L3Net::new(&weights, &options).expect("a network");
    let judged = net
        .judge(&features.iter().collect::<Vec<_>>(), HeatmapKind::Gradient)
        .expect("judged");
    let loss: f64 = judged
        .iter()
        .zip(&batch.pairs)
        .map(|(j, pair)| {
            let p = f64::from(j.correspondence);
            -(if pair.corresponds { p } else { 1.0 - p }).ln() / 4.0
        })
        .sum();
    assert!(
        (loss - score.loss).abs() < 1e-4 * loss,
        "{loss} {}",
        score.loss
    );
    assert_eq!(pairs.len(), judged.len());
    for ((pair, judged), of) in pairs.iter().zip(&judged).zip(&batch.pairs) {
        assert_eq!(pair.corresponds, of.corresponds);
        assert_eq!(pair.weight, f64::from(of.weight));
        let p = 1.0 / (1.0 + (-pair.margin).exp());
        assert!((p - f64::from(judged.correspondence)).abs() < 1e-4, "{p}");
    }
}

#[test]
fn tensors_are_unchanged_by_the_vector() {
    let weights = Weights::initial(4, Conv1Stride::Two);
    let tensors = network(&weights, Freeze::None, Kind::BFloat16)
        .tensors()
        .expect("tensors");
    for slot in Variant::PAPER.layout() {
        assert_eq!(
            tensors[&slot.name],
            weights.tensor(&slot.name),
            "{}",
            slot.name
        );
    }
}

#[test]
fn the_gradient_is_the_slope_of_the_loss() {
    let weights = Weights::initial(4, Conv1Stride::Two);
    let batch = batch(4, PairingMode::All);
    let mut network = network(&weights, Freeze::None, Kind::Float);
    let Slope {
        gradient,
        score: before,
        ..
    } = network.gradient(&batch).expect("a gradient");
    // A small step along the gradient lowers the loss by the step times its square.
    let square = gradient.dot(&gradient).double_value(&[]);
    let step = 1e-3 / square.sqrt();
    let parameters = network.parameters();
    let change = parameters.spread(&gradient) * step;
    let moved = &*parameters.vector() - change;
    parameters.vector().copy_(&moved);
    parameters.sync().expect("copied");
    let after = network.gradient(&batch).expect("a gradient").score;
    let slope = (before.loss - after.loss) / step;
    assert!((slope / square - 1.0).abs() < 0.05, "{slope} {square}");
}

#[test]
fn frozen_parts_have_no_gradient() {
    let weights = Weights::initial(4, Conv1Stride::Two);
    let batch = batch(4, PairingMode::All);
    let trainable = |network: &mut Network| -> usize {
        let parts = network.parameters().trainable();
        parts.into_iter().map(|part| part.len()).sum()
    };
    let all = trainable(&mut network(&weights, Freeze::None, Kind::Float));
    for (freeze, prefix) in [(Freeze::Vision, "vision"), (Freeze::Audio, "audio")] {
        let mut network = network(&weights, freeze, Kind::Float);
        let gradient = network.gradient(&batch).expect("a gradient").gradient;
        let gradient = network.parameters().spread(&gradient);
        let values = to_vec(&gradient).expect("values");
        for (slot, range) in network.parameters().places() {
            let still = values[range].iter().all(|v| *v == 0.0);
            let expected = slot.name.starts_with(prefix) || is_bias_of_conv(slot);
            assert_eq!(still, expected, "{}", slot.name);
        }
        assert!(trainable(&mut network) < all);
    }
}

#[test]
fn dropout_depends_on_the_step_and_is_off_in_evaluation() {
    let weights = Weights::random(4, Conv1Stride::Two);
    let mut batch = batch(6, PairingMode::All);
    let of = |dropout| {
        let objective = Objective {
            freeze: Freeze::Trunks,
            dropout,
            seed: 7,
            ..Objective::default()
        };
        network_of(&weights, objective, Kind::Float)
    };
    let (without, with) = (of(0.0), of(0.5));
    let loss = |network: &Network, batch: &Batch| {
        let score = network.gradient(batch).expect("a gradient").score;
        score.loss
    };
    let first = loss(&with, &batch);
    assert_ne!(first, loss(&without, &batch));
    batch.step = 1;
    assert_ne!(loss(&with, &batch), first);
    batch.step = 0;
    assert_eq!(loss(&with, &batch), first);
    let judged = |network: &Network| network.evaluate(&batch).expect("a score").0.loss;
    assert_eq!(judged(&with), judged(&without));
}

#[test]
fn the_local_loss_is_of_the_highest_place_of_local_heatmaps() {
    let weights = Weights::random(4, Conv1Stride::Two);
    let batch = batch(6, PairingMode::All);
    let of = |local_loss| {
        let objective = Objective {
            freeze: Freeze::Trunks,
            local_loss,
            ..Objective::default()
        };
        network_of(&weights, objective, Kind::Float)
    };
    let network = of(1.0);
    let loss = |network: &Network| {
        let pass = network.forward(&batch, true).expect("a pass");
        pass.loss.double_value(&[])
    };
    // From the heatmaps of inference, each of a picture with a sound.
    let (map, [_, audio]) = network.trunks(&batch, false).expect("trunks");
    let mut expected = loss(&of(0.0));
    for pair in &batch.pairs {
        let row = |of: &Tensor, i: u32| of.narrow(0, i64::from(i), 1);
        let of_trunk = |conv4_2: Tensor, pool4: Tensor| TrunkOutput {
            conv4_2,
            pool4,
            rectified: true,
        };
        let picture = row(&map, pair.image);
        let pool4 = picture.amax([2, 3], false);
        let sound = row(&audio, pair.sound);
        let outputs = network.fusion.forward(
            of_trunk(picture, pool4),
            of_trunk(sound.view([1, 512, 1, 1]), sound.shallow_clone()),
            HeatmapKind::Local,
        );
        let p = outputs
            .expect("a pass")
            .vision_heatmap
            .max()
            .double_value(&[]);
        let p = if pair.corresponds { p } else { 1.0 - p };
        expected -= f64::from(pair.weight) * p.ln();
    }
    assert!((loss(&network) - expected).abs() < 1e-4, "{expected}");
    // The score is of the whole picture, and both trunks may learn from it.
    let score = |network: &Network| network.gradient(&batch).expect("a gradient").score.loss;
    assert_eq!(score(&network), score(&of(0.0)));
    assert!(
        (loss(&of(0.5)) - loss(&of(0.0)) - (loss(&network) - loss(&of(0.0))) / 2.0).abs() < 1e-5
    );
}

#[test]
fn the_local_loss_teaches_trunks_and_fusion() {
    let weights = Weights::random(4, Conv1Stride::Two);
    let batch = batch(6, PairingMode::All);
    let gradient = |local_loss| {
        let objective = Objective {
            local_loss,
            freeze_norm: true,
            ..Objective::default()
        };
        let mut network = network_of(&weights, objective, Kind::Float);
        let gradient = network.gradient(&batch).expect("a gradient").gradient;
        let values = to_vec(&network.parameters().spread(&gradient)).expect("values");
        let places = network.parameters().places();
        let of = |(slot, range): (&TensorSpec, std::ops::Range<usize>)| {
            (slot.name.clone(), values[range].to_vec())
        };
        places.map(of).collect::<BTreeMap<_, _>>()
    };
    let (without, with) = (gradient(0.0), gradient(1.0));
    for name in [
        "vision.conv1_1.weight",
        "vision.conv4_2.weight",
        "audio.conv4_2.weight",
        "fusion.fc1.weight",
        "fusion.fc2.weight",
    ] {
        assert_ne!(without[name], with[name], "{name}");
    }
}

#[test]
fn classes_are_learnt_with_correspondence_or_alone() {
    let weights = Weights::initial(4, Conv1Stride::Two);
    let batch = batch(6, PairingMode::All);
    for (task, fusion_learns) in [(TrainTask::Both, true), (TrainTask::Classify, false)] {
        let objective = Objective {
            task,
            classes: 3,
            ..Objective::default()
        };
        let mut network = network_of(&weights, objective, Kind::Float);
        let Slope {
            gradient, score, ..
        } = network.gradient(&batch).expect("a gradient");
        assert!(score.loss > 0.1 && score.classes.iter().all(|c| (0.0..=1.0).contains(c)));
        let gradient = network.parameters().spread(&gradient);
        let values = to_vec(&gradient).expect("values");
        for (slot, range) in network.parameters().places() {
            let moves = values[range].iter().any(|v| *v != 0.0);
            let name = &slot.name;
            if name.starts_with("fusion.") {
                assert_eq!(moves, fusion_learns, "{name}");
            } else {
                assert_eq!(moves, !is_bias_of_conv(slot), "{name}");
            }
        }
        assert!(
            network
                .tensors()
                .expect("tensors")
                .contains_key("heads.audio.fc2.bias")
        );
    }
}

#[test]
fn a_gradient_with_a_single_value_that_is_not_finite_is_told() {
    let weights = Weights::initial(4, Conv1Stride::Two);
    let mut batch = batch(4, PairingMode::All);
    let network = network(&weights, Freeze::Trunks, Kind::Float);
    let is_finite = |batch: &Batch| network.gradient(batch).expect("a gradient").is_finite;
    assert!(is_finite(&batch));
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        batch.pairs[0].weight = wrong;
        assert!(!is_finite(&batch), "{wrong}");
    }
}
