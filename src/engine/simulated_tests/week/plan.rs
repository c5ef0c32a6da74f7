//! What goes wrong with a camera, and when: drawn by chance that can be repeated.

use l3net_monitor::event::Kind;
use rand::RngExt as _;

use crate::corpus::rng;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// The server is away: connections break, and none is accepted.
    Away,
    /// The connection is reset; the server is there.
    Resets,
    /// Connections stay open, and nothing comes.
    Hangs,
    /// Everything comes at the end of it, at once.
    Bursts,
    /// From its end on, timestamps are off by so many milliseconds, until the connection
    /// ends; they begin anew where that is further back than they have come.
    Jumps(i64),
    /// Pictures without sound.
    NoSound,
    /// Sound without pictures.
    NoPicture,
    /// Digital silence.
    Mute,
    /// Always the same picture.
    Frozen,
    /// A black picture.
    Black,
    /// Forty decibels more.
    Loud,
    /// Sound that does not belong to the picture.
    Foreign,
    /// Pictures of another size.
    OtherSize,
}

impl What {
    /// What people are told of it, if it is long.
    pub fn event(self) -> Option<Kind> {
        match self {
            Self::Away | Self::Hangs | Self::NoPicture => Some(Kind::Lost),
            Self::NoSound | Self::Mute => Some(Kind::Mute),
            Self::Frozen => Some(Kind::Frozen),
            Self::Black => Some(Kind::Black),
            Self::Loud => Some(Kind::Loud),
            Self::Foreign => Some(Kind::Mismatch),
            Self::Resets | Self::Bursts | Self::Jumps(_) | Self::OtherSize => None,
        }
    }

    /// Shortest and longest, in seconds. What is told is long enough for that.
    fn seconds(self) -> (u64, u64) {
        match self {
            Self::Away | Self::Hangs => (20, 300),
            Self::Resets | Self::Jumps(_) => (1, 2),
            Self::Bursts => (3, 9),
            Self::NoSound | Self::NoPicture | Self::Mute | Self::Loud => (20, 60),
            // A picture that stands for longer is frozen, too.
            Self::Black => (20, 45),
            Self::Frozen => (80, 120),
            Self::Foreign => (40, 60),
            Self::OtherSize => (20, 100),
        }
    }
}

/// A fault and its time, in seconds from the start of the run.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub from_s: u64,
    pub until_s: u64,
    pub what: What,
}

/// Until then all is well: what is normal is learnt.
const FIRST_S: u64 = 900;
/// Between two faults, so that each is an event of its own: more than a camera is away
/// beyond its outage (30 s), and more than any event takes to end.
const APART_S: (u64, u64) = (100, 400);

const ALL: [What; 16] = [
    What::Away,
    What::Resets,
    What::Hangs,
    What::Bursts,
    What::Jumps(7_000),
    What::Jumps(-3_000),
    What::Jumps(3_600_000),
    What::Jumps(-95_443_718),
    What::NoSound,
    What::NoPicture,
    What::Mute,
    What::Frozen,
    What::Black,
    What::Loud,
    What::Foreign,
    What::OtherSize,
];

/// The faults of a camera in so many seconds, in their order: each kind in turn in each
/// round of all, in an order by chance; and once an outage of over an hour.
pub fn faults(camera: u64, seconds: u64) -> Vec<Fault> {
    let mut chance = rng(0x7765_656b, camera, 0);
    let mut faults: Vec<Fault> = Vec::new();
    let mut from_s = FIRST_S;
    let mut round = Vec::new();
    loop {
        if round.is_empty() {
            round.extend(ALL);
        }
        let what = round.swap_remove(chance.random_range(0..round.len()));
        let (least, most) = what.seconds();
        let is_tenth_outage = what == What::Away && faults.len() / ALL.len() == 10;
        let length = match is_tenth_outage {
            true => 4_000,
            false => chance.random_range(least..most),
        };
        let until_s = from_s + length;
        if until_s + APART_S.1 > seconds {
            return faults;
        }
        faults.push(Fault {
            from_s,
            until_s,
            what,
        });
        from_s = until_s + chance.random_range(APART_S.0..APART_S.1);
    }
}
