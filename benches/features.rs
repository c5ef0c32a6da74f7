//! Sound and picture to features, on one core.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use l3net::features::{Crop, FrameScaler, LogSpectrogram};
use l3net::picture::Picture;
use l3net::window_spec::WindowSpec;

fn spectrogram(c: &mut Criterion) {
    let pcm: Vec<f32> = (0..WindowSpec::PAPER.window_samples)
        .map(|i| (i as f32 * 0.05).sin() * 0.5)
        .collect();
    let mut spectrogram = LogSpectrogram::new(WindowSpec::PAPER);
    let mut out = vec![0.0; WindowSpec::PAPER.spectrogram_len()];
    c.bench_function("log-spectrogram of 1 s", |b| {
        b.iter(|| spectrogram.write(black_box(&pcm), &mut out));
    });
}

fn frame(c: &mut Criterion) {
    let mut group = c.benchmark_group("frame");
    for (width, height) in [(640, 360), (1280, 720), (1920, 1080)] {
        let rgb = (0..width * height * 3).map(|i| (i % 251) as u8).collect();
        let picture = Picture { width, height, rgb };
        let mut scaler = FrameScaler::new(Crop::Full);
        group.bench_function(format!("{width} × {height}"), |b| {
            b.iter(|| black_box(scaler.scale(black_box(&picture))));
        });
    }
    group.finish();
}

criterion_group!(benches, spectrogram, frame);
criterion_main!(benches);
