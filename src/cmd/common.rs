//! What the commands share: options of the network, the log, signals, usage errors.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam_channel::Sender;

use super::log::{self, LogFormat};
use super::signals::{self, Wish};
use super::value::choice;
use crate::cancel::CancelToken;
use crate::cores::cores;
use crate::exit;
use crate::features::Crop;
use crate::file_error::FileError;
use crate::net::{Device, HeatmapKind, L3Net, ModelError, NetOptions, Precision, Weights};
use crate::sink::SinkError;
use crate::time::Hop;

/// Wrong usage: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

impl Usage {
    /// Wrong usage, as an error of a command.
    pub fn error(text: impl ToString) -> anyhow::Error {
        anyhow::Error::new(Self(text.to_string()))
    }
}

/// Whether an error only means that the reader of stdout has gone (`l3net … | head`).
pub fn reader_has_gone(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<SinkError>()
            .is_some_and(SinkError::is_closed)
            || cause
                .downcast_ref::<FileError>()
                .is_some_and(FileError::is_closed)
            || cause
                .downcast_ref::<io::Error>()
                .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Exit code of a program that a second Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// How long streams and sinks may take to close after the first signal.
pub const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// How long it may take to say that a run did not close.
const MESSAGE_TIMEOUT: Duration = Duration::from_millis(200);

/// The first Ctrl-C, SIGTERM or SIGHUP cancels the run; a second one exits at once. Those
/// that the program was started to ignore (`nohup`) stay ignored.
///
/// # Errors
/// If the system refuses the signal handler.
pub fn cancel_on_signal() -> anyhow::Result<CancelToken> {
    on_signal(None, || {})
}

/// The same, and exits after [`CLOSE_WITHIN`] even if something hangs (a sink, a driver,
/// a file system).
///
/// # Errors
/// If the system refuses the signal handler.
pub fn cancel_on_signal_in_time() -> anyhow::Result<CancelToken> {
    cancel_or_reload(None)
}

/// The same; with `reload`, SIGHUP is passed on to it instead, unless the terminal has gone.
///
/// # Errors
/// If the system refuses the signal handler.
pub fn cancel_or_reload(reload: Option<Sender<()>>) -> anyhow::Result<CancelToken> {
    on_signal(reload, || {
        let watchdog = || {
            std::thread::sleep(CLOSE_WITHIN);
            // Not on this thread: a terminal that is held would keep it for ever.
            let message = std::thread::Builder::new().spawn(|| {
                say(&format!(
                    "l3net: not closed after {} s: a source, a disk or a reader hangs; exiting. \
                     What was written is kept",
                    CLOSE_WITHIN.as_secs()
                ));
            });
            std::thread::sleep(MESSAGE_TIMEOUT);
            drop(message);
            exit::immediately(1);
        };
        // If no thread can be started, a hung run needs a second signal.
        let _ = std::thread::Builder::new().spawn(watchdog);
    })
}

fn on_signal(
    reload: Option<Sender<()>>,
    first: impl Fn() + Send + 'static,
) -> anyhow::Result<CancelToken> {
    let cancel = CancelToken::default();
    let token = cancel.clone();
    let mut signalled = false;
    signals::listen(reload.is_some(), move |wish| match (wish, &reload) {
        (Wish::Reload, Some(reload)) => {
            // One that waits stands for all.
            let _ = reload.try_send(());
        }
        _ if std::mem::replace(&mut signalled, true) => exit::immediately(INTERRUPTED),
        _ => {
            token.cancel();
            first();
        }
    })?;
    Ok(cancel)
}

/// Device, precision and threads.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct ComputeArgs {
    /// Where to compute: auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto", value_name = "WHERE")]
    pub device: Device,
    /// Precision: auto, f32 or bf16
    #[arg(long, default_value = "auto", value_name = "KIND")]
    pub precision: Precision,
    /// CPU threads of the network; all cores if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
}

impl ComputeArgs {
    /// As options of the network.
    pub fn options(self) -> NetOptions {
        NetOptions {
            device: self.device,
            precision: self.precision,
            threads: self.threads.map(usize::from),
            ..NetOptions::default()
        }
    }

    /// Whether this selects a GPU. A device that is not available counts as no GPU; the
    /// error is reported when the network is loaded.
    pub fn on_gpu(self) -> bool {
        self.device.resolve().is_ok_and(tch::Device::is_cuda)
    }

    /// Threads that prepare batches, by default: all cores for a GPU; on the CPU, where
    /// the network needs the cores itself, one for every two.
    pub fn loaders(given: Option<u16>, on_gpu: bool) -> usize {
        match given {
            Some(loaders) => loaders.into(),
            None if on_gpu => cores(),
            None => cores().div_ceil(2),
        }
    }

    /// CPU threads of the network.
    pub fn threads(self) -> usize {
        self.threads.map_or_else(cores, usize::from)
    }
}

/// The model, and where to run it.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct NetArgs {
    /// Model file (.safetensors); default is models/l3net-base.safetensors
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Device, precision and threads
    #[command(flatten)]
    pub compute: ComputeArgs,
}

impl NetArgs {
    /// Loads a network that judges; warns if it is untrained.
    ///
    /// # Errors
    /// Names the model file or the device, and what is wrong with it.
    pub fn load(&self) -> anyhow::Result<L3Net> {
        self.place(&self.judging_weights()?)
    }

    /// Reads the weights of a network that judges.
    ///
    /// # Errors
    /// As [`weights`](Self::weights), or the model lacks a trunk or the fusion.
    pub fn judging_weights(&self) -> Result<Weights, ModelError> {
        let weights = self.weights()?;
        weights.check_judges()?;
        Ok(weights)
    }

    /// Reads the weights.
    ///
    /// # Errors
    /// Names the model file, and what is wrong with it.
    pub fn weights(&self) -> Result<Weights, ModelError> {
        Weights::open(self.model.as_deref())
    }

    /// The network with these weights; warns if they are untrained.
    ///
    /// # Errors
    /// Names the device, and what is wrong with it.
    pub fn place(&self, weights: &Weights) -> anyhow::Result<L3Net> {
        if !weights.is_trained() {
            tracing::warn!(
                "{} is untrained (random weights): its answers mean nothing; \
                 name a trained one with --model FILE",
                match &self.model {
                    Some(file) => file.display().to_string(),
                    None => "the default model".to_owned(),
                }
            );
        }
        if weights.metadata().get("trained_task").map(String::as_str) == Some("classify") {
            tracing::warn!(
                "{} was trained on classes alone (--task classify), not on whether picture and \
                 sound belong together",
                weights.source().display()
            );
        }
        let net = L3Net::new(weights, &self.compute.options())?;
        tracing::info!("{}: {}", weights.source().display(), net.describe());
        Ok(net)
    }
}

/// Which heatmap is computed.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct MapArgs {
    /// Kind of heatmap: gradient, local or unit:K
    #[arg(long, default_value = "gradient", value_name = "KIND")]
    pub heatmap: HeatmapKind,
}

/// Which windows and which part of the picture are judged.
#[derive(clap::Args, Clone, Debug)]
pub struct WindowArgs {
    /// Time between windows, 0.1 to 1
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = parse_hop)]
    pub hop: Hop,
    /// How the picture is looked at: whole, squeezed, or the paper's middle
    #[arg(long, value_parser = choice::<Crop>(), default_value = "full", value_name = "WHAT")]
    pub crop: Crop,
    /// Stop each stream after this much of it
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub seconds: Option<f64>,
}

pub(super) fn parse_hop(text: &str) -> Result<Hop, String> {
    Hop::from_secs(text.parse().map_err(|_| "not a number")?)
}

pub(super) fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        // 64-bit nanoseconds reach 584 years.
        Ok(seconds) if (1e-9..1e10).contains(&seconds) => Ok(seconds),
        _ => Err("not a number of seconds over 0".to_owned()),
    }
}

/// Prints a line on stderr; a closed stderr is not a failure.
pub fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(io::stderr(), "{}", log::formatted(line));
}

/// How much to print on stderr.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct TalkArgs {
    /// Print only errors on stderr
    #[arg(long, short, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more on stderr; twice for debugging
    #[arg(long, short, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Format of messages on stderr: text or json
    #[arg(
        long,
        value_enum,
        default_value = "text",
        value_name = "FORMAT",
        hide_possible_values = true
    )]
    pub log_format: LogFormat,
}

impl TalkArgs {
    /// Starts the log on stderr through `writer`. `RUST_LOG` overrides the options.
    pub fn start_log<W>(self, writer: W)
    where
        W: for<'a> tracing_subscriber::fmt::MakeWriter<'a> + Send + Sync + 'static,
    {
        let level = match (self.quiet, self.verbose) {
            (true, _) => "error",
            (_, 0) => "warn",
            (_, 1) => "l3net=info,warn",
            _ => "l3net=debug,info",
        };
        let filter = tracing_subscriber::EnvFilter::try_from_default_env()
            .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
        log::set(self.log_format);
        let lines = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(writer)
            .with_target(self.verbose > 1);
        // A second start (tests) keeps the first.
        let _ = match self.log_format {
            LogFormat::Json => lines.json().flatten_event(true).try_init(),
            LogFormat::Text => lines
                .with_ansi(io::stderr().is_terminal())
                .without_time()
                .try_init(),
        };
    }
}

/// A time such as 7d, 12h or 90m.
///
/// # Errors
/// If it is none, or not over 0.
pub fn parse_time(text: &str) -> Result<jiff::SignedDuration, String> {
    let wrong = |_| format!("{text} is not a time: write it like 7d, 12h or 90m");
    let age: jiff::Span = text.parse().map_err(wrong)?;
    let age = age.to_duration(jiff::SpanRelativeTo::days_are_24_hours());
    age.map_err(wrong).and_then(|age| match age.is_positive() {
        true => Ok(age),
        false => Err(format!("{text} is not a time over 0")),
    })
}

/// Parses the name of a folder that is written to. `-` is none: who writes it means standard
/// output, and would get a folder that is hard to remove.
///
/// # Errors
/// If it is `-`; says how to name such a folder.
pub fn output_folder(text: &str) -> Result<PathBuf, String> {
    match text {
        "-" => Err("a folder cannot go to standard output; one of that name is ./-".to_owned()),
        name => Ok(name.into()),
    }
}

/// Checks the name of a model that is going to be written.
///
/// # Errors
/// [`Usage`], which names the option.
pub fn check_model_path(option: &str, path: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        return Err(Usage::error(format!(
            "{option} MODEL is a folder; name a file in it"
        )));
    }
    if path.extension().is_none_or(|e| e != "safetensors") {
        return Err(Usage::error(format!(
            "{option} MODEL must end in .safetensors"
        )));
    }
    check_folder(&format!("{option} MODEL"), path)
}

/// Checks that a file can have its place.
///
/// # Errors
/// [`Usage`], which names the option.
pub fn check_folder(option: &str, path: &Path) -> anyhow::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    match folder.filter(|folder| !folder.is_dir()) {
        Some(folder) => Err(Usage::error(format!(
            "{option} {}: there is no folder {}; make it first",
            path.display(),
            folder.display()
        ))),
        None => Ok(()),
    }
}

/// The adapted model that is there already.
///
/// # Errors
/// If it cannot be read, or was made from another model than `base`.
pub fn model_there(path: &Path, base: &Weights) -> anyhow::Result<Option<Weights>> {
    if !path.exists() {
        return Ok(None);
    }
    let present = Weights::read(path)?;
    if !present.has_trunks_of(base) {
        return Err(Usage::error(format!(
            "{}: was made from another model than {}; name another file, or delete it",
            path.display(),
            base.source().display()
        )));
    }
    Ok(Some(present))
}
