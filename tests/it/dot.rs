//! `--dot`: the pipelines of a run as Graphviz files.

use std::fs;
use std::path::Path;

use crate::common::{batch_with, data, run};

/// Files of a folder, each of which is a graph.
fn graphs(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("readable");
        let text = fs::read_to_string(entry.path()).expect("text");
        assert!(text.starts_with("digraph"), "{entry:?}: {text}");
        assert!(text.trim_end().ends_with('}'), "{entry:?}: {text}");
        assert!(text.contains("l3net-sound"), "{entry:?}: {text}");
        names.push(entry.file_name().into_string().expect("text"));
    }
    names.sort();
    names
}

#[test]
fn every_stream_of_a_batch_is_drawn() {
    let dir = tempfile::tempdir().expect("a folder");
    let films = dir.path().join("films");
    fs::create_dir_all(films.join("a")).expect("a folder");
    fs::copy(data("clips/bento.mp4"), films.join("a/one two.mp4")).expect("copied");
    fs::copy(data("clips/bento.mp4"), films.join("b.mp4")).expect("copied");
    fs::write(films.join("c.mp4"), "no film").expect("written");
    let (out, folder) = (dir.path().join("out.jsonl"), dir.path().join("graphs"));
    let folder_text = folder.to_str().expect("text");
    let done = batch_with(&[&films], &out, &["--dot", folder_text]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    let names = graphs(&folder);
    for name in [
        "a~one two.mp4.end.dot",
        "b.mp4.playing.dot",
        "c.mp4.error.dot",
    ] {
        assert!(names.iter().any(|n| n == name), "{name}: {names:?}");
    }
}

#[test]
fn a_live_file_and_a_description_are_drawn() {
    let dir = tempfile::tempdir().expect("a folder");
    let clip = data("clips/bento.mp4");
    let clip = clip.to_str().expect("text");
    let named = format!("front={clip}");
    let description = format!(
        "filesrc location={clip} ! decodebin name=d  d. ! queue ! audio.  d. ! queue ! video."
    );
    for (command, source) in [("live", named), ("launch", description)] {
        let folder = dir.path().join(command);
        let folder_text = folder.to_str().expect("text");
        let done = run([command, &source, "--dot", folder_text]);
        assert_eq!(done.code, Some(0), "{command}: {}", done.err);
        let names = graphs(&folder);
        for when in ["playing", "end"] {
            let ending = format!(".{when}.dot");
            assert!(
                names.iter().any(|n| n.ends_with(&ending)),
                "{command}: {names:?}"
            );
        }
    }
    assert!(dir.path().join("live/front.end.dot").exists());
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_at_the_start() {
    let dir = tempfile::tempdir().expect("a folder");
    let (file, out) = (dir.path().join("file"), dir.path().join("out.jsonl"));
    fs::write(&file, "x").expect("written");
    let file_text = file.to_str().expect("text");
    let done = batch_with(&[&data("clips/bento.mp4")], &out, &["--dot", file_text]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(done.err.contains(file_text), "{}", done.err);
    assert!(fs::read(&out).expect("created").is_empty());
}
