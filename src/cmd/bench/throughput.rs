//! `l3net bench throughput --network`: moments a second of the network alone,
//! beside what the machine can do at most.

use std::hint::black_box;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use tch::{CModule, Kind, Tensor};

use super::stats::{Timings, by_turns, peak_memory};
use crate::features::{BINS, FRAMES, Features, SPECTROGRAM_LEN, View};
use crate::net::{
    Conv1Stride, Device, HeatmapKind, L3Net, NetInfo, NetOptions, Precision, Weights,
};

/// How the network is measured.
#[derive(clap::Args, Debug)]
pub struct NetworkArgs {
    /// The model; its values do not matter for the speed
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Where to run: auto, cpu or cuda[:N]
    #[arg(long, default_value = "auto")]
    pub device: Device,
    /// auto, f32 or bf16; several with commas are measured by turns
    #[arg(long, value_delimiter = ',', default_value = "auto")]
    pub precision: Vec<Precision>,
    /// Threads on the CPU; all of its cores if not given
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Pairs judged at a time; several with commas
    #[arg(long, value_delimiter = ',', default_value = "1,4,16")]
    pub batch: Vec<usize>,
    /// Size of the picture, as WIDTHxHEIGHT
    #[arg(long, default_value = "224x224", value_parser = parse_size)]
    pub size: (u32, u32),
    /// How long to measure
    #[arg(long, value_name = "SECONDS", default_value_t = 20.0)]
    pub seconds: f64,
    /// A TorchScript file of the same network (benches/torchscript.py), by turns
    #[arg(long, value_name = "FILE.pt")]
    pub against: Option<PathBuf>,
    /// Write one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// What was found; `--json` writes it as it is.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What this is.
    pub bench: &'static str,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// Threads on the CPU.
    pub threads: usize,
    /// Stride of conv1_1.
    pub conv1_stride: u8,
    /// Width and height of the pictures.
    pub size: [u32; 2],
    /// Arithmetic in one pair.
    pub gflop_per_pair: f64,
    /// The most that the machine does, for each precision.
    pub ceilings: Vec<Ceiling>,
    /// The network, for each precision and batch.
    pub cases: Vec<Case>,
    /// The most memory held, in bytes.
    pub peak_memory_bytes: u64,
}

/// How fast libtorch is at its best on this machine.
#[derive(Clone, Debug, Serialize)]
pub struct Ceiling {
    /// `f32` or `bf16`.
    pub precision: &'static str,
    /// Product of two square matrices, in GFLOP/s.
    pub matmul_gflops: f64,
    /// A 3 × 3 convolution of 256 channels, in GFLOP/s. The CPU's matrix product
    /// may go through another library that uses less of the machine.
    pub convolution_gflops: f64,
}

/// One precision and batch size.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    /// `l3net`, or the TorchScript file.
    pub what: String,
    /// `f32` or `bf16`.
    pub precision: &'static str,
    /// Pairs at a time.
    pub batch: usize,
    /// Milliseconds a batch.
    pub ms: Timings,
    /// Moments a second, at the median.
    pub moments_per_second: f64,
    /// GFLOP/s, at the median.
    pub gflops: f64,
    /// Part of the higher ceiling of its precision.
    pub of_ceiling: f64,
    /// The TorchScript's median time over this one's, at the same batch: above 1,
    /// this one is faster.
    pub times_as_fast_as_script: Option<f64>,
}

type Job<'a> = Box<dyn FnMut() -> anyhow::Result<()> + 'a>;

/// Measures and writes to `out`.
///
/// # Errors
/// If the model, the device or the TorchScript cannot be had, or `out` cannot be
/// written to.
pub fn run(args: &NetworkArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let report = measure(args)?;
    if args.json {
        serde_json::to_writer(&mut *out, &report).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        table(&report, out)?;
    }
    out.flush()?;
    Ok(())
}

/// Measures the network, the ceilings and the TorchScript by turns.
///
/// # Errors
/// If the model, the device or the TorchScript cannot be had.
pub fn measure(args: &NetworkArgs) -> anyhow::Result<Report> {
    if args.batch.contains(&0) {
        bail!("--batch 0: a batch has one pair at least");
    }
    let weights = Weights::open(args.model.as_deref())?;
    let nets = args
        .precision
        .iter()
        .map(|&precision| {
            let options = NetOptions {
                device: args.device,
                precision,
                threads: args.threads,
            };
            L3Net::new(&weights, &options)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let Some(first) = nets.first().map(L3Net::describe) else {
        bail!("--precision: none given");
    };
    let largest = args.batch.iter().copied().max().unwrap_or(1);
    let features: Vec<Features> = (0..largest).map(|i| pair(i, args.size)).collect();
    let pairs: Vec<&Features> = features.iter().collect();
    // Puts the number of threads in place for the ceilings and the script too.
    nets[0].judge(&pairs[..1], HeatmapKind::Gradient)?;

    let script = args
        .against
        .as_deref()
        .map(|file| load(file, first))
        .transpose()?;
    let mut jobs: Vec<Job<'_>> = Vec::new();
    for net in &nets {
        let info = net.describe();
        jobs.push(matmul(info));
        jobs.push(convolution(info));
        for &batch in &args.batch {
            let pairs = &pairs[..batch];
            jobs.push(Box::new(move || {
                net.judge(pairs, HeatmapKind::Gradient)?;
                Ok(())
            }));
        }
    }
    if let (Some(script), Some(file)) = (&script, &args.against) {
        for &batch in &args.batch {
            jobs.push(against(script, file, first, &pairs[..batch])?);
        }
    }
    let least = if args.seconds > 0.0 { 5 } else { 1 };
    let times = by_turns(&mut jobs, Duration::try_from_secs_f64(args.seconds)?, least)?;
    drop(jobs);

    let mut times = times.iter().map(|t| Timings::of(t));
    let mut next = || times.next().unwrap_or_else(|| Timings::of(&[]));
    let gflop_per_pair = gflop_per_pair(weights.conv1_stride(), args.size);
    let (mut ceilings, mut cases) = (Vec::new(), Vec::new());
    for net in &nets {
        let info = net.describe();
        let ceiling = Ceiling {
            precision: info.precision_name(),
            matmul_gflops: matmul_gflop(info) / next().p50 * 1e3,
            convolution_gflops: convolution_gflop(info) / next().p50 * 1e3,
        };
        for &batch in &args.batch {
            cases.push(Case::new(
                "l3net".to_owned(),
                &ceiling,
                batch,
                next(),
                gflop_per_pair,
            ));
        }
        ceilings.push(ceiling);
    }
    if let Some(file) = &args.against {
        // A script computes in what it was exported in: f32, as benches/torchscript.py does.
        let f32 = ceilings
            .iter()
            .find(|c| c.precision == "f32")
            .unwrap_or(&ceilings[0])
            .clone();
        let f32 = Ceiling {
            precision: "f32",
            ..f32
        };
        let what = file.display().to_string();
        let scripts: Vec<Case> = args
            .batch
            .iter()
            .map(|&batch| Case::new(what.clone(), &f32, batch, next(), gflop_per_pair))
            .collect();
        for case in &mut cases {
            let script = scripts.iter().find(|s| s.batch == case.batch);
            case.times_as_fast_as_script = script.map(|s| s.ms.p50 / case.ms.p50);
        }
        cases.extend(scripts);
    }
    Ok(Report {
        bench: "throughput",
        device: first.device_name(),
        threads: first.threads,
        conv1_stride: weights.conv1_stride().get(),
        size: [args.size.0, args.size.1],
        gflop_per_pair,
        ceilings,
        cases,
        peak_memory_bytes: peak_memory(),
    })
}

impl Case {
    fn new(what: String, ceiling: &Ceiling, batch: usize, ms: Timings, gflop: f64) -> Self {
        let per_second = batch as f64 / ms.p50 * 1e3;
        let gflops = per_second * gflop;
        Self {
            what,
            precision: ceiling.precision,
            batch,
            ms,
            moments_per_second: per_second,
            gflops,
            of_ceiling: gflops / ceiling.matmul_gflops.max(ceiling.convolution_gflops),
            times_as_fast_as_script: None,
        }
    }
}

fn table(report: &Report, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(
        out,
        "{}, {} threads, conv1_stride {}, {} × {}: {:.2} GFLOP a pair",
        report.device,
        report.threads,
        report.conv1_stride,
        report.size[0],
        report.size[1],
        report.gflop_per_pair
    )?;
    for c in &report.ceilings {
        writeln!(
            out,
            "ceiling in {}: {:.0} GFLOP/s (matrix product {:.0}, convolution {:.0})",
            c.precision,
            c.matmul_gflops.max(c.convolution_gflops),
            c.matmul_gflops,
            c.convolution_gflops
        )?;
    }
    writeln!(
        out,
        "\n{:<10} {:>9} {:>6} {:>9} {:>9} {:>9} {:>9} {:>10} {:>8} {:>8} {:>9}",
        "",
        "precision",
        "batch",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "max ms",
        "moments/s",
        "GFLOP/s",
        "ceiling",
        "to script"
    )?;
    for c in &report.cases {
        let name = Path::new(&c.what)
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let ratio = c
            .times_as_fast_as_script
            .map(|r| format!("{r:.2} ×"))
            .unwrap_or_default();
        writeln!(
            out,
            "{name:<10} {:>9} {:>6} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {:>10.1} {:>8.0} {:>6.0} % {ratio:>9}",
            c.precision,
            c.batch,
            c.ms.p50,
            c.ms.p95,
            c.ms.p99,
            c.ms.max,
            c.moments_per_second,
            c.gflops,
            100.0 * c.of_ceiling
        )?;
    }
    writeln!(
        out,
        "\npeak memory {:.0} MB",
        report.peak_memory_bytes as f64 / 1e6
    )
}

/// Multiplications and additions of one pair, in 10⁹.
fn gflop_per_pair(stride: Conv1Stride, (width, height): (u32, u32)) -> f64 {
    let trunk = |channels_in: f64, width: u64, height: u64| {
        let stride = u64::from(stride.get());
        let (mut w, mut h) = (width.div_ceil(stride), height.div_ceil(stride));
        let (mut sum, mut channels_in) = (0.0, channels_in);
        for channels in [64.0, 128.0, 256.0, 512.0] {
            sum += 18.0 * (w * h) as f64 * channels * (channels_in + channels);
            (w, h, channels_in) = (w / 2, h / 2, channels);
        }
        sum
    };
    let fusion = 2.0 * (1024.0 * 128.0 + 128.0 * 2.0);
    let vision = trunk(3.0, width.into(), height.into());
    (vision + trunk(1.0, FRAMES as u64, BINS as u64) + fusion) / 1e9
}

/// A pair of made-up values; oneDNN and cuDNN do not look at them.
fn pair(seed: usize, (width, height): (u32, u32)) -> Features {
    Features {
        spectrogram: (0..SPECTROGRAM_LEN)
            .map(|i| ((i * 31 + seed) % 997) as f32 / 500.0 - 1.5)
            .collect(),
        image: (0..width as usize * height as usize * 3)
            .map(|i| ((i * 7 + seed) % 251) as u8)
            .collect(),
        image_width: width,
        image_height: height,
        view: View::whole(width, height),
    }
}

fn side(info: &NetInfo) -> i64 {
    if info.device.is_cuda() { 8192 } else { 1024 }
}

fn matmul_gflop(info: &NetInfo) -> f64 {
    2.0 * (side(info) as f64).powi(3) / 1e9
}

fn matmul(info: &NetInfo) -> Job<'static> {
    let options = (Kind::Float, info.device);
    let a = Tensor::rand([side(info); 2], options).to_kind(info.kind);
    let device = info.device;
    Box::new(move || {
        drop(black_box(a.f_matmul(&a)?));
        wait(device);
        Ok(())
    })
}

/// Batch of the convolution that is the other ceiling, over 28 × 28 places.
fn images(info: &NetInfo) -> i64 {
    if info.device.is_cuda() { 256 } else { 4 }
}

fn convolution_gflop(info: &NetInfo) -> f64 {
    18.0 * images(info) as f64 * 28.0 * 28.0 * 256.0 * 256.0 / 1e9
}

fn convolution(info: &NetInfo) -> Job<'static> {
    let options = (Kind::Float, info.device);
    let (kind, device) = (info.kind, info.device);
    let channels_last = |n, side| {
        Tensor::rand([n, side, side, 256], options)
            .to_kind(kind)
            .permute([0, 3, 1, 2])
    };
    let (x, weight) = (channels_last(images(info), 28), channels_last(256, 3));
    Box::new(move || {
        drop(black_box(x.f_conv2d(
            &weight,
            None::<Tensor>,
            [1, 1],
            [1, 1],
            [1, 1],
            1,
        )?));
        wait(device);
        Ok(())
    })
}

/// Kernels of a GPU are done later than their calls.
fn wait(device: tch::Device) {
    if let tch::Device::Cuda(n) = device {
        tch::Cuda::synchronize(n as i64);
    }
}

fn load(file: &Path, info: &NetInfo) -> anyhow::Result<CModule> {
    CModule::load_on_device(file, info.device)
        .map_err(|e| anyhow::anyhow!("{}", e.to_string().lines().next().unwrap_or_default()))
        .with_context(|| format!("{}: no TorchScript", file.display()))
}

/// The script takes (picture [B, 3, h, w], spectrogram [B, 1, 257, 199]) in f32
/// and gives the logits. Its inputs are on the device already, and it computes no
/// heatmaps: the comparison is in its favour.
fn against<'a>(
    script: &'a CModule,
    file: &Path,
    info: &NetInfo,
    pairs: &[&Features],
) -> anyhow::Result<Job<'a>> {
    let (b, device) = (pairs.len() as i64, info.device);
    let (w, h) = (
        i64::from(pairs[0].image_width),
        i64::from(pairs[0].image_height),
    );
    let bytes: Vec<u8> = pairs.iter().flat_map(|f| f.image.iter().copied()).collect();
    let sound: Vec<f32> = pairs
        .iter()
        .flat_map(|f| f.spectrogram.iter().copied())
        .collect();
    let picture = Tensor::f_from_slice(&bytes)?
        .f_reshape([b, h, w, 3])?
        .f_to(device)?
        .f_permute([0, 3, 1, 2])?
        .f_to_kind(Kind::Float)?
        .f_mul_scalar(1.0 / 127.5)?
        .f_sub_scalar(1.0)?;
    let sound = Tensor::f_from_slice(&sound)?.f_reshape([b, 1, BINS as i64, FRAMES as i64])?;
    let inputs = [picture, sound.f_to(device)?];
    let _guard = tch::no_grad_guard();
    let logits = script.forward_ts(&inputs)?;
    if logits.size() != [b, 2] {
        bail!(
            "{}: gives {:?}, not the logits [{b}, 2]",
            file.display(),
            logits.size()
        );
    }
    Ok(Box::new(move || {
        let _guard = tch::no_grad_guard();
        drop(black_box(
            script.forward_ts(&inputs)?.f_to(tch::Device::Cpu)?,
        ));
        Ok(())
    }))
}

fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let sides = text
        .split_once('x')
        .and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    match sides {
        Some((w, h)) if (16..=4096).contains(&w) && (16..=4096).contains(&h) => Ok((w, h)),
        _ => Err(format!(
            "a size is WIDTHxHEIGHT, each from 16 to 4096, not {text}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_of_a_pair_is_that_of_the_paper() {
        let at = |stride| gflop_per_pair(stride, (224, 224));
        assert!(
            (at(Conv1Stride::Two) - 10.29).abs() < 0.005,
            "{}",
            at(Conv1Stride::Two)
        );
        assert!(
            (at(Conv1Stride::One) - 40.94).abs() < 0.005,
            "{}",
            at(Conv1Stride::One)
        );
    }

    #[test]
    fn sizes_are_two_numbers() {
        assert_eq!(parse_size("455x256"), Ok((455, 256)));
        for wrong in ["", "224", "224x", "0x10", "8x8", "224x224x3", "9999x32"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_precision_and_batch_is_measured() -> anyhow::Result<()> {
        let report = measure(&NetworkArgs {
            model: None,
            device: Device::Cpu,
            precision: vec![Precision::F32, Precision::Bf16],
            threads: Some(1),
            batch: vec![1, 2],
            size: (32, 32),
            seconds: 0.0,
            against: None,
            json: false,
        })?;
        let cases: Vec<_> = report
            .cases
            .iter()
            .map(|c| (c.precision, c.batch))
            .collect();
        assert_eq!(cases, [("f32", 1), ("f32", 2), ("bf16", 1), ("bf16", 2)]);
        assert!(
            report
                .cases
                .iter()
                .all(|c| c.gflops > 0.0 && c.ms.runs == 1)
        );
        assert_eq!(report.ceilings.len(), 2);
        let mut out = Vec::new();
        table(&report, &mut out)?;
        assert_eq!(String::from_utf8(out)?.lines().count(), 11);
        Ok(())
    }

    #[test]
    fn a_script_that_is_none_is_named() {
        let info = NetInfo {
            device: tch::Device::Cpu,
            kind: Kind::Float,
            threads: 1,
            conv1_stride: Conv1Stride::Two,
            trained: false,
        };
        let error = load(Path::new("no-such.pt"), &info).expect_err("no file");
        assert!(
            format!("{error:#}").starts_with("no-such.pt: no TorchScript"),
            "{error:#}"
        );
    }
}
