//! `[mqtt]`, `[[webhook]]`, `[frigate]`, `[[command]]`: who is told.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::value::{Seconds, Text};
use crate::event::{Change, Kind, StreamEvent};

/// The broker.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mqtt {
    /// `mqtt://user:password@host:1883`, or `mqtts://` (port 8883). In a user or password
    /// here `%` is written `%25`.
    pub url: Text,
    /// The user, if the URL has none.
    #[serde(default)]
    pub user: Option<Text>,
    /// The user's password, with any characters.
    #[serde(default)]
    pub password: Option<Text>,
    /// A PEM file with certificates to believe besides this machine's, for `mqtts://`.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// The first part of all topics. Each program at a broker needs its own: topics of
    /// streams that are unknown here are cleared.
    #[serde(default = "Mqtt::prefix")]
    pub prefix: String,
    /// The name of this client at the broker, which only one may have; the prefix and the
    /// machine's name if it is not given.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Home Assistant's discovery.
    #[serde(default)]
    pub discovery: Discovery,
    /// Messages that wait while the broker is away.
    #[serde(default = "Mqtt::spool")]
    pub spool: usize,
}

impl Mqtt {
    /// A broker with the defaults.
    pub fn at(url: Text) -> Self {
        Self {
            url,
            user: None,
            password: None,
            ca: None,
            prefix: Self::prefix(),
            client_id: None,
            discovery: Discovery::default(),
            spool: Self::spool(),
        }
    }

    fn prefix() -> String {
        "l3net".into()
    }

    fn spool() -> usize {
        10_000
    }
}

/// Home Assistant's discovery.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Discovery {
    /// Whether streams are announced.
    pub enabled: bool,
    /// The first part of its topics.
    pub prefix: String,
}

impl Default for Discovery {
    fn default() -> Self {
        Self {
            enabled: true,
            prefix: "homeassistant".into(),
        }
    }
}

/// Of which events somebody is told.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// Of what becomes of them.
    pub on: Vec<Change>,
    /// Of these kinds; all if there are none.
    pub kinds: Vec<Kind>,
    /// Of these streams; all if there are none.
    pub streams: Vec<String>,
    /// From this top score on.
    pub min_score: f32,
}

impl Default for When {
    fn default() -> Self {
        Self {
            on: vec![Change::New, Change::End],
            kinds: Vec::new(),
            streams: Vec::new(),
            min_score: 0.0,
        }
    }
}

impl When {
    /// Whether this is to be told.
    pub fn wants(&self, change: Change, event: &StreamEvent) -> bool {
        self.on.contains(&change) && self.wants_event(event)
    }

    /// Whether this event is to be told, whatever becomes of it.
    pub fn wants_event(&self, event: &StreamEvent) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && (self.streams.is_empty() || self.streams.iter().any(|s| **s == *event.stream))
            && event.top_score >= self.min_score
    }
}

/// How a webhook is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum WebhookMethod {
    /// With a body.
    #[default]
    Post,
    /// With a body.
    Put,
    /// With a body.
    Patch,
    /// Without a body.
    Get,
}

/// A server that is told of events.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Its address.
    pub url: Text,
    /// How it is called.
    #[serde(default)]
    pub method: WebhookMethod,
    /// A PEM file with certificates to believe besides this machine's, for `https://`.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Headers, such as Authorization.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// A template of the body (Jinja: `{{ event.what }}`; also `change`, `label`, `begin` and
    /// `end`); the event as JSON, with `change`, if none is given.
    #[serde(default)]
    pub body: Option<String>,
    /// How long an answer may take.
    #[serde(default = "ten")]
    pub timeout_s: Seconds,
    /// How long after the event a message is tried again.
    #[serde(default = "Webhook::retry_s")]
    pub retry_s: Seconds,
    /// Messages that wait while the server is away.
    #[serde(default = "Webhook::spool")]
    pub spool: usize,
    /// Of which events it is told.
    #[serde(default)]
    pub when: When,
}

fn ten() -> Seconds {
    Seconds(10.0)
}

impl Webhook {
    fn retry_s() -> Seconds {
        Seconds(3600.0)
    }

    fn spool() -> usize {
        1_000
    }
}

/// A Frigate that gets the events.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frigate {
    /// Its address, such as `http://frigate:5000`.
    pub url: Text,
    /// A PEM file with certificates to believe besides this machine's, for `https://`.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Headers, such as Authorization.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// Before the kind's name in its labels.
    #[serde(default = "Frigate::label_prefix")]
    pub label_prefix: String,
    /// How long an answer may take.
    #[serde(default = "ten")]
    pub timeout_s: Seconds,
    /// Of which events it is told. What has begun there is also ended, so `on` means nothing.
    #[serde(default)]
    pub when: When,
}

impl Frigate {
    fn label_prefix() -> String {
        "av_".into()
    }
}

/// A command that is run for events, with the event as JSON on its standard input.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments; no shell.
    pub run: Vec<String>,
    /// How long it may run before it is killed.
    #[serde(default = "ten")]
    pub timeout_s: Seconds,
    /// Of which events it is told.
    #[serde(default)]
    pub when: When,
}
