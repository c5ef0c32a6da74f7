//! Records as a table: one flat, typed schema for all types of records.
//!
//! Belongs here: the columns, reading and writing Parquet files. Does not: when a table is
//! written ([`super::archive`]). Columns that a type of record does not have are null.
//! Integers are signed 64-bit (times in nanoseconds), which every Parquet reader supports.
//! Names are those of the JSON lines, with nested ones joined by `_`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::{Float32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, RecordBatch,
    StringArray, cast::AsArray, new_null_array,
};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use serde::Deserialize;
use serde::de::value::StrDeserializer;

use super::archive_index::{End, Entry, EntryKind};
use super::lines::foreign;
use super::{ArchiveIndex, SinkError};
use crate::result::Record;

/// Rows converted to columns at a time.
const BATCH: usize = 4096;
/// Rows of a row group, which is held in memory while writing: about 10 MB.
const ROW_GROUP: usize = 1 << 16;

/// One value of one record.
enum Cell<'a> {
    Null,
    Int(u64),
    F32(f32),
    F64(f64),
    Bool(bool),
    Text(&'a str),
}

impl<'a> Cell<'a> {
    fn text(text: Option<&'a String>) -> Self {
        text.map_or(Cell::Null, |t| Cell::Text(t))
    }

    /// A count that the lines omit if it is 0.
    fn unless_zero(count: u64) -> Self {
        match count {
            0 => Cell::Null,
            count => Cell::Int(count),
        }
    }
}

struct Column {
    name: &'static str,
    kind: DataType,
    of: for<'a> fn(&'a Record) -> Cell<'a>,
}

/// `column!(name: Type, Record kind(pattern) => cell, …)`.
macro_rules! column {
    ($name:ident: $kind:ident, $($record:ident($r:ident) => $cell:expr),+) => {
        Column {
            name: stringify!($name),
            kind: DataType::$kind,
            #[allow(unreachable_patterns, reason = "some columns are there in all kinds of records")]
            of: |record| match record {
                $(Record::$record($r) => $cell,)+
                _ => Cell::Null,
            },
        }
    };
}

const COLUMNS: &[Column] = &[
    Column {
        name: "type",
        kind: DataType::Utf8,
        of: |record| {
            Cell::Text(match record {
                Record::Moment(_) => "moment",
                Record::Gap(_) => "gap",
                Record::Qc(_) => "qc",
                Record::Summary(_) => "summary",
                Record::Error(_) => "error",
            })
        },
    },
    Column {
        name: "stream",
        kind: DataType::Utf8,
        of: |record| Cell::Text(record.stream()),
    },
    column!(seq: Int64, Moment(m) => Cell::Int(m.seq)),
    column!(start_ns: Int64, Moment(m) => Cell::Int(m.start_ns.0), Gap(g) => Cell::Int(g.start_ns.0)),
    column!(end_ns: Int64, Moment(m) => Cell::Int(m.end_ns.0), Gap(g) => Cell::Int(g.end_ns.0)),
    column!(frame_ns: Int64, Moment(m) => Cell::Int(m.frame_ns.0)),
    column!(utc: Utf8, Moment(m) => Cell::text(m.utc.as_ref())),
    column!(correspondence: Float32, Moment(m) => Cell::F32(m.correspondence)),
    column!(logits_0: Float32, Moment(m) => Cell::F32(m.logits[0])),
    column!(logits_1: Float32, Moment(m) => Cell::F32(m.logits[1])),
    column!(z_score: Float32, Moment(m) => m.z_score.map_or(Cell::Null, Cell::F32)),
    column!(audio_rms_dbfs: Float32, Moment(m) => Cell::F32(m.audio.rms_dbfs)),
    column!(audio_silent: Boolean, Moment(m) => Cell::Bool(m.audio.silent)),
    column!(audio_dc_offset: Float32, Moment(m) => m.audio.dc_offset.map_or(Cell::Null, Cell::F32)),
    column!(audio_invalid_samples: Int64, Moment(m) => Cell::unless_zero(m.audio.invalid_samples)),
    column!(audio_clipped_samples: Int64, Moment(m) => Cell::unless_zero(m.audio.clipped_samples)),
    column!(video_width: Int64, Moment(m) => Cell::Int(m.video.width.into())),
    column!(video_height: Int64, Moment(m) => Cell::Int(m.video.height.into())),
    column!(video_still: Boolean, Moment(m) => Cell::Bool(m.video.still)),
    column!(video_black: Boolean, Moment(m) => Cell::Bool(m.video.black)),
    column!(heatmap_rows: Int64, Moment(m) => Cell::Int(m.heatmap.rows.into())),
    column!(heatmap_cols: Int64, Moment(m) => Cell::Int(m.heatmap.cols.into())),
    column!(heatmap_crop: Utf8, Moment(m) => Cell::Text(m.heatmap.crop.name())),
    column!(heatmap_peak_x: Float32, Moment(m) => Cell::F32(m.heatmap.peak[0])),
    column!(heatmap_peak_y: Float32, Moment(m) => Cell::F32(m.heatmap.peak[1])),
    column!(heatmap_max: Float32, Moment(m) => Cell::F32(m.heatmap.max)),
    column!(heatmap_file: Utf8, Moment(m) => Cell::text(m.heatmap.file.as_ref())),
    column!(sound_heatmap_rows: Int64, Moment(m) => Cell::Int(m.sound_heatmap.rows.into())),
    column!(sound_heatmap_cols: Int64, Moment(m) => Cell::Int(m.sound_heatmap.cols.into())),
    column!(sound_heatmap_peak_hz: Float32, Moment(m) => Cell::F32(m.sound_heatmap.peak_hz)),
    column!(sound_heatmap_peak_s: Float32, Moment(m) => Cell::F32(m.sound_heatmap.peak_s)),
    column!(sound_heatmap_max: Float32, Moment(m) => Cell::F32(m.sound_heatmap.max)),
    column!(sound_heatmap_file: Utf8, Moment(m) => Cell::text(m.sound_heatmap.file.as_ref())),
    column!(latency_ms_wait: Float32, Moment(m) => Cell::F32(m.latency_ms.wait)),
    column!(latency_ms_features: Float32, Moment(m) => Cell::F32(m.latency_ms.features)),
    column!(latency_ms_net: Float32, Moment(m) => Cell::F32(m.latency_ms.net)),
    column!(latency_ms_total: Float32, Moment(m) => Cell::F32(m.latency_ms.total)),
    column!(padded: Boolean, Moment(m) => Cell::Bool(m.padded)),
    column!(why: Utf8, Gap(g) => Cell::Text(g.why.name())),
    column!(lost: Int64, Gap(g) => Cell::Int(g.lost)),
    column!(moments: Int64, Summary(s) => Cell::Int(s.moments)),
    column!(mean_correspondence: Float32, Summary(s) => s.mean_correspondence.map_or(Cell::Null, Cell::F32)),
    column!(gaps: Int64, Summary(s) => Cell::Int(s.gaps)),
    column!(seconds: Float64, Summary(s) => Cell::F64(s.seconds)),
    column!(wall_s: Float64, Summary(s) => Cell::F64(s.wall_s)),
    column!(model: Utf8, Summary(s) => Cell::text(s.model.as_ref())),
    column!(bytes: Int64, Summary(s) => s.bytes.map_or(Cell::Null, Cell::Int)),
    column!(fps: Float64, Summary(s) => s.fps.map_or(Cell::Null, Cell::F64)),
    column!(keyframes: Boolean, Summary(s) => Cell::Bool(s.keyframes)),
    column!(interrupted: Boolean, Summary(s) => Cell::Bool(s.interrupted)),
    column!(error: Utf8, Error(e) => Cell::Text(&e.error), Summary(s) => Cell::text(s.error.as_ref())),
];

/// The columns that [`ArchiveIndex`] needs.
const KEYS: [&str; 14] = [
    "moments",
    "gaps",
    "model",
    "bytes",
    "heatmap_crop",
    "keyframes",
    "interrupted",
    "type",
    "stream",
    "seq",
    "start_ns",
    "correspondence",
    "why",
    "error",
];

fn schema() -> Schema {
    let field = |c: &Column| {
        let everywhere = matches!(c.name, "type" | "stream");
        Field::new(c.name, c.kind.clone(), !everywhere)
    };
    Schema::new(COLUMNS.iter().map(field).collect::<Vec<_>>())
}

/// Records as columns.
fn to_batch(records: &[Record]) -> RecordBatch {
    let columns = COLUMNS.iter().map(|column| array(column, records));
    RecordBatch::try_new(Arc::new(schema()), columns.collect())
        .expect("columns are made by the schema")
}

fn array(column: &Column, records: &[Record]) -> ArrayRef {
    let cells = records.iter().map(column.of);
    match column.kind {
        DataType::Int64 => Arc::new(Int64Array::from_iter(cells.map(|c| match c {
            // Times and counts of a run stay below i64::MAX.
            Cell::Int(v) => Some(i64::try_from(v).unwrap_or(i64::MAX)),
            _ => None,
        }))),
        DataType::Float32 => Arc::new(Float32Array::from_iter(cells.map(|c| match c {
            Cell::F32(v) => Some(v),
            _ => None,
        }))),
        DataType::Float64 => Arc::new(Float64Array::from_iter(cells.map(|c| match c {
            Cell::F64(v) => Some(v),
            _ => None,
        }))),
        DataType::Boolean => Arc::new(BooleanArray::from_iter(cells.map(|c| match c {
            Cell::Bool(v) => Some(v),
            _ => None,
        }))),
        _ => Arc::new(StringArray::from_iter(cells.map(|c| match c {
            Cell::Text(v) => Some(v),
            _ => None,
        }))),
    }
}

/// Opens a table and checks that it is ours, from this version or one with fewer columns.
pub(super) fn open(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, SinkError> {
    let file = File::open(path).map_err(SinkError::io(path, "read"))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|e| foreign(path, format!("it is no table of l3net ({e})")))?;
    let (ours, there) = (schema(), &builder.schema().fields()[..]);
    let ours = &ours.fields()[..];
    let is_ours = there.iter().all(|field| ours.contains(field))
        && (ours.iter()).all(|field| field.is_nullable() || there.contains(field));
    if !is_ours {
        return Err(foreign(path, "it is a table with other columns"));
    }
    Ok(builder.with_batch_size(BATCH))
}

/// This build has tables.
#[expect(clippy::unnecessary_wraps, reason = "a build without them fails here")]
pub(super) fn check(_: &Path) -> Result<(), SinkError> {
    Ok(())
}

/// Adds every row to `progress`, reading only the columns it needs.
pub(super) fn read_progress(path: &Path, progress: &mut ArchiveIndex) -> Result<(), SinkError> {
    let builder = open(path)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), KEYS);
    let reader = builder.with_projection(mask).build();
    for batch in reader.map_err(failed(path, "read"))? {
        let batch = batch.map_err(SinkError::format(path, "read"))?;
        for row in 0..batch.num_rows() {
            let entry = entry(&batch, row)
                .ok_or_else(|| foreign(path, "it has a row that is no record of l3net"))?;
            progress.admit(&entry);
        }
    }
    Ok(())
}

fn entry(batch: &RecordBatch, row: usize) -> Option<Entry<'_>> {
    let column = |name| {
        let column = batch.column_by_name(name)?;
        column.is_valid(row).then_some(column)
    };
    let text = |name| Some(column(name)?.as_string_opt::<i32>()?.value(row));
    let int = |name| {
        let value = column(name)?.as_primitive_opt::<Int64Type>()?.value(row);
        u64::try_from(value).ok()
    };
    let boolean = |name| Some(column(name)?.as_boolean_opt()?.value(row));
    let kind = match text("type")? {
        "moment" => EntryKind::Moment {
            seq: int("seq")?,
            start_ns: int("start_ns")?,
            crop: word(text("heatmap_crop")),
            correspondence: column("correspondence")?
                .as_primitive_opt::<Float32Type>()?
                .value(row),
        },
        "gap" => EntryKind::Gap {
            start_ns: int("start_ns")?,
            why: word(text("why"))?,
        },
        "summary" => EntryKind::Summary(End {
            moments: int("moments")?,
            gaps: int("gaps")?,
            model: text("model"),
            bytes: int("bytes"),
            // A table of an older version has no such column.
            keyframes: boolean("keyframes").unwrap_or(false),
            interrupted: boolean("interrupted")?,
            error: text("error"),
        }),
        "error" => EntryKind::Error {
            text: text("error")?,
        },
        _ => return None,
    };
    Some(Entry {
        stream: text("stream")?,
        kind,
    })
}

/// Rows from a version with fewer columns; missing ones become null.
fn widened(batch: &RecordBatch) -> RecordBatch {
    let columns = COLUMNS
        .iter()
        .map(|column| match batch.column_by_name(column.name) {
            Some(there) => Arc::clone(there),
            None => new_null_array(&column.kind, batch.num_rows()),
        });
    RecordBatch::try_new(Arc::new(schema()), columns.collect())
        .expect("columns are made by the schema")
}

/// Parses one of a few words.
fn word<'a, T: Deserialize<'a>>(text: Option<&'a str>) -> Option<T> {
    let word = StrDeserializer::<serde::de::value::Error>::new(text?);
    T::deserialize(word).ok()
}

/// Rewrites the table: its own rows, if `old`, and those of the journal that it lacks. The
/// file is replaced atomically by `part`, which is on the same disk.
pub(super) fn write_table(
    path: &Path,
    old: bool,
    journal: &Path,
    part: &Path,
) -> Result<(), SinkError> {
    let file = File::create(part).map_err(SinkError::io(part, "write"))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .build();
    let schema = Arc::new(schema());
    let mut writer =
        ArrowWriter::try_new(file, schema, Some(properties)).map_err(failed(part, "write"))?;
    // A run that was killed between writing the table and removing its journal left rows
    // in both.
    let mut there = ArchiveIndex::default();
    if old {
        read_progress(path, &mut there)?;
        for batch in open(path)?.build().map_err(failed(path, "read"))? {
            let batch = batch.map_err(SinkError::format(path, "read"))?;
            writer
                .write(&widened(&batch))
                .map_err(failed(part, "write"))?;
        }
    }
    let mut rows = Vec::with_capacity(BATCH);
    read_records(journal, |record| {
        if there.admit(&Entry::from(&record)) {
            rows.push(record);
        }
        if rows.len() == BATCH {
            writer
                .write(&to_batch(&rows))
                .map_err(failed(part, "write"))?;
            rows.clear();
        }
        Ok(())
    })?;
    writer
        .write(&to_batch(&rows))
        .map_err(failed(part, "write"))?;
    let file = writer.into_inner().map_err(failed(part, "write"))?;
    file.sync_all().map_err(SinkError::io(part, "write"))?;
    std::fs::rename(part, path).map_err(SinkError::io(path, "write"))?;
    // So that the rename survives a power failure; not supported everywhere.
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    if let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// An error of the Parquet library; I/O errors keep their next step.
pub(super) fn failed(path: &Path, what: &'static str) -> impl Fn(ParquetError) -> SinkError {
    move |error| {
        if let ParquetError::External(cause) = &error
            && let Some(cause) = cause.downcast_ref::<std::io::Error>()
        {
            let cause = cause
                .raw_os_error()
                .map_or_else(|| cause.kind().into(), std::io::Error::from_raw_os_error);
            return SinkError::io(path, what)(cause);
        }
        SinkError::format(path, what)(error)
    }
}

/// Reads the records of a journal.
fn read_records(
    path: &Path,
    mut take: impl FnMut(Record) -> Result<(), SinkError>,
) -> Result<(), SinkError> {
    let file = File::open(path).map_err(SinkError::io(path, "read"))?;
    for line in BufReader::with_capacity(1 << 18, file).split(b'\n') {
        let line = line.map_err(SinkError::io(path, "read"))?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let record = serde_json::from_slice(&line).map_err(SinkError::format(path, "read"))?;
        take(record)?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "parquet_tests.rs"]
mod tests;
