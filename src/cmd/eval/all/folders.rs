//! What lies in folders of data: sounds and pictures by class, and recordings.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::cmd::eval::labelled::{Kind as Files, Of};
use crate::corpus::shards::holds_shards;
use crate::corpus::{ClipRules, Clips, CorpusError, SplitRules, TEST_FOLD, unused_patterns};
use crate::eval::labelled::Labelled;
use crate::text::folder_name;

/// What lies in the folders.
#[derive(Default)]
pub(super) struct Data {
    /// Of the folders; no two are the same.
    names: BTreeSet<String>,
    pub sounds: Vec<Kind>,
    pub pictures: Vec<Kind>,
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
pub(super) struct Kind {
    pub of: Of,
    /// For titles and files.
    pub name: String,
    pub folder: PathBuf,
    pub files: Vec<PathBuf>,
    pub classes: BTreeSet<String>,
    /// All of it PNG: things that were cut out.
    pub cut_out: bool,
    /// Recordings in shards: pictures and sounds belong together.
    pub in_shards: bool,
}

impl Kind {
    /// How many files are held out.
    pub fn held_out(&self, test: &[String]) -> usize {
        let extensions = Files::of(self.of).extensions();
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
    /// Looks at the folders below each, or at itself if none of these is any data.
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
                    "{}: nothing in it that can be looked at; expected folders of classes, \
                     ESC-50, DCASE, shards or two recordings, or folders of these (`l3net eval \
                     sound --help` shows how they are laid out)",
                    folder.display()
                );
            }
        }
        Ok(data)
    }

    /// True if there was something in it, damaged or not.
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
            (Of::Sounds, &mut self.sounds),
            (Of::Pictures, &mut self.pictures),
        ] {
            match classes(folder, &name, of, in_shards) {
                Ok(kind) => kinds.push(kind),
                // A file that cannot be understood is of data; of other folders most are
                // no data at all.
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

    /// A folder's name; the second of that name is `NAME-2`, or its files would lie in
    /// the place of the first one's.
    fn free_name(&self, folder: &Path) -> String {
        let name = folder_name(folder).unwrap_or_else(|| "data".to_owned());
        let numbered = (2..).map(|nth| format!("{name}-{nth}"));
        let mut names = std::iter::once(name.clone()).chain(numbered);
        let free = names.find(|name| !self.names.contains(name));
        free.expect("numbers do not end")
    }

    /// Those that may be put together with pictures.
    pub fn single_sounds(&self) -> impl Iterator<Item = &Kind> {
        self.sounds.iter().filter(|sounds| !sounds.in_shards)
    }

    /// The classes of pictures that are heard, too.
    pub fn shared(&self, pictures: &Kind) -> usize {
        let heard: BTreeSet<&String> = self.single_sounds().flat_map(|s| &s.classes).collect();
        let shared = pictures.classes.iter().filter(|c| heard.contains(c));
        shared.count()
    }
}

/// A folder of labelled files.
fn classes(folder: &Path, name: &str, of: Of, in_shards: bool) -> Result<Kind, CorpusError> {
    let extensions = Files::of(of).extensions();
    let found = Labelled::read_all(&[folder.to_owned()], extensions)?;
    let files = found.files.iter().map(|file| file.media.recorded_as());
    let files: Vec<PathBuf> = files.collect();
    let is_png = |path: &PathBuf| {
        path.extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("png"))
    };
    Ok(Kind {
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
    // An .ogg may be either; classes of sounds are full of them.
    let is_film = |path: &PathBuf| {
        let end = path.extension().map(|e| e.to_ascii_lowercase());
        let is_sound =
            end.is_some_and(|end| crate::corpus::SOUND_EXTENSIONS.iter().any(|s| end == *s));
        crate::media::is_media(path) && !is_sound
    };
    paths.filter(is_film).collect()
}

/// Without GStreamer only what was decoded before can be looked at.
#[cfg(not(feature = "gst"))]
fn media_in(_: &Path) -> Vec<PathBuf> {
    Vec::new()
}

/// What the clips in shards were cut from. Nothing if they are damaged, which the
/// experiment on them tells.
fn recorded_in(folder: &Path) -> Vec<PathBuf> {
    let opened = Clips::open(&[folder.to_owned()], &ClipRules::default());
    opened.map_or_else(
        |_| Vec::new(),
        |clips| clips.names().map(PathBuf::from).collect(),
    )
}

/// What of `--test` is for these files; what matches none of them is for those of
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
