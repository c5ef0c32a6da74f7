//! The rows as a Parquet file.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use crate::clips::{Chance, Clip};
use crate::result::StreamName;
use crate::sink::SinkError;
use crate::sink::archive::TableFiles;
use crate::sink::lines::foreign;
use crate::sink::parquet::failed;

/// In the file's metadata: what the table is, and the threshold of its shares.
const FORMAT: (&str, &str) = ("l3net.clips", "1");
const THRESHOLD: &str = "l3net.threshold";
const VERSION: &str = "l3net.version";

/// Refuses a file that is none of ours.
pub(super) fn check(path: &Path) -> Result<(), SinkError> {
    match path.exists() {
        true => open(path).map(|_| ()),
        false => Ok(()),
    }
}

fn open(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, SinkError> {
    let file = File::open(path).map_err(SinkError::io(path, "read"))?;
    let not_ours = || foreign(path, "it is no table of clips of l3net");
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|_| not_ours())?;
    let metadata = builder.metadata().file_metadata().key_value_metadata();
    let is_format =
        |entry: &KeyValue| entry.key == FORMAT.0 && entry.value.as_deref() == Some(FORMAT.1);
    match metadata.is_some_and(|entries| entries.iter().any(is_format)) {
        true => Ok(builder),
        false => Err(not_ours()),
    }
}

/// What an older table says of its clips' chances.
pub(super) fn chances(path: &Path) -> Result<HashMap<StreamName, Chance>, SinkError> {
    let mut chances = HashMap::new();
    if !path.exists() {
        return Ok(chances);
    }
    for batch in open(path)?.build().map_err(failed(path, "read"))? {
        let batch = batch.map_err(SinkError::format(path, "read"))?;
        let column = |name| batch.column_by_name(name);
        let (Some(streams), Some(z), Some(clips)) =
            (column("stream"), column("chance_z"), column("chance_clips"))
        else {
            continue;
        };
        let streams = streams.as_string::<i32>();
        let (z, clips) = (
            z.as_primitive::<Float32Type>(),
            clips.as_primitive::<Int64Type>(),
        );
        for row in (0..batch.num_rows()).filter(|&row| z.is_valid(row)) {
            let chance = Chance {
                z: z.value(row),
                clips: u32::try_from(clips.value(row)).unwrap_or(u32::MAX),
            };
            chances.insert(streams.value(row).into(), chance);
        }
    }
    Ok(chances)
}

/// Replaces the table atomically.
pub(super) fn write(files: &TableFiles, threshold: f32, rows: &[Clip]) -> Result<(), SinkError> {
    let part = files.unfinished();
    let entry = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(vec![
            entry(FORMAT.0, FORMAT.1.to_owned()),
            entry(THRESHOLD, threshold.to_string()),
            entry(VERSION, env!("CARGO_PKG_VERSION").to_owned()),
        ]))
        .build();
    let batch = to_batch(rows);
    let file = File::create(&part).map_err(SinkError::io(&part, "write"))?;
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties))
        .map_err(failed(&part, "write"))?;
    writer.write(&batch).map_err(failed(&part, "write"))?;
    let file = writer.into_inner().map_err(failed(&part, "write"))?;
    file.sync_all().map_err(SinkError::io(&part, "write"))?;
    std::fs::rename(&part, &files.table).map_err(SinkError::io(&files.table, "write"))
}

fn to_batch(rows: &[Clip]) -> RecordBatch {
    let text = |of: fn(&Clip) -> Option<&str>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringArray>())
    };
    let int = |of: fn(&Clip) -> Option<u64>| -> ArrayRef {
        let of = |clip| of(clip).map(|v| i64::try_from(v).unwrap_or(i64::MAX));
        Arc::new(rows.iter().map(of).collect::<Int64Array>())
    };
    let double = |of: fn(&Clip) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<Float64Array>())
    };
    let single = |of: fn(&Clip) -> Option<f32>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<Float32Array>())
    };
    let columns: [(&str, ArrayRef); 22] = [
        ("stream", text(|c| Some(&c.stream))),
        ("seconds", double(|c| Some(c.end.seconds))),
        ("moments", int(|c| Some(c.moments))),
        ("gaps", int(|c| Some(c.end.gaps))),
        ("correspondence_mean", double(|c| c.mean)),
        ("correspondence_p10", double(|c| c.p10)),
        ("correspondence_p50", double(|c| c.p50)),
        ("correspondence_share", double(|c| c.share_over)),
        ("longest_mismatch_s", double(|c| Some(c.longest_mismatch_s))),
        ("chance_z", single(|c| c.chance.map(|chance| chance.z))),
        (
            "chance_clips",
            int(|c| c.chance.map(|chance| chance.clips.into())),
        ),
        ("silent_share", double(|c| c.silent)),
        ("still_share", double(|c| c.still)),
        ("black_share", double(|c| c.black)),
        ("level_dbfs", double(|c| c.level_dbfs)),
        ("loudness_lufs", double(|c| c.loudness_lufs)),
        ("width", int(|c| c.size.map(|[width, _]| width.into()))),
        ("height", int(|c| c.size.map(|[_, height]| height.into()))),
        ("fps", double(|c| c.end.fps)),
        ("bytes", int(|c| c.end.bytes)),
        ("model", text(|c| c.end.model.as_deref())),
        ("error", text(|c| c.end.error.as_deref())),
    ];
    RecordBatch::try_from_iter_with_nullable(
        columns.map(|(name, column)| (name, column, name != "stream")),
    )
    .expect("all columns have a value a row")
}
