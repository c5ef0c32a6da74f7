//! What the broker is to know, and what is on its way there.
//!
//! Belongs here: the order of messages, what has to be sent again after a connection was
//! lost, the bound of the spool. Does not: the connection; this is pure.
//!
//! Two sorts of messages. **Values** are retained topics: only the newest counts, and a
//! broker that comes back gets them all, for it may have forgotten them. **Events** come in
//! order, and wait until the broker has acknowledged them; after a lost connection those
//! without an acknowledgement are sent again, in the same order, so some may arrive twice
//! but none in the wrong place.
//!
//! The client library keeps unacknowledged messages too, but drops them when the broker has
//! forgotten the session, so each connection gets a new client and all messages come from
//! here.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// Messages on their way at a time.
const WINDOW: usize = 64;

/// Something to publish now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outgoing {
    pub(super) topic: String,
    pub(super) payload: String,
    pub(super) retain: bool,
}

/// What waits for an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    /// The value with this place in the order.
    Value(u64),
    /// The event of this number.
    Event(u64),
}

#[derive(Debug)]
struct Value {
    topic: String,
    /// Empty: the topic is to be cleared.
    payload: String,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    events_topic: String,
    /// By the order in which they were first set: what announces a device comes before its
    /// values.
    values: BTreeMap<u64, Value>,
    place_of: HashMap<String, u64>,
    next_place: u64,
    /// Values that the broker does not have yet.
    due: BTreeSet<u64>,
    /// Numbered; those on their way are the first ones.
    events: VecDeque<(u64, String)>,
    next_number: u64,
    events_under_way: usize,
    bound: usize,
    /// Given to the client, which has not numbered them yet.
    handed_over: VecDeque<Token>,
    /// By the client's number.
    under_way: HashMap<u16, Token>,
}

impl Outbox {
    /// Of events, `bound` may wait.
    pub(super) fn new(events_topic: String, bound: usize) -> Self {
        Self {
            events_topic,
            bound: bound.max(1),
            ..Self::default()
        }
    }

    /// Sets a retained topic.
    pub(super) fn set(&mut self, topic: &str, payload: impl Into<String>) {
        let payload = payload.into();
        if let Some(place) = self.place_of.get(topic) {
            let value = self.values.get_mut(place).expect("each place has a value");
            if value.payload != payload {
                value.payload = payload;
                self.due.insert(*place);
            }
            return;
        }
        let place = self.next_place;
        self.next_place += 1;
        let topic = topic.to_owned();
        self.place_of.insert(topic.clone(), place);
        self.values.insert(place, Value { topic, payload });
        self.due.insert(place);
    }

    /// What a retained topic is set to.
    pub(super) fn value(&self, topic: &str) -> Option<&str> {
        let place = self.place_of.get(topic)?;
        self.values.get(place).map(|value| &*value.payload)
    }

    /// Clears a retained topic, also one that is not known here.
    pub(super) fn clear(&mut self, topic: &str) {
        self.set(topic, "");
    }

    /// Clears all known topics that begin so.
    pub(super) fn clear_below(&mut self, prefix: &str) {
        for (place, value) in &mut self.values {
            if value.topic.starts_with(prefix) && !value.payload.is_empty() {
                value.payload.clear();
                self.due.insert(*place);
            }
        }
    }

    /// Has a value sent again, although the broker should have it.
    pub(super) fn again(&mut self, topic: &str) {
        self.due.extend(self.place_of.get(topic));
    }

    /// Has all values sent again.
    pub(super) fn all_again(&mut self) {
        self.due.extend(self.values.keys());
    }

    /// An event is to be told. How many others had to make room for it.
    pub(super) fn event(&mut self, payload: String) -> u64 {
        self.events.push_back((self.next_number, payload));
        self.next_number += 1;
        self.make_room()
    }

    /// Events on their way do not count: they can no longer be taken back.
    fn make_room(&mut self) -> u64 {
        let mut dropped = 0;
        while self.events.len() - self.events_under_way > self.bound {
            self.events.remove(self.events_under_way);
            dropped += 1;
        }
        dropped
    }

    /// What to publish next, if there is something and not too much is on its way. It counts
    /// as handed over.
    pub(super) fn next(&mut self) -> Option<Outgoing> {
        if self.handed_over.len() + self.under_way.len() >= WINDOW {
            return None;
        }
        if let Some(place) = self.due.pop_first() {
            let value = self.values.get(&place).expect("what is due is a value");
            self.handed_over.push_back(Token::Value(place));
            return Some(Outgoing {
                topic: value.topic.clone(),
                payload: value.payload.clone(),
                retain: true,
            });
        }
        let (number, payload) = self.events.get(self.events_under_way)?;
        self.events_under_way += 1;
        self.handed_over.push_back(Token::Event(*number));
        Some(Outgoing {
            topic: self.events_topic.clone(),
            payload: payload.clone(),
            retain: false,
        })
    }

    /// The client has numbered the oldest message that was handed over.
    pub(super) fn numbered(&mut self, number: u16) {
        if let Some(token) = self.handed_over.pop_front() {
            self.under_way.insert(number, token);
        }
    }

    /// The broker has this message. Whether it was an event.
    pub(super) fn acknowledged(&mut self, number: u16) -> bool {
        match self.under_way.remove(&number) {
            Some(Token::Event(number)) => {
                let place = self.events.iter().position(|(n, _)| *n == number);
                if let Some(place) = place {
                    self.events.remove(place);
                    self.events_under_way -= 1;
                }
                place.is_some()
            }
            Some(Token::Value(place)) => {
                // A topic that was cleared, and not set again since, is forgotten. An earlier
                // value's acknowledgement does not count.
                let same = Token::Value(place);
                let last = !self.due.contains(&place)
                    && !self.handed_over.contains(&same)
                    && !self.under_way.values().any(|token| *token == same);
                if last
                    && self
                        .values
                        .get(&place)
                        .is_some_and(|v| v.payload.is_empty())
                    && let Some(value) = self.values.remove(&place)
                {
                    self.place_of.remove(&value.topic);
                }
                false
            }
            None => false,
        }
    }

    /// The connection is lost: the next one begins with everything. How many events found no
    /// room.
    pub(super) fn lost(&mut self) -> u64 {
        self.handed_over.clear();
        self.under_way.clear();
        self.events_under_way = 0;
        self.all_again();
        self.make_room()
    }

    /// Events that the broker does not have yet.
    pub(super) fn waiting(&self) -> usize {
        self.events.len()
    }

    /// Whether the broker has everything.
    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
            && self.events.is_empty()
            && self.handed_over.is_empty()
            && self.under_way.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(bound: usize) -> Outbox {
        Outbox::new("events".into(), bound)
    }

    /// Hands everything over that can be; payloads with their numbers.
    fn hand_over(outbox: &mut Outbox, first: u16) -> Vec<String> {
        let mut sent = Vec::new();
        let mut number = first;
        while let Some(message) = outbox.next() {
            outbox.numbered(number);
            number += 1;
            sent.push(format!("{}={}", message.topic, message.payload));
        }
        sent
    }

    #[test]
    fn of_a_value_the_newest_is_sent_once() {
        let mut outbox = outbox(10);
        outbox.set("b", "1");
        outbox.set("a", "1");
        outbox.set("b", "2");
        assert_eq!(hand_over(&mut outbox, 1), ["b=2", "a=1"]);
        outbox.set("b", "2");
        assert!(hand_over(&mut outbox, 3).is_empty());
        assert!(!outbox.is_empty());
        outbox.acknowledged(1);
        outbox.acknowledged(2);
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_lost_connection_sends_all_values_and_the_unacknowledged_events_again() {
        let mut outbox = outbox(10);
        outbox.set("a", "1");
        for event in ["e1", "e2", "e3"] {
            outbox.event(event.into());
        }
        assert_eq!(hand_over(&mut outbox, 1).len(), 4);
        assert!(!outbox.acknowledged(1) && outbox.acknowledged(2));
        outbox.lost();
        outbox.event("e4".into());
        let again = hand_over(&mut outbox, 1);
        assert_eq!(again, ["a=1", "events=e2", "events=e3", "events=e4"]);
        // An old connection's numbers mean nothing.
        assert_eq!(outbox.waiting(), 3);
    }

    #[test]
    fn the_oldest_events_make_room() {
        let mut outbox = outbox(3);
        let dropped = (0..5).map(|n| outbox.event(format!("e{n}"))).sum::<u64>();
        assert_eq!((dropped, outbox.waiting()), (2, 3));
        assert_eq!(hand_over(&mut outbox, 1).len(), 3);
        // What is on its way needs no room, but does after a loss.
        let dropped = (5..8).map(|n| outbox.event(format!("e{n}"))).sum::<u64>();
        assert_eq!(dropped, 0);
        assert_eq!(outbox.lost(), 3);
        assert_eq!(
            hand_over(&mut outbox, 1),
            ["events=e5", "events=e6", "events=e7"]
        );
    }

    #[test]
    fn only_so_many_are_under_way() {
        let mut outbox = outbox(1000);
        (0..100).for_each(|n| assert_eq!(outbox.event(format!("{n}")), 0));
        assert_eq!(hand_over(&mut outbox, 1).len(), WINDOW);
        assert!(outbox.acknowledged(1));
        assert_eq!(hand_over(&mut outbox, 100), ["events=64"]);
    }

    #[test]
    fn a_cleared_topic_is_forgotten_once_the_broker_knows() {
        let mut outbox = outbox(10);
        outbox.set("s/a", "1");
        outbox.set("t/a", "1");
        hand_over(&mut outbox, 1);
        outbox.clear_below("s/");
        assert_eq!(hand_over(&mut outbox, 3), ["s/a="]);
        outbox.lost();
        assert_eq!(hand_over(&mut outbox, 1), ["s/a=", "t/a=1"]);
        outbox.acknowledged(1);
        outbox.lost();
        assert_eq!(hand_over(&mut outbox, 1), ["t/a=1"]);
        // One that has come back meanwhile is not.
        outbox.clear("t/a");
        hand_over(&mut outbox, 2);
        outbox.set("t/a", "2");
        outbox.acknowledged(2);
        assert_eq!(hand_over(&mut outbox, 3), ["t/a=2"]);
    }
}
