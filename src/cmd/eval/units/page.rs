//! The report of `eval units`: the strongest files of the purest units, as a page
//! and as one picture.

use std::path::Path;

use super::super::html::{Page, escaped};
use super::super::labelled::Of;
use super::super::output::Table;
use super::drawing::{Shown, folder};
use super::sheet::{self, Column, Tile};
use crate::eval::labelled::Labelled;
use crate::eval::units::{Entry, Unit};
use crate::picture::Picture;
use crate::sink::png::write_small_png;

/// The contact sheet.
const SHEET: &str = "units.png";

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

/// Writes all units as one picture.
pub(super) fn write_sheet(
    report: &Path,
    shown: &Shown,
    data: &Labelled,
    units: &[&Unit],
) -> anyhow::Result<()> {
    let file = report.join(SHEET);
    match sheet::draw(&columns(shown, data, units)) {
        Some(sheet) => write_small_png(&file, &sheet)?,
        // Units that are excited by nothing: an older sheet would be of others.
        None if file.exists() => std::fs::remove_file(&file)?,
        None => (),
    }
    Ok(())
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
    let path = data.files[file].media.name();
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
    use std::collections::BTreeMap;

    use super::*;
    use crate::eval::labelled::{LabelledFile, Media};

    fn data() -> Labelled {
        let file = |path: &str, class| LabelledFile {
            media: Media::File(path.into()),
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
}
