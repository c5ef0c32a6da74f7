//! `[frigate]`: events in a Frigate's timeline, beside its own.
//!
//! Belongs here: Frigate's interface for events by hand, and which of ours is which of its.
//! Does not: trying again ([`super::worker`]), HTTP ([`super::http`]).
//!
//! Frigate begins such an event when it is told, not in the past; `pre_capture` (seconds of
//! recording before that, Frigate 0.17 and newer; older ones ignore it) makes up for what
//! has passed since the event began. Frigate makes the ids, and knows nothing of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;
use ulid::Ulid;
use ureq::http::Method;
use ureq::http::header::CONTENT_TYPE;

use super::NotifyError;
use super::http::{Address, Answer, Caller};
use super::pace::Stop;
use super::worker::{Channel, Delivery, Message};
use crate::event::{Change, StreamEvent};
use crate::settings::{Settings, StreamSettings, When};
use crate::time::UtcMs;

/// Recording before the beginning of an event.
const BEFORE_S: u64 = 5;
/// An event that began longer ago would be shown where it was not.
const LATEST_S: u64 = 600;
/// As much as Frigate keeps of a label's second part.
const SUB_LABEL: usize = 100;

/// A Frigate that has been checked.
pub(super) struct Frigate {
    name: String,
    address: Address,
    caller: Caller,
    label_prefix: String,
    when: When,
    cameras: BTreeMap<String, String>,
    /// Events that it is told of, until they have ended.
    told: BTreeSet<Ulid>,
    /// Events that go on in it.
    open: BTreeMap<Ulid, Open>,
    now: fn() -> UtcMs,
}

/// An event that goes on in Frigate.
struct Open {
    /// What Frigate calls it.
    id: String,
    since: UtcMs,
    event: Arc<StreamEvent>,
}

impl Frigate {
    /// The Frigate of the settings, if there is one.
    ///
    /// # Errors
    /// Which setting is wrong, and why.
    pub(super) fn new(settings: &Settings) -> Result<Option<Self>, NotifyError> {
        let Some(of) = &settings.frigate else {
            return Ok(None);
        };
        let wrong = |cause| NotifyError::wrong("frigate", cause);
        let address = Address::parse(of.url.get()).map_err(wrong)?;
        let caller = Caller::new(&address, of.ca.as_deref(), &of.headers, of.timeout_s.get())
            .map_err(wrong)?;
        let cameras = settings.stream.iter().map(|stream| {
            let StreamSettings {
                name,
                frigate_camera,
                ..
            } = stream.as_ref();
            (
                name.clone(),
                frigate_camera.as_ref().unwrap_or(name).clone(),
            )
        });
        Ok(Some(Self {
            name: format!("frigate ({})", address.safe),
            address,
            caller,
            label_prefix: of.label_prefix.clone(),
            when: of.when.clone(),
            cameras: cameras.collect(),
            told: BTreeSet::new(),
            open: BTreeMap::new(),
            now: UtcMs::now,
        }))
    }

    fn create(&mut self, event: &Arc<StreamEvent>, stop: &Stop) -> Delivery {
        let now = (self.now)();
        let ago = now.since(event.begin_ms).as_secs();
        if ago > LATEST_S {
            self.told.remove(&event.id);
            return Delivery::Failed(format!(
                "an event began {ago} s ago, and Frigate takes events only as they begin"
            ));
        }
        let stream: &str = &event.stream;
        let camera = self.cameras.get(stream).map_or(stream, String::as_str);
        let label = format!("{}{}", self.label_prefix, event.kind.name());
        let [in_camera, in_label] = [camera, &label].map(segment);
        let path = format!("/api/events/{in_camera}/{in_label}/create");
        let body = json!({
            "sub_label": event.what.chars().take(SUB_LABEL).collect::<String>(),
            "score": (f64::from(event.top_score.clamp(0.0, 1.0)) * 100.0).round() / 100.0,
            // Has to be there: without it Frigate ends the event after 30 s.
            "duration": null,
            "include_recording": true,
            "pre_capture": ago + BEFORE_S,
        });
        match self.call(&Method::POST, &path, &body, stop) {
            Answer::Ok(answer) => match serde_json::from_str::<Created>(&answer) {
                Ok(Created { event_id }) => {
                    let open = Open {
                        id: event_id,
                        since: now,
                        event: Arc::clone(event),
                    };
                    self.open.insert(event.id, open);
                    Delivery::Done
                }
                Err(_) => self.not_told(
                    event,
                    "it answers without an event_id; is it a Frigate?".into(),
                ),
            },
            Answer::Final(Some(404), _) => {
                let cause =
                    format!("it has no camera {camera:?}; set frigate_camera of the stream");
                self.not_told(event, cause)
            }
            Answer::Final(_, cause) => self.not_told(event, cause),
            Answer::Again { cause, after } => Delivery::Again { cause, after },
        }
    }

    fn not_told(&mut self, event: &StreamEvent, cause: String) -> Delivery {
        self.told.remove(&event.id);
        Delivery::Failed(cause)
    }

    /// Does nothing if the event does not go on there, because its beginning was given up.
    fn end(&mut self, event: &StreamEvent, stop: &Stop) -> Delivery {
        let Some(open) = self.open.get(&event.id) else {
            return Delivery::Nothing;
        };
        let now = (self.now)();
        // Only if it comes late: Frigate's clock may be another.
        let end = event
            .end_ms
            .filter(|end| now.since(*end).as_secs() >= BEFORE_S && *end > open.since);
        let body = match end {
            Some(end) => json!({ "end_time": end.0 as f64 / 1000.0 }),
            None => json!({}),
        };
        let path = format!("/api/events/{}/end", segment(&open.id));
        let young = now.since(open.since).as_secs() < 10;
        match self.call(&Method::PUT, &path, &body, stop) {
            Answer::Again { cause, after } => return Delivery::Again { cause, after },
            // Frigate writes what it is told a little later.
            Answer::Final(Some(404), cause) if young => {
                return Delivery::Again { cause, after: None };
            }
            Answer::Ok(_) => {}
            Answer::Final(_, cause) => {
                self.open.remove(&event.id);
                return Delivery::Failed(cause);
            }
        }
        self.open.remove(&event.id);
        Delivery::Done
    }

    fn call(&self, method: &Method, path: &str, body: &serde_json::Value, stop: &Stop) -> Answer {
        let headers = [(CONTENT_TYPE, "application/json".to_owned())];
        let address = self.address.join(path);
        self.caller.call(
            method,
            &address,
            &headers,
            Some(body.to_string()),
            stop.left(),
        )
    }
}

#[derive(Deserialize)]
struct Created {
    event_id: String,
}

fn segment(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~');
    utf8_percent_encode(text, KEPT).to_string()
}

impl Channel for Frigate {
    fn name(&self) -> String {
        self.name.clone()
    }

    /// An event is told once it is wanted, be it because its score has risen, and ended if
    /// it was told.
    fn wants(&mut self, change: Change, event: &StreamEvent) -> bool {
        match change {
            Change::New | Change::Update => {
                self.when.wants_event(event) && self.told.insert(event.id)
            }
            Change::End => self.told.remove(&event.id),
            Change::Clip => false,
        }
    }

    fn deliver(&mut self, message: &Message, stop: &Stop) -> Delivery {
        match message.change {
            Change::End => self.end(&message.event, stop),
            _ => self.create(&message.event, stop),
        }
    }

    /// Nobody else knows what Frigate calls these events: they would go on for ever.
    fn last(&mut self) -> Vec<Message> {
        let open = self.open.values();
        open.map(|open| Message::new(Change::End, Arc::clone(&open.event), 0))
            .collect()
    }
}
