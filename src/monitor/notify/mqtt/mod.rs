//! `[mqtt]`: all that is known of streams, at a broker; with Home Assistant's discovery.
//!
//! Belongs here: which topics there are, and what is in them. Does not: how it gets to the
//! broker ([`link`], [`outbox`]).
//!
//! | below the prefix | content | |
//! |---|---|---|
//! | `available` | `online`; `offline` at the end or if the connection is lost | retained |
//! | `<stream>/status` | JSON: state, since when, problems, label | retained |
//! | `<stream>/correspondence`, `audio/dBFS`, `lag` | a number, or `None` | retained, once a second at most |
//! | `<stream>/<kind>` | `ON` while such an event goes on, `OFF` | retained |
//! | `<stream>/<kind>/enabled` | whether such events are wanted | retained |
//! | `<stream>/<kind>/set` | `ON` or `OFF` from others | |
//! | `events` | JSON: type, before, after | in order |

mod broker;
mod discovery;
mod link;
mod listen;
mod outbox;
#[cfg(test)]
mod tests;
mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use l3net_data::sync::lock;

use l3net_data::result::StreamName;
use serde::Serialize;
use serde_json::json;
use tracing::warn;

pub(super) use self::broker::Broker;
use self::broker::available;
use self::discovery::Announcer;
use self::link::{Link, Shared};
use self::listen::{Inbound, on_off};
use self::outbox::Outbox;
use self::topics::Topics;
use super::counters::Tally;
use super::pace::{Pace, Stop};
use super::worker::TICK;
use crate::event::{Change, Kind, StreamEvent};
use crate::hub::{Hub, News, Subscription};
use crate::status::StreamStatus;

/// Between tries to connect.
pub(super) const PACE: Pace = Pace {
    first: Duration::from_secs(1),
    most: Duration::from_secs(30),
};
/// Between two values of a measured quantity, and two looks at what is switched on.
const SECOND: Duration = Duration::from_secs(1);
/// How long the end may take.
const END: Duration = Duration::from_secs(2);

/// Starts the threads of a broker: one that has something to say, and one that reads the
/// connection. The first is returned, and ends last.
pub(super) fn spawn(
    broker: Broker,
    hub: &Arc<Hub>,
    pace: Pace,
    tally: Arc<Tally>,
    stop: Arc<Stop>,
) -> std::io::Result<JoinHandle<()>> {
    let outbox = Outbox::new(format!("{}/events", broker.prefix), broker.spool);
    let shared = Shared::new(outbox, Arc::clone(&tally));
    let topics = Arc::<Mutex<Topics>>::default();
    let name = broker.name();
    let link = Link {
        name: name.clone(),
        options: broker.options,
        pace,
        shared: Arc::clone(&shared),
        listener: Inbound {
            name: name.clone(),
            prefix: broker.prefix.clone(),
            discovery: broker.discovery.clone(),
            hub: Arc::clone(hub),
            topics: Arc::clone(&topics),
            settings: broker.streams.into_iter().collect(),
        },
        quiet: false,
        deaf: false,
    };
    let mut publisher = Publisher {
        name,
        prefix: broker.prefix,
        discovery: broker.discovery,
        news: hub.subscribe(),
        hub: Arc::clone(hub),
        shared,
        topics,
        tally,
        stop,
        streams: BTreeMap::new(),
        looked: Instant::now(),
        full: false,
    };
    publisher.begin();
    let thread = Builder::new().name("mqtt".into());
    let running = thread.spawn(move || publisher.run())?;
    // Ends with the other, which it never waits for.
    Builder::new()
        .name("mqtt-link".into())
        .spawn(move || link.run())?;
    Ok(running)
}

/// Puts news into the outbox.
struct Publisher {
    name: String,
    prefix: String,
    discovery: Option<String>,
    news: Subscription,
    hub: Arc<Hub>,
    shared: Arc<Shared>,
    topics: Arc<Mutex<Topics>>,
    tally: Arc<Tally>,
    stop: Arc<Stop>,
    streams: BTreeMap<StreamName, Published>,
    /// When what is switched on was last looked at.
    looked: Instant,
    /// It has been said that the spool is full.
    full: bool,
}

/// What is said in `events`. Not `json!`, which makes 0.30000001192092896 of 0.3.
#[derive(Serialize)]
struct EventUpdate<'a> {
    #[serde(rename = "type")]
    change: Change,
    before: Option<&'a StreamEvent>,
    after: &'a StreamEvent,
}

/// What the broker has of a stream.
struct Published {
    /// Topics begin so.
    below: String,
    /// When measured quantities were last told.
    at: Option<Instant>,
    /// Newer ones, which have to wait.
    newer: Option<Arc<StreamStatus>>,
}

impl Publisher {
    fn begin(&mut self) {
        let available = available(&self.prefix);
        self.shared
            .change(|outbox| outbox.set(&available, "online"));
        if let Some(announcer) = self.announcer() {
            let (topic, bridge) = (
                announcer.topic(&announcer.bridge()),
                announcer.announce_bridge(),
            );
            self.shared.change(|outbox| outbox.set(&topic, bridge));
        }
        self.set_streams();
    }

    fn run(&mut self) {
        while self.stop.left().is_none() {
            let wait = self.time_to_next();
            self.take_news(wait);
            self.tell_waiting();
            if self.looked.elapsed() >= SECOND {
                self.looked = Instant::now();
                self.tell_switches();
            }
        }
        self.take_news(Duration::ZERO);
        let available = available(&self.prefix);
        self.shared
            .change(|outbox| outbox.set(&available, "offline"));
        let left = self.stop.left().unwrap_or_default();
        self.shared.finish(Instant::now() + left.min(END));
    }

    fn announcer(&self) -> Option<Announcer<'_>> {
        self.discovery.as_deref().map(|discovery| Announcer {
            discovery,
            prefix: &self.prefix,
        })
    }

    fn take_news(&mut self, wait: Duration) {
        let mut next = self.news.next(wait);
        while let Some(news) = next {
            match news {
                News::Streams => self.set_streams(),
                News::Status(status) => self.status(&status),
                News::Event {
                    change,
                    event,
                    before,
                } => self.event(change, &event, before.as_deref()),
            }
            next = self.news.next(Duration::ZERO);
        }
        let dropped = self.news.take_dropped();
        if dropped > 0 {
            self.dropped(dropped);
            // Some of them may have said that something begins or ends.
            for status in self.hub.streams() {
                self.tell_problems(&status);
            }
        }
    }

    fn dropped(&mut self, events: u64) {
        self.tally.dropped(events);
        if events > 0 && !std::mem::replace(&mut self.full, true) {
            warn!(
                "{}: as many events wait as may (spool); the oldest are dropped",
                self.name
            );
        }
    }

    /// Streams have come or gone.
    fn set_streams(&mut self) {
        let now = self.hub.streams();
        let gone: Vec<_> = {
            let names: BTreeSet<_> = now.iter().map(|status| &status.name).collect();
            let known = self.streams.keys();
            known
                .filter(|name| !names.contains(name))
                .cloned()
                .collect()
        };
        for name in gone {
            let Some(told) = self.streams.remove(&name) else {
                continue;
            };
            if let Some(announcer) = self.announcer() {
                let topic = announcer.topic(&announcer.device(&name));
                self.shared.change(|outbox| outbox.clear(&topic));
            }
            let below = format!("{}/", told.below);
            self.shared.change(|outbox| outbox.clear_below(&below));
        }
        let mut topics = lock(&self.topics);
        topics.add(now.iter().map(|status| &status.name));
        let parts: Vec<_> = now.iter().map(|status| topics.part(&status.name)).collect();
        drop(topics);
        for (status, part) in now.iter().zip(parts) {
            if let Some(announcer) = self.announcer() {
                let topic = announcer.topic(&announcer.device(&status.name));
                let device = announcer.announce(status, &part);
                self.shared.change(|outbox| outbox.set(&topic, device));
            }
            let below = format!("{}/{part}", self.prefix);
            let told = || Published {
                below,
                at: None,
                newer: None,
            };
            self.streams.entry(status.name.clone()).or_insert_with(told);
            self.tell_problems(status);
            self.status(status);
        }
        self.tell_switches();
    }

    /// Which events go on, as the stream's status says. Events say it sooner, and in order.
    fn tell_problems(&self, status: &StreamStatus) {
        if let Some(told) = self.streams.get(&status.name) {
            self.shared.change(|outbox| {
                for kind in Kind::ALL {
                    let on = status.problems.contains(&kind.name());
                    outbox.set(&format!("{}/{}", told.below, kind.name()), on_off(on));
                }
            });
        }
    }

    fn tell_switches(&self) {
        self.shared.change(|outbox| {
            for (name, told) in &self.streams {
                for kind in Kind::ALL {
                    let topic = format!("{}/{}/enabled", told.below, kind.name());
                    outbox.set(&topic, on_off(self.hub.is_on(name, kind)));
                }
            }
        });
    }

    fn event(&mut self, change: Change, event: &StreamEvent, before: Option<&StreamEvent>) {
        let update = EventUpdate {
            change,
            before,
            after: event,
        };
        let payload = serde_json::to_string(&update).expect("an event has no maps");
        let below = self.streams.get(&event.stream).map(|told| &told.below);
        let dropped = self.shared.change(|outbox| {
            if let Some(below) = below
                && matches!(change, Change::New | Change::End)
            {
                let topic = format!("{below}/{}", event.kind.name());
                outbox.set(&topic, on_off(change == Change::New));
            }
            outbox.event(payload)
        });
        self.dropped(dropped);
        if self.tally.read().waiting <= 1 {
            self.full = false;
        }
    }

    /// State and problems at once; what is measured once a second.
    fn status(&mut self, status: &Arc<StreamStatus>) {
        let Some(told) = self.streams.get_mut(&status.name) else {
            return;
        };
        let topic = format!("{}/status", told.below);
        let brief = json!({
            "state": status.state,
            "since_ms": status.since_ms,
            "problems": status.problems,
            "label": status.label,
        });
        self.shared
            .change(|outbox| outbox.set(&topic, brief.to_string()));
        if told.at.is_some_and(|at| at.elapsed() < SECOND) {
            told.newer = Some(Arc::clone(status));
        } else {
            told.measured(status, &self.shared);
        }
    }

    fn tell_waiting(&mut self) {
        for told in self.streams.values_mut() {
            if told.at.is_some_and(|at| at.elapsed() >= SECOND)
                && let Some(newer) = told.newer.take()
            {
                told.measured(&newer, &self.shared);
            }
        }
    }

    fn time_to_next(&self) -> Duration {
        let waiting = self.streams.values().filter(|told| told.newer.is_some());
        let left = waiting.filter_map(|told| told.at.map(|at| SECOND.saturating_sub(at.elapsed())));
        left.min().unwrap_or(TICK).min(TICK)
    }
}

impl Published {
    fn measured(&mut self, status: &StreamStatus, shared: &Shared) {
        self.at = Some(Instant::now());
        self.newer = None;
        let below = &self.below;
        shared.change(|outbox| {
            outbox.set(
                &format!("{below}/correspondence"),
                number(status.correspondence, 3),
            );
            outbox.set(&format!("{below}/audio/dBFS"), number(status.level_dbfs, 1));
            outbox.set(&format!("{below}/lag"), number(Some(status.lag_s), 1));
        });
    }
}

/// `None` is how Home Assistant is told that a value is not known.
fn number(value: Option<f32>, decimals: usize) -> String {
    match value.filter(|value| value.is_finite()) {
        Some(value) => format!("{value:.decimals$}"),
        None => "None".into(),
    }
}
