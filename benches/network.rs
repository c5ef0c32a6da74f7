//! One pair through the network on the CPU, in both precisions.
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

criterion_group!(benches, forward);
criterion_main!(benches);
