//! Report of several experiments as one page.

use std::path::{Path, PathBuf};

use maud::html;
use serde::Serialize;

use super::Report;
use super::page::{Page, link};
use crate::eval::as_text;
use crate::table::Table;

/// The experiments that were run.
#[derive(Clone, Debug, Serialize)]
pub struct AllReport {
    /// The page.
    #[serde(serialize_with = "as_text")]
    pub page: PathBuf,
    /// In the order of the page.
    pub sections: Vec<Section>,
}

/// An experiment on the page.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// What one would type to run it.
    pub command: String,
    /// Its JSON file, next to the page.
    pub figures: Option<String>,
    /// What failed, in it or in some of its data.
    pub error: Option<String>,
}

/// Files that a section shows or links to; paths relative to the page.
#[derive(Clone, Debug, Default)]
pub struct SectionFiles {
    /// Its JSON file.
    pub figures: String,
    /// A picture.
    pub picture: Option<String>,
    /// A page of its own.
    pub page: Option<String>,
}

impl Section {
    /// Starts a section: its heading and command.
    pub fn start(page: &mut Page, title: &str, command: &str) {
        page.heading(title);
        page.add(html! { p { code { (command) } } "\n" });
    }
}

impl SectionFiles {
    /// Adds a table and these files to the page in `folder`.
    pub fn show(&self, page: &mut Page, folder: &Path, table: &Table) {
        page.table(table);
        // Without units there is no picture of them.
        let picture = self.picture.as_ref().filter(|p| folder.join(p).exists());
        if let Some(picture) = picture {
            let image = html! { img src=(link(picture)) alt="" style="max-width: 100%"; };
            page.add(html! {
                p {
                    @match &self.page {
                        Some(target) => { a href=(link(target)) { (image) } }
                        None => { (image) }
                    }
                } "\n"
            });
        }
        if let Some(target) = &self.page {
            page.add(html! { p { a href=(link(target)) { "all of it" } } "\n" });
        }
        page.add(html! {
            p { small { a href=(link(&self.figures)) { (self.figures) } } } "\n"
        });
    }
}

impl Report for AllReport {
    const EXPERIMENT: &'static str = "all";

    fn table(&self) -> Table {
        let mut table = Table::default();
        for section in &self.sections {
            let state = section.error.as_deref().unwrap_or("done");
            table.row(&section.title, [state.to_owned()]);
        }
        table.text("");
        table.text(format!("{}", self.page.display()));
        table
    }
}
