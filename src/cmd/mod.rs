//! One file for each command: its arguments and what it does.
//!
//! [`Cli`] is the whole command line; parsing it has no side effects. What
//! commands share stands in [`common`]; where results go, in `outputs`.

use std::ffi::OsString;
use std::process::ExitCode;

#[cfg(feature = "gst")]
pub mod adapt;
#[cfg(feature = "gst")]
pub mod batch;
pub mod bench;
#[cfg(feature = "gst")]
mod clash;
pub mod common;
pub mod data;
#[cfg(feature = "gst")]
pub mod decode;
pub mod doctor;
#[cfg(feature = "gst")]
pub mod embed;
#[cfg(feature = "eval")]
pub mod eval;
#[cfg(feature = "gst")]
pub mod launch;
#[cfg(feature = "gst")]
mod learning;
#[cfg(feature = "gst")]
pub mod live;
mod log;
pub mod model;
#[cfg(feature = "gst")]
mod outputs;
#[cfg(feature = "gst")]
pub mod prepare;
#[cfg(feature = "gst")]
mod progress;
mod signals;
#[cfg(feature = "gst")]
mod sources;
#[cfg(feature = "gst")]
mod streams;
#[cfg(feature = "gst")]
pub mod synth;
pub mod train;
mod value;

/// Does what is heard belong to what is seen, and where in the picture is it?
#[derive(clap::Parser, Debug)]
#[command(version, max_term_width = 100, after_help = SOURCES)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

const SOURCES: &str = "\
SOURCE is a media file, a directory (walked), a URI (file:, http:, https:, rtsp:),
camera[:N], test (a built-in scene), a pipelines/*.launch file, or a gst-launch
description in quotes with the ends audio. and video.

Results go to stdout or the file named, one JSON object a line; people read stderr.
Exit code: 0 all done, 1 something failed (the rest was done), 2 wrong usage.";

/// The commands.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Watch cameras, microphones and streams in real time
    #[cfg(feature = "gst")]
    Live(live::LiveArgs),
    /// Judge what a gst-launch description brings
    #[cfg(feature = "gst")]
    Launch(launch::LaunchArgs),
    /// Go through files and directories as fast as the machine can
    #[cfg(feature = "gst")]
    Batch(batch::BatchArgs),
    /// Write the network's features of each second as arrays for numpy
    #[cfg(feature = "gst")]
    Embed(embed::EmbedArgs),
    /// Make videos of scenes with known sources
    #[cfg(feature = "gst")]
    Synth(synth::SynthArgs),
    /// Decode recordings once into shards for training
    #[cfg(feature = "gst")]
    Prepare(prepare::PrepareArgs),
    /// Learn which sound belongs to which of your cameras
    #[cfg(feature = "gst")]
    Adapt(adapt::AdaptArgs),
    /// Train on media, shards, folders of classes or synthetic scenes
    Train(train::TrainArgs),
    /// Do the paper's experiments on one's own data
    #[cfg(feature = "eval")]
    Eval(eval::EvalArgs),
    /// Measure latency, throughput and the features
    Bench(bench::BenchArgs),
    /// Show what is in a model file, or convert it
    Model(model::ModelArgs),
    /// Tell what this machine can do, and what is missing
    Doctor(doctor::DoctorArgs),
    /// Decode files for another process of this program, which starts it
    #[cfg(feature = "gst")]
    #[command(hide = true)]
    Decode(decode::DecodeArgs),
}

/// The arguments of the program, with OpenL3's short options of two letters, which no other
/// command has, in their long form.
pub fn arguments(given: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let given: Vec<OsString> = given.collect();
    let is_openl3 = given.iter().any(|arg| arg == "--openl3" || arg == "openl3");
    let long = |arg: OsString| {
        let known = OPENL3_SHORT
            .iter()
            .find(|(short, _)| is_openl3 && arg == *short);
        known.map_or(arg, |(_, long)| long.into())
    };
    given.into_iter().map(long).collect()
}

const OPENL3_SHORT: [(&str, &str); 6] = [
    ("-as", "--audio-embedding-size"),
    ("-ab", "--audio-batch-size"),
    ("-af", "--audio-frontend"),
    ("-is", "--image-embedding-size"),
    ("-ib", "--image-batch-size"),
    ("-ow", "--overwrite"),
];

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Usage`](common::Usage) for wrong usage; anything else is a failure. Each
    /// is one line that names the culprit and the next step.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let well = match self {
            #[cfg(feature = "gst")]
            Self::Live(args) => live::run(&args)?,
            #[cfg(feature = "gst")]
            Self::Launch(args) => launch::run(&args)?,
            #[cfg(feature = "gst")]
            Self::Batch(args) => batch::run(&args)?,
            #[cfg(feature = "gst")]
            Self::Embed(args) => embed::run(&args)?,
            #[cfg(feature = "gst")]
            Self::Synth(args) => synth::run(&args)?,
            #[cfg(feature = "gst")]
            Self::Prepare(args) => prepare::run(&args)?,
            #[cfg(feature = "gst")]
            Self::Adapt(args) => adapt::run(&args)?,
            Self::Train(args) => train::run(&args)?,
            #[cfg(feature = "eval")]
            Self::Eval(args) => eval::run(&args)?,
            Self::Bench(args) => bench::run(args)?,
            Self::Model(args) => {
                model::run(&args, &mut std::io::stdout().lock())?;
                true
            }
            Self::Doctor(args) => doctor::run(&args, &mut std::io::stdout().lock())?,
            #[cfg(feature = "gst")]
            Self::Decode(args) => decode::run(&args)?,
        };
        Ok(if well {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn help_fits_a_terminal() {
        for command in super::Cli::command().get_subcommands() {
            for arg in command.get_arguments() {
                let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(!help.is_empty(), "{} {}", command.get_name(), arg.get_id());
                assert!(help.lines().all(|l| l.len() <= 80), "{help}");
            }
        }
    }
}
