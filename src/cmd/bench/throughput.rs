//! `l3net bench throughput` without sources: moments per second of the network alone,
//! compared with the most that the machine can compute.

mod report;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;

use self::report::table;
pub use self::report::{Case, Ceiling, Report};
use super::jobs::{
    Job, convolution, convolution_gflop, gflop_per_pair, load, matmul, matmul_gflop, pair,
    show_another, torchscript,
};
use super::stats::{Timings, peak_memory, run_interleaved};
use crate::features::Features;
use crate::net::{
    Convolutions, Device, HeatmapKind, L3Net, NetInfo, NetOptions, Precision, Weights,
};

/// Options of the network benchmark.
#[derive(clap::Args, Debug)]
pub struct NetworkArgs {
    /// Model; its values do not affect the speed
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Device: auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    pub device: Device,
    /// auto, f32 or bf16; several with commas are measured in turn
    #[arg(long, value_delimiter = ',', default_value = "auto")]
    pub precision: Vec<Precision>,
    /// Who computes the convolutions: auto (our own in f32 on the CPU) or libtorch;
    /// several with commas are measured in turn
    #[arg(long, value_delimiter = ',', default_value = "auto")]
    pub convolutions: Vec<Convolutions>,
    /// Threads on the CPU; by default all of its cores
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Pairs per batch; several with commas
    #[arg(long, value_delimiter = ',', default_value = "1,4,16")]
    pub batch: Vec<usize>,
    /// Size of the picture as WIDTHxHEIGHT
    #[arg(long, default_value = "224x224", value_parser = parse_size)]
    pub size: (u32, u32),
    /// How long to measure
    #[arg(long, value_name = "SECONDS", default_value_t = 20.0)]
    pub seconds: f64,
    /// TorchScript of the same network (benches/torchscript.py) to compare with
    #[arg(long, value_name = "FILE.pt")]
    pub against: Option<PathBuf>,
    /// Write one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Measures and writes to `out`.
///
/// # Errors
/// If the model, the device or the TorchScript is not available, or `out` cannot be
/// written.
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

/// Measures the network, the ceilings and the TorchScript in turn.
///
/// # Errors
/// If the model, the device or the TorchScript is not available.
pub fn measure(args: &NetworkArgs) -> anyhow::Result<Report> {
    if args.batch.contains(&0) {
        bail!("--batch 0: a batch has at least one pair");
    }
    let weights = Weights::open(args.model.as_deref())?;
    weights.check_judges()?;
    let mut nets: Vec<L3Net> = Vec::new();
    for &precision in &args.precision {
        for &convolutions in &args.convolutions {
            let options = NetOptions {
                device: args.device,
                precision,
                threads: args.threads,
                convolutions,
            };
            let net = L3Net::new(&weights, &options)?;
            // In bf16 and on a GPU both are libtorch's.
            if nets.iter().all(|n| n.describe() != net.describe()) {
                nets.push(net);
            }
        }
    }
    let Some(first) = nets.first().map(L3Net::describe) else {
        bail!("--precision or --convolutions: none given");
    };
    let largest = args.batch.iter().copied().max().unwrap_or(1);
    let features: Vec<Features> = (0..largest)
        .map(|i| pair(i, weights.spec(), args.size))
        .collect();
    let pairs: Vec<&Features> = features.iter().collect();
    // The first also puts the number of threads in place for the ceilings and the script.
    let mut logits = Vec::new();
    for net in &nets {
        let judged = net.judge(&pairs[..1], HeatmapKind::Gradient)?;
        logits.extend(judged.first().map(|judged| judged.logits));
    }

    let file = args.against.as_deref();
    let script = file.map(|file| load(file, first)).transpose()?;
    let mut timed = Vec::new();
    let mut jobs: Vec<Job<'_>> = Vec::new();
    for net in &nets {
        let info = net.describe();
        let precision = info.precision_name();
        if !timed.contains(&Timed::Matmul(precision)) {
            timed.extend([Timed::Matmul(precision), Timed::Convolution(precision)]);
            jobs.extend([matmul(info), convolution(info)]);
        }
        for &batch in &args.batch {
            let mut pairs = features[..batch].to_vec();
            timed.push(Timed::Net(precision, info.own_convolutions, batch));
            jobs.push(Box::new(move || {
                pairs.iter_mut().for_each(show_another);
                let pairs: Vec<&Features> = pairs.iter().collect();
                net.judge(&pairs, HeatmapKind::Gradient)?;
                Ok(())
            }));
        }
    }
    for (script, file) in script.iter().zip(file) {
        for &batch in &args.batch {
            timed.push(Timed::Script(batch));
            jobs.push(torchscript(script, file, first, &pairs[..batch])?);
        }
    }
    let min_runs = if args.seconds > 0.0 { 5 } else { 1 };
    let budget = Duration::try_from_secs_f64(args.seconds)?;
    let measured = Measured {
        times: run_interleaved(&mut jobs, budget, min_runs)?,
        timed,
    };
    drop(jobs);

    let gflop = gflop_per_pair(weights.spec(), weights.conv1_stride(), args.size);
    let mut ceilings: Vec<Ceiling> = Vec::new();
    for info in nets.iter().map(L3Net::describe) {
        if (ceilings.iter()).all(|c| c.precision != info.precision_name()) {
            ceilings.push(measured.ceiling(info));
        }
    }
    let cases = measured
        .timed
        .iter()
        .filter_map(|&what| measured.case(what, file, &ceilings, gflop));
    Ok(Report {
        bench: "throughput",
        device: first.device_name(),
        threads: first.threads,
        conv1_stride: weights.conv1_stride().get(),
        size: [args.size.0, args.size.1],
        gflop_per_pair: gflop,
        cases: cases.collect(),
        logits,
        ceilings,
        peak_memory_bytes: peak_memory(),
    })
}

/// What a job measures; precisions by name, the network also by whether its convolutions
/// are our own.
#[derive(Clone, Copy, PartialEq)]
enum Timed {
    Matmul(&'static str),
    Convolution(&'static str),
    Net(&'static str, bool, usize),
    Script(usize),
}

/// The times of all jobs, run by run.
struct Measured {
    timed: Vec<Timed>,
    times: Vec<Vec<Duration>>,
}

impl Measured {
    fn times(&self, what: Timed) -> &[Duration] {
        let place = self.timed.iter().position(|&t| t == what);
        place
            .and_then(|i| self.times.get(i))
            .map_or(&[], Vec::as_slice)
    }

    fn p50(&self, what: Timed) -> f64 {
        Timings::of(self.times(what)).p50
    }

    fn ceiling(&self, info: &NetInfo) -> Ceiling {
        let precision = info.precision_name();
        let per_second = |gflop: f64, what| gflop / self.p50(what) * 1e3;
        Ceiling {
            precision,
            matmul_gflops: per_second(matmul_gflop(info), Timed::Matmul(precision)),
            convolution_gflops: per_second(convolution_gflop(info), Timed::Convolution(precision)),
        }
    }

    fn case(
        &self,
        what: Timed,
        script: Option<&Path>,
        ceilings: &[Ceiling],
        gflop: f64,
    ) -> Option<Case> {
        let (name, precision, batch) = match what {
            Timed::Net(precision, true, batch) => ("l3net".to_owned(), precision, batch),
            Timed::Net(precision, false, batch) => ("libtorch".to_owned(), precision, batch),
            // As benches/torchscript.py exports it.
            Timed::Script(batch) => (script?.display().to_string(), "f32", batch),
            Timed::Matmul(_) | Timed::Convolution(_) => return None,
        };
        let ms = Timings::of(self.times(what));
        let moments_per_second = batch as f64 / ms.p50 * 1e3;
        let gflops = moments_per_second * gflop;
        // Ours multiplies less than the convolution by definition, which is what is counted.
        let is_own = matches!(what, Timed::Net(_, true, _));
        let ceiling = ceilings
            .iter()
            .find(|c| c.precision == precision && !is_own);
        Some(Case {
            what: name,
            precision,
            batch,
            ms,
            moments_per_second,
            gflops,
            of_ceiling: ceiling.map(|c| gflops / c.matmul_gflops.max(c.convolution_gflops)),
            times_as_fast_as_libtorch: match what {
                Timed::Net(precision, true, batch) => {
                    let libtorch = Timed::Net(precision, false, batch);
                    median_ratio(self.times(libtorch), self.times(what))
                }
                _ => None,
            },
            times_as_fast_as_script: match what {
                Timed::Net(..) => median_ratio(self.times(Timed::Script(batch)), self.times(what)),
                _ => None,
            },
        })
    }
}

/// The median of `a / b` run by run: other load on the machine slows both and cancels.
fn median_ratio(a: &[Duration], b: &[Duration]) -> Option<f64> {
    let mut ratios: Vec<f64> = a
        .iter()
        .zip(b)
        .map(|(a, b)| a.as_secs_f64() / b.as_secs_f64())
        .collect();
    ratios.sort_unstable_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied()
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
    fn sizes_are_two_numbers() {
        assert_eq!(parse_size("455x256"), Ok((455, 256)));
        for wrong in ["", "224", "224x", "0x10", "8x8", "224x224x3", "9999x32"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ratios_are_taken_run_by_run() {
        let ms = |values: [u64; 3]| values.map(Duration::from_millis);
        // The machine slows down fivefold; the ratio stays.
        assert_eq!(
            median_ratio(&ms([20, 40, 100]), &ms([10, 20, 50])),
            Some(2.0)
        );
        assert_eq!(median_ratio(&[], &ms([1, 1, 1])), None);
    }

    #[test]
    fn every_precision_and_batch_is_measured() -> anyhow::Result<()> {
        let report = measure(&NetworkArgs {
            model: None,
            device: Device::Cpu,
            precision: vec![Precision::F32, Precision::Bf16],
            convolutions: vec![Convolutions::Auto, Convolutions::Libtorch],
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
            .map(|c| (c.what.as_str(), c.precision, c.batch))
            .collect();
        let expected = [
            ("l3net", "f32", 1),
            ("l3net", "f32", 2),
            ("libtorch", "f32", 1),
            ("libtorch", "f32", 2),
            ("libtorch", "bf16", 1),
            ("libtorch", "bf16", 2),
        ];
        assert_eq!(cases, expected);
        let compared = |c: &&Case| c.times_as_fast_as_libtorch.is_some();
        assert_eq!(report.cases.iter().filter(compared).count(), 2);
        assert!(
            report
                .cases
                .iter()
                .all(|c| c.gflops > 0.0 && c.ms.runs == 1)
        );
        assert_eq!(report.ceilings.len(), 2);
        let mut out = Vec::new();
        table(&report, &mut out)?;
        assert_eq!(String::from_utf8(out)?.lines().count(), 13);
        Ok(())
    }
}
