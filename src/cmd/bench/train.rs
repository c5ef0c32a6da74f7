//! `l3net bench train`: a training step without loading.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use super::stats::{Timings, run_interleaved};
use crate::cmd::common::ComputeArgs;
use crate::net::{Conv1Stride, Weights, precision_name};
use crate::train::{Adam, Batch, BatchPair, Network, Objective, keep_freed_memory};

/// Measures a training step: forward, backward, Adam
#[derive(clap::Args, Debug)]
pub struct TrainBenchArgs {
    /// Pictures and sounds per step
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(2..))]
    pub batch: u32,
    /// Steps to measure, after two warm-up steps
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: u32,
    /// Device and precision
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// Write one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Measures and writes to `out`.
///
/// # Errors
/// If the device is not available or short of memory, or `out` cannot be written.
pub fn run(args: &TrainBenchArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let device = args.compute.device.resolve()?;
    let kind = args.compute.precision.resolve(device);
    let threads = args.compute.threads();
    keep_freed_memory();
    tch::set_num_threads(i32::try_from(threads)?);
    let weights = Weights::initial(0, Conv1Stride::Two);
    let mut network = Network::new(
        &weights,
        &BTreeMap::new(),
        Objective::default(),
        device,
        kind,
    )?;
    let mut adam = Adam::new(network.parameters().vector(), 1e-5)?;
    let batch = random_batch(args.batch);
    let trainable = network.parameters().trainable();
    let mut step = || -> Result<(), tch::TchError> {
        // Reading the score waits for the device, so the step is over when this returns.
        let gradient = network.gradient(&batch)?.gradient;
        let parameters = network.parameters();
        adam.step(parameters.vector(), &gradient, &trainable, 1e-4)?;
        parameters.sync()
    };
    let mut jobs: [Box<dyn FnMut() -> Result<(), tch::TchError>>; 1] = [Box::new(&mut step)];
    let times = run_interleaved(&mut jobs, Duration::ZERO, args.steps as usize)?;
    let ms = Timings::of(&times[0]);
    let pair = ms.p50 / f64::from(args.batch);
    let precision = precision_name(kind);
    if args.json {
        let report = serde_json::json!({
            "bench": "train", "batch": args.batch, "threads": threads, "precision": precision,
            "device": format!("{device:?}"), "step_ms": ms, "pair_ms": pair,
        });
        writeln!(out, "{report}")?;
    } else {
        writeln!(
            out,
            "training, {precision}, batch {}, {threads} threads, {device:?}",
            args.batch
        )?;
        writeln!(
            out,
            "step  {:>9.1} ms   (p95 {:.1}, {} runs)",
            ms.p50, ms.p95, ms.runs
        )?;
        writeln!(out, "pair  {pair:>9.2} ms   {:.1} pairs/s", 1e3 / pair)?;
    }
    out.flush()?;
    Ok(())
}

/// Noise, half of which corresponds; the time does not depend on the values.
fn random_batch(rows: u32) -> Batch {
    use rand::RngExt;
    let mut rng = crate::corpus::rng(0, 0, 0);
    let side = 224;
    Batch {
        side,
        images: (0..rows * side * side * 3).map(|_| rng.random()).collect(),
        spectrograms: (0..rows as usize * crate::window_spec::WindowSpec::PAPER.spectrogram_len())
            .map(|_| rng.random_range(-1.84..0.5))
            .collect(),
        pairs: (0..rows)
            .map(|row| BatchPair {
                image: row,
                sound: row,
                corresponds: row % 2 == 0,
                weight: 1.0 / rows as f32,
            })
            .collect(),
        origins: vec![String::new(); rows as usize],
        ..Batch::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Device, Precision};

    #[test]
    fn json_tells_what_was_measured() -> anyhow::Result<()> {
        let args = TrainBenchArgs {
            batch: 2,
            steps: 1,
            compute: ComputeArgs {
                device: Device::Cpu,
                precision: Precision::F32,
                threads: None,
            },
            json: true,
        };
        let mut out = Vec::new();
        run(&args, &mut out)?;
        let value: serde_json::Value = serde_json::from_slice(&out)?;
        assert_eq!(value["precision"], "f32");
        assert!(value["pair_ms"].as_f64() > Some(0.0));
        Ok(())
    }
}
