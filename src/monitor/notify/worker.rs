//! One thread for each webhook, Frigate and command: takes events from the hub and delivers
//! them one after another.
//!
//! Belongs here: the queue and its bound, order, trying again, ending. Does not: how a
//! message is delivered (`Channel`), nor MQTT, which has many messages under way at a time.
//!
//! A message that cannot be delivered holds up those behind it, so that they arrive in
//! order; it is given up when it is older than its `retry_s`. What finds no room is the
//! oldest, and is counted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::counters::Tally;
use super::pace::{Pace, Stop, Warned};
use crate::event::{Change, StreamEvent};
use crate::hub::{Hub, News, Subscription};

/// How soon a thread that waits for news sees that it is to end.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// An event that somebody is to be told of.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// What has become of it.
    pub(super) change: Change,
    /// The event then.
    pub(super) event: Arc<StreamEvent>,
    /// Counts the messages of a channel: tells two updates of an event apart.
    pub(super) number: u64,
    queued: Instant,
}

impl Message {
    pub(super) fn new(change: Change, event: Arc<StreamEvent>, number: u64) -> Self {
        Self {
            change,
            event,
            number,
            queued: Instant::now(),
        }
    }
}

/// How a delivery went.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Delivery {
    /// The message has arrived.
    Done,
    /// There is nothing to tell any more.
    Nothing,
    /// It will never arrive.
    Failed(String),
    /// It may arrive later, `after` at the earliest.
    Again {
        cause: String,
        after: Option<Duration>,
    },
}

/// Somebody outside who is told of events.
pub(super) trait Channel: Send {
    /// For people, without secrets: `webhook 1 (https://example.org)`.
    fn name(&self) -> String;

    /// Whether this is to be told.
    fn wants(&mut self, change: Change, event: &StreamEvent) -> bool;

    /// Tells it, and waits for the answer, no longer than `stop` leaves time for.
    fn deliver(&mut self, message: &Message, stop: &Stop) -> Delivery;

    /// What is told at the end, once all else has been.
    fn last(&mut self) -> Vec<Message> {
        Vec::new()
    }
}

/// The bounds of a channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Messages that may wait.
    pub(super) spool: usize,
    /// How long after its making a message is tried again.
    pub(super) retry: Duration,
    /// How soon it is tried again.
    pub(super) pace: Pace,
}

/// Starts the thread of a channel.
pub(super) fn spawn(
    channel: Box<dyn Channel>,
    hub: &Hub,
    limits: Limits,
    tally: Arc<Tally>,
    stop: Arc<Stop>,
) -> std::io::Result<JoinHandle<()>> {
    let name = channel.name();
    let mut worker = Worker {
        name,
        channel,
        news: hub.subscribe(),
        limits,
        tally,
        stop,
        spool: VecDeque::new(),
        number: 0,
        failures: 0,
        not_before: None,
        warned: Warned::default(),
        given_up: Warned::default(),
        full: false,
    };
    let thread = std::thread::Builder::new().name("notify".into());
    thread.spawn(move || worker.run())
}

struct Worker {
    name: String,
    channel: Box<dyn Channel>,
    news: Subscription,
    limits: Limits,
    tally: Arc<Tally>,
    stop: Arc<Stop>,
    spool: VecDeque<Message>,
    number: u64,
    /// In a row.
    failures: u32,
    /// The other side is not to be called before.
    not_before: Option<Instant>,
    warned: Warned,
    given_up: Warned,
    /// It has been said that the spool is full.
    full: bool,
}

impl Worker {
    fn run(&mut self) {
        while self.stop.left().is_none() {
            self.take_news(self.time_to_next());
            if self.time_to_next().is_zero() {
                self.deliver();
            }
        }
        // Each message once more. Whoever does not answer now will not in the time left.
        self.take_news(Duration::ZERO);
        self.deliver_all();
        self.spool.extend(self.channel.last());
        self.deliver_all();
        self.tally.waiting(self.spool.len());
    }

    fn deliver_all(&mut self) {
        while !self.spool.is_empty() && self.stop.left().is_some_and(|left| !left.is_zero()) {
            if !self.deliver() {
                break;
            }
        }
    }

    /// How long until there is something to do, as far as is known.
    fn time_to_next(&self) -> Duration {
        match (self.spool.is_empty(), self.not_before) {
            (true, _) => TICK,
            (false, None) => Duration::ZERO,
            (false, Some(at)) => at.saturating_duration_since(Instant::now()).min(TICK),
        }
    }

    fn take_news(&mut self, wait: Duration) {
        let mut next = self.news.next(wait);
        while let Some(news) = next {
            if let News::Event { change, event, .. } = news
                && self.channel.wants(change, &event)
            {
                self.number += 1;
                self.put(Message::new(change, event, self.number));
            }
            next = self.news.next(Duration::ZERO);
        }
        self.tally.dropped(self.news.take_dropped());
        self.tally.waiting(self.spool.len());
    }

    fn put(&mut self, message: Message) {
        if self.spool.len() >= self.limits.spool.max(1) {
            self.spool.pop_front();
            self.tally.dropped(1);
            if !std::mem::replace(&mut self.full, true) {
                warn!(
                    "{}: {} messages wait, which is all that may; the oldest are dropped",
                    self.name,
                    self.spool.len() + 1
                );
            }
        }
        self.spool.push_back(message);
    }

    /// Tries the oldest message. Whether it is off the queue.
    fn deliver(&mut self) -> bool {
        let Some(message) = self.spool.front() else {
            return true;
        };
        let delivery = self.channel.deliver(message, &self.stop);
        let queued = message.queued;
        match delivery {
            Delivery::Nothing => {}
            Delivery::Done => {
                self.tally.sent();
                self.failures = 0;
                self.full = false;
                self.given_up.clear();
                if self.warned.clear() {
                    info!("{}: works again", self.name);
                }
            }
            Delivery::Failed(cause) => {
                self.tally.failed();
                self.failures = 0;
                if self.warned.is_new(&cause) {
                    warn!("{}: {cause}", self.name);
                }
            }
            Delivery::Again { cause, after } => {
                self.failures = self.failures.saturating_add(1);
                let delay = self.limits.pace.delay(self.failures);
                let delay = delay.max(after.unwrap_or_default());
                let now = Instant::now();
                self.not_before = now.checked_add(delay);
                let until = queued + self.limits.retry;
                if self.not_before.is_some_and(|at| at <= until) {
                    if self.warned.is_new(&cause) {
                        warn!("{}: {cause}; it is tried again", self.name);
                    }
                    return false;
                }
                self.tally.failed();
                if self.given_up.is_new(&cause) {
                    warn!("{}: {cause}; an event was given up", self.name);
                }
                self.spool.pop_front();
                self.tally.waiting(self.spool.len());
                return true;
            }
        }
        self.not_before = None;
        self.spool.pop_front();
        self.tally.waiting(self.spool.len());
        true
    }
}
