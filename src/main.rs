//! The `l3net` program: parse, dispatch, exit code.

use std::process::ExitCode;

use clap::Parser;
use l3net::cmd::{self, Cli, common};

fn main() -> ExitCode {
    let cli = Cli::parse_from(cmd::arguments(std::env::args_os()));
    match cli.command.run() {
        Ok(code) => code,
        // Whoever read our output has what they wanted.
        Err(error) if common::reader_has_gone(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // If nobody reads stderr, the exit code still tells.
            common::say(&format!("l3net: {error:#}"));
            if error.is::<common::Usage>() {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}
