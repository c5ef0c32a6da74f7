//! News to everybody who wants them.
//!
//! Belongs here: subscriptions and their bounds, the present state of all streams, and which
//! kinds of events are switched on. Does not: who makes news ([`crate::monitor`]).
//!
//! A subscriber never blocks the publisher. A slow one gets only the newest status of each
//! stream; events wait in order up to a bound, beyond which the oldest are dropped
//! and counted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use l3net_data::result::StreamName;
use l3net_data::sync::lock;

use crate::event::{Change, Kind, StreamEvent};
use crate::status::StreamStatus;

/// Events that wait for a subscriber.
const QUEUE: usize = 10_000;

/// Something to tell.
#[derive(Clone, Debug)]
pub enum News {
    /// Streams have come or gone: [`Hub::streams`] has all.
    Streams,
    /// A stream's status, after each moment and change of state.
    Status(Arc<StreamStatus>),
    /// An event has begun, changed or ended.
    Event {
        /// What has become of it.
        change: Change,
        /// The event now.
        event: Arc<StreamEvent>,
        /// The event as it was last told; `None` of a new one.
        before: Option<Arc<StreamEvent>>,
    },
}

/// Passes news on, and remembers the present.
#[derive(Debug, Default)]
pub struct Hub {
    subscribers: Mutex<Vec<Weak<Inbox>>>,
    /// In the order in which the streams were given.
    streams: Mutex<Vec<Arc<StreamStatus>>>,
    switched_off: Mutex<BTreeSet<(StreamName, Kind)>>,
    model: Mutex<String>,
}

impl Hub {
    /// A hub without streams.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The present state of all streams.
    pub fn streams(&self) -> Vec<Arc<StreamStatus>> {
        lock(&self.streams).clone()
    }

    /// The present state of a stream.
    pub fn stream(&self, name: &str) -> Option<Arc<StreamStatus>> {
        let streams = lock(&self.streams);
        streams.iter().find(|s| &*s.name == name).cloned()
    }

    /// The name of the model that judges.
    pub fn model(&self) -> String {
        lock(&self.model).clone()
    }

    /// Sets which model judges.
    pub fn set_model(&self, name: &str) {
        name.clone_into(&mut lock(&self.model));
    }

    /// Sets which streams there are.
    pub fn set_streams(&self, streams: Vec<Arc<StreamStatus>>) {
        *lock(&self.streams) = streams;
        self.tell(&News::Streams);
    }

    /// Sets a stream's status, and tells it.
    pub fn set_status(&self, status: StreamStatus) {
        let status = Arc::new(status);
        {
            let mut streams = lock(&self.streams);
            let Some(known) = streams.iter_mut().find(|s| s.name == status.name) else {
                return;
            };
            *known = Arc::clone(&status);
        }
        self.tell(&News::Status(status));
    }

    /// Tells all subscribers. Never waits.
    pub fn tell(&self, news: &News) {
        lock(&self.subscribers).retain(|inbox| match inbox.upgrade() {
            Some(inbox) => {
                inbox.put(news);
                true
            }
            None => false,
        });
    }

    /// All news from now on.
    pub fn subscribe(&self) -> Subscription {
        let inbox = Arc::default();
        lock(&self.subscribers).push(Arc::downgrade(&inbox));
        Subscription { inbox }
    }

    /// Whether events of this kind are wanted of this stream.
    pub fn is_on(&self, stream: &StreamName, kind: Kind) -> bool {
        !lock(&self.switched_off).contains(&(stream.clone(), kind))
    }

    /// Switches a kind of events on or off for a stream.
    pub fn switch(&self, stream: &StreamName, kind: Kind, on: bool) {
        let mut off = lock(&self.switched_off);
        match on {
            true => off.remove(&(stream.clone(), kind)),
            false => off.insert((stream.clone(), kind)),
        };
    }
}

#[derive(Debug, Default)]
struct Inbox {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    streams_changed: bool,
    statuses: BTreeMap<StreamName, Arc<StreamStatus>>,
    events: VecDeque<News>,
    dropped: u64,
}

impl Inbox {
    fn put(&self, news: &News) {
        let mut waiting = lock(&self.waiting);
        match news {
            News::Streams => waiting.streams_changed = true,
            News::Status(status) => {
                let _ = waiting
                    .statuses
                    .insert(status.name.clone(), Arc::clone(status));
            }
            News::Event { .. } => {
                if waiting.events.len() == QUEUE {
                    waiting.events.pop_front();
                    waiting.dropped += 1;
                }
                waiting.events.push_back(news.clone());
            }
        }
        self.arrived.notify_one();
    }
}

/// What a subscriber has not read yet.
#[derive(Debug)]
pub struct Subscription {
    inbox: Arc<Inbox>,
}

impl Subscription {
    /// The next news, within `timeout`; `None` if there are none. Streams first, then
    /// events, then statuses.
    pub fn next(&self, timeout: Duration) -> Option<News> {
        let until = Instant::now() + timeout;
        let mut waiting = lock(&self.inbox.waiting);
        loop {
            if std::mem::take(&mut waiting.streams_changed) {
                return Some(News::Streams);
            }
            if let Some(event) = waiting.events.pop_front() {
                return Some(event);
            }
            if let Some((_, status)) = waiting.statuses.pop_first() {
                return Some(News::Status(status));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let woken = self.inbox.arrived.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Events that were dropped because this subscriber was too slow, since the last call.
    pub fn take_dropped(&self) -> u64 {
        std::mem::take(&mut lock(&self.inbox.waiting).dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UtcMs;

    fn status(name: &str, lag_s: f32) -> StreamStatus {
        let mut status = StreamStatus::new(name.into(), name.into(), UtcMs(0));
        status.lag_s = lag_s;
        status
    }

    fn next(of: &Subscription) -> Option<News> {
        of.next(Duration::ZERO)
    }

    #[test]
    fn a_slow_subscriber_gets_the_newest_status_of_each_stream() {
        let hub = Hub::new();
        hub.set_streams(vec![status("a", 0.0).into(), status("b", 0.0).into()]);
        let slow = hub.subscribe();
        for lag in [1.0, 2.0, 3.0] {
            hub.set_status(status("a", lag));
            hub.set_status(status("b", lag * 10.0));
        }
        let mut lags = Vec::new();
        while let Some(News::Status(status)) = next(&slow) {
            lags.push(status.lag_s);
        }
        assert_eq!(lags, [3.0, 30.0]);
        assert_eq!(hub.stream("b").expect("it was set").lag_s, 30.0);
    }

    #[test]
    fn who_has_gone_is_forgotten() {
        let hub = Hub::new();
        drop(hub.subscribe());
        hub.tell(&News::Streams);
        assert!(lock(&hub.subscribers).is_empty());
    }

    #[test]
    fn kinds_are_switched_stream_by_stream() {
        let hub = Hub::new();
        let (a, b): (StreamName, StreamName) = ("a".into(), "b".into());
        hub.switch(&a, Kind::Mute, false);
        assert!(!hub.is_on(&a, Kind::Mute) && hub.is_on(&b, Kind::Mute));
        hub.switch(&a, Kind::Mute, true);
        assert!(hub.is_on(&a, Kind::Mute));
    }
}
