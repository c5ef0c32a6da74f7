//! Recordings that are trained on directly: prepared into the cache folder first,
//! and found there by the next run.

use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use super::{PrepareOptions, PrepareProgress, PrepareReport, prepare};
use crate::cache;
use crate::cancel::CancelToken;
use crate::corpus::{CorpusError, hash};
use crate::media::{Opener, Source, SourceKind};

/// Prepares recordings into a folder of the user's cache (`prepared/` in
/// [`cache::folder`]); the report says which. The same files, unchanged, with the
/// same options are found there by the next call and not decoded again; what a
/// call that was killed had done is kept.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_into_cache(
    sources: Vec<Source>,
    options: &PrepareOptions,
    opener: &dyn Opener,
    stop: &CancelToken,
    watch: impl FnMut(&PrepareProgress),
) -> Result<PrepareReport, CorpusError> {
    let folder = folder(&sources, options);
    prepare(sources, &folder, options, opener, stop, watch)
}

/// A folder for just these sources as they are now.
fn folder(sources: &[Source], options: &PrepareOptions) -> PathBuf {
    let mut parts: Vec<String> = sources.iter().map(identity).collect();
    // Their order does not matter.
    parts.sort();
    parts.push(format!("{:?}", options.settings()));
    let key = hash(0, &parts.join("\n"));
    cache::folder().join("prepared").join(format!("{key:016x}"))
}

/// Name, label, place, size and time of change.
fn identity(source: &Source) -> String {
    let place = match &source.kind {
        SourceKind::File(path) => {
            let meta = std::fs::metadata(path).ok();
            let size = meta.as_ref().map_or(0, std::fs::Metadata::len);
            let changed = meta.and_then(|m| m.modified().ok());
            let changed = changed.and_then(|t| t.duration_since(UNIX_EPOCH).ok());
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            format!("{} {size} {changed:?}", path.display())
        }
        other => format!("{other:?}"),
    };
    format!("{} {:?} {place}", source.name, source.label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::expand;

    #[test]
    fn the_folder_depends_on_the_files_and_the_settings() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).expect("written");
            path.display().to_string()
        };
        let (a, b) = (file("a.mp4", b"x"), file("b.mp4", b"y"));
        let of = |texts: &[&String], fps| {
            let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
            let options = PrepareOptions {
                fps,
                ..PrepareOptions::default()
            };
            folder(&expand(&texts).expect("good usage"), &options)
        };
        let first = of(&[&a, &b], 4.0);
        assert_eq!(first, of(&[&b, &a], 4.0));
        assert_ne!(first, of(&[&a, &b], 2.0));
        assert_ne!(first, of(&[&a], 4.0));
        file("b.mp4", b"longer");
        assert_ne!(first, of(&[&a, &b], 4.0));
    }
}
