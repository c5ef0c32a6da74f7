//! The file of a clip: written under another name beside it, and there once it is whole.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::file_error::FileError;

/// A clip's file before it is whole. It is removed if it is dropped before that.
#[derive(Debug)]
pub(super) struct Draft {
    file: PathBuf,
    scratch: PathBuf,
}

impl Draft {
    /// Makes it in the folder where the clip is to be.
    pub fn new(stem: &Path) -> Result<Self, String> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = std::process::id();
        let name = stem.file_name().unwrap_or_default().to_string_lossy();
        let beside = |ending: &str| stem.with_file_name(format!(".{name}.{id}-{number}.{ending}"));
        let draft = Self {
            file: beside("part"),
            scratch: beside("data.part"),
        };
        match File::create_new(&draft.file) {
            Ok(_) => Ok(draft),
            Err(cause) => {
                let folder = stem.parent().unwrap_or(stem);
                Err(FileError::io(folder, "write to it")(cause).to_string())
            }
        }
    }

    /// Where to write.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Where a muxer may put data meanwhile.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Gives it its name, once it is on the disk; and its size.
    pub fn place(self, stem: &Path, ending: &str) -> Result<(PathBuf, u64), String> {
        // Not `with_extension`: a name may have dots.
        let mut name = stem.file_name().unwrap_or_default().to_owned();
        name.push(".");
        name.push(ending);
        let path = stem.with_file_name(name);
        let placed = File::open(&self.file).and_then(|file| {
            file.sync_all()?;
            let bytes = file.metadata()?.len();
            fs::rename(&self.file, &path)?;
            Ok(bytes)
        });
        let bytes = placed.map_err(|cause| FileError::io(&path, "write")(cause).to_string())?;
        // The name as well. Some file systems cannot; the file is there all the same.
        let _ = path.parent().map(|folder| File::open(folder)?.sync_all());
        Ok((path, bytes))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // One of them, or both, are not there.
        let _ = fs::remove_file(&self.file);
        let _ = fs::remove_file(&self.scratch);
    }
}

/// Removes what processes that were killed have left in a folder and below: drafts of
/// clips. Those of processes that run are left alone.
pub fn remove_drafts(folder: &Path) {
    for entry in walkdir::WalkDir::new(folder).into_iter().flatten() {
        let name = entry.file_name().to_string_lossy();
        let is_left = writer_of(&name).is_some_and(|id| !is_running(id));
        if entry.file_type().is_file() && is_left {
            // One that cannot be removed is no worse than before.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The process that writes a draft of this name.
fn writer_of(name: &str) -> Option<u32> {
    let draft = name.strip_prefix('.')?.strip_suffix(".part")?;
    let draft = draft.strip_suffix(".data").unwrap_or(draft);
    let (_, number) = draft.rsplit_once('.')?;
    let (id, number) = number.split_once('-')?;
    number.parse::<u64>().ok().and(id.parse().ok())
}

/// Where that cannot be told, all but this one have ended.
fn is_running(id: u32) -> bool {
    id == std::process::id() || Path::new(&format!("/proc/{id}")).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drafts_of_processes_that_have_ended_are_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let below = folder.path().join("front");
        fs::create_dir(&below).expect("a folder");
        let own = Draft::new(&below.join("a")).expect("a file");
        let kept = [
            "clip.mp4",
            ".hidden.part",
            ".a.b-c.part",
            "a.4294967295-0.part",
        ];
        let gone = [".a.4294967295-0.part", ".a.b.mp4.4294967295-17.data.part"];
        for name in kept.into_iter().chain(gone) {
            fs::write(below.join(name), "x").expect("written");
        }
        remove_drafts(folder.path());
        assert!(kept.iter().all(|name| below.join(name).exists()) && own.file().exists());
        assert!(!gone.iter().any(|name| below.join(name).exists()));
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let stem = folder.path().join("2026-01-01T10.00.00");
        let names = || {
            let entries = fs::read_dir(folder.path()).expect("a folder");
            let names = entries.map(|e| e.expect("an entry").file_name());
            names
                .map(|n| n.to_string_lossy().into_owned())
                .collect::<Vec<_>>()
        };
        let draft = Draft::new(&stem).expect("a file");
        fs::write(draft.scratch(), "x").expect("written");
        drop(draft);
        assert_eq!(names(), [""; 0]);
        let draft = Draft::new(&stem).expect("a file");
        fs::write(draft.file(), "clip").expect("written");
        let (path, bytes) = draft.place(&stem, "mp4").expect("renamed");
        assert_eq!(
            (path, bytes),
            (folder.path().join("2026-01-01T10.00.00.mp4"), 4)
        );
        assert_eq!(names(), ["2026-01-01T10.00.00.mp4"]);
        let error = Draft::new(&folder.path().join("none/a")).expect_err("no folder");
        assert!(error.contains("make the folder first"), "{error}");
    }
}
