//! Streams with unique names, the same from run to run.

use std::collections::HashSet;

use super::find::find;
use super::source::{Source, SourceError, SourceKind};
use crate::result::StreamName;

/// Turns the SOURCEs of a command line into streams with unique names.
///
/// # Errors
/// As [`find`].
pub fn expand(texts: &[String]) -> Result<Vec<Source>, SourceError> {
    let mut sources = find(texts)?;
    name(&mut sources, |_, _| Held::Free);
    Ok(sources)
}

/// Who holds a name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Nobody.
    Free,
    /// The source itself, from an earlier run.
    ByIt,
    /// Another source.
    ByOther,
}

/// Gives each source a unique name: the one that it holds already, else the first that
/// is free. Returns the short and the new name of each renamed source.
pub fn name(sources: &mut [Source], held: impl Fn(&Source, &str) -> Held) -> Vec<[StreamName; 2]> {
    let mut given: Vec<Option<StreamName>> = vec![None; sources.len()];
    let mut taken: HashSet<StreamName> = HashSet::new();
    // Sources that hold a name come first, or another source might take it.
    for (source, given) in sources.iter().zip(&mut given) {
        let whole = names(source).take(2);
        // Numbered names are used only while those before them are held.
        let numbered = names(source).skip(2);
        let numbered = numbered.take_while(|name| held(source, name) != Held::Free);
        let mut known = whole.chain(numbered);
        *given = known.find(|name| held(source, name) == Held::ByIt && !taken.contains(name));
        taken.extend(given.clone());
    }
    let mut renamed = Vec::new();
    for (source, given) in sources.iter_mut().zip(given) {
        let free = |name: &StreamName| !taken.contains(name) && held(source, name) == Held::Free;
        if let Some(name) = given.or_else(|| names(source).find(free))
            && name != source.name
        {
            renamed.push([source.name.clone(), name.clone()]);
            source.name = name;
        }
        taken.insert(source.name.clone());
    }
    renamed
}

/// Candidates, best first: the short name, the absolute path, the path with a number.
fn names(source: &Source) -> impl Iterator<Item = StreamName> {
    let longer = match &source.kind {
        SourceKind::File(path) => std::path::absolute(path)
            .unwrap_or_else(|_| path.clone())
            .display()
            .to_string(),
        _ => source.name.to_string(),
    };
    let whole = [source.name.clone(), longer.as_str().into()];
    let numbered = (2..).map(move |n| format!("{longer}#{n}").into());
    whole.into_iter().chain(numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_names_become_longer() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("a.mp4");
        std::fs::write(&file, b"x").expect("written");
        let path = file.to_str().expect("text");
        let named = |others: &[&str], own: &[&str]| {
            let mut sources = find(&[path.to_owned()]).expect("good usage");
            assert_eq!(sources[0].bytes(), Some(1));
            let renamed = name(&mut sources, |_, name| match name {
                _ if own.contains(&name) => Held::ByIt,
                _ if others.contains(&name) => Held::ByOther,
                _ => Held::Free,
            });
            assert_eq!(renamed.len(), usize::from(&*sources[0].name != "a.mp4"));
            sources[0].name.to_string()
        };
        let second = format!("{path}#2");
        assert_eq!(named(&[], &[]), "a.mp4");
        assert_eq!(named(&["a.mp4"], &[]), path);
        assert_eq!(named(&["a.mp4", path], &[]), second);
        assert_eq!(named(&["a.mp4", path, &second], &[]), format!("{path}#3"));
        // What it was called before it is called again.
        assert_eq!(named(&[], &["a.mp4"]), "a.mp4");
        assert_eq!(named(&["a.mp4"], &[path]), path);
        assert_eq!(named(&[], &[path]), path);
        assert_eq!(named(&["a.mp4", path], &[&second]), second);
    }

    #[test]
    fn a_name_goes_to_whose_it_was_whatever_the_order() {
        let sources = |order: [&str; 2]| {
            let mut sources = find(&order.map(str::to_owned)).expect("good usage");
            for (source, text) in sources.iter_mut().zip(order) {
                *source = Source {
                    name: "a.mp4".into(),
                    kind: SourceKind::File(text.into()),
                    label: None,
                    tracks: Default::default(),
                };
            }
            name(&mut sources, |source, name| match (&source.kind, name) {
                (SourceKind::File(path), "a.mp4") if path.ends_with("one/a.mp4") => Held::ByIt,
                (_, "a.mp4") => Held::ByOther,
                _ => Held::Free,
            });
            sources
                .into_iter()
                .map(|s| s.name.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            sources(["/one/a.mp4", "/new/a.mp4"]),
            ["a.mp4", "/new/a.mp4"]
        );
        assert_eq!(
            sources(["/new/a.mp4", "/one/a.mp4"]),
            ["/new/a.mp4", "a.mp4"]
        );
    }
}
