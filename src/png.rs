//! PNG files.
//!
//! Belongs here: replacing the file. Does not: what is in the picture
//! ([`crate::draw`]).

use std::path::Path;

use image::ImageError;

use crate::atomic_file;
use crate::draw::png;
use crate::file_error::FileError;
use crate::picture::Picture;

/// Writes a picture. An existing file is replaced atomically.
///
/// # Errors
/// Names the picture and why it cannot be written.
pub fn write_png(path: &Path, picture: &Picture) -> Result<(), FileError> {
    write(path, png::quick(picture))
}

/// The same, half as large but several times slower: for pictures that are kept for long.
///
/// # Errors
/// Names the picture and why it cannot be written.
pub fn write_small_png(path: &Path, picture: &Picture) -> Result<(), FileError> {
    write(path, png::small(picture))
}

fn write(path: &Path, encoded: Result<Vec<u8>, ImageError>) -> Result<(), FileError> {
    let bytes = encoded.map_err(FileError::format(path, "draw"))?;
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
