use arrow_array::types::Float64Type;

use super::super::testing::{every_kind_of_record, summary_of};
use super::*;

/// What a record says, as `column: value`, from its JSON.
fn flat(json: &serde_json::Value, name: &str, out: &mut Vec<(String, String)>) {
    let join = |key: &str| match name {
        "" => key.to_owned(),
        _ => format!("{name}_{key}"),
    };
    match json {
        serde_json::Value::Object(map) => {
            map.iter().for_each(|(k, v)| flat(v, &join(k), out));
        }
        serde_json::Value::Array(list) if name == "heatmap_peak" => {
            list.iter()
                .zip(["x", "y"])
                .for_each(|(v, k)| flat(v, &join(k), out));
        }
        serde_json::Value::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(k, v)| flat(v, &join(&k.to_string()), out));
        }
        serde_json::Value::Null => {}
        serde_json::Value::String(text) => out.push((name.into(), text.clone())),
        other => out.push((name.into(), other.to_string())),
    }
}

#[test]
fn the_table_says_all_that_the_lines_say() {
    let json = |v: f64| serde_json::Value::from(v).to_string();
    let records = every_kind_of_record();
    let batch = to_batch(&records);
    for (row, record) in records.iter().enumerate() {
        let mut expected = Vec::new();
        flat(&serde_json::to_value(record).unwrap(), "", &mut expected);
        // The lines leave `"padded":false` and `"black":false` out; a table has them.
        if let Record::Moment(moment) = record {
            let left_out = [
                ("padded", moment.padded),
                ("video_black", moment.video.black),
            ];
            let left_out = left_out.iter().filter(|(_, is)| !is);
            expected.extend(left_out.map(|(name, _)| ((*name).into(), "false".into())));
        }
        // The same with `"interrupted":false` and `"keyframes":false`.
        if let Record::Summary(end) = record {
            let left_out = [
                ("interrupted", end.interrupted),
                ("keyframes", end.keyframes),
            ];
            let left_out = left_out.iter().filter(|(_, is)| !is);
            expected.extend(left_out.map(|(name, _)| ((*name).into(), "false".into())));
        }
        let mut got = Vec::new();
        for (column, array) in COLUMNS.iter().zip(batch.columns()) {
            if array.is_null(row) {
                continue;
            }
            let value = match column.kind {
                DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
                // As serde_json widens them.
                DataType::Float32 => {
                    json(f64::from(array.as_primitive::<Float32Type>().value(row)))
                }
                DataType::Float64 => json(array.as_primitive::<Float64Type>().value(row)),
                DataType::Boolean => array.as_boolean().value(row).to_string(),
                _ => array.as_string::<i32>().value(row).to_owned(),
            };
            got.push((column.name.to_owned(), value));
        }
        expected.sort();
        got.sort();
        assert_eq!(got, expected);
    }
}

#[test]
fn a_table_of_a_version_with_fewer_columns_is_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let (table, journal) = (dir.path().join("a.parquet"), dir.path().join("journal"));
    let write = |columns: &[&str]| {
        let batch = to_batch(&every_kind_of_record());
        let kept = columns.iter().map(|c| batch.schema().index_of(c).unwrap());
        let batch = batch.project(&kept.collect::<Vec<_>>()).unwrap();
        let file = File::create(&table).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    };
    let all: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
    let newer = ["model", "bytes"];
    let older: Vec<&str> = all.into_iter().filter(|c| !newer.contains(c)).collect();
    write(&older);
    let mut progress = ArchiveIndex::default();
    read_progress(&table, &mut progress).unwrap();
    assert_eq!(progress.stream("clip.mp4").unwrap().moments(), 1);

    let mut line = Vec::new();
    super::super::jsonl::to_line(&summary_of("new.mp4", 0, 9), &mut line);
    std::fs::write(&journal, line).unwrap();
    write_table(&table, true, &journal, &dir.path().join("part")).unwrap();
    let rows = open(&table).unwrap().build().unwrap();
    let (mut count, mut known) = (0, 0);
    for batch in rows.map(Result::unwrap) {
        count += batch.num_rows();
        let bytes = batch.column_by_name("bytes").unwrap();
        known += batch.num_rows() - bytes.null_count();
    }
    assert_eq!((count, known), (every_kind_of_record().len() + 1, 1));

    // Somebody else's has columns that are not ours, or lacks those that name a record.
    write(&["stream", "seq"]);
    assert!(read_progress(&table, &mut ArchiveIndex::default()).is_err());
}
