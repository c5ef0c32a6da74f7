//! Reports as HTML pages that open from disk.
//!
//! Belongs here: head, style, headings, tables, links. Does not: what an experiment
//! shows.
//!
//! A page is one file: its style is in it, it has no script, and the pictures lie
//! next to it. It loads nothing from a network.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::table::{Line, Table};

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --dim: #808080; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.35rem; margin-top: 2.5rem; }
h3 { font-size: 1.05rem; margin: 1.8rem 0 .4rem; }
small, figcaption small { color: var(--dim); font-weight: normal; }
p { overflow-wrap: anywhere; }
table { display: block; overflow-x: auto; border-collapse: collapse; margin: .8rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { font-weight: 600; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
summary { cursor: pointer; }
.strip { display: flex; flex-wrap: wrap; gap: .7rem; }
figure { margin: 0; max-width: 200px; }
figure img { display: block; }
.own .under { outline: 3px solid #28a05a; }
figcaption { font-size: .8rem; line-height: 1.3; margin-top: .2rem; overflow-wrap: anywhere; }
audio { width: 200px; height: 2rem; margin-top: .2rem; }
.under { position: relative; display: inline-block; }
.under img + img { position: absolute; inset: 0; }
.under:hover img + img { opacity: 0; }
";

/// Bare, `#` and `?` would end a path, and `%` would start an escape.
const NOT_IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A page under construction.
pub struct Page {
    title: String,
    /// In the order of the page.
    headings: Vec<String>,
    body: String,
}

impl Page {
    /// A page with nothing but its title.
    pub fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            headings: Vec::new(),
            body: String::new(),
        }
    }

    /// A heading, which the list at the top links to.
    pub fn heading(&mut self, text: &str) {
        let number = self.headings.len() + 1;
        self.headings.push(text.to_owned());
        self.add(html! { h2 id=(number) { (text) } "\n" });
    }

    /// A paragraph.
    pub fn text(&mut self, text: &str) {
        self.add(html! { p { (text) } "\n" });
    }

    /// Any other part.
    pub fn add(&mut self, part: Markup) {
        self.body += &part.into_string();
    }

    /// The table that people get on the terminal, its groups folded.
    pub fn table(&mut self, table: &Table) {
        let mut header: &[String] = &[];
        let continues = |line: &Line, next: &Line| {
            !matches!(line, Line::Text(_)) && matches!(next, Line::Row(_) | Line::More(_))
        };
        for block in table.lines().chunk_by(continues) {
            match &block[0] {
                Line::Text(text) if text.is_empty() => (),
                Line::Text(text) => self.text(text.trim()),
                Line::Header(cells) => {
                    header = cells;
                    if block.len() > 1 {
                        self.add(rows(header, &block[1..]));
                    }
                }
                Line::Group(title) => self.add(html! {
                    details { summary { (title.trim()) } "\n" (rows(header, &block[1..])) } "\n"
                }),
                Line::Row(_) | Line::More(_) => self.add(rows(&[], block)),
            }
        }
    }

    /// The list at the top; a single heading needs none.
    fn contents(&self) -> Markup {
        html! {
            @if self.headings.len() > 1 {
                ul { "\n"
                    @for (number, text) in (1..).zip(&self.headings) {
                        li { a href=(format!("#{number}")) { (text) } } "\n"
                    }
                } "\n"
            }
        }
    }

    /// The whole file, as far as it is written.
    pub fn html(&self) -> String {
        let page = html! {
            (DOCTYPE) "\n"
            html lang="en" { "\n"
                head { "\n"
                    meta charset="utf-8"; "\n"
                    meta name="viewport" content="width=device-width, initial-scale=1"; "\n"
                    title { (self.title) } "\n"
                    style { (PreEscaped(STYLE)) } "\n"
                } "\n"
                body { "\n"
                    h1 { (self.title) } "\n"
                    (self.contents())
                    (PreEscaped(&self.body))
                } "\n"
            } "\n"
        };
        page.into_string()
    }
}

/// A table of these rows; without a header if that is empty.
fn rows(header: &[String], lines: &[Line]) -> Markup {
    html! {
        table { "\n"
            @if !header.is_empty() {
                tr { @for cell in header { th { (cell.trim()) } } } "\n"
            }
            @for line in lines {
                @match line {
                    Line::More(n) => { tr { td { "… " (n) " more in the JSON" } } "\n" }
                    Line::Row(cells) => {
                        tr { @for cell in cells { td { (cell.trim()) } } } "\n"
                    }
                    Line::Text(_) | Line::Header(_) | Line::Group(_) => {}
                }
            }
        } "\n"
    }
}

/// A path relative to the page as `href` and `src` need it.
pub fn link(path: &str) -> String {
    utf8_percent_encode(path, NOT_IN_PATH).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_the_file_whatever_its_name() {
        assert_eq!(link("a-b_c.d~1/e.json"), "a-b_c.d~1/e.json");
        assert_eq!(
            link("50%#1?<\"&'ä :\n.svg"),
            "50%25%231%3F%3C%22%26%27%C3%A4%20%3A%0A.svg"
        );
    }

    #[test]
    fn names_of_files_and_classes_are_text_and_nothing_else() {
        let nasty = "<script>alert('a & \"b\"')</script>\n";
        let mut page = Page::new(nasty);
        page.heading(nasty);
        page.heading(nasty);
        page.text(nasty);
        let mut table = Table::default();
        table.text(nasty);
        table.header(nasty, &[nasty]);
        table.row("x", [nasty.to_owned()]);
        page.table(&table);
        let html = page.html();
        assert!(!html.contains("<script"), "{html}");
    }

    #[test]
    fn the_list_at_the_top_leads_to_every_section() {
        let mut page = Page::new("t");
        page.heading("one");
        assert!(!page.html().contains("<ul>"), "a single one needs no list");
        page.heading("two & three");
        let html = page.html();
        for (number, text) in [(1, "one"), (2, "two &amp; three")] {
            let link = format!("<li><a href=\"#{number}\">{text}</a></li>");
            let heading = format!("<h2 id=\"{number}\">{text}</h2>");
            assert!(html.contains(&link) && html.contains(&heading), "{html}");
        }
    }

    #[test]
    fn rows_omitted_from_a_group_are_counted_in_it() {
        let mut table = Table::default();
        let many: Vec<usize> = (0..50).collect();
        table.groups("by number", &many, |n| (n.to_string(), Vec::new()));
        let mut page = Page::new("t");
        page.table(&table);
        let end = "<tr><td>… 10 more in the JSON</td></tr>\n</table>\n</details>\n";
        assert!(page.body.ends_with(end), "{}", page.body);
    }

    #[test]
    fn a_table_is_that_of_the_terminal() {
        let mut table = Table::default();
        table.text("first");
        table.header("", &["pairs"]);
        table.row("chance", ["0.5".to_owned()]);
        table.text("");
        table.row("alone", []);
        table.groups("  by kind", &["a", "b"], |k| ((*k).to_owned(), Vec::new()));
        table.header("the best", &["file"]);
        table.groups("each", &["a", "b"], |k| ((*k).to_owned(), Vec::new()));
        let mut page = Page::new("t");
        page.table(&table);
        assert_eq!(
            page.body,
            "<p>first</p>\n<table>\n<tr><th></th><th>pairs</th></tr>\n\
             <tr><td>chance</td><td>0.5</td></tr>\n</table>\n\
             <table>\n<tr><td>alone</td></tr>\n</table>\n\
             <details><summary>by kind</summary>\n\
             <table>\n<tr><th></th><th>pairs</th></tr>\n\
             <tr><td>a</td></tr>\n<tr><td>b</td></tr>\n</table>\n</details>\n\
             <details><summary>each</summary>\n\
             <table>\n<tr><th>the best</th><th>file</th></tr>\n\
             <tr><td>a</td></tr>\n<tr><td>b</td></tr>\n</table>\n</details>\n"
        );
    }

    #[test]
    fn a_page_needs_nothing_from_elsewhere() {
        let html = Page::new("t").html();
        assert!(
            !html.contains("http:") && !html.contains("https:"),
            "{html}"
        );
        assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>\n"));
    }
}
