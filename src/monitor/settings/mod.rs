//! `--streams FILE.toml`: what to monitor, and what is told of it.
//!
//! Belongs here: the file's keys, their defaults and bounds. Does not: what a SOURCE is
//! (`media`), what is done with the settings.

mod detect;
mod notify;
mod record;
mod value;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

pub use detect::{Black, Detect, Frozen, Lost, Loud, Mismatch, Mute, OutOfSync};
pub use notify::{Command, Discovery, Frigate, Mqtt, Webhook, WebhookMethod, When};
pub use record::Record;
pub use value::{Age, Seconds, Size, Text};

/// All that a file says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The streams, in this order.
    pub stream: Vec<Spanned<StreamSettings>>,
    /// When events begin and end, where a stream does not say otherwise.
    pub detect: Detect,
    /// Clips, snapshots and timeline on disk.
    pub record: Option<Record>,
    /// The page.
    pub web: Option<Web>,
    /// The broker.
    pub mqtt: Option<Mqtt>,
    /// Servers that are told of events.
    pub webhook: Vec<Webhook>,
    /// A Frigate that gets the events.
    pub frigate: Option<Frigate>,
    /// Commands that are run for events.
    pub command: Vec<Command>,
}

/// One stream.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamSettings {
    /// Its name in results, files and topics.
    pub name: String,
    /// Its name for people.
    pub label: Option<String>,
    /// What to open, as a SOURCE on the command line.
    pub source: Text,
    /// Seconds between moments; the command line's `--hop` if it is not given.
    pub hop: Option<Seconds>,
    /// Its name in the Frigate that is told of its events.
    pub frigate_camera: Option<String>,
    /// When its events begin and end: what its own table says, over `[detect]`.
    #[serde(default)]
    pub detect: Detect,
}

/// The page.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Web {
    /// Where to serve it, such as `:8080` (this machine only) or `0.0.0.0:8080`.
    pub address: String,
    /// What a browser must know unless it is on this machine.
    #[serde(default)]
    pub token: Option<Text>,
    /// A proxy in front asks for passwords: serve other machines without a token.
    #[serde(default)]
    pub behind_proxy: bool,
}

/// What is wrong with a file.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// It cannot be read.
    #[error("{}: cannot be read: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It does not say what it should.
    #[error("{}:{line}: {cause}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, with the key and the next step.
        cause: String,
    },
}

impl Settings {
    /// Reads a file. `${NAME}` in secrets is the environment's.
    ///
    /// # Errors
    /// Names the line and the key.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path).map_err(|cause| SettingsError::Unreadable {
            path: path.to_owned(),
            cause,
        })?;
        Self::parse(&text).map_err(|(at, cause)| SettingsError::Wrong {
            path: path.to_owned(),
            line: line_of(&text, at),
            cause,
        })
    }

    /// Reads a text. The error has the byte that it is about.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut settings: Self = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            (at, said(&error))
        })?;
        settings.check()?;
        settings.merge_detect(text)?;
        Ok(settings)
    }

    /// Each stream's `detect` so far holds what its own table says, over the defaults.
    fn merge_detect(&mut self, text: &str) -> Result<(), (usize, String)> {
        self.detect
            .check()
            .map_err(|cause| (0, format!("detect.{cause}")))?;
        let raw: toml::Table = text.parse().map_err(|e| (0, said(&e)))?;
        let table = |of: &toml::Table| {
            let detect = of.get("detect").and_then(toml::Value::as_table);
            detect.cloned().unwrap_or_default()
        };
        let streams = raw.get("stream").and_then(toml::Value::as_array);
        let streams = streams.into_iter().flatten();
        for (stream, raw_stream) in self.stream.iter_mut().zip(streams) {
            let own = raw_stream.as_table().map(table).unwrap_or_default();
            let merged = detect::merged(&table(&raw), &own);
            let at = stream.span().start;
            let merged = merged
                .try_into()
                .map_err(|e: toml::de::Error| (at, said(&e)))?;
            stream.as_mut().detect = merged;
            let detect = &stream.as_ref().detect;
            detect
                .check()
                .map_err(|cause| (at, format!("detect.{cause}")))?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), (usize, String)> {
        let mut seen = BTreeMap::new();
        for spanned in &self.stream {
            let (at, stream) = (spanned.span().start, spanned.as_ref());
            let wrong = |cause: String| Err((at, cause));
            if stream.name.trim().is_empty() || stream.name.len() > 200 {
                return wrong("name: a stream needs a name of 1 to 200 bytes".into());
            }
            if stream.name.chars().any(char::is_control) {
                return wrong(format!("name: {:?} has control characters", stream.name));
            }
            if seen.insert(&stream.name, at).is_some() {
                return wrong(format!("name: two streams are called {:?}", stream.name));
            }
            if let Some(hop) = stream.hop
                && !(0.1..=1.0).contains(&hop.0)
            {
                return wrong(format!("hop: {} is not between 0.1 and 1 second", hop.0));
            }
        }
        Ok(())
    }
}

/// The message of a TOML error on one line, without its excerpt of the file.
fn said(error: &toml::de::Error) -> String {
    error.message().replace('\n', "; ")
}

fn line_of(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or(text);
    before.bytes().filter(|b| *b == b'\n').count() + 1
}

#[cfg(test)]
mod tests;
