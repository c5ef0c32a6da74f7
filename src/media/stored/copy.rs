//! The local copy of an object, and the room on disk that it takes.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::super::error::MediaError;
use crate::cancel::CancelToken;

/// How often somebody who waits looks whether the run is to end.
const LOOK: Duration = Duration::from_millis(100);

/// The copy: wanted, on its way, there.
#[derive(Debug, Default)]
pub(super) struct LocalCopy {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
enum State {
    /// Nobody has fetched it yet.
    #[default]
    Wanted,
    There(Held),
    Failed(MediaError),
}

/// A local file, removed with this.
#[derive(Debug)]
pub(super) struct Held {
    pub path: PathBuf,
    pub bytes: u64,
    pub room: Arc<Room>,
}

impl Drop for Held {
    fn drop(&mut self) {
        // If it stays, the folder is removed at the end.
        let _ = std::fs::remove_file(&self.path);
        self.room.give_back(self.bytes);
    }
}

impl LocalCopy {
    /// It has been fetched, or not.
    pub fn settle(&self, fetched: Result<Held, MediaError>) {
        *self.lock() = match fetched {
            Ok(held) => State::There(held),
            Err(error) => State::Failed(error),
        };
        self.changed.notify_all();
    }

    /// Its path, once it is there.
    pub fn wait(&self, stop: &CancelToken) -> Result<PathBuf, MediaError> {
        let mut state = self.lock();
        loop {
            match &*state {
                State::There(held) => return Ok(held.path.clone()),
                State::Failed(error) => return Err(error.clone()),
                State::Wanted if stop.is_cancelled() => return Err(stopped()),
                State::Wanted => {}
            }
            let waited = self.changed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody reads it: the run ends.
pub(super) fn stopped() -> MediaError {
    MediaError::Stored("stopped before it was fetched".to_owned())
}

/// Room for local copies.
#[derive(Debug)]
pub(super) struct Room {
    limit: u64,
    taken: Mutex<u64>,
    freed: Condvar,
}

impl Room {
    /// For so many bytes.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            taken: Mutex::new(0),
            freed: Condvar::new(),
        }
    }

    /// Waits until there is room for `bytes`, or nothing else is there: one that is larger
    /// than all the room is fetched alone. False if the run ends meanwhile.
    pub fn take(&self, bytes: u64, stop: &CancelToken) -> bool {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken > 0 && taken.saturating_add(bytes) > self.limit {
            if stop.is_cancelled() {
                return false;
            }
            let waited = self.freed.wait_timeout(taken, LOOK);
            taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *taken = taken.saturating_add(bytes);
        !stop.is_cancelled()
    }

    /// It took more or less than was thought.
    pub fn correct(&self, from: u64, to: u64) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        *taken = taken.saturating_sub(from).saturating_add(to);
        self.freed.notify_all();
    }

    fn give_back(&self, bytes: u64) {
        self.correct(bytes, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn there_is_room_for_so_much_and_for_one_that_is_larger_alone() {
        let (room, stop) = (Arc::new(Room::new(100)), CancelToken::default());
        assert!(room.take(60, &stop) && room.take(40, &stop));
        let (sender, taken) = mpsc::channel();
        let waiting = {
            let (room, stop) = (Arc::clone(&room), stop.clone());
            std::thread::spawn(move || {
                sender.send(room.take(500, &stop)).expect("it is heard");
                sender.send(room.take(1, &stop)).expect("it is heard");
            })
        };
        room.give_back(60);
        assert!(taken.recv_timeout(LOOK * 3).is_err(), "40 are still there");
        room.give_back(40);
        assert!(taken.recv().expect("an answer"));
        assert!(taken.recv_timeout(LOOK * 3).is_err(), "500 are there");
        stop.cancel();
        assert!(!taken.recv().expect("an answer"));
        waiting.join().expect("no panic");
    }

    #[test]
    fn a_copy_is_removed_with_its_last_owner() {
        let dir = tempfile::tempdir().expect("a folder");
        let room = Arc::new(Room::new(100));
        let stop = CancelToken::default();
        let copy = Arc::new(LocalCopy::default());
        let waiting = {
            let (copy, stop) = (Arc::clone(&copy), stop.clone());
            std::thread::spawn(move || copy.wait(&stop))
        };
        let path = dir.path().join("a.mp4");
        std::fs::write(&path, [0; 7]).expect("written");
        assert!(room.take(7, &stop));
        copy.settle(Ok(Held {
            path: path.clone(),
            bytes: 7,
            room: Arc::clone(&room),
        }));
        assert_eq!(waiting.join().expect("no panic"), Ok(path.clone()));
        assert!(path.exists());
        drop(copy);
        assert!(!path.exists());
        assert_eq!(*room.taken.lock().expect("no panic"), 0);

        let failed = LocalCopy::default();
        failed.settle(Err(MediaError::NotFound));
        assert_eq!(failed.wait(&stop), Err(MediaError::NotFound));
        stop.cancel();
        assert_eq!(LocalCopy::default().wait(&stop), Err(stopped()));
    }
}
