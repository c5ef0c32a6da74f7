//! The table of clips over several runs.

use std::fs;

use super::*;
use crate::result::Record;
use crate::sink::archive::Archive;
use crate::sink::testing::{failed, measured, moment, summary_of};

fn open(table: &std::path::Path) -> Result<ClipsTable, SinkError> {
    ClipsTable::open(TableFiles::beside(table), 0.5)
}

fn judge(out: &std::path::Path, records: &[Record]) -> Results {
    let mut archive = Archive::open(out).expect("opened");
    for record in records {
        archive.append(record).expect("written");
    }
    let results = Results {
        out: out.to_owned(),
        measured: archive.table_files().map(|files| files.measured.clone()),
    };
    archive.finish().expect("finished");
    results
}

fn clip(name: &str) -> Vec<Record> {
    let mut records: Vec<Record> = (0..3).map(|n| Record::Moment(moment(name, n))).collect();
    records.push(measured(name, Some(9)));
    records.push(summary_of(name, 3, 9));
    records
}

/// Stream, moments, chance and loudness of each row.
fn rows(table: &std::path::Path) -> Vec<(String, i64, Option<f32>, bool)> {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float32Type, Int64Type};
    let file = fs::File::open(table).expect("a table");
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file);
    let reader = reader.and_then(|builder| builder.build()).expect("a table");
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.expect("rows");
        let column = |name| batch.column_by_name(name).expect("a column");
        for row in 0..batch.num_rows() {
            let z = column("chance_z").as_primitive::<Float32Type>();
            rows.push((
                column("stream").as_string::<i32>().value(row).to_owned(),
                column("moments").as_primitive::<Int64Type>().value(row),
                z.is_valid(row).then(|| z.value(row)),
                column("loudness_lufs").is_valid(row),
            ));
        }
    }
    rows
}

#[test]
fn each_clip_that_has_ended_is_in_the_table_once_over_all_runs() {
    for out in ["out.jsonl", "out.parquet"] {
        let dir = tempfile::tempdir().expect("a folder");
        let (out, table) = (dir.path().join(out), dir.path().join("clips.parquet"));
        let first = open(&table).expect("new");
        note(&first.journal, &"a".into(), Chance { z: 2.5, clips: 9 }).expect("noted");
        assert!(
            matches!(open(&table), Err(SinkError::Busy { .. })),
            "one run at a time"
        );
        let open_clip = Record::Moment(moment("open", 0));
        let results = judge(&out, &[clip("a"), vec![open_clip]].concat());
        assert_eq!(first.finish(&results).expect("written"), 1);
        assert_eq!(rows(&table), [("a".to_owned(), 3, Some(2.5), true)]);

        // Killed after the clip: its chance is noted, the line after it torn.
        let second = open(&table).expect("there");
        note(&second.journal, &"b".into(), Chance { z: -1.0, clips: 9 }).expect("noted");
        (&second.journal)
            .write_all(b"{\"stream\":\"c")
            .expect("torn");
        drop(second);
        judge(&out, &clip("b"));

        let third = open(&table).expect("there");
        note(&third.journal, &"d".into(), Chance { z: 0.5, clips: 9 }).expect("noted");
        let more = [failed("c", 0, "not a media file").to_vec(), clip("d")];
        let results = judge(&out, &more.concat());
        assert_eq!(third.finish(&results).expect("written"), 4);
        let named = |name: &str, moments, z, loudness| (name.to_owned(), moments, z, loudness);
        assert_eq!(
            rows(&table),
            [
                named("a", 3, Some(2.5), true),
                named("b", 3, Some(-1.0), true),
                named("c", 0, None, false),
                named("d", 3, Some(0.5), true),
            ]
        );
        let left = fs::read_dir(dir.path()).expect("a folder").count();
        let expected = if results.out.ends_with("out.jsonl") {
            2
        } else {
            3
        };
        assert_eq!(left, expected, "no journal lies about");
    }
}

#[test]
fn another_table_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().expect("a folder");
    let moments = dir.path().join("moments.parquet");
    judge(&moments, &clip("a"));
    let text = dir.path().join("text.parquet");
    fs::write(&text, "dear diary").expect("written");
    for table in [moments, text] {
        let before = fs::read(&table).expect("there");
        let error = open(&table).err().expect("refused").to_string();
        assert!(
            error.contains("it is no table of clips of l3net"),
            "{error}"
        );
        assert_eq!(fs::read(&table).expect("there"), before);
    }
}
