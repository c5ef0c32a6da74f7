//! `l3net eval all`: every experiment that the data allow, in one report.
//!
//! Belongs here: which experiments a folder of data allows, and running them. Does
//! not: the experiments; each is the command above its figures.

mod folders;
mod plan;

use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;

use super::{CommonArgs, Experiment};
use crate::cmd::common::{output_folder, say};
use crate::report::all::{AllReport, Section};
use crate::report::figure::FigureFile;
use crate::report::page::Page;
use crate::report::{Rendered, write_file};
use plan::{Plan, Planned};

/// Runs every experiment that the data allow and writes one report
///
/// Finds data in the folders of DIR: classes of sounds, classes of pictures, ESC-50,
/// DCASE, recordings. REPORT_DIR/index.html opens from disk and shows every table and
/// figure; the figures of each experiment are next to it as JSON and SVG. The page is
/// rewritten after each experiment.
#[derive(clap::Args, Clone, Debug)]
pub struct AllArgs {
    /// Folder whose folders are the data
    #[arg(long, required = true, value_name = "DIR", num_args = 1..)]
    pub data: Vec<PathBuf>,
    /// Folder for index.html and what it shows
    #[arg(long, short, value_name = "REPORT_DIR", value_parser = output_folder)]
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

/// A command line of one experiment.
#[derive(clap::Parser)]
struct Line {
    #[command(subcommand)]
    what: Experiment,
}

/// Runs all of them. An experiment that fails is named in the report, and the others
/// are run.
///
/// # Errors
/// If the data allow no experiment, or the report cannot be written.
pub(super) fn run(args: &AllArgs) -> anyhow::Result<Rendered> {
    let plan = Plan::of(args)?;
    std::fs::create_dir_all(&args.output)
        .with_context(|| format!("{}: cannot be made", args.output.display()))?;
    let index = args.output.join("index.html");
    let mut page = Page::new("What the network has learnt");
    let mut sections: Vec<Section> = Vec::new();
    let count = plan.experiments.len();
    for (nth, planned) in plan.experiments.into_iter().enumerate() {
        let command = planned.command();
        if !args.common.talk.quiet {
            say(&format!("{} of {count}: {command}", nth + 1));
        }
        Section::start(&mut page, &planned.title, &command);
        let (figures, error) = match run_one(args, &planned) {
            Ok(report) => {
                let complete = report.complete;
                let figures = write(args, &planned, &report, &mut page)?;
                let partly = "some of its data could not be used";
                (Some(figures), (!complete).then(|| partly.to_owned()))
            }
            Err(error) => {
                tracing::error!("{command}: {error:#}");
                page.text(&format!("Could not be done: {error:#}"));
                (None, Some(format!("{error:#}")))
            }
        };
        sections.push(Section {
            title: planned.title,
            command,
            figures,
            error,
        });
        write_file(&index, page.html().as_bytes())?;
    }
    let complete = sections.iter().all(|section| section.error.is_none());
    let report = AllReport {
        page: index,
        sections,
    };
    Ok(Rendered::of(&report, complete)?)
}

/// Runs one experiment as if its command line had been typed.
fn run_one(args: &AllArgs, planned: &Planned) -> anyhow::Result<Rendered> {
    let mut line = Line::try_parse_from(std::iter::once("eval").chain(planned.words()))?;
    *line.what.common_mut() = CommonArgs {
        json: None,
        ..args.common.clone()
    };
    line.what.run()
}

/// Writes the files of an experiment and shows them on the page. Returns the name of
/// its JSON file.
fn write(
    args: &AllArgs,
    planned: &Planned,
    report: &Rendered,
    page: &mut Page,
) -> anyhow::Result<String> {
    let mut files = planned.files();
    write_file(&args.output.join(&files.figures), report.json.as_bytes())?;
    if let Some(chart) = &report.chart {
        let picture = format!("{}.svg", planned.name);
        FigureFile::new(&args.output.join(&picture))?.write(&chart.canvas())?;
        files.picture = Some(picture);
    }
    files.show(page, &args.output, &report.table);
    Ok(files.figures)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::table::Table;

    /// Folders of two classes of sounds and pictures; the files are never read.
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
    fn folders_of_the_same_name_have_separate_figures() {
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
            let files = planned.files();
            files.show(&mut page, root.path(), &Table::default());
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
