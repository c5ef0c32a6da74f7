//! Where a run's own records are: a folder, or a place in an object store.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

#[cfg(feature = "store")]
use l3net_store::{Location, Store, StoreError};

use crate::atomic_file;
use crate::file_error::FileError;

/// Bytes of a record of ours, at most: what is longer is none.
const LONGEST: u64 = 1 << 20;

/// A place for small files that appear whole or not at all.
#[derive(Clone)]
pub(super) enum Place {
    Folder(PathBuf),
    #[cfg(feature = "store")]
    Store {
        store: Store,
        at: Location,
    },
}

impl Place {
    /// Of OUT: a URL of a store, else a path.
    pub fn of(out: &Path) -> Result<Self, FileError> {
        #[cfg(feature = "store")]
        if let Some(at) = out.to_str().and_then(Location::parse) {
            let wrong = |error| failed(out, "use it", error);
            let at = at.map_err(wrong)?;
            let store = Store::open(&at).map_err(wrong)?;
            return Ok(Self::Store { store, at });
        }
        if is_url(out) {
            return Err(FileError::format(out, "write to it")(
                "this program knows no such store; name a folder",
            ));
        }
        Ok(Self::Folder(out.to_owned()))
    }

    /// Whether OUT is a URL.
    pub fn is_url(out: &Path) -> bool {
        is_url(out)
    }

    /// A file; `None` if it is not there.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, FileError> {
        match self {
            Self::Folder(root) => {
                let path = root.join(name);
                match fs::metadata(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    Ok(found) if found.len() > LONGEST => {
                        let why = "it is no record of l3net";
                        return Err(FileError::format(&path, "read")(why));
                    }
                    _ => {}
                }
                let read = fs::read(&path).map_err(FileError::io(&path, "read"))?;
                Ok(Some(read))
            }
            #[cfg(feature = "store")]
            Self::Store { store, at } => {
                let at = at.join(name);
                let read = store.read(at.key(), LONGEST);
                read.map_err(|error| failed(Path::new(&at.to_string()), "read", error))
            }
        }
    }

    /// Writes a file that is not there yet; one that is stays as it is. Of many processes
    /// that do it at once, one wins.
    pub fn create(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        match self {
            Self::Folder(root) => {
                let path = root.join(name);
                let folder = path.parent().unwrap_or(root);
                fs::create_dir_all(folder).map_err(FileError::io(folder, "make the folder"))?;
                create(&path, bytes).map_err(FileError::io(&path, "write"))
            }
            #[cfg(feature = "store")]
            Self::Store { store, at } => {
                let at = at.join(name);
                let made = store.create(at.key(), bytes).map(|_| ());
                made.map_err(|error| failed(Path::new(&at.to_string()), "write", error))
            }
        }
    }

    /// Writes a file, or replaces it.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        match self {
            Self::Folder(root) => {
                let path = root.join(name);
                atomic_file::write_to_disk(&path, bytes).map_err(FileError::io(&path, "write"))
            }
            #[cfg(feature = "store")]
            Self::Store { store, at } => {
                let at = at.join(name);
                let written = store.write(at.key(), bytes);
                written.map_err(|error| failed(Path::new(&at.to_string()), "write", error))
            }
        }
    }

    /// Removes a file that may not be there.
    pub fn remove(&self, name: &str) -> Result<(), FileError> {
        match self {
            Self::Folder(root) => {
                let path = root.join(name);
                match fs::remove_file(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                    removed => removed.map_err(FileError::io(&path, "remove")),
                }
            }
            #[cfg(feature = "store")]
            Self::Store { store, at } => {
                let at = at.join(name);
                let removed = store.remove(at.key());
                removed.map_err(|error| failed(Path::new(&at.to_string()), "remove", error))
            }
        }
    }

    /// The names of all files in a folder.
    pub fn names(&self, folder: &str) -> Result<HashSet<String>, FileError> {
        match self {
            Self::Folder(root) => {
                let folder = root.join(folder);
                let names = |folder| -> io::Result<HashSet<String>> {
                    fs::read_dir(folder)?
                        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                        .collect()
                };
                names(&folder).map_err(FileError::io(&folder, "read"))
            }
            #[cfg(feature = "store")]
            Self::Store { store, at } => {
                let at = at.join(folder);
                let prefix = format!("{}/", at.key().trim_end_matches('/'));
                let mut names = HashSet::new();
                let listed = store.list(&prefix, &mut |object| {
                    let name = object.key.strip_prefix(&prefix);
                    names.extend(name.map(str::to_owned));
                    true
                });
                listed.map_err(|error| failed(Path::new(&at.to_string()), "list", error))?;
                Ok(names)
            }
        }
    }
}

fn is_url(out: &Path) -> bool {
    let scheme = out.to_str().and_then(|text| text.split_once("://"));
    scheme.is_some_and(|(scheme, _)| scheme.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// The error of a store names the place by itself.
#[cfg(feature = "store")]
pub(super) fn failed(place: &Path, what: &'static str, error: StoreError) -> FileError {
    FileError::format(place, what)(error)
}

fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    readable(file.as_file())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(error.error),
        _ => Ok(()),
    }
}

/// Temporary files are their owner's alone; the record is for all who may see the folder.
#[cfg(unix)]
fn readable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &fs::File) -> io::Result<()> {
    Ok(())
}
