//! Connections that are lost, refused, or never made.

use std::sync::atomic::Ordering::Relaxed;

use super::*;

/// Numbers of the events that came, by their scores.
fn numbers(reader: &Reader) -> Vec<u32> {
    let payloads = reader.all("l3net/events").into_iter();
    let score = |payload: String| json_of(&payload)["after"]["score"].as_f64();
    payloads
        .map(|payload| score(payload).expect("a number") as u32)
        .collect()
}

fn tell_numbers(hub: &Hub, numbers: std::ops::Range<u32>) {
    for n in numbers {
        let mut event = event("door", Kind::Mute);
        event.score = n as f32;
        tell(hub, Change::New, &event);
    }
}

#[test]
fn a_lost_connection_is_told_by_the_broker_and_mended() {
    let broker = Mosquitto::start();
    let wire = Wire::to(broker.port);
    let hub = hub(&["door"]);
    let monitor = Monitor::start(&hub, wire.port, |_| {});
    let reader = Reader::start(broker.port);
    reader.until("l3net/available", "online");
    wire.set_open(false);
    wire.cut();
    reader.until("l3net/available", "offline");
    wire.set_open(true);
    reader.until("l3net/available", "online");
    monitor.finish();
}

/// As of a broker that finds late that an earlier connection is lost.
#[test]
fn nobody_else_can_say_that_we_are_away() {
    let broker = Mosquitto::start();
    let hub = hub(&["door"]);
    let monitor = Monitor::start(&hub, broker.port, |_| {});
    let reader = Reader::start(broker.port);
    reader.until("l3net/available", "online");
    reader.publish("l3net/available", "offline", true);
    until("it is put right", || {
        reader
            .all("l3net/available")
            .ends_with(&["offline".into(), "online".into()])
    });
    monitor.finish();
    reader.until("l3net/available", "offline");
}

#[test]
fn events_survive_a_broker_that_is_away_in_order() {
    let mut broker = Mosquitto::start();
    let hub = hub(&["door"]);
    let monitor = Monitor::start(&hub, broker.port, |_| {});
    let reader = Reader::start(broker.port);
    tell_numbers(&hub, 0..50);
    until("they arrive", || monitor.counters().sent == 50);
    broker.down();
    tell_numbers(&hub, 50..650);
    until("they wait", || monitor.counters().waiting == 600);
    assert!(broker.up());
    until("all are sent", || monitor.counters().sent == 650);
    assert_in_order(&reader, 650);
    assert_eq!(
        monitor.finish(),
        Counters {
            sent: 650,
            ..Counters::default()
        }
    );
}

/// All that twelve cameras tell in an hour, at once: a state each second, and each five minutes an
/// event that is told ten times. Nothing is lost, and of states only the newest is sent.
#[test]
fn a_broker_that_is_away_for_an_hour_of_news_gets_every_event_and_the_newest_states() {
    let mut broker = Mosquitto::start();
    let names: Vec<String> = (0..12).map(|n| format!("cam{n}")).collect();
    let hub = hub(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let monitor = Monitor::start(&hub, broker.port, |_| {});
    let reader = Reader::start(broker.port);
    reader.until("l3net/available", "online");
    broker.down();
    let mut told = 0;
    for second in 0..3_600_u32 {
        for name in &names {
            let mut status = status(name);
            status.correspondence = Some(second as f32 / 3_600.0);
            hub.set_status(status);
        }
        if second % 30 == 0 {
            tell_numbers(&hub, told..told + 12);
            told += 12;
        }
    }
    until("they wait", || {
        monitor.counters().waiting == u64::from(told)
    });
    assert!(broker.up());
    until("all are sent", || {
        monitor.counters().sent == u64::from(told)
    });
    assert_in_order(&reader, told);
    for name in &names {
        let topic = format!("l3net/{name}/correspondence");
        reader.until(&topic, "1.000");
        let sent = reader.all(&topic).len();
        assert!(sent < 20, "{sent} of 3,600 states");
    }
    assert_eq!(monitor.finish().dropped, 0);
}

/// A broker that has forgotten what it had gets it again.
#[test]
fn a_broker_without_memory_is_told_all_values_again() {
    let mut broker = Mosquitto::start();
    let hub = hub(&["door"]);
    let monitor = Monitor::start(&hub, broker.port, |_| {});
    Reader::start(broker.port).until("l3net/door/mute/enabled", "ON");
    broker.down();
    std::fs::remove_file(broker.folder.path().join("mosquitto.db")).expect("it has one");
    hub.switch(&"door".into(), Kind::Loud, false);
    assert!(broker.up());
    let late = Reader::start(broker.port);
    for (topic, payload) in [
        ("available", "online"),
        ("door/mute/enabled", "ON"),
        ("door/loud/enabled", "OFF"),
    ] {
        late.until(&format!("l3net/{topic}"), payload);
    }
    monitor.finish();
}

#[test]
fn events_survive_restarts_of_the_broker_in_their_midst() {
    let mut broker = Mosquitto::start();
    let hub = hub(&["door"]);
    let monitor = Monitor::start(&hub, broker.port, |_| {});
    let reader = Reader::start(broker.port);
    for round in 0..3 {
        tell_numbers(&hub, round * 400..(round + 1) * 400);
        until("some arrive", || {
            monitor.counters().sent > u64::from(round) * 400 + 20
        });
        broker.down();
        assert!(broker.up());
    }
    until("all are sent", || monitor.counters().sent == 1200);
    assert_in_order(&reader, 1200);
    monitor.finish();
}

#[test]
fn events_survive_cut_connections_in_order() {
    let broker = Mosquitto::start();
    let wire = Wire::to(broker.port);
    let hub = hub(&["door"]);
    let monitor = Monitor::start(&hub, wire.port, |_| {});
    let reader = Reader::start(broker.port);
    for round in 0..20 {
        tell_numbers(&hub, round * 100..(round + 1) * 100);
        let some = u64::from(round) * 100 + 30;
        until("some arrive", || monitor.counters().sent >= some);
        wire.cut();
    }
    until("all are sent", || monitor.counters().sent == 2000);
    assert!(wire.made.load(Relaxed) > 5);
    assert_in_order(&reader, 2000);
    monitor.finish();
}

/// All came; some perhaps twice, but then with all that followed them.
fn assert_in_order(reader: &Reader, count: u32) {
    until("the last arrives", || {
        numbers(reader).last() == Some(&(count - 1))
    });
    let mut newest = None;
    let mut before: Option<u32> = None;
    for n in numbers(reader) {
        let next = before.map_or(0, |before| before + 1);
        assert!(n <= next, "{next} is missing before {n}");
        assert!(n == next || newest >= Some(n), "{n} is out of order");
        newest = newest.max(Some(n));
        before = Some(n);
    }
    assert_eq!(newest, Some(count - 1));
}

#[test]
fn the_oldest_events_make_room_for_the_newest() {
    let mut broker = Mosquitto::start();
    let hub = hub(&["door"]);
    let reader = Reader::start(broker.port);
    broker.down();
    log();
    let monitor = Monitor::start(&hub, broker.port, |mqtt| mqtt.spool = 5);
    tell_numbers(&hub, 0..20);
    until("they are dropped", || monitor.counters().dropped == 15);
    assert_eq!(monitor.counters().waiting, 5);
    assert!(broker.up());
    until("the others arrive", || numbers(&reader).len() >= 5);
    assert_eq!(numbers(&reader), [15, 16, 17, 18, 19]);
    monitor.finish();
    let dropped = logged(&format!(":{})", broker.port));
    let dropped = dropped
        .iter()
        .filter(|line| line.contains("dropped"))
        .count();
    assert_eq!(dropped, 1);
}

#[test]
fn a_refused_password_is_told_once_and_never_shown() {
    let broker = Mosquitto::with(|folder| {
        let file = folder.join("passwords");
        std::fs::write(&file, "me:right-one\n").expect("it can be written");
        let hashed = std::process::Command::new("mosquitto_passwd")
            .arg("-U")
            .arg(&file)
            .status();
        assert!(hashed.expect("it comes with mosquitto").success());
        format!("allow_anonymous false\npassword_file {}", file.display())
    });
    let wire = Wire::to(broker.port);
    let hub = hub(&["door"]);
    log();
    let monitor = Monitor::start(&hub, wire.port, |mqtt| {
        mqtt.url = Text::new(format!("mqtt://me:wrong-one@127.0.0.1:{}", wire.port));
    });
    until("it is tried again", || wire.made.load(Relaxed) > 5);
    let started = Instant::now();
    monitor.finish();
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "nobody is waited for"
    );
    let right = Monitor::start(&hub, wire.port, |mqtt| {
        mqtt.user = Some(Text::new("me"));
        mqtt.password = Some(Text::new("right-one"));
    });
    tell(&hub, Change::New, &event("door", Kind::Mute));
    until("it arrives", || right.counters().sent == 1);
    right.finish();
    let lines = logged(&format!(":{})", wire.port));
    let warnings: Vec<_> = lines.iter().filter(|line| line.contains("WARN")).collect();
    assert!(
        warnings.len() == 1 && warnings[0].contains("refuses our user or password"),
        "{lines:#?}"
    );
    assert!(logged("wrong-one").is_empty() && logged("right-one").is_empty());
}

#[test]
fn a_broker_that_does_not_exist_is_told_once_and_holds_nobody_up() {
    let hub = hub(&["door"]);
    log();
    let monitor = Monitor::start(&hub, 1, |mqtt| {
        mqtt.url = Text::new("mqtt://me:hidden@no-such-host.invalid");
    });
    tell_numbers(&hub, 0..3);
    until("it is told", || !logged("no-such-host.invalid").is_empty());
    until("they wait", || monitor.counters().waiting == 3);
    let counters = monitor.finish();
    assert_eq!(counters.waiting, 3);
    let lines = logged("no-such-host.invalid");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(!lines[0].contains("hidden"), "{lines:#?}");
}

#[test]
fn nobody_listening_is_told_with_the_next_step() {
    log();
    let monitor = Monitor::start(&hub(&[]), 1, |_| {});
    until("it is told", || !logged(":1)").is_empty());
    assert!(logged(":1)")[0].contains("start it or check url"));
    monitor.finish();
}
