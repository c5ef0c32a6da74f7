//! `l3net eval units`: what single units respond to (paper, sections 3.5.1 to
//! 3.5.3, Figures 3 to 9).

use std::path::PathBuf;

use anyhow::bail;

use super::labelled::{LOOK_HELP, LookArgs, report_unreadable};
use crate::eval::seconds::Seconds;
use crate::eval::units::{purest, rank};
use crate::report::Rendered;
use crate::report::units::{UnitsPage, UnitsReport};

/// Shows which files excite single units most, and whether they are of one class
///
/// Each of the 512 units of pool4 ranks all files. A class is covered if 4 (or 3) of
/// the 5 strongest files of some unit are of that class. The model is compared with
/// an untrained network and with units that rank by chance. REPORT_DIR/index.html
/// shows the purest units: their strongest files, and where in these they are
/// excited (conv4_2).
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = LOOK_HELP)]
pub struct UnitsArgs {
    #[command(flatten)]
    pub(super) look: LookArgs,
    /// Folder for index.html, units.png and what they show
    #[arg(long, short, value_name = "REPORT_DIR")]
    pub output: PathBuf,
    /// Strongest files that a unit is judged by
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(3..=20))]
    pub top: u8,
    /// Maximum number of units in the report
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(..=512))]
    pub most: u16,
}

/// Ranks the files, and writes the page.
///
/// # Errors
/// Names the model, the data, the report or the device, and what is wrong.
pub(super) fn run(args: &UnitsArgs) -> anyhow::Result<Rendered> {
    let (labelled, kind) = (&args.look.labelled, args.look.kind());
    let top = usize::from(args.top);
    let data = args.look.read()?;
    check_count(data.files.len(), args.top)?;
    UnitsPage::make_folders(&args.output, kind)?;
    let networks = labelled.networks(kind)?;
    let extractions = labelled.extract(&data, kind, Seconds::default(), &networks)?;
    let labels = data.labels();
    let mut ranked = Vec::new();
    for found in &extractions {
        match rank(found, &labels, top) {
            Some(units) => ranked.push(units),
            None => check_count(found.one_each().len(), args.top)?,
        }
    }
    let first = &extractions[0];
    let complete = report_unreadable(&first.unreadable);
    let report = UnitsReport::new(&networks, (kind, top), &data, &ranked, first);
    let report = Rendered::of(&report, complete)?;

    let page = UnitsPage {
        folder: &args.output,
        of: kind,
        data: &data,
        units: purest(&ranked[0], args.most.into()),
    };
    let bar = super::bar(page.files(), labelled.common.talk.quiet);
    page.write(&networks.loaded[0].net, &report.table, || bar.inc(1))?;
    bar.finish_and_clear();
    Ok(report)
}

/// Refuses to rank fewer files than units are judged by.
fn check_count(files: usize, top: u8) -> anyhow::Result<()> {
    match files {
        n if n >= usize::from(top) => Ok(()),
        n @ 3.. => bail!(
            "a unit is judged by its {top} strongest files, and there are {n} to be ranked; \
             take more files, or --top {n}"
        ),
        n => bail!(
            "a unit is judged by its {top} strongest files, and there are {n} to be ranked; \
             take more files"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_files_are_refused_with_what_would_do() {
        assert!(check_count(5, 5).is_ok());
        let error = |files| check_count(files, 5).expect_err("too few").to_string();
        assert!(
            error(4).ends_with("take more files, or --top 4"),
            "{}",
            error(4)
        );
        assert!(error(2).ends_with("take more files"), "{}", error(2));
    }
}
