//! `l3net batch` that is stopped in the middle and run again: each moment is in
//! OUT exactly once, whatever stopped it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{
    self, Running, batch_args, batch_with, data, l3net, read, streams_in, wait_for,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type};
use l3net::result::Record;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// So many moments that a run can be stopped between them, each as cheap as the network
/// allows: the middle of the picture costs a half to a third of a wide one. On one thread,
/// as other tests run beside, and many cores would be done before they are stopped. In
/// f32, as bf16 differs by some hundredths with the moments that make a batch.
const HOP: &[&str] = &[
    "--hop",
    "0.2",
    "--crop",
    "center",
    "--jobs",
    "2",
    "--threads",
    "1",
    "--precision",
    "f32",
];

fn clips() -> Vec<PathBuf> {
    ["bento.mp4", "movie_5.mp4", "sample.avi", "friday.mp4"]
        .map(|c| data("clips").join(c))
        .to_vec()
}

fn paths(clips: &[PathBuf]) -> Vec<&Path> {
    clips.iter().map(PathBuf::as_path).collect()
}

/// (stream, seq) to (start_ns and frame_ns, correspondence).
pub type Moments = BTreeMap<(String, u64), ([u64; 2], f32)>;

fn put(moments: &mut Moments, key: (String, u64), value: ([u64; 2], f32)) {
    let twice = moments.insert(key.clone(), value);
    assert!(twice.is_none(), "{key:?} is there twice");
}

pub fn moments_of(records: Vec<Record>) -> Moments {
    let mut moments = Moments::new();
    for record in records {
        if let Record::Moment(m) = record {
            let value = ([m.start_ns.0, m.frame_ns.0], m.correspondence);
            put(&mut moments, (m.stream.to_string(), m.seq), value);
        }
    }
    moments
}

pub fn moments_of_table(path: &Path) -> Moments {
    let file = fs::File::open(path).expect("the table is there");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|b| b.build())
        .expect("a parquet file");
    let mut moments = Moments::new();
    for batch in reader {
        let batch = batch.expect("rows");
        let column = |name| batch.column_by_name(name).expect("a column of the table");
        let kinds = column("type").as_string::<i32>();
        let streams = column("stream").as_string::<i32>();
        let seqs = column("seq").as_primitive::<Int64Type>();
        let starts = column("start_ns").as_primitive::<Int64Type>();
        let frames = column("frame_ns").as_primitive::<Int64Type>();
        let answers = column("correspondence").as_primitive::<Float32Type>();
        for row in (0..batch.num_rows()).filter(|&row| kinds.value(row) == "moment") {
            let key = (streams.value(row).to_owned(), seqs.value(row) as u64);
            let value = (
                [starts, frames].map(|c| c.value(row) as u64),
                answers.value(row),
            );
            put(&mut moments, key, value);
        }
    }
    moments
}

pub fn assert_same(got: &Moments, unbroken: &Moments) {
    assert!(got.keys().eq(unbroken.keys()), "other moments: {got:?}");
    for (key, (times, answer)) in got {
        let (unbroken_times, unbroken_answer) = unbroken[key];
        assert_eq!(*times, unbroken_times, "{key:?}: window and frame");
        let off = (answer - unbroken_answer).abs();
        assert!(off < 1e-3, "{key:?}: {answer}, not {unbroken_answer}");
    }
}

pub fn lines(path: &Path) -> usize {
    fs::read(path).map_or(0, |b| b.iter().filter(|b| **b == b'\n').count())
}

/// Starts a batch and stops it by `signal` once `watched` has some lines.
fn stopped(clips: &[PathBuf], out: &Path, watched: &Path, signal: &str) -> common::Done {
    let running = Running::start(l3net(batch_args(&paths(clips), out, HOP)));
    wait_for("the first moments", || lines(watched) >= 12);
    running.signal(signal);
    running.wait()
}

fn unbroken(dir: &Path, clips: &[PathBuf]) -> Moments {
    let out = dir.join("unbroken.jsonl");
    let done = batch_with(&paths(clips), &out, HOP);
    assert_eq!(done.code, Some(0), "{}", done.err);
    moments_of(read(&out))
}

#[test]
fn a_file_of_the_same_name_in_another_folder_is_another() {
    let dir = tempfile::tempdir().expect("a folder");
    let [one, two] = [("one", "bento.mp4"), ("two", "friday.mp4")].map(|(folder, clip)| {
        let file = dir.path().join(folder).join("a.mp4");
        fs::create_dir(dir.path().join(folder)).expect("made");
        fs::copy(data("clips").join(clip), &file).expect("copied");
        file
    });
    for out in ["out.jsonl", "out.parquet"].map(|name| dir.path().join(name)) {
        let first = batch_with(&[&one], &out, &[]);
        assert_eq!(first.code, Some(0), "{}", first.err);
        let second = batch_with(&[&two], &out, &[]);
        assert_eq!(second.code, Some(0), "{}", second.err);
        let path = two.to_str().expect("text");
        assert!(
            second.err.contains(&format!("is recorded as {path}")),
            "{}",
            second.err
        );
        for order in [[&one, &two], [&two, &one]] {
            let again = batch_with(&order.map(PathBuf::as_path), &out, &[]);
            assert!(again.err.contains("2 of 2 done already"), "{}", again.err);
            assert!(!again.err.contains("is recorded as"), "{}", again.err);
        }
    }
    let path = two.to_str().expect("text");
    let moments = moments_of(read(&dir.path().join("out.jsonl")));
    assert_same(&moments_of_table(&dir.path().join("out.parquet")), &moments);
    let count = |stream: &str| moments.keys().filter(|(s, _)| s == stream).count();
    assert_eq!((count("a.mp4"), count(path)), (1, 6));
}

#[test]
fn a_killed_run_is_resumed_and_each_moment_is_there_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let clips = clips();
    let unbroken = unbroken(dir.path(), &clips);
    let out = dir.path().join("out.jsonl");

    let killed = stopped(&clips, &out, &out, "KILL");
    assert_eq!(killed.code, None, "it was killed");
    let before = moments_of(read(&out));
    assert!(!before.is_empty() && before.len() < unbroken.len());

    // Power that fails in the middle of a line.
    let mut torn = fs::read(&out).expect("there");
    torn.extend_from_slice(br#"{"type":"moment","stream":"fri"#);
    fs::write(&out, torn).expect("written");

    let done = batch_with(&paths(&clips), &out, HOP);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_same(&moments_of(read(&out)), &unbroken);
    for (stream, records) in streams_in(&out) {
        assert_eq!(records.summaries.len(), 1, "{stream}");
        let moments = records.moments.len() as u64;
        assert_eq!(records.summaries[0].moments, moments, "{stream}");
    }

    // What is done is not touched again.
    let whole = fs::read(&out).expect("there");
    let done = batch_with(&paths(&clips), &out, HOP);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.err.contains("4 of 4 done already"), "{}", done.err);
    assert_eq!(fs::read(&out).expect("there"), whole);
}

#[test]
fn files_that_are_done_are_not_opened_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.jsonl");
    let copy = |from: &str, name: &str| {
        let to = dir.path().join(name);
        fs::copy(data(from), &to).expect("copied");
        to
    };
    let one = copy("clips/bento.mp4", "one.mp4");
    let two = copy("clips/movie_5.mp4", "two.mp4");
    assert_eq!(common::batch(&[&one], &out).code, Some(0));
    // Were it opened, it would fail. Of the same size, or it would be another file.
    let bytes = fs::metadata(&one).expect("there").len();
    fs::write(&one, vec![b'x'; bytes as usize]).expect("written");
    let done = common::batch(&[&one, &two], &out);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.err.contains("1 of 2 done already"), "{}", done.err);
    let streams = streams_in(&out);
    assert_eq!(streams["one.mp4"].moments.len(), 1);
    assert_eq!(streams["two.mp4"].moments.len(), 5);
}

#[test]
fn a_file_that_fails_is_tried_again_until_it_is_repaired() {
    let dir = tempfile::tempdir().expect("a folder");
    let clip = dir.path().join("clip.mp4");
    for name in ["out.jsonl", "out.parquet"] {
        let out = dir.path().join(name);
        fs::write(&clip, "no film").expect("written");
        for _ in 0..3 {
            let done = common::batch(&[&clip], &out);
            assert_eq!(done.code, Some(1), "{name}: {}", done.err);
            assert!(done.err.contains("not a media file"), "{}", done.err);
        }
        if name == "out.jsonl" {
            let records = common::only(streams_in(&out));
            assert_eq!((records.summaries.len(), records.errors.len()), (1, 1));
            assert_eq!(
                records.summaries[0].error.as_deref(),
                Some(&*records.errors[0].error)
            );
        }
        fs::copy(data("clips/bento.mp4"), &clip).expect("copied");
        let done = common::batch(&[&clip], &out);
        assert_eq!(done.code, Some(0), "{name}: {}", done.err);
        let done = common::batch(&[&clip], &out);
        assert!(done.err.contains("1 of 1 done already"), "{}", done.err);
        if name == "out.jsonl" {
            let streams = streams_in(&out);
            assert_eq!(streams.keys().collect::<Vec<_>>(), ["clip.mp4"]);
            assert_eq!(streams["clip.mp4"].moments.len(), 1);
        }
    }
}

#[test]
fn a_killed_run_into_a_table_is_resumed() {
    let dir = tempfile::tempdir().expect("a folder");
    let clips = clips();
    let unbroken = unbroken(dir.path(), &clips);
    let out = dir.path().join("out.parquet");
    let journal = dir.path().join("out.parquet.part.jsonl");

    let killed = stopped(&clips, &out, &journal, "KILL");
    assert_eq!(killed.code, None, "it was killed");
    assert!(!out.exists());

    let done = batch_with(&paths(&clips), &out, HOP);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_same(&moments_of_table(&out), &unbroken);
    assert!(!journal.exists(), "the journal has become the table");

    let done = batch_with(&paths(&clips), &out, HOP);
    assert!(done.err.contains("4 of 4 done already"), "{}", done.err);
    assert_same(&moments_of_table(&out), &unbroken);
}

#[test]
fn ctrl_c_ends_in_order_and_the_same_command_resumes() {
    let dir = tempfile::tempdir().expect("a folder");
    let clips = clips();
    let unbroken = unbroken(dir.path(), &clips);
    let out = dir.path().join("out.jsonl");

    let done = stopped(&clips, &out, &out, "INT");
    done.assert_no_panic();
    assert_eq!(done.code, Some(1), "not all was done: {}", done.err);
    assert!(
        done.err.contains("the same command resumes"),
        "{}",
        done.err
    );
    let streams = streams_in(&out);
    let mut interrupted = 0;
    for (stream, records) in &streams {
        assert_eq!(records.summaries.len(), 1, "{stream} has no summary");
        assert!(records.errors.is_empty(), "{stream}: {:?}", records.errors);
        let summary = &records.summaries[0];
        assert_eq!(summary.moments, records.moments.len() as u64, "{stream}");
        interrupted += usize::from(summary.interrupted);
    }
    assert!(interrupted > 0, "{streams:?}");

    let done = batch_with(&paths(&clips), &out, HOP);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_same(&moments_of(read(&out)), &unbroken);
    for (stream, records) in streams_in(&out) {
        let last = records.summaries.last().expect("a summary");
        assert!(!last.interrupted, "{stream}");
        assert_eq!(last.moments, records.moments.len() as u64, "{stream}");
    }
}

#[test]
fn the_beginnings_of_films_are_not_taken_for_the_whole() {
    let dir = tempfile::tempdir().expect("a folder");
    let clips = clips();
    let unbroken = unbroken(dir.path(), &clips);
    let out = dir.path().join("out.jsonl");
    let short = [HOP, &["--seconds", "1.5"]].concat();
    for _ in 0..2 {
        let done = batch_with(&paths(&clips), &out, &short);
        assert_eq!(done.code, Some(0), "{}", done.err);
    }
    let streams = streams_in(&out);
    assert!(
        streams
            .values()
            .any(|records| records.summaries[0].interrupted)
    );
    assert!(streams.values().all(|records| records.summaries.len() == 1));
    let mut moments = streams.values().flat_map(|records| &records.moments);
    assert!(moments.all(|m| m.end_ns.0 <= 1_500_000_000));

    let done = batch_with(&paths(&clips), &out, HOP);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_same(&moments_of(read(&out)), &unbroken);
}

#[cfg(unix)]
#[test]
fn ctrl_c_before_anything_has_begun_is_no_end() {
    let dir = tempfile::tempdir().expect("a folder");
    let (out, model) = (dir.path().join("out.jsonl"), dir.path().join("model"));
    let made = std::process::Command::new("mkfifo").arg(&model).status();
    assert!(made.is_ok_and(|s| s.success()), "mkfifo");
    let clip = data("clips/bento.mp4");
    let more = ["--model", model.to_str().expect("text")];
    let running = Running::start(l3net(batch_args(&[&clip], &out, &more)));
    // Comes back when the program opens it, too: now it loads its model.
    let mut pipe = fs::OpenOptions::new()
        .write(true)
        .open(&model)
        .expect("a pipe");
    running.signal("INT");
    std::thread::sleep(std::time::Duration::from_millis(200));
    let weights = fs::read(common::repo().join("models/l3net-random.safetensors"));
    std::io::Write::write_all(&mut pipe, &weights.expect("a model")).expect("written");
    drop(pipe);
    let done = running.wait();
    done.assert_no_panic();
    assert_eq!(done.code, Some(1), "nothing was done: {}", done.err);
    assert!(
        done.err.contains("the same command resumes"),
        "{}",
        done.err
    );
    assert!(read(&out).is_empty(), "{}", done.err);

    let done = common::batch(&[&clip], &out);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(common::only(streams_in(&out)).moments.len(), 1);
}

#[test]
fn a_finer_hop_gives_a_window_each_hop() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.jsonl");
    let clip = data("made/whole_3s_flac.mkv");
    let done = batch_with(&[&clip], &out, &["--hop", "0.25"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let records = common::only(streams_in(&out));
    let starts: Vec<u64> = records.moments.iter().map(|m| m.start_ns.0).collect();
    let expected: Vec<u64> = (0..9).map(|i| i * 250_000_000).collect();
    assert_eq!(starts, expected);

    // Into the same OUT with another one, moments would be missing or there twice.
    let before = fs::read(&out).expect("results");
    let other = batch_with(&[&clip], &out, &["--hop", "0.5"]);
    assert_eq!(other.code, Some(2), "{}", other.err);
    assert!(other.err.contains("every 0.250 s"), "{}", other.err);
    assert_eq!(fs::read(&out).expect("results"), before);
}

#[test]
fn judged_otherwise_they_go_into_another_output() {
    let dir = tempfile::tempdir().expect("a folder");
    let clip = data("made/whole_3s_flac.mkv");
    let random = common::repo().join("models/l3net-random.safetensors");
    let random = random.to_str().expect("text");
    for out in ["out.jsonl", "out.parquet"].map(|name| dir.path().join(name)) {
        assert_eq!(batch_with(&[&clip], &out, &[]).code, Some(0));
        let before = fs::read(&out).expect("results");
        for (more, cause) in [
            (&["--crop", "center"][..], "resume with --crop full"),
            (&["--crop", "squeeze"], "resume with --crop full"),
            (&["--keyframes"], "resume without --keyframes"),
            (&["--model", random], "not by l3net-random@"),
        ] {
            let other = batch_with(&[&clip], &out, more);
            assert_eq!(other.code, Some(2), "{}", other.err);
            assert!(other.err.contains(cause), "{}", other.err);
            assert_eq!(fs::read(&out).expect("results"), before);
        }
        // Another file is no other matter; nothing is left behind.
        let other = data("made/whole_3s_aac.mp4");
        let other = batch_with(&[&other], &out, &["--model", random]);
        assert_eq!(other.code, Some(2), "{}", other.err);
        assert!(!dir.path().join("out.parquet.part.jsonl").exists());
        // By the same weights under another name nothing is left to do.
        let base = common::repo().join("models/l3net-base.safetensors");
        let copy = dir.path().join("copy.safetensors");
        fs::copy(base, &copy).expect("copied");
        let same = batch_with(&[&clip], &out, &["--model", copy.to_str().expect("text")]);
        assert_eq!(same.code, Some(0), "{}", same.err);
    }
}
