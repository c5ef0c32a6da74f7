//! Sound to windows: the ring and the windower, at the block sizes of real sources.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::hint::black_box;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use l3net::time::{Hop, SamplePos};
use l3net::window::Windower;
use l3net::window_spec::WindowSpec;

const SECONDS: usize = 10;

fn windower(c: &mut Criterion) {
    let pcm = vec![0.25_f32; SECONDS * WindowSpec::PAPER.window_samples];
    let now = Instant::now();
    let mut group = c.benchmark_group("windower, 10 s of sound");
    group.throughput(Throughput::Elements(
        (SECONDS * WindowSpec::PAPER.window_samples) as u64,
    ));
    for (block, hop_s) in [(480, 1.0), (1024, 1.0), (1024, 0.1)] {
        let hop = Hop::from_secs(hop_s).expect("within the range");
        let name = BenchmarkId::new(format!("blocks of {block}"), format!("hop {hop_s} s"));
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut windower = Windower::new(WindowSpec::PAPER, hop);
                let mut windows = 0;
                for (i, piece) in pcm.chunks(block).enumerate() {
                    let at = SamplePos((i * block) as u64);
                    windower.push(at, piece, now, |event| {
                        black_box(event);
                        windows += 1;
                    });
                }
                windows
            });
        });
    }
    group.finish();
}

#[cfg(feature = "gst")]
fn ring(c: &mut Criterion) {
    let block = [0.25_f32; 480];
    let (mut writer, mut reader) = l3net::media::sound_ring(WindowSpec::PAPER.window_samples, 256);
    let now = Instant::now();
    c.bench_function("ring, a block of 10 ms in and out", |b| {
        b.iter(|| {
            writer.accept(SamplePos::ZERO, now, black_box(&block).iter().copied());
            black_box(reader.next_block().map(|block| block.pcm.len()))
        });
    });
}

#[cfg(not(feature = "gst"))]
fn ring(_: &mut Criterion) {}

criterion_group!(benches, windower, ring);
criterion_main!(benches);
