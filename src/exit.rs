//! Ending the process at once.
//!
//! Belongs here: the one call. Does not: an orderly end ([`crate::cancel`]).
#![allow(unsafe_code, reason = "one call of the C library")]

/// Ends the process without running anything else.
///
/// [`std::process::exit`] runs the destructors of libtorch and GStreamer while their
/// threads still work, which can crash or hang.
pub fn immediately(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions, may be called from any thread, and does not
    // return.
    unsafe { libc::_exit(code) }
}
