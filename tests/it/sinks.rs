//! Sinks that are slow, blocked or fail, seen from outside the program.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use crate::common::{
    Running, batch_with, by_stream, data, kill, l3net, only, parse, run, wait_for,
};

/// A pipeline that never ends, as fast as the network.
const ENDLESS: &str = "videotestsrc ! video/x-raw,width=64,height=64 ! video.  \
                       audiotestsrc ! audio.";

fn text(path: &Path) -> String {
    path.to_str().expect("text").to_owned()
}

#[test]
fn a_run_whose_stdout_nobody_reads_ends_when_it_is_stopped() {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    // Linux gives a pipe 64 KiB: the next line does not fit.
    writer.write_all(&[b'\n'; 65_500]).expect("it fits");
    let dir = tempfile::tempdir().expect("a folder");
    let lines = dir.path().join("table");
    let err = std::fs::File::create(&lines).expect("a file");
    let mut command = l3net(["launch", ENDLESS, "--table"]);
    command.stdout(writer).stderr(err);
    let mut child = command.spawn().expect("the program starts");
    drop(command);
    let table = || std::fs::read_to_string(&lines).expect("text");
    wait_for("moments", || table().lines().count() > 3);
    assert!(kill(child.id(), "INT"));
    let mut status = None;
    wait_for("its end", || {
        status = child.try_wait().expect("it is our child");
        status.is_some()
    });
    assert_eq!(status.expect("it ended").code(), Some(1), "{}", table());
    let said = table();
    let hangs = ["json did not close within", "not closed after"];
    assert!(hangs.iter().any(|text| said.contains(text)), "{said}");
    drop(reader);
}

#[test]
fn a_second_signal_ends_a_run_at_once() {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(&[b'\n'; 65_500]).expect("it fits");
    let dir = tempfile::tempdir().expect("a folder");
    let metrics = dir.path().join("err");
    let mut command = l3net(["launch", ENDLESS, "--table"]);
    let err = std::fs::File::create(&metrics).expect("a file");
    command.stdout(writer).stderr(err).stdin(Stdio::null());
    let mut child = command.spawn().expect("the program starts");
    drop(command);
    let lines = || {
        std::fs::read_to_string(&metrics)
            .expect("text")
            .lines()
            .count()
    };
    wait_for("moments", || lines() > 3);
    let mut status = None;
    wait_for("its end", || {
        // The first one may not have been seen when the second one comes.
        kill(child.id(), "INT");
        status = child.try_wait().expect("it is our child");
        status.is_some()
    });
    assert_eq!(status.expect("it ended").code(), Some(130));
    drop(reader);
}

#[test]
fn lines_that_are_added_begin_on_a_line_of_their_own() {
    let dir = tempfile::tempdir().expect("a folder");
    let json = dir.path().join("all.jsonl");
    std::fs::write(&json, "{\"type\":\"mom").expect("written");
    let clip = data("made/whole_3s_aac.mp4");
    let done = batch_with(
        &[&clip],
        &dir.path().join("out.jsonl"),
        &["--json", &text(&json)],
    );
    assert_eq!(done.code, Some(0), "{}", done.err);
    let lines = std::fs::read_to_string(&json).expect("text");
    let (torn, whole) = lines.split_once('\n').expect("lines");
    assert_eq!(torn, "{\"type\":\"mom");
    assert_eq!(only(by_stream(parse(whole))).moments.len(), 3);
}

#[test]
fn pictures_that_cannot_be_written_do_not_end_a_live_run() {
    let dir = tempfile::tempdir().expect("a folder");
    // Where the stream's folder should be there is a file.
    std::fs::write(dir.path().join("test"), "").expect("written");
    let done = run([
        "live",
        "test",
        "--seconds",
        "4",
        "--heatmaps",
        &text(dir.path()),
    ]);
    let records = only(by_stream(done.records()));
    assert!(records.moments.len() > 1, "{records:?}");
    assert_eq!(records.summaries.len(), 1);
    let said = done.err.matches("cannot make the folder").count();
    assert_eq!(done.code, Some(1), "something failed: {}", done.err);
    assert_eq!(said, 1, "{}", done.err);
}

#[test]
fn pictures_that_cannot_be_written_end_a_batch() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("whole_3s_aac.mp4"), "").expect("written");
    let clip = data("made/whole_3s_aac.mp4");
    let out = dir.path().join("out.jsonl");
    let again = || batch_with(&[&clip], &out, &["--heatmaps", &text(dir.path())]);
    let done = again();
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(done.err.contains("cannot make the folder"), "{}", done.err);
    // Once there is room, the same command makes what is missing.
    std::fs::remove_file(dir.path().join("whole_3s_aac.mp4")).expect("removed");
    assert_eq!(again().code, Some(0));
    let pictures = std::fs::read_dir(dir.path().join("whole_3s_aac.mp4")).expect("a folder");
    assert_eq!(pictures.count(), 6);
    assert_eq!(only(crate::common::streams_in(&out)).moments.len(), 3);
}

#[test]
fn live_pictures_are_kept_within_a_limit() {
    let dir = tempfile::tempdir().expect("a folder");
    let args = [
        "live",
        "test",
        "--seconds",
        "4",
        "--heatmaps-max-size",
        "1B",
    ];
    let done = run(args
        .iter()
        .copied()
        .chain(["--heatmaps", &text(dir.path())]));
    assert_eq!(done.code, Some(0), "{}", done.err);
    let records = only(by_stream(done.records()));
    let name = records.moments[0].heatmap.file.as_ref().expect("a name");
    assert!(name.starts_with("test/2") && name.contains("Z_"), "{name}");
    let left = std::fs::read_dir(dir.path().join("test")).expect("a folder");
    assert_eq!(left.count(), 0, "each is over the limit");
    let wrong = run(["live", "test", "--heatmaps-max-size", "1GB"]);
    assert_eq!(wrong.code, Some(2), "without --heatmaps: {}", wrong.err);
}

#[test]
fn a_stopped_batch_says_that_it_resumes() {
    let dir = tempfile::tempdir().expect("a folder");
    let clip = data("made/whole_3s_aac.mp4");
    let copies: Vec<_> = (0..40)
        .map(|i| dir.path().join(format!("{i}.mp4")))
        .collect();
    for copy in &copies {
        std::fs::copy(&clip, copy).expect("copied");
    }
    let out = dir.path().join("out.jsonl");
    let running = Running::start(l3net([
        "batch".as_ref(),
        dir.path(),
        "-o".as_ref(),
        out.as_path(),
    ]));
    wait_for("a moment", || {
        std::fs::metadata(&out).is_ok_and(|m| m.len() > 0)
    });
    running.signal("INT");
    let done = running.wait();
    done.assert_no_panic();
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(
        done.err.contains("the same command resumes"),
        "{}",
        done.err
    );
}
