//! `[[webhook]]`: a server that is told of events.
//!
//! Belongs here: the request for an event, the template of its body. Does not: trying again
//! ([`super::worker`]), HTTP ([`super::http`]).

use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, context};
use serde::Serialize;
use ulid::Ulid;
use ureq::http::header::CONTENT_TYPE;
use ureq::http::{HeaderName, Method};

use super::NotifyError;
use super::http::{Address, Answer, Caller};
use super::pace::Stop;
use super::worker::{Channel, Delivery, Message};
use crate::event::{Change, ClipState, Kind, StreamEvent};
use crate::settings::{self, WebhookMethod, When};
use crate::time::UtcMs;

/// Under which the template is compiled; also in its errors.
const BODY: &str = "body";
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// An event as JSON, with what has become of it.
#[derive(Serialize)]
struct EventJson<'a> {
    change: Change,
    #[serde(flatten)]
    event: &'a StreamEvent,
}

/// The JSON that webhooks without a template and commands get.
pub(super) fn json(change: Change, event: &StreamEvent) -> String {
    serde_json::to_string(&EventJson { change, event })
        .expect("an event has no maps or foreign types")
}

/// A webhook that has been checked.
pub(super) struct Webhook {
    name: String,
    address: Address,
    caller: Caller,
    method: Method,
    template: Option<Environment<'static>>,
    when: When,
}

impl Webhook {
    /// The webhook at this place in the settings, from 1.
    ///
    /// # Errors
    /// Which setting is wrong, and why.
    pub(super) fn new(place: usize, of: &settings::Webhook) -> Result<Self, NotifyError> {
        let name = format!("webhook {place}");
        let wrong = |cause| NotifyError::wrong(&name, cause);
        let address = Address::parse(of.url.get()).map_err(wrong)?;
        let name = format!("{name} ({})", address.safe);
        let wrong = |cause| NotifyError::wrong(&name, cause);
        let caller = Caller::new(&address, of.ca.as_deref(), &of.headers, of.timeout_s.get())
            .map_err(wrong)?;
        let template = of.body.clone().map(compiled).transpose().map_err(wrong)?;
        let method = match of.method {
            WebhookMethod::Post => Method::POST,
            WebhookMethod::Put => Method::PUT,
            WebhookMethod::Patch => Method::PATCH,
            WebhookMethod::Get => Method::GET,
        };
        if method == Method::GET && template.is_some() {
            return Err(wrong(
                "body: a GET has none; set method or leave body out".into(),
            ));
        }
        Ok(Self {
            name,
            address,
            caller,
            method,
            template,
            when: of.when.clone(),
        })
    }
}

impl Channel for Webhook {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn wants(&mut self, change: Change, event: &StreamEvent) -> bool {
        self.when.wants(change, event)
    }

    fn deliver(&mut self, message: &Message, stop: &Stop) -> Delivery {
        let mut headers = vec![(IDEMPOTENCY_KEY, key(message))];
        let body = match (&self.template, &self.method) {
            (_, &Method::GET) => None,
            (None, _) => Some(json(message.change, &message.event)),
            (Some(template), _) => match render(template, message.change, &message.event) {
                Ok(body) => Some(body),
                Err(cause) => return Delivery::Failed(cause),
            },
        };
        if let Some(body) = &body
            && !self.caller.has_header(&CONTENT_TYPE)
        {
            headers.push((CONTENT_TYPE, content_type(body).into()));
        }
        let answer = self
            .caller
            .call(&self.method, &self.address, &headers, body, stop.left());
        match answer {
            Answer::Ok(_) => Delivery::Done,
            Answer::Final(_, cause) => Delivery::Failed(cause),
            Answer::Again { cause, after } => Delivery::Again { cause, after },
        }
    }
}

/// The same for all tries of a message. An event begins and ends once; of its other changes
/// there may be many, each of which counts.
fn key(message: &Message) -> String {
    let (id, change) = (message.event.id, message.change.name());
    match message.change {
        Change::New | Change::End => format!("{id}-{change}"),
        Change::Update | Change::Clip => format!("{id}-{change}-{}", message.number),
    }
}

fn content_type(body: &str) -> &'static str {
    match serde_json::from_str::<serde::de::IgnoredAny>(body) {
        Ok(_) => "application/json",
        Err(_) => "text/plain; charset=utf-8",
    }
}

/// A template that has drawn an event that begins and one that has ended.
fn compiled(text: String) -> Result<Environment<'static>, String> {
    let mut environment = Environment::new();
    // A name that does not exist is a mistake in the template, not an empty text.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment
        .add_template_owned(BODY, text)
        .map_err(|error| said(&error))?;
    for change in [Change::New, Change::End] {
        render(&environment, change, &example(change))?;
    }
    Ok(environment)
}

fn render(with: &Environment, change: Change, event: &StreamEvent) -> Result<String, String> {
    let template = with.get_template(BODY).map_err(|error| said(&error))?;
    // By way of text, so that 0.3 stays 0.3 and does not become its neighbour in 64 bits.
    let values: serde_json::Value =
        serde_json::from_str(&json(change, event)).map_err(|error| format!("body: {error}"))?;
    let context = context! {
        event => Serde(values),
        change => change.name(),
        label => event.kind.label(),
        begin => event.begin_ms.to_timestamp().to_string(),
        end => event.end_ms.map(|end| end.to_timestamp().to_string()),
    };
    template.render(context).map_err(|error| said(&error))
}

fn said(error: &minijinja::Error) -> String {
    let detail = error.detail().map(|d| format!(": {d}")).unwrap_or_default();
    let line = error
        .line()
        .map(|l| format!(", line {l}"))
        .unwrap_or_default();
    format!(
        "body: {}{detail}{line}; it can use event, change, label, begin and end",
        error.kind()
    )
}

/// An event to try things with.
pub(super) fn example(change: Change) -> StreamEvent {
    StreamEvent {
        id: Ulid::nil(),
        stream: Arc::from("door"),
        kind: Kind::Mute,
        begin_ms: UtcMs(1_700_000_000_000),
        end_ms: (change == Change::End).then_some(UtcMs(1_700_000_030_000)),
        score: 0.5,
        top_score: 0.75,
        what: "No sound for 10 s".into(),
        snapshot: true,
        clip: ClipState::Pending,
        clip_s: None,
        protected: false,
    }
}
