//! What a child may not do: write to its channels by accident, fill the memory, leave a
//! core dump.
#![allow(unsafe_code, reason = "calls of the C library that std does not offer")]

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::exit;

/// Exit code of a child that used more memory than it may.
pub(super) const OUT_OF_MEMORY: i32 = 3;

/// How often a child measures its memory. A decoder fills some hundred megabytes meanwhile.
const MEASURE_EVERY: Duration = Duration::from_millis(50);

/// 8K video in 10 bits takes 3 GB.
const LEAST_MEMORY: u64 = 2 << 30;

/// How much memory a child may use: half of the machine's.
pub(super) fn default_memory_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB"))
        .and_then(|kb| kb.trim().parse::<u64>().ok());
    (total.unwrap_or(0) * 1024 / 2).max(LEAST_MEMORY)
}

/// The two channels to the parent, which are stdin and stdout at the start. Moves them to
/// other descriptors, since libraries print on stdout.
pub(super) fn take_channels() -> io::Result<(UnixStream, UnixStream)> {
    let events = io::stdin().as_fd().try_clone_to_owned()?;
    let pictures = io::stdout().as_fd().try_clone_to_owned()?;
    let null = File::open("/dev/null")?;
    let raw = |fd: &dyn AsFd| std::os::fd::AsRawFd::as_raw_fd(&fd.as_fd());
    // SAFETY: all four are open descriptors of this process; nothing reads stdin, and
    // what is printed on stdout from here on is meant for people.
    let moved = unsafe { libc::dup2(raw(&null), 0) >= 0 && libc::dup2(2, 1) >= 0 };
    if !moved {
        return Err(io::Error::last_os_error());
    }
    Ok((events.into(), pictures.into()))
}

/// Leaves no core dump, is not stopped for writing to the terminal as a background
/// process, and is the first that the system ends when memory runs out.
pub(super) fn be_expendable() {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls take plain values; no handler is involved.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
        libc::signal(libc::SIGTTOU, libc::SIG_IGN);
    }
    // Where it is not allowed, the system decides.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}

/// Ends the process when it uses more memory than that. A limit of address space would
/// not do: libraries map much more than they use.
pub(super) fn bound_memory(bytes: u64) -> io::Result<()> {
    let watch = move || {
        loop {
            if resident_bytes().is_some_and(|used| used > bytes) {
                exit::immediately(OUT_OF_MEMORY);
            }
            std::thread::sleep(MEASURE_EVERY);
        }
    };
    std::thread::Builder::new().spawn(watch).map(drop)
}

fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    // SAFETY: has no preconditions.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Some(pages * u64::try_from(page).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_measures_its_own_memory() {
        let before = resident_bytes().expect("it is known");
        let held = vec![1_u8; 256 << 20];
        let now = resident_bytes().expect("it is known");
        assert!(now > before + (128 << 20), "{before} {now}");
        assert!(default_memory_bytes() >= LEAST_MEMORY);
        drop(held);
    }
}
