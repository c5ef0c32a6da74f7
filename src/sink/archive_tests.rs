use std::fs;

use tempfile::TempDir;

use super::super::testing::{error, every_kind_of_record, failed, gap, measured, moment, summary};
use super::*;

fn run(out: &Path, records: &[Record]) {
    let mut archive = Archive::open(out).unwrap();
    for record in records {
        archive.append(record).unwrap();
    }
    archive.finish().unwrap();
}

fn lines(path: &Path) -> Vec<Record> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// `type stream seq` of every row, read back by the same crate.
fn rows(path: &Path) -> Vec<String> {
    use ::parquet::arrow::arrow_reader::ParquetRecordBatchReader;
    use arrow_array::cast::AsArray;
    let file = fs::File::open(path).unwrap();
    let mut out = Vec::new();
    for batch in ParquetRecordBatchReader::try_new(file, 100).unwrap() {
        let batch = batch.unwrap();
        let text = |name| {
            batch
                .column_by_name(name)
                .unwrap()
                .as_string::<i32>()
                .clone()
        };
        let seq = batch.column_by_name("seq").unwrap();
        let seq = seq.as_primitive::<arrow_array::types::Int64Type>();
        for row in 0..batch.num_rows() {
            let seq = seq.iter().nth(row).unwrap();
            out.push(format!(
                "{} {} {}",
                text("type").value(row),
                text("stream").value(row),
                seq.map_or(String::new(), |s| s.to_string())
            ));
        }
    }
    out
}

fn clip(stream: &str, moments: u64) -> Vec<Record> {
    let mut records: Vec<Record> = (0..moments)
        .map(|seq| Record::Moment(moment(stream, seq)))
        .collect();
    records.insert(1, gap(stream, 99, GapReason::Discontinuity));
    records.push(summary(stream, moments));
    records
}

#[test]
fn killed_at_any_byte_each_record_is_there_once_after_the_next_run() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("out.jsonl");
    let records = clip("ä.mp4", 3);
    run(&out, &records);
    let whole = fs::read(&out).unwrap();
    for cut in 0..=whole.len() {
        fs::write(&out, &whole[..cut]).unwrap();
        run(&out, &records);
        assert_eq!(fs::read(&out).unwrap(), whole, "cut at byte {cut}");
    }
}

#[test]
fn progress_says_what_is_there() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("out.jsonl");
    run(&out, &clip("done", 3));
    let mut archive = Archive::open(&out).unwrap();
    archive.append(&Record::Moment(moment("half", 0))).unwrap();
    archive.append(&gap("half", 1, GapReason::NoVideo)).unwrap();
    assert!(!archive.append(&Record::Moment(moment("half", 0))).unwrap());
    drop(archive);

    let archive = Archive::open(&out).unwrap();
    let progress = archive.index();
    assert!(progress.is_finished("done"));
    let half = progress.stream("half").unwrap();
    assert_eq!(
        (half.finished(), half.moments(), half.gaps()),
        (false, 1, 1)
    );
    assert!((half.correspondence_sum() - 0.83).abs() < 1e-6);
    assert!(progress.stream("never").is_none());
}

#[test]
fn a_stream_that_failed_is_tried_again_and_nothing_is_lost() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("out.jsonl");
    let first = [Record::Moment(moment("a", 0)), error("a", "cut short")];
    run(&out, &first);
    assert!(!Archive::open(&out).unwrap().index().is_finished("a"));
    run(&out, &first);
    assert_eq!(lines(&out), first);
    run(&out, &clip("a", 2));
    let all = lines(&out);
    assert_eq!(all[..2], first);
    assert_eq!(all[2..], clip("a", 2)[1..]);
    assert!(Archive::open(&out).unwrap().index().is_finished("a"));
}

#[test]
fn a_last_line_that_lacks_only_its_end_is_kept() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("out.jsonl");
    run(&out, &clip("a", 2));
    let whole = fs::read(&out).unwrap();
    fs::write(&out, whole.trim_ascii_end()).unwrap();
    drop(Archive::open(&out).unwrap());
    assert_eq!(fs::read(&out).unwrap(), whole);
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_as_it_is() {
    let dir = TempDir::new().unwrap();
    let ours = String::from_utf8({
        let mut line = Vec::new();
        jsonl::to_line(&Record::Moment(moment("a", 0)), &mut line);
        line
    })
    .unwrap();
    let long = "x".repeat(LONGEST_LINE as usize + 1);
    let cases = [
        (
            "diary.jsonl",
            "dear diary".to_owned(),
            "line 1 is no record",
        ),
        (
            "other.jsonl",
            "{\"name\":1}\n".into(),
            "line 1 is no record",
        ),
        (
            "kind.jsonl",
            "{\"type\":\"dog\",\"stream\":\"a\"}\n".into(),
            "line 1 is no",
        ),
        (
            "mixed.jsonl",
            format!("{ours}hello\n{ours}"),
            "line 2 is no record",
        ),
        ("long.jsonl", long, "line 1 is no record"),
        (
            "text.parquet",
            "dear diary".into(),
            "it is no table of l3net",
        ),
    ];
    for (name, text, why) in cases {
        let out = dir.path().join(name);
        fs::write(&out, &text).unwrap();
        let said = Archive::open(&out).err().unwrap().to_string();
        assert!(said.contains(name) && said.contains(why), "{said}");
        assert!(said.contains("name another output"), "{said}");
        assert_eq!(fs::read_to_string(&out).unwrap(), text);
    }
}

#[test]
fn places_that_cannot_be_written_are_named_with_what_to_do() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("folder.jsonl")).unwrap();
    fs::create_dir(dir.path().join("folder.parquet")).unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let cases = [
        ("out.csv", "should end in .jsonl or .parquet"),
        ("out", "should end in .jsonl or .parquet"),
        ("folder.jsonl", "name a file in it"),
        ("folder.parquet", "name a file in it"),
        ("no/such/out.jsonl", "make the folder first"),
        ("no/such/out.parquet", "make the folder first"),
        ("file/out.jsonl", "make the folder first"),
    ];
    for (name, step) in cases {
        let said = Archive::open(&dir.path().join(name))
            .err()
            .unwrap()
            .to_string();
        assert!(said.contains(name) && said.contains(step), "{said}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("full.jsonl");
    std::os::unix::fs::symlink("/dev/full", &out).unwrap();
    let mut archive = Archive::open(&out).unwrap();
    let said = archive
        .append(&Record::Moment(moment("a", 0)))
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("No space left") && said.contains("free some space"),
        "{said}"
    );
}

#[test]
fn two_runs_do_not_write_one_file() {
    let dir = TempDir::new().unwrap();
    for name in ["out.jsonl", "out.parquet"] {
        let out = dir.path().join(name);
        let first = Archive::open(&out).unwrap();
        let said = Archive::open(&out).err().unwrap().to_string();
        assert!(said.contains("another l3net is writing it"), "{said}");
        drop(first);
        Archive::open(&out).unwrap();
    }
}

#[test]
fn a_table_is_there_at_the_end_and_its_journal_is_gone() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("out.parquet");
    run(&out, &every_kind_of_record());
    assert_eq!(
        rows(&out),
        [
            "moment clip.mp4 0",
            "moment cam \"1\"\n 7",
            "gap clip.mp4 ",
            "summary clip.mp4 ",
            "summary empty.mp4 ",
            "error bad.mp4 "
        ]
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn what_was_measured_lies_in_the_lines_or_beside_the_table() {
    let dir = TempDir::new().unwrap();
    let qc = || measured("a", Some(7));
    let mut records = clip("a", 2);
    records.insert(3, qc());
    let out = dir.path().join("out.jsonl");
    run(&out, &records);
    run(&out, &records);
    assert_eq!(lines(&out), records);

    let (table, beside) = (
        dir.path().join("out.parquet"),
        dir.path().join("out.qc.jsonl"),
    );
    run(&table, &clip("a", 2));
    assert!(!beside.exists(), "nobody asked for it");
    run(&table, &records);
    assert_eq!(lines(&beside), [qc()]);
    assert_eq!(rows(&table).len(), 4);
    // Killed in the middle of its line, and at the end of it.
    let whole = fs::read(&beside).unwrap();
    for cut in [0, 9, whole.len() - 1, whole.len()] {
        fs::write(&beside, &whole[..cut]).unwrap();
        let mut archive = Archive::open(&table).unwrap();
        assert!(!archive.index().is_measured("a", Some(7)));
        archive.expect_measured().unwrap();
        let is_there = cut + 1 >= whole.len();
        assert_eq!(archive.index().is_measured("a", Some(7)), is_there, "{cut}");
        assert_eq!(archive.append(&qc()).unwrap(), !is_there, "{cut}");
        archive.finish().unwrap();
        assert_eq!(fs::read(&beside).unwrap(), whole, "{cut}");
    }
    assert_eq!(rows(&table).len(), 4);
}

#[test]
fn a_place_for_measurements_that_is_not_ours_is_refused() {
    let dir = TempDir::new().unwrap();
    let (table, beside) = (
        dir.path().join("out.parquet"),
        dir.path().join("out.qc.jsonl"),
    );
    fs::write(&beside, "notes\n").unwrap();
    let mut archive = Archive::open(&table).unwrap();
    let error = archive.expect_measured().unwrap_err().to_string();
    assert!(error.contains("out.qc.jsonl"), "{error}");
    assert_eq!(fs::read(&beside).unwrap(), b"notes\n");
}

#[test]
fn a_table_is_resumed_and_keeps_its_rows() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("out.parquet");
    run(
        &out,
        &[Record::Moment(moment("a", 0)), error("a", "cut short")],
    );
    // Killed in the second run, after a moment and half of another.
    let mut archive = Archive::open(&out).unwrap();
    assert_eq!(archive.index().stream("a").unwrap().moments(), 1);
    for record in &clip("a", 3)[..3] {
        archive.append(record).unwrap();
    }
    drop(archive);
    let journal = dir.path().join("out.parquet.part.jsonl");
    let half = fs::read(&journal).unwrap();
    fs::write(&journal, &half[..half.len() - 9]).unwrap();
    // The third comes to the end.
    let archive = Archive::open(&out).unwrap();
    let a = archive.index().stream("a").unwrap();
    assert_eq!((a.moments(), a.gaps(), a.finished()), (1, 1, false));
    drop(archive);
    run(&out, &clip("a", 3));
    assert_eq!(
        rows(&out),
        [
            "moment a 0",
            "error a ",
            "gap a ",
            "moment a 1",
            "moment a 2",
            "summary a "
        ]
    );
    let archive = Archive::open(&out).unwrap();
    assert!(archive.index().is_finished("a"));
    drop(archive);
    // A run with nothing to do leaves the table as it is.
    let before = fs::metadata(&out).unwrap().modified().unwrap();
    run(&out, &clip("a", 3));
    assert_eq!(fs::metadata(&out).unwrap().modified().unwrap(), before);
}

#[test]
fn killed_between_the_table_and_the_end_of_its_journal_no_row_is_there_twice() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("out.parquet");
    let mut all = vec![Record::Moment(moment("a", 0)), error("a", "cut short")];
    all.extend(clip("a", 2));
    let journal = dir.path().join("out.parquet.part.jsonl");
    let mut archive = Archive::open(&out).unwrap();
    for record in &all {
        archive.append(record).unwrap();
    }
    let stale = fs::read(&journal).unwrap();
    archive.finish().unwrap();
    let expected = rows(&out);
    fs::write(&journal, stale).unwrap();
    run(&out, &[]);
    assert_eq!(rows(&out), expected);
    assert!(Archive::open(&out).unwrap().index().is_finished("a"));
}

#[test]
fn a_stream_that_always_fails_is_always_tried_again_and_reported_once() {
    let dir = TempDir::new().unwrap();
    let mut tries = vec![Record::Moment(moment("a", 0))];
    tries.extend(failed("a", 1, "cut short"));
    let lines_of = dir.path().join("out.jsonl");
    let table = dir.path().join("out.parquet");
    for out in [&lines_of, &table] {
        for _ in 0..3 {
            run(out, &tries);
            let archive = Archive::open(out).unwrap();
            assert!(!archive.index().is_finished("a"), "{}", out.display());
        }
    }
    assert_eq!(lines(&lines_of), tries);
    let expected = ["moment a 0", "summary a ", "error a "];
    assert_eq!(rows(&table), expected);

    // Killed between the new table and the end of its journal.
    let journal = dir.path().join("out.parquet.part.jsonl");
    fs::copy(&lines_of, journal).unwrap();
    run(&table, &[]);
    assert_eq!(rows(&table), expected);
    assert!(!Archive::open(&table).unwrap().index().is_finished("a"));

    // Killed at any byte of the lines.
    let whole = fs::read(&lines_of).unwrap();
    for cut in 0..=whole.len() {
        fs::write(&lines_of, &whole[..cut]).unwrap();
        let archive = Archive::open(&lines_of).unwrap();
        assert!(!archive.index().is_finished("a"), "cut at byte {cut}");
        drop(archive);
        run(&lines_of, &tries);
        assert_eq!(fs::read(&lines_of).unwrap(), whole, "cut at byte {cut}");
    }
}

#[test]
fn a_table_of_many_rows_is_written_and_read_in_parts() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("out.parquet");
    let records: Vec<Record> = (0..9000)
        .map(|seq| Record::Moment(moment("a", seq)))
        .collect();
    run(&out, &records);
    let mut archive = Archive::open(&out).unwrap();
    assert_eq!(archive.index().stream("a").unwrap().next_seq(), 9000);
    archive.append(&summary("a", 9000)).unwrap();
    archive.finish().unwrap();
    assert_eq!(rows(&out).len(), 9001);
}

#[test]
fn a_table_without_rows_can_be_read() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("out.parquet");
    run(&out, &[]);
    assert!(rows(&out).is_empty());
}
