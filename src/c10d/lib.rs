//! The part of libtorch's c10d that training in several processes takes: a store of keys
//! and values that all of them see, and sums over all of them.
//!
//! Belongs here: c10d's classes as Rust types. Does not: who is in a run, and what it
//! does with them.
//!
//! libtorch ships c10d's headers without those of Gloo, the library below them; `gloo/`
//! declares the names that they use. `shim.cpp` compiles in seconds, and nothing of it
//! depends on the layout of Gloo's classes.

mod ffi;
mod group;
mod store;

pub use group::{Group, Interface, Work};
pub use store::Store;

/// c10d failed; its text, one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct C10dError(pub String);

/// Keeps c10d from logging what it also returns as errors, unless `TORCH_CPP_LOG_LEVEL`
/// asks for more.
pub fn quiet() {
    if std::env::var_os("TORCH_CPP_LOG_LEVEL").is_none() {
        ffi::log_level(ffi::FATAL);
    }
}
