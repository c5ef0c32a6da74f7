//! A run of several shards in one folder.

use super::*;

fn run(shards: u32, hop: &str) -> RunRecord {
    RunRecord {
        format: RUN_FORMAT.to_owned(),
        version: "1.2.3".to_owned(),
        model: "base@0123".to_owned(),
        shards,
        settings: vec![("--hop".to_owned(), hop.to_owned())],
        begun: "2026-11-30T12:00:00Z".to_owned(),
    }
}

fn report(failed: u64) -> ShardReport {
    ShardReport {
        sources: 10,
        failed,
        ended: "2026-11-30T12:00:00Z".to_owned(),
    }
}

#[test]
fn the_first_shard_records_the_run_and_the_others_are_held_against_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let dataset = Dataset::at(&dir.path().join("new/out")).expect("a folder");
    assert_eq!(dataset.run().expect("none"), None);
    assert_eq!(dataset.status().expect("none"), None);
    assert!(dataset.settle(&run(4, "1")).expect("written").is_empty());
    assert_eq!(dataset.run().expect("a record"), Some(run(4, "1")));

    let later = RunRecord {
        model: "renamed@0123".to_owned(),
        begun: "2026-12-01T12:00:00Z".to_owned(),
        ..run(4, "1")
    };
    assert!(dataset.settle(&later).expect("read").is_empty());
    assert_eq!(dataset.run().expect("a record"), Some(run(4, "1")));

    let other = RunRecord {
        version: "1.2.4".to_owned(),
        model: "base@4567".to_owned(),
        ..run(5, "0.5")
    };
    let differences = dataset.settle(&other).expect("read");
    assert_eq!(
        differences,
        [
            "l3net 1.2.3, not 1.2.4",
            "--model base@0123, not base@4567",
            "--shard /4, not /5",
            "--hop 1, not 0.5",
        ]
    );
    let left = fs::read_dir(dir.path().join("new/out/_l3net")).expect("a folder");
    assert_eq!(left.count(), 1, "nothing else lies about");
}

#[test]
fn of_many_that_begin_at_once_one_records_the_run() {
    let dir = tempfile::tempdir().expect("a folder");
    let dataset = Dataset::at(dir.path()).expect("a folder");
    let together = std::sync::Barrier::new(8);
    let differing = std::thread::scope(|scope| {
        let begin = |n: u32| {
            let (dataset, together) = (&dataset, &together);
            scope.spawn(move || {
                together.wait();
                dataset.settle(&run(n, "1")).expect("settled")
            })
        };
        let threads: Vec<_> = (1..=8).map(begin).collect();
        let all = threads.into_iter().map(|t| t.join().expect("no panic"));
        all.filter(|differences| !differences.is_empty()).count()
    });
    assert_eq!(differing, 7);
}

#[test]
fn a_record_that_is_not_ours_is_refused_by_name() {
    for (text, said) in [
        ("{", "EOF"),
        ("[1]", "invalid"),
        (
            r#"{"format":"l3net-run/9","version":"","model":"","shards":1,"settings":[],"begun":""}"#,
            "l3net-run/9",
        ),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir(dir.path().join(OWN)).expect("a folder");
        fs::write(dir.path().join(RUN), text).expect("written");
        let dataset = Dataset::at(dir.path()).expect("a folder");
        let error = dataset.run().expect_err(text).to_string();
        assert!(
            error.contains("run.json") && error.contains(said),
            "{error}"
        );
    }
}

#[test]
fn the_status_tells_what_is_missing_and_what_failed() {
    let dir = tempfile::tempdir().expect("a folder");
    let dataset = Dataset::at(dir.path()).expect("a folder");
    dataset.settle(&run(12, "1")).expect("recorded");
    let shard = |index| Shard { index, count: 12 };
    for index in [0, 1, 2, 4, 5, 6, 10] {
        let report = report(u64::from(index == 4));
        dataset.mark(shard(index), Some(&report)).expect("marked");
    }
    fs::write(dataset.files(shard(7)).expect("files").journal, "").expect("a journal");
    // Of another number of shards: not one of this run.
    let other = Shard { index: 3, count: 9 };
    dataset.mark(other, Some(&report(0))).expect("marked");

    let status = dataset.status().expect("readable").expect("a run");
    assert_eq!((status.done, status.sources, status.failed), (7, 70, 1));
    assert_eq!(status.failed_in, [4]);
    assert_eq!(
        (array(&status.missing), status.begun),
        ("3,7-9,11".to_owned(), 1)
    );

    dataset.mark(shard(5), None).expect("unmarked");
    dataset
        .mark(shard(5), None)
        .expect("it is not there anyway");
    let status = dataset.status().expect("readable").expect("a run");
    assert_eq!(array(&status.missing), "3-7:2,8-9,11");
}

#[test]
fn numbers_in_a_row_are_a_range() {
    for (numbers, text) in [
        (&[][..], ""),
        (&[0], "0"),
        (&[0, 1], "0-1"),
        (&[0, 2, 3, 4, 9, 11, 12], "0,2-4,9,11-12"),
        (&[1, 3, 5, 7, 8, 9, 20], "1-7:2,8-9,20"),
        (&[5, 10], "5,10"),
    ] {
        assert_eq!(array(numbers), text);
    }
}

#[test]
fn a_folder_is_meant_by_a_slash_or_no_ending() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("old.parquet")).expect("a folder");
    fs::create_dir(at("run.2")).expect("a folder");
    fs::write(at("file"), "").expect("a file");
    for (name, is_folder) in [
        ("new", true),
        ("new.parquet/", true),
        ("old.parquet", false),
        ("old.parquet/", true),
        ("run.2", true),
        ("new.parquet", false),
        ("new.jsonl", false),
        ("new.csv", false),
        ("file", false),
    ] {
        assert_eq!(Dataset::is_meant_by(&at(name)), is_folder, "{name}");
    }
}
