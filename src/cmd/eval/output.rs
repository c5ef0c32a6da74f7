//! Figures as a table and as JSON, and where each goes.
//!
//! A table goes to stdout, and JSON to the file of `--json`. `--json -` (or
//! /dev/stdout) has stdout for itself: then the table goes to stderr.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{CommonArgs, Found};
use crate::atomic_file;
use crate::draw::shortened;
use crate::eval::metrics::Interval;
use crate::sink::SinkError;

/// Columns of the first column of a table.
const NAME: usize = 34;
/// Groups of one kind in a table; JSON has all.
const MOST_GROUPS: usize = 40;

/// Where the figures go.
pub(super) enum Destination {
    Table,
    Stdout { quiet: bool },
    File(PathBuf),
}

impl Destination {
    /// As the options say; that no file can be there should be known before the
    /// work, not behind it.
    pub fn of(args: &CommonArgs) -> anyhow::Result<Self> {
        let Some(file) = &args.json else {
            return Ok(Self::Table);
        };
        if [Path::new("-"), Path::new("/dev/stdout")].contains(&file.as_path()) {
            let quiet = args.talk.quiet;
            return Ok(Self::Stdout { quiet });
        }
        check_place(file)?;
        Ok(Self::File(file.clone()))
    }

    /// Writes the report, if it has a file of its own.
    pub fn write(&self, found: &Found) -> Result<(), SinkError> {
        match self {
            Self::Table | Self::Stdout { .. } => Ok(()),
            Self::File(file) => write_whole(file, format!("{}\n", found.json).as_bytes()),
        }
    }

    /// Shows the table for people, and the report if it has no file.
    pub fn show(&self, stdout: &mut dyn Write, found: &Found) -> Result<(), SinkError> {
        let Found { json, table, .. } = found;
        let shown = match self {
            Self::Table | Self::File(_) => table.write(stdout),
            Self::Stdout { quiet } => {
                let shown = writeln!(stdout, "{json}");
                if !quiet {
                    // Nobody reads stderr: nothing to be done.
                    let _ = table.write(&mut io::stderr());
                }
                shown
            }
        };
        shown
            .and_then(|()| stdout.flush())
            .map_err(SinkError::io(Path::new("stdout"), "write"))
    }
}

/// Refuses a name that no file can have: better before the work than behind it.
pub(super) fn check_place(file: &Path) -> anyhow::Result<()> {
    if file.is_dir() {
        anyhow::bail!("{}: is a folder; name a file in it", file.display());
    }
    let folder = file.parent().filter(|f| !f.as_os_str().is_empty());
    match folder.filter(|f| !f.is_dir()) {
        Some(folder) => anyhow::bail!("{}: no such folder; make it first", folder.display()),
        None => Ok(()),
    }
}

/// Writes a file that appears whole or not at all.
pub(super) fn write_whole(file: &Path, bytes: &[u8]) -> Result<(), SinkError> {
    atomic_file::write(file, bytes).map_err(SinkError::io(file, "write"))
}

/// A table: a name, then figures, as wide as they need.
#[derive(Default)]
pub(super) struct Table {
    lines: Vec<Line>,
}

/// A line of a table.
pub(super) enum Line {
    Text(String),
    Header(Vec<String>),
    Row(Vec<String>),
    /// What the rows below it have in common.
    Group(String),
    /// So many rows of the group are left out.
    More(usize),
}

impl Table {
    /// A line of text.
    pub fn text(&mut self, text: impl Into<String>) {
        self.lines.push(Line::Text(text.into()));
    }

    /// A row.
    pub fn row(&mut self, name: &str, cells: impl IntoIterator<Item = String>) {
        self.lines.push(Line::Row(named(name, cells)));
    }

    /// The names of the columns.
    pub fn header(&mut self, name: &str, columns: &[&str]) {
        let cells = columns.iter().map(|&c| c.to_owned());
        self.lines.push(Line::Header(named(name, cells)));
    }

    /// All of it, for other ways to show it.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Groups of one kind under a heading; a single one says nothing new.
    pub fn groups<G>(
        &mut self,
        kind: &str,
        groups: &[G],
        row: impl Fn(&G) -> (String, Vec<String>),
    ) {
        if groups.len() < 2 {
            return;
        }
        self.lines.push(Line::Group(format!("  {kind}")));
        for group in groups.iter().take(MOST_GROUPS) {
            let (name, cells) = row(group);
            self.row(&format!("    {name}"), cells);
        }
        if groups.len() > MOST_GROUPS {
            let more = groups.len() - MOST_GROUPS;
            self.lines.push(Line::More(more));
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows = || {
            self.lines.iter().filter_map(|line| match line {
                Line::Header(row) | Line::Row(row) => Some(row),
                Line::Text(_) | Line::Group(_) | Line::More(_) => None,
            })
        };
        let width = |column: usize| {
            let cells = rows().filter_map(|row| row.get(column));
            cells.map(|c| c.chars().count()).max().unwrap_or(0)
        };
        let columns = rows().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for line in &self.lines {
            match line {
                Line::Text(text) | Line::Group(text) => writeln!(out, "{text}")?,
                Line::More(n) => writeln!(out, "    … {n} more; --json FILE has all")?,
                Line::Header(row) | Line::Row(row) => {
                    let mut text = format!("{:<w$}", row[0], w = widths[0]);
                    for (cell, &w) in row.iter().zip(&widths).skip(1) {
                        text += &format!("  {cell:>w$}");
                    }
                    writeln!(out, "{}", text.trim_end())?;
                }
            }
        }
        Ok(())
    }
}

fn named(name: &str, cells: impl IntoIterator<Item = String>) -> Vec<String> {
    let name = std::iter::once(shortened(name, NAME));
    name.chain(cells).collect()
}

/// A share in percent, or nothing.
pub(super) fn percent(share: impl Into<Option<f64>>) -> String {
    share
        .into()
        .map_or_else(String::new, |s| format!("{:.1} %", s * 100.0))
}

/// An interval of a share in percent, or nothing.
pub(super) fn percent_95(interval: impl Into<Option<Interval>>) -> String {
    interval.into().map_or_else(String::new, |[low, high]| {
        format!("{:.1} to {:.1}", low * 100.0, high * 100.0)
    })
}

/// A number with three places, or nothing.
pub(super) fn number(value: impl Into<Option<f64>>) -> String {
    value.into().map_or_else(String::new, |v| format!("{v:.3}"))
}

/// An interval of a number with three places, or nothing.
pub(super) fn number_95(interval: impl Into<Option<Interval>>) -> String {
    interval
        .into()
        .map_or_else(String::new, |[low, high]| format!("{low:.3} to {high:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(table: &Table) -> String {
        let mut out = Vec::new();
        table.write(&mut out).expect("memory");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn figures_stand_under_their_names() {
        let mut table = Table::default();
        table.text("a model");
        table.header("", &["pairs", "accuracy"]);
        table.row("dogs and cats", ["1000".to_owned(), percent(0.7834)]);
        table.row("chance", [String::new(), percent(0.5)]);
        let expected = "a model\n               pairs  accuracy\n\
                        dogs and cats   1000    78.3 %\nchance                  50.0 %\n";
        assert_eq!(text(&table), expected);
    }

    #[test]
    fn long_lists_of_groups_end_and_single_groups_are_left_out() {
        let mut table = Table::default();
        table.groups("by number", &[1], |_| ("one".to_owned(), Vec::new()));
        assert_eq!(text(&table), "");
        let many: Vec<usize> = (0..100).collect();
        table.groups("by number", &many, |n| {
            ("n".to_owned(), vec![n.to_string()])
        });
        let text = text(&table);
        assert_eq!(text.lines().count(), MOST_GROUPS + 2);
        assert!(text.contains("60 more"), "{text}");
    }

    #[test]
    fn what_there_is_no_figure_of_is_left_blank() {
        assert_eq!(percent(None), "");
        assert_eq!(number_95(None), "");
        assert_eq!(percent_95([0.0, 1.0]), "0.0 to 100.0");
        assert_eq!(number_95([0.5, 0.75]), "0.500 to 0.750");
    }
}
