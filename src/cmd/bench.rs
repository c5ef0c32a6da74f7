//! `l3net bench`: how fast this machine is, stage by stage.
//!
//! Belongs here: which benches there are. Does not: pass or fail; figures are
//! for people, and machines are shared.

pub mod features;
mod jobs;
pub mod stats;
pub mod throughput;
