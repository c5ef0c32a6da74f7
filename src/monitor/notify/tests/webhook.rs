use super::server::{Server, answer, answer_with};
use super::*;
use crate::notify::webhook::Webhook;
use crate::notify::worker::{Delivery, Message};

fn webhook(server: &Server, more: &str) -> Webhook {
    let toml = format!("[[webhook]]\nurl = \"{}/hook\"\n{more}", server.url());
    Webhook::new(1, &settings(&toml).webhook[0]).expect("it is right")
}

fn deliver(webhook: &mut Webhook) -> Delivery {
    let event = Arc::new(event("door", Kind::Mute));
    webhook.deliver(&Message::new(Change::New, event, 1), &Stop::default())
}

#[test]
fn the_event_is_sent_with_headers_and_a_key() {
    let server = Server::start(|_| answer(204, ""));
    let hub = Hub::new();
    let more =
        "headers = { Authorization = \"Bearer abcdef\" }\nwhen.on = [\"new\", \"update\", \"end\"]";
    let quick = Quick::start(webhook(&server, more), &hub, 10, PATIENCE);
    let event = event("door", Kind::Mute);
    for change in [
        Change::New,
        Change::Update,
        Change::Update,
        Change::Clip,
        Change::End,
    ] {
        tell(&hub, change, &event);
    }
    assert_eq!(quick.finish().sent, 4);
    let asked = server.asked();
    let first = &asked[0];
    assert_eq!(first.line, "POST /hook HTTP/1.1");
    assert_eq!(first.header("authorization"), Some("Bearer abcdef"));
    assert_eq!(first.header("content-type"), Some("application/json"));
    let body = first.json();
    assert_eq!(
        (&body["change"], &body["kind"]),
        (&"new".into(), &"mute".into())
    );
    assert_eq!(body["id"], event.id.to_string());
    let keys: Vec<_> = asked.iter().map(|a| a.header("idempotency-key")).collect();
    let expected = ["new", "update-2", "update-3", "end"].map(|c| format!("{}-{c}", event.id));
    assert_eq!(keys, expected.each_ref().map(|key| Some(key.as_str())));
}

#[test]
fn a_template_makes_the_body() {
    let server = Server::start(|_| answer(200, "ok"));
    let more = "method = \"PUT\"\nbody = '''{\"text\": {{ (event.stream ~ \": \" ~ event.what) | tojson }}, \
        \"label\": \"{{ label }}\", \"score\": {{ event.score }}}'''";
    let mut hook = webhook(&server, more);
    assert_eq!(deliver(&mut hook), Delivery::Done);
    let more = "body = \"{{ label }} {{ change }}{% if end %} till {{ end }}{% endif %}\"";
    assert_eq!(deliver(&mut webhook(&server, more)), Delivery::Done);
    let asked = server.asked();
    assert!(asked[0].line.starts_with("PUT"));
    let expected = serde_json::json!({
        "text": "door: No sound for 10 s", "label": "Mute", "score": 0.5
    });
    assert_eq!(asked[0].json(), expected);
    assert_eq!(asked[1].body, "Mute new");
    let text = asked[1].header("content-type");
    assert_eq!(text, Some("text/plain; charset=utf-8"));
}

#[test]
fn what_fails_for_now_is_tried_again_in_order() {
    let mut left = vec![answer(429, ""), answer(503, "busy"), answer(408, "")];
    let server = Server::start(move |_| left.pop().unwrap_or_else(|| answer(200, "")));
    let hub = Hub::new();
    let quick = Quick::start(webhook(&server, ""), &hub, 10, PATIENCE);
    let events: Vec<_> = (0..3).map(|_| event("door", Kind::Mute)).collect();
    events
        .iter()
        .for_each(|event| tell(&hub, Change::New, event));
    until("all arrive", || quick.counters().sent == 3);
    let asked = server.asked();
    let keys = asked.iter().map(|a| a.header("idempotency-key"));
    let ids = [0, 0, 0, 0, 1, 2].map(|n: usize| format!("{}-new", events[n].id));
    assert!(keys.eq(ids.iter().map(|id| Some(id.as_str()))), "{asked:?}");
    assert_eq!(
        quick.finish(),
        Counters {
            sent: 3,
            ..Counters::default()
        }
    );
}

#[test]
fn a_server_is_left_alone_for_as_long_as_it_asks() {
    let mut left = vec![answer_with(503, "Retry-After: 1\r\n", "")];
    let server = Server::start(move |_| left.pop().unwrap_or_else(|| answer(200, "")));
    let hub = Hub::new();
    let quick = Quick::start(webhook(&server, ""), &hub, 10, PATIENCE);
    tell(&hub, Change::New, &event("door", Kind::Mute));
    until("it arrives", || quick.counters().sent == 1);
    let asked = server.asked();
    let pause = asked[1].at - asked[0].at;
    assert!(pause >= Duration::from_millis(990), "{pause:?}");
}

#[test]
fn what_is_refused_is_not_tried_again() {
    let server = Server::start(|request| match request.body.contains("frozen") {
        true => answer(422, "<html>"),
        false => answer(200, ""),
    });
    let hub = Hub::new();
    let quick = Quick::start(webhook(&server, ""), &hub, 10, PATIENCE);
    for kind in [Kind::Frozen, Kind::Mute] {
        tell(&hub, Change::New, &event("door", kind));
    }
    let counters = quick.finish();
    assert_eq!((counters.sent, counters.failed), (1, 1));
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn a_message_is_given_up_when_it_is_too_old() {
    let server = Server::start(|_| answer(500, ""));
    let hub = Hub::new();
    let quick = Quick::start(webhook(&server, ""), &hub, 10, Duration::from_millis(30));
    tell(&hub, Change::New, &event("door", Kind::Mute));
    until("it is given up", || quick.counters().failed == 1);
    assert!(!server.asked().is_empty());
    assert_eq!(quick.finish().waiting, 0);
}

#[test]
fn the_oldest_messages_make_room() {
    let open = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_open = Arc::clone(&open);
    let server = Server::start(move |_| match is_open.load(Relaxed) {
        true => answer(200, ""),
        false => answer(503, ""),
    });
    let hub = Hub::new();
    let quick = Quick::start(webhook(&server, ""), &hub, 3, PATIENCE);
    let events: Vec<_> = (0..8).map(|_| event("door", Kind::Mute)).collect();
    events
        .iter()
        .for_each(|event| tell(&hub, Change::New, event));
    until("five are dropped", || quick.counters().dropped == 5);
    assert_eq!(quick.counters().waiting, 3);
    open.store(true, Relaxed);
    until("three arrive", || quick.counters().sent == 3);
    let asked = server.asked();
    let arrived = asked
        .iter()
        .rev()
        .take(3)
        .rev()
        .map(|a| a.json()["id"].clone());
    assert!(
        arrived.eq(events[5..].iter().map(|e| e.id.to_string())),
        "{asked:?}"
    );
}

#[test]
fn a_server_that_does_not_answer_is_not_waited_for_longer_than_asked() {
    let server = Server::start(|_| String::new());
    let mut hook = webhook(&server, "timeout_s = 0.05");
    let Delivery::Again { cause, .. } = deliver(&mut hook) else {
        panic!("it may answer later")
    };
    assert_eq!(cause, "no answer within 0.1 s");
}

#[test]
fn no_message_has_a_secret() {
    // Bad servers say what they were sent.
    let server = Server::start(|request| {
        let said = format!("no {} {:?}", request.line, request.headers);
        answer(400, &said)
    });
    // Nobody listens there.
    let gone = "http://127.0.0.1:1";
    let with_login =
        |url: &str| url.replace("//", "//user:geheim@") + "/hook/T0psecret99?key=T0psecret";
    let mut causes = Vec::new();
    for url in [
        with_login(&server.url()),
        with_login(gone),
        "http://user:geheim@no-such-host.invalid/T0psecret".into(),
    ] {
        let toml = format!(
            "[[webhook]]\nurl = \"{url}\"\nheaders = {{ X-Key = \"T0psecret42\" }}\ntimeout_s = 5"
        );
        let mut hook = Webhook::new(1, &settings(&toml).webhook[0]).expect("it is right");
        causes.push(format!("{} {:?}", hook.name(), deliver(&mut hook)));
    }
    assert!(
        causes[0].contains("400") && causes[1].contains("refused"),
        "{causes:#?}"
    );
    for cause in &causes {
        for secret in ["geheim", "T0psecret", "Z2Vo", "user"] {
            assert!(!cause.contains(secret), "{cause}");
        }
    }
    let asked = server.asked();
    let login = asked[0].header("authorization");
    assert_eq!(login, Some("Basic dXNlcjpnZWhlaW0="));
}

#[test]
fn an_encrypted_server_is_believed_by_its_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let [cert, key] = certificate(folder.path());
    // Port 0: it says which one it got.
    let mut server = std::process::Command::new("openssl")
        .args([
            "s_server",
            "-www",
            "-accept",
            "127.0.0.1:0",
            "-cert",
            &cert,
            "-key",
            &key,
        ])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("openssl can be run; install it with `apt-get install openssl`");
    let out = std::io::BufReader::new(server.stdout.take().expect("it is piped"));
    let mut lines = std::io::BufRead::lines(out).map_while(Result::ok);
    let line = lines.find(|line| line.starts_with("ACCEPT "));
    let place = line
        .expect("it says where it listens")
        .replace("ACCEPT ", "");
    let hook = |more: &str| {
        let toml = format!("[[webhook]]\nurl = \"https://{place}\"\nmethod = \"GET\"\n{more}");
        Webhook::new(1, &settings(&toml).webhook[0]).expect("it is right")
    };
    let known = deliver(&mut hook(&format!("ca = \"{cert}\"")));
    let unknown = deliver(&mut hook(""));
    server.kill().expect("it is ours");
    server.wait().expect("it is ours");
    assert_eq!(known, Delivery::Done);
    let Delivery::Again { cause, .. } = unknown else {
        panic!("{unknown:?}")
    };
    assert!(cause.contains("set ca"), "{cause}");
}

#[test]
fn a_redirect_is_not_followed() {
    let server = Server::start(|_| answer_with(302, "Location: /elsewhere\r\n", ""));
    let Delivery::Failed(cause) = deliver(&mut webhook(&server, "")) else {
        panic!("it is final")
    };
    assert!(cause.contains("set url"), "{cause}");
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn what_is_wrong_is_found_at_the_start() {
    let hook = |more: &str| {
        format!("[[webhook]]\nurl = \"https://u:geheim@example.org/T0psecret\"\n{more}")
    };
    for (toml, parts) in [
        (
            "[[webhook]]\nurl = \"example.org/T0psecret\"".into(),
            ["webhook 1", "url"],
        ),
        (hook("body = \"{{ event.what\""), ["example.org", "body"]),
        (
            hook("body = \"{{ evnt.what }}\""),
            ["undefined", "event, change"],
        ),
        (hook("body = \"{{ event.wat }}\""), ["undefined", "line 1"]),
        (
            hook("body = \"{{ event.what | tojsn }}\""),
            ["tojsn", "body"],
        ),
        (hook("method = \"GET\"\nbody = \"x\""), ["GET", "body"]),
        (
            hook("headers = { \"a b\" = \"T0psecret\" }"),
            ["headers", "a b"],
        ),
        (
            hook("headers = { a = \"T0psecret\\n\" }"),
            ["headers", "characters"],
        ),
        (hook("timeout_s = 0"), ["timeout_s", "0"]),
    ] {
        let error = wrong(&toml);
        for part in parts {
            assert!(error.contains(part), "{error}: no {part}");
        }
        assert!(
            !error.contains("geheim") && !error.contains("T0p"),
            "{error}"
        );
    }
}
