//! Pictures as the bytes of a PNG.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, ImageError};

use crate::picture::Picture;

/// Encodes quickly: adaptive filtering costs more than it saves.
///
/// # Errors
/// The encoder's: the picture's size does not fit its bytes.
pub fn quick(picture: &Picture) -> Result<Vec<u8>, ImageError> {
    encode(picture, CompressionType::Fast, FilterType::Sub)
}

/// Encodes to half the size, several times slower: for pictures that are kept for long.
///
/// # Errors
/// As [`quick`].
pub fn small(picture: &Picture) -> Result<Vec<u8>, ImageError> {
    encode(picture, CompressionType::Best, FilterType::Adaptive)
}

fn encode(
    picture: &Picture,
    compression: CompressionType,
    filter: FilterType,
) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, compression, filter).write_image(
        &picture.rgb,
        picture.width,
        picture.height,
        ExtendedColorType::Rgb8,
    )?;
    Ok(bytes)
}
