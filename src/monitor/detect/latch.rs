//! From a condition that comes and goes to an event that begins once and ends once.
//!
//! Belongs here: how long a condition must hold or be over. Does not: conditions.

use std::time::Duration;

use crate::time::UtcMs;

/// What a span of time says of a condition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Condition {
    /// It holds; how far it is over its threshold, 0 to 1.
    Holds(f32),
    /// It does not hold.
    Over,
    /// Between the thresholds, or nothing is known: all stays as it is, and the time does
    /// not count.
    Unclear,
}

/// An event begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Its condition has held since then.
    Begins(UtcMs),
    /// Its condition has been over since then.
    Ends(UtcMs),
}

/// Begins when its condition has held for a time, and ends when it has been over for a time.
#[derive(Clone, Debug)]
pub struct Latch {
    after: Duration,
    clear: Duration,
    on: bool,
    /// Since when the condition has been the opposite of `on`.
    turned: Option<UtcMs>,
    /// End of the latest span.
    last: Option<UtcMs>,
}

impl Latch {
    /// Off. `after` is how long the condition must hold, `clear` how long it must be over.
    pub fn new(after: Duration, clear: Duration) -> Self {
        Self {
            after,
            clear,
            on: false,
            turned: None,
            last: None,
        }
    }

    /// The same with other times.
    pub fn set_times(&mut self, after: Duration, clear: Duration) {
        (self.after, self.clear) = (after, clear);
    }

    /// Whether the event goes on.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Goes on with an event of an earlier run.
    pub fn resume(&mut self) {
        self.on = true;
        self.turned = None;
    }

    /// Takes what a span of time says. What overlaps an earlier span counts once; time
    /// between two spans is unclear.
    pub fn observe(&mut self, from: UtcMs, to: UtcMs, condition: Condition) -> Option<Edge> {
        let last = self.last.unwrap_or(from);
        // A clock that was set back makes a span without length.
        let from = from.max(last).min(to);
        self.pause(from.since(last));
        self.last = Some(to);
        let holds = match condition {
            Condition::Unclear => {
                self.pause(to.since(from));
                return None;
            }
            Condition::Holds(_) => true,
            Condition::Over => false,
        };
        if holds == self.on {
            self.turned = None;
            return None;
        }
        let turned = *self.turned.get_or_insert(from);
        let needed = if self.on { self.clear } else { self.after };
        if to.since(turned) < needed {
            return None;
        }
        self.turned = None;
        self.on = holds;
        Some(match holds {
            true => Edge::Begins(turned),
            false => Edge::Ends(turned),
        })
    }

    /// Ends the event now, if it goes on.
    pub fn end(&mut self, now: UtcMs) -> Option<Edge> {
        self.turned = None;
        std::mem::take(&mut self.on).then_some(Edge::Ends(now))
    }

    fn pause(&mut self, time: Duration) {
        self.turned = self.turned.map(|turned| turned.plus(time));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: i64 = 1000;

    fn latch() -> Latch {
        Latch::new(Duration::from_secs(3), Duration::from_secs(2))
    }

    /// One letter a second: h holds, o over, u unclear.
    fn edges(latch: &mut Latch, seconds: &str) -> Vec<(i64, Edge)> {
        let mut edges = Vec::new();
        for (i, letter) in seconds.bytes().enumerate() {
            let at = i as i64 * S;
            let condition = match letter {
                b'h' => Condition::Holds(1.0),
                b'o' => Condition::Over,
                _ => Condition::Unclear,
            };
            let edge = latch.observe(UtcMs(at), UtcMs(at + S), condition);
            edges.extend(edge.map(|edge| (at / S, edge)));
        }
        edges
    }

    #[test]
    fn an_event_begins_and_ends_after_its_times_and_is_dated_back() {
        let begins = |at| Edge::Begins(UtcMs(at * S));
        let ends = |at| Edge::Ends(UtcMs(at * S));
        let cases: [(&str, &[(i64, Edge)]); 8] = [
            ("hhhh", &[(2, begins(0))]),
            ("hhohho", &[]),
            ("ohhhoo", &[(3, begins(1)), (5, ends(4))]),
            ("hhhohohoo", &[(2, begins(0)), (8, ends(7))]),
            ("hhhhuuuu", &[(2, begins(0))]),
            ("hhuuuuhh", &[(6, begins(4))]),
            ("hhhouo", &[(2, begins(0)), (5, ends(4))]),
            ("uuuu", &[]),
        ];
        for (seconds, expected) in cases {
            assert_eq!(edges(&mut latch(), seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn windows_that_overlap_count_once() {
        let mut latch = latch();
        let mut begun = None;
        for i in 0..40 {
            let to = UtcMs(S + i * 100);
            let edge = latch.observe(UtcMs(to.0 - S), to, Condition::Holds(1.0));
            begun = begun.or(edge.map(|edge| (to, edge)));
        }
        assert_eq!(begun, Some((UtcMs(3 * S), Edge::Begins(UtcMs(0)))));
    }

    #[test]
    fn an_event_of_an_earlier_run_goes_on_and_ends_once() {
        let mut latch = latch();
        latch.resume();
        assert_eq!(
            edges(&mut latch, "hhhoohh"),
            [(4, Edge::Ends(UtcMs(3 * S)))]
        );
    }

    #[derive(Clone, Debug)]
    struct Span {
        gap_ms: i64,
        length_ms: i64,
        condition: Condition,
    }

    fn spans() -> impl Strategy<Value = Vec<Span>> {
        let condition = prop_oneof![
            Just(Condition::Holds(0.5)),
            Just(Condition::Over),
            Just(Condition::Unclear)
        ];
        // Back by up to two seconds, too: windows overlap, clocks are set.
        let span = (-2_000_i64..5_000, 1_i64..2_000, condition);
        let span = span.prop_map(|(gap_ms, length_ms, condition)| Span {
            gap_ms,
            length_ms,
            condition,
        });
        proptest::collection::vec(span, 0..200)
    }

    proptest! {
        /// Whatever comes: begin and end alternate, and each condition has lasted.
        #[test]
        fn begin_and_end_alternate(spans in spans()) {
            let mut latch = latch();
            let mut now = 0_i64;
            let mut begun: Option<UtcMs> = None;
            for span in spans {
                let from = (now + span.gap_ms).max(0);
                now = from + span.length_ms;
                match latch.observe(UtcMs(from), UtcMs(now), span.condition) {
                    Some(Edge::Begins(at)) => {
                        prop_assert!(begun.is_none(), "begins twice");
                        prop_assert!(matches!(span.condition, Condition::Holds(_)));
                        prop_assert!(UtcMs(now).since(at) >= Duration::from_secs(3));
                        begun = Some(at);
                    }
                    Some(Edge::Ends(at)) => {
                        prop_assert!(begun.take().is_some(), "ends without a begin");
                        prop_assert!(span.condition == Condition::Over);
                        prop_assert!(UtcMs(now).since(at) >= Duration::from_secs(2));
                    }
                    None => {}
                }
                prop_assert_eq!(latch.is_on(), begun.is_some());
            }
        }

        /// With a clock that only goes forward no event begins before the last one ended.
        #[test]
        fn forward_in_time_events_are_apart(conditions in proptest::collection::vec(0..3, 0..300)) {
            let letters: String = conditions.iter().map(|c| ['h', 'o', 'u'][*c as usize]).collect();
            let mut last = UtcMs(i64::MIN);
            for (_, edge) in edges(&mut latch(), &letters) {
                let (Edge::Begins(at) | Edge::Ends(at)) = edge;
                prop_assert!(at >= last);
                last = at;
            }
        }
    }
}
