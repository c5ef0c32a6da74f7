//! Reports of experiments: JSON, tables, charts, HTML pages and contact sheets.
//!
//! Belongs here: which figures a report has, next to which of the paper's, how
//! they are laid out, drawn and written. Does not: how figures are computed
//! ([`crate::eval`]), options and where output goes (`cmd::eval`), how pixels are
//! drawn ([`crate::draw`]).
//!
//! Each experiment has a [`Report`], which is [`Rendered`] in all forms.

pub mod all;
pub mod avc;
pub mod clusters;
mod compared;
mod error;
pub mod figure;
pub mod image;
pub mod localize;
pub mod page;
pub mod sound;
pub mod tsne;
pub mod units;

pub use compared::{Compared, display_name};
pub use error::ReportError;

use std::path::Path;

use serde::Serialize;

use self::figure::Chart;
use crate::atomic_file;
use crate::features::Crop;
use crate::file_error::FileError;
use crate::table::Table;

/// The figures of an experiment. They are serialised as they are.
pub trait Report: Serialize {
    /// The experiment's name in JSON.
    const EXPERIMENT: &'static str;

    /// The figures for people.
    fn table(&self) -> Table;

    /// The most important figures as bars.
    fn chart(&self) -> Option<Chart> {
        None
    }
}

/// A report in all its forms.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// All figures as one JSON object.
    pub json: String,
    /// The figures for people.
    pub table: Table,
    /// The most important figures as bars.
    pub chart: Option<Chart>,
    /// Whether all of the data could be used.
    pub complete: bool,
}

impl Rendered {
    /// Renders a report.
    ///
    /// # Errors
    /// If a value has no form in JSON.
    pub fn of<R: Report>(report: &R, complete: bool) -> serde_json::Result<Self> {
        #[derive(Serialize)]
        struct Named<'a, T> {
            r#type: &'static str,
            experiment: &'static str,
            #[serde(flatten)]
            report: &'a T,
        }
        let named = Named {
            r#type: "eval",
            experiment: R::EXPERIMENT,
            report,
        };
        Ok(Self {
            json: serde_json::to_string_pretty(&named)?,
            table: report.table(),
            chart: report.chart(),
            complete,
        })
    }
}

/// How pairs or scenes were drawn.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DrawSettings {
    /// Part of the data, as `--split-part` names it.
    pub split: &'static str,
    /// The seed.
    pub seed: u64,
    /// Part of the picture that the network sees.
    pub crop: Crop,
}

/// Checks that a file can be created there, before the work rather than after it.
///
/// # Errors
/// If it is a folder, or its folder does not exist.
pub fn check_output(file: &Path) -> Result<(), ReportError> {
    if file.is_dir() {
        return Err(ReportError::IsFolder(file.to_owned()));
    }
    let folder = file.parent().filter(|f| !f.as_os_str().is_empty());
    match folder.filter(|f| !f.is_dir()) {
        Some(folder) => Err(ReportError::NoFolder(folder.to_owned())),
        None => Ok(()),
    }
}

/// Writes a file of the report atomically.
///
/// # Errors
/// Names the file and why it cannot be written.
pub fn write_file(file: &Path, bytes: &[u8]) -> Result<(), FileError> {
    atomic_file::write(file, bytes).map_err(FileError::io(file, "write"))
}
