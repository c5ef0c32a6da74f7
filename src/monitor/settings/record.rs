//! `[record]`: clips, snapshots and timeline on disk.

use std::path::PathBuf;

use serde::Deserialize;

use super::value::{Age, Seconds, Size};

/// Where and how long.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The folder.
    pub folder: PathBuf,
    /// How much before an event belongs to its clip.
    #[serde(default = "five")]
    pub before_s: Seconds,
    /// How much after an event belongs to its clip.
    #[serde(default = "five")]
    pub after_s: Seconds,
    /// How much of a long event belongs to its clip.
    #[serde(default = "Record::max_s")]
    pub max_s: Seconds,
    /// Of clips and snapshots; the oldest go first.
    #[serde(default = "Record::max_size")]
    pub max_size: Size,
    /// Of clips and snapshots.
    #[serde(default)]
    pub max_age: Option<Age>,
    /// Of the pictures behind the timeline, one a second.
    #[serde(default = "Record::pictures_max_size")]
    pub pictures_max_size: Size,
    /// Of timeline and events.
    #[serde(default = "Record::timeline_max_age")]
    pub timeline_max_age: Age,
}

fn five() -> Seconds {
    Seconds(5.0)
}

impl Record {
    /// With the defaults.
    pub fn to(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            before_s: five(),
            after_s: five(),
            max_s: Self::max_s(),
            max_size: Self::max_size(),
            max_age: None,
            pictures_max_size: Self::pictures_max_size(),
            timeline_max_age: Self::timeline_max_age(),
        }
    }

    fn max_s() -> Seconds {
        Seconds(120.0)
    }

    fn max_size() -> Size {
        Size(20_000_000_000)
    }

    fn pictures_max_size() -> Size {
        Size(1_000_000_000)
    }

    /// How long timelines are kept.
    pub(crate) fn timeline_max_age() -> Age {
        Age(std::time::Duration::from_secs(30 * 86_400))
    }
}
