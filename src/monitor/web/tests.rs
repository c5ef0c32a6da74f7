use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::event::{Change, ClipState, Kind, StreamEvent};
use crate::hub::News;
use crate::status::{StreamState, StreamStatus};
use crate::store::{EventFiles, Minute, Pictures, Store};
use crate::testing::{event, judged};
use crate::time::UtcMs;

/// A page with one stream, a minute of timeline, a picture and events.
struct Page {
    web: Web,
    hub: Arc<Hub>,
    events: Vec<StreamEvent>,
    _store: Store,
    _folder: tempfile::TempDir,
}

/// A name that is hard on paths.
const NAME: &str = "gate/ä \"1\" <b>";
const ENCODED: &str = "gate%2F%C3%A4%20%221%22%20%3Cb%3E";
const CLIP: &[u8] = b"0123456789";

fn page(access: &Access) -> Page {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = Store::open(Some(folder.path())).expect("writable");
    let mut status = StreamStatus::new(NAME.into(), "Gate".into(), UtcMs(0));
    status.state = StreamState::Live;
    let hub = Hub::new();
    hub.set_streams(vec![Arc::new(status)]);
    let gallery = Arc::new(Gallery::default());
    let mut moment = judged(0, 1280, 720);
    moment.verdict.stream = NAME.into();
    gallery.put(Arc::new(moment));
    let events: Vec<_> = [
        ClipState::Ready,
        ClipState::Pending,
        ClipState::None,
        ClipState::Deleted,
    ]
    .into_iter()
    .map(|clip| StreamEvent {
        clip,
        snapshot: clip == ClipState::Ready,
        ..event(NAME, 1_000, Some(2_000))
    })
    .collect();
    std::fs::write(folder.path().join("clip.mp4"), CLIP).expect("written");
    std::fs::write(folder.path().join("snap.jpg"), "jpeg").expect("written");
    store
        .at_once(|writer| {
            let mut minute = Minute::new(0);
            minute.second_mut(UtcMs(1_000)).add(0.5, -30.0);
            writer.minute(&NAME.into(), &minute)?;
            for event in &events {
                let there = |name: &str| (event.clip == ClipState::Ready).then(|| name.into());
                let files = EventFiles {
                    clip: there("clip.mp4"),
                    snapshot: there("snap.jpg"),
                };
                writer.event(event, &files)?;
            }
            // As if somebody had changed the index by hand.
            let outside = EventFiles {
                clip: Some("../../etc/passwd".into()),
                snapshot: Some("/etc/passwd".into()),
            };
            let mut stray = event("other", 0, Some(1));
            (stray.clip, stray.snapshot) = (ClipState::Ready, true);
            writer.event(&stray, &outside)
        })
        .expect("writable");
    let mut pictures = Pictures::open(store.path(), 1_000_000).expect("writable");
    pictures
        .put(&[(NAME.to_owned(), UtcMs(2_000), b"picture".to_vec())])
        .expect("writable");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let served = Served {
        hub: Arc::clone(&hub),
        gallery,
        timeline: store.path().to_owned(),
        folder: Some(folder.path().to_owned()),
        version: "1.2.3",
        metrics: Box::new(|| "l3net_build_info 1\n".into()),
    };
    Page {
        web: Web::serve(listener, access, served).expect("served"),
        hub,
        events,
        _store: store,
        _folder: folder,
    }
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Page {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.web.address()).expect("it listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a timeout");
        stream
    }

    fn ask(&self, request: &str, headers: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect();
        let length = body.len();
        let host = if headers.contains("Host:") {
            ""
        } else {
            "Host: 127.0.0.1\r\n"
        };
        let head = format!(
            "{request} HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        // A refused body is answered before it is read.
        let _ = stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body));
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("a head");
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .expect("a status");
        Answer {
            status,
            body: bytes[end + 4..].to_vec(),
            head,
        }
    }

    fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), "", &[])
    }

    /// The data lines of server-sent events, one for each call.
    fn lines(&self) -> impl FnMut() -> (String, Value) + use<> {
        let mut stream = self.connect();
        let request = "GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("sent");
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stream));
        move || {
            let mut kind = String::new();
            loop {
                let line = lines.next().expect("open").expect("in time");
                if let Some(name) = line.strip_prefix("event: ") {
                    kind = name.to_owned();
                } else if let Some(data) = line.strip_prefix("data: ") {
                    return (kind, serde_json::from_str(data).expect("JSON"));
                }
            }
        }
    }
}

#[test]
fn the_page_and_all_that_it_loads_come_from_here() {
    let page = page(&Access::default());
    let index = page.get("/");
    assert_eq!(index.status, 200);
    assert!(
        index
            .head
            .contains("content-security-policy: default-src 'self'")
    );
    let text = index.text();
    let files = text
        .split('"')
        .filter_map(|part| part.strip_prefix("assets/"));
    let files: Vec<_> = files.collect();
    assert!(files.len() >= 2, "{text}");
    for file in files {
        let answer = page.get(&format!("/assets/{file}"));
        assert_eq!(answer.status, 200, "{file}");
        assert!(!answer.head.contains("octet-stream"), "{file}");
    }
    for path in [
        "/assets/none.js",
        "/assets/..%2FCargo.toml",
        "/assets/../mod.rs",
        "/x/y/z",
    ] {
        assert_eq!(page.get(path).status, 404, "{path}");
    }
}

#[test]
fn every_path_of_the_description_is_served_and_answers_as_it_says() {
    let page = page(&Access::default());
    let description = page.get("/api/openapi.json").json();
    let id = page.events[0].id.to_string();
    let paths = description["paths"].as_object().expect("paths");
    assert!(paths.len() >= 20);
    for (path, methods) in paths {
        let mut url = path
            .replace("{name}", ENCODED)
            .replace("{id}", &id)
            .replace("{file}", "app.js");
        if path.ends_with("frame.jpg") {
            url += "?at_ms=2000";
        }
        if path == "/api/live" {
            let (kind, _) = page.lines()();
            assert_eq!(kind, "streams");
            continue;
        }
        let answer = match methods.get("put") {
            Some(_) => {
                let kind = "Content-Type: application/json\r\n";
                page.ask(&format!("PUT {url}"), kind, br#"{"protected":true}"#)
            }
            None => page.get(&url),
        };
        assert_eq!(answer.status, 200, "{url}: {}", answer.text());
        let method = methods.get("put").or(methods.get("get")).expect("a method");
        let content = method["responses"]["200"]["content"].as_object();
        let is_told = |kind: &String| answer.head.contains(&kind.to_lowercase());
        assert!(
            content.is_some_and(|all| all.keys().any(is_told)),
            "{url}: {}",
            answer.head
        );
        let schema = &method["responses"]["200"]["content"]["application/json"]["schema"]["$ref"];
        if let Some(name) = schema.as_str().and_then(|path| path.rsplit('/').next()) {
            fits(&answer.json(), name, &description, &url);
        }
    }
}

/// An object has exactly the properties of its schema, and so have those within it.
fn fits(value: &Value, schema: &str, description: &Value, url: &str) {
    let properties = &description["components"]["schemas"][schema]["properties"];
    let properties = properties.as_object().expect("an object");
    let keys: Vec<_> = value.as_object().expect("an object").keys().collect();
    let expected: Vec<_> = properties.keys().collect();
    let sorted = |mut keys: Vec<&String>| {
        keys.sort();
        keys.into_iter().cloned().collect::<Vec<_>>()
    };
    assert_eq!(sorted(keys), sorted(expected), "{url}: {schema}");
    for (key, property) in properties {
        let within = property["items"]["$ref"].as_str();
        for one in within
            .and_then(|_| value[key].as_array())
            .into_iter()
            .flatten()
        {
            let name = within
                .and_then(|path| path.rsplit('/').next())
                .expect("a name");
            fits(one, name, description, url);
        }
    }
}

#[test]
fn bad_questions_get_clear_answers() {
    let page = page(&Access::default());
    let id = |i: usize| page.events[i].id;
    let cases = [
        ("/api/streams/nobody".to_owned(), 404, "there is no stream"),
        (
            format!("/api/streams/{ENCODED}/timeline?from_ms=2&to_ms=1"),
            400,
            "before to_ms",
        ),
        (
            format!("/api/streams/{ENCODED}/timeline?points=3"),
            400,
            "points",
        ),
        (
            format!("/api/streams/{ENCODED}/timeline?from_ms=x"),
            400,
            "from_ms",
        ),
        (
            format!("/api/streams/{ENCODED}/frame.jpg?at_ms=99000"),
            404,
            "no picture of that second",
        ),
        (format!("/api/streams/{ENCODED}/frame.jpg"), 400, "at_ms"),
        (
            format!("/api/streams/{ENCODED}/latest.jpg?width=100000"),
            400,
            "1920",
        ),
        ("/api/events?kind=strange".into(), 400, "mismatch, mute"),
        ("/api/events?limit=0".into(), 400, "limit"),
        ("/api/events?before=x".into(), 400, "before"),
        ("/api/events/x".into(), 404, "no such event"),
        (
            "/api/events/..%2F..%2Fetc%2Fpasswd/clip.mp4".into(),
            404,
            "no such event",
        ),
        (
            format!("/api/events/{}/clip.mp4", id(1)),
            404,
            "still being written",
        ),
        (
            format!("/api/events/{}/clip.mp4", id(2)),
            404,
            "there is no clip",
        ),
        (
            format!("/api/events/{}/clip.mp4", id(3)),
            404,
            "was deleted",
        ),
        (
            format!("/api/events/{}/snapshot.jpg", id(2)),
            404,
            "no snapshot",
        ),
    ];
    for (path, status, part) in cases {
        let answer = page.get(&path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        let said = answer.text();
        assert!(said.contains(part), "{path}: {said}");
    }
    let big = page.ask(
        &format!("PUT /api/events/{}/protected", id(0)),
        "Content-Type: application/json\r\n",
        &[b' '; 100_000],
    );
    assert_eq!(big.status, 413);
    let long = page.get(&format!("/{}", "x".repeat(1_000_000)));
    assert!(long.status >= 400, "{}", long.status);
    let other = page.get("/api/events?stream=other").json();
    let stray = other["events"][0]["id"].as_str().expect("an id").to_owned();
    for file in ["clip.mp4", "snapshot.jpg"] {
        let answer = page.get(&format!("/api/events/{stray}/{file}"));
        assert_eq!(answer.status, 404, "nothing outside the folder is served");
    }
}

#[test]
fn clips_are_served_in_parts_and_events_are_protected() {
    let page = page(&Access::default());
    let id = page.events[0].id;
    let path = format!("/api/events/{id}/clip.mp4");
    let whole = page.get(&path);
    assert_eq!((whole.status, &*whole.body), (200, CLIP));
    assert!(whole.head.contains("content-type: video/mp4"));
    let part = page.ask(&format!("GET {path}"), "Range: bytes=2-4\r\n", &[]);
    assert_eq!((part.status, &*part.body), (206, &CLIP[2..5]));
    let beyond = page.ask(&format!("GET {path}"), "Range: bytes=50-\r\n", &[]);
    assert_eq!(beyond.status, 416);
    let request = format!("PUT /api/events/{id}/protected");
    let json = "Content-Type: application/json\r\n";
    let protected = page.ask(&request, json, br#"{"protected":true}"#);
    assert_eq!(protected.json()["protected"], true);
    assert_eq!(
        page.get(&format!("/api/events/{id}")).json()["protected"],
        true
    );
    let wrong = page.ask(&request, json, b"{}");
    assert!((400..500).contains(&wrong.status), "{}", wrong.status);
    let foreign = format!("{json}Origin: http://evil.example\r\n");
    let foreign = page.ask(&request, &foreign, br#"{"protected":false}"#);
    assert_eq!(foreign.status, 403);
}

#[test]
fn other_machines_need_a_token() {
    let listener = || TcpListener::bind("0.0.0.0:0").expect("a port");
    let served = || Served {
        hub: Hub::new(),
        gallery: Arc::default(),
        timeline: PathBuf::new(),
        folder: None,
        version: "1",
        metrics: Box::new(String::new),
    };
    let open = Web::serve(listener(), &Access::default(), served());
    assert!(
        open.expect_err("anybody could look")
            .to_string()
            .contains("token")
    );
    let short = Access {
        token: Some(Text::new("1234")),
        behind_proxy: false,
    };
    assert!(Web::serve(listener(), &short, served()).is_err());
    let proxied = Access {
        token: None,
        behind_proxy: true,
    };
    assert!(Web::serve(listener(), &proxied, served()).is_ok());
}

#[test]
fn a_token_is_asked_for_once() {
    let token = "s3cret & long";
    let page = page(&Access {
        token: Some(Text::new(token)),
        behind_proxy: false,
    });
    assert_eq!(page.get("/healthz").status, 200);
    let refused = page.get("/api/streams");
    assert_eq!(refused.status, 401);
    assert!(
        refused.json()["error"]
            .as_str()
            .expect("a text")
            .contains("Bearer")
    );
    let form = page.get("/");
    assert_eq!(form.status, 401);
    assert!(form.text().contains("<form"));
    let with = |header: &str| {
        page.ask("GET /api/streams", &format!("{header}\r\n"), &[])
            .status
    };
    assert_eq!(with(&format!("Authorization: Bearer {token}")), 200);
    assert_eq!(with("Authorization: Bearer s3cret"), 401);
    assert_eq!(page.get("/?token=wrong").status, 401);
    let opened = page.get("/?token=s3cret+%26+long");
    assert_eq!(opened.status, 303);
    assert!(opened.head.contains("location: /\r\n"), "{}", opened.head);
    let cookie = opened.head.split("set-cookie: ").nth(1).expect("a cookie");
    assert!(cookie.contains("httponly") && cookie.contains("samesite=strict"));
    assert_eq!(with("Cookie: a=b; l3net_token=s3cret%20%26%20long"), 200);
    assert_eq!(with("Cookie: l3net_token=wrong"), 401);
}

#[test]
fn a_page_elsewhere_cannot_reach_this_machine_by_a_name_of_its_own() {
    let page = page(&Access::default());
    let status = |host: &str| {
        page.ask("GET /api/streams", &format!("Host: {host}\r\n"), &[])
            .status
    };
    for host in ["localhost:8080", "127.0.0.1", "[::1]:80"] {
        assert_eq!(status(host), 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example:80", "192.168.0.7"] {
        assert_eq!(status(host), 403, "{host}");
    }
}

#[test]
fn news_arrive_and_a_browser_that_never_reads_costs_nothing() {
    let page = page(&Access::default());
    let mut deaf = page.connect();
    deaf.write_all(b"GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .expect("sent");
    let mut next = page.lines();
    assert_eq!(next().0, "streams");
    // Who speaks never waits: else this would not come to an end.
    let what = "x".repeat(1_000);
    for _ in 0..5_000 {
        let event = StreamEvent {
            what: what.clone(),
            ..page.events[0].clone()
        };
        page.hub.tell(&News::Event {
            change: Change::Update,
            event: Arc::new(event),
            before: None,
        });
    }
    let mut status = (*page.hub.stream(NAME).expect("there")).clone();
    status.lag_s = 7.0;
    page.hub.set_status(status);
    loop {
        let (kind, data) = next();
        if kind == "event" {
            assert_eq!(data["event"]["kind"], Kind::Mute.name());
            continue;
        }
        // A reader that was too slow gets all streams instead.
        let lag = if kind == "stream" {
            &data
        } else {
            &data["streams"][0]
        };
        if lag["lag_s"] == 7.0 {
            break;
        }
    }
}

#[test]
fn readiness_waits_for_streams_and_the_page_ends_at_once() {
    let page = page(&Access::default());
    assert_eq!(page.get("/readyz").status, 200);
    let waiting = StreamStatus::new("late".into(), "late".into(), UtcMs(0));
    page.hub.set_streams(vec![Arc::new(waiting)]);
    let answer = page.get("/readyz");
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("late"));
    let _reading = page.lines();
    // Returns although a browser listens.
    drop(page.web);
}
