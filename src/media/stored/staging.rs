//! Fetches objects ahead of those who read them.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use l3net_store::{Store, StoreError};
use tempfile::TempDir;

use super::super::error::MediaError;
use super::super::feed::{Feed, Opener};
use super::super::session::SessionOptions;
use super::super::source::{Source, SourceKind};
use super::Stored;
use super::copy::{Held, Room, stopped};
use crate::cancel::CancelToken;
use crate::lock::lock;

/// Objects that are fetched at once: the second hides the first answer of a store.
const AT_ONCE: usize = 2;

/// Fetches the objects among some sources, in their order, as far ahead as there is room.
/// Ends with it.
pub struct Staging {
    cancel: CancelToken,
    threads: Vec<JoinHandle<()>>,
    /// Removed last, and locked until then.
    _folder: Option<(TempDir, File)>,
}

/// The names of all folders for copies begin so.
const PREFIX: &str = "l3net-staged-";
/// A folder that is younger may not be locked yet.
const YOUNG: Duration = Duration::from_secs(60);

/// Removes what runs that were killed have left in `folder`.
fn remove_leftovers(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let changed = entry.metadata().and_then(|meta| meta.modified());
        let age = changed.ok().and_then(|changed| changed.elapsed().ok());
        if is_ours
            && age.is_some_and(|age| age > YOUNG)
            && File::open(entry.path()).is_ok_and(|folder| lock(&folder))
        {
            // Somebody else's may not be ours to remove; nothing depends on it.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// What the threads share.
struct Work {
    wanted: Mutex<VecDeque<(usize, Stored)>>,
    stores: Mutex<HashMap<String, Store>>,
    room: Arc<Room>,
    folder: std::path::PathBuf,
    cancel: CancelToken,
}

impl Staging {
    /// Begins to fetch into a folder of its own in `folder`, up to `limit` bytes at a time.
    /// Does nothing if no source is in a store.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn start(
        sources: &[Source],
        folder: &Path,
        limit: u64,
        cancel: &CancelToken,
    ) -> std::io::Result<Self> {
        let stored = sources.iter().filter_map(|source| match &source.kind {
            SourceKind::Stored(stored) => Some(Stored::clone(stored)),
            _ => None,
        });
        let wanted: VecDeque<_> = stored.enumerate().collect();
        let cancel = cancel.part();
        if wanted.is_empty() {
            return Ok(Self {
                cancel,
                threads: Vec::new(),
                _folder: None,
            });
        }
        remove_leftovers(folder);
        let own = tempfile::Builder::new().prefix(PREFIX).tempdir_in(folder)?;
        let held = File::open(own.path())?;
        lock(&held);
        let work = Arc::new(Work {
            wanted: Mutex::new(wanted),
            stores: Mutex::default(),
            room: Arc::new(Room::new(limit)),
            folder: own.path().to_owned(),
            cancel: cancel.clone(),
        });
        let start = |n| {
            let work = Arc::clone(&work);
            let thread = std::thread::Builder::new().name(format!("stage {n}"));
            thread.spawn(move || work.run())
        };
        let threads = (0..AT_ONCE).map(start).collect::<Result<_, _>>()?;
        Ok(Self {
            cancel,
            threads,
            _folder: Some((own, held)),
        })
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        self.cancel.cancel();
        for thread in self.threads.drain(..) {
            // One that panicked has nothing more to do.
            let _ = thread.join();
        }
    }
}

impl Work {
    fn run(&self) {
        while let Some((number, stored, thought)) = self.next() {
            let fetched = self.fetch(number, &stored, thought);
            stored.copy.settle(fetched);
        }
    }

    /// The next one, and the room that it has; `None` at the end. Room is taken in the order
    /// of the sources: else one that is read next could wait for room that later ones have.
    fn next(&self) -> Option<(usize, Stored, u64)> {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let (number, stored) = wanted.pop_front()?;
        let thought = stored.bytes.unwrap_or(0);
        let there_is_room = self.room.take(thought, &self.cancel);
        there_is_room.then_some((number, stored, thought))
    }

    fn fetch(&self, number: usize, stored: &Stored, thought: u64) -> Result<Held, MediaError> {
        let name = Path::new(stored.at.key()).file_name().unwrap_or_default();
        let mut path = self.folder.join(number.to_string());
        let go_on = || !self.cancel.is_cancelled();
        let fetched = std::fs::create_dir(&path)
            .map_err(|error| MediaError::Stored(format!("{}: {error}", path.display())))
            .and_then(|()| {
                path.push(name);
                let store = self.store(stored)?;
                Ok(store.fetch(stored.at.key(), &path, &go_on)?)
            });
        self.room.correct(thought, *fetched.as_ref().unwrap_or(&0));
        match fetched {
            Ok(bytes) => Ok(Held {
                path,
                bytes,
                room: Arc::clone(&self.room),
            }),
            Err(_) if self.cancel.is_cancelled() => Err(stopped()),
            Err(error) => Err(error),
        }
    }

    /// One connection pool a bucket.
    fn store(&self, stored: &Stored) -> Result<Store, StoreError> {
        let bucket = stored.at.with_key("").to_string();
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = stores.get(&bucket) {
            return Ok(store.clone());
        }
        let store = Store::open(&stored.at)?;
        stores.insert(bucket, store.clone());
        Ok(store)
    }
}

/// Opens objects by their local copies, and everything else as `inner` does.
pub struct StagedOpener<'a> {
    /// Opens files.
    pub inner: &'a dyn Opener,
}

impl Opener for StagedOpener<'_> {
    fn open(&self, source: &Source, options: SessionOptions) -> Result<Box<dyn Feed>, MediaError> {
        let SourceKind::Stored(stored) = &source.kind else {
            return self.inner.open(source, options);
        };
        let local = Source {
            kind: SourceKind::File(stored.copy.wait(&options.stop)?),
            ..source.clone()
        };
        self.inner.open(&local, options)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn what_a_killed_run_left_is_removed_and_what_another_holds_is_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let old = SystemTime::now() - YOUNG * 2;
        let made = |name: &str, changed: SystemTime| {
            let path = dir.path().join(name);
            std::fs::create_dir(&path).expect("a folder");
            std::fs::write(path.join("a.mp4"), "x").expect("a file");
            let folder = File::open(&path).expect("a folder");
            folder.set_modified(changed).expect("set");
            (path, folder)
        };
        let left = made("l3net-staged-left", old).0;
        let (held, lock_of_it) = made("l3net-staged-held", old);
        assert!(lock(&lock_of_it));
        let young = made("l3net-staged-young", SystemTime::now()).0;
        let other = made("films", old).0;
        remove_leftovers(dir.path());
        assert!(!left.exists());
        assert!(held.exists() && young.exists() && other.exists());
    }
}
