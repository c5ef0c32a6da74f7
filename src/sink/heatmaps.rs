//! `--heatmaps DIR`: a picture a moment, `DIR/<stream>/000000.png` (the frame
//! with its heatmap) and `DIR/<stream>/000000.sound.png` (the spectrogram with
//! its).
//!
//! Policy: a picture is written beside its name and then renamed, so that no
//! reader sees half of one; one of an earlier run is replaced. Compression is
//! the fast kind: the pictures are made while the network works. Streams keep
//! their names as folders as far as those are harmless (see [`folder_of`]).

use std::fs;
use std::path::{Path, PathBuf};

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use super::SinkError;
use crate::atomic_file;
use crate::draw;
use crate::event::JudgedMoment;
use crate::hash::fnv1a;
use crate::picture::Picture;

/// A folder of heatmap pictures.
#[derive(Debug)]
pub struct Heatmaps {
    dir: PathBuf,
}

/// The pictures of a moment, below the folder, for `heatmap.file` and
/// `sound_heatmap.file`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The frame; none where the moment came without.
    pub picture: Option<String>,
    /// The spectrogram; none where the moment came without.
    pub sound: Option<String>,
}

impl Heatmaps {
    /// Makes the folder, and its parents, where they are missing.
    ///
    /// # Errors
    /// Names the folder and why it cannot be made.
    pub fn create(dir: &Path) -> Result<Self, SinkError> {
        fs::create_dir_all(dir).map_err(SinkError::io(dir, "make the folder"))?;
        Ok(Self {
            dir: dir.to_owned(),
        })
    }

    /// Draws and writes the pictures of a moment. The caller puts the names
    /// into the verdict before that goes out.
    ///
    /// # Errors
    /// Names the picture and why it cannot be written.
    pub fn write(&self, judged: &JudgedMoment) -> Result<Files, SinkError> {
        let folder = folder_of(&judged.verdict.stream);
        let path = self.dir.join(&folder);
        fs::create_dir_all(&path).map_err(SinkError::io(&path, "make the folder"))?;
        let write = |picture: Option<Picture>, ending: &str| {
            let Some(picture) = picture else {
                return Ok(None);
            };
            let name = format!("{folder}/{:06}{ending}", judged.verdict.seq);
            write_png(&self.dir.join(&name), &picture)?;
            Ok(Some(name))
        };
        Ok(Files {
            picture: write(draw::heatmap_picture(judged), ".png")?,
            sound: write(draw::sound_picture(judged), ".sound.png")?,
        })
    }
}

/// Writes a picture; a file of that name changes in one step or not at all.
///
/// # Errors
/// Names the picture and why it cannot be written.
pub fn write_png(path: &Path, picture: &Picture) -> Result<(), SinkError> {
    // Adaptive filtering costs more than it saves here.
    write_as(path, picture, CompressionType::Fast, FilterType::Sub)
}

/// The same for pictures that are kept: half as large, in several times the time.
///
/// # Errors
/// Names the picture and why it cannot be written.
pub fn write_small_png(path: &Path, picture: &Picture) -> Result<(), SinkError> {
    write_as(path, picture, CompressionType::Best, FilterType::Adaptive)
}

fn write_as(
    path: &Path,
    picture: &Picture,
    compression: CompressionType,
    filter: FilterType,
) -> Result<(), SinkError> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, compression, filter)
        .write_image(
            &picture.rgb,
            picture.width,
            picture.height,
            ExtendedColorType::Rgb8,
        )
        .map_err(SinkError::format(path, "draw"))?;
    atomic_file::write(path, &bytes).map_err(SinkError::io(path, "write"))
}

/// The folder of a stream: a relative path that stays below where it is put,
/// never the same for two streams, and always the same for one.
///
/// A name of harmless parts, as `lectures/clip 1.mp4`, stays as it is. In any
/// other (an address, `../x`, a control character, a part that is too long, one
/// that looks like one of our pictures) what is harmful becomes `_`, and `~`
/// with a hash of the whole name tells it from others; harmless names have no
/// `~`.
pub fn folder_of(stream: &str) -> String {
    if !stream.is_empty() && stream.split('/').all(is_harmless) {
        return stream.to_owned();
    }
    let flat: String = stream
        .chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect();
    let flat = flat.trim_matches(['_', '.', ' ']);
    let start = flat.len().saturating_sub(100);
    let start = (start..).find(|&i| flat.is_char_boundary(i)).unwrap_or(0);
    format!("{}~{:016x}", &flat[start..], fnv1a(stream.as_bytes()))
}

fn is_harmless(part: &str) -> bool {
    !part.is_empty()
        && part.len() <= 200
        && part.chars().all(is_plain)
        && !part.starts_with(['.', ' '])
        && !part.ends_with(['.', ' '])
        && !part.ends_with(".png")
}

fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || " ._-+,=()[]@".contains(c)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::Component;

    use proptest::prelude::*;

    use super::super::testing::judged;
    use super::*;

    #[test]
    fn both_pictures_of_a_moment_are_written_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let heatmaps = Heatmaps::create(&dir.path().join("new/maps")).unwrap();
        let moment = judged("clips/a.mp4", 12, Picture::filled(160, 90, [60; 3]), 0.9);
        let files = heatmaps.write(&moment).unwrap();
        assert_eq!(files.picture.as_deref(), Some("clips/a.mp4/000012.png"));
        assert_eq!(files.sound.as_deref(), Some("clips/a.mp4/000012.sound.png"));
        let read = |name: Option<String>| {
            let path = dir.path().join("new/maps").join(name.unwrap());
            let file = std::io::BufReader::new(fs::File::open(path).unwrap());
            image::load(file, image::ImageFormat::Png)
                .unwrap()
                .to_rgb8()
        };
        let drawn = draw::heatmap_picture(&moment).unwrap();
        assert_eq!(read(files.picture).into_raw(), drawn.rgb);
        assert_eq!(
            read(files.sound).into_raw(),
            draw::sound_picture(&moment).unwrap().rgb
        );
        let left = fs::read_dir(dir.path().join("new/maps/clips/a.mp4")).unwrap();
        assert_eq!(left.count(), 2, "only the two pictures are left");
    }

    #[test]
    fn a_moment_without_pictures_names_none() {
        let dir = tempfile::tempdir().unwrap();
        let heatmaps = Heatmaps::create(dir.path()).unwrap();
        let mut moment = judged("a", 0, Picture::filled(2, 2, [60; 3]), 0.9);
        moment.evidence.picture = None;
        moment.evidence.spectrogram = None;
        assert_eq!(heatmaps.write(&moment).unwrap(), Files::default());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let said = Heatmaps::create(&dir.path().join("file/maps")).unwrap_err();
        assert!(
            said.to_string()
                .contains("file/maps: cannot make the folder"),
            "{said}"
        );
        let heatmaps = Heatmaps::create(dir.path()).unwrap();
        fs::create_dir_all(dir.path().join("a/000000.png")).unwrap();
        let moment = judged("a", 0, Picture::filled(2, 2, [60; 3]), 0.9);
        let said = heatmaps.write(&moment).unwrap_err().to_string();
        assert!(said.contains("a/000000.png: cannot write"), "{said}");
    }

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

    #[test]
    fn harmless_names_stay_as_they_are() {
        for name in ["clip.mp4", "Ä b/2024-01-01 (1).mkv", "a/b/c.mov"] {
            assert_eq!(folder_of(name), name);
        }
    }

    #[test]
    fn an_address_can_still_be_read() {
        let folder = folder_of("rtsp://10.0.0.5:554/cam?ch=1");
        assert!(
            folder.starts_with("rtsp___10.0.0.5_554_cam_ch=1~"),
            "{folder}"
        );
    }

    #[test]
    fn names_that_differ_in_what_is_harmful_have_folders_that_differ() {
        let names = [
            "",
            ".",
            "..",
            "/",
            "a",
            "/a",
            "./a",
            "../a",
            "a/",
            "a//b",
            "a/b",
            "a\\b",
            "a:b",
            "a\nb",
            "a_b",
            "a?b",
            "a~b",
            "C:a",
            "a/000000.png",
            "a ",
            " a",
            "a.",
            ".a",
        ];
        let folders: HashSet<String> = names.iter().map(|n| folder_of(n)).collect();
        assert_eq!(folders.len(), names.len());
    }

    proptest! {
        #[test]
        fn no_name_leads_out_of_the_folder(name in "\\PC*|[./~:a\\\\\\n]{0,12}|a{90,400}") {
            let folder = folder_of(&name);
            let path = Path::new(&folder);
            prop_assert!(path.components().all(|c| matches!(c, Component::Normal(_))));
            prop_assert!(path.components().count() >= 1);
            prop_assert!(folder.split('/').all(|part| part.len() <= 255));
            prop_assert!(!folder.chars().any(char::is_control));
            prop_assert_eq!(folder_of(&name), folder);
        }
    }
}
