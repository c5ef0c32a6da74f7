//! Reading the store, for the page.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use serde::Serialize;
use ulid::Ulid;

use super::{EventFiles, Minute, StoreError};
use crate::event::{Kind, StreamEvent};
use crate::status::Normal;
use crate::time::UtcMs;

/// The most events within a timeline.
const TIMELINE_EVENTS: usize = 500;
/// The most gaps within a timeline.
const TIMELINE_GAPS: usize = 2_000;

/// A stretch of a stream's timeline in equal steps, as columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Timeline {
    /// The stream.
    pub stream: String,
    /// Its beginning.
    pub from_ms: UtcMs,
    /// Its end.
    pub to_ms: UtcMs,
    /// Length of a step.
    pub step_ms: i64,
    /// Beginnings of all steps.
    pub t_ms: Vec<UtcMs>,
    /// Mean correspondence; `None` where nothing was judged, as in the next three.
    pub mean: Vec<Option<f32>>,
    /// The least.
    pub min: Vec<Option<f32>>,
    /// The greatest.
    pub max: Vec<Option<f32>>,
    /// Mean level.
    pub level_dbfs: Vec<Option<f32>>,
    /// Seconds that lie in gaps.
    pub lost: Vec<f64>,
    /// Parts that were not judged.
    pub gaps: Vec<TimelineGap>,
    /// Events that touch it.
    pub events: Vec<StreamEvent>,
    /// The stream's own correspondence, once it is known.
    pub normal: Option<Normal>,
    /// The beginning of what is kept of the stream.
    pub oldest_ms: Option<UtcMs>,
}

/// A part that was not judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TimelineGap {
    /// Its beginning.
    pub begin_ms: UtcMs,
    /// Its end.
    pub end_ms: UtcMs,
    /// Why.
    pub why: String,
}

/// Which events.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// Of this stream.
    pub stream: Option<String>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// That end after this.
    pub from: Option<UtcMs>,
    /// That begin before this.
    pub to: Option<UtcMs>,
    /// Older than this one.
    pub before: Option<Ulid>,
    /// At most so many.
    pub limit: usize,
}

/// Reads a store that another connection writes.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    connection: Connection,
}

impl Reader {
    /// Opens a store for reading.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(path, flags).and_then(|connection| {
            connection.busy_timeout(Duration::from_secs(2))?;
            Ok(connection)
        });
        Ok(Self {
            path: path.to_owned(),
            connection: opened.map_err(|cause| StoreError::Database {
                path: path.to_owned(),
                cause,
            })?,
        })
    }

    /// Events, the newest first.
    ///
    /// # Errors
    /// The database's.
    pub fn events(&self, query: &EventQuery) -> Result<Vec<StreamEvent>, StoreError> {
        self.tried(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT json, clip, snapshot FROM event
                 WHERE (?1 IS NULL OR stream = ?1) AND (?2 IS NULL OR kind = ?2)
                   AND (?3 IS NULL OR end_ms IS NULL OR end_ms >= ?3)
                   AND (?4 IS NULL OR begin_ms <= ?4) AND (?5 IS NULL OR id < ?5)
                 ORDER BY id DESC LIMIT ?6",
            )?;
            let found = select.query_map(
                params![
                    query.stream,
                    query.kind.map(Kind::name),
                    query.from.map(|at| at.0),
                    query.to.map(|at| at.0),
                    query.before.map(|id| id.to_string()),
                    query.limit as i64,
                ],
                event_of,
            )?;
            let events = found.filter_map(Result::transpose);
            events.map(|found| found.map(|(event, _)| event)).collect()
        })
    }

    /// An event and its files.
    ///
    /// # Errors
    /// The database's.
    pub fn event(&self, id: Ulid) -> Result<Option<(StreamEvent, EventFiles)>, StoreError> {
        self.tried(|connection| find(connection, id))
    }

    /// A stretch of a stream's timeline in about `points` steps of whole seconds.
    ///
    /// # Errors
    /// The database's.
    pub fn timeline(
        &self,
        stream: &str,
        from: UtcMs,
        to: UtcMs,
        points: usize,
    ) -> Result<Timeline, StoreError> {
        let length = to.0.saturating_sub(from.0).max(1000);
        let step_ms = (length / points.max(1) as i64 / 1000).max(1) * 1000;
        let mut timeline = Timeline {
            stream: stream.to_owned(),
            from_ms: from,
            to_ms: to,
            step_ms,
            t_ms: (from.0..to.0)
                .step_by(step_ms as usize)
                .map(UtcMs)
                .collect(),
            ..Timeline::default()
        };
        self.tried(|connection| {
            let mut id = connection.prepare_cached("SELECT id FROM stream WHERE name = ?1")?;
            let id: Option<i64> = id.query_row([stream], |row| row.get(0)).optional()?;
            let Some(id) = id else {
                return Ok(());
            };
            let mut oldest =
                connection.prepare_cached("SELECT min(number) FROM minute WHERE stream = ?1")?;
            let oldest: Option<i64> = oldest.query_row([id], |row| row.get(0))?;
            timeline.oldest_ms = oldest.map(|number| UtcMs(number * 60_000));
            add_seconds(connection, id, &mut timeline)?;
            let mut gaps = connection.prepare_cached(
                "SELECT begin_ms, end_ms, why FROM gap
                 WHERE stream = ?1 AND end_ms >= ?2 AND begin_ms <= ?3 ORDER BY begin_ms",
            )?;
            let found = gaps.query_map(params![id, from.0, to.0], |row| {
                Ok(TimelineGap {
                    begin_ms: UtcMs(row.get(0)?),
                    end_ms: UtcMs(row.get(1)?),
                    why: row.get(2)?,
                })
            })?;
            timeline.gaps = found.collect::<Result<_, _>>()?;
            Ok(())
        })?;
        // Of a stream of which nothing was kept.
        let steps = timeline.t_ms.len();
        for column in [
            &mut timeline.mean,
            &mut timeline.min,
            &mut timeline.max,
            &mut timeline.level_dbfs,
        ] {
            column.resize(steps, None);
        }
        timeline.lost = lost(&timeline.t_ms, step_ms, &timeline.gaps);
        // The newest: a list of all gaps of a bad month helps nobody.
        let too_many = timeline.gaps.len().saturating_sub(TIMELINE_GAPS);
        timeline.gaps.drain(..too_many);
        timeline.events = self.events(&EventQuery {
            stream: Some(stream.to_owned()),
            from: Some(from),
            to: Some(to),
            limit: TIMELINE_EVENTS,
            ..EventQuery::default()
        })?;
        Ok(timeline)
    }

    fn tried<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        read(&self.connection).map_err(|cause| StoreError::Database {
            path: self.path.clone(),
            cause,
        })
    }
}

/// Seconds of a step, as their counts and sums.
#[derive(Clone, Copy, Default)]
struct Sums {
    seconds: f32,
    correspondence: f32,
    level_dbfs: f32,
    min: f32,
    max: f32,
}

/// Fills the steps of a timeline with what was kept of its seconds.
fn add_seconds(
    connection: &Connection,
    stream: i64,
    timeline: &mut Timeline,
) -> rusqlite::Result<()> {
    let (from, to, step) = (timeline.from_ms.0, timeline.to_ms.0, timeline.step_ms);
    let mut sums = vec![Sums::default(); timeline.t_ms.len()];
    let mut select = connection.prepare_cached(
        "SELECT number, seconds FROM minute
         WHERE stream = ?1 AND number BETWEEN ?2 AND ?3 ORDER BY number",
    )?;
    let ends = (Minute::number_of(UtcMs(from)), Minute::number_of(UtcMs(to)));
    let mut rows = select.query(params![stream, ends.0, ends.1])?;
    while let Some(row) = rows.next()? {
        let minute = Minute::from_bytes(row.get(0)?, row.get_ref(1)?.as_blob()?);
        for (at, second) in minute.judged().filter(|(at, _)| (from..to).contains(&at.0)) {
            let sums = &mut sums[((at.0 - from) / step) as usize];
            let is_first = sums.seconds == 0.0;
            sums.min = if is_first {
                second.min
            } else {
                sums.min.min(second.min)
            };
            sums.max = sums.max.max(second.max);
            sums.seconds += 1.0;
            sums.correspondence += second.mean;
            sums.level_dbfs += second.level_dbfs;
        }
    }
    let column = |of: fn(&Sums) -> f32| -> Vec<Option<f32>> {
        sums.iter()
            .map(|s| (s.seconds > 0.0).then(|| of(s)))
            .collect()
    };
    timeline.mean = column(|s| s.correspondence / s.seconds);
    timeline.level_dbfs = column(|s| s.level_dbfs / s.seconds);
    timeline.min = column(|s| s.min);
    timeline.max = column(|s| s.max);
    Ok(())
}

/// How many seconds of each step lie in gaps.
fn lost(steps: &[UtcMs], step_ms: i64, gaps: &[TimelineGap]) -> Vec<f64> {
    let mut lost_ms = vec![0_i64; steps.len()];
    let Some(&UtcMs(first)) = steps.first() else {
        return Vec::new();
    };
    for gap in gaps {
        let begin = (gap.begin_ms.0.max(first) - first) / step_ms;
        for (step, lost) in steps.iter().zip(&mut lost_ms).skip(begin as usize) {
            if step.0 >= gap.end_ms.0 {
                break;
            }
            let end = gap.end_ms.0.min(step.0 + step_ms);
            *lost += (end - gap.begin_ms.0.max(step.0)).max(0);
        }
    }
    let seconds = |lost: i64| lost.min(step_ms) as f64 / 1000.0;
    lost_ms.into_iter().map(seconds).collect()
}

pub(super) fn find(
    connection: &Connection,
    id: Ulid,
) -> rusqlite::Result<Option<(StreamEvent, EventFiles)>> {
    let mut select =
        connection.prepare_cached("SELECT json, clip, snapshot FROM event WHERE id = ?1")?;
    let found = select.query_row([id.to_string()], event_of).optional()?;
    Ok(found.flatten())
}

/// The event of a row; none if a later version wrote it in a way that this one cannot read.
pub(super) fn event_of(row: &Row<'_>) -> rusqlite::Result<Option<(StreamEvent, EventFiles)>> {
    let json = row.get_ref(0)?.as_str()?;
    let path = |text: Option<String>| text.map(PathBuf::from);
    let files = EventFiles {
        clip: path(row.get(1)?),
        snapshot: path(row.get(2)?),
    };
    Ok(serde_json::from_str(json).ok().map(|event| (event, files)))
}
