//! Tables of figures for people.
//!
//! Belongs here: rows, columns, how numbers are written. Does not: where a table
//! is shown, what its figures mean.

use std::io::{self, Write};

use crate::draw::shortened;
use crate::learn::metrics::Interval;

/// Columns of a row's name.
const NAME_COLUMNS: usize = 34;
/// Groups of one kind in a table; JSON has all.
const MAX_GROUPS: usize = 40;

/// A table: each row has a name and figures; columns are as wide as their longest cell.
#[derive(Clone, Debug, Default)]
pub struct Table {
    lines: Vec<Line>,
}

/// A line of a table.
#[derive(Clone, Debug)]
pub enum Line {
    /// Text across all columns.
    Text(String),
    /// Names of the columns.
    Header(Vec<String>),
    /// A name and figures.
    Row(Vec<String>),
    /// Title of the rows below it.
    Group(String),
    /// Rows of the group that were omitted.
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

    /// The lines in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Rows of groups under a title. A single group is omitted: it equals the whole.
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
        for group in groups.iter().take(MAX_GROUPS) {
            let (name, cells) = row(group);
            self.row(&format!("    {name}"), cells);
        }
        if groups.len() > MAX_GROUPS {
            let more = groups.len() - MAX_GROUPS;
            self.lines.push(Line::More(more));
        }
    }

    /// Writes the table as text.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
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
    let name = std::iter::once(shortened(name, NAME_COLUMNS));
    name.chain(cells).collect()
}

/// A share in percent; empty if there is none.
pub fn percent(share: impl Into<Option<f64>>) -> String {
    share
        .into()
        .map_or_else(String::new, |s| format!("{:.1} %", s * 100.0))
}

/// An interval of a share in percent; empty if there is none.
pub fn percent_95(interval: impl Into<Option<Interval>>) -> String {
    interval.into().map_or_else(String::new, |[low, high]| {
        format!("{:.1} to {:.1}", low * 100.0, high * 100.0)
    })
}

/// A number with three decimals; empty if there is none.
pub fn number(value: impl Into<Option<f64>>) -> String {
    value.into().map_or_else(String::new, |v| format!("{v:.3}"))
}

/// An interval with three decimals; empty if there is none.
pub fn number_95(interval: impl Into<Option<Interval>>) -> String {
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
    fn figures_are_aligned_under_their_names() {
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
    fn long_lists_of_groups_end_and_single_groups_are_omitted() {
        let mut table = Table::default();
        table.groups("by number", &[1], |_| ("one".to_owned(), Vec::new()));
        assert_eq!(text(&table), "");
        let many: Vec<usize> = (0..100).collect();
        table.groups("by number", &many, |n| {
            ("n".to_owned(), vec![n.to_string()])
        });
        let text = text(&table);
        assert_eq!(text.lines().count(), MAX_GROUPS + 2);
        assert!(text.contains("60 more"), "{text}");
    }

    #[test]
    fn missing_figures_are_blank() {
        assert_eq!(percent(None), "");
        assert_eq!(number_95(None), "");
        assert_eq!(percent_95([0.0, 1.0]), "0.0 to 100.0");
        assert_eq!(number_95([0.5, 0.75]), "0.500 to 0.750");
    }
}
