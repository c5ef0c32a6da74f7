//! Picture files.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader};

use super::error::CorpusError;
use crate::picture::Picture;

/// A picture with all that it has, transparency too. JPEG and PNG, whatever the end
/// of its name says: files from the web are often called after the other.
///
/// # Errors
/// Names the file and says what is wrong with it.
pub fn read_image(file: &Path) -> Result<DynamicImage, CorpusError> {
    open(file, ImageReader::decode)
}

/// Whether a picture may have transparent parts: what its header says.
///
/// # Errors
/// Names the file and says what is wrong with it.
pub fn has_alpha(file: &Path) -> Result<bool, CorpusError> {
    open(file, |reader| {
        Ok(reader.into_decoder()?.color_type().has_alpha())
    })
}

fn open<T>(
    file: &Path,
    read: impl FnOnce(ImageReader<BufReader<File>>) -> Result<T, ImageError>,
) -> Result<T, CorpusError> {
    let opened = ImageReader::open(file).and_then(ImageReader::with_guessed_format);
    opened
        .map_err(ImageError::from)
        .and_then(read)
        .map_err(|e| {
            CorpusError::file(
                file,
                format!("not a picture: {e}; take it out of the folder"),
            )
        })
}

/// A picture as the network sees it; what is transparent is grey.
///
/// # Errors
/// Names the file and says what is wrong with it.
pub fn read_picture(file: &Path) -> Result<Picture, CorpusError> {
    let image = read_image(file)?;
    let rgb = if image.color().has_alpha() {
        let mut ground = DynamicImage::ImageRgba8(image::RgbaImage::from_pixel(
            image.width(),
            image.height(),
            image::Rgba([128, 128, 128, 255]),
        ));
        image::imageops::overlay(&mut ground, &image, 0, 0);
        ground.into_rgb8()
    } else {
        image.into_rgb8()
    };
    Ok(of_rgb(rgb))
}

/// A decoded picture whose transparency is ignored.
pub fn opaque(image: DynamicImage) -> Picture {
    of_rgb(image.into_rgb8())
}

fn of_rgb(rgb: image::RgbImage) -> Picture {
    Picture {
        width: rgb.width(),
        height: rgb.height(),
        rgb: rgb.into_raw(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_transparent_is_grey_and_what_is_no_picture_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.png");
        let image = image::RgbaImage::from_fn(2, 1, |x, _| {
            image::Rgba([200, 10, 10, if x == 0 { 255 } else { 0 }])
        });
        image.save(&file).expect("written");
        let picture = read_picture(&file).expect("read");
        assert_eq!(picture.rgb, [200, 10, 10, 128, 128, 128]);
        std::fs::write(&file, "no picture").expect("written");
        let error = read_picture(&file).expect_err("refused").to_string();
        assert!(error.contains("a.png: not a picture"), "{error}");
        let missing = read_picture(&folder.path().join("b.png")).expect_err("no file");
        assert!(
            missing.to_string().contains("b.png: not a picture"),
            "{missing}"
        );
    }

    #[test]
    fn pictures_are_known_by_what_is_in_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let image = image::RgbImage::from_pixel(8, 8, image::Rgb([200, 10, 10]));
        for (name, format) in [
            ("jpeg.png", image::ImageFormat::Jpeg),
            ("png.jpg", image::ImageFormat::Png),
        ] {
            let file = folder.path().join(name);
            image.save_with_format(&file, format).expect("written");
            assert_eq!(read_picture(&file).expect(name).width, 8);
        }
    }
}
