//! The SOURCEs of a command line, with their names and classes.

use std::path::{Path, PathBuf};

use super::source::{Source, SourceError, file_of_uri, is_media, one};
use crate::text::folder_name;

/// The SOURCEs of a command line, with short names that need not be unique. Directories
/// are walked; what does not exist becomes [`SourceKind::Broken`](super::SourceKind::Broken), so that the others
/// continue.
///
/// # Errors
/// Wrong usage: an unknown scheme, a description that cannot be used.
pub fn find(texts: &[String]) -> Result<Vec<Source>, SourceError> {
    let mut sources = Vec::new();
    let mut folders = Vec::new();
    for text in texts {
        let before = sources.len();
        let (name, text) = split_name(text);
        one(text, &mut sources)?;
        if let Some(name) = name {
            give_name(name, text, &mut sources[before..]);
        } else if let Some(name) = flat_folder(text, &sources[before..]).filter(|_| texts.len() > 1)
        {
            folders.push((before..sources.len(), name, text.trim_end_matches('/')));
        }
    }
    for (found, name, text) in &folders {
        // site1/day and site2/day are two classes.
        let is_other = |other: &&(_, _, &str)| other.1 == *name && other.2 != *text;
        let label = match folders.iter().find(is_other) {
            Some(_) => (*text).to_owned(),
            None => name.clone(),
        };
        for source in sources[found.clone()].iter_mut().filter(|s| s.is_file()) {
            source.label = Some(label.clone());
        }
    }
    Ok(sources)
}

/// What a line of a list of SOURCEs means. A file is named as it is listed, so that its name
/// does not depend on the rest of the list.
///
/// # Errors
/// As [`find`].
pub fn find_listed(line: &str) -> Result<Vec<Source>, SourceError> {
    let mut sources = find(&[line.to_owned()])?;
    if let [source] = &mut sources[..]
        && split_name(line).0.is_none()
        && (source.is_missing() || source.is_file() && !Path::new(line).is_dir())
    {
        source.name = as_listed(line).into();
    }
    Ok(sources)
}

/// The name of the file that a line means, if that can be told from the line alone.
pub fn name_of_listed(line: &str) -> Option<&str> {
    let is_other = line.contains("://") || line.contains(['=', '!']) || line.starts_with("file:");
    (!is_other && is_media(Path::new(line))).then(|| as_listed(line))
}

fn as_listed(line: &str) -> &str {
    let mut name = line;
    while let Some(rest) = name.strip_prefix("./") {
        name = rest.trim_start_matches('/');
    }
    name
}

/// The NAME and the rest of `NAME=SOURCE`. A name has neither spaces nor slashes, so that
/// paths and descriptions with a `=` are none; nor is a file that is there.
fn split_name(text: &str) -> (Option<&str>, &str) {
    let is_name = |name: &str| {
        let allowed = |c: char| c.is_alphanumeric() || "_-.".contains(c);
        !name.is_empty() && name.chars().all(allowed)
    };
    match text.split_once('=') {
        Some((name, source))
            if is_name(name) && !source.is_empty() && !Path::new(text).exists() =>
        {
            (Some(name), source)
        }
        _ => (None, text),
    }
}

/// Names what a SOURCE has brought. The recordings of a folder keep their own names and are
/// of one class.
fn give_name(name: &str, text: &str, sources: &mut [Source]) {
    let is_folder = file_of_uri(text)
        .unwrap_or_else(|| PathBuf::from(text))
        .is_dir();
    if let [one] = sources
        && !is_folder
    {
        one.name = name.into();
    }
    for source in sources {
        source.label = Some(name.to_owned());
    }
}

/// The name of a directory whose media are not in subfolders, as their class.
fn flat_folder(text: &str, found: &[Source]) -> Option<String> {
    let path = file_of_uri(text).unwrap_or_else(|| PathBuf::from(text));
    if !path.is_dir() || found.iter().any(|source| source.label.is_some()) {
        return None;
    }
    folder_name(&path)
}
