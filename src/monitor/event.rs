//! Events of a stream: what people are told.
//!
//! Belongs here: what an event is. Does not: when one begins and ends ([`crate::detect`]).
//! Not to be confused with [`l3net_data::event::Event`], a result of the engine.

use l3net_data::result::StreamName;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::time::UtcMs;

/// What can happen to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Sound and picture stop belonging together.
    Mismatch,
    /// There is no sound, or digital silence.
    Mute,
    /// The picture stands although frames arrive.
    Frozen,
    /// The picture is black.
    Black,
    /// Nothing arrives.
    Lost,
    /// The sound is much louder than usual.
    Loud,
    /// The timestamps of sound and picture have come apart.
    OutOfSync,
}

impl Kind {
    /// All kinds, in the order in which they are listed.
    pub const ALL: [Self; 7] = [
        Self::Mismatch,
        Self::Mute,
        Self::Frozen,
        Self::Black,
        Self::Lost,
        Self::Loud,
        Self::OutOfSync,
    ];

    /// The name in interfaces, settings and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mismatch => "mismatch",
            Self::Mute => "mute",
            Self::Frozen => "frozen",
            Self::Black => "black",
            Self::Lost => "lost",
            Self::Loud => "loud",
            Self::OutOfSync => "out_of_sync",
        }
    }

    /// The name for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Mismatch => "Mismatch",
            Self::Mute => "Mute",
            Self::Frozen => "Frozen",
            Self::Black => "Black",
            Self::Lost => "Lost",
            Self::Loud => "Loud",
            Self::OutOfSync => "Out of sync",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Whether an event has a clip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClipState {
    /// None is made: no folder to record to, or nothing that can be recorded.
    #[default]
    None,
    /// It is being written.
    Pending,
    /// It can be played.
    Ready,
    /// It was deleted because of its age, or to make room.
    Deleted,
}

/// An event of a stream, as in the interfaces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamEvent {
    /// Unique, and ascending with the time of its making.
    pub id: Ulid,
    /// The stream.
    pub stream: StreamName,
    /// What happened.
    pub kind: Kind,
    /// When it began.
    pub begin_ms: UtcMs,
    /// When it ended; `None` while it goes on.
    pub end_ms: Option<UtcMs>,
    /// How far it is over its threshold now, 0 to 1.
    pub score: f32,
    /// The greatest score so far.
    pub top_score: f32,
    /// A sentence for people.
    pub what: String,
    /// It has a snapshot.
    pub snapshot: bool,
    /// Whether it has a clip.
    pub clip: ClipState,
    /// Length of the clip in seconds.
    pub clip_s: Option<f64>,
    /// Never deleted to make room.
    pub protected: bool,
}

/// What has become of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It has begun.
    New,
    /// Its score has changed.
    Update,
    /// It has ended.
    End,
    /// Its clip or protection has changed.
    Clip,
}

impl Change {
    /// The name in interfaces and settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Update => "update",
            Self::End => "end",
            Self::Clip => "clip",
        }
    }
}
