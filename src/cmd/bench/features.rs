//! `l3net bench features`: from sound and pictures to the network's input.

use std::convert::Infallible;
use std::hint::black_box;
use std::io::Write;
use std::time::Duration;

use serde::Serialize;

use super::stats::{Timings, run_interleaved};
use crate::cmd::value::choice;
use crate::features::{Crop, FrameScaler, LogSpectrogram};
use crate::picture::Picture;
use crate::time::SAMPLE_RATE;
use crate::window_spec::WindowSpec;

/// Measures the log-spectrogram and the scaling of frames, on one core
#[derive(clap::Args, Debug)]
pub struct FeaturesArgs {
    /// How long to measure
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    pub seconds: f64,
    /// How the picture is looked at
    #[arg(long, value_parser = choice::<Crop>(), default_value = "full")]
    pub crop: Crop,
    /// Write one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// One stage, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// Its name.
    pub stage: String,
    /// Its timings.
    #[serde(flatten)]
    pub ms: Timings,
}

/// Measures and writes to `out`.
///
/// # Errors
/// If `out` cannot be written to.
pub fn run(args: &FeaturesArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let stages = measure(args.crop, Duration::try_from_secs_f64(args.seconds)?);
    if args.json {
        serde_json::to_writer(
            &mut *out,
            &serde_json::json!({ "bench": "features", "stages": stages }),
        )
        .map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        writeln!(
            out,
            "{:<28} {:>8} {:>8} {:>8} {:>8} {:>7}",
            "ms", "p50", "p95", "p99", "max", "runs"
        )?;
        for Stage { stage, ms } in &stages {
            writeln!(
                out,
                "{stage:<28} {:>8.3} {:>8.3} {:>8.3} {:>8.3} {:>7}",
                ms.p50, ms.p95, ms.p99, ms.max, ms.runs
            )?;
        }
    }
    out.flush()?;
    Ok(())
}

fn measure(crop: Crop, budget: Duration) -> Vec<Stage> {
    let pcm: Vec<f32> = (0..WindowSpec::PAPER.window_samples)
        .map(|i| {
            let t = i as f32 / SAMPLE_RATE as f32;
            0.5 * (t * (400.0 + 3000.0 * t)).sin()
        })
        .collect();
    let pictures = [(640, 360), (1280, 720), (1920, 1080), (3840, 2160)].map(|(width, height)| {
        let rgb = (0..width * height * 3).map(|i| (i % 251) as u8).collect();
        Picture { width, height, rgb }
    });
    let mut spectrogram = LogSpectrogram::new(WindowSpec::PAPER);
    let mut values = vec![0.0; WindowSpec::PAPER.spectrogram_len()];
    let mut names = vec!["log-spectrogram of 1 s".to_owned()];
    let mut jobs: Vec<Box<dyn FnMut() -> Result<(), Infallible> + '_>> = vec![Box::new(|| {
        spectrogram.write(black_box(&pcm), &mut values);
        Ok(())
    })];
    for picture in &pictures {
        let mut scaler = FrameScaler::new(crop);
        names.push(format!("frame of {} × {}", picture.width, picture.height));
        jobs.push(Box::new(move || {
            black_box(scaler.scale(black_box(picture)));
            Ok(())
        }));
    }
    let Ok(times) = run_interleaved(&mut jobs, budget, 20);
    names
        .into_iter()
        .zip(times)
        .map(|(stage, times)| Stage {
            stage,
            ms: Timings::of(&times),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_every_stage() -> anyhow::Result<()> {
        let args = FeaturesArgs {
            seconds: 0.0,
            crop: Crop::Center,
            json: true,
        };
        let mut out = Vec::new();
        run(&args, &mut out)?;
        let value: serde_json::Value = serde_json::from_slice(&out)?;
        let stages = value["stages"].as_array().map(Vec::len);
        assert_eq!(stages, Some(5));
        assert!(value["stages"][0]["p50"].as_f64() > Some(0.0));
        assert_eq!(value["stages"][4]["stage"], "frame of 3840 × 2160");
        Ok(())
    }
}
