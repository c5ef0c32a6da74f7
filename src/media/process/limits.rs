//! What a child may not do: write to its channels by accident, fill the memory, leave a
//! core dump.
#![allow(unsafe_code, reason = "calls of the C library that std does not offer")]

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Component, Path};
use std::time::Duration;

use crate::exit;
use crate::proc;

/// Exit code of a child that used more memory than it may.
pub(super) const OUT_OF_MEMORY: i32 = 3;

/// How often a child measures its memory. A decoder fills some hundred megabytes meanwhile.
const MEASURE_EVERY: Duration = Duration::from_millis(50);

/// 4K video in 10 bits takes less; 8K takes 3 GB.
const LEAST_MEMORY: u64 = 1 << 30;

/// How much memory each of so many children may use: together half of what there is. But
/// if that is little, enough for most films, since not all need it at once.
pub(super) fn memory_bytes(jobs: usize) -> u64 {
    let there = machine_bytes().unwrap_or(u64::MAX);
    let allowed = std::fs::read_to_string("/proc/self/cgroup")
        .ok()
        .and_then(|groups| group_bytes(Path::new("/sys/fs/cgroup"), &groups));
    share(there.min(allowed.unwrap_or(u64::MAX)), jobs)
}

fn share(there: u64, jobs: usize) -> u64 {
    let half = there / 2;
    (half / jobs.max(1) as u64).max(LEAST_MEMORY.min(half))
}

fn machine_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    proc::bytes(proc::field(&text, "MemTotal")?)
}

/// The lowest limit of the control groups that `/proc/self/cgroup` lists: of containers
/// and of services.
fn group_bytes(root: &Path, groups: &str) -> Option<u64> {
    let limits = groups.lines().flat_map(|line| {
        // `0::/path` in version 2, `N:controllers:/path` in version 1.
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next().unwrap_or(""), parts.next().unwrap_or("/"));
        let (root, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            _ => (root.join("memory"), "memory.limit_in_bytes"),
        };
        let is_memory = controllers.is_empty() || controllers.split(',').any(|c| c == "memory");
        let normal = Path::new(path).components();
        let names = normal.filter_map(|part| match part {
            Component::Normal(name) if is_memory => Some(name.to_owned()),
            _ => None,
        });
        // From the root down: a limit holds for all below it.
        let mut folder = root;
        let mut limits = vec![limit(&folder.join(file))];
        for name in names {
            folder.push(name);
            limits.push(limit(&folder.join(file)));
        }
        limits.into_iter().filter(move |_| is_memory).flatten()
    });
    limits.min()
}

/// `None` without a limit, which is the word `max`.
fn limit(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
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
        // Hidden from the optimiser, which would leave it out.
        let held = std::hint::black_box(vec![1_u8; 256 << 20]);
        let now = resident_bytes().expect("it is known");
        assert!(now > before + (128 << 20), "{before} {now}");
        drop(held);
    }

    #[test]
    fn children_share_half_of_the_memory() {
        const GIB: u64 = 1 << 30;
        assert_eq!(share(64 * GIB, 1), 32 * GIB);
        assert_eq!(share(64 * GIB, 8), 4 * GIB);
        assert_eq!(share(8 * GIB, 64), GIB);
        assert_eq!(share(GIB, 4), GIB / 2);
        let here = machine_bytes().expect("it is known");
        assert!((1..=here / 2).contains(&memory_bytes(1)));
    }

    #[test]
    fn the_lowest_limit_of_a_control_group_holds() {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |file: &str, text: &str| {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        let of = |groups: &str| group_bytes(dir.path(), groups);
        assert_eq!(of("0::/\n"), None);
        write("a.slice/memory.max", "3000\n");
        write("a.slice/b.service/memory.max", "max\n");
        assert_eq!(of("0::/a.slice/b.service\n"), Some(3000));
        write("memory.max", "2000\n");
        assert_eq!(of("0::/a.slice/b.service\n"), Some(2000));
        assert_eq!(of("0::/\n"), Some(2000));
        write("memory/docker/x/memory.limit_in_bytes", "500\n");
        let first = "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n0::/\n";
        assert_eq!(of(first), Some(500));
        assert_eq!(of("5:cpu,cpuacct:/docker/x\n"), None);
        assert_eq!(of("nonsense"), Some(2000));
    }
}
