//! The section of a page that shows the strongest files of the purest units, and
//! the same as one picture.

use maud::{Markup, html};

use super::UnitsPage;
use super::drawing::{Drawn, folder};
use super::sheet::{self, Column, Tile};
use crate::eval::labelled::{Labelled, MediaKind};
use crate::eval::units::{Entry, Unit};
use crate::png::write_small_png;
use crate::report::ReportError;
use crate::report::page::Page;
use crate::table::Table;

/// The contact sheet.
const SHEET: &str = "units.png";

/// The class that most of a unit's strongest files are of.
struct Purity<'a> {
    /// Name of the class.
    name: &'a str,
    class: Option<usize>,
    /// `5 of 5`.
    share: String,
}

impl<'a> Purity<'a> {
    fn of(unit: &Unit, data: &'a Labelled) -> Self {
        let majority = unit.majority();
        let count = majority.map_or(0, |(_, count)| count);
        let class = majority.map(|(class, _)| class);
        Self {
            name: class.map_or("nothing", |class| &data.classes[class]),
            class,
            share: format!("{count} of {}", unit.top.len()),
        }
    }

    fn includes(&self, entry: &Entry) -> bool {
        entry.counts && Some(entry.class) == self.class
    }
}

/// Writes all units as one picture.
pub(super) fn write_sheet(page: &UnitsPage<'_>, drawn: &Drawn) -> Result<(), ReportError> {
    let column = |unit: &&Unit| {
        let purity = Purity::of(unit, page.data);
        let tiles = unit.top.iter().filter_map(|entry| {
            Some(Tile {
                picture: drawn.get(&(entry.file, unit.number))?,
                own: purity.includes(entry),
            })
        });
        Column {
            title: purity.name.to_owned(),
            note: format!("unit {}: {}", unit.number, purity.share),
            tiles: tiles.collect(),
        }
    };
    let columns: Vec<Column<'_>> = page.units.iter().map(column).collect();
    let file = page.folder.join(SHEET);
    match sheet::draw(&columns) {
        Some(sheet) => write_small_png(&file, &sheet)?,
        // No unit is excited by anything: an older sheet would show others.
        None if file.exists() => {
            std::fs::remove_file(&file).map_err(|cause| ReportError::Folder {
                path: file,
                what: "the old picture cannot be removed",
                cause,
            })?;
        }
        None => (),
    }
    Ok(())
}

/// Adds figures and units to a page.
pub(super) fn write(to: &mut Page, page: &UnitsPage<'_>, drawn: &Drawn, table: &Table) {
    to.table(table);
    to.heading("The purest units");
    to.text(match page.of {
        MediaKind::Pictures => {
            "The pictures that excite a unit most, the strongest first, as far as the network sees \
             them. The glow is conv4_2 of the unit; point at a picture to see it without."
        }
        MediaKind::Sounds => {
            "The sounds that excite a unit most, the strongest first: the second that was listened \
             to, its log-spectrogram (1 s to the right, frequencies upwards), and over it conv4_2 \
             of the unit; point at it to see the sound alone."
        }
    });
    if page.units.is_empty() {
        to.text("No unit tells files apart: nothing to show.");
        return;
    }
    to.add(html! { p { a href=(SHEET) { "All of them as one picture" } } "\n" });
    for unit in &page.units {
        to.add(strip(page, drawn, unit));
    }
}

fn strip(page: &UnitsPage<'_>, drawn: &Drawn, unit: &Unit) -> Markup {
    let purity = Purity::of(unit, page.data);
    let deviations = format!("{:.1} standard deviations above the mean", unit.stands_out);
    html! {
        h3 {
            (purity.name) " "
            small { (purity.share) ", unit " (unit.number) ", " (deviations) }
        } "\n"
        div.strip { "\n"
            @for entry in &unit.top { (figure(page, drawn, unit, entry, &purity)) }
        } "\n"
    }
}

fn figure(
    page: &UnitsPage<'_>,
    drawn: &Drawn,
    unit: &Unit,
    entry: &Entry,
    purity: &Purity<'_>,
) -> Markup {
    let (folder, file) = (folder(page.of), entry.file);
    let picture = drawn.get(&(file, unit.number));
    let (width, height) = (picture.map(|p| p.width), picture.map(|p| p.height));
    let path = page.data.files[file].media.name();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let plain = format!("{folder}/{file}.png");
    let with_map = format!("{folder}/{file}-{}.png", unit.number);
    html! {
        figure class=[purity.includes(entry).then_some("own")] { "\n"
            span.under {
                img src=(plain) width=[width] height=[height] alt="";
                img src=(with_map) width=[width] height=[height] alt=(name);
            } "\n"
            @if page.of == MediaKind::Sounds {
                audio controls preload="none" src=(format!("{folder}/{file}.wav")) {} "\n"
            }
            figcaption title=(path.display()) {
                (page.data.classes[entry.class]) " "
                small {
                    (format!("{:.2}", entry.activation))
                    @if !entry.counts { ", does not count" }
                    br; (name)
                }
            } "\n"
        } "\n"
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

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

    fn page(of: MediaKind, units: &[&Unit]) -> String {
        let mut page = Page::new("units");
        let units = UnitsPage {
            folder: Path::new("report"),
            of,
            data: &data(),
            units: units.to_vec(),
        };
        write(&mut page, &units, &Drawn::new(), &Table::default());
        page.html()
    }

    #[test]
    fn names_cannot_break_out_of_the_page() {
        let html = page(MediaKind::Pictures, &[&unit()]);
        assert!(html.contains("&lt;b&gt;dog&lt;/b&gt;"), "{html}");
        assert!(!html.contains("\"x\" onload"), "{html}");
        assert!(!html.contains("<b>dog"), "{html}");
    }

    #[test]
    fn links_are_relative_and_sounds_can_be_played() {
        let html = page(MediaKind::Sounds, &[&unit()]);
        for part in html.split("src=\"").skip(1) {
            let link = part.split('"').next().unwrap_or("");
            assert!(link.starts_with("units-sounds/"), "{link}");
        }
        assert_eq!(html.matches("<audio controls").count(), 3);
        assert_eq!(html.matches("class=\"own\"").count(), 2);
        assert_eq!(html.matches("does not count").count(), 1);
        assert!(!page(MediaKind::Pictures, &[&unit()]).contains("<audio controls"));
    }

    #[test]
    fn without_a_unit_the_page_says_so() {
        assert!(page(MediaKind::Pictures, &[]).contains("nothing to show"));
    }
}
