//! Reuse of freed memory.
//!
//! A training step frees and allocates gigabytes in blocks of megabytes. The C library
//! returns blocks of that size to the system and requests new ones, which the kernel
//! clears page by page: 20 % of the time of a step on two cores. With this setting it
//! keeps and reuses them.
//!
//! Not for live use, which allocates little and runs for months: there returned memory
//! is worth more.

#![allow(unsafe_code, reason = "mallopt has no safe wrapper")]

/// Keeps freed memory in the process from now on. Does nothing if the C library is not
/// glibc, or if the environment tunes it.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if std::env::var_os("GLIBC_TUNABLES").is_none() {
        // SAFETY: mallopt takes two integers, may be called at any time and from any
        // thread, and rejects unknown parameters.
        unsafe {
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, -1); // never
        }
    }
}
