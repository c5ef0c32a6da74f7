//! Speed of each layer of the trunks, compared with the most that the cores can multiply
//! and add.
//!
//!     cargo bench -p l3net-conv -- [THREADS] [BATCH] [RUNS]
//!
//! GFLOP/s are those of the convolution by definition; Winograd's algorithm does a
//! quarter of them, which the last column compares with the peak of as many cores as
//! there are threads: 100 % would be transforms and memory for nothing.

#![allow(clippy::print_stdout, reason = "it is what a bench is for")]

use std::time::Instant;

use l3net_conv::{After, Conv3x3, InputConv, Isa, Map, Tile, Workers, peak};

/// Name, height, width, channels in, channels, whether it is pooled.
type Layer = (&'static str, usize, usize, usize, usize, bool);

const LAYERS: [Layer; 16] = [
    ("vision conv1_1", 224, 224, 3, 64, false),
    ("vision conv1_2", 112, 112, 64, 64, true),
    ("vision conv2_1", 56, 56, 64, 128, false),
    ("vision conv2_2", 56, 56, 128, 128, true),
    ("vision conv3_1", 28, 28, 128, 256, false),
    ("vision conv3_2", 28, 28, 256, 256, true),
    ("vision conv4_1", 14, 14, 256, 512, false),
    ("vision conv4_2", 14, 14, 512, 512, false),
    ("audio conv1_1", 257, 199, 1, 64, false),
    ("audio conv1_2", 129, 100, 64, 64, true),
    ("audio conv2_1", 64, 50, 64, 128, false),
    ("audio conv2_2", 64, 50, 128, 128, true),
    ("audio conv3_1", 32, 25, 128, 256, false),
    ("audio conv3_2", 32, 25, 256, 256, true),
    ("audio conv4_1", 16, 12, 256, 512, false),
    ("audio conv4_2", 16, 12, 512, 512, false),
];

/// Runs a layer once.
type Run = Box<dyn FnMut(&mut Workers)>;

/// A layer that can be run again and again, what it computes, in 10⁹, and the seconds
/// that it took to prepare its weights.
fn job((_, h, w, from, to, pool): Layer, batch: usize) -> (Run, f64, f64) {
    let values = |n: usize| -> Vec<f32> {
        let value = |i: usize| (i * 7919 % 1009) as f32 / 1009.0 - 0.5;
        (0..n).map(value).collect()
    };
    let (kernels, bias) = (values(9 * from * to), values(to));
    let x = values(batch * h * w * from);
    let gflop = 18.0 * (batch * h * w * from * to) as f64 / 1e9;
    let mut y = Map::default();
    let start = Instant::now();
    if from < 16 {
        let conv = InputConv::new(&kernels, &bias, 2, Isa::best()).expect("memory");
        let prepared = start.elapsed().as_secs_f64();
        let run = move |workers: &mut Workers| {
            conv.run(&x, [batch, h, w], true, &mut y, workers)
                .expect("memory");
        };
        return (Box::new(run), gflop / 4.0, prepared);
    }
    let conv = Conv3x3::new(&kernels, &bias, Tile::Four, Isa::best()).expect("memory");
    let prepared = start.elapsed().as_secs_f64();
    let x = Map::from_channels_last(&x, batch, h, w, from).expect("memory");
    let after = After { relu: true, pool };
    let run = move |workers: &mut Workers| conv.run(&x, after, &mut y, workers).expect("memory");
    (Box::new(run), gflop, prepared)
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let number = |i: usize, otherwise| numbers.get(i).copied().unwrap_or(otherwise);
    let (threads, batch, runs) = (number(0, 1), number(1, 1), number(2, 30));
    let mut workers = Workers::new(threads).expect("the threads start");
    let mut jobs: Vec<_> = LAYERS.map(|layer| job(layer, batch)).into();
    let mut best = vec![f64::INFINITY; jobs.len()];
    let mut peak = 0.0_f64;
    // All by turns: what else the machine does is spread over all.
    for _ in 0..runs {
        let start = Instant::now();
        let flop = peak::multiply_add(Isa::best());
        peak = peak.max(flop / start.elapsed().as_secs_f64() / 1e9);
        for ((run, ..), best) in jobs.iter_mut().zip(&mut best) {
            let start = Instant::now();
            run(&mut workers);
            *best = best.min(start.elapsed().as_secs_f64());
        }
    }
    println!(
        "{:?}, {threads} threads, batch {batch}; least of {runs} runs; peak {peak:.0} GFLOP/s a core",
        Isa::best()
    );
    for ((layer, (_, gflop, _)), best) in LAYERS.iter().zip(&jobs).zip(&best) {
        let rate = gflop / best;
        let saved = if layer.3 < 16 { 1.0 } else { 4.0 };
        let of_peak = rate / saved / peak / threads as f64 * 100.0;
        let ms = best * 1e3;
        println!(
            "{:14} {ms:8.3} ms {rate:6.0} GFLOP/s {of_peak:4.0} %",
            layer.0
        );
    }
    println!("{:14} {:8.3} ms", "all", best.iter().sum::<f64>() * 1e3);
    let prepared: f64 = jobs.iter().map(|(.., prepared)| prepared).sum();
    println!("weights prepared in {:.0} ms", prepared * 1e3);
}
