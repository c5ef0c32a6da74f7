//! `[detect]`: when events begin and end.
//!
//! Of each kind: whether it is wanted, how long its condition must hold until it begins
//! (`after_s`), how long the condition must be over until it ends (`clear_s`), and the
//! thresholds. The defaults are for cameras that are left running.

use serde::Deserialize;

use super::value::Seconds;

/// Settings of all kinds.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Detect {
    /// Sound and picture stop belonging together.
    pub mismatch: Mismatch,
    /// No sound, or digital silence.
    pub mute: Mute,
    /// The picture stands.
    pub frozen: Frozen,
    /// The picture is black.
    pub black: Black,
    /// Nothing arrives.
    pub lost: Lost,
    /// Much louder than usual.
    pub loud: Loud,
    /// The timestamps of sound and picture come apart.
    pub out_of_sync: OutOfSync,
}

impl Detect {
    /// Whether all thresholds are ones that can work.
    ///
    /// # Errors
    /// Names the key and its range.
    pub(super) fn check(&self) -> Result<(), String> {
        let (mismatch, loud, sync) = (&self.mismatch, &self.loud, &self.out_of_sync);
        let bounds = [
            ("mismatch.sigmas", f64::from(mismatch.sigmas), 0.5, 50.0),
            ("mismatch.over_s", mismatch.over_s.0, 1.0, 600.0),
            // More is forgotten before it is learnt.
            ("mismatch.learn_s", mismatch.learn_s.0, 30.0, 14_400.0),
            (
                "mute.below_dbfs",
                f64::from(self.mute.below_dbfs),
                -119.0,
                0.0,
            ),
            ("loud.over_db", f64::from(loud.over_db), 3.0, 120.0),
            ("loud.above_dbfs", f64::from(loud.above_dbfs), -120.0, 20.0),
            // Less cannot be told from the jitter of networks.
            (
                "out_of_sync.sound_early_ms",
                f64::from(sync.sound_early_ms),
                20.0,
                60_000.0,
            ),
            (
                "out_of_sync.sound_late_ms",
                f64::from(sync.sound_late_ms),
                20.0,
                60_000.0,
            ),
        ];
        for (key, value, least, most) in bounds {
            // NaN is in no range.
            if !(least..=most).contains(&value) {
                return Err(format!("{key}: {value} is not between {least} and {most}"));
            }
        }
        Ok(())
    }
}

impl Detect {
    /// How long after its beginning an event is found at the latest.
    pub fn longest_delay(&self) -> std::time::Duration {
        let delays = [
            (
                self.mismatch.enabled,
                self.mismatch.after_s.0 + self.mismatch.over_s.0,
            ),
            (self.mute.enabled, self.mute.after_s.0),
            (self.frozen.enabled, self.frozen.after_s.0),
            (self.black.enabled, self.black.after_s.0),
            (self.lost.enabled, self.lost.after_s.0),
            (self.loud.enabled, self.loud.after_s.0),
            (self.out_of_sync.enabled, self.out_of_sync.after_s.0),
        ];
        let wanted = delays.into_iter().filter(|(enabled, _)| *enabled);
        let longest = wanted.map(|(_, seconds)| seconds).fold(0.0, f64::max);
        std::time::Duration::from_secs_f64(longest)
    }
}

/// A kind without thresholds, and the seconds after which it begins and ends unless told
/// otherwise.
macro_rules! timing {
    ($(#[$doc:meta])* $name:ident, $after_s:literal, $clear_s:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            /// Whether it is wanted.
            pub enabled: bool,
            /// How long its condition must hold.
            pub after_s: Seconds,
            /// How long its condition must be over.
            pub clear_s: Seconds,
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    enabled: true,
                    after_s: Seconds($after_s),
                    clear_s: Seconds($clear_s),
                }
            }
        }
    };
}

timing!(
    /// A picture that stands. A view without movement is not frozen: cameras make noise.
    Frozen, 60.0, 2.0
);
timing!(
    /// A black picture.
    Black, 5.0, 2.0
);
timing!(
    /// A stream that delivers nothing.
    Lost, 15.0, 2.0
);

/// Silence.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mute {
    /// Whether it is wanted.
    pub enabled: bool,
    /// How long its condition must hold.
    pub after_s: Seconds,
    /// How long its condition must be over.
    pub clear_s: Seconds,
    /// Sound under this level is none.
    pub below_dbfs: f32,
}

impl Default for Mute {
    fn default() -> Self {
        Self {
            enabled: true,
            after_s: Seconds(10.0),
            clear_s: Seconds(2.0),
            below_dbfs: l3net_data::result::SILENT_BELOW_DBFS,
        }
    }
}

/// Loud sound, against the stream's own normal.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Loud {
    /// Whether it is wanted.
    pub enabled: bool,
    /// How long its condition must hold.
    pub after_s: Seconds,
    /// How long its condition must be over.
    pub clear_s: Seconds,
    /// How much the level is over the stream's median.
    pub over_db: f32,
    /// Nothing under this level is loud.
    pub above_dbfs: f32,
}

impl Default for Loud {
    fn default() -> Self {
        Self {
            enabled: true,
            after_s: Seconds(1.0),
            clear_s: Seconds(5.0),
            over_db: 25.0,
            above_dbfs: -35.0,
        }
    }
}

/// Timestamps of sound and picture that come apart while a stream is open.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutOfSync {
    /// Whether it is wanted.
    pub enabled: bool,
    /// How long its condition must hold.
    pub after_s: Seconds,
    /// How long its condition must be over.
    pub clear_s: Seconds,
    /// By how many milliseconds the sound may become early. EBU R37: 40 ms.
    pub sound_early_ms: f32,
    /// By how many milliseconds the sound may become late. EBU R37: 60 ms.
    pub sound_late_ms: f32,
}

impl Default for OutOfSync {
    fn default() -> Self {
        Self {
            enabled: true,
            after_s: Seconds(30.0),
            clear_s: Seconds(30.0),
            sound_early_ms: 40.0,
            sound_late_ms: 60.0,
        }
    }
}

/// Sound and picture that stop belonging together, against the stream's own normal.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mismatch {
    /// Whether it is wanted.
    pub enabled: bool,
    /// Over how long the judgements are averaged.
    pub over_s: Seconds,
    /// How long its condition must hold.
    pub after_s: Seconds,
    /// How long its condition must be over.
    pub clear_s: Seconds,
    /// How far the average is under the stream's own median, in its own spreads.
    pub sigmas: f32,
    /// How much sound must have been judged until the normal is known.
    pub learn_s: Seconds,
}

impl Default for Mismatch {
    fn default() -> Self {
        Self {
            enabled: true,
            over_s: Seconds(10.0),
            after_s: Seconds(5.0),
            clear_s: Seconds(10.0),
            sigmas: 4.0,
            learn_s: Seconds(300.0),
        }
    }
}

/// What a stream's own table says, over what all streams have.
pub(super) fn merged(all: &toml::Table, own: &toml::Table) -> toml::Table {
    let mut merged = all.clone();
    for (key, value) in own {
        match (merged.get_mut(key), value) {
            (Some(toml::Value::Table(there)), toml::Value::Table(own)) => {
                *there = self::merged(there, own);
            }
            _ => {
                merged.insert(key.clone(), value.clone());
            }
        }
    }
    merged
}
