//! PNG files.
//!
//! Belongs here: encoding a picture and replacing the file. Does not: what is in the picture
//! ([`crate::draw`]).

use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::atomic_file;
use crate::file_error::FileError;
use crate::picture::Picture;

/// Writes a picture. An existing file is replaced atomically.
///
/// # Errors
/// Names the picture and why it cannot be written.
pub fn write_png(path: &Path, picture: &Picture) -> Result<(), FileError> {
    // Adaptive filtering costs more than it saves here.
    write_as(path, picture, CompressionType::Fast, FilterType::Sub)
}

/// The same, half as large but several times slower: for pictures that are kept for long.
///
/// # Errors
/// Names the picture and why it cannot be written.
pub fn write_small_png(path: &Path, picture: &Picture) -> Result<(), FileError> {
    write_as(path, picture, CompressionType::Best, FilterType::Adaptive)
}

fn write_as(
    path: &Path,
    picture: &Picture,
    compression: CompressionType,
    filter: FilterType,
) -> Result<(), FileError> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, compression, filter)
        .write_image(
            &picture.rgb,
            picture.width,
            picture.height,
            ExtendedColorType::Rgb8,
        )
        .map_err(FileError::format(path, "draw"))?;
    atomic_file::write(path, &bytes).map_err(FileError::io(path, "write"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named_with_what_to_do() {
        let picture = Picture::filled(99, 99, [1, 2, 3]);
        let said = write_png(Path::new("/dev/full"), &picture)
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("No space left") && said.contains("free some space"),
            "{said}"
        );
    }
}
