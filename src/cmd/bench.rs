//! `l3net bench`: how fast this machine is, stage by stage.
//!
//! Belongs here: which benches there are. Does not: pass or fail; figures are
//! for people, and machines are shared.

pub mod features;
mod jobs;
pub mod stats;
#[cfg(feature = "gst")]
pub mod streams;
pub mod throughput;
pub mod train;

/// Measures this machine, stage by stage
#[derive(clap::Args, Debug)]
pub struct BenchArgs {
    /// What to measure
    #[command(subcommand)]
    pub what: What,
}

/// The benches.
#[derive(clap::Subcommand, Debug)]
pub enum What {
    /// A live stream from the last sound of a window to its result
    #[cfg(feature = "gst")]
    Latency(streams::LatencyArgs),
    /// The network alone; with sources, decoding and network together
    Throughput(ThroughputArgs),
    /// The log-spectrogram and the scaling of frames
    Features(features::FeaturesArgs),
    /// A step of training, loading apart
    Train(train::TrainBenchArgs),
}

/// What `bench throughput` measures.
#[derive(clap::Args, Debug)]
pub struct ThroughputArgs {
    /// Files to go through, as `l3net batch` does; none for the network alone
    #[cfg(feature = "gst")]
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,
    #[command(flatten)]
    network: throughput::NetworkArgs,
}

/// Measures and prints a table, or JSON. True if all that was to be measured was.
///
/// # Errors
/// Wrong usage, or what cannot be measured here and why.
pub fn run(args: BenchArgs) -> anyhow::Result<bool> {
    let out = &mut std::io::stdout().lock();
    match args.what {
        #[cfg(feature = "gst")]
        What::Latency(args) => return streams::latency(&args, out),
        #[cfg(feature = "gst")]
        What::Throughput(args) if !args.sources.is_empty() => {
            return streams::throughput(&args.sources, &args.network, out);
        }
        What::Throughput(args) => throughput::run(&args.network, out)?,
        What::Features(args) => features::run(&args, out)?,
        What::Train(args) => train::run(&args, out)?,
    }
    Ok(true)
}
