//! Timeline and events on disk, in one SQLite file that survives restarts.
//!
//! Belongs here: tables, opening; reading and writing are in `read.rs` and `write.rs`. Does
//! not: clips and snapshots (files, [`crate::files`]).
//!
//! One thread writes, any number read, each with a connection of its own (write-ahead log):
//! a long reading holds up nobody. A killed process loses nothing that was committed; a
//! power cut may lose the last second.

mod pictures;
mod read;
mod seconds;
mod write;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use thiserror::Error;
use ulid::Ulid;

use crate::event::StreamEvent;
use crate::time::UtcMs;

pub use pictures::Pictures;
pub use read::{EventQuery, Reader, Timeline, TimelineGap};
pub use seconds::{Minute, Second};
pub use write::Writer;

/// The file in the folder of `--record`.
const FILE: &str = "timeline.sqlite";
/// Counts up when the tables change.
const VERSION: i64 = 1;
const TABLES: &str = "
    CREATE TABLE stream (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, normals TEXT);
    CREATE TABLE minute (stream INTEGER NOT NULL, number INTEGER NOT NULL, seconds BLOB NOT NULL,
        PRIMARY KEY (stream, number)) WITHOUT ROWID;
    CREATE TABLE gap (stream INTEGER NOT NULL, begin_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL,
        why TEXT NOT NULL, PRIMARY KEY (stream, begin_ms, end_ms)) WITHOUT ROWID;
    CREATE INDEX gap_end ON gap (stream, why, end_ms);
    CREATE TABLE event (id TEXT PRIMARY KEY, stream TEXT NOT NULL, kind TEXT NOT NULL,
        begin_ms INTEGER NOT NULL, end_ms INTEGER, json TEXT NOT NULL, clip TEXT,
        snapshot TEXT) WITHOUT ROWID;
    CREATE INDEX event_begin ON event (stream, begin_ms);
";

/// Why something cannot be kept or read.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database says no.
    #[error("{}: {cause}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: rusqlite::Error,
    },
    /// The folder cannot be used.
    #[error("{}: {cause}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It was made by a later version.
    #[error("{}: was made by a later version of l3net; update, or name another folder", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
    },
    /// Another run has it.
    #[error("{}: another l3net records there; name another folder, or stop it", path.display())]
    Taken {
        /// The folder.
        path: PathBuf,
    },
}

/// Where an event's files are, relative to the folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFiles {
    /// The clip.
    pub clip: Option<PathBuf>,
    /// The snapshot.
    pub snapshot: Option<PathBuf>,
}

/// Writes timeline and events.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    connection: Connection,
    /// Without a folder all is kept for this run only.
    _temporary: Option<tempfile::TempDir>,
    /// It was made anew, because there was none or it could not be read.
    is_new: bool,
    /// The folder, locked: two runs would overwrite each other's timeline.
    _lock: File,
}

impl Store {
    /// Opens the store in a folder, or one for this run only.
    ///
    /// # Errors
    /// If the folder cannot be written, or a later version made the file. A file that is
    /// damaged is set aside, and a new one is begun.
    pub fn open(folder: Option<&Path>) -> Result<Self, StoreError> {
        let (folder, temporary) = match folder {
            Some(folder) => (folder.to_owned(), None),
            None => {
                let made = tempfile::Builder::new().prefix("l3net-").tempdir();
                let made = made.map_err(|cause| StoreError::Folder {
                    path: std::env::temp_dir(),
                    cause,
                })?;
                (made.path().to_owned(), Some(made))
            }
        };
        std::fs::create_dir_all(&folder).map_err(|cause| StoreError::Folder {
            path: folder.clone(),
            cause,
        })?;
        let lock = File::open(&folder).map_err(|cause| StoreError::Folder {
            path: folder.clone(),
            cause,
        })?;
        if !l3net_data::lock::lock(&lock) {
            return Err(StoreError::Taken { path: folder });
        }
        let path = folder.join(FILE);
        let opened = match open_at(&path) {
            Err(StoreError::Database { cause, .. }) if is_damaged(&cause) => {
                set_aside(&path, &cause)?;
                open_at(&path)
            }
            opened => opened,
        };
        let (connection, is_new) = opened?;
        Ok(Self {
            path,
            connection,
            _temporary: temporary,
            is_new,
            _lock: lock,
        })
    }

    /// The file, for a [`Reader`].
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was made anew: events may be found in their files ([`crate::files`]).
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Does several writings at once: all or none is kept.
    ///
    /// # Errors
    /// The first error; nothing is kept then.
    pub fn at_once<T>(
        &mut self,
        write: impl FnOnce(&Writer<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let failed = |cause| StoreError::Database {
            path: self.path.clone(),
            cause,
        };
        // What is read stays true until it is written: the page writes too.
        let behaviour = rusqlite::TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behaviour);
        let transaction = transaction.map_err(failed)?;
        let done = write(&Writer(&transaction)).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(done)
    }
}

/// Protects an event from being deleted to make room, or no longer; the event and its files,
/// if there is one. From any thread.
///
/// # Errors
/// The database's.
pub fn protect(
    path: &Path,
    id: Ulid,
    protected: bool,
) -> Result<Option<(StreamEvent, EventFiles)>, StoreError> {
    let change = || -> rusqlite::Result<Option<(StreamEvent, EventFiles)>> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        // Nobody writes between reading and writing.
        let behaviour = rusqlite::TransactionBehavior::Immediate;
        let transaction = connection.transaction_with_behavior(behaviour)?;
        let writer = Writer(&transaction);
        let Some((mut event, files)) = writer.find(id)? else {
            return Ok(None);
        };
        event.protected = protected;
        writer.event(&event, &files)?;
        transaction.commit()?;
        Ok(Some((event, files)))
    };
    change().map_err(|cause| StoreError::Database {
        path: path.to_owned(),
        cause,
    })
}

/// How long a writer waits for another connection's lock.
const BUSY: Duration = Duration::from_secs(5);

fn open_at(path: &Path) -> Result<(Connection, bool), StoreError> {
    let opened = || -> rusqlite::Result<_> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version == 0 {
            // All or nothing: half of the tables would end every later start.
            let made = format!("BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;");
            connection.execute_batch(&made)?;
        }
        let check = "PRAGMA quick_check(1)";
        let state: String = connection.query_row(check, [], |row| row.get(0))?;
        if state != "ok" {
            let damaged = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
            return Err(rusqlite::Error::SqliteFailure(damaged, Some(state)));
        }
        Ok((connection, version))
    };
    let (connection, version) = opened().map_err(|cause| StoreError::Database {
        path: path.to_owned(),
        cause,
    })?;
    if version > VERSION {
        return Err(StoreError::Newer {
            path: path.to_owned(),
        });
    }
    Ok((connection, version == 0))
}

fn is_damaged(cause: &rusqlite::Error) -> bool {
    matches!(
        cause.sqlite_error_code(),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    )
}

/// Renames a damaged file: nothing is deleted that somebody may want to repair.
fn set_aside(path: &Path, cause: &rusqlite::Error) -> Result<(), StoreError> {
    let when = UtcMs::now().to_timestamp().strftime("%Y%m%dT%H%M%SZ");
    let aside = path.with_extension(format!("damaged-{when}"));
    tracing::warn!(
        "{}: {cause}; it is kept as {}, and a new timeline begins",
        path.display(),
        aside.display()
    );
    std::fs::rename(path, &aside).map_err(|cause| StoreError::Folder {
        path: path.to_owned(),
        cause,
    })?;
    for ending in ["sqlite-wal", "sqlite-shm"] {
        // They belong to the damaged file.
        let _ = std::fs::remove_file(path.with_extension(ending));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
