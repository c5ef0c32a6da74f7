//! Where a report goes.
//!
//! The table goes to stdout, and JSON to the file of `--json`. `--json -` (or
//! /dev/stdout) has stdout for itself: then the table goes to stderr.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::CommonArgs;
use crate::file_error::FileError;
use crate::report::{Rendered, ReportError, check_output, write_file};

/// Where a report goes.
pub(super) enum Destination {
    Table,
    Stdout { quiet: bool },
    File(PathBuf),
}

impl Destination {
    /// Checks the options, before the work rather than after it.
    pub fn new(args: &CommonArgs) -> Result<Self, ReportError> {
        let Some(file) = &args.json else {
            return Ok(Self::Table);
        };
        if [Path::new("-"), Path::new("/dev/stdout")].contains(&file.as_path()) {
            let quiet = args.talk.quiet;
            return Ok(Self::Stdout { quiet });
        }
        check_output(file)?;
        Ok(Self::File(file.clone()))
    }

    /// Writes the JSON, if it has a file of its own.
    pub fn write(&self, report: &Rendered) -> Result<(), FileError> {
        match self {
            Self::Table | Self::Stdout { .. } => Ok(()),
            Self::File(file) => write_file(file, format!("{}\n", report.json).as_bytes()),
        }
    }

    /// Shows the table, and the JSON if it has no file.
    pub fn show(&self, stdout: &mut dyn Write, report: &Rendered) -> Result<(), FileError> {
        let Rendered { json, table, .. } = report;
        let shown = match self {
            Self::Table | Self::File(_) => table.write(stdout),
            Self::Stdout { quiet } => {
                let shown = writeln!(stdout, "{json}");
                if !quiet {
                    // stderr is closed: nothing to be done.
                    let _ = table.write(&mut io::stderr());
                }
                shown
            }
        };
        shown
            .and_then(|()| stdout.flush())
            .map_err(FileError::io(Path::new("stdout"), "write"))
    }
}
