//! `l3net eval` on labelled and annotated files through the program: the shapes
//! of the features, what is kept of them, layouts, pages and maps, and the
//! supervised baselines.

use std::path::Path;
use std::process::Command;

use crate::common::{self, Done, l3net, run_command, tone};
use serde_json::Value;
use tempfile::TempDir;

/// Two classes, told apart at once, with six pictures and sounds each, in two
/// folds. Sounds of a second: a longer one costs the network more seconds.
fn labelled() -> TempDir {
    labelled_with_sounds_of(1)
}

fn labelled_with_sounds_of(seconds: u32) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut manifest = "path,fold\n".to_owned();
    for (class, hertz, colour) in [
        ("low", 300.0, [250, 20, 20]),
        ("high", 5000.0, [20, 20, 250]),
    ] {
        let sounds = folder.path().join("sounds").join(class);
        let images = folder.path().join("images").join(class);
        std::fs::create_dir_all(&sounds).expect("made");
        std::fs::create_dir_all(&images).expect("made");
        for nth in 0..6_u32 {
            let hertz = hertz * (1.0 + 0.02 * nth as f32);
            let file = sounds.join(format!("s{nth}.wav"));
            std::fs::write(file, tone(8000, seconds, hertz, 0.2)).expect("written");
            let colour = colour.map(|c: u8| c.saturating_add(3 * nth as u8));
            let picture = image::RgbImage::from_pixel(64 + nth, 48, image::Rgb(colour));
            picture
                .save(images.join(format!("s{nth}.png")))
                .expect("written");
            for end in ["wav", "png"] {
                manifest += &format!("{class}/s{nth}.{end},{}\n", nth % 2 + 4);
            }
        }
    }
    for kind in ["sounds", "images"] {
        std::fs::write(folder.path().join(kind).join("manifest.csv"), &manifest).expect("written");
    }
    folder
}

/// `l3net eval` with a cache of its own in the folder.
fn eval(folder: &Path, args: &[&str]) -> Done {
    run_command(command(folder, args))
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = l3net(["eval"]);
    command
        .args(args)
        .args(["--precision", "f32", "--threads", "1", "--json", "-"])
        .current_dir(folder)
        .env("L3NET_CACHE", folder.join("cache"));
    command
}

fn report(done: &Done) -> Value {
    assert_eq!(done.code, Some(0), "{}", done.err);
    serde_json::from_str(&done.out).expect("JSON")
}

fn kept(folder: &Path) -> Vec<(String, std::time::SystemTime)> {
    let Ok(entries) = std::fs::read_dir(folder.join("cache/features")) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .map(|entry| {
            let entry = entry.expect("readable");
            let changed = entry.metadata().and_then(|m| m.modified()).expect("a time");
            (entry.file_name().to_string_lossy().into_owned(), changed)
        })
        .collect();
    files.sort();
    files
}

#[test]
fn sounds_are_named_fold_by_fold_and_features_found_once() {
    // Long enough that a sound's clips differ.
    let folder = labelled_with_sounds_of(2);
    let first = eval(folder.path(), &["sound", "sounds", "--clips", "3"]);
    let found = report(&first);
    assert_eq!(found["experiment"], "sound");
    let lines = found["found"].as_array().expect("lines");
    let names: Vec<_> = lines
        .iter()
        .map(|l| l["name"].as_str().expect("text"))
        .collect();
    assert_eq!(names, ["model", "untrained network", "MFCC"]);
    for line in lines {
        let rounds = line["rounds"].as_array().expect("rounds");
        assert_eq!(rounds.len(), 2, "{line}");
        assert!(rounds.iter().all(|r| r["files"] == 6), "{line}");
    }
    // Tones of 300 Hz and 5 kHz: MFCC know them apart.
    assert_eq!(lines[2]["accuracy"], 1.0);
    for words in ["fold 4", "MFCC", "the paper"] {
        assert!(first.err.contains(words), "no {words} in:\n{}", first.err);
    }
    let before = kept(folder.path());
    assert_eq!(before.len(), 2, "one for each network");
    let again = eval(folder.path(), &["sound", "sounds", "--clips", "3"]);
    assert_eq!(report(&again)["found"], found["found"]);
    assert_eq!(kept(folder.path()), before);
    // Files that changed are looked at again. Damaged samples are cleaned: a single NaN
    // would make the features of a whole class meaningless.
    for (name, hertz, bad) in [("low/s0", 310.0, f64::NAN), ("high/s1", 5_100.0, 1e300)] {
        let turn = std::f64::consts::TAU * hertz / 8000.0;
        let mut samples: Vec<f64> = (0..16_000)
            .map(|i| 0.2 * (turn * f64::from(i)).sin())
            .collect();
        samples[8_000] = bad;
        let file = folder.path().join(format!("sounds/{name}.wav"));
        std::fs::write(file, common::float_wav(8000, 1, 64, &samples)).expect("written");
    }
    let damaged = eval(folder.path(), &["sound", "sounds", "--clips", "3"]);
    let lines = report(&damaged)["found"].clone();
    assert_eq!(lines[2]["accuracy"], 1.0, "{lines}");
    assert_eq!(
        lines[0]["accuracy"], found["found"][0]["accuracy"],
        "{lines}"
    );
    for told in [
        "s0.wav: damaged sound: 1 NaN or infinite sample (made silent)",
        "s1.wav: damaged sound: 1 NaN or infinite sample (made silent)",
    ] {
        assert_eq!(damaged.err.matches(told).count(), 1, "{}", damaged.err);
    }
    assert_eq!(kept(folder.path()).len(), 4);
}

#[test]
fn pictures_are_named_and_clustered() {
    let folder = labelled();
    let found = report(&eval(folder.path(), &["image", "images"]));
    assert_eq!(found["largest_class"], 0.5);
    for line in found["found"].as_array().expect("lines") {
        assert_eq!(line["files"], 12, "{line}");
        assert_eq!(line["top_1"], 1.0, "red and blue: {line}");
        assert!(line["top_5"].is_null(), "two classes: {line}");
    }
    let args = [
        "clusters",
        "images",
        "--of",
        "pictures",
        "--clusters",
        "2",
        "--no-untrained",
    ];
    let found = report(&eval(folder.path(), &args));
    assert_eq!(found["found"]["model"]["nmi"], 1.0);
    assert!(found["found"].get("untrained").is_none());
    assert!(found["model"]["file"].is_string(), "{found}");
    assert!(found["chance"].as_f64() < Some(0.5));
    let many = eval(folder.path(), &["clusters", "images", "--of", "pictures"]);
    assert_eq!(many.code, Some(1));
    assert!(
        many.err.contains("12 files are fewer than 64 clusters"),
        "{}",
        many.err
    );
}

/// Recordings in folders of classes are data, too, once they are prepared: sound
/// and picture of the same clip.
#[cfg(feature = "gst")]
#[test]
fn clips_in_shards_are_labelled_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenes = folder.path().join("scenes");
    let run = |args: &[&str]| {
        let mut command = l3net(args);
        command.current_dir(folder.path());
        let done = run_command(command);
        assert_eq!(done.code, Some(0), "{}", done.err);
    };
    let size = ["--size", "64x48", "--fps", "5", "--seconds", "2"];
    run(&[&["synth", "-o", "scenes", "--count", "12", "-q"], &size[..]].concat());
    for (nth, class) in (0..12).zip(["low", "high"].iter().cycle()) {
        let name = format!("synth_0_{nth:04}.mkv");
        std::fs::create_dir_all(scenes.join(class)).expect("made");
        std::fs::rename(scenes.join(&name), scenes.join(class).join(&name)).expect("moved");
    }
    run(&["prepare", "scenes", "-o", "shards", "-q"]);
    // Half of the time: where clips come from is the same for both networks.
    let once = "--no-untrained";
    for what in ["sound", "image"] {
        let found = report(&eval(folder.path(), &[what, "shards", once]));
        assert_eq!(found["classes"], serde_json::json!(["high", "low"]));
        assert_eq!(found["files"], 12, "{what}");
    }
    let maps = [
        "tsne",
        "shards",
        "--perplexity",
        "3",
        "-o",
        "map.svg",
        once,
        "--of",
    ];
    let mut kinds = Vec::new();
    for of in ["sounds", "pictures"] {
        let found = report(&eval(folder.path(), &[&maps[..], &[of]].concat()));
        let files: Vec<String> = found["files"]
            .as_array()
            .expect("files")
            .iter()
            .map(|f| f["file"].as_str().expect("a name").to_owned())
            .collect();
        assert_eq!(files.len(), 12);
        assert!(
            files.iter().all(|f| f.contains("shard-000000.tar/")),
            "{files:?}"
        );
        kinds.push(files);
    }
    assert_eq!(kinds[0], kinds[1], "of the same clips");
    // What training holds out by clip: two or more, by the files' contents, which hold
    // random numbers.
    let held_out = [
        "clusters",
        "shards",
        "--of",
        "sounds",
        "--held-out",
        "--clusters",
        "2",
        once,
    ];
    let found = report(&eval(folder.path(), &held_out));
    let held_out = found["found"]["model"]["samples"].as_u64();
    assert!(held_out.is_some_and(|n| (2..12).contains(&n)), "{found}");
    let unit = [
        "units", "shards", "--of", "pictures", "-o", "units", "--most", "3", once,
    ];
    let found = eval(folder.path(), &unit);
    assert_eq!(found.code, Some(0), "{}", found.err);

    let patterns = eval(folder.path(), &["sound", "shards", "--test", "low*", once]);
    assert_eq!(patterns.code, Some(0), "{}", patterns.err);
    assert!(
        patterns.err.contains("--test low*: no file is called so"),
        "{}",
        patterns.err
    );

    // Too little is held out for units: the rest is done.
    std::fs::create_dir(folder.path().join("data")).expect("made");
    std::fs::rename(
        folder.path().join("shards"),
        folder.path().join("data/shards"),
    )
    .expect("moved");
    let all = [
        "all",
        "--data",
        "data",
        "-o",
        "report",
        "--pairs",
        "2",
        "--no-untrained",
        "--test",
        "x*",
        "synth_0_000[01].mkv",
    ];
    let done = eval(folder.path(), &all);
    let found: Value = serde_json::from_str(&done.out).expect("JSON");
    let sections = found["sections"].as_array().expect("sections");
    for section in sections {
        let command = section["command"].as_str().expect("text");
        let held_out = command.contains("--test 'synth_0_000[01].mkv'");
        assert_eq!(held_out, command.contains("data/shards"), "{command}");
        assert!(!command.contains("x*"), "{command}");
    }
    let mut figures: Vec<&str> = sections
        .iter()
        .filter_map(|s| s["figures"].as_str())
        .collect();
    for expected in [
        "avc-shards.json",
        "clusters-shards-sounds.json",
        "clusters-shards-pictures.json",
    ] {
        assert!(figures.contains(&expected), "{found:#}");
    }
    let all = figures.len();
    figures.sort_unstable();
    figures.dedup();
    assert_eq!(figures.len(), all, "two experiments wrote one file");

    run(&["prepare", "scenes/low", "-o", "unlabelled", "-q"]);
    let refused = eval(folder.path(), &["sound", "unlabelled"]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.err.contains("no clip in these shards has a label"),
        "{}",
        refused.err
    );
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_done() {
    let folder = labelled();
    std::fs::write(folder.path().join("images/low/s1.png"), "no picture").expect("written");
    let done = eval(folder.path(), &["image", "images", "--no-untrained"]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(
        done.err.contains("low/s1.png: not a picture"),
        "{}",
        done.err
    );
    let found: Value = serde_json::from_str(&done.out).expect("JSON");
    assert_eq!(found["found"][0]["files"], 11);
    assert_eq!(kept(folder.path()), [], "what lacks a file is not kept");
    let wrong = eval(folder.path(), &["sound", "images"]);
    assert_eq!((wrong.code, wrong.out.as_str()), (Some(1), ""));
    for layout in ["<class>/<file>", "meta/*.csv", "evaluation_setup"] {
        assert!(wrong.err.contains(layout), "no {layout} in {}", wrong.err);
    }
}

#[test]
fn units_are_shown_on_a_page_that_needs_nothing_else() {
    let folder = labelled();
    for (of, data, end) in [("pictures", "images", "png"), ("sounds", "sounds", "wav")] {
        // Names that mean something in HTML.
        let data = folder.path().join(data);
        let odd = data.join("<i>a & \"b\"");
        std::fs::create_dir_all(&odd).expect("made");
        let (from, to) = (data.join("low/s1"), odd.join("<x>"));
        std::fs::copy(from.with_extension(end), to.with_extension(end)).expect("copied");

        let out = format!("report/{of}");
        let data = data.to_str().expect("text");
        let args = ["units", data, "--of", of, "-o", &out, "--most", "3"];
        let done = eval(folder.path(), &args);
        let found = report(&done);
        for words in [
            "classes covered",
            "by chance",
            "untrained network",
            "4 of 5",
        ] {
            assert!(done.err.contains(words), "no {words} in:\n{}", done.err);
        }
        assert_eq!(found["experiment"], "units");
        assert_eq!(found["files"], 13);
        for network in ["model", "untrained"] {
            let units = found["units"][network].as_array().expect("units");
            assert_eq!(units.len(), 512);
            for unit in units {
                assert_eq!(unit["top"].as_array().map(Vec::len), Some(5));
            }
        }
        let out = folder.path().join(out);
        let html = std::fs::read_to_string(out.join("index.html")).expect("a page");
        assert!(!html.contains("<i>") && !html.contains("<x>"), "{html}");
        assert!(!html.contains("://"), "{html}");
        let kinds = ["src=\"", "href=\""];
        let links = kinds.iter().flat_map(|kind| html.split(kind).skip(1));
        let links: Vec<&str> = links.filter_map(|part| part.split('"').next()).collect();
        for link in &links {
            assert!(out.join(link).is_file(), "{link}");
        }
        // Each file with and without its map, and to be heard; the sheet.
        let each = if of == "sounds" { 3 } else { 2 };
        assert_eq!(links.len(), 3 * 5 * each + 1);
        let sheet = image::open(out.join("units.png")).expect("a picture");
        assert!(sheet.width() > 400 && sheet.height() > 800);
    }
}

#[test]
fn units_need_as_many_files_as_they_are_judged_by() {
    let folder = labelled();
    let args = [
        "units", "images", "--of", "pictures", "-o", "out", "--top", "13",
    ];
    let done = eval(folder.path(), &args);
    assert_eq!((done.code, done.out.as_str()), (Some(1), ""));
    assert!(done.err.contains("there are 12 to be"), "{}", done.err);
    assert!(!folder.path().join("out").exists(), "nothing was done");
    // What cannot be read does not count.
    std::fs::write(folder.path().join("images/low/s1.png"), "no picture").expect("written");
    let args = [&args[..7], &["12", "--no-untrained"]].concat();
    let done = eval(folder.path(), &args);
    assert_eq!(done.code, Some(1));
    assert!(done.err.contains("there are 11 to be"), "{}", done.err);
    // Of files that are held out there are fewer still.
    let held_out = ["path,split", "low/s2.png,test", "high/s3.png,test"].join("\n");
    std::fs::write(folder.path().join("images/manifest.csv"), held_out).expect("written");
    let args = [&args[..6], &["--held-out"]].concat();
    let done = eval(folder.path(), &args);
    assert_eq!(done.code, Some(1));
    assert!(done.err.contains("there are 2 to be"), "{}", done.err);
}

#[test]
fn a_map_of_files_is_the_same_for_the_same_seed() {
    let folder = labelled();
    let map = |name: &str, data: &str, of: &str, more: &[&str]| {
        let args = ["tsne", data, "--of", of, "-o", name, "--perplexity", "3"];
        let done = eval(folder.path(), &[&args, more].concat());
        assert!(done.err.contains("in the picture"), "{}", done.err);
        let found = report(&done);
        (
            std::fs::read(folder.path().join(name)).expect("a picture"),
            found,
        )
    };
    let (svg, found) = map("a.svg", "sounds", "sounds", &[]);
    let again = map(
        "b.svg",
        "sounds",
        "sounds",
        &["--loaders", "3", "--no-cache"],
    );
    assert_eq!(again.0, svg);
    assert_ne!(map("b.svg", "sounds", "sounds", &["--seed", "1"]).0, svg);
    let text = String::from_utf8(svg).expect("text");
    // Twelve files twice, and two classes in the legend.
    let marks = text.matches("<circle").count() + text.matches("<polygon").count();
    assert_eq!(marks, 12 * 2 + 2);
    assert_eq!(found["files"].as_array().map(Vec::len), Some(12));
    for network in ["model", "untrained"] {
        let near = &found["found"][network]["same_class_near"];
        assert!((0.0..=1.0).contains(&near.as_f64().expect("a share")));
        let place = &found["files"][0][network];
        assert_eq!(place.as_array().map(Vec::len), Some(2), "{place}");
    }
    map("a.png", "images", "pictures", &["--no-untrained"]);
    let png = image::open(folder.path().join("a.png")).expect("a picture");
    assert!((500..1000).contains(&png.width()), "one panel");
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_not_utf_8_end_no_evaluation() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = labelled();
    let low = folder.path().join("images/low");
    let odd = low.join(OsStr::from_bytes(b"a\xff.png"));
    std::fs::rename(low.join("s0.png"), odd).expect("renamed");
    let model = folder.path().join(OsStr::from_bytes(b"m\xff.safetensors"));
    let random = common::repo().join("models/l3net-random.safetensors");
    std::fs::copy(random, &model).expect("copied");
    let args = ["tsne", "images", "--of", "pictures", "-o", "a.svg"];
    let more = ["--perplexity", "3", "--no-untrained"];
    let mut command = command(folder.path(), &[&args[..], &more].concat());
    command.arg("--model").arg(model);
    let found = report(&run_command(command));
    let names: Vec<&str> = [&found["model"], &found["files"][6]]
        .iter()
        .map(|named| named["file"].as_str().expect("text"))
        .collect();
    let ends = ["/m\u{fffd}.safetensors", "/a\u{fffd}.png"];
    for (name, end) in names.iter().zip(ends) {
        assert!(name.ends_with(end), "{name}");
    }
}

#[test]
fn a_map_says_what_it_lacks_before_the_work() {
    let folder = labelled();
    let map = |name: &str| {
        let args = ["tsne", "images", "--of", "pictures", "-o", name];
        let done = eval(folder.path(), &args);
        assert_eq!(done.out, "");
        (done.code, done.err)
    };
    let (code, said) = map("a.svg");
    assert_eq!(code, Some(1));
    assert!(
        said.contains("needs 91 files or more, and there are 12"),
        "{said}"
    );
    let (code, said) = map("a.jpg");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(".svg or .png"), "{said}");
    let (code, said) = map("none/a.svg");
    assert_eq!(code, Some(1));
    assert!(said.contains("no such folder"), "{said}");
}

#[test]
fn annotated_pictures_are_scored_once_each() {
    let folder = labelled();
    let list = r#"[{"file": "low", "class": "low", "bbox": [[0, 0, 0.5, 0.5]]},
        {"file": "high", "class": "high", "bbox": [[0.5, 0.5, 1, 1]]}]"#;
    std::fs::write(folder.path().join("boxes.json"), list).expect("written");
    std::fs::create_dir(folder.path().join("media")).expect("made");
    for class in ["low", "high"] {
        for (kind, end) in [("sounds", "wav"), ("images", "png")] {
            let from = folder
                .path()
                .join(kind)
                .join(class)
                .join(format!("s0.{end}"));
            let to = folder.path().join("media").join(format!("{class}.{end}"));
            std::fs::copy(from, to).expect("copied");
        }
    }
    let data = "annotations:boxes=boxes.json,media=media";
    let found = report(&eval(folder.path(), &["localize", data, "--no-untrained"]));
    let data = &found["data"][0];
    assert_eq!(data["scenes"], 2);
    for figure in ["pointing", "overlap_half", "overlap_auc"] {
        assert!(data["model"][figure].as_f64().is_some(), "{data}");
    }
    assert!(
        data["model"]["rejection_rate"]["silence"]
            .as_f64()
            .is_some(),
        "{data}"
    );
    assert_eq!(data["baselines"]["whole_overlap"]["half"], 0.0);
    assert_eq!(data["baselines"]["chance"], 0.25);
}

#[test]
fn classifiers_are_a_baseline() {
    let folder = labelled();
    let classes = "classes:sounds=sounds,images=images";
    let shared = [
        "--batch",
        "4",
        "--steps",
        "1",
        "--precision",
        "f32",
        "--test-fold",
        "5",
    ];
    let mut train = l3net([
        "train",
        classes,
        "-o",
        "c.safetensors",
        "--task",
        "classify",
    ]);
    train
        .args(shared)
        .args(["--validation-pairs", "4"])
        .current_dir(folder.path());
    let done = run_command(train);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let args = ["avc", classes, "--pairs", "8", "--test-fold", "5"];
    let beside = [
        "--direct",
        "c.last.checkpoint",
        "--pretrained",
        "c.safetensors",
    ];
    let found = report(&eval(folder.path(), &[&args[..], &beside].concat()));
    for judge in ["model", "untrained", "pretrained", "direct"] {
        let accuracy = found["data"][0][judge]["accuracy"].as_f64();
        assert!(
            (0.0..=1.0).contains(&accuracy.expect("a number")),
            "{found}"
        );
    }
    let wrong = eval(
        folder.path(),
        &[&args[..], &["--direct", "c.safetensors"]].concat(),
    );
    assert_eq!(wrong.code, Some(1), "{}", wrong.err);
    assert!(wrong.err.contains("c.safetensors"), "{}", wrong.err);
}

#[test]
fn one_report_holds_all_that_the_data_allow() {
    let folder = labelled();
    let args = [
        "all",
        "--data",
        ".",
        "-o",
        "report",
        "--pairs",
        "4",
        "--no-untrained",
    ];
    let done = eval(folder.path(), &args);
    let found = report(&done);
    let sections = found["sections"].as_array().expect("sections");
    let whats: Vec<&str> = sections
        .iter()
        .map(|s| {
            s["command"]
                .as_str()
                .expect("text")
                .split(' ')
                .nth(2)
                .expect("a word")
        })
        .collect();
    // Six files are held out, too few for a map.
    let looked_at = ["clusters", "units"];
    let expected = [
        &["avc", "localize", "sound", "image"],
        &looked_at[..],
        &looked_at,
    ]
    .concat();
    assert_eq!(whats, expected);
    let page = std::fs::read_to_string(folder.path().join("report/index.html")).expect("a page");
    for section in sections {
        assert!(section["error"].is_null(), "{section}");
        let figures = section["figures"].as_str().expect("a file");
        assert!(page.contains(figures), "no {figures}");
        let text = std::fs::read_to_string(folder.path().join("report").join(figures));
        let _: Value = serde_json::from_str(&text.expect("figures")).expect("JSON");
        let picture = figures.replace(".json", ".svg");
        let has_bars = !figures.starts_with("units");
        assert_eq!(page.contains(&picture), has_bars, "{picture}");
    }
    for link in page
        .split("src=\"")
        .skip(1)
        .chain(page.split("href=\"").skip(1))
    {
        let target = link.split('"').next().expect("an end");
        let is_there = match target.strip_prefix('#') {
            Some(section) => page.contains(&format!("id=\"{section}\"")),
            None => folder.path().join("report").join(target).exists(),
        };
        assert!(is_there, "{target}");
    }
    let nothing = eval(folder.path(), &["all", "--data", "/no/such", "-o", "other"]);
    assert_eq!(nothing.code, Some(1));
    assert!(
        nothing.err.contains("/no/such: no such folder"),
        "{}",
        nothing.err
    );
}
