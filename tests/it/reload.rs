//! `live --streams`: the file is read anew while it runs.

use std::path::Path;

use serde_json::Value;

use crate::common::{Running, StreamRecords, l3net, repo, streams_in, wait_for};
use crate::monitor::{Site, finish, source};

/// A stream of the file.
fn stream(name: &str, label: &str, source: &str) -> String {
    format!("[[stream]]\nname = \"{name}\"\nlabel = \"{label}\"\nsource = \"{source}\"\n")
}

/// The records of a stream; lines that are being written are not there yet.
fn told(json: &Path, name: &str) -> StreamRecords {
    let text = std::fs::read_to_string(json).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let records = crate::common::parse(whole);
    crate::common::by_stream(records)
        .remove(name)
        .unwrap_or_default()
}

/// No second between its first and its last is missing.
fn assert_whole(told: &StreamRecords) {
    let numbers: Vec<u64> = told.moments.iter().map(|moment| moment.seq).collect();
    let first = numbers[0];
    let expected: Vec<u64> = (first..first + numbers.len() as u64).collect();
    assert_eq!(numbers, expected);
    let lost: Vec<_> = told
        .gaps
        .iter()
        .filter(|gap| gap.start_ns > told.moments[0].start_ns)
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn streams_come_and_go_and_those_that_stay_lose_nothing() {
    let site = Site::new("");
    let json = site.dir.path().join("out.jsonl");
    let model = site.dir.path().join("model.safetensors");
    std::fs::copy(repo().join("models/l3net-base.safetensors"), &model).expect("copied");
    let running = {
        let file = site.file();
        let mut command = l3net(["live", "--hop", "0.5"]);
        command.arg("--streams").arg(&file).arg("--json").arg(&json);
        command.arg("--model").arg(&model);
        Running::start(command)
    };
    let states = || -> Vec<(String, String, String)> {
        let streams = site.json("/api/streams")["streams"].clone();
        let text = |of: &Value, key: &str| of[key].as_str().unwrap_or_default().to_owned();
        let streams = streams.as_array().cloned().unwrap_or_default();
        let of = |s: &Value| (text(s, "name"), text(s, "label"), text(s, "state"));
        streams.iter().map(of).collect()
    };
    let live = |name: &str, label: &str| {
        let state = (name.to_owned(), label.to_owned(), "live".to_owned());
        states().contains(&state)
    };
    wait_for("both streams", || {
        live("hall", "Great hall") && live("cellar/<b>", "cellar/<b>")
    });
    let is_mute = |event: &Value| event["kind"] == "mute" && event["stream"] == "cellar/<b>";
    wait_for("a mute cellar", || site.events().iter().any(is_mute));

    let text = std::fs::read_to_string(site.file()).expect("readable");
    let rest = &text[text.find("[record]").expect("it records")..];
    let rewrite = |streams: &[String], rest: &str| {
        let text = format!("[detect]\nmute.after_s = 2\n{}{rest}", streams.concat());
        std::fs::write(site.file(), text).expect("written");
        running.signal("HUP");
    };

    // The cellar goes, the attic comes, and the hall has another label.
    let [hall, attic] = [source(0.5), source(0.25)];
    rewrite(
        &[
            stream("hall", "Hall", &hall),
            stream("attic", "Attic", &attic),
        ],
        rest,
    );
    wait_for("the attic", || {
        live("attic", "Attic") && live("hall", "Hall")
    });
    assert_eq!(states().len(), 2, "{:?}", states());
    wait_for("the cellar's end", || {
        !told(&json, "cellar/<b>").summaries.is_empty()
    });
    let events = site.events();
    let has_ended = |event: &Value| is_mute(event) && event["end_ms"].is_i64();
    assert!(events.iter().any(has_ended), "{events:?}");
    wait_for("news", || {
        running
            .said()
            .contains("attic begins; cellar/<b> ends; 1 stream as before")
    });

    // A file that is wrong changes nothing.
    rewrite(&["[[stream]]\nname = 3\n".to_owned()], rest);
    wait_for("a refusal", || {
        running.said().contains("everything goes on as before")
    });
    assert!(
        running.said().contains("streams.toml:4"),
        "{}",
        running.said()
    );
    rewrite(&[], rest);
    wait_for("another", || running.said().contains("nothing to monitor"));
    assert!(live("attic", "Attic") && live("hall", "Hall"));

    wait_for("the attic's moments", || {
        let attic = told(&json, "attic");
        attic.moments.iter().any(|moment| moment.seq == 3)
    });

    // The attic is opened anew, another model judges, and what waits is named.
    let random = site.dir.path().join("other");
    std::fs::copy(repo().join("models/l3net-random.safetensors"), &random).expect("copied");
    std::fs::rename(&random, &model).expect("renamed");
    let more = format!("{rest}[[command]]\nrun = [\"true\"]\n");
    let louder = source(0.75);
    rewrite(
        &[
            stream("hall", "Hall", &hall),
            stream("attic", "Attic", &louder),
        ],
        &more,
    );
    wait_for("the attic again", || {
        told(&json, "attic").summaries.len() == 1
    });
    wait_for("its moments", || {
        let attic = told(&json, "attic");
        attic
            .moments
            .iter()
            .filter(|moment| moment.seq == 3)
            .count()
            == 2
    });
    assert!(live("attic", "Attic"), "{:?}", states());
    wait_for("news of all", || {
        let said = running.said();
        said.contains("attic is opened anew; 1 stream as before")
            && said.contains("judges from now on")
            && said.contains("command 1 (true) is told of events from now on")
    });
    let version = site.json("/api/version");
    let done = finish(running);

    let streams = streams_in(&json);
    assert_whole(&streams["hall"]);
    assert_eq!(streams["hall"].summaries.len(), 1);
    let models: Vec<_> = ["cellar/<b>", "hall"]
        .map(|name| streams[name].summaries[0].model.clone())
        .into();
    assert_ne!(models[0], models[1], "another model judged at the end");
    assert_eq!(version["model"].as_str(), models[1].as_deref());
    assert_eq!(streams["attic"].summaries.len(), 2);
    assert!(
        streams.values().all(|of| of.errors.is_empty()),
        "{}",
        done.err
    );
}

#[test]
fn a_terminal_that_goes_ends_the_run() {
    let site = Site::new("");
    let mut command = l3net(["live"]);
    command.arg("--streams").arg(site.file());
    // A terminal of its own, which goes when `script` is told to end.
    let program = command.get_program().to_owned();
    let args: Vec<_> = command
        .get_args()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let line = format!("exec {} {} > /dev/null", program.display(), args.join(" "));
    let mut script = std::process::Command::new("script");
    script
        .args(["-qfc", &line, "/dev/null"])
        .current_dir(repo());
    script.env("SHELL", "/bin/sh");
    let mut running = Running::start(script);
    wait_for("the page", || site.get("/healthz").is_some());
    running.child.kill().expect("it runs");
    wait_for("its end", || site.get("/healthz").is_none());
}
