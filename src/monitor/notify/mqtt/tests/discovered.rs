//! Home Assistant's side: what it needs to make devices of what is announced.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

fn config(reader: &Reader, device: &str) -> Value {
    json_of(&reader.newest(&format!("homeassistant/device/{device}/config")))
}

/// What Home Assistant refuses a device without.
fn assert_is_complete(config: &Value) {
    let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    assert!(
        config["device"]["identifiers"]
            .as_array()
            .is_some_and(|ids| ids.len() == 1)
    );
    for value in [
        &config["device"]["name"],
        &config["origin"]["name"],
        &config["origin"]["sw_version"],
    ] {
        assert!(text(value), "{config}");
    }
    let url = config["origin"].get("support_url");
    assert!(url.is_none_or(|url| url.as_str().is_some_and(|url| url.starts_with("https://"))));
    let components = config["components"].as_object().expect("there are some");
    assert!(!components.is_empty());
    let mut unique = BTreeSet::new();
    for component in components.values() {
        for key in ["platform", "name", "unique_id", "state_topic"] {
            assert!(text(&component[key]), "{key} of {component}");
        }
        assert!(
            unique.insert(component["unique_id"].to_string()),
            "{component}"
        );
        if component["platform"] == "switch" {
            assert!(text(&component["command_topic"]), "{component}");
        }
        if component["device_class"] == "enum" {
            assert!(component["options"].is_array() && component.get("state_class").is_none());
        }
    }
}

#[test]
fn streams_are_devices_with_all_that_is_known_of_them() {
    let broker = Mosquitto::start();
    let hub = hub(&["door", "Tür/1"]);
    let monitor = Monitor::start(&hub, broker.port, |_| {});
    let reader = Reader::start(broker.port);
    let bridge = config(&reader, "l3net_bridge");
    assert_is_complete(&bridge);
    let door = config(&reader, "l3net_stream_door");
    assert_is_complete(&door);
    assert_eq!(door["device"]["name"], "The door");
    assert_eq!(
        door["device"]["via_device"],
        bridge["device"]["identifiers"][0]
    );
    assert_eq!(
        door["availability"],
        json!([{ "topic": "l3net/available" }])
    );
    let component = |name: &str| &door["components"][format!("l3net_stream_door_{name}")];
    for kind in Kind::ALL {
        let (name, topic) = (kind.name(), format!("l3net/door/{}", kind.name()));
        assert_eq!(component(name)["platform"], "binary_sensor");
        assert_eq!(component(name)["state_topic"], topic);
        let switch = component(&format!("{name}_enabled"));
        assert_eq!(switch["state_topic"], format!("{topic}/enabled"));
        assert_eq!(switch["command_topic"], format!("{topic}/set"));
    }
    assert_eq!(
        component("correspondence")["state_topic"],
        "l3net/door/correspondence"
    );
    assert_eq!(component("level")["state_topic"], "l3net/door/audio/dBFS");
    assert_eq!(component("lag")["state_topic"], "l3net/door/lag");
    // Every topic that is announced is there.
    let components = door["components"].as_object().expect("there are some");
    for component in components.values() {
        reader.newest(component["state_topic"].as_str().expect("a topic"));
    }
    // Whatever a stream is called, its id is one.
    let heard = reader.heard();
    let ids = heard.iter().filter_map(|heard| {
        let below = heard.topic.strip_prefix("homeassistant/device/");
        below.and_then(|rest| rest.strip_suffix("/config"))
    });
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let ids: BTreeSet<_> = ids.collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| id.chars().all(plain)), "{ids:?}");
    monitor.finish();
}

#[test]
fn home_assistants_start_is_answered_with_everything() {
    let broker = Mosquitto::start();
    let hub = hub(&["door"]);
    let monitor = Monitor::start(&hub, broker.port, |mqtt| {
        mqtt.discovery.prefix = "ha".into()
    });
    let reader = Reader::start(broker.port);
    let topics = [
        "ha/device/l3net_stream_door/config",
        "ha/device/l3net_bridge/config",
        "l3net/door/mute",
    ];
    topics.iter().for_each(|topic| drop(reader.newest(topic)));
    let before = topics.map(|topic| reader.all(topic).len());
    reader.publish("ha/status", "online", false);
    for (topic, before) in topics.iter().zip(before) {
        until(topic, || reader.all(topic).len() > before);
    }
    monitor.finish();
}

#[test]
fn devices_of_streams_that_are_gone_are_taken_back() {
    let broker = Mosquitto::start();
    let reader = Reader::start(broker.port);
    let topic = |device: &str| format!("homeassistant/device/{device}/config");
    let of = |via: &str, origin: &str| {
        json!({ "device": { "via_device": via }, "origin": { "name": origin } }).to_string()
    };
    // Of a former run; of another program of ours, and of another's.
    reader.publish(
        &topic("l3net_stream_old"),
        &of("l3net_bridge", "l3net"),
        true,
    );
    reader.publish(
        &topic("cellar_stream_old"),
        &of("cellar_bridge", "l3net"),
        true,
    );
    reader.publish(
        &topic("l3net_stream_plug"),
        &of("l3net_bridge", "plugs"),
        true,
    );
    reader.publish(&topic("odd"), "not JSON", true);
    // Others' devices may be large, and must not end our connection.
    reader.publish(&topic("large"), &"x".repeat(200_000), true);
    reader.catch_up();
    let hub = hub(&["door", "yard"]);
    let monitor = Monitor::start(&hub, broker.port, |_| {});
    reader.until(&topic("l3net_stream_old"), "");
    config(&reader, "l3net_stream_yard");
    hub.set_streams(vec![status("door").into()]);
    reader.until(&topic("l3net_stream_yard"), "");
    monitor.finish();
    let late = Reader::start(broker.port);
    for device in [
        "l3net_stream_door",
        "cellar_stream_old",
        "l3net_stream_plug",
        "odd",
    ] {
        late.newest(&topic(device));
    }
    late.catch_up();
    assert!(late.all(&topic("l3net_stream_yard")).is_empty());
}

#[test]
fn nothing_is_announced_if_nobody_wants_it() {
    let broker = Mosquitto::start();
    let hub = hub(&["door"]);
    let reader = Reader::start(broker.port);
    let monitor = Monitor::start(&hub, broker.port, |mqtt| mqtt.discovery.enabled = false);
    reader.until("l3net/door/mute/enabled", "ON");
    monitor.finish();
    reader.until("l3net/available", "offline");
    assert!(
        reader
            .heard()
            .iter()
            .all(|heard| heard.topic.starts_with("l3net/"))
    );
}
