//! Features and network against reference values in double precision.
//!
//! `tests/data/golden.safetensors` is made by `tests/oracle/golden.py`; where
//! `../shared/golden` lies beside the sources, its values are used as well.

mod reference;

use l3net::features::{Crop, FeatureExtractor, Features, FrameScaler};
use l3net::net::{
    Conv1Stride, Convolutions, Device, HeatmapKind, L3Net, NetError, NetOptions, Precision, Weights,
};
use l3net::picture::Picture;
use l3net::result::{Heatmap, Judgement};
use l3net::window_spec::WindowSpec;
use tch::Tensor;

use crate::common::{shared, skipped};

use self::reference::{
    BF16, F32, Golden, SEED, UNIT, assert_close, features, heatmap_of, network, our_features,
    picture, spectrogram, units_on, values,
};

/// The features for classifying sounds, as the network finds them.
fn sounds(net: &L3Net, batch: &[&Features]) -> Vec<f32> {
    let spectrograms: Vec<&[f32]> = batch.iter().map(|f| f.spectrogram.as_slice()).collect();
    let heard = net.audio_response(&spectrograms).expect("a response");
    heard.sound_6144().expect("features")
}

/// Logits, p, both features and both heatmaps of a batch against `prefix.*`.
fn check_network(
    golden: &Golden,
    weights: &Weights,
    net: &L3Net,
    batch: &[&Features],
    prefix: &str,
    tolerance: f64,
) {
    let out = net
        .forward(batch, HeatmapKind::Gradient)
        .expect("a forward pass");
    let reference = |name: &str| golden.f32(&format!("{prefix}.{name}"));
    let close = |name: &str, got: &[f32]| {
        assert_close(
            &format!("{prefix}.{name}"),
            got,
            &reference(name),
            tolerance,
        );
    };
    let (vision, audio) = (values(&out.vision_features), values(&out.audio_features));
    close("fv", &vision);
    close("fa", &audio);
    close("logits", &values(&out.logits));

    let judged = net.judge(batch, HeatmapKind::Gradient).expect("judgements");
    let logits: Vec<f32> = judged.iter().flat_map(|j| j.logits).collect();
    let p: Vec<f32> = judged.iter().map(|j| j.correspondence).collect();
    close("logits", &logits);
    close("p", &p);

    let ours = units_on(weights, &vision, &audio);
    let theirs = units_on(weights, &reference("fv"), &reference("fa"));
    let mut held = 0;
    type OfJudgement = fn(&Judgement) -> &Heatmap;
    let vision: OfJudgement = |j| &j.vision;
    let audio: OfJudgement = |j| &j.audio;
    for (name, map, conv4_2, of) in [
        ("heat_v", &out.vision_heatmap, &out.vision_conv4_2, vision),
        ("heat_a", &out.audio_heatmap, &out.audio_conv4_2, audio),
    ] {
        let expected = reference(name);
        let cells = expected.len() / batch.len();
        for (i, expected) in expected.chunks(cells).enumerate() {
            let what = format!("{prefix}.{name}, pair {i}");
            // The gradient has a step where a unit of fc1 switches on or off. One that is
            // nearly off switches with the rounding of bf16, which is no fault of it: then
            // the gradient is that of the units that are on.
            let of_ours = || {
                let features = values(&conv4_2.get(i as i64));
                heatmap_of(weights, &ours[i], &features, name == "heat_a")
            };
            let same = ours[i] == theirs[i];
            held += usize::from(same);
            let expected = if same { expected.to_vec() } else { of_ours() };
            assert_close(&what, &values(&map.get(i as i64)), &expected, tolerance);
            assert_close(&what, &of(&judged[i]).values, &expected, tolerance);
            let rows_and_cols = (of(&judged[i]).rows as usize, of(&judged[i]).cols as usize);
            assert_eq!(map.size()[1] as usize, rows_and_cols.0, "{what}");
            assert_eq!(rows_and_cols.0 * rows_and_cols.1, cells, "{what}");
        }
    }
    let least = if tolerance < BF16 { 2 * batch.len() } else { 2 };
    assert!(
        held >= least,
        "{prefix}: units of fc1 switched in too many pairs"
    );
}

#[test]
fn the_log_spectrogram_is_the_reference() {
    let golden = Golden::ours();
    let pcm = golden.pcm();
    assert_close(
        "chirp",
        &spectrogram(&pcm[0]),
        &golden.f32("log_spectrogram"),
        1e-5,
    );
    let clicks: Vec<f32> = spectrogram(&pcm[1]).into_iter().step_by(7).collect();
    assert_close(
        "clicks",
        &clicks,
        &golden.f32("log_spectrogram_1_every_7th"),
        1e-5,
    );
}

#[test]
fn pictures_are_scaled_as_by_pillow() {
    let golden = Golden::ours();
    for (name, width, height) in [("down", 700, 400), ("up", 50, 90), ("long", 9, 700)] {
        let scaled = FrameScaler::new(Crop::Full).scale(&picture(width, height, 3));
        let every_fifth: Vec<u8> = scaled
            .rgb
            .chunks(scaled.width as usize * 3)
            .step_by(5)
            .flat_map(|row| row.chunks(3).step_by(5).flatten())
            .copied()
            .collect();
        let expected = golden.bytes(&format!("scaled.{name}"));
        assert_eq!(every_fifth.len(), expected.len(), "{name}");
        let worst = every_fifth
            .iter()
            .zip(&expected)
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        assert!(worst <= Some(1), "{name}: off by {worst:?} levels");
    }
}

#[test]
fn random_weights_are_the_same_everywhere() {
    let weights = Weights::random(SEED, Conv1Stride::Two);
    let names = [
        "vision.conv1_1.weight",
        "audio.bn4_2.running_var",
        "fusion.fc1.weight",
    ];
    let first: Vec<f32> = names
        .iter()
        .flat_map(|n| weights.tensor(n)[..4].to_vec())
        .collect();
    assert_eq!(first, Golden::ours().f32("weights_first"));
}

#[test]
fn the_network_in_f32_is_the_reference() {
    let golden = Golden::ours();
    let batch = our_features(&golden);
    let batch: Vec<_> = batch.iter().collect();
    for (stride, prefix) in [(Conv1Stride::Two, "stride2"), (Conv1Stride::One, "stride1")] {
        let weights = Weights::random(SEED, stride);
        for convolutions in [Convolutions::Auto, Convolutions::Libtorch] {
            let options = NetOptions {
                device: Device::Cpu,
                precision: Precision::F32,
                convolutions,
                ..NetOptions::default()
            };
            let net = L3Net::new(&weights, &options).expect("a network");
            check_network(&golden, &weights, &net, &batch, prefix, F32);
        }
    }
}

#[test]
fn the_network_in_bf16_is_near_the_reference() {
    let golden = Golden::ours();
    let batch = our_features(&golden);
    let batch: Vec<_> = batch.iter().collect();
    for (stride, prefix) in [(Conv1Stride::Two, "stride2"), (Conv1Stride::One, "stride1")] {
        let weights = Weights::random(SEED, stride);
        let net = network(&weights, Device::Cpu, Precision::Bf16);
        check_network(&golden, &weights, &net, &batch, prefix, BF16);
    }
}

#[test]
fn a_gpu_gives_the_reference_too() {
    let Ok(tch::Device::Cuda(_)) = Device::Auto.resolve() else {
        return skipped("a_gpu_gives_the_reference_too", "no GPU here");
    };
    let golden = Golden::ours();
    let batch = our_features(&golden);
    let batch: Vec<_> = batch.iter().collect();
    for (stride, prefix) in [(Conv1Stride::Two, "stride2"), (Conv1Stride::One, "stride1")] {
        for (precision, tolerance) in [(Precision::F32, F32), (Precision::Bf16, BF16)] {
            let weights = Weights::random(SEED, stride);
            let net = network(&weights, Device::Cuda(0), precision);
            check_network(&golden, &weights, &net, &batch, prefix, tolerance);
        }
    }
}

#[test]
fn conv4_2_the_sound_features_and_the_other_heatmaps_are_the_reference() {
    let golden = Golden::ours();
    let batch = our_features(&golden);
    let batch: Vec<_> = batch.iter().collect();
    let net = network(
        &Weights::random(SEED, Conv1Stride::Two),
        Device::Cpu,
        Precision::F32,
    );
    let close = |name: &str, got: &Tensor| {
        let name = format!("stride2.{name}");
        assert_close(&name, &values(got), &golden.f32(&name), F32);
    };
    let unit = net
        .forward(&batch, HeatmapKind::Unit(UNIT))
        .expect("a forward pass");
    close("unit_v", &unit.vision_heatmap);
    close("unit_a", &unit.audio_heatmap);
    close("vision_conv4_2", &unit.vision_conv4_2.narrow(0, 0, 1));
    let local = net
        .forward(&batch, HeatmapKind::Local)
        .expect("a forward pass");
    close("local_v", &local.vision_heatmap);
    close("local_a", &local.audio_heatmap);
    assert_close(
        "stride2.audio_6144",
        &sounds(&net, &batch),
        &golden.f32("stride2.audio_6144"),
        F32,
    );
}

#[test]
fn pictures_of_different_sizes_make_one_batch() {
    let pcm = Golden::ours().pcm();
    let mut extractor = FeatureExtractor::new(WindowSpec::PAPER, Crop::Full);
    let features: Vec<_> = [
        (64, 64, 0),
        (90, 60, 1),
        (64, 64, 1),
        (60, 90, 0),
        (90, 60, 0),
    ]
    .into_iter()
    .map(|(w, h, sound)| extractor.extract(&pcm[sound], &picture(w, h, sound as i64)))
    .collect();
    let net = network(
        &Weights::random(SEED, Conv1Stride::Two),
        Device::Cpu,
        Precision::F32,
    );
    let batch: Vec<_> = features.iter().collect();
    let together = net
        .judge(&batch, HeatmapKind::Gradient)
        .expect("judgements");
    assert_eq!(together.len(), batch.len());
    assert_eq!((together[1].vision.rows, together[1].vision.cols), (16, 24));
    for (one, together) in batch.iter().zip(&together) {
        let alone = &net
            .judge(&[one], HeatmapKind::Gradient)
            .expect("a judgement")[0];
        assert_close("logits", &together.logits, &alone.logits, F32);
        assert_close("vision", &together.vision.values, &alone.vision.values, F32);
        assert_close("audio", &together.audio.values, &alone.audio.values, F32);
    }
    let mixed = net.forward(&batch, HeatmapKind::Gradient);
    assert!(matches!(mixed, Err(NetError::Features { index: 1, .. })));
}

#[test]
fn a_batch_of_none_and_features_of_the_wrong_shape_are_no_panic() {
    let net = network(
        &Weights::random(SEED, Conv1Stride::Two),
        Device::Cpu,
        Precision::F32,
    );
    assert_eq!(net.judge(&[], HeatmapKind::Gradient).expect("nothing"), []);
    let good = features(
        vec![0.0; WindowSpec::PAPER.spectrogram_len()],
        picture(32, 32, 0),
    );
    let mut short = good.clone();
    short.spectrogram.pop();
    let mut narrow = good.clone();
    narrow.image.truncate(100);
    for bad in [short, narrow] {
        let error = net
            .judge(&[&good, &bad], HeatmapKind::Gradient)
            .expect_err("misshapen");
        assert!(
            matches!(error, NetError::Features { index: 1, .. }),
            "{error}"
        );
    }
}

#[test]
fn the_network_can_move_to_another_thread_and_keeps_its_number_of_threads() {
    let options = NetOptions {
        device: Device::Cpu,
        precision: Precision::F32,
        threads: Some(1),
        ..NetOptions::default()
    };
    let weights = Weights::random(SEED, Conv1Stride::Two);
    let net = L3Net::new(&weights, &options).expect("a network");
    let good = features(
        vec![0.0; WindowSpec::PAPER.spectrogram_len()],
        picture(32, 32, 0),
    );
    let here = net
        .judge(&[&good], HeatmapKind::Gradient)
        .expect("a judgement");
    let (there, threads) = std::thread::spawn(move || {
        let judged = net
            .judge(&[&good], HeatmapKind::Gradient)
            .expect("a judgement");
        (judged, tch::get_num_threads())
    })
    .join()
    .expect("no panic");
    assert_eq!(here, there);
    assert_eq!(threads, 1);
}

/// The larger set beside the sources: the weights of a file in f16, both
/// variants, both precisions.
#[test]
fn the_shared_reference_holds_where_it_is_there() {
    let Some(folder) = shared("golden") else {
        return skipped(
            "the_shared_reference_holds_where_it_is_there",
            "no ../shared/golden here",
        );
    };
    let golden = Golden::read(&folder.join("expected.safetensors"));
    let pcm = golden.f32("audio");
    let images = golden.bytes("image_u8");
    let features: Vec<Features> = pcm
        .chunks(48_000)
        .zip(images.chunks(224 * 224 * 3))
        .map(|(pcm, rgb)| {
            let picture = Picture {
                width: 224,
                height: 224,
                rgb: rgb.to_vec(),
            };
            features(spectrogram(pcm), picture)
        })
        .collect();
    for (f, expected) in features.iter().zip(
        golden
            .f32("log_spectrogram")
            .chunks(WindowSpec::PAPER.spectrogram_len()),
    ) {
        assert_close("log_spectrogram", &f.spectrogram, expected, 1e-5);
    }
    let batch: Vec<_> = features.iter().collect();
    let file = folder.join("weights_random_f16.safetensors");
    for (stride, prefix) in [(Conv1Stride::Two, "stride2"), (Conv1Stride::One, "stride1")] {
        let weights = Weights::read_as(&file, stride).expect("weights");
        for (precision, tolerance) in [(Precision::F32, F32), (Precision::Bf16, BF16)] {
            let net = network(&weights, Device::Auto, precision);
            check_network(&golden, &weights, &net, &batch, prefix, tolerance);
            if stride == Conv1Stride::Two {
                let out = net
                    .forward(&batch[..1], HeatmapKind::Gradient)
                    .expect("a pass");
                for (name, map) in [
                    ("stride2.vision_conv4_2", &out.vision_conv4_2),
                    ("stride2.audio_conv4_2", &out.audio_conv4_2),
                ] {
                    assert_close(name, &values(map), &golden.f32(name), tolerance);
                }
                assert_close(
                    "audio_6144",
                    &sounds(&net, &batch),
                    &golden.f32("stride2.audio_6144"),
                    tolerance,
                );
            }
        }
    }
}
