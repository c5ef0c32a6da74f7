//! The pictures of a page about units: each of the strongest files, and over it
//! where a unit is excited.
//!
//! They lie in a folder of the report, `units-pictures` or `units-sounds`, under
//! numbers: file names may contain anything.

use std::collections::BTreeMap;
use std::path::Path;

use image::RgbImage;
use image::imageops::{self, FilterType};

use super::UnitsPage;
use crate::corpus::wav;
use crate::draw::{Area, Layer, glow, spectrogram_picture, under_sound_map};
use crate::eval::labelled::MediaKind;
use crate::eval::seconds::Seconds;
use crate::eval::unit_maps::{PictureMaps, SoundMaps};
use crate::eval::units::Unit;
use crate::features::{ScaledFrame, Viewport};
use crate::net::L3Net;
use crate::picture::Picture;
use crate::png::write_small_png;
use crate::report::{ReportError, write_file};
use crate::result::Heatmap;
use crate::time::SAMPLE_RATE;
use crate::window_spec::WindowSpec;

/// Longest side of a picture in the report.
const SIDE: u32 = 160;

/// Pictures with the map of a unit over them, by file and unit.
pub(super) type Drawn = BTreeMap<(usize, usize), Picture>;

/// Where they lie, within the report.
pub(super) fn folder(of: MediaKind) -> String {
    format!("units-{}", of.name())
}

/// Makes the folders of the report, before all the work.
pub(super) fn make_folder(report: &Path, of: MediaKind) -> Result<(), ReportError> {
    let path = report.join(folder(of));
    std::fs::create_dir_all(&path).map_err(|cause| ReportError::Folder {
        path,
        what: "the folder cannot be made",
        cause,
    })
}

/// The files that are shown, and the units that each is shown for.
pub(super) fn files_of(units: &[&Unit]) -> BTreeMap<usize, Vec<usize>> {
    let mut files: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for unit in units {
        for entry in &unit.top {
            files.entry(entry.file).or_default().push(unit.number);
        }
    }
    files
}

/// Draws every file of the units with and without their maps, and writes sounds
/// next to their pictures.
pub(super) fn draw(
    page: &UnitsPage<'_>,
    net: &L3Net,
    progress: impl Fn(),
) -> Result<Drawn, ReportError> {
    let spec = &net.describe().variant.spec;
    let folder = page.folder.join(folder(page.of));
    let mut drawn = Drawn::new();
    for (file, numbers) in files_of(&page.units) {
        let media = &page.data.files[file].media;
        let (plain, maps) = match page.of {
            MediaKind::Pictures => {
                let seen = PictureMaps::of(net, media, &numbers)?;
                (thumbnail(&seen.frame), seen.maps)
            }
            MediaKind::Sounds => {
                let heard = SoundMaps::of(net, media, Seconds::default(), &numbers)?;
                let bytes = wav(SAMPLE_RATE, heard.second.iter().copied());
                write_file(&folder.join(format!("{file}.wav")), &bytes)?;
                (spectrogram_picture(spec, &heard.spectrogram), heard.maps)
            }
        };
        let plain = plain.ok_or_else(|| ReportError::Empty(media.name()))?;
        write_small_png(&folder.join(format!("{file}.png")), &plain)?;
        for (&unit, map) in numbers.iter().zip(&maps) {
            let picture = with_map(&plain, map, page.of, spec);
            write_small_png(&folder.join(format!("{file}-{unit}.png")), &picture)?;
            drawn.insert((file, unit), picture);
        }
        progress();
    }
    remove_others(&folder, &drawn).map_err(|cause| ReportError::Folder {
        path: folder,
        what: "old pictures cannot be removed",
        cause,
    })?;
    Ok(drawn)
}

/// Removes files of an earlier report that this one did not write: `3.png`, `3.wav`
/// or `3-17.png`, and no others.
fn remove_others(folder: &Path, drawn: &Drawn) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let parts = name.to_str().and_then(|name| name.rsplit_once('.'));
        let Some((stem, "png" | "wav")) = parts else {
            continue;
        };
        let (file, unit) = match stem.split_once('-') {
            Some((file, unit)) => (file, Some(unit)),
            None => (stem, None),
        };
        let number = |text: &str| text.parse::<usize>().ok();
        let old = match (number(file), unit.map(number)) {
            (Some(file), None) => drawn.range((file, 0)..=(file, usize::MAX)).next().is_none(),
            (Some(file), Some(Some(unit))) => !drawn.contains_key(&(file, unit)),
            _ => false,
        };
        if old && entry.file_type()?.is_file() {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// What the network saw, small.
fn thumbnail(frame: &ScaledFrame) -> Option<Picture> {
    let image = RgbImage::from_raw(frame.width, frame.height, frame.rgb.clone())?;
    let scale = f64::from(SIDE) / f64::from(frame.width.max(frame.height));
    let side = |v: u32| ((f64::from(v) * scale).round() as u32).max(1);
    let (width, height) = (side(frame.width), side(frame.height));
    let small = imageops::resize(&image, width, height, FilterType::Triangle);
    Some(Picture {
        width,
        height,
        rgb: small.into_raw(),
    })
}

/// The map at full strength: it is the activation of one unit, not a guess that
/// may be wrong.
fn with_map(plain: &Picture, map: &Heatmap, of: MediaKind, spec: &WindowSpec) -> Picture {
    let mut picture = plain.clone();
    let (width, height) = (picture.width, picture.height);
    let all = Area::of(width, height);
    let area = match of {
        MediaKind::Sounds => under_sound_map(all, spec, map),
        MediaKind::Pictures => {
            let [_, _, right, bottom] =
                Viewport::whole(width, height).under_map(map.rows, map.cols);
            Area {
                width: right * all.width,
                height: bottom * all.height,
                ..all
            }
        }
    };
    let mut layer = Layer::new(width, height);
    glow(&mut layer, area, map, 1.0, of == MediaKind::Sounds);
    layer.blend(&mut picture);
    picture
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::units::Entry;

    #[test]
    fn pictures_of_an_earlier_report_are_removed_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let old = ["3.png", "3.wav", "3-17.png", "12-9.png"];
        let others = ["2024-05-01.png", "-.png", "notes.png", "3.txt", "3a.png"];
        let new = ["12.png", "12.wav", "12-8.png"];
        for file in old.iter().chain(&others).chain(&new) {
            std::fs::write(at(file), "x").expect("a file");
        }
        std::fs::create_dir(at("4.png")).expect("a folder");
        let picture = Picture::filled(1, 1, [0; 3]);
        let drawn = BTreeMap::from([((12, 8), picture)]);
        remove_others(folder.path(), &drawn).expect("removed");
        assert!(old.iter().all(|file| !at(file).exists()));
        assert!(others.iter().chain(&new).all(|file| at(file).exists()));
        assert!(at("4.png").is_dir());
    }

    #[test]
    fn each_file_is_drawn_once_for_all_its_units() {
        let entry = |file| Entry {
            file,
            class: 0,
            activation: 2.5,
            counts: true,
        };
        let unit = |number| Unit {
            number,
            top: vec![entry(0), entry(1), entry(2)],
            stands_out: 3.0,
        };
        let files = files_of(&[&unit(7), &unit(9)]);
        assert_eq!(files.len(), 3);
        assert_eq!(files[&1], [7, 9]);
    }

    #[test]
    fn the_glow_lies_over_what_excites_the_unit() {
        let plain = Picture::filled(160, 160, [90; 3]);
        let mut map = Heatmap {
            rows: 16,
            cols: 16,
            values: vec![0.0; 256],
        };
        // The lowest row.
        map.values[3] = 1.0;
        let lit = |of| {
            let picture = with_map(&plain, &map, of, &WindowSpec::PAPER);
            let lit = (0..160 * 160).find(|i| picture.rgb[i * 3..i * 3 + 3] != [90; 3]);
            lit.expect("a glow") / 160
        };
        assert!(lit(MediaKind::Pictures) < 16);
        assert!(lit(MediaKind::Sounds) > 130);
    }

    #[test]
    fn thumbnails_keep_their_aspect() {
        let frame = ScaledFrame {
            rgb: vec![7; 256 * 32 * 3],
            width: 256,
            height: 32,
            view: Viewport::whole(256, 32),
        };
        let small = thumbnail(&frame).expect("a picture");
        assert_eq!((small.width, small.height), (160, 20));
        assert!(small.rgb.iter().all(|&v| v == 7));
    }
}
