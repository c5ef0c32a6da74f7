//! Live streams that are watched: the file of streams, events, the page in a real browser.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::browser::Browser;
use crate::common::{Done, Running, ffmpeg, l3net, run, wait_for};

/// A small live source with picture and sound.
pub fn source(volume: f32) -> String {
    format!(
        "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=10/1 \
         ! video.  audiotestsrc is-live=true wave=ticks volume={volume} ! audio."
    )
}

/// A port that is free now and stays so until the program takes it: the system gives none of
/// these by itself, and each test process begins elsewhere.
fn free_port() -> u16 {
    let begin = std::process::id() % 12_000;
    let mut ports = (0..12_000).map(|i| 20_000 + ((begin + i) % 12_000) as u16);
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.find(free).expect("a free port")
}

/// Streams that are told apart by ear, in a file with the rest of its keys.
pub struct Site {
    pub dir: tempfile::TempDir,
    port: u16,
}

impl Site {
    /// A file that says this, and has a page.
    fn of(text: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let text = format!("{text}[web]\naddress = \":{port}\"\n");
        std::fs::write(dir.path().join("streams.toml"), text).expect("written");
        Self { dir, port }
    }

    pub fn new(rest: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let record = dir.path().join("record");
        let (loud, silent) = (source(0.5), source(0.0));
        let text = format!(
            "[detect]\nmute.after_s = 2\nfrozen.enabled = false\n\
             [[stream]]\nname = \"hall\"\nlabel = \"Great hall\"\nsource = \"{loud}\"\n\
             [[stream]]\nname = \"cellar/<b>\"\nsource = \"{silent}\"\nhop = 0.5\n\
             [record]\nfolder = \"{}\"\n[web]\naddress = \":{port}\"\n{rest}",
            record.display()
        );
        std::fs::write(dir.path().join("streams.toml"), text).expect("written");
        Self { dir, port }
    }

    pub fn file(&self) -> PathBuf {
        self.dir.path().join("streams.toml")
    }

    pub fn start(&self) -> Running {
        let json = self.dir.path().join("out.jsonl");
        let file = self.file();
        let args = ["live".as_ref(), "--streams".as_ref(), file.as_os_str()];
        let mut command = l3net(args);
        command.arg("--json").arg(json);
        Running::start(command)
    }

    pub fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .ok()?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
    }

    pub fn json(&self, path: &str) -> Value {
        let body = self
            .get(path)
            .and_then(|body| serde_json::from_str(&body).ok());
        body.unwrap_or(Value::Null)
    }

    pub fn events(&self) -> Vec<Value> {
        let events = self.json("/api/events")["events"].as_array().cloned();
        events.unwrap_or_default()
    }
}

pub fn finish(running: Running) -> Done {
    running.signal("TERM");
    let done = running.wait();
    done.assert_no_panic();
    assert_eq!(done.code, Some(0), "{}", done.err);
    done
}

#[test]
fn a_silent_stream_is_told_of_and_goes_on_after_a_restart() {
    let told = tempfile::NamedTempFile::new().expect("a file");
    let command = format!(
        "[[command]]\nrun = [\"sh\", \"-c\", \"cat >> {}\"]\n",
        told.path().display()
    );
    let site = Site::new(&command);
    let running = site.start();
    let is_mute = |event: &Value| event["kind"] == "mute" && event["stream"] == "cellar/<b>";
    wait_for("a mute stream", || site.events().iter().any(is_mute));
    wait_for("the command", || {
        std::fs::read_to_string(told.path()).is_ok_and(|text| text.contains("\"mute\""))
    });
    let event = site
        .events()
        .into_iter()
        .find(is_mute)
        .expect("it is there");
    assert!(event["end_ms"].is_null(), "{event}");
    assert_eq!(event["snapshot"], true);
    let id = event["id"].as_str().expect("an id").to_owned();
    assert!(
        site.get(&format!("/api/events/{id}/snapshot.jpg"))
            .is_some()
    );
    finish(running);

    // Stopping the program is not the end of what happens.
    let running = site.start();
    wait_for("the page", || site.events().iter().any(is_mute));
    let going_on: Vec<_> = site.events().into_iter().filter(is_mute).collect();
    assert_eq!(going_on.len(), 1, "{going_on:?}");
    assert_eq!(going_on[0]["id"], id.as_str());
    assert!(going_on[0]["end_ms"].is_null(), "{going_on:?}");
    finish(running);

    // The sound comes back while the program is not running.
    let text = std::fs::read_to_string(site.file()).expect("readable");
    std::fs::write(site.file(), text.replace("volume=0 ", "volume=0.5 ")).expect("written");
    let running = site.start();
    let ended = |event: &Value| is_mute(event) && !event["end_ms"].is_null();
    wait_for("its end", || site.events().iter().any(ended));
    let events = site.events();
    let mute: Vec<_> = events.iter().filter(|event| is_mute(event)).collect();
    assert_eq!(mute.len(), 1, "{events:?}");
    assert_eq!(mute[0]["id"], id.as_str());
    finish(running);
}

#[test]
fn an_event_has_a_clip_that_plays() {
    let dir = tempfile::tempdir().expect("a folder");
    let film = dir.path().join("film.mp4");
    let arguments = "-f lavfi -i testsrc2=s=320x180:r=10:d=9 \
         -f lavfi -i anullsrc=r=48000:cl=mono -shortest \
         -c:v libx264 -g 10 -pix_fmt yuv420p -c:a aac";
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    ffmpeg(&arguments, None, &film);
    let record = dir.path().join("record");
    let file = dir.path().join("streams.toml");
    let text = format!(
        "[detect]\nmute.after_s = 2\n[[stream]]\nname = \"film\"\nsource = \"{}\"\n\
         [record]\nfolder = \"{}\"\n",
        film.display(),
        record.display()
    );
    std::fs::write(&file, text).expect("written");
    let done = run([
        "live".as_ref(),
        "--streams".as_ref(),
        file.as_os_str(),
        "--json".as_ref(),
        "/dev/null".as_ref(),
    ]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let files = walkdir::WalkDir::new(&record).into_iter().flatten();
    let files: Vec<_> = files.map(walkdir::DirEntry::into_path).collect();
    let with = |ending: &str| -> Vec<_> {
        let of_kind = |path: &&PathBuf| path.extension().is_some_and(|e| e == ending);
        files.iter().filter(of_kind).collect()
    };
    let [clip] = with("mp4")[..] else {
        panic!("{files:?}\n{}", done.err);
    };
    assert_eq!(with("jpg").len(), 1, "{files:?}");
    let event: Value = std::fs::read(with("json")[0])
        .map(|bytes| serde_json::from_slice(&bytes).expect("JSON"))
        .expect("readable");
    assert_eq!(
        (&event["kind"], &event["clip"]),
        (&"mute".into(), &"ready".into())
    );
    let decoded = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-i"])
        .arg(clip)
        .args(["-f", "null", "-"])
        .output()
        .expect("ffmpeg runs");
    assert!(
        decoded.status.success(),
        "{}",
        String::from_utf8_lossy(&decoded.stderr)
    );
    let seconds = event["clip_s"].as_f64().expect("a length");
    assert!((5.0..10.0).contains(&seconds), "{seconds} of 9 s");
}

#[test]
fn the_page_shows_streams_and_recovers_from_a_restart() {
    let site = Site::new("");
    let running = site.start();
    wait_for("the page", || site.get("/").is_some());
    let mut browser = Browser::start(1280, 900);
    let root = format!("http://127.0.0.1:{}/", site.port);
    browser.open(&root);
    browser.wait_until(
        "two tiles",
        "document.querySelectorAll('.tile').length === 2",
    );
    let titles = "[...document.querySelectorAll('.tile h2')].map(h => h.textContent).join()";
    assert_eq!(browser.value(titles), "Great hall,cellar/<b>");
    let picture = "document.querySelector('.tile img')?.currentSrc ?? ''";
    browser.wait_until("a picture", &format!("({picture}).includes('latest.jpg')"));
    let first = browser
        .value(picture)
        .as_str()
        .expect("an address")
        .to_owned();
    browser.wait_until("another picture", &format!("({picture}) !== '{first}'"));
    let problems = "document.body.innerText.toLowerCase().includes('mute')";
    browser.wait_until("what is the matter", problems);

    browser.open(&format!("{root}#/stream/hall"));
    browser.wait_until("the table", "document.querySelector('details.as-table')");
    browser.value("document.querySelector('details.as-table').open = true");
    let rows = "document.querySelectorAll('details.as-table tbody tr').length";
    browser.wait_until("rows", &format!("{rows} > 0"));
    let timeline = "fetch('api/streams/hall/timeline?points=600').then(r => r.json())\
                    .then(t => t.mean.filter(v => v !== null).length)";
    let before = browser.value(timeline).as_u64().expect("a count");
    wait_for("a timeline that grows", || {
        std::thread::sleep(Duration::from_millis(200));
        browser.value(timeline).as_u64().expect("a count") > before
    });
    assert_eq!(browser.complaints, Vec::<String>::new());

    finish(running);
    browser.wait_until(
        "that it is away",
        "!document.querySelector('#banner').hidden",
    );
    let running = site.start();
    browser.wait_until(
        "that it is back",
        "document.querySelector('#banner').hidden",
    );
    let kept = browser.value(timeline).as_u64().expect("a count");
    assert!(
        kept > before,
        "{kept} seconds after the restart, {before} before it"
    );
    for url in &browser.requests {
        assert!(url.starts_with(&root) || url.starts_with("data:"), "{url}");
    }
    // Chromium itself notes the requests that found no server.
    let own = |line: &&String| !line.contains("ERR_") && !line.contains("Failed to load resource");
    let own: Vec<_> = browser.complaints.iter().filter(own).collect();
    assert_eq!(own, Vec::<&String>::new());
    drop(browser);
    finish(running);
}

#[test]
fn what_is_wrong_with_the_file_is_said_with_its_line() {
    let site = Site::new("");
    let text = std::fs::read_to_string(site.file()).expect("readable");
    let path = site.file();
    let live = |text: &str, more: &[&str]| {
        std::fs::write(&path, text).expect("written");
        let mut args = vec![
            "live".to_owned(),
            "--streams".to_owned(),
            path.display().to_string(),
        ];
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        run(args)
    };
    let cases: [(String, &[&str]); 6] = [
        (
            text.replace("hop = 0.5", "hopp = 0.5"),
            &["streams.toml:11", "hopp"],
        ),
        (
            text.replace("cellar/<b>", "hall"),
            &["streams.toml:8", "two streams", "hall"],
        ),
        (
            text.replace("hop = 0.5", "hop = 5"),
            &["streams.toml:8", "hop"],
        ),
        (
            text.clone() + "token = \"${L3NET_NO_SUCH}\"",
            &["L3NET_NO_SUCH", "environment"],
        ),
        (text.replace("\":", "\"0.0.0.0:"), &["token", "0.0.0.0"]),
        (text.clone() + "[mqtt]\nurl = \"http://x\"", &["mqtt"]),
    ];
    for (text, parts) in cases {
        let done = live(&text, &[]);
        assert_eq!(done.code, Some(2), "{}", done.err);
        for part in parts {
            assert!(done.err.contains(part), "no {part} in {}", done.err);
        }
    }
    let taken = TcpListener::bind(("127.0.0.1", site.port)).expect("free");
    let done = live(&text, &[]);
    assert!(done.err.contains("the port is taken"), "{}", done.err);
    assert_ne!(done.code, Some(0));
    drop(taken);
    let none = live("", &[]);
    assert_eq!(none.code, Some(2));
    assert!(none.err.contains("nothing to monitor"), "{}", none.err);
}

#[test]
fn check_opens_each_stream_once() {
    let site = Site::new("[[stream]]\nname = \"gone\"\nsource = \"/nowhere/film.mp4\"\n");
    let file = site.file();
    let args = [
        "live".as_ref(),
        "--check".as_ref(),
        "--streams".as_ref(),
        file.as_os_str(),
    ];
    let done = run(args);
    assert_eq!(done.code, Some(1), "{}", done.err);
    let lines: Vec<_> = done.out.lines().collect();
    assert_eq!(lines.len(), 3, "{}", done.out);
    assert_eq!(lines[0], "ok    hall: picture of 320 × 180, sound");
    assert!(lines[1].starts_with("ok    cellar/<b>: "), "{}", lines[1]);
    assert!(lines[2].starts_with("WRONG gone: "), "{}", lines[2]);
    assert!(
        !Path::new(&site.dir.path().join("record")).exists(),
        "nothing is recorded"
    );
}

#[test]
fn messages_are_json_where_a_machine_reads_them() {
    let done = run([
        "live",
        "/nowhere/film.mp4",
        "--log-format",
        "json",
        "--json",
        "/dev/null",
    ]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(!done.err.trim().is_empty());
    for line in done.err.lines() {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert!(
            value["timestamp"].is_string() && value["message"].is_string(),
            "{line}"
        );
    }
}

/// The picture's timestamps run slow by 2 %, or not at all.
fn drifting(rate: f64) -> String {
    format!(
        "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=25/1 \
         ! videorate rate={rate} ! video/x-raw,framerate=25/1 \
         ! video.  audiotestsrc is-live=true wave=ticks samplesperbuffer=960 ! audio."
    )
}

#[test]
fn a_stream_whose_sound_and_picture_come_apart_is_told_of() {
    let detect = "[detect]\nfrozen.enabled = false\n\
                  out_of_sync = { after_s = 3, clear_s = 3 }\n";
    let stream = |name: &str, rate| {
        format!(
            "[[stream]]\nname = \"{name}\"\nsource = \"{}\"\n",
            drifting(rate)
        )
    };
    let streams = [stream("apart", 1.02), stream("together", 1.0)].concat();
    let site = Site::of(&format!("{detect}{streams}"));
    let running = site.start();
    let told = || {
        let events = site.events().into_iter();
        events
            .filter(|event| event["kind"] == "out_of_sync")
            .collect::<Vec<_>>()
    };
    wait_for("streams that come apart", || !told().is_empty());
    let drift_of = |name: &str| {
        let streams = site.json("/api/streams");
        let streams = streams["streams"].as_array().cloned().unwrap_or_default();
        let stream = streams.into_iter().find(|stream| stream["name"] == name);
        stream.unwrap_or_default()["av_drift_ms"].as_f64()
    };
    // Pictures that are early by their timestamps: the sound is late.
    assert!(drift_of("apart").is_some_and(|ms| ms < -60.0));
    wait_for("the other stream", || drift_of("together").is_some());
    assert!(drift_of("together").is_some_and(|ms| ms.abs() < 40.0));
    let metrics = site.get("/metrics").expect("metrics");
    assert!(
        metrics.contains("l3net_av_drift_seconds{stream=\"apart\"} -0."),
        "{metrics}"
    );
    let told = told();
    assert!(
        told.iter().all(|event| event["stream"] == "apart"),
        "{told:?}"
    );
    finish(running);
}
