//! Words for people: counts, and names of what comes from outside.

use std::fmt::Display;
use std::path::Path;

/// So many of something: `1 file`, `2 files`.
pub fn plural<N: Display + PartialEq + From<u8>>(count: N, what: &str) -> String {
    let s = if count == N::from(1) { "" } else { "s" };
    format!("{count} {what}{s}")
}

/// A name from outside as it may be shown: no escape sequence of it reaches the
/// terminal, and it makes no lines of its own.
pub fn printable(name: &str) -> String {
    let dot = |c: char| if c.is_control() { '·' } else { c };
    name.chars().map(dot).collect()
}

/// A text of several lines in which such names may stand.
pub fn printable_lines(text: &str) -> String {
    let lines = text.split('\n').map(printable);
    lines.collect::<Vec<_>>().join("\n")
}

/// What a folder is called, also where `.` or `..` stands for it.
pub fn folder_name(folder: &Path) -> Option<String> {
    let whole = || Some(folder.canonicalize().ok()?.file_name()?.to_owned());
    let name = folder.file_name().map(ToOwned::to_owned).or_else(whole)?;
    Some(name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        let counts = [0_usize, 1, 2].map(|n| plural(n, "camera"));
        assert_eq!(counts, ["0 cameras", "1 camera", "2 cameras"]);
    }

    #[test]
    fn escape_sequences_stay_out() {
        let evil = "a\u{1b}[31mb\r\u{9b}2Jc\nd é";
        assert_eq!(printable(evil), "a·[31mb··2Jc·d é");
        assert_eq!(printable_lines(evil), "a·[31mb··2Jc\nd é");
    }
}
