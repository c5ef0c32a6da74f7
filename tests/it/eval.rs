//! `l3net eval` through the program: what goes where, and what becomes of data
//! that cannot be used. How good the figures are is for the tests of `src/eval`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::common::{Done, l3net, run, tone};
use serde_json::Value;
use tempfile::TempDir;

/// Two classes with three pictures and sounds each, of which two are held out.
fn classes() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (class, hertz, colour) in [
        ("low", 300.0, [250, 20, 20]),
        ("high", 5000.0, [20, 20, 250]),
    ] {
        let sounds = folder.path().join("sounds").join(class);
        let images = folder.path().join("images").join(class);
        std::fs::create_dir_all(&sounds).expect("made");
        std::fs::create_dir_all(&images).expect("made");
        for (nth, name) in ["held_a", "held_b", "other"].into_iter().enumerate() {
            let level = 0.05 * (nth + 1) as f32;
            std::fs::write(
                sounds.join(name).with_extension("wav"),
                tone(8000, 2, hertz, level),
            )
            .expect("written");
            let picture = image::RgbImage::from_pixel(64 + nth as u32, 48, image::Rgb(colour));
            picture
                .save(images.join(name).with_extension("png"))
                .expect("written");
        }
    }
    folder
}

fn eval(what: &str, folder: &Path, more: &[&str]) -> Done {
    run(words(what, folder, more))
}

fn words(what: &str, folder: &Path, more: &[&str]) -> Vec<String> {
    let path = |name: &str| folder.join(name).display().to_string();
    let mut args = vec!["eval".to_owned(), what.to_owned()];
    args.extend(["--sounds".to_owned(), path("sounds")]);
    args.extend(["--images".to_owned(), path("images")]);
    let rest = ["--test", "held_*", "--precision", "f32", "--threads", "1"];
    args.extend(rest.iter().chain(more).map(|&a| a.to_owned()));
    args
}

fn read(file: &PathBuf) -> Value {
    let text = std::fs::read_to_string(file).expect("the report is there");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn figures_go_to_a_table_and_a_file_and_do_not_depend_on_threads() {
    let folder = classes();
    let report = |loaders: &str| {
        let file = folder.path().join(format!("{loaders}.json"));
        let name = file.to_str().expect("text");
        let picture = folder.path().join(format!("{loaders}.png"));
        let picture = picture.to_str().expect("text");
        let out = ["--json", name, "--picture", picture];
        let more = [&["--pairs", "12", "--loaders", loaders], &out[..]].concat();
        let done = eval("avc", folder.path(), &more);
        assert_eq!(done.code, Some(0), "{}", done.err);
        for word in [
            "accuracy",
            "untrained network",
            "chance",
            "by what is heard",
            "low",
        ] {
            assert!(done.out.contains(word), "no {word} in:\n{}", done.out);
        }
        let picture = image::open(picture).expect("a picture").to_rgb8();
        // Blue is the model's bar, nothing else.
        let blue = picture.pixels().filter(|p| p.0 == [78, 121, 167]).count();
        assert!(blue > 1000, "{blue} pixels of bars");
        read(&file)
    };
    let one = report("1");
    assert_eq!(one, report("3"));
    assert_eq!(one["experiment"], "avc");
    assert_eq!(
        (&one["split"], &one["crop"]),
        (&"test".into(), &"center".into())
    );
    assert_eq!(one["chance"]["accuracy"], 0.5);
    let data = &one["data"][0];
    assert_eq!(data["pairs"], 12);
    for judge in ["model", "untrained"] {
        let accuracy = data[judge]["accuracy"].as_f64().expect("a number");
        let ends = data[judge]["accuracy_95"].as_array().expect("an interval");
        assert!(ends[0].as_f64() <= Some(accuracy) && Some(accuracy) <= ends[1].as_f64());
        assert!(data[judge]["loss"].as_f64() > Some(0.0));
    }
    let heard = data["by"]["heard"].as_array().expect("groups");
    let pairs: u64 = heard.iter().filter_map(|g| g["pairs"].as_u64()).sum();
    assert_eq!(pairs, 12);
    assert_eq!(one["paper"][2]["flickr_soundnet"], 0.78);
    assert!(one.get("all").is_none(), "there is one DATA alone");
}

#[test]
fn json_on_stdout_has_it_for_itself() {
    let folder = classes();
    let more = ["--pairs", "4", "--no-untrained", "--json", "-"];
    let done = eval("avc", folder.path(), &more);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let report: Value = serde_json::from_str(&done.out).expect("JSON and nothing else");
    assert!(report["data"][0].get("untrained").is_none());
    assert!(done.err.contains("accuracy"), "the table is on stderr");
}

#[test]
fn files_are_written_whatever_becomes_of_stdout() {
    let folder = classes();
    let (json, picture) = (folder.path().join("a.json"), folder.path().join("a.svg"));
    let text = |file: &Path| file.to_str().expect("text").to_owned();
    let (j, p) = (text(&json), text(&picture));
    let more = [
        "--pairs",
        "2",
        "--no-untrained",
        "--json",
        &j,
        "--picture",
        &p,
    ];
    let done = |stdout: Stdio| {
        let mut command = l3net(words("avc", folder.path(), &more));
        let done = command.stdout(stdout).output().expect("it runs");
        for file in [&json, &picture] {
            assert!(file.is_file(), "{} is lost", file.display());
            std::fs::remove_file(file).expect("removed");
        }
        let said = String::from_utf8(done.stderr).expect("text");
        (done.status.code(), said)
    };
    // As `| head -1`: who reads has what they wanted.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let (code, said) = done(writer.into());
    assert_eq!(code, Some(0), "{said}");
    if cfg!(target_os = "linux") {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let (code, said) = done(full.expect("a device").into());
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("l3net: stdout: cannot write"), "{said}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_the_rest_is_done() {
    let folder = classes();
    let broken = folder.path().join("images/low/held_a.png");
    std::fs::write(&broken, "no picture").expect("written");
    let json = folder.path().join("report.json");
    let more = ["--pairs", "16", "--json", json.to_str().expect("text")];
    let done = eval("avc", folder.path(), &more);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(
        done.err.contains("held_a.png: not a picture"),
        "{}",
        done.err
    );
    let report = read(&json);
    assert_eq!(report["data"][0]["pairs"], 16);
    let file = report["unreadable"][0]["file"].as_str().expect("a name");
    assert_eq!(Path::new(file), broken);
}

#[test]
fn data_that_cannot_be_used_does_not_keep_the_rest_from_being_done() {
    let folder = classes();
    let data = |name: &str| {
        let (sounds, images) = (folder.path().join("sounds"), folder.path().join(name));
        format!(
            "classes:sounds={},images={}",
            sounds.display(),
            images.display()
        )
    };
    // Has pictures, but none to test with.
    for class in ["low", "high"] {
        let images = folder.path().join("few").join(class);
        std::fs::create_dir_all(&images).expect("made");
        let from = folder.path().join("images").join(class).join("other.png");
        std::fs::copy(from, images.join("other.png")).expect("copied");
    }
    let (good, few) = (data("images"), data("few"));
    let rest = ["--test", "held_*", "--pairs", "4", "--no-untrained"];
    let both = ["eval", "avc", &few, &good].into_iter().chain(rest);
    let done = run(both);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(done.err.contains("two are needed"), "{}", done.err);
    assert!(done.out.contains("accuracy"), "{}", done.out);
    let alone = run(["eval", "avc", &few].into_iter().chain(rest));
    assert_eq!((alone.code, alone.out.as_str()), (Some(1), ""));
    assert!(alone.err.contains("two are needed"), "{}", alone.err);
    let there = ["eval", "avc", "/no/such.tar", &good];
    let done = run(there.into_iter().chain(rest));
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(done.err.contains("/no/such.tar"), "{}", done.err);
    assert!(done.out.contains("accuracy"), "{}", done.out);
    // Twice the same are the same pairs, and there is a row over both.
    let twice = run(["eval", "avc", &good, &good, "--json", "-"]
        .into_iter()
        .chain(rest));
    let report: Value = serde_json::from_str(&twice.out).expect("JSON");
    assert_eq!(report["data"][0]["by"], report["data"][1]["by"]);
    assert_eq!(report["all"]["pairs"], 8);
}

#[test]
fn localizing_needs_boxes() {
    let folder = classes();
    let done = eval("localize", folder.path(), &["--scenes", "2"]);
    assert_eq!((done.code, done.out.as_str()), (Some(1), ""));
    assert!(done.err.contains("no scene with boxes"), "{}", done.err);
}

#[test]
fn wrong_usage_is_refused_before_anything_is_done() {
    let folder = classes();
    let picture = folder.path().join("a.svg");
    std::fs::create_dir(&picture).expect("made");
    let picture = picture.to_str().expect("text");
    for (more, code, says) in [
        (&["--pairs", "3"][..], 2, "--pairs is even"),
        (&["--pairs", "0"], 2, "--pairs"),
        (&["--split-part", "all"], 2, "--split-part"),
        (&["--json", "/no/such/folder/a.json"], 1, "no such folder"),
        (&["--picture", "a.jpg"], 2, ".svg or .png"),
        (&["--picture", "/no/such/folder/a.svg"], 1, "no such folder"),
        (&["--json", picture], 1, "is a folder"),
        (&["--picture", picture], 1, "is a folder"),
        (&["--model", "/no/such/model"], 1, "/no/such/model"),
        (&["--pretrained", "/no/such"], 1, "; check the path\n"),
    ] {
        let done = eval("avc", folder.path(), more);
        assert_eq!(done.code, Some(code), "{more:?}: {}", done.err);
        assert_eq!(done.out, "", "{more:?}");
        assert!(done.err.contains(says), "{more:?}: {}", done.err);
    }
    let done = run(["eval", "avc"]);
    assert_eq!(done.code, Some(2), "{}", done.err);
    assert!(done.err.contains("no DATA"), "{}", done.err);
}
