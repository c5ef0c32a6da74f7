//! Bad input and bad places to write to: one clear line, the right exit code, and
//! nothing else harmed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common::{
    self, DEADLINE, Done, batch, batch_with, by_stream, data, l3net, parse, run, run_command,
    streams_in,
};

const GOOD: &str = "clips/bento.mp4";

/// The line of stderr that has `part` in it.
fn line_with<'a>(done: &'a Done, part: &str) -> &'a str {
    let line = done.err.lines().find(|l| l.contains(part));
    line.unwrap_or_else(|| panic!("no `{part}` in:\n{}", done.err))
}

/// Two sources, of which the first is bad: it is named with its cause, and the
/// other is judged.
fn bad_beside_good(bad: &Path, stream: &str, cause: &str) {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.jsonl");
    let done = batch(&[bad, &data(GOOD)], &out);
    assert_eq!(done.code, Some(1), "{stream}: {}", done.err);
    assert_eq!(done.out, "", "{stream}");
    let line = line_with(&done, cause);
    assert!(line.starts_with(&format!("l3net: {stream}: ")), "{line}");
    let naming = done.err.lines().filter(|l| l.contains(stream)).count();
    assert_eq!(naming, 1, "said more than once:\n{}", done.err);
    let streams = streams_in(&out);
    assert_eq!(streams.len(), 2, "{:?}", streams.keys());
    assert!(streams[stream].errors[0].error.contains(cause), "{stream}");
    assert_eq!(streams["bento.mp4"].moments.len(), 1, "{stream}");
    assert!(streams["bento.mp4"].errors.is_empty(), "{stream}");
}

#[test]
fn a_bad_file_is_named_and_the_others_are_judged() {
    let dir = tempfile::tempdir().expect("a folder");
    let missing = dir.path().join("missing.mp4");
    let missing_name = missing.to_str().expect("text");
    bad_beside_good(&missing, missing_name, "no such file");

    let empty = dir.path().join("empty");
    fs::create_dir(&empty).expect("made");
    fs::write(empty.join("notes.txt"), "no film").expect("written");
    bad_beside_good(&empty, empty.to_str().expect("text"), "without media");

    for (file, cause) in [
        ("odd/result.webm", "empty file"),
        ("made/text.mp4", "not a media file"),
        ("made/truncated_no_index.mp4", "damaged or truncated"),
        ("odd/chunk_out_of_range.mp4", "damaged"),
        ("odd/invalid-codec.mp4", "cannot be decoded here"),
        ("odd/sample_audio_only.mp4", "no picture in it"),
        ("odd/video_rotation_90.mp4", "no sound in it"),
    ] {
        let name = Path::new(file).file_name().expect("one");
        bad_beside_good(&data(file), name.to_str().expect("text"), cause);
    }
}

#[test]
fn wrong_usage_is_refused_with_exit_code_2_before_anything_runs() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.jsonl");
    let out_text = out.to_str().expect("text");
    let good = data(GOOD);
    let good = good.to_str().expect("text");
    let other = dir.path().join("out.csv");
    let other = other.to_str().expect("text");
    let train = |more: &[&'static str]| {
        let all = [
            &["train", "synth:", "-o", "m.safetensors", "--local-loss"],
            more,
        ];
        all.concat()
    };
    for (args, says) in [
        (
            vec!["batch", "gopher://a/b", "-o", out_text],
            "unknown URI scheme `gopher`",
        ),
        (
            vec!["batch", "camera:front", "-o", out_text],
            "camera:front",
        ),
        (vec!["batch", "test", "-o", out_text], "has no end"),
        (vec!["batch", good, "-o", other], ".jsonl or .parquet"),
        (vec!["batch", good], "--output"),
        (
            vec!["batch", good, "-o", out_text, "--hop", "5"],
            "0.1 to 1",
        ),
        (
            vec!["batch", good, "-o", out_text, "--seconds", "0"],
            "--seconds",
        ),
        (vec!["live", "test", "--bogus"], "--bogus"),
        (vec!["live", "test", "--device", "toaster"], "toaster"),
        (vec!["live"], "SOURCE"),
        (vec!["launch", "videotestsrc ! video."], "has no audio."),
        (vec!["launch", "audiotestsrc ! audio."], "has no video."),
        (
            vec!["live", "missing.launch"],
            "missing.launch: cannot be read",
        ),
        (vec!["juggle"], "juggle"),
        // Nothing makes a folder called "-".
        (vec!["batch", good, "-o", "-"], "./-"),
        (
            vec!["batch", good, "-o", out_text, "--heatmaps", "-"],
            "./-",
        ),
        (vec!["prepare", good, "-o", "-"], "./-"),
        (vec!["live", "test", "--record", "-"], "./-"),
        (vec!["live", "test", "--dot", "-"], "./-"),
        (vec!["synth", "-o", "-"], "./-"),
        (vec!["eval", "all", "--data", good, "-o", "-"], "./-"),
        (
            vec!["train", "synth:", "-o", "m.safetensors", "--local-loss=-1"],
            "--local-loss must be 0 or more",
        ),
        (train(&["inf"]), "--local-loss must be 0 or more"),
        (train(&["1", "--task", "classify"]), "--task avc or both"),
        (
            train(&["1", "--freeze", "trunks", "--pool", "9"]),
            "takes no --pool",
        ),
    ] {
        let done = run(&args);
        assert_eq!(done.code, Some(2), "{args:?}: {}", done.err);
        line_with(&done, says);
        assert_eq!(done.out, "", "{args:?}");
    }
    assert!(!out.exists(), "nothing ran");
}

#[test]
fn a_description_that_does_not_parse_shows_the_place() {
    let text = "videotestsrc ! nosuchthing ! video. audiotestsrc ! audio.";
    let done = run(["launch", text]);
    assert_eq!(done.code, Some(2), "{}", done.err);
    line_with(&done, "does not parse");
    let lines: Vec<&str> = done.err.lines().collect();
    let at = lines.iter().position(|l| l.trim() == text);
    let at = at.unwrap_or_else(|| panic!("not shown: {}", done.err));
    let caret = lines[at + 1].find('^').expect("a caret under it");
    assert_eq!(caret, lines[at].find("nosuchthing").expect("there"));
}

#[test]
fn a_wrong_model_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.jsonl");
    let whole = fs::read(common::repo().join("tests/data/golden.safetensors")).expect("there");
    let files: [(&str, Option<&[u8]>); 4] = [
        ("missing.safetensors", None),
        (
            "text.safetensors",
            Some(b"no model at all, but longer than a header's length"),
        ),
        ("truncated.safetensors", Some(&whole[..whole.len() / 2])),
        // Tensors, but none of the network's.
        ("foreign.safetensors", Some(&whole)),
    ];
    for (name, content) in files {
        let model = dir.path().join(name);
        if let Some(content) = content {
            fs::write(&model, content).expect("written");
        }
        let done = batch_with(
            &[&data(GOOD)],
            &out,
            &["--model", model.to_str().expect("text")],
        );
        assert_eq!(done.code, Some(1), "{name}: {}", done.err);
        assert!(
            line_with(&done, name).starts_with("l3net: "),
            "{}",
            done.err
        );
        assert_eq!(done.err.lines().count(), 1, "{}", done.err);
    }
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let foreign = dir.path().join("foreign.jsonl");
    fs::write(&foreign, "{\"somebody\": \"else\"}\n").expect("written");
    let table = dir.path().join("foreign.parquet");
    fs::write(&table, "no table").expect("written");
    let no_folder = dir.path().join("no/folder/out.jsonl");
    let folder = dir.path().join("folder.jsonl");
    fs::create_dir(&folder).expect("made");
    for (out, cause) in [
        (&foreign, "left as it is"),
        (&table, "left as it is"),
        (&no_folder, "make the folder first"),
        (&folder, "it is a folder"),
    ] {
        let done = batch(&[&data(GOOD)], out);
        assert_eq!(done.code, Some(1), "{}", done.err);
        let line = line_with(&done, cause);
        assert!(line.contains(out.to_str().expect("text")), "{line}");
    }
    let left = fs::read_to_string(&foreign).expect("there");
    assert_eq!(left, "{\"somebody\": \"else\"}\n");
    assert_eq!(fs::read_to_string(&table).expect("there"), "no table");

    let out = dir.path().join("out.jsonl");
    for way in ["--json", "--heatmaps", "--overlay"] {
        let place = foreign.join("below/a/file.mkv");
        let done = batch_with(&[&data(GOOD)], &out, &[way, place.to_str().expect("text")]);
        assert_eq!(done.code, Some(1), "{way}: {}", done.err);
        line_with(&done, "foreign.jsonl");
    }
}

#[test]
fn what_is_read_is_not_written_over() {
    let dir = tempfile::tempdir().expect("a folder");
    let film = dir.path().join("film.mkv");
    fs::copy(data(GOOD), &film).expect("copied");
    let before = fs::read(&film).expect("read");
    let out = dir.path().join("out.jsonl");
    let [name, out] = [&film, &out].map(|path| path.to_str().expect("text"));
    let launch = format!("filesrc location={name} ! decodebin name=d  d. ! audio.  d. ! video.");
    for way in ["--json", "--overlay"] {
        let runs = [
            run(["batch", name, "-o", out, way, name]),
            run(["live", name, way, name]),
            run(["launch", &launch, way, name]),
        ];
        for done in runs {
            assert_eq!(done.code, Some(2), "{way}: {}", done.err);
            line_with(&done, "name another file");
        }
        assert!(fs::read(&film).expect("read") == before, "{way}");
    }
    let done = run(["batch", name, "-o", out]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let lines = fs::read_to_string(out).expect("there");
    let done = run(["batch", name, "-o", out, "--json", out]);
    assert_eq!(done.code, Some(2), "{}", done.err);
    line_with(&done, "OUT, where all lines are already");
    assert_eq!(fs::read_to_string(out).expect("there"), lines);

    // Lines of an earlier run stay.
    let more = dir.path().join("more.jsonl");
    let more = more.to_str().expect("text");
    for times in 1..=2 {
        let done = run(["live", name, "--json", more]);
        assert_eq!(done.code, Some(0), "{}", done.err);
        let text = fs::read_to_string(more).expect("there");
        assert_eq!(text.matches("\"summary\"").count(), times);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named_and_what_was_written_stays() {
    let dir = tempfile::tempdir().expect("a folder");
    let done = run(["live", "test", "--seconds", "3", "--json", "/dev/full"]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    line_with(&done, "/dev/full: cannot write: No space left");

    let full = dir.path().join("full.jsonl");
    std::os::unix::fs::symlink("/dev/full", &full).expect("a link");
    let done = batch(&[&data(GOOD)], &full);
    assert_eq!(done.code, Some(1), "{}", done.err);
    line_with(&done, "free some space");

    // A sink that fails takes nothing from another one.
    let out = dir.path().join("out.jsonl");
    let done = batch_with(&[&data(GOOD)], &out, &["--json", "/dev/full"]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert_eq!(streams_in(&out)["bento.mp4"].moments.len(), 1);
    let done = batch(&[&data(GOOD)], &out);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let records = common::only(streams_in(&out));
    assert_eq!((records.moments.len(), records.summaries.len()), (1, 1));
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut command = l3net(["live", "test", "--seconds", "600"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut line = String::new();
    let mut reader = BufReader::new(child.stdout.take().expect("piped"));
    reader.read_line(&mut line).expect("a moment");
    assert_eq!(parse(&line).len(), 1);
    drop(reader);
    let end = Instant::now() + DEADLINE;
    while child.try_wait().expect("ours").is_none() {
        if Instant::now() > end {
            let _ = child.kill();
            panic!("it still runs though nobody reads");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let ended = child.wait_with_output().expect("ours");
    let err = String::from_utf8(ended.stderr).expect("text");
    assert_eq!(ended.status.code(), Some(0), "{err}");
    assert!(
        !err.contains("panicked") && !err.contains("l3net:"),
        "{err}"
    );
}

#[test]
fn an_archive_is_filled_though_nobody_reads_along() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.jsonl");
    let clips = [data(GOOD), data("clips/friday.mp4")];
    let args = common::batch_args(&[&clips[0], &clips[1]], &out, &["--json", "-", "--table"]);
    let mut command = l3net(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    drop(child.stdout.take());
    drop(child.stderr.take());
    assert_eq!(child.wait().expect("ours").code(), Some(0));
    let streams = streams_in(&out);
    assert_eq!(streams["bento.mp4"].moments.len(), 1);
    assert_eq!(streams["friday.mp4"].moments.len(), 6);
    assert_eq!(streams["friday.mp4"].summaries.len(), 1);
}

#[test]
fn stdout_has_json_lines_and_stderr_has_words() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.jsonl");
    let random = "models/l3net-random.safetensors";
    let more = ["--json", "-", "--table", "-v", "--model", random];
    let done = batch_with(&[&data(GOOD), &data("made/text.mp4")], &out, &more);
    assert_eq!(done.code, Some(1), "{}", done.err);
    let streams = by_stream(done.records());
    assert_eq!(streams["bento.mp4"].moments.len(), 1);
    assert!(
        !done.err.contains('\x1b'),
        "colours go to terminals: {:?}",
        done.err
    );
    line_with(&done, "untrained");

    let again = dir.path().join("again.jsonl");
    let quiet = batch_with(&[&data(GOOD)], &again, &["--quiet"]);
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("", ""));
}

#[test]
fn the_program_runs_from_any_folder_and_names_itself() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::copy(data(GOOD), dir.path().join("clip.mp4")).expect("copied");
    let mut command = l3net(["batch", "clip.mp4", "-o", "out.jsonl"]);
    command.current_dir(dir.path());
    let done = run_command(command);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(streams_in(&dir.path().join("out.jsonl")).contains_key("clip.mp4"));

    let version = run(["--version"]);
    assert_eq!(
        version.out.trim(),
        concat!("l3net ", env!("CARGO_PKG_VERSION"))
    );
    let help = run(["--help"]);
    for command in ["live", "launch", "batch", "bench", "model", "doctor"] {
        assert!(help.out.contains(command), "{}", help.out);
    }
}
