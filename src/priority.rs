//! Threads whose work can wait.
#![allow(unsafe_code, reason = "one call of the C library")]

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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn only_the_calling_thread_comes_last() {
        // SAFETY: as above.
        let priority = || unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
        let before = priority();
        let other = std::thread::spawn(move || {
            super::come_last();
            priority()
        });
        assert_eq!(other.join().expect("a thread"), 19);
        assert_eq!(priority(), before);
    }
}
