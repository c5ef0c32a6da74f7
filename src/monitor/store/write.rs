//! Writing the store, within a transaction.

use std::path::PathBuf;

use l3net_data::result::{GapReason, StreamName};
use rusqlite::{Connection, OptionalExtension, params};
use ulid::Ulid;

use super::{EventFiles, Minute, read};
use crate::detect::Normals;
use crate::event::StreamEvent;
use crate::time::UtcMs;

/// Writes within a transaction.
pub struct Writer<'a>(pub(super) &'a Connection);

impl Writer<'_> {
    /// The number of a stream, which it gets with its first use.
    ///
    /// # Errors
    /// The database's.
    pub fn stream(&self, name: &StreamName) -> rusqlite::Result<i64> {
        let mut insert =
            (self.0).prepare_cached("INSERT OR IGNORE INTO stream (name) VALUES (?1)")?;
        insert.execute([&**name])?;
        let mut select = self
            .0
            .prepare_cached("SELECT id FROM stream WHERE name = ?1")?;
        select.query_row([&**name], |row| row.get(0))
    }

    /// Keeps what was judged of a minute of a stream; its other seconds stay as they are.
    ///
    /// # Errors
    /// The database's.
    pub fn minute(&self, stream: &StreamName, minute: &Minute) -> rusqlite::Result<()> {
        let id = self.stream(stream)?;
        let mut there = self.minute_there(id, minute.number)?;
        there.put_over(minute);
        let minute = there;
        let mut put = self
            .0
            .prepare_cached("INSERT OR REPLACE INTO minute VALUES (?1, ?2, ?3)")?;
        put.execute(params![id, minute.number, minute.to_bytes()])?;
        Ok(())
    }

    pub(super) fn minute_there(&self, id: i64, number: i64) -> rusqlite::Result<Minute> {
        let mut get = (self.0)
            .prepare_cached("SELECT seconds FROM minute WHERE stream = ?1 AND number = ?2")?;
        let found = get.query_row(params![id, number], |row| {
            Ok(Minute::from_bytes(number, row.get_ref(0)?.as_blob()?))
        });
        Ok(found.optional()?.unwrap_or_else(|| Minute::new(number)))
    }

    /// Keeps a gap of a stream. One that goes on where the last one ended with the same
    /// reason makes that longer: a stream may be without sound for weeks.
    ///
    /// # Errors
    /// The database's.
    pub fn gap(
        &self,
        stream: &StreamName,
        begin: UtcMs,
        end: UtcMs,
        why: GapReason,
    ) -> rusqlite::Result<()> {
        let id = self.stream(stream)?;
        let mut last = self.0.prepare_cached(
            "SELECT begin_ms, end_ms FROM gap WHERE stream = ?1 AND why = ?2
             AND end_ms BETWEEN ?3 - 200 AND ?3 + 200 ORDER BY begin_ms DESC LIMIT 1",
        )?;
        let before: Option<(i64, i64)> = last
            .query_row(params![id, why.name(), begin.0], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        if let Some((begin_ms, end_ms)) = before {
            let mut longer = self.0.prepare_cached(
                "UPDATE OR REPLACE gap SET end_ms = ?4
                 WHERE stream = ?1 AND begin_ms = ?2 AND end_ms = ?3",
            )?;
            longer.execute(params![id, begin_ms, end_ms, end.0.max(end_ms)])?;
            return Ok(());
        }
        let mut put =
            (self.0).prepare_cached("INSERT OR IGNORE INTO gap VALUES (?1, ?2, ?3, ?4)")?;
        put.execute(params![id, begin.0, end.0, why.name()])?;
        Ok(())
    }

    /// Keeps an event, over what was kept of it.
    ///
    /// # Errors
    /// The database's.
    pub fn event(&self, event: &StreamEvent, files: &EventFiles) -> rusqlite::Result<()> {
        let mut put = self.0.prepare_cached(
            "INSERT OR REPLACE INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        let text = |path: &Option<PathBuf>| path.as_ref().map(|p| p.to_string_lossy().into_owned());
        put.execute(params![
            event.id.to_string(),
            &*event.stream,
            event.kind.name(),
            event.begin_ms.0,
            event.end_ms.map(|end| end.0),
            serde_json::to_string(event).expect("plain data"),
            text(&files.clip),
            text(&files.snapshot),
        ])?;
        Ok(())
    }

    /// Events that had not ended when the last run did.
    ///
    /// # Errors
    /// The database's.
    pub fn unfinished(&self) -> rusqlite::Result<Vec<(StreamEvent, EventFiles)>> {
        let mut select = (self.0).prepare_cached(
            "SELECT json, clip, snapshot FROM event WHERE end_ms IS NULL ORDER BY id",
        )?;
        let found = select.query_map([], read::event_of)?;
        found.filter_map(Result::transpose).collect()
    }

    /// Events that have clips or snapshots.
    ///
    /// # Errors
    /// The database's.
    pub fn with_files(&self) -> rusqlite::Result<Vec<(StreamEvent, EventFiles)>> {
        let mut select = self.0.prepare_cached(
            "SELECT json, clip, snapshot FROM event
             WHERE clip IS NOT NULL OR snapshot IS NOT NULL ORDER BY id",
        )?;
        let found = select.query_map([], read::event_of)?;
        found.filter_map(Result::transpose).collect()
    }

    /// An event and its files.
    ///
    /// # Errors
    /// The database's.
    pub fn find(&self, id: Ulid) -> rusqlite::Result<Option<(StreamEvent, EventFiles)>> {
        read::find(self.0, id)
    }

    /// What is normal for a stream, as it was last kept.
    ///
    /// # Errors
    /// The database's.
    pub fn normals(&self, stream: &StreamName) -> rusqlite::Result<Option<Normals>> {
        let mut select = self
            .0
            .prepare_cached("SELECT normals FROM stream WHERE name = ?1")?;
        let text: Option<Option<String>> =
            select.query_row([&**stream], |row| row.get(0)).optional()?;
        let normals = text
            .flatten()
            .and_then(|text| serde_json::from_str::<Normals>(&text).ok());
        Ok(normals.filter(Normals::is_valid))
    }

    /// Keeps what is normal for a stream.
    ///
    /// # Errors
    /// The database's.
    pub fn set_normals(&self, stream: &StreamName, normals: &Normals) -> rusqlite::Result<()> {
        let id = self.stream(stream)?;
        let text = serde_json::to_string(normals).expect("plain data");
        let mut put = self
            .0
            .prepare_cached("UPDATE stream SET normals = ?2 WHERE id = ?1")?;
        put.execute(params![id, text])?;
        Ok(())
    }

    /// Forgets timeline and events that are older than `before`, except protected events.
    /// Those whose files are still there go with their files.
    ///
    /// # Errors
    /// The database's.
    pub fn expire(&self, before: UtcMs) -> rusqlite::Result<()> {
        let limits = [Minute::number_of(before), before.0, before.0];
        for (sql, limit) in EXPIRE.into_iter().zip(limits) {
            self.0.prepare_cached(sql)?.execute([limit])?;
        }
        Ok(())
    }
}

/// Deletes old minutes, gaps and events. Stream by stream, since that is how the tables are
/// ordered: looking for old rows among all reads a month of twelve streams, 200 MB, each time.
pub(super) const EXPIRE: [&str; 3] = [
    "DELETE FROM minute WHERE stream IN (SELECT id FROM stream) AND number < ?1",
    "DELETE FROM gap
     WHERE stream IN (SELECT id FROM stream) AND begin_ms < ?1 AND end_ms < ?1",
    "DELETE FROM event
     WHERE stream IN (SELECT name FROM stream) AND begin_ms < ?1 AND end_ms < ?1
     AND clip IS NULL AND snapshot IS NULL",
];
