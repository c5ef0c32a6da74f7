//! How recordings are split.

/// What is held out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SplitBy {
    /// Whole recordings: one in seven tests, one in ten of the rest validates.
    #[default]
    Clip,
    /// The end of every recording: its last 30 % test, 10 % before them validate.
    /// Recordings of one folder are of one camera.
    Time,
}

impl SplitBy {
    /// As `--split` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clip => "clip",
            Self::Time => "time",
        }
    }
}

/// How recordings are split.
#[derive(Clone, Debug, Default)]
pub struct ClipRules {
    /// What is held out.
    pub split_by: SplitBy,
    /// Patterns on the name of the recording's file (`grid_*`): always held out, whole.
    pub test: Vec<String>,
    /// Chooses the recordings.
    pub seed: u64,
}
