//! Signals that whoever started the program wants ignored.
//!
//! Belongs here: reading and restoring that wish. Does not: what a signal does
//! ([`common`](super::common)).
#![allow(unsafe_code, reason = "two calls of the C library")]

/// The signals that end a run.
const ENDING: [libc::c_int; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// Installs handlers. Signals that were ignored before stay ignored: `nohup` sets SIGHUP
/// so, and a shell without job control sets SIGINT so for what it starts with `&`.
pub fn keep_ignored<T>(install: impl FnOnce() -> T) -> T {
    let ignored = ENDING.map(is_ignored);
    let installed = install();
    for (signal, _) in ENDING.into_iter().zip(ignored).filter(|(_, is)| *is) {
        // SAFETY: `SIG_IGN` is valid for each of these signals; no handler of ours is
        // replaced while it runs, as it has just been installed.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    installed
}

fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: zeroes are a valid `sigaction`; without a new action the call only writes
    // the present one to `now`.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut now) == 0
            && now.sa_sigaction == libc::SIG_IGN
    }
}
