use super::server::{Request, Server, answer};
use super::*;
use crate::notify::frigate::Frigate;

const CREATED: &str =
    r#"{"success": true, "message": "Event created.", "event_id": "1700000000.5-abc"}"#;

fn frigate(server: &Server, more: &str) -> Frigate {
    let toml = format!(
        "[[stream]]\nname = \"Front door\"\nsource = \"test\"\nfrigate_camera = \"front_door\"\n\
         [frigate]\nurl = \"{}/\"\n{more}",
        server.url()
    );
    let frigate = Frigate::new(&settings(&toml)).expect("it is right");
    frigate.expect("there is one")
}

fn creates(request: &Request) -> String {
    answer(
        200,
        if request.line.starts_with("POST") {
            CREATED
        } else {
            "{}"
        },
    )
}

fn lines(server: &Server) -> Vec<String> {
    let asked = server.asked().into_iter();
    asked.map(|a| a.line.replace(" HTTP/1.1", "")).collect()
}

#[test]
fn an_event_is_created_and_ended() {
    let server = Server::start(creates);
    let hub = Hub::new();
    let quick = Quick::start(frigate(&server, ""), &hub, 10, PATIENCE);
    let mut one = event("Front door", Kind::Mute);
    one.begin_ms = UtcMs::now().minus(Duration::from_secs(10));
    let other = event("yard/ä", Kind::Loud);
    tell(&hub, Change::New, &one);
    tell(&hub, Change::Update, &one);
    tell(&hub, Change::New, &other);
    tell(&hub, Change::End, &ended(&one));
    tell(&hub, Change::Clip, &ended(&one));
    until("three arrive", || quick.counters().sent == 3);
    // The other goes on, and nobody could end it later.
    assert_eq!(quick.finish().sent, 4);
    let end = "PUT /api/events/1700000000.5-abc/end";
    let created = [
        "POST /api/events/front_door/av_mute/create",
        "POST /api/events/yard%2F%C3%A4/av_loud/create",
    ];
    assert_eq!(lines(&server), [created[0], created[1], end, end]);
    let asked = server.asked();
    let body = asked[0].json();
    assert!(
        body.as_object()
            .expect("an object")
            .contains_key("duration")
    );
    assert!(body["duration"].is_null() && body["include_recording"] == true);
    assert_eq!(
        (&body["score"], &body["sub_label"]),
        (&0.75.into(), &"No sound for 10 s".into())
    );
    assert_eq!(body["pre_capture"], 15);
    assert_eq!(asked[2].json(), serde_json::json!({}));
}

#[test]
fn what_was_not_created_is_not_ended() {
    let server = Server::start(|_| answer(404, r#"{"success": false}"#));
    let hub = Hub::new();
    let quick = Quick::start(frigate(&server, "when.min_score = 0.5"), &hub, 10, PATIENCE);
    let mut weak = event("door", Kind::Mute);
    weak.top_score = 0.4;
    let strong = event("door", Kind::Loud);
    let mut old = event("door", Kind::Black);
    old.begin_ms = UtcMs::now().minus(Duration::from_secs(3600));
    for event in [&weak, &strong, &old] {
        tell(&hub, Change::New, event);
        tell(&hub, Change::End, &ended(event));
    }
    let counters = quick.finish();
    assert_eq!((counters.sent, counters.failed), (0, 2));
    assert_eq!(lines(&server), ["POST /api/events/door/av_loud/create"]);
}

#[test]
fn a_late_end_says_when_it_was() {
    let server = Server::start(creates);
    let hub = Hub::new();
    let quick = Quick::start(frigate(&server, ""), &hub, 10, PATIENCE);
    let event = event("door", Kind::Mute);
    tell(&hub, Change::New, &event);
    until("it is created", || quick.counters().sent == 1);
    let mut end = ended(&event);
    // Before it was created: then Frigate would refuse it.
    end.end_ms = Some(UtcMs::now().minus(Duration::from_secs(7)));
    tell(&hub, Change::End, &end);
    assert_eq!(quick.finish().sent, 2);
    assert_eq!(server.asked()[1].json(), serde_json::json!({}));
}

#[test]
fn an_end_that_comes_too_soon_for_frigate_is_tried_again() {
    let mut times = 0;
    let server = Server::start(move |request| {
        times += 1;
        match times {
            2 => answer(404, "not found"),
            _ => creates(request),
        }
    });
    let hub = Hub::new();
    let quick = Quick::start(frigate(&server, ""), &hub, 10, PATIENCE);
    let event = event("door", Kind::Mute);
    tell(&hub, Change::New, &event);
    tell(&hub, Change::End, &ended(&event));
    until("it is ended", || quick.counters().sent == 2);
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn what_is_wrong_is_found_at_the_start() {
    let error = wrong("[frigate]\nurl = \"frigate:5000\"");
    assert!(error.starts_with("frigate: url"), "{error}");
}
