//! Figures as pictures: maps of marks and charts of bars, as SVG or PNG.
//!
//! Belongs here: how they are laid out, drawn and written. Does not: what an
//! experiment shows.

mod chart;
mod map;
mod scene;

use std::path::{Path, PathBuf};

use self::scene::Scene;
use super::output::{check_place, write_whole};
use crate::cmd::common::Usage;
use crate::sink::SinkError;
use crate::sink::png::write_small_png;

pub(super) use self::chart::{Chart, Of};
pub(super) use self::map::{Panel, map};

/// Where the figures go as a picture.
#[derive(clap::Args, Clone, Debug)]
pub struct PictureArgs {
    /// Where to draw the figures as bars: .svg or .png
    #[arg(long, value_name = "FILE")]
    pub picture: Option<PathBuf>,
}

/// A file to be drawn.
pub(super) struct PictureFile {
    path: PathBuf,
    format: Format,
}

/// The way a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Svg,
    Png,
}

impl PictureFile {
    /// Refuses what cannot be written before the work is done.
    ///
    /// # Errors
    /// If the name ends otherwise than .svg or .png, or no file can be there.
    pub fn of(path: &Path) -> anyhow::Result<Self> {
        let extension = path.extension().map(|e| e.to_ascii_lowercase());
        let format = match extension.as_deref().and_then(|e| e.to_str()) {
            Some("svg") => Format::Svg,
            Some("png") => Format::Png,
            _ => {
                return Err(Usage::error(SinkError::Extension {
                    path: path.to_owned(),
                    expected: ".svg or .png",
                }));
            }
        };
        check_place(path)?;
        Ok(Self {
            path: path.to_owned(),
            format,
        })
    }

    /// Draws it; the file appears whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written, or the picture has too many pixels.
    pub fn write(&self, scene: &Scene) -> Result<(), SinkError> {
        match self.format {
            Format::Svg => write_whole(&self.path, scene.svg().as_bytes()),
            Format::Png => {
                let picture = scene.picture().ok_or_else(|| SinkError::Format {
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
    fn the_name_says_how_the_picture_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let format = |name: &str| PictureFile::of(&folder.path().join(name)).map(|f| f.format);
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
