//! The contents of folders of data: sounds and pictures by class, and recordings.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::corpus::shards::holds_shards;
use crate::corpus::{ClipRules, Clips, CorpusError, SplitRules, TEST_FOLD, unused_patterns};
use crate::eval::labelled::{Labelled, MediaKind};
use crate::text::folder_name;

/// The contents of the folders.
#[derive(Default)]
pub(super) struct Data {
    /// Names in use; each is unique.
    names: BTreeSet<String>,
    pub sounds: Vec<ClassFolder>,
    pub pictures: Vec<ClassFolder>,
    pub recordings: Vec<Recordings>,
}

/// Recordings in a folder.
pub(super) struct Recordings {
    /// For titles and files.
    pub name: String,
    pub folder: PathBuf,
    pub files: Vec<PathBuf>,
    pub in_shards: bool,
}

/// A folder of classes.
pub(super) struct ClassFolder {
    pub of: MediaKind,
    /// For titles and files.
    pub name: String,
    pub folder: PathBuf,
    pub files: Vec<PathBuf>,
    pub classes: BTreeSet<String>,
    /// All files are PNG: cut-out objects.
    pub cut_out: bool,
    /// Whether these are shards, whose pictures and sounds belong together.
    pub in_shards: bool,
}

impl ClassFolder {
    /// How many files are held out.
    pub fn held_out(&self, test: &[String]) -> usize {
        let extensions = self.of.extensions();
        let rules = SplitRules {
            test: (patterns(test, &self.files).into_iter())
                .map(str::to_owned)
                .collect(),
            ..SplitRules::default()
        };
        let held_out = Labelled::read(std::slice::from_ref(&self.folder), extensions, &rules);
        held_out.map_or(0, |data| data.held_out(TEST_FOLD).files.len())
    }
}

impl Data {
    /// Reads the folders below each, or the folder itself if none of these has data.
    pub fn below(folders: &[PathBuf]) -> anyhow::Result<Self> {
        let mut data = Self::default();
        for folder in folders {
            if !folder.is_dir() {
                bail!("{}: no such folder", folder.display());
            }
            let entries = std::fs::read_dir(folder)?;
            let mut children: Vec<PathBuf> = entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.is_dir())
                .collect();
            children.sort();
            let found = children.iter().filter(|child| data.add(child)).count();
            if found == 0 && !data.add(folder) {
                bail!(
                    "{}: nothing in it that can be used; expected folders of classes, \
                     ESC-50, DCASE, shards or two recordings, or folders of these (`l3net eval \
                     sound --help` shows how they are laid out)",
                    folder.display()
                );
            }
        }
        Ok(data)
    }

    /// Adds a folder. True if there was something in it, damaged or not.
    fn add(&mut self, folder: &Path) -> bool {
        let in_shards = holds_shards(folder);
        let name = self.free_name(folder);
        let recorded = match in_shards {
            true => recorded_in(folder),
            false => media_in(folder),
        };
        let recordings = in_shards || recorded.len() >= 2;
        let mut found = recordings;
        for (of, kinds) in [
            (MediaKind::Sounds, &mut self.sounds),
            (MediaKind::Pictures, &mut self.pictures),
        ] {
            match classes(folder, &name, of, in_shards) {
                Ok(kind) => kinds.push(kind),
                // An unreadable file is damaged data; most other folders are no data at
                // all.
                Err(error) if in_shards || matches!(error, CorpusError::File { .. }) => {
                    tracing::warn!("{} by class: {error}", of.name());
                }
                Err(_) => continue,
            }
            found = true;
        }
        if recordings {
            self.recordings.push(Recordings {
                name: name.clone(),
                folder: folder.to_owned(),
                files: recorded,
                in_shards,
            });
        }
        if found {
            self.names.insert(name);
        }
        found
    }

    /// A folder's name; the second of that name is `NAME-2`, so that its files do not
    /// replace those of the first.
    fn free_name(&self, folder: &Path) -> String {
        let name = folder_name(folder).unwrap_or_else(|| "data".to_owned());
        let numbered = (2..).map(|nth| format!("{name}-{nth}"));
        let mut names = std::iter::once(name.clone()).chain(numbered);
        let free = names.find(|name| !self.names.contains(name));
        free.expect("numbers do not end")
    }

    /// Sounds that may be combined with pictures.
    pub fn single_sounds(&self) -> impl Iterator<Item = &ClassFolder> {
        self.sounds.iter().filter(|sounds| !sounds.in_shards)
    }

    /// Number of classes that have both pictures and sounds.
    pub fn shared(&self, pictures: &ClassFolder) -> usize {
        let heard: BTreeSet<&String> = self.single_sounds().flat_map(|s| &s.classes).collect();
        let shared = pictures.classes.iter().filter(|c| heard.contains(c));
        shared.count()
    }
}

/// A folder of labelled files.
fn classes(
    folder: &Path,
    name: &str,
    of: MediaKind,
    in_shards: bool,
) -> Result<ClassFolder, CorpusError> {
    let extensions = of.extensions();
    let found = Labelled::read_all(&[folder.to_owned()], extensions)?;
    let files = found.files.iter().map(|file| file.media.recorded_as());
    let files: Vec<PathBuf> = files.collect();
    let is_png = |path: &PathBuf| {
        path.extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("png"))
    };
    Ok(ClassFolder {
        of,
        name: name.to_owned(),
        folder: folder.to_owned(),
        cut_out: files.iter().all(is_png),
        files,
        in_shards,
        classes: found.classes.into_iter().collect(),
    })
}

#[cfg(feature = "gst")]
fn media_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    // .ogg may be either; most are sounds.
    let is_film = |path: &PathBuf| {
        let end = path.extension().map(|e| e.to_ascii_lowercase());
        let is_sound =
            end.is_some_and(|end| crate::corpus::SOUND_EXTENSIONS.iter().any(|s| end == *s));
        crate::media::is_media(path) && !is_sound
    };
    paths.filter(is_film).collect()
}

/// Without GStreamer only shards can be read.
#[cfg(not(feature = "gst"))]
fn media_in(_: &Path) -> Vec<PathBuf> {
    Vec::new()
}

/// The recordings that clips in shards were cut from. Empty if the shards are damaged:
/// the experiment on them reports that.
fn recorded_in(folder: &Path) -> Vec<PathBuf> {
    let opened = Clips::open(&[folder.to_owned()], &ClipRules::default());
    opened.map_or_else(
        |_| Vec::new(),
        |clips| clips.names().map(PathBuf::from).collect(),
    )
}

/// The patterns of `--test` that match some of these files; others are meant for
/// another folder.
pub(super) fn patterns<'a>(test: &'a [String], files: &[PathBuf]) -> Vec<&'a str> {
    let files = files.iter().map(PathBuf::as_path);
    let idle: Vec<&str> = unused_patterns(test, files).collect();
    let test = test.iter().map(String::as_str);
    test.filter(|pattern| !idle.contains(pattern)).collect()
}

#[cfg(test)]
#[path = "folders_tests.rs"]
mod tests;
