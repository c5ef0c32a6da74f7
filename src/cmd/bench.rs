//! `l3net bench`: measures this machine, stage by stage.
//!
//! Belongs here: the list of benchmarks. Does not: pass or fail; the figures are for
//! people, and machines are shared.

pub mod features;
mod jobs;
pub mod stats;
#[cfg(feature = "gst")]
pub mod streams;
pub mod throughput;
pub mod train;

pub(super) use jobs::gflop_per_pair;

/// Measures this machine, stage by stage
#[derive(clap::Args, Debug)]
pub struct BenchArgs {
    /// What to measure
    #[command(subcommand)]
    pub benchmark: Benchmark,
}

/// A benchmark.
#[derive(clap::Subcommand, Debug)]
pub enum Benchmark {
    /// Latency of live streams, from the end of a window to its result
    #[cfg(feature = "gst")]
    Latency(streams::LatencyArgs),
    /// The network alone; with sources, decoding and the network
    Throughput(ThroughputArgs),
    /// The log-spectrogram and the scaling of frames
    Features(features::FeaturesArgs),
    /// A training step without loading
    Train(train::TrainBenchArgs),
}

/// What `bench throughput` measures.
#[derive(clap::Args, Debug)]
pub struct ThroughputArgs {
    /// Files to process as `l3net batch` does; none for the network alone
    #[cfg(feature = "gst")]
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,
    #[command(flatten)]
    network: throughput::NetworkArgs,
}

/// Measures and prints a table, or JSON. Returns whether no source failed.
///
/// # Errors
/// Wrong usage, or why a measurement is not possible.
pub fn run(args: BenchArgs) -> anyhow::Result<bool> {
    let out = &mut std::io::stdout().lock();
    match args.benchmark {
        #[cfg(feature = "gst")]
        Benchmark::Latency(args) => return streams::latency(&args, out),
        #[cfg(feature = "gst")]
        Benchmark::Throughput(args) if !args.sources.is_empty() => {
            return streams::throughput(&args.sources, &args.network, out);
        }
        Benchmark::Throughput(args) => throughput::run(&args.network, out)?,
        Benchmark::Features(args) => features::run(&args, out)?,
        Benchmark::Train(args) => train::run(&args, out)?,
    }
    Ok(true)
}
