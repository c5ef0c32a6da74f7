//! Packets that continue each other, and what is known of them. Pure.
//!
//! Belongs here: a packet's times; whether it goes on where those before it are; where
//! their line of time lies in the time of day. Does not: what is kept ([`super::ring`]).

use super::super::graph::Kind;
use super::order::Order;

/// A timestamp that goes back by more is of a clock that was set. Pictures that are out of
/// order are closer together.
const BACK_NS: i64 = 1_000_000_000;

/// Sound is never out of order; what overlaps more has another clock. Less is the rounding
/// of containers, and jitter.
const SOUND_BACK_NS: i64 = 100_000_000;

/// So much may be missing within a generation. After as long without anything a live source
/// is opened anew.
const AHEAD_NS: i64 = 10_000_000_000;

/// Running times that are further from the clock say nothing about the time of day; then
/// the arrival does. Files are read ahead, and networks are late, by less.
const ASTRAY_NS: i64 = 10_000_000_000;

/// A packet with its times.
#[derive(Clone, Debug)]
pub struct Stamped<P> {
    /// Sound or picture.
    pub kind: Kind,
    /// It can be decoded without those before it.
    pub is_key: bool,
    /// When it is presented.
    pub pts_ns: i64,
    /// How long, if that is known.
    pub duration_ns: Option<i64>,
    /// When it arrived, in nanoseconds since 1970.
    pub arrived_ns: i64,
    /// Its size.
    pub bytes: usize,
    /// The packet itself.
    pub payload: P,
}

/// Packets that continue each other: of one opening, in one format, without a loss and on
/// one clock.
#[derive(Clone, Debug)]
pub struct Generation {
    /// Ascending, unique in a ring.
    pub number: u64,
    /// The time of day at running time zero, in nanoseconds since 1970.
    pub zero_ns: i64,
    /// Nothing more comes of it.
    pub is_closed: bool,
    /// When its first packet arrived.
    pub begun_ns: i64,
    /// The order of its pictures.
    pub order: Order,
    /// The zero follows from arrivals, because its times are far from the clock's.
    is_astray: bool,
    /// The latest time of sound, and of pictures.
    latest_ns: [Option<i64>; 2],
}

impl Generation {
    /// Begins with a packet. `zero_ns` is the time of day at running time zero, if it is
    /// known.
    pub(super) fn new<P>(number: u64, packet: &Stamped<P>, zero_ns: Option<i64>) -> Self {
        Self {
            number,
            zero_ns: zero_ns.unwrap_or(packet.arrived_ns.saturating_sub(packet.pts_ns)),
            is_closed: false,
            begun_ns: packet.arrived_ns,
            order: Order::default(),
            is_astray: false,
            latest_ns: [None; 2],
        }
    }

    /// Whether a packet's time goes on where those before it are.
    pub(super) fn continues_with<P>(&self, packet: &Stamped<P>) -> bool {
        let after = |latest: i64| packet.pts_ns.saturating_sub(latest);
        let (back_ns, is_back) = match packet.kind {
            Kind::Sound => (SOUND_BACK_NS, false),
            Kind::Picture => (BACK_NS, self.order.is_step_back(packet.pts_ns)),
        };
        let is_next = match (self.latest_ns[index(packet.kind)], self.latest()) {
            (_, None) => true,
            // Sound and picture may begin apart, and one may pause.
            (None, Some(any)) => after(any).saturating_abs() <= AHEAD_NS,
            (Some(own), Some(any)) => {
                (-back_ns..=AHEAD_NS).contains(&after(own))
                    || (after(own) > 0 && after(any).saturating_abs() <= BACK_NS)
            }
        };
        is_next && !is_back && !self.is_closed
    }

    /// Notes a packet's times. False if nothing can be made of it: a picture before the
    /// first key picture.
    pub(super) fn take<P>(&mut self, packet: &Stamped<P>) -> bool {
        let told = self.zero_ns.saturating_add(packet.pts_ns);
        if told.abs_diff(packet.arrived_ns) > ASTRAY_NS.unsigned_abs() {
            self.is_astray = true;
            self.zero_ns = packet.arrived_ns.saturating_sub(packet.pts_ns);
        }
        if packet.kind == Kind::Picture {
            if !self.has(Kind::Picture) && !packet.is_key {
                return false;
            }
            self.order.note(packet.pts_ns);
        }
        let latest = &mut self.latest_ns[index(packet.kind)];
        *latest = (*latest).max(Some(packet.pts_ns));
        true
    }

    /// The time of day at running time zero, as measured now.
    pub(super) fn set_zero(&mut self, zero_ns: i64) {
        if !self.is_closed && !self.is_astray {
            self.zero_ns = zero_ns;
        }
    }

    /// Whether packets of this kind have arrived.
    pub fn has(&self, kind: Kind) -> bool {
        self.latest_ns[index(kind)].is_some()
    }

    /// When its last packet is presented.
    pub(super) fn latest(&self) -> Option<i64> {
        self.latest_ns.into_iter().flatten().max()
    }
}

fn index(kind: Kind) -> usize {
    match kind {
        Kind::Sound => 0,
        Kind::Picture => 1,
    }
}
