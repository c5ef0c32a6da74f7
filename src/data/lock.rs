//! Files that one program at a time writes.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Locks a file, or a folder that is open, for as long as it stays open. False if
/// another program has it. A file system without locks is used without.
pub fn lock(file: &File) -> bool {
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

/// A file that is there for as long as a program has the lock that it stands for.
#[derive(Debug)]
pub struct LockFile {
    path: PathBuf,
    /// Locked until it is dropped.
    _file: File,
}

impl LockFile {
    /// Makes and locks it; `None` if another program has the lock.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        loop {
            let file = File::create(path)?;
            if !lock(&file) {
                return Ok(None);
            }
            // Its last owner may have removed it between the two: then it locks nothing.
            if is_at(&file, path) {
                return Ok(Some(Self {
                    path: path.to_owned(),
                    _file: file,
                }));
            }
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Before the lock goes. A file that stays does no harm.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether the path leads to this very file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |of: io::Result<std::fs::Metadata>| of.ok().map(|m| (m.dev(), m.ino()));
    let there = id(path.metadata());
    there.is_some() && there == id(file.metadata())
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || File::open(folder.path()).expect("opened");
        let first = open();
        assert!(lock(&first));
        assert!(!lock(&open()));
        drop(first);
        assert!(lock(&open()));
    }

    #[test]
    fn a_lock_file_is_there_while_it_is_held() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.lock");
        let take = || LockFile::take(&path).expect("a file");
        let first = take().expect("free");
        assert!(path.exists());
        assert!(take().is_none());
        drop(first);
        assert!(!path.exists());
        // Left by a program that was killed.
        std::fs::write(&path, "").expect("written");
        assert!(take().is_some());
        assert!(LockFile::take(&folder.path().join("no/a.lock")).is_err());
    }
}
