//! Many processes into one OUT: shards of `l3net batch`, lists of sources, what is missing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use l3net::dataset::Shard;

use crate::common::{
    self, Arrays, Done, Running, batch_args, batch_with, data, l3net, run, run_command, wait_for,
};
use crate::resume::{Moments, assert_same, lines, moments_of, moments_of_table};

/// As in `resume`: many cheap moments on one thread, the same whatever makes a batch.
const HOP: &[&str] = &[
    "--hop",
    "0.2",
    "--crop",
    "center",
    "--threads",
    "1",
    "--precision",
    "f32",
];
const CLIPS: [&str; 4] = ["bento.mp4", "movie_5.mp4", "sample.avi", "friday.mp4"];

fn clips() -> Vec<PathBuf> {
    CLIPS.map(|name| data("clips").join(name)).to_vec()
}

fn args(out: &Path, more: &[&str]) -> Vec<std::ffi::OsString> {
    let clips = clips();
    let clips: Vec<&Path> = clips.iter().map(PathBuf::as_path).collect();
    batch_args(&clips, out, &[HOP, more].concat())
}

fn batch(out: &Path, more: &[&str]) -> Done {
    run(args(out, more))
}

fn status(out: &Path) -> Done {
    run(["batch".as_ref(), "--status".as_ref(), out.as_os_str()])
}

/// All tables of the folder, as a reader of datasets finds them.
fn moments_of_parts(out: &Path) -> Moments {
    let mut all = Moments::new();
    for entry in fs::read_dir(out).expect("a folder") {
        let path = entry.expect("a file").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if name.starts_with('_') {
            continue;
        }
        assert_eq!(path.extension().expect("an ending"), "parquet", "{name}");
        for (key, value) in moments_of_table(&path) {
            let twice = all.insert(key.clone(), value);
            assert!(twice.is_none(), "{key:?} is in two parts");
        }
    }
    all
}

#[test]
fn shards_are_one_table_and_a_killed_one_is_told_and_resumed() {
    let dir = tempfile::tempdir().expect("a folder");
    let unbroken = dir.path().join("unbroken.jsonl");
    let done = batch(&unbroken, &[]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let unbroken = moments_of(common::read(&unbroken));
    let out = dir.path().join("out");

    let done = batch(&out, &["--shard", "2/3"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(
        done.err.contains("shard 2 of 3: 3 of 4 sources"),
        "{}",
        done.err
    );

    let held = Shard { index: 0, count: 3 };
    assert!(
        held.holds("friday.mp4"),
        "it has enough moments to be killed between them"
    );
    let journal = out.join("_l3net/part-00000-of-00003.jsonl");
    let running = Running::start(l3net(args(&out, &["--shard", "0/3"])));
    wait_for("the first moments", || lines(&journal) >= 4);
    let other = batch(&out, &["--shard", "0/3"]);
    assert_eq!(other.code, Some(1), "{}", other.err);
    assert!(
        other.err.contains("another l3net is writing it"),
        "{}",
        other.err
    );
    running.signal("KILL");
    running.wait();

    let told = status(&out);
    assert_eq!((told.code, &*told.out), (Some(1), "--array=0-1\n"));
    for said in [
        "1 of 3 shards done: 3 sources",
        "2 missing, of which 1 begun",
    ] {
        assert!(told.err.contains(said), "{}", told.err);
    }

    // As the scheduler of a part of the array says it.
    for index in ["0", "1"] {
        let mut command = l3net(args(&out, &[]));
        command
            .env("SLURM_ARRAY_TASK_ID", index)
            .env("SLURM_ARRAY_TASK_COUNT", "2");
        let done = run_command(command);
        assert_eq!(done.code, Some(0), "{}", done.err);
        assert!(
            done.err.contains(&format!("shard {index} of 3")),
            "{}",
            done.err
        );
    }
    assert_same(&moments_of_parts(&out), &unbroken);
    let told = status(&out);
    assert_eq!((told.code, &*told.out), (Some(0), ""), "{}", told.err);
    assert!(
        told.err.contains("3 of 3 shards done: 4 sources"),
        "{}",
        told.err
    );

    // Nothing is judged twice.
    let again = batch(&out, &["--shard", "/3"]);
    assert_eq!(
        again.code,
        Some(2),
        "no scheduler says which: {}",
        again.err
    );
    let again = batch(&out, &["--shard", "0/3"]);
    assert!(again.err.contains("done already"), "{}", again.err);
    assert_same(&moments_of_parts(&out), &unbroken);
}

#[test]
fn a_shard_that_does_not_fit_to_the_run_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out");
    let list = dir.path().join("list");
    fs::write(&list, data("clips/bento.mp4").to_str().expect("text")).expect("written");
    let list = list.to_str().expect("text");
    let begin = |more: &[&str]| {
        let crop: &[&str] = match more.contains(&"--crop") {
            true => &[],
            false => &["--crop", "center"],
        };
        batch_with(&[], &out, &[&["--files-from", list], crop, more].concat())
    };
    for (more, said) in [
        (&["--shard", "4/4"][..], "they count from 0 to 3"),
        (&["--shard", "x/4"], "not I/N"),
        (&["--shard", "/4"], "say --shard I/4"),
    ] {
        let done = begin(more);
        assert_eq!(done.code, Some(2), "{}", done.err);
        assert!(done.err.contains(said), "{}", done.err);
        assert!(!out.exists(), "{}", done.err);
    }
    let none = status(&out);
    assert_eq!(
        (none.code, none.out.as_str()),
        (Some(2), ""),
        "{}",
        none.err
    );
    assert!(none.err.contains("no run has begun here"), "{}", none.err);

    for index in ["0/4", "1/4", "2/4", "3/4"] {
        let done = begin(&["--shard", index]);
        assert_eq!(done.code, Some(0), "{}", done.err);
    }
    assert_eq!(moments_of_parts(&out).len(), 1);
    let listing = || -> BTreeSet<PathBuf> {
        let all = walkdir::WalkDir::new(&out).into_iter();
        all.map(|entry| entry.expect("readable").into_path())
            .collect()
    };
    let before = listing();
    for (more, said) in [
        (&["--shard", "1/5"][..], "--shard /4, not /5"),
        (&["--hop", "0.5", "--shard", "1/4"], "--hop 1, not 0.5"),
        (&["--qc", "--shard", "1/4"], "--qc false, not true"),
        (
            &["--crop", "full", "--shard", "1/4"],
            "--crop center, not full",
        ),
        (
            &[
                "--model",
                "models/l3net-random.safetensors",
                "--shard",
                "1/4",
            ],
            "--model l3net-base",
        ),
    ] {
        let done = begin(more);
        assert_eq!(done.code, Some(2), "{}", done.err);
        assert!(done.err.contains(said), "{}", done.err);
        assert_eq!(done.err.trim().lines().count(), 1, "{}", done.err);
        assert_eq!(listing(), before);
    }
}

#[test]
fn a_source_that_fails_is_told_and_its_shard_tried_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out/");
    let film = dir.path().join("film.mp4");
    fs::write(&film, "no film").expect("written");
    let judge = || {
        batch_with(
            &[&film, &data("clips/bento.mp4")],
            &out,
            &["--shard", "0/1"],
        )
    };
    let done = judge();
    assert_eq!(done.code, Some(1), "{}", done.err);
    let told = status(&out);
    assert_eq!((told.code, &*told.out), (Some(0), ""), "{}", told.err);
    let said = "1 source failed in 1 shard; their shards try them again with --array=0";
    assert!(told.err.contains(said), "{}", told.err);

    fs::copy(data("clips/movie_5.mp4"), &film).expect("copied");
    assert_eq!(judge().code, Some(0));
    let told = status(&out);
    assert!(!told.err.contains("failed"), "{}", told.err);
    assert_eq!(moments_of_parts(&out).len(), 6);
}

#[test]
fn what_is_measured_has_its_part_beside_the_table() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out");
    let judge = || {
        let asked = ["--qc", "--crop", "center", "--shard", "0/1"];
        let done = batch_with(&[&data("clips/bento.mp4")], &out, &asked);
        assert_eq!(done.code, Some(0), "{}", done.err);
        let measured = out.join("_qc/part-00000-of-00001.jsonl");
        common::only(common::streams_in(&measured)).measured.len()
    };
    assert_eq!([judge(), judge()], [1, 1]);
    assert_eq!(moments_of_parts(&out).len(), 1);
}

#[test]
fn sources_come_from_a_list_for_every_command_that_goes_through_files() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name);
    let clip = |name: &str| data("clips").join(name).display().to_string();
    let list = format!("{}\0{}\0", clip("bento.mp4"), clip("movie_5.mp4"));
    let (out, npz) = (at("out.jsonl"), at("npz"));
    let listed = |args: &[&str]| {
        let mut command = l3net(args);
        command.args(["--files-from", "-"]).stdin(Stdio::piped());
        let mut running = Running::start(command);
        let mut stdin = running.child.stdin.take().expect("piped");
        std::io::Write::write_all(&mut stdin, list.as_bytes()).expect("it reads");
        drop(stdin);
        let done = running.wait();
        assert_eq!(done.code, Some(0), "{}", done.err);
        done
    };
    listed(&[
        "batch",
        "-o",
        out.to_str().expect("text"),
        "--crop",
        "center",
    ]);
    let streams = common::streams_in(&out);
    let names: Vec<&String> = streams.keys().collect();
    assert_eq!(names, [&clip("bento.mp4"), &clip("movie_5.mp4")]);

    let mut embedded = 0;
    for index in 0..2 {
        let shard = Shard { index, count: 2 };
        let asked = format!("{index}/2");
        let npz = npz.to_str().expect("text");
        listed(&["embed", "-o", npz, "--only", "audio_512", "--shard", &asked]);
        let part = at("npz").join(format!("{}.npz", shard.stem()));
        if part.exists() {
            let streams: Vec<String> = Arrays::read(&part).values("stream");
            assert!(streams.iter().all(|stream| shard.holds(stream)));
            embedded += streams.len();
        }
    }
    assert_eq!(embedded, 6);

    let only = at("only");
    fs::write(&only, clip("movie_5.mp4")).expect("written");
    let (only, prepared) = (only.display().to_string(), at("prepared"));
    let prepare = |shard: &str| {
        let to = prepared.to_str().expect("text");
        listed(&["prepare", "-o", to, "--only", &only, "--shard", shard])
    };
    let said = [prepare("0/2").err, prepare("1/2").err].concat();
    assert!(said.contains("1 recording prepared"), "{said}");
    assert!(!said.contains("2 recordings prepared"), "{said}");
    let part = |index: u32| prepared.join(Shard { index, count: 2 }.stem());
    let shards = |index| part(index).join("shard-000000.tar").exists();
    assert_eq!([0, 1].map(shards).iter().filter(|there| **there).count(), 1);
}
