//! A thread's place among the others, and what it takes of a core.
#![allow(unsafe_code, reason = "two calls of the C library")]

use std::time::Duration;

/// Lets all other threads of the machine go before the calling one. What cannot be set
/// stays as it is.
pub fn come_last() {
    // SAFETY: setpriority takes three integers and may be called from any thread; on Linux
    // 0 is the calling thread.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, 19);
    }
}

/// How long the calling thread has had a core. Without the time that it waited for one.
pub fn time_on_core() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: clock_gettime writes to the timespec, which outlives the call. Where there is no
    // such clock it stays 0.
    unsafe {
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time);
    }
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanos)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn only_the_calling_thread_comes_last() {
        // SAFETY: as above.
        let priority = || unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
        let before = priority();
        let other = std::thread::spawn(move || {
            come_last();
            priority()
        });
        assert_eq!(other.join().expect("a thread"), 19);
        assert_eq!(priority(), before);
    }

    #[test]
    fn sleep_takes_no_time_on_a_core_and_work_does() {
        let before = time_on_core();
        std::thread::sleep(Duration::from_millis(200));
        let slept = time_on_core() - before;
        assert!(slept < Duration::from_millis(100), "{slept:?}");
        let begun = Instant::now();
        // However busy the machine is, some of the time is this thread's.
        while time_on_core() - before < slept + Duration::from_millis(20) {
            assert!(begun.elapsed() < Duration::from_secs(60));
        }
    }
}
