//! The report of `eval units`: the strongest files of the purest units, and
//! where in them the units are excited.
//!
//! What a page shows lies in a folder beside it, `units-pictures` or
//! `units-sounds`, under numbers: names of files may hold anything.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use image::RgbImage;
use image::imageops::{self, FilterType};

use super::super::html::{Page, escaped};
use super::super::labelled::{CLIPS, Of};
use super::super::output::{Table, write_whole};
use super::sheet::{self, Column, Tile};
use crate::corpus::wav;
use crate::eval::labelled::Labelled;
use crate::eval::shown::{Heard, Seen};
use crate::eval::units::{Entry, Unit};
use crate::features::{ScaledFrame, View};
use crate::net::L3Net;
use crate::picture::Picture;
use crate::result::Heatmap;
use crate::sink::draw::{Area, Layer, glow, spectrogram_picture};
use crate::sink::heatmaps::write_small_png;
use crate::time::SAMPLE_RATE;

/// Longest side of a picture in the report.
const SIDE: u32 = 160;
/// The contact sheet.
const SHEET: &str = "units.png";

/// What was drawn, by file and unit.
pub(super) struct Shown {
    of: Of,
    drawn: BTreeMap<(usize, usize), Picture>,
}

fn folder(of: Of) -> String {
    format!("units-{}", of.name())
}

/// Makes the folders of the report, before all the work.
pub(super) fn make_folder(report: &Path, of: Of) -> anyhow::Result<()> {
    let folder = report.join(folder(of));
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("{}: the folder cannot be made", folder.display()))
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

/// Draws every file of the units with and without their maps, writes sounds
/// beside their pictures, and all as one picture.
pub(super) fn draw(
    report: &Path,
    of: Of,
    net: &L3Net,
    data: &Labelled,
    units: &[&Unit],
    progress: impl Fn(),
) -> anyhow::Result<Shown> {
    let folder = report.join(folder(of));
    let mut drawn = BTreeMap::new();
    for (file, numbers) in files_of(units) {
        let path = &data.files[file].path;
        let (plain, maps) = match of {
            Of::Pictures => {
                let seen = Seen::by(net, path, &numbers)?;
                (thumbnail(&seen.frame), seen.maps)
            }
            Of::Sounds => {
                let heard = Heard::by(net, path, CLIPS.into(), &numbers)?;
                let bytes = wav(SAMPLE_RATE, heard.second.iter().copied());
                write_whole(&folder.join(format!("{file}.wav")), &bytes)?;
                (spectrogram_picture(&heard.spectrogram), heard.maps)
            }
        };
        let plain = plain.with_context(|| format!("{}: cannot be drawn", path.display()))?;
        write_small_png(&folder.join(format!("{file}.png")), &plain)?;
        for (&unit, map) in numbers.iter().zip(&maps) {
            let picture = with_map(&plain, map, of);
            write_small_png(&folder.join(format!("{file}-{unit}.png")), &picture)?;
            drawn.insert((file, unit), picture);
        }
        progress();
    }
    remove_others(&folder, &drawn)
        .with_context(|| format!("{}: old pictures cannot be removed", folder.display()))?;
    let shown = Shown { of, drawn };
    let (sheet, file) = (
        sheet::draw(&columns(&shown, data, units)),
        report.join(SHEET),
    );
    match sheet {
        Some(sheet) => write_small_png(&file, &sheet)?,
        // Units that are excited by nothing: an older sheet would be of others.
        None if file.exists() => std::fs::remove_file(&file)?,
        None => (),
    }
    Ok(shown)
}

/// Removes what an earlier report drew and this one did not: `3.png`, `3.wav` or
/// `3-17.png`, and no others.
fn remove_others(folder: &Path, drawn: &BTreeMap<(usize, usize), Picture>) -> std::io::Result<()> {
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

/// The map at its full strength: it is the excitement of one unit, not a guess
/// that might be none.
fn with_map(plain: &Picture, map: &Heatmap, of: Of) -> Picture {
    let mut picture = plain.clone();
    let (width, height) = (picture.width, picture.height);
    let upward = of == Of::Sounds;
    let [_, _, right, end] = View::whole(width, height).under_map(map.rows, map.cols);
    let all = Area::of(width, height);
    let area = Area {
        // Frequencies that are left over are the highest.
        y: if upward {
            (1.0 - end) * all.height
        } else {
            0.0
        },
        width: right * all.width,
        height: end * all.height,
        ..all
    };
    let mut layer = Layer::new(width, height);
    glow(&mut layer, area, map, 1.0, upward);
    layer.blend(&mut picture);
    picture
}

/// `5 of 5`, and the class that these are of.
fn purity(unit: &Unit, data: &Labelled) -> (String, Option<usize>, String) {
    let of = |count| format!("{count} of {}", unit.top.len());
    match unit.majority() {
        Some((class, count)) => (data.classes[class].clone(), Some(class), of(count)),
        None => ("nothing".to_owned(), None, of(0)),
    }
}

fn is_own(entry: &Entry, class: Option<usize>) -> bool {
    entry.counts && Some(entry.class) == class
}

fn columns<'a>(shown: &'a Shown, data: &Labelled, units: &[&Unit]) -> Vec<Column<'a>> {
    let column = |unit: &&Unit| {
        let (name, class, purity) = purity(unit, data);
        let tiles = unit.top.iter().filter_map(|entry| {
            Some(Tile {
                picture: shown.drawn.get(&(entry.file, unit.number))?,
                own: is_own(entry, class),
            })
        });
        Column {
            title: name,
            note: format!("unit {}: {purity}", unit.number),
            tiles: tiles.collect(),
        }
    };
    units.iter().map(column).collect()
}

/// Writes figures and units into a page.
pub(super) fn write(
    page: &mut Page,
    shown: &Shown,
    table: &Table,
    data: &Labelled,
    units: &[&Unit],
) {
    page.table(table);
    page.heading("The purest units");
    page.text(match shown.of {
        Of::Pictures => {
            "The pictures that excite a unit most, the strongest first, as far as the network sees \
             them. The glow is conv4_2 of the unit; point at a picture to see it without."
        }
        Of::Sounds => {
            "The sounds that excite a unit most, the strongest first: the second that was listened \
             to, its log-spectrogram (1 s to the right, 0 to 24 kHz upwards), and over it conv4_2 \
             of the unit; point at it to see the sound alone."
        }
    });
    if units.is_empty() {
        page.text("No unit tells files apart: nothing to show.");
        return;
    }
    page.raw(&format!(
        "<p><a href=\"{SHEET}\">All of them as one picture</a></p>\n"
    ));
    for unit in units {
        page.raw(&strip(shown, data, unit));
    }
}

fn strip(shown: &Shown, data: &Labelled, unit: &Unit) -> String {
    let (name, class, purity) = purity(unit, data);
    let mut html = format!(
        "<h3>{} <small>{purity}, unit {}, {:.1} standard deviations above the mean</small></h3>\n\
         <div class=\"strip\">\n",
        escaped(&name),
        unit.number,
        unit.stands_out
    );
    for entry in &unit.top {
        html += &figure(shown, data, unit, entry, class);
    }
    html + "</div>\n"
}

fn figure(
    shown: &Shown,
    data: &Labelled,
    unit: &Unit,
    entry: &Entry,
    class: Option<usize>,
) -> String {
    let (folder, file) = (folder(shown.of), entry.file);
    let size = |p: &Picture| format!("width=\"{}\" height=\"{}\"", p.width, p.height);
    let size = shown.drawn.get(&(file, unit.number)).map(size);
    let size = size.unwrap_or_default();
    let path = &data.files[file].path;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let sound = match shown.of {
        Of::Pictures => String::new(),
        Of::Sounds => {
            format!("<audio controls preload=\"none\" src=\"{folder}/{file}.wav\"></audio>\n")
        }
    };
    format!(
        "<figure{}>\n<span class=\"under\"><img src=\"{folder}/{file}.png\" {size} alt=\"\">\
         <img src=\"{folder}/{file}-{}.png\" {size} alt=\"{name}\"></span>\n{sound}\
         <figcaption title=\"{}\">{} <small>{:.2}{}<br>{name}</small></figcaption>\n</figure>\n",
        if is_own(entry, class) {
            " class=\"own\""
        } else {
            ""
        },
        unit.number,
        escaped(&path.display().to_string()),
        escaped(&data.classes[entry.class]),
        entry.activation,
        if entry.counts { "" } else { ", does not count" },
        name = escaped(&name),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::labelled::LabelledFile;

    fn data() -> Labelled {
        let file = |path: &str, class| LabelledFile {
            path: path.into(),
            class,
            group: path.to_owned(),
        };
        Labelled {
            classes: vec!["<b>dog</b>".to_owned(), "rain".to_owned()],
            files: vec![
                file("a/\"x\" onload=alert(1).png", 0),
                file("a/y.png", 0),
                file("b/z.png", 1),
            ],
            rounds: Vec::new(),
        }
    }

    fn unit() -> Unit {
        let entry = |file, class, counts| Entry {
            file,
            class,
            activation: 2.5,
            counts,
        };
        Unit {
            number: 7,
            top: vec![entry(0, 0, true), entry(1, 0, true), entry(2, 1, false)],
            stands_out: 3.0,
        }
    }

    fn page(of: Of, units: &[&Unit]) -> String {
        let shown = Shown {
            of,
            drawn: BTreeMap::new(),
        };
        let mut page = Page::new("units");
        write(&mut page, &shown, &Table::default(), &data(), units);
        page.html()
    }

    #[test]
    fn what_an_earlier_report_drew_goes_and_nothing_else() {
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
    fn names_cannot_break_out_of_the_page() {
        let html = page(Of::Pictures, &[&unit()]);
        assert!(html.contains("&lt;b&gt;dog&lt;/b&gt;"), "{html}");
        assert!(!html.contains("\"x\" onload"), "{html}");
        assert!(!html.contains("<b>dog"), "{html}");
    }

    #[test]
    fn links_are_relative_and_sounds_can_be_played() {
        let html = page(Of::Sounds, &[&unit()]);
        for part in html.split("src=\"").skip(1) {
            let link = part.split('"').next().unwrap_or("");
            assert!(link.starts_with("units-sounds/"), "{link}");
        }
        assert_eq!(html.matches("<audio controls").count(), 3);
        assert_eq!(html.matches("class=\"own\"").count(), 2);
        assert_eq!(html.matches("does not count").count(), 1);
        assert!(!page(Of::Pictures, &[&unit()]).contains("<audio controls"));
    }

    #[test]
    fn without_a_unit_the_page_says_so() {
        assert!(page(Of::Pictures, &[]).contains("nothing to show"));
    }

    #[test]
    fn each_file_is_drawn_once_for_all_its_units() {
        let (first, second) = (
            unit(),
            Unit {
                number: 9,
                ..unit()
            },
        );
        let files = files_of(&[&first, &second]);
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
            let picture = with_map(&plain, &map, of);
            let lit = (0..160 * 160).find(|i| picture.rgb[i * 3..i * 3 + 3] != [90; 3]);
            lit.expect("a glow") / 160
        };
        assert!(lit(Of::Pictures) < 16);
        assert!(lit(Of::Sounds) > 130);
    }

    #[test]
    fn thumbnails_keep_their_aspect() {
        let frame = ScaledFrame {
            rgb: vec![7; 256 * 32 * 3],
            width: 256,
            height: 32,
            view: View::whole(256, 32),
        };
        let small = thumbnail(&frame).expect("a picture");
        assert_eq!((small.width, small.height), (160, 20));
        assert!(small.rgb.iter().all(|&v| v == 7));
    }
}
