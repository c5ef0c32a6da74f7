//! What takes the place of events that were dropped from a full queue.

use crate::event::Event;
use crate::result::{Gap, GapReason};

/// What replaces events dropped from a full queue. It is older than everything in the queue,
/// so it is delivered first.
#[derive(Default)]
pub(super) struct Overflow(pub(super) Vec<Event>);

impl Overflow {
    /// Keeps what must not be lost of a dropped event; true if that was a moment.
    pub(super) fn add(&mut self, event: &Event) -> bool {
        let gap = match event {
            Event::Ended(_) => {
                self.0.push(event.clone());
                return false;
            }
            Event::Gap(gap) => gap.clone(),
            Event::Moment(moment) => Gap {
                stream: moment.verdict.stream.clone(),
                start_ns: moment.verdict.start_ns,
                end_ns: moment.verdict.end_ns,
                why: GapReason::Overload,
                lost: 1,
            },
        };
        let of_stream = |e: &&mut Event| *e.stream() == gap.stream;
        match self.0.iter_mut().rev().find(of_stream) {
            Some(Event::Gap(last)) if last.why == gap.why => {
                last.end_ns = last.end_ns.max(gap.end_ns);
                last.lost += gap.lost;
            }
            _ => self.0.push(Event::Gap(gap)),
        }
        matches!(event, Event::Moment(_))
    }
}
