//! How freed memory is kept.
//!
//! A step of training frees and asks for gigabytes, in pieces of megabytes. The
//! C library gives pieces of that size back to the system and asks for new ones,
//! which the kernel clears page by page: a fifth of all the time of a step, on
//! two cores. Told to keep them, it finds them again at the next step.
//!
//! Not for live use, which asks for little and runs for months: there memory
//! that is given back is worth more.

#![allow(unsafe_code, reason = "mallopt has no safe face")]

/// Keeps freed memory in the process from here on. Does nothing where the C
/// library is not glibc, or where the environment tunes it.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if std::env::var_os("GLIBC_TUNABLES").is_none() {
        // SAFETY: mallopt takes two integers, may be called at any time and from
        // any thread, and refuses what it does not know.
        unsafe {
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, -1); // never
        }
    }
}
