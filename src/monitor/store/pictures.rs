//! One small picture a second of each stream, behind the timeline.
//!
//! A file of its own beside the timeline, because it is a hundred times as large and may be
//! deleted. Its size is bounded; the oldest go first.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::StoreError;
use crate::time::UtcMs;

/// The file beside the timeline.
const FILE: &str = "pictures.sqlite";
/// How far a picture may be from the second that is asked for.
const NEAR_MS: i64 = 2_000;
/// Share of the bound that is deleted at once, when it is reached.
const MAKE_ROOM: f64 = 0.02;

/// Keeps pictures.
#[derive(Debug)]
pub struct Pictures {
    path: PathBuf,
    connection: Connection,
    max_bytes: u64,
    /// Of all pictures.
    pub(super) bytes: u64,
}

impl Pictures {
    /// Opens those beside a timeline, bounded by `max_bytes`.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub fn open(timeline: &Path, max_bytes: u64) -> Result<Self, StoreError> {
        let path = timeline.with_file_name(FILE);
        let opened = open_at(&path).or_else(|cause| {
            if !super::is_damaged(&cause) {
                return Err(cause);
            }
            // They are of no value without being readable.
            for ending in ["sqlite", "sqlite-wal", "sqlite-shm"] {
                let _ = std::fs::remove_file(path.with_extension(ending));
            }
            open_at(&path)
        });
        let (connection, bytes) = opened.map_err(|cause| StoreError::Database {
            path: path.clone(),
            cause,
        })?;
        Ok(Self {
            path,
            connection,
            max_bytes,
            bytes,
        })
    }

    /// Keeps JPEGs of moments that ended then.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn put(&mut self, pictures: &[(String, UtcMs, Vec<u8>)]) -> Result<(), StoreError> {
        let failed = |cause| StoreError::Database {
            path: self.path.clone(),
            cause,
        };
        let transaction = self.connection.transaction().map_err(failed)?;
        let mut bytes = self.bytes;
        let mut all = || -> rusqlite::Result<()> {
            let mut put =
                transaction.prepare_cached("INSERT OR REPLACE INTO picture VALUES (?1, ?2, ?3)")?;
            for (stream, at, jpeg) in pictures {
                put.execute(params![stream, at.0, jpeg])?;
                bytes += jpeg.len() as u64;
            }
            while bytes > self.max_bytes {
                let room = (self.max_bytes as f64 * MAKE_ROOM) as u64;
                let freed = delete_oldest(&transaction, bytes - self.max_bytes + room)?;
                if freed == 0 {
                    break;
                }
                bytes = bytes.saturating_sub(freed);
            }
            Ok(())
        };
        all().map_err(failed)?;
        transaction.commit().map_err(failed)?;
        self.bytes = bytes;
        Ok(())
    }

    /// The picture of a stream that is nearest to a time; none if it is over two seconds
    /// away, or nothing was kept.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn near(timeline: &Path, stream: &str, at: UtcMs) -> Result<Option<Vec<u8>>, StoreError> {
        let path = timeline.with_file_name(FILE);
        let find = || -> rusqlite::Result<Option<Vec<u8>>> {
            let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            let mut select = connection.prepare(
                "SELECT jpeg FROM picture WHERE stream = ?1 AND at_ms BETWEEN ?2 - ?3 AND ?2 + ?3
                 ORDER BY abs(at_ms - ?2) LIMIT 1",
            )?;
            select
                .query_row(params![stream, at.0, NEAR_MS], |row| row.get(0))
                .optional()
        };
        match path.exists() {
            false => Ok(None),
            true => find().map_err(|cause| StoreError::Database { path, cause }),
        }
    }
}

fn open_at(path: &Path) -> rusqlite::Result<(Connection, u64)> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS picture (stream TEXT NOT NULL, at_ms INTEGER NOT NULL,
             jpeg BLOB NOT NULL, PRIMARY KEY (stream, at_ms));
         CREATE INDEX IF NOT EXISTS picture_at ON picture (at_ms);",
    )?;
    let bytes: i64 = connection.query_row(
        "SELECT coalesce(sum(length(jpeg)), 0) FROM picture",
        [],
        |row| row.get(0),
    )?;
    Ok((connection, u64::try_from(bytes).unwrap_or(0)))
}

/// Deletes the oldest pictures of at least so many bytes; how many bytes they had.
fn delete_oldest(connection: &Connection, bytes: u64) -> rusqlite::Result<u64> {
    let mut select = connection
        .prepare_cached("SELECT at_ms, length(jpeg) FROM picture ORDER BY at_ms LIMIT 4000")?;
    let mut rows = select.query([])?;
    let (mut freed, mut until) = (0, None);
    while let Some(row) = rows.next()? {
        let at: i64 = row.get(0)?;
        // All of a time go together.
        if freed >= bytes && until != Some(at) {
            break;
        }
        freed += u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
        until = Some(at);
    }
    drop(rows);
    if let Some(until) = until {
        connection.execute("DELETE FROM picture WHERE at_ms <= ?1", [until])?;
    }
    Ok(freed)
}
