//! Signals: which ones end a run, and which whoever started the program wants ignored.
//!
//! Belongs here: listening, and telling a terminal that has gone from a wish to read the
//! settings anew. Does not: what ending or reading anew is ([`common`](super::common),
//! [`live`](super::live)).
#![allow(unsafe_code, reason = "one call of the C library")]

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// An orderly end.
    End,
    /// To read the settings anew.
    Reload,
}

/// Calls `on` for each signal, on a thread of its own, for the rest of the process.
///
/// SIGINT (Ctrl-C), SIGTERM and SIGHUP ask for the end. With `reloads`, SIGHUP asks for
/// reading the settings anew, unless it came because the program's terminal has gone.
/// Signals that were ignored before stay ignored: `nohup` sets SIGHUP so, and a shell without
/// job control sets SIGINT so for what it starts with `&`. SIGHUP does not with `reloads`:
/// then it ends nothing that was to outlive its terminal.
///
/// # Errors
/// If the system refuses a handler or a thread.
pub fn listen(reloads: bool, mut on: impl FnMut(Wish) + Send + 'static) -> io::Result<()> {
    let had_terminal = has_terminal();
    let outlives_terminal = is_ignored(SIGHUP);
    let heeded = |signal: &i32| !is_ignored(*signal) || (reloads && *signal == SIGHUP);
    let heeded: Vec<i32> = [SIGINT, SIGTERM, SIGHUP]
        .into_iter()
        .filter(heeded)
        .collect();
    let mut signals = Signals::new(heeded)?;
    let wait = move || {
        for signal in signals.forever() {
            let gone = had_terminal && !outlives_terminal && !has_terminal();
            on(match signal {
                SIGHUP if reloads && !gone => Wish::Reload,
                _ => Wish::End,
            });
        }
    };
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(wait).map(drop)
}

/// Whether the process has a terminal that signals may come from.
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
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
