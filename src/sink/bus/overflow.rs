//! What takes the place of events that were dropped from a full queue.

use std::collections::VecDeque;

use crate::event::Event;
use crate::result::{Gap, GapReason};

/// Gaps in place of dropped moments, and ends of streams: a few entries for each stream at
/// most, however much is dropped.
#[derive(Default)]
pub(super) struct Overflow(pub(super) VecDeque<Event>);

impl Overflow {
    /// Keeps what must not be lost of a dropped event; true if that was a moment.
    pub fn add(&mut self, event: &Event) -> bool {
        let gap = match event {
            Event::Measured(_) | Event::Ended(_) => {
                self.0.push_back(event.clone());
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
            Some(Event::Gap(last)) => {
                last.end_ns = last.end_ns.max(gap.end_ns);
                last.lost += gap.lost;
                if last.why != gap.why {
                    last.why = GapReason::Overload;
                }
            }
            _ => self.0.push_back(Event::Gap(gap)),
        }
        matches!(event, Event::Moment(_))
    }

    /// The oldest.
    pub fn take_first(&mut self) -> Option<Event> {
        self.0.pop_front()
    }
}
