//! The result of the network benchmark, and its table.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::super::stats::Timings;

/// The result; `--json` writes it as it is.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name of the benchmark.
    pub bench: &'static str,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// Threads on the CPU.
    pub threads: usize,
    /// Stride of conv1_1.
    pub conv1_stride: u8,
    /// Width and height of the pictures.
    pub size: [u32; 2],
    /// Operations of one pair, in 10⁹.
    pub gflop_per_pair: f64,
    /// The fastest that the machine computes, for each precision.
    pub ceilings: Vec<Ceiling>,
    /// The results for each precision and batch.
    pub cases: Vec<Case>,
    /// The logits of the first pair by each network, in the order of the cases: what
    /// other software with the same weights has to compute.
    pub logits: Vec<[f32; 2]>,
    /// Peak memory in bytes.
    pub peak_memory_bytes: u64,
}

/// The peak speed of libtorch on this machine.
#[derive(Clone, Debug, Serialize)]
pub struct Ceiling {
    /// `f32` or `bf16`.
    pub precision: &'static str,
    /// Product of two square matrices, in GFLOP/s.
    pub matmul_gflops: f64,
    /// A 3 × 3 convolution of 256 channels, in GFLOP/s. The CPU's matrix product may use
    /// a library that is slower.
    pub convolution_gflops: f64,
}

/// One precision and batch size.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    /// `l3net` with our own convolutions, `libtorch` with its, or the TorchScript file.
    pub what: String,
    /// `f32` or `bf16`.
    pub precision: &'static str,
    /// Pairs per batch.
    pub batch: usize,
    /// Milliseconds per batch.
    pub ms: Timings,
    /// Moments per second, at the median.
    pub moments_per_second: f64,
    /// GFLOP/s, at the median.
    pub gflops: f64,
    /// Fraction of the higher ceiling of its precision, where measured.
    pub of_ceiling: Option<f64>,
    /// libtorch's time divided by this one's at the same batch and precision, the median
    /// over all runs.
    pub times_as_fast_as_libtorch: Option<f64>,
    /// The TorchScript's time divided by this one's at the same batch, the median over
    /// all runs: above 1, this one is faster.
    pub times_as_fast_as_script: Option<f64>,
}

/// Writes the table.
pub(super) fn table(report: &Report, out: &mut dyn Write) -> std::io::Result<()> {
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
        "\n{:<18} {:>9} {:>6} {:>9} {:>9} {:>9} {:>9} {:>10} {:>8} {:>8} {:>11} {:>9}",
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
        "to libtorch",
        "to script"
    )?;
    for c in &report.cases {
        let name = Path::new(&c.what)
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let times = |ratio: Option<f64>| ratio.map(|r| format!("{r:.2} ×")).unwrap_or_default();
        let (libtorch, script) = (
            times(c.times_as_fast_as_libtorch),
            times(c.times_as_fast_as_script),
        );
        let ceiling = c
            .of_ceiling
            .map(|part| format!("{:.0} %", 100.0 * part))
            .unwrap_or_default();
        writeln!(
            out,
            "{name:<18} {:>9} {:>6} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {:>10.1} {:>8.0} {ceiling:>8} {libtorch:>11} {script:>9}",
            c.precision,
            c.batch,
            c.ms.p50,
            c.ms.p95,
            c.ms.p99,
            c.ms.max,
            c.moments_per_second,
            c.gflops
        )?;
    }
    writeln!(
        out,
        "\npeak memory {:.0} MB",
        report.peak_memory_bytes as f64 / 1e6
    )
}
