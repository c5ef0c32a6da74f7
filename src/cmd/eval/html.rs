//! Reports as HTML pages that open from disk.
//!
//! Belongs here: head, style, tables, escaping, links. Does not: what an experiment
//! shows.
//!
//! A page is one file: its style is in it, it has no script, and what it shows
//! lies beside it. Nothing is fetched from a network.

use super::output::{Line, Table};

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

/// A page that is being written.
pub(super) struct Page {
    title: String,
    /// What stands below which heading, in the order of the page.
    headings: Vec<String>,
    body: String,
}

impl Page {
    /// A page without anything below its title.
    pub fn new(title: &str) -> Self {
        Self {
            title: escaped(title),
            headings: Vec::new(),
            body: String::new(),
        }
    }

    /// A heading below the title, which the list at the top leads to.
    pub fn heading(&mut self, text: &str) {
        let (number, text) = (self.headings.len() + 1, escaped(text));
        self.body += &format!("<h2 id=\"{number}\">{text}</h2>\n");
        self.headings.push(text);
    }

    /// The list at the top; a single heading needs none.
    fn contents(&self) -> String {
        if self.headings.len() < 2 {
            return String::new();
        }
        let numbered = self.headings.iter().zip(1..);
        let items = numbered.map(|(text, n)| format!("<li><a href=\"#{n}\">{text}</a></li>\n"));
        format!("<ul>\n{}</ul>\n", items.collect::<String>())
    }

    /// A paragraph.
    pub fn text(&mut self, text: &str) {
        self.body += &format!("<p>{}</p>\n", escaped(text));
    }

    /// The table that people get on the terminal. Its groups are folded: a click
    /// opens them.
    pub fn table(&mut self, table: &Table) {
        let mut open = "";
        let mut header: &[String] = &[];
        // Written before its first row: there may be none but in groups.
        let mut is_due = false;
        for line in table.lines() {
            match line {
                Line::Text(text) => {
                    self.body += std::mem::take(&mut open);
                    if !text.is_empty() {
                        self.text(text.trim());
                    }
                }
                Line::Group(kind) => {
                    self.body += open;
                    let kind = escaped(kind.trim());
                    self.body += &format!("<details><summary>{kind}</summary>\n<table>\n");
                    open = "</table>\n</details>\n";
                    is_due = !header.is_empty();
                }
                Line::More(n) => self.row("td", &[format!("… {n} more in the JSON")]),
                Line::Header(cells) => {
                    self.body += std::mem::take(&mut open);
                    (header, is_due) = (cells, true);
                }
                Line::Row(cells) => {
                    if open.is_empty() {
                        self.body += "<table>\n";
                        open = "</table>\n";
                    }
                    if std::mem::take(&mut is_due) {
                        self.row("th", header);
                    }
                    self.row("td", cells);
                }
            }
        }
        self.body += open;
    }

    fn row(&mut self, kind: &str, cells: &[String]) {
        self.body += "<tr>";
        for cell in cells {
            self.body += &format!("<{kind}>{}</{kind}>", escaped(cell.trim()));
        }
        self.body += "</tr>\n";
    }

    /// HTML as it is: all that comes from outside must be [`escaped`] in it.
    pub fn raw(&mut self, html: &str) {
        self.body += html;
    }

    /// The whole file, as far as it is written.
    pub fn html(&self) -> String {
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{0}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{0}</h1>\n\
             {1}{2}</body>\n</html>\n",
            self.title,
            self.contents(),
            self.body
        )
    }
}

/// Text that means itself in HTML and SVG, between tags and within quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            // SVG is XML, and XML has no place for them.
            c if c.is_control() => safe.push('·'),
            c => safe.push(c),
        }
    }
    safe
}

/// A path from the page as what `href` and `src` have. Bare, `#` and `?` would end it,
/// and `%` would be read as more than it is.
pub(super) fn link(path: &str) -> String {
    let mut link = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => link.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => link.push(char::from(byte)),
            byte => link += &format!("%{byte:02X}"),
        }
    }
    link
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
        assert_eq!(
            escaped(nasty),
            "&lt;script&gt;alert(&#39;a &amp; &quot;b&quot;&#39;)&lt;/script&gt;·"
        );
        assert_eq!(escaped("plain ä 1.wav"), "plain ä 1.wav");
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
    fn what_is_left_out_of_a_group_is_told_within_it() {
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
