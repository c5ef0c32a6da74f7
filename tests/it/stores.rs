//! Sources and outputs in an object store: a real S3 server (moto), through the built
//! program.

use std::path::{Path, PathBuf};
use std::process::Command;

use l3net::dataset::Shard;

use crate::common::{self, Done, Running, data, l3net, run_command, streams_in, wait_for};
use crate::resume::{Moments, assert_same, moments_of, moments_of_table};

#[path = "../../src/store/tests/store/moto.rs"]
#[allow(dead_code, reason = "shared with the tests of the store itself")]
mod moto;

use moto::Moto;

const CLIPS: [&str; 3] = ["bento.mp4", "grid_sbwe5n.mpg", "movie_5.mp4"];

/// A server of S3 on loopback, with a bucket `films`.
struct Server(&'static Moto);

impl Server {
    fn start() -> Self {
        let server = Self(Moto::get());
        server.put("/films", &[]);
        server
    }

    /// One request; status and body.
    fn ask(&self, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut head = self.0.request(method, path, body);
        let at = head.windows(4).position(|four| four == b"\r\n\r\n");
        let body = head.split_off(at.expect("a head") + 4);
        let head = String::from_utf8_lossy(&head).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        (status.unwrap_or_else(|| panic!("{head}")), body)
    }

    fn put(&self, path: &str, body: &[u8]) {
        assert_eq!(self.ask("PUT", path, body).0, 200, "{path}");
    }

    fn get(&self, path: &str) -> Option<Vec<u8>> {
        let (status, body) = self.ask("GET", path, &[]);
        (status == 200).then_some(body)
    }

    /// The program, with this server as S3 and a cache of its own.
    fn l3net(&self, cache: &Path, args: &[&str]) -> Command {
        let mut command = l3net(args);
        command
            .env(
                "AWS_ENDPOINT_URL",
                format!("http://127.0.0.1:{}", self.0.port),
            )
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "somebody")
            .env("AWS_SECRET_ACCESS_KEY", "secret-of-somebody")
            .env("L3NET_CACHE", cache);
        command
    }

    /// The table of a part, as it is in the store.
    fn table(&self, path: &str, dir: &Path) -> PathBuf {
        let file = dir.join(path.replace('/', "_"));
        let bytes = self
            .get(path)
            .unwrap_or_else(|| panic!("{path} is not there"));
        std::fs::write(&file, bytes).expect("written");
        file
    }
}

const ASKED: &[&str] = &["--hop", "0.5", "--crop", "center", "--precision", "f32"];

fn fill(server: &Server) {
    for name in CLIPS {
        let clip = std::fs::read(data("clips").join(name)).expect("a clip");
        server.put(&format!("/films/in/{name}"), &clip);
    }
    server.put("/films/in/notes.txt", b"no film");
    server.put("/films/inside-out.mp4", b"not below in/");
}

fn local(dir: &Path) -> Moments {
    let out = dir.join("local.jsonl");
    let clips = CLIPS.map(|name| data("clips").join(name));
    let clips: Vec<&Path> = clips.iter().map(PathBuf::as_path).collect();
    let done = common::batch_with(&clips, &out, ASKED);
    assert_eq!(done.code, Some(0), "{}", done.err);
    moments_of(common::read(&out))
}

#[test]
fn a_batch_from_a_store_into_a_store_is_the_same_as_from_disk_to_disk() {
    let dir = tempfile::tempdir().expect("a folder");
    let (server, cache) = (Server::start(), dir.path().join("cache"));
    fill(&server);
    let stage = dir.path().join("stage");
    std::fs::create_dir(&stage).expect("a folder");
    let judge = |shard: &str| {
        let mut command = server.l3net(&cache, &["batch", "s3://films/in", "--shard", shard]);
        command.args(["-o", "s3://films/out", "--clips", "s3://films/rows", "--qc"]);
        command.arg("--stage").arg(&stage).args(ASKED);
        run_command(command)
    };
    let status =
        || -> Done { run_command(server.l3net(&cache, &["batch", "--status", "s3://films/out/"])) };
    let first = judge("0/2");
    assert_eq!(first.code, Some(0), "{}", first.err);
    let told = status();
    assert_eq!(
        (told.code, &*told.out),
        (Some(1), "--array=1\n"),
        "{}",
        told.err
    );
    let second = judge("1/2");
    assert_eq!(second.code, Some(0), "{}", second.err);
    assert_eq!(status().code, Some(0));

    let mut moments = Moments::new();
    for index in 0..2 {
        let stem = Shard { index, count: 2 }.stem();
        let table = server.table(&format!("/films/out/{stem}.parquet"), dir.path());
        moments.extend(moments_of_table(&table));
        assert!(server.get(&format!("/films/rows/{stem}.parquet")).is_some());
    }
    assert_same(&moments, &local(dir.path()));
    let left = |folder: &Path| {
        walkdir::WalkDir::new(folder)
            .into_iter()
            .filter(|e| e.as_ref().is_ok_and(|e| e.file_type().is_file()))
            .count()
    };
    assert_eq!(left(&stage), 0, "copies go when they were judged");
    assert_eq!(
        left(&cache.join("batch")),
        0,
        "what is in the store is not kept here"
    );

    // On another machine: what is in the store is done.
    let again = {
        let other = dir.path().join("other");
        let mut command = server.l3net(&other, &["batch", "s3://films/in/", "--shard", "0/2"]);
        command
            .args([
                "-o",
                "s3://films/out/",
                "--clips",
                "s3://films/rows/",
                "--qc",
            ])
            .args(ASKED);
        run_command(command)
    };
    assert_eq!(again.code, Some(0), "{}", again.err);
    assert!(again.err.contains("done already"), "{}", again.err);
}

#[test]
fn a_killed_shard_goes_on_and_each_moment_is_in_the_store_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let (server, cache) = (Server::start(), dir.path().join("cache"));
    fill(&server);
    let command = || {
        let mut command = server.l3net(
            &cache,
            &["batch", "s3://films/in/", "-o", "s3://films/out/"],
        );
        command.args(ASKED).args(["--threads", "1"]);
        command
    };
    let running = Running::start(command());
    let journal = |cache: &Path| {
        let files = walkdir::WalkDir::new(cache).into_iter().flatten();
        let mut journals = files.filter(|file| file.file_name() == "part-00000-of-00001.jsonl");
        journals
            .next()
            .map_or(0, |file| crate::resume::lines(file.path()))
    };
    wait_for("the first moments", || journal(&cache) >= 3);
    running.signal("KILL");
    running.wait();
    let path = "/films/out/part-00000-of-00001.parquet";
    assert!(
        server.get(path).is_none(),
        "a part is there whole or not at all"
    );
    let mut again = server.l3net(&cache, &["batch", "s3://films/in", "-o", "s3://films/out"]);
    again.args(ASKED).args(["--threads", "1"]);
    let done = run_command(again);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(journal(&cache), 0, "it went on with what was there");
    let moments = moments_of_table(&server.table(path, dir.path()));
    assert_same(&moments, &local(dir.path()));
    let streams = moments.keys().map(|(stream, _)| stream.as_str());
    assert_eq!(
        streams.collect::<std::collections::BTreeSet<_>>(),
        CLIPS.into()
    );
}

#[test]
fn what_a_store_does_not_give_is_told_by_its_url() {
    let dir = tempfile::tempdir().expect("a folder");
    let (server, cache) = (Server::start(), dir.path().join("cache"));
    fill(&server);
    let out = dir.path().join("out.jsonl");
    let list = "s3://films/in/bento.mp4\ns3://films/in/none.mp4\ns3://nobody/a.mp4\n";
    let listed = dir.path().join("list");
    std::fs::write(&listed, list).expect("written");
    let mut command = server.l3net(&cache, &["batch", "--crop", "center", "--files-from"]);
    command.arg(&listed).arg("-o").arg(&out);
    let done = run_command(command);
    assert_eq!(done.code, Some(1), "{}", done.err);
    let streams = streams_in(&out);
    assert_eq!(streams["s3://films/in/bento.mp4"].moments.len(), 1);
    for missing in ["s3://films/in/none.mp4", "s3://nobody/a.mp4"] {
        let error = &streams[missing].errors[0].error;
        assert!(error.contains(missing), "{error}");
        assert!(!done.err.contains("secret-of-somebody"));
    }
    // Embeddings and training shards of the same.
    let npz = dir.path().join("a.npz");
    let mut command = server.l3net(&cache, &["embed", "s3://films/in/", "--only", "audio_512"]);
    command.arg("-o").arg(&npz);
    let done = run_command(command);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let rows: Vec<String> = common::Arrays::read(&npz).values("stream");
    assert_eq!(rows.len(), 8);
    let mut command = server.l3net(&cache, &["prepare", "s3://films/in/"]);
    command.arg("-o").arg(dir.path().join("shards"));
    let done = run_command(command);
    assert!(done.err.contains("3 recordings prepared"), "{}", done.err);

    for (args, said) in [
        (
            &["batch", "s3://films/none/", "-o", "o.jsonl"][..],
            "without media",
        ),
        (&["batch", "s3://", "-o", "o.jsonl"], "s3://"),
        (
            &["batch", "s3://films/in/", "-o", "s3://nobody/out/"],
            "nobody",
        ),
        (
            &["prepare", "s3://films/in/", "-o", "s3://films/shards"],
            "name a path",
        ),
        (
            &["embed", "s3://films/in/", "-o", "s3://films/a.npz"],
            "name a path",
        ),
        (
            &[
                "batch",
                "s3://films/in/",
                "-o",
                "o.jsonl",
                "--heatmaps",
                "s3://films/maps",
            ],
            "name a path",
        ),
        (
            &["live", "s3://films/in/bento.mp4"],
            "only batch, embed and prepare",
        ),
    ] {
        let mut command = server.l3net(&cache, args);
        command.current_dir(dir.path());
        let done = run_command(command);
        assert_ne!(done.code, Some(0), "{args:?}");
        assert!(done.err.contains(said), "{args:?}: {}", done.err);
    }
}
