//! The last packets of a stream: what is kept, and where a clip can begin. Pure.
//!
//! Belongs here: bounds by time and bytes, the rule of key pictures. Does not: what
//! continues what ([`super::generation`]), GStreamer (the payload is any value), how
//! packets get here, containers.
//!
//! Times are running times in nanoseconds, one line for sound and picture; where that
//! line lies in the time of day is known of each [`Generation`].

use std::collections::VecDeque;
use std::time::Duration;

use super::super::graph::Kind;
use super::generation::{Generation, Stamped};

/// What a packet costs beside its bytes: GStreamer's buffer and the memory that it is cut
/// from, mostly one of the network's.
const OVERHEAD_BYTES: usize = 2_048;

/// Generations that are remembered. Older ones have no packets any more, except of a camera
/// that comes and goes every second.
const GENERATIONS: usize = 64;

/// Where a clip begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Its generation.
    pub generation: u64,
    /// Running time of its first picture; without pictures, of its first sound.
    pub base_ns: i64,
    /// Number of its first picture; `None` if the generation has none.
    pub picture: Option<u64>,
    /// Number of its first sound, which may not be there yet.
    pub sound: u64,
}

impl Start {
    /// The number of the first packet of a kind.
    pub fn of(&self, kind: Kind) -> Option<u64> {
        match kind {
            Kind::Picture => self.picture,
            Kind::Sound => Some(self.sound),
        }
    }
}

/// Why a clip cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoStart {
    /// The ring is empty.
    Empty,
    /// There are pictures, but no key picture among them.
    NoKey,
}

/// What comes after the packets that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// More, now or later.
    More,
    /// Nothing: the generation has ended.
    Nothing,
    /// Packets were dropped before they were read.
    Overtaken,
}

#[derive(Debug)]
struct Entry<P> {
    generation: u64,
    packet: Stamped<P>,
}

/// The packets of one kind, numbered consecutively.
#[derive(Debug)]
struct Line<P> {
    entries: VecDeque<Entry<P>>,
    /// The number of the first entry.
    first: u64,
}

impl<P> Line<P> {
    fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    fn get(&self, number: u64) -> Option<&Entry<P>> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.entries.get(at)
    }

    /// Drops the first; its size.
    fn drop_first(&mut self) -> Option<usize> {
        let dropped = self.entries.pop_front()?;
        self.first += 1;
        Some(cost(&dropped.packet))
    }
}

/// The packets of a stream.
#[derive(Debug)]
pub struct Ring<P> {
    before_ns: i64,
    max_bytes: usize,
    bytes: usize,
    sound: Line<P>,
    picture: Line<P>,
    /// Numbers of the key pictures in the ring.
    keys: VecDeque<u64>,
    generations: VecDeque<Generation>,
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

impl<P> Ring<P> {
    /// For clips that begin up to `before` in the past. Older packets are kept back to the
    /// last key picture before that, unless together they are more than `max_bytes`.
    pub fn new(before: Duration, max_bytes: usize) -> Self {
        let line = || Line {
            entries: VecDeque::new(),
            first: 0,
        };
        Self {
            before_ns: nanoseconds(before),
            max_bytes,
            bytes: 0,
            sound: line(),
            picture: line(),
            keys: VecDeque::new(),
            generations: VecDeque::new(),
        }
    }

    /// For clips that begin up to `before` in the past, from now on.
    pub fn set_before(&mut self, before: Duration) {
        self.before_ns = nanoseconds(before);
    }

    /// What comes does not continue what was there.
    pub fn break_off(&mut self) {
        if let Some(last) = self.generations.back_mut() {
            last.is_closed = true;
        }
    }

    /// The time of day at running time zero, as measured now.
    pub fn set_zero(&mut self, zero_ns: i64) {
        if let Some(open) = self.generations.back_mut() {
            open.set_zero(zero_ns);
        }
    }

    /// Adds a packet. `zero_ns` is the time of day at running time zero, if it is known.
    pub fn push(&mut self, packet: Stamped<P>, zero_ns: Option<i64>) {
        let kind = packet.kind;
        let continues = |open: &Generation| open.continues_with(&packet);
        let continues = self.generations.back().is_some_and(continues);
        if !continues {
            self.begin(&packet, zero_ns);
        }
        let Some(open) = self.generations.back_mut() else {
            return;
        };
        if !open.take(&packet) {
            return;
        }
        let entry = Entry {
            generation: open.number,
            packet,
        };
        self.bytes += cost(&entry.packet);
        if kind == Kind::Picture && entry.packet.is_key {
            self.keys.push_back(self.picture.next());
        }
        self.line_mut(kind).entries.push_back(entry);
    }

    fn begin(&mut self, packet: &Stamped<P>, zero_ns: Option<i64>) {
        self.break_off();
        let number = self.generations.back().map_or(0, |last| last.number + 1);
        self.generations
            .push_back(Generation::new(number, packet, zero_ns));
        if self.generations.len() > GENERATIONS {
            self.generations.pop_front();
        }
    }

    /// Drops what is too old at this time of day, and what is too much.
    pub fn trim(&mut self, now_ns: i64) {
        let horizon = now_ns.saturating_sub(self.before_ns);
        // Nothing reaches into the time that clips can begin in.
        while let Some(first) = self.first_generation()
            && first.is_closed
            && first
                .latest()
                .is_none_or(|at| first.zero_ns.saturating_add(at) < horizon)
        {
            let number = first.number;
            self.drop_while(Kind::Sound, |entry| entry.generation <= number);
            self.drop_while(Kind::Picture, |entry| entry.generation <= number);
        }
        while let Some(&second) = self.keys.get(1)
            && self
                .picture
                .get(second)
                .is_some_and(|e| self.utc(e) <= horizon)
        {
            self.drop_pictures_before(second);
        }
        while self.picture.entries.is_empty()
            && (self.sound.entries.get(1)).is_some_and(|second| self.utc(second) <= horizon)
        {
            self.drop_first(Kind::Sound);
        }
        while self.bytes > self.max_bytes {
            let next = self.keys.iter().find(|&&key| key > self.picture.first);
            match next.copied() {
                Some(next) => self.drop_pictures_before(next),
                // One group of pictures is more than all that may be kept. No clip can
                // begin here then, but those that have begun still get what comes.
                None if !self.picture.entries.is_empty() => self.drop_first(Kind::Picture),
                None if !self.sound.entries.is_empty() => self.drop_first(Kind::Sound),
                None => break,
            }
            self.drop_sound_before_pictures();
        }
    }

    fn first_generation(&self) -> Option<&Generation> {
        let fronts = [self.sound.entries.front(), self.picture.entries.front()];
        let number = fronts.into_iter().flatten().map(|e| e.generation).min()?;
        self.generation(number)
    }

    fn drop_pictures_before(&mut self, number: u64) {
        while self.picture.first < number && !self.picture.entries.is_empty() {
            self.drop_first(Kind::Picture);
        }
        self.drop_sound_before_pictures();
    }

    /// Sound that no clip with pictures can begin with.
    fn drop_sound_before_pictures(&mut self) {
        let Some(first) = self.picture.entries.front() else {
            return;
        };
        let (generation, begin) = (first.generation, first.packet.pts_ns);
        self.drop_while(Kind::Sound, |entry| {
            entry.generation < generation
                || (entry.generation == generation && entry.packet.pts_ns < begin)
        });
    }

    fn drop_while(&mut self, kind: Kind, is_over: impl Fn(&Entry<P>) -> bool) {
        while self.line(kind).entries.front().is_some_and(&is_over) {
            self.drop_first(kind);
        }
    }

    fn drop_first(&mut self, kind: Kind) {
        let freed = self.line_mut(kind).drop_first().unwrap_or(0);
        self.bytes = self.bytes.saturating_sub(freed);
        let first = self.picture.first;
        while self.keys.front().is_some_and(|&key| key < first) {
            self.keys.pop_front();
        }
    }

    /// Where a clip from this time of day on begins: at the last key picture before it, or
    /// the first after it, of the generation that goes on at that time or follows it; of an
    /// earlier one only if there is no other.
    ///
    /// # Errors
    /// If nothing in the ring can be decoded.
    pub fn find(&self, from_ns: i64) -> Result<Start, NoStart> {
        let is_over = |g: &&Generation| {
            let end = g
                .latest()
                .map_or(i64::MIN, |at| g.zero_ns.saturating_add(at));
            g.is_closed && end < from_ns
        };
        let at_or_after = self.generations.iter().filter(|g| !is_over(g));
        let before = self.generations.iter().rev().filter(is_over);
        let start = at_or_after
            .chain(before)
            .find_map(|generation| self.start_in(generation, from_ns));
        start.ok_or(match self.picture.entries.is_empty() {
            true => NoStart::Empty,
            false => NoStart::NoKey,
        })
    }

    fn start_in(&self, generation: &Generation, from_ns: i64) -> Option<Start> {
        let from = from_ns.saturating_sub(generation.zero_ns);
        let number = generation.number;
        let is_in = |entry: &Entry<P>| entry.generation == number;
        let sound_from = |base: i64| {
            let line = &self.sound;
            let before = line.entries.iter().take_while(|entry| {
                entry.generation < number || (is_in(entry) && entry.packet.pts_ns < base)
            });
            line.first + before.count() as u64
        };
        if generation.has(Kind::Picture) {
            let keys = self.keys.iter().filter_map(|&key| {
                let entry = self.picture.get(key).filter(|entry| is_in(entry))?;
                Some((key, entry.packet.pts_ns))
            });
            let (mut first, mut last) = (None, None);
            for key in keys {
                first.get_or_insert(key);
                last = (key.1 <= from).then_some(key).or(last);
            }
            let (picture, base_ns) = last.or(first)?;
            return Some(Start {
                generation: number,
                base_ns,
                picture: Some(picture),
                sound: sound_from(base_ns),
            });
        }
        let mut of_it = self.sound.entries.iter().filter(|entry| is_in(entry));
        let first = of_it.next()?.packet.pts_ns;
        let times = of_it.map(|entry| entry.packet.pts_ns);
        let base_ns = times.take_while(|&at| at <= from).last().unwrap_or(first);
        Some(Start {
            generation: number,
            base_ns,
            picture: None,
            sound: sound_from(base_ns),
        })
    }

    /// A generation, unless it is long over.
    pub fn generation(&self, number: u64) -> Option<&Generation> {
        self.generations.iter().rev().find(|g| g.number == number)
    }

    /// Bytes of the packets and what goes with them.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The share of the bytes that may be kept, 0 to 1.
    pub fn fill(&self) -> f64 {
        (self.bytes as f64 / self.max_bytes.max(1) as f64).min(1.0)
    }

    fn utc(&self, entry: &Entry<P>) -> i64 {
        let zero = self.generation(entry.generation).map(|g| g.zero_ns);
        zero.map_or(entry.packet.arrived_ns, |zero| {
            zero.saturating_add(entry.packet.pts_ns)
        })
    }

    fn line(&self, kind: Kind) -> &Line<P> {
        match kind {
            Kind::Sound => &self.sound,
            Kind::Picture => &self.picture,
        }
    }

    fn line_mut(&mut self, kind: Kind) -> &mut Line<P> {
        match kind {
            Kind::Sound => &mut self.sound,
            Kind::Picture => &mut self.picture,
        }
    }
}

impl<P: Clone> Ring<P> {
    /// Takes copies of a generation's packets of a kind, from a number on, at most so many;
    /// the number is moved on. Packets are in the order of decoding.
    pub fn read(
        &self,
        kind: Kind,
        generation: u64,
        number: &mut u64,
        at_most: usize,
        into: &mut Vec<Stamped<P>>,
    ) -> After {
        let line = self.line(kind);
        if *number < line.first {
            return After::Overtaken;
        }
        for _ in 0..at_most {
            match line.get(*number) {
                // Sound that belonged to none of its pictures.
                Some(entry) if entry.generation < generation => {}
                Some(entry) if entry.generation > generation => return After::Nothing,
                Some(entry) => into.push(entry.packet.clone()),
                None => {
                    let is_open = self.generation(generation).is_some_and(|g| !g.is_closed);
                    return if is_open { After::More } else { After::Nothing };
                }
            }
            *number += 1;
        }
        After::More
    }
}

fn cost<P>(packet: &Stamped<P>) -> usize {
    packet.bytes + OVERHEAD_BYTES
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
