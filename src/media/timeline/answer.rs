//! What a timeline is asked about and what it says: plain data.

use crate::time::MediaTime;

/// Whose timestamps they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file: nothing is lost, and what its timestamps say is exact.
    File,
    /// A live source: timestamps are when something arrived, more or less.
    Live,
}

/// What becomes of a block or frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It belongs here.
    At(MediaTime),
    /// Keep it: what follows will tell.
    Hold,
    /// Discard it. It is counted.
    Drop,
}

/// What becomes of what was held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It stays held back, or there is nothing.
    Wait,
    /// Its timestamps are believed: the first goes here, and the others lie as far from
    /// it as they say.
    From(MediaTime),
    /// Its timestamps are not believed: it follows the last block, from here on.
    Continues(MediaTime),
    /// Discard it. It is counted.
    Drop,
}

/// The answer for a block or frame: first do as `held` says, then as `place` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// For what was held back of the same stream.
    pub held: Held,
    /// For the one that was asked about.
    pub place: Place,
}

/// Something to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// The timestamps of the sound or picture jumped.
    Jumped {
        /// Which of the two.
        stream: Stream,
        /// From here.
        from: MediaTime,
        /// To here, as the source has it.
        to: MediaTime,
        /// And continue here.
        at: MediaTime,
    },
    /// Only this one jumped, and the other did not follow: they may be apart now.
    Alone(Stream),
}

/// Sound or picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The sound.
    Sound,
    /// The picture.
    Picture,
}

impl Stream {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Sound => Self::Picture,
            Self::Picture => Self::Sound,
        }
    }
}

/// How often timestamps were not believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doubts {
    /// Jumps that were followed or spliced.
    pub jumps: u64,
    /// Blocks of sound that continued the last one whatever their timestamps said.
    pub continued: u64,
    /// Blocks and frames that were discarded.
    pub discarded: u64,
}
