//! What people and machines read on stderr: lines, or JSON.
//!
//! Belongs here: the format. Does not: what is said, and how much of it (`TalkArgs`).

use std::sync::atomic::{AtomicBool, Ordering};

use crate::text::printable_lines;

/// The format of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line, with `timestamp`, `level` and `message`.
    Json,
}

/// Set once, before anything is said.
static JSON: AtomicBool = AtomicBool::new(false);

/// All that is said from now on has this format.
pub fn set(format: LogFormat) {
    JSON.store(format == LogFormat::Json, Ordering::Relaxed);
}

/// A message as it is printed, without its line end.
pub fn formatted(text: &str) -> String {
    if !JSON.load(Ordering::Relaxed) {
        return printable_lines(text);
    }
    let level = if text.starts_with("l3net: ") {
        "WARN"
    } else {
        "INFO"
    };
    let message = text.strip_prefix("l3net: ").unwrap_or(text);
    let now = jiff::Timestamp::now().to_string();
    serde_json::json!({ "timestamp": now, "level": level, "message": message }).to_string()
}
