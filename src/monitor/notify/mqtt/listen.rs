//! What the broker tells us: switches, Home Assistant's start, what former runs left.
//!
//! Belongs here: what a message that comes in means. Does not: what is published
//! ([`super`]).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use l3net_data::sync::lock;

use rumqttc::Publish;
use tracing::{info, warn};

use super::broker::available;
use super::discovery::Announcer;
use super::link::{Listener, Shared};
use super::topics::Topics;
use crate::event::Kind;
use crate::hub::Hub;

/// Understands what the broker says.
pub(super) struct Inbound {
    pub(super) name: String,
    pub(super) prefix: String,
    pub(super) discovery: Option<String>,
    pub(super) hub: Arc<Hub>,
    pub(super) topics: Arc<Mutex<Topics>>,
    /// Streams of the settings.
    pub(super) settings: BTreeSet<String>,
}

impl Listener for Inbound {
    fn topics(&self) -> Vec<String> {
        let mut topics = vec![
            format!("{}/+/+/set", self.prefix),
            available(&self.prefix),
            self.statuses(),
        ];
        if let Some(announcer) = self.announcer() {
            topics.push(format!("{}/status", announcer.discovery));
            topics.push(announcer.all_topics());
        }
        topics
    }

    fn on_message(&mut self, message: &Publish, shared: &Shared) -> Vec<String> {
        let topic = &*message.topic;
        if topic == available(&self.prefix) {
            // The will of a connection that the broker has only now found to be lost. At our
            // end it is ourselves who say so.
            shared.change(|outbox| {
                if &message.payload[..] == b"offline" && outbox.value(topic) == Some("online") {
                    outbox.again(topic);
                }
            });
            return Vec::new();
        }
        if let Some(announcer) = self.announcer() {
            if topic == format!("{}/status", announcer.discovery) {
                // Home Assistant has started, and perhaps forgotten us.
                if &message.payload[..] == b"online" && !message.retain {
                    shared.change(|outbox| outbox.all_again());
                }
                return Vec::new();
            }
            let below = format!("{}/device/", announcer.discovery);
            if let Some(device) = topic.strip_prefix(&below) {
                let device = device.strip_suffix("/config").unwrap_or(device);
                return self.on_announcement(device, message, &announcer, shared);
            }
        }
        match topic
            .strip_prefix(&*self.prefix)
            .and_then(|t| t.strip_prefix('/'))
        {
            Some(ours) => self.on_own_topic(ours, message, shared),
            None => Vec::new(),
        }
    }
}

impl Inbound {
    fn announcer(&self) -> Option<Announcer<'_>> {
        self.discovery.as_deref().map(|discovery| Announcer {
            discovery,
            prefix: &self.prefix,
        })
    }

    fn statuses(&self) -> String {
        format!("{}/+/status", self.prefix)
    }

    fn on_own_topic(&self, topic: &str, message: &Publish, shared: &Shared) -> Vec<String> {
        let parts: Vec<&str> = topic.split('/').collect();
        match parts[..] {
            [part, kind, "set"] => self.switch(part, kind, message, shared),
            // What is retained comes before all else: now it has all been here.
            [_, "status"] if !message.retain => return vec![self.statuses()],
            [part, "status"] if !self.is_known(part) && !message.payload.is_empty() => {
                info!(
                    "{}: clears the topics of {part}, which is no more",
                    self.name
                );
                let below = format!("{}/{part}", self.prefix);
                shared.change(|outbox| stream_topics(&below).iter().for_each(|t| outbox.clear(t)));
            }
            _ => {}
        }
        Vec::new()
    }

    fn switch(&self, part: &str, kind: &str, message: &Publish, shared: &Shared) {
        let topics = lock(&self.topics);
        let stream = topics.stream(part).cloned();
        drop(topics);
        let (Some(stream), Some(kind)) = (stream, Kind::from_name(kind)) else {
            return;
        };
        if message.retain {
            // A wish of the past, which would undo later ones at each connection.
            warn!(
                "{}: {} is retained, and ignored; clear it",
                self.name, message.topic
            );
            return;
        }
        let on = match message.payload.to_ascii_uppercase().as_slice() {
            b"ON" => true,
            b"OFF" => false,
            _ => {
                warn!("{}: {} is neither ON nor OFF", self.name, message.topic);
                return;
            }
        };
        self.hub.switch(&stream, kind, on);
        let topic = format!("{}/{part}/{}/enabled", self.prefix, kind.name());
        shared.change(|outbox| {
            outbox.set(&topic, on_off(on));
            // Also if it was so already: whoever asked waits for an answer.
            outbox.again(&topic);
        });
    }

    /// A device was announced: one of a former run's streams is taken back.
    fn on_announcement(
        &self,
        device: &str,
        message: &Publish,
        announcer: &Announcer,
        shared: &Shared,
    ) -> Vec<String> {
        if !message.retain {
            return vec![announcer.all_topics()];
        }
        let known = self.known();
        let gone = announcer.is_ours(&message.payload)
            && !known.is_empty()
            && known.iter().all(|name| announcer.device(name) != device);
        if gone {
            shared.change(|outbox| outbox.clear(&message.topic));
        }
        Vec::new()
    }

    /// Streams that there are or may be. None while nobody has said so: then nothing is
    /// taken for gone.
    fn known(&self) -> BTreeSet<String> {
        let running = self.hub.streams().into_iter().map(|s| s.name.to_string());
        running.chain(self.settings.iter().cloned()).collect()
    }

    fn is_known(&self, part: &str) -> bool {
        let known = self.known();
        let mut topics = lock(&self.topics);
        let names: Vec<_> = known.iter().map(|name| name.as_str().into()).collect();
        topics.add(names.iter());
        known.is_empty() || topics.stream(part).is_some()
    }
}

/// All retained topics of a stream.
pub(super) fn stream_topics(below: &str) -> Vec<String> {
    let single = ["status", "correspondence", "audio/dBFS", "lag"];
    let mut topics: Vec<_> = single.iter().map(|t| format!("{below}/{t}")).collect();
    for kind in Kind::ALL {
        topics.push(format!("{below}/{}", kind.name()));
        topics.push(format!("{below}/{}/enabled", kind.name()));
    }
    topics
}

pub(super) fn on_off(on: bool) -> &'static str {
    match on {
        true => "ON",
        false => "OFF",
    }
}
