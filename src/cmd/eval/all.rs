//! `l3net eval all`: every experiment that the data allows, in one report.
//!
//! Belongs here: which experiments a folder of data allows, and the page that
//! shows them. Does not: the experiments; each is the command that stands above
//! its figures.

mod folders;
mod plan;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;
use serde::Serialize;

use super::figure::PictureFile;
use super::html::{Page, escaped, link};
use super::output::{Table, write_whole};
use super::{CommonArgs, Experiment, Found};
use crate::cmd::common::say;
use crate::eval::as_text;
use plan::{Plan, Planned};

/// Does every experiment that the data allows and writes one report
///
/// Looks at the folders in DIR: classes of sounds, classes of pictures, ESC-50,
/// DCASE, recordings. REPORT_DIR/index.html opens from disk and shows every table
/// and figure; the figures of each experiment lie beside it as JSON and SVG. The page is
/// written anew after each experiment.
#[derive(clap::Args, Clone, Debug)]
pub struct AllArgs {
    /// Folder whose folders are the data
    #[arg(long, required = true, value_name = "DIR", num_args = 1..)]
    pub data: Vec<PathBuf>,
    /// Folder for index.html and what it shows
    #[arg(long, short, value_name = "REPORT_DIR")]
    pub output: PathBuf,
    /// Names of files to hold out, such as 'emojitwo_*'
    #[arg(long, value_name = "PATTERN", num_args = 1..)]
    pub test: Vec<String>,
    /// Pairs and scenes of each DATA
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(2..))]
    pub pairs: u32,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

/// What was done; `--json` writes it as it is.
#[derive(Clone, Debug, Serialize)]
struct Report {
    #[serde(serialize_with = "as_text")]
    page: PathBuf,
    sections: Vec<Section>,
}

/// An experiment in the report.
#[derive(Clone, Debug, Serialize)]
struct Section {
    title: String,
    command: String,
    /// Its figures, beside the page.
    figures: Option<String>,
    /// What is wrong, with it or with some of its data.
    error: Option<String>,
}

/// A command line of one experiment.
#[derive(clap::Parser)]
struct Line {
    #[command(subcommand)]
    what: Experiment,
}

/// Does all of it. An experiment that fails is named in the report, and the others
/// are done.
///
/// # Errors
/// If the data allow no experiment, or the report cannot be written.
pub(super) fn find(args: &AllArgs) -> anyhow::Result<Found> {
    let plan = Plan::of(args)?;
    std::fs::create_dir_all(&args.output)
        .with_context(|| format!("{}: cannot be made", args.output.display()))?;
    let index = args.output.join("index.html");
    let mut page = Page::new("What the network has learnt");
    let mut sections: Vec<Section> = Vec::new();
    let count = plan.experiments.len();
    for (nth, mut planned) in plan.experiments.into_iter().enumerate() {
        let command = planned.command();
        if !args.common.talk.quiet {
            say(&format!("{} of {count}: {command}", nth + 1));
        }
        page.heading(&planned.title);
        page.raw(&format!("<p><code>{}</code></p>\n", escaped(&command)));
        let (figures, error) = match one(args, &planned) {
            Ok(found) => {
                let figures = format!("{}.json", planned.name);
                write_whole(&args.output.join(&figures), found.json.as_bytes())?;
                if let Some(chart) = &found.chart {
                    let picture = format!("{}.svg", planned.name);
                    PictureFile::of(&args.output.join(&picture))?.write(&chart.scene())?;
                    planned.picture = Some(picture);
                }
                show(&mut page, &args.output, &planned, &figures, &found.table);
                let partly = "some of its data could not be used";
                (Some(figures), (!found.whole).then(|| partly.to_owned()))
            }
            Err(error) => {
                tracing::error!("{command}: {error:#}");
                page.text(&format!("Could not be done: {error:#}"));
                (None, Some(format!("{error:#}")))
            }
        };
        sections.push(Section {
            command,
            title: planned.title,
            figures,
            error,
        });
        write_whole(&index, page.html().as_bytes())?;
    }
    let whole = sections.iter().all(|section| section.error.is_none());
    let report = Report {
        page: index,
        sections,
    };
    Found::of("all", &report, table(&report), whole)
}

/// Does one experiment as if its command line had been typed.
fn one(args: &AllArgs, planned: &Planned) -> anyhow::Result<Found> {
    let mut line = Line::try_parse_from(std::iter::once("eval").chain(planned.words()))?;
    *line.what.common_mut() = CommonArgs {
        json: None,
        ..args.common.clone()
    };
    line.what.find()
}

/// What was found, below the heading of its section.
fn show(page: &mut Page, report: &Path, planned: &Planned, figures: &str, table: &Table) {
    page.table(table);
    // There is none of no units.
    let picture = planned.picture.as_ref();
    if let Some(picture) = picture.filter(|picture| report.join(picture).exists()) {
        let picture = link(picture);
        let image = format!("<img src=\"{picture}\" alt=\"\" style=\"max-width: 100%\">");
        match &planned.page {
            Some(target) => page.raw(&format!(
                "<p><a href=\"{}\">{image}</a></p>\n",
                link(target)
            )),
            None => page.raw(&format!("<p>{image}</p>\n")),
        }
    }
    if let Some(target) = &planned.page {
        page.raw(&format!(
            "<p><a href=\"{}\">all of it</a></p>\n",
            link(target)
        ));
    }
    page.raw(&format!(
        "<p><small><a href=\"{}\">{}</a></small></p>\n",
        link(figures),
        escaped(figures)
    ));
}

fn table(report: &Report) -> Table {
    let mut table = Table::default();
    for section in &report.sections {
        let state = section.error.as_deref().unwrap_or("done");
        table.row(&section.title, [state.to_owned()]);
    }
    table.text("");
    table.text(format!("{}", report.page.display()));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Folders of two classes of sounds and pictures; nobody reads what is in the files.
    fn classes(folder: &Path) {
        for class in ["low", "high"] {
            let class = folder.join(class);
            std::fs::create_dir_all(&class).expect("a folder");
            // Three of each are held out: enough for units, too few for a map.
            for file in 0..24 {
                for end in ["wav", "png"] {
                    let file = class.join(format!("{file}.{end}"));
                    std::fs::write(file, "x").expect("a file");
                }
            }
        }
    }

    fn planned(data: &[PathBuf]) -> Vec<Planned> {
        let data = data.iter().map(|folder| folder.display().to_string());
        let words = ["eval", "all", "-o", "report", "--data"].map(str::to_owned);
        let line = Line::try_parse_from(words.into_iter().chain(data)).expect("a command line");
        let Experiment::All(args) = line.what else {
            panic!("another experiment")
        };
        Plan::of(&args).expect("a plan").experiments
    }

    #[test]
    fn folders_of_one_name_have_figures_of_their_own() {
        let root = tempfile::tempdir().expect("a folder");
        let data = ["one", "two"].map(|name| root.path().join(name));
        data.iter().for_each(|folder| classes(&folder.join("same")));
        let planned = planned(&data);
        for of in [
            |planned: &Planned| planned.name.clone(),
            |planned: &Planned| planned.title.clone(),
        ] {
            let mut all: Vec<String> = planned.iter().map(of).collect();
            all.sort();
            let count = all.len();
            all.dedup();
            assert_eq!(all.len(), count, "{all:?}");
        }
        let names: Vec<&str> = planned.iter().map(|p| p.name.as_str()).collect();
        for name in ["sound-same", "sound-same-2", "units-same-2-pictures"] {
            assert!(names.contains(&name), "{names:?}");
        }
    }

    #[test]
    fn a_folder_that_is_named_by_dots_has_its_own_name() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("animals");
        classes(&folder);
        let planned = planned(&[folder.join("low/..")]);
        assert!(planned.iter().any(|p| p.name == "image-animals"));
        assert!(planned.iter().all(|p| !p.name.ends_with('-')));
    }

    #[test]
    fn links_lead_to_files_of_any_name() {
        let root = tempfile::tempdir().expect("a folder");
        classes(&root.path().join("50%#1?"));
        let mut page = Page::new("t");
        for planned in planned(&[root.path().to_owned()]) {
            if !planned.name.contains('%') {
                continue;
            }
            if let Some(picture) = &planned.picture {
                let picture = root.path().join(picture);
                std::fs::create_dir_all(picture.parent().expect("a folder")).expect("made");
                std::fs::write(picture, "x").expect("a file");
            }
            let figures = format!("{}.json", planned.name);
            show(
                &mut page,
                root.path(),
                &planned,
                &figures,
                &Table::default(),
            );
        }
        let html = page.html();
        let kinds = ["src=\"", "href=\""];
        let links = kinds.iter().flat_map(|kind| html.split(kind).skip(1));
        let links: Vec<&str> = links.filter_map(|part| part.split('"').next()).collect();
        // Figures of six experiments; two of them have a picture and a page, linked twice.
        assert_eq!(links.len(), 6 + 2 * 3, "{links:?}");
        assert!(
            links.iter().all(|l| l.contains("50%25%231%3F")),
            "{links:?}"
        );
    }
}
