//! What is told while all is well.

use super::*;

#[test]
fn whoever_comes_later_knows_everything() {
    let broker = Mosquitto::start();
    let hub = hub(&["door"]);
    let monitor = Monitor::start(&hub, broker.port, |_| {});
    let early = Reader::start(broker.port);
    early.until("l3net/available", "online");
    let mut now = status("door");
    now.correspondence = Some(0.912_34);
    now.level_dbfs = Some(-32.46);
    now.lag_s = 0.25;
    hub.set_status(now);
    let mute = event("door", Kind::Mute);
    tell(&hub, Change::New, &mute);
    until("it arrives", || monitor.counters().sent == 1);
    early.until("l3net/door/audio/dBFS", "-32.5");
    let late = Reader::start(broker.port);
    for (topic, payload) in [
        ("available", "online"),
        ("door/correspondence", "0.912"),
        ("door/audio/dBFS", "-32.5"),
        ("door/lag", "0.2"),
        ("door/mute", "ON"),
        ("door/frozen", "OFF"),
        ("door/mute/enabled", "ON"),
    ] {
        late.until(&format!("l3net/{topic}"), payload);
    }
    let brief = json_of(&late.newest("l3net/door/status"));
    let expected = serde_json::json!({
        "state": "live", "since_ms": 5, "problems": [], "label": "The door"
    });
    assert_eq!(brief, expected);
    assert!(late.heard().iter().all(|heard| heard.retain));
    assert!(late.all("l3net/events").is_empty());
    let told = json_of(&early.newest("l3net/events"));
    assert_eq!(
        (&told["type"], &told["before"]),
        (&"new".into(), &serde_json::Value::Null)
    );
    assert_eq!(told["after"]["id"], mute.id.to_string());
    tell(&hub, Change::End, &ended(&mute));
    late.until("l3net/door/mute", "OFF");
    // The end is told, and needs no will.
    assert_eq!(monitor.finish().sent, 2);
    late.until("l3net/available", "offline");
}

#[test]
fn what_is_measured_is_told_once_a_second_and_state_at_once() {
    let broker = Mosquitto::start();
    let hub = hub(&["door"]);
    let monitor = Monitor::start(&hub, broker.port, |_| {});
    let reader = Reader::start(broker.port);
    reader.until("l3net/door/correspondence", "None");
    let started = Instant::now();
    for n in 0..50_u8 {
        let mut now = status("door");
        now.correspondence = Some(f32::from(n) / 100.0);
        if n > 20 {
            now.problems.push("lagging");
        }
        hub.set_status(now);
        std::thread::sleep(Duration::from_millis(2));
    }
    reader.until("l3net/door/correspondence", "0.490");
    let told = reader.all("l3net/door/correspondence").len();
    let most = 2 + started.elapsed().as_secs() as usize;
    assert!(told <= most, "{told} > {most}");
    let problems = json_of(&reader.newest("l3net/door/status"))["problems"].clone();
    assert_eq!(problems, serde_json::json!(["lagging"]));
    monitor.finish();
}

#[test]
fn others_switch_what_is_detected() {
    let broker = Mosquitto::start();
    let hub = hub(&["Front/door"]);
    let reader = Reader::start(broker.port);
    // A wish of the past.
    reader.publish("l3net/Front_door/loud/set", "OFF", true);
    reader.catch_up();
    let monitor = Monitor::start(&hub, broker.port, |_| {});
    let name = "Front/door".into();
    let enabled = "l3net/Front_door/mute/enabled";
    reader.until(enabled, "ON");
    reader.publish("l3net/Front_door/mute/set", "OFF", false);
    reader.until(enabled, "OFF");
    assert!(!hub.is_on(&name, Kind::Mute) && hub.is_on(&name, Kind::Loud));
    // What is no command has no effect.
    reader.publish("l3net/Front_door/mute/set", "perhaps", false);
    reader.publish("l3net/Front_door/loudness/set", "OFF", false);
    reader.publish("l3net/nobody/loud/set", "OFF", false);
    reader.publish("l3net/Front_door/mute/set", "on", false);
    reader.until(enabled, "ON");
    assert!(hub.is_on(&name, Kind::Mute) && hub.is_on(&name, Kind::Loud));
    // The page switches too.
    hub.switch(&name, Kind::Black, false);
    reader.until("l3net/Front_door/black/enabled", "OFF");
    monitor.finish();
}

#[test]
fn topics_of_streams_that_are_gone_are_cleared() {
    let broker = Mosquitto::start();
    let reader = Reader::start(broker.port);
    // Of a former run, and of others.
    for topic in [
        "l3net/old/status",
        "l3net/old/mute/enabled",
        "l3net/door/status",
        "other/old/status",
    ] {
        reader.publish(topic, "{}", true);
    }
    reader.catch_up();
    let hub = hub(&["door", "yard"]);
    let monitor = Monitor::start(&hub, broker.port, |_| {});
    for topic in ["l3net/old/status", "l3net/old/mute/enabled"] {
        reader.until(topic, "");
    }
    reader.until("l3net/yard/mute/enabled", "ON");
    hub.set_streams(vec![status("door").into()]);
    for topic in ["status", "mute", "mute/enabled", "correspondence"] {
        reader.until(&format!("l3net/yard/{topic}"), "");
    }
    monitor.finish();
    let late = Reader::start(broker.port);
    late.catch_up();
    let topics: Vec<_> = late.heard().into_iter().map(|heard| heard.topic).collect();
    let left = |part: &str| topics.iter().any(|topic| topic.contains(part));
    assert!(
        !left("yard") && !left("l3net/old") && left("other/old"),
        "{topics:?}"
    );
}

/// Streams may be opened after this.
#[test]
fn streams_that_are_still_to_come_are_not_cleared() {
    let broker = Mosquitto::start();
    let reader = Reader::start(broker.port);
    reader.publish("l3net/later/status", "{}", true);
    reader.publish("l3net/old/status", "{}", true);
    reader.catch_up();
    // While no stream is known at all, none is taken for gone.
    let unknowing = Monitor::start(&Hub::new(), broker.port, |_| {});
    reader.until("l3net/available", "online");
    unknowing.finish();
    reader.catch_up();
    assert_eq!(reader.newest("l3net/old/status"), "{}");
    let toml = format!(
        "[mqtt]\nurl = \"mqtt://127.0.0.1:{}\"\n[[stream]]\nname = \"later\"\nsource = \"test\"",
        broker.port
    );
    let settings = crate::settings::Settings::parse(&toml).expect("it is right");
    let notifiers = crate::notify::start(&settings, &Hub::new()).expect("it starts");
    reader.until("l3net/old/status", "");
    assert_eq!(notifiers.finish(PATIENCE), []);
    reader.until("l3net/available", "offline");
    reader.catch_up();
    assert_eq!(reader.newest("l3net/later/status"), "{}");
}

#[test]
fn a_broker_is_believed_by_its_certificate() {
    let certificate = |folder: &std::path::Path| {
        let [cert, key] = certificate(folder);
        format!("allow_anonymous true\ncertfile {cert}\nkeyfile {key}")
    };
    let broker = Mosquitto::with(certificate);
    let hub = hub(&["door"]);
    let port = broker.port;
    log();
    let url = Text::new(format!("mqtts://127.0.0.1:{port}"));
    let stranger = Monitor::start(&hub, port, |mqtt| mqtt.url = url.clone());
    let place = format!(":{port})");
    until("it is not believed", || !logged(&place).is_empty());
    stranger.finish();
    let monitor = Monitor::start(&hub, port, |mqtt| {
        mqtt.url = url;
        mqtt.ca = Some(broker.folder.path().join("cert.pem"));
    });
    tell(&hub, Change::New, &event("door", Kind::Mute));
    until("it arrives", || monitor.counters().sent == 1);
    monitor.finish();
    let lines = logged(&place);
    let warnings: Vec<_> = lines.iter().filter(|line| line.contains("WARN")).collect();
    assert!(
        warnings.len() == 1 && warnings[0].contains("set ca of [mqtt]"),
        "{lines:#?}"
    );
}
