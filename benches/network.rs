//! Pairs through the network on the CPU: one, in both precisions, batches of pictures of one
//! size and of several, and windows of sound that overlap.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use l3net::features::{Crop, FeatureExtractor, Features};
use l3net::net::{Conv1Stride, Device, HeatmapKind, L3Net, NetOptions, Precision, Weights};
use l3net::picture::Picture;
use l3net::window_spec::WindowSpec;

fn forward(c: &mut Criterion) {
    let pcm: Vec<f32> = (0..WindowSpec::PAPER.window_samples)
        .map(|i| (i as f32 * 0.05).sin() * 0.5)
        .collect();
    let rgb = (0..1280 * 720 * 3).map(|i| (i % 251) as u8).collect();
    let picture = Picture {
        width: 1280,
        height: 720,
        rgb,
    };
    let cut = |crop| FeatureExtractor::new(WindowSpec::PAPER, crop).extract(&pcm, &picture);
    let inputs: [(&str, Features); 2] = [
        ("224 × 224", cut(Crop::Center)),
        ("455 × 256", cut(Crop::Full)),
    ];
    let weights = Weights::random(1, Conv1Stride::Two);
    for precision in [Precision::F32, Precision::Bf16] {
        let options = NetOptions {
            device: Device::Cpu,
            precision,
            ..NetOptions::default()
        };
        let net = L3Net::new(&weights, &options).expect("a network on the CPU");
        let mut group = c.benchmark_group(format!("a pair in {precision}"));
        group.sample_size(20);
        for (size, features) in &inputs {
            group.bench_function(*size, |b| {
                let mut features = features.clone();
                b.iter(|| {
                    // Another picture: what was just seen is not seen again.
                    features.image[0] = features.image[0].wrapping_add(1);
                    net.judge(black_box(&[&features]), HeatmapKind::Gradient)
                });
            });
        }
        group.finish();
    }
}

/// Pictures of different sizes go through the vision trunk one after another, those of one size
/// together: what that costs is the time of the mixed batch against the mean of the others.
fn sizes(c: &mut Criterion) {
    let pcm = vec![0.1; WindowSpec::PAPER.window_samples];
    let mut extractor = FeatureExtractor::new(WindowSpec::PAPER, Crop::Full);
    let frames = [(640, 360), (640, 480), (360, 640), (480, 400)];
    let each = frames.map(|(width, height)| {
        let rgb = (0..width * height * 3).map(|i| (i % 251) as u8).collect();
        let picture = Picture { width, height, rgb };
        extractor.extract(&pcm, &picture)
    });
    let weights = Weights::random(1, Conv1Stride::Two);
    let net = L3Net::new(&weights, &NetOptions::default()).expect("a network");
    let mut group = c.benchmark_group("four pairs");
    group.sample_size(20);
    let of_one_size = each.each_ref().map(|one| {
        let name = format!("of {} × {}", one.image_width, one.image_height);
        (name, std::array::from_fn(|_| one.clone()))
    });
    let mixed = ("of four sizes".to_owned(), each.clone());
    for (name, mut batch) in of_one_size.into_iter().chain([mixed]) {
        group.bench_function(name, |b| {
            b.iter(|| {
                for (i, features) in batch.iter_mut().enumerate() {
                    // All differ, also from what was just seen.
                    features.image[i] = features.image[i].wrapping_add(1 + i as u8);
                }
                net.judge(black_box(&batch.each_ref()), HeatmapKind::Gradient)
            });
        });
    }
    group.finish();
}

/// One window of sound after the other, under a picture that stands still: with short hops
/// they overlap, and what they share is not computed again.
fn hops(c: &mut Criterion) {
    const WINDOW: usize = WindowSpec::PAPER.window_samples;
    const WINDOWS: usize = 50;
    let mut state = 1_u32;
    let noise: Vec<f32> = (0..WINDOW * (WINDOWS + 1))
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        })
        .collect();
    let picture = Picture::filled(224, 224, [90, 120, 150]);
    let mut extractor = FeatureExtractor::new(WindowSpec::PAPER, Crop::Center);
    let weights = Weights::random(1, Conv1Stride::Two);
    let mut group = c.benchmark_group("a window of sound in f32");
    for hop in [48_000, 24_000, 19_200, 9_600, 4_800] {
        let windows: Vec<Features> = (0..WINDOWS)
            .map(|number| extractor.extract(&noise[number * hop..][..WINDOW], &picture))
            .collect();
        let options = NetOptions {
            precision: Precision::F32,
            ..NetOptions::default()
        };
        let net = L3Net::new(&weights, &options).expect("a network on the CPU");
        let mut next = windows.iter().cycle();
        group.bench_function(format!("every {} s", hop as f32 / 48e3), |b| {
            b.iter(|| {
                let window = next.next().expect("they go on");
                net.judge(black_box(&[window]), HeatmapKind::Gradient)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, forward, sizes, hops);
criterion_main!(benches);
