//! Home Assistant's discovery: one message for each device (Home Assistant 2024.11 and
//! newer).
//!
//! Belongs here: what Home Assistant reads. Does not: when it is sent.
//!
//! There is one device for this program, and one for each stream, which names the first as
//! what it is connected through. Problems can be seen whenever the program runs; what is
//! measured only while the stream delivers.

use serde_json::{Value, json};

use super::topics::id;
use crate::event::Kind;
use crate::status::StreamStatus;

/// Where the program comes from; empty while it has no home.
const URL: &str = env!("CARGO_PKG_REPOSITORY");

/// Where devices are announced, and of what they are part.
pub(super) struct Announcer<'a> {
    /// Home Assistant's prefix.
    pub(super) discovery: &'a str,
    /// Ours.
    pub(super) prefix: &'a str,
}

impl Announcer<'_> {
    /// Where a device is announced.
    pub(super) fn topic(&self, device: &str) -> String {
        format!("{}/device/{device}/config", self.discovery)
    }

    /// All topics where devices are announced, ours and others'.
    pub(super) fn all_topics(&self) -> String {
        self.topic("+")
    }

    /// The id of this program's device.
    pub(super) fn bridge(&self) -> String {
        id(self.prefix, "bridge")
    }

    /// The id of a stream's device. Another than the bridge's, whatever it is called.
    pub(super) fn device(&self, stream: &str) -> String {
        id(&format!("{}_stream", self.prefix), stream)
    }

    /// Whether an announcement is of a stream's device of ours.
    pub(super) fn is_ours(&self, announcement: &[u8]) -> bool {
        let announcement: Value = serde_json::from_slice(announcement).unwrap_or_default();
        announcement["origin"]["name"] == "l3net"
            && announcement["device"]["via_device"] == json!(self.bridge())
    }

    /// The announcement of this program.
    pub(super) fn announce_bridge(&self) -> String {
        let bridge = self.bridge();
        json!({
            "device": {
                "identifiers": [bridge],
                "name": "l3net",
                "manufacturer": "l3net",
                "model": "Audio-visual monitor",
                "sw_version": env!("CARGO_PKG_VERSION"),
            },
            "origin": origin(),
            "components": {
                format!("{bridge}_running"): {
                    "platform": "binary_sensor",
                    "unique_id": format!("{bridge}_running"),
                    "name": "Running",
                    "device_class": "running",
                    "entity_category": "diagnostic",
                    "state_topic": self.ours("available"),
                    "payload_on": "online",
                    "payload_off": "offline",
                },
            },
        })
        .to_string()
    }

    /// The announcement of a stream whose topics have this part.
    pub(super) fn announce(&self, stream: &StreamStatus, part: &str) -> String {
        let device = self.device(&stream.name);
        let mut components = serde_json::Map::new();
        let mut add = |name: &str, mut component: Value| {
            let id = format!("{device}_{name}");
            component["unique_id"] = json!(id);
            components.insert(id, component);
        };
        for kind in Kind::ALL {
            add(kind.name(), self.problem(kind, part));
            add(&format!("{}_enabled", kind.name()), self.switch(kind, part));
        }
        let status = self.ours(&format!("{part}/status"));
        add(
            "lagging",
            json!({
                "platform": "binary_sensor",
                "name": "Lagging",
                "device_class": "problem",
                "entity_category": "diagnostic",
                "state_topic": status,
                "value_template": "{{ 'ON' if 'lagging' in value_json.problems else 'OFF' }}",
            }),
        );
        add(
            "state",
            json!({
                "platform": "sensor",
                "name": "State",
                "icon": "mdi:video-check",
                "device_class": "enum",
                "options": ["connecting", "live", "reconnecting", "ended"],
                "state_topic": status,
                "value_template": "{{ value_json.state }}",
                "json_attributes_topic": status,
            }),
        );
        for (name, component) in self.measured(part) {
            add(name, component);
        }
        json!({
            "device": {
                "identifiers": [device],
                "name": stream.label,
                "manufacturer": "l3net",
                "model": "Stream",
                "via_device": self.bridge(),
            },
            "origin": origin(),
            "availability": [{ "topic": self.ours("available") }],
            "components": components,
        })
        .to_string()
    }

    fn problem(&self, kind: Kind, part: &str) -> Value {
        let class = match kind {
            Kind::Loud => "sound",
            _ => "problem",
        };
        json!({
            "platform": "binary_sensor",
            "name": kind.label(),
            "device_class": class,
            "state_topic": self.ours(&format!("{part}/{}", kind.name())),
        })
    }

    fn switch(&self, kind: Kind, part: &str) -> Value {
        let topic = self.ours(&format!("{part}/{}", kind.name()));
        json!({
            "platform": "switch",
            "name": format!("Detect {}", kind.label().to_lowercase()),
            "icon": "mdi:bell-cog",
            "entity_category": "config",
            "state_topic": format!("{topic}/enabled"),
            "command_topic": format!("{topic}/set"),
        })
    }

    /// What is measured of each moment.
    fn measured(&self, part: &str) -> [(&'static str, Value); 3] {
        let availability = json!([
            { "topic": self.ours("available") },
            {
                "topic": self.ours(&format!("{part}/status")),
                "value_template":
                    "{{ 'online' if value_json.state == 'live' else 'offline' }}",
            },
        ]);
        let sensor = |name: &str, topic: &str, icon: &str, decimals: u32| {
            json!({
                "platform": "sensor",
                "name": name,
                "icon": icon,
                "state_topic": self.ours(&format!("{part}/{topic}")),
                "state_class": "measurement",
                "suggested_display_precision": decimals,
                "availability": availability,
                "availability_mode": "all",
            })
        };
        let correspondence = sensor("Correspondence", "correspondence", "mdi:link-variant", 2);
        let mut level = sensor("Level", "audio/dBFS", "mdi:volume-high", 1);
        level["unit_of_measurement"] = json!("dBFS");
        let mut lag = sensor("Lag", "lag", "mdi:timer-sand", 1);
        lag["unit_of_measurement"] = json!("s");
        lag["device_class"] = json!("duration");
        lag["entity_category"] = json!("diagnostic");
        [
            ("correspondence", correspondence),
            ("level", level),
            ("lag", lag),
        ]
    }

    fn ours(&self, topic: &str) -> String {
        format!("{}/{topic}", self.prefix)
    }
}

fn origin() -> Value {
    let mut origin = json!({ "name": "l3net", "sw_version": env!("CARGO_PKG_VERSION") });
    // Home Assistant refuses a device with an address that is none.
    if !URL.is_empty() {
        origin["support_url"] = json!(URL);
    }
    origin
}
