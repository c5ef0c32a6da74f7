//! What OUT holds of each clip.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use parquet::arrow::ProjectionMask;

use super::Results;
use crate::clips::{ClipEnd, ClipFacts, ClipMoment};
use crate::result::{Record, StreamName};
use crate::sink::SinkError;
use crate::sink::parquet::{failed, open};

/// All clips, from lines or a table.
pub(super) type Facts = HashMap<StreamName, ClipFacts>;

/// The columns that are read of a table.
const COLUMNS: [&str; 20] = [
    "type",
    "stream",
    "seq",
    "start_ns",
    "end_ns",
    "correspondence",
    "audio_rms_dbfs",
    "audio_silent",
    "video_width",
    "video_height",
    "video_still",
    "video_black",
    "gaps",
    "seconds",
    "model",
    "bytes",
    "fps",
    "interrupted",
    "error",
    "moments",
];

/// Reads all clips.
pub(super) fn read(results: &Results) -> Result<Facts, SinkError> {
    let mut facts = Facts::new();
    let table = results
        .out
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("parquet"));
    match table {
        true => read_table(&results.out, &mut facts)?,
        false => read_lines(&results.out, &mut facts)?,
    }
    if let Some(measured) = results.measured.as_ref().filter(|file| file.exists()) {
        read_lines(measured, &mut facts)?;
    }
    Ok(facts)
}

fn read_lines(path: &Path, facts: &mut Facts) -> Result<(), SinkError> {
    let file = File::open(path).map_err(SinkError::io(path, "read"))?;
    for line in BufReader::with_capacity(1 << 18, file).split(b'\n') {
        let line = line.map_err(SinkError::io(path, "read"))?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let record: Record =
            serde_json::from_slice(&line).map_err(SinkError::format(path, "read"))?;
        let clip = facts.entry(record.stream().clone()).or_default();
        match record {
            Record::Moment(m) => clip.moments.push(ClipMoment {
                seq: m.seq,
                start_ns: m.start_ns.0,
                end_ns: m.end_ns.0,
                correspondence: m.correspondence,
                rms_dbfs: m.audio.rms_dbfs,
                silent: m.audio.silent,
                still: m.video.still,
                black: m.video.black,
                size: [m.video.width, m.video.height],
            }),
            Record::Summary(s) => clip.end = Some(ClipEnd::from(&s)),
            Record::Qc(qc) => {
                let loudness = qc.audio.and_then(|audio| audio.ebur128);
                clip.loudness_lufs = loudness.and_then(|loudness| loudness.integrated_lufs);
            }
            Record::Gap(_) | Record::Error(_) => {}
        }
    }
    Ok(())
}

fn read_table(path: &Path, facts: &mut Facts) -> Result<(), SinkError> {
    let builder = open(path)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), COLUMNS);
    let reader = builder.with_projection(mask).build();
    for batch in reader.map_err(failed(path, "read"))? {
        let batch = batch.map_err(SinkError::format(path, "read"))?;
        for row in 0..batch.num_rows() {
            add_row(&Row { batch: &batch, row }, facts);
        }
    }
    Ok(())
}

/// One row of a table, by column. Older tables lack some columns.
struct Row<'a> {
    batch: &'a RecordBatch,
    row: usize,
}

impl Row<'_> {
    fn column(&self, name: &str) -> Option<&dyn Array> {
        let column = self.batch.column_by_name(name)?;
        column.is_valid(self.row).then_some(&**column)
    }

    fn text(&self, name: &str) -> Option<&str> {
        Some(self.column(name)?.as_string_opt::<i32>()?.value(self.row))
    }

    fn int(&self, name: &str) -> Option<u64> {
        let column = self.column(name)?.as_primitive_opt::<Int64Type>()?;
        u64::try_from(column.value(self.row)).ok()
    }

    fn single(&self, name: &str) -> f32 {
        let column = self.column(name);
        let column = column.and_then(|column| column.as_primitive_opt::<Float32Type>());
        column.map_or(f32::NAN, |column| column.value(self.row))
    }

    fn double(&self, name: &str) -> Option<f64> {
        let column = self.column(name)?.as_primitive_opt::<Float64Type>()?;
        Some(column.value(self.row))
    }

    fn is(&self, name: &str) -> bool {
        let column = self.column(name).and_then(|column| column.as_boolean_opt());
        column.is_some_and(|column| column.value(self.row))
    }
}

fn add_row(row: &Row<'_>, facts: &mut Facts) {
    let Some(stream) = row.text("stream") else {
        return;
    };
    if !facts.contains_key(stream) {
        facts.insert(stream.into(), ClipFacts::default());
    }
    let Some(clip) = facts.get_mut(stream) else {
        return;
    };
    let size = |name| {
        row.int(name)
            .and_then(|side| u32::try_from(side).ok())
            .unwrap_or(0)
    };
    match row.text("type") {
        Some("moment") => clip.moments.push(ClipMoment {
            seq: row.int("seq").unwrap_or(0),
            start_ns: row.int("start_ns").unwrap_or(0),
            end_ns: row.int("end_ns").unwrap_or(0),
            correspondence: row.single("correspondence"),
            rms_dbfs: row.single("audio_rms_dbfs"),
            silent: row.is("audio_silent"),
            still: row.is("video_still"),
            black: row.is("video_black"),
            size: [size("video_width"), size("video_height")],
        }),
        Some("summary") => {
            clip.end = Some(ClipEnd {
                seconds: row.double("seconds").unwrap_or(0.0),
                gaps: row.int("gaps").unwrap_or(0),
                fps: row.double("fps"),
                bytes: row.int("bytes"),
                model: row.text("model").map(str::to_owned),
                error: row.text("error").map(str::to_owned),
                interrupted: row.is("interrupted"),
            });
        }
        _ => {}
    }
}
