//! What is told of live streams: events (mute, frozen, mismatch, …), their timeline, clips
//! and snapshots, the page, MQTT and webhooks.
//!
//! A package of its own because it needs neither libtorch nor GStreamer: it takes the
//! engine's results ([`l3net_data::event::Event`]) and the time, and is compiled and tested
//! in seconds. Modules in the order of the data:
//!
//! ```text
//! settings   the TOML file                             Settings
//! detect     verdicts, gaps and time                   StreamEvent begins, ends
//! monitor    one per run: status, timeline, events     News
//! hub        News to everybody who wants them
//! store      timeline and events on disk
//! web        the page and its HTTP interface
//! notify     MQTT, Home Assistant, webhooks, Frigate, commands
//! ```

pub mod clip;
pub mod detect;
pub mod event;
pub mod files;
#[cfg(all(test, target_os = "linux"))]
#[path = "../data/footprint.rs"]
mod footprint;
pub mod gallery;
pub mod hub;
pub mod monitor;
pub mod notify;
pub mod settings;
pub mod status;
pub mod store;
#[cfg(test)]
mod testing;
pub mod time;
pub mod web;
