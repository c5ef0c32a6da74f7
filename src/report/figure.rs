//! Figures as pictures: bar charts and scatter plots, as SVG or PNG.
//!
//! Belongs here: how they are laid out, drawn and written. Does not: what an
//! experiment shows.

mod canvas;
mod chart;
mod scatter;

use std::path::{Path, PathBuf};

use super::{ReportError, check_output, write_file};
use crate::file_error::FileError;
use crate::png::write_small_png;

pub use self::canvas::Canvas;
pub use self::chart::{Chart, Series};
pub use self::scatter::{Panel, scatter};

/// The file of a figure.
#[derive(Clone, Debug)]
pub struct FigureFile {
    path: PathBuf,
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Svg,
    Png,
}

impl FigureFile {
    /// Checks the name, before the work rather than after it.
    ///
    /// # Errors
    /// If it does not end in .svg or .png ([`FileError::Extension`]), or no file can
    /// be created there.
    pub fn new(path: &Path) -> Result<Self, ReportError> {
        let extension = path.extension().map(|e| e.to_ascii_lowercase());
        let format = match extension.as_deref().and_then(|e| e.to_str()) {
            Some("svg") => Format::Svg,
            Some("png") => Format::Png,
            _ => {
                return Err(ReportError::Write(FileError::Extension {
                    path: path.to_owned(),
                    expected: ".svg or .png",
                }));
            }
        };
        check_output(path)?;
        Ok(Self {
            path: path.to_owned(),
            format,
        })
    }

    /// Writes the figure atomically.
    ///
    /// # Errors
    /// If the file cannot be written, or the picture has too many pixels.
    pub fn write(&self, figure: &Canvas) -> Result<(), FileError> {
        match self.format {
            Format::Svg => write_file(&self.path, figure.svg().as_bytes()),
            Format::Png => {
                let picture = figure.picture().ok_or_else(|| FileError::Format {
                    path: self.path.clone(),
                    what: "draw",
                    cause: "the picture is too large; write an .svg".to_owned(),
                })?;
                write_small_png(&self.path, &picture)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_sets_the_format() {
        let folder = tempfile::tempdir().expect("a folder");
        let format = |name: &str| FigureFile::new(&folder.path().join(name)).map(|f| f.format);
        assert_eq!(format("a.SVG").ok(), Some(Format::Svg));
        assert_eq!(format("a.b.png").ok(), Some(Format::Png));
        for name in ["a", "a.jpg", "svg"] {
            let error = format(name).expect_err("no format");
            assert!(error.to_string().contains(".svg or .png"), "{error}");
        }
        let error = format("none/a.png").expect_err("no folder");
        assert!(error.to_string().contains("no such folder"), "{error}");
        std::fs::create_dir(folder.path().join("b.svg")).expect("a folder");
        let error = format("b.svg").expect_err("a folder");
        assert!(error.to_string().contains("is a folder"), "{error}");
    }
}
