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
use crate::clips::{Chance, Clip, ClipEnd, ClipFacts, ClipMoment};
use crate::result::{Record, StreamName};
use crate::sink::SinkError;
use crate::sink::parquet::{failed, open};

/// What has been read of the clips. A clip that is whole becomes a row at once: a million of
/// them with all their moments would be gigabytes.
struct Reading<'a> {
    threshold: f32,
    chances: &'a HashMap<StreamName, Chance>,
    open: HashMap<StreamName, ClipFacts>,
    rows: HashMap<StreamName, Clip>,
}

impl Reading<'_> {
    fn moment(&mut self, stream: &str, moment: ClipMoment) {
        self.facts(stream).moments.push(moment);
    }

    fn end(&mut self, stream: &str, end: ClipEnd) {
        let is_whole = !end.interrupted && end.error.is_none();
        self.facts(stream).end = Some(end);
        if is_whole && let Some((stream, facts)) = self.open.remove_entry(stream) {
            self.close(stream, facts);
        }
    }

    fn loudness(&mut self, stream: &str, lufs: Option<f64>) {
        match self.rows.get_mut(stream) {
            Some(row) => row.loudness_lufs = lufs,
            None => self.facts(stream).loudness_lufs = lufs,
        }
    }

    fn facts(&mut self, stream: &str) -> &mut ClipFacts {
        if !self.open.contains_key(stream) {
            self.open.insert(stream.into(), ClipFacts::default());
        }
        self.open.get_mut(stream).expect("just put there")
    }

    fn close(&mut self, stream: StreamName, facts: ClipFacts) {
        let chance = self.chances.get(&stream).copied();
        if let Some(row) = facts.row(stream.clone(), self.threshold, chance) {
            self.rows.insert(stream, row);
        }
    }
}

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

/// The rows of all clips that have ended, by name.
pub(super) fn read(
    results: &Results,
    threshold: f32,
    chances: &HashMap<StreamName, Chance>,
) -> Result<Vec<Clip>, SinkError> {
    let mut reading = Reading {
        threshold,
        chances,
        open: HashMap::new(),
        rows: HashMap::new(),
    };
    let table = results
        .out
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("parquet"));
    match table {
        true => read_table(&results.out, &mut reading)?,
        false => read_lines(&results.out, &mut reading)?,
    }
    if let Some(measured) = results.measured.as_ref().filter(|file| file.exists()) {
        read_lines(measured, &mut reading)?;
    }
    // Those that failed; a later try may have gone on with them until here.
    for (stream, facts) in std::mem::take(&mut reading.open) {
        reading.close(stream, facts);
    }
    let mut rows: Vec<Clip> = reading.rows.into_values().collect();
    rows.sort_by(|a, b| a.stream.cmp(&b.stream));
    Ok(rows)
}

fn read_lines(path: &Path, reading: &mut Reading<'_>) -> Result<(), SinkError> {
    let file = File::open(path).map_err(SinkError::io(path, "read"))?;
    for line in BufReader::with_capacity(1 << 18, file).split(b'\n') {
        let line = line.map_err(SinkError::io(path, "read"))?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let record: Record =
            serde_json::from_slice(&line).map_err(SinkError::format(path, "read"))?;
        let stream = record.stream().clone();
        match record {
            Record::Moment(m) => {
                let moment = ClipMoment {
                    seq: m.seq,
                    start_ns: m.start_ns.0,
                    end_ns: m.end_ns.0,
                    correspondence: m.correspondence,
                    rms_dbfs: m.audio.rms_dbfs,
                    silent: m.audio.silent,
                    still: m.video.still,
                    black: m.video.black,
                    size: [m.video.width, m.video.height],
                };
                reading.moment(&stream, moment);
            }
            Record::Summary(s) => reading.end(&stream, ClipEnd::from(&s)),
            Record::Qc(qc) => {
                let loudness = qc.audio.and_then(|audio| audio.ebur128);
                let lufs = loudness.and_then(|loudness| loudness.integrated_lufs);
                reading.loudness(&stream, lufs);
            }
            Record::Gap(_) | Record::Error(_) => {}
        }
    }
    Ok(())
}

fn read_table(path: &Path, reading: &mut Reading<'_>) -> Result<(), SinkError> {
    let builder = open(path)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), COLUMNS);
    let reader = builder.with_projection(mask).build();
    for batch in reader.map_err(failed(path, "read"))? {
        let batch = batch.map_err(SinkError::format(path, "read"))?;
        for row in 0..batch.num_rows() {
            add_row(&Row { batch: &batch, row }, reading);
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

fn add_row(row: &Row<'_>, reading: &mut Reading<'_>) {
    let Some(stream) = row.text("stream") else {
        return;
    };
    let size = |name| {
        row.int(name)
            .and_then(|side| u32::try_from(side).ok())
            .unwrap_or(0)
    };
    match row.text("type") {
        Some("moment") => {
            let moment = ClipMoment {
                seq: row.int("seq").unwrap_or(0),
                start_ns: row.int("start_ns").unwrap_or(0),
                end_ns: row.int("end_ns").unwrap_or(0),
                correspondence: row.single("correspondence"),
                rms_dbfs: row.single("audio_rms_dbfs"),
                silent: row.is("audio_silent"),
                still: row.is("video_still"),
                black: row.is("video_black"),
                size: [size("video_width"), size("video_height")],
            };
            reading.moment(stream, moment);
        }
        Some("summary") => {
            let end = ClipEnd {
                seconds: row.double("seconds").unwrap_or(0.0),
                gaps: row.int("gaps").unwrap_or(0),
                fps: row.double("fps"),
                bytes: row.int("bytes"),
                model: row.text("model").map(str::to_owned),
                error: row.text("error").map(str::to_owned),
                interrupted: row.is("interrupted"),
            };
            reading.end(stream, end);
        }
        _ => {}
    }
}
