//! Keys and values that all processes of a run see.
#![allow(unsafe_code, reason = "calls of C functions")]

use std::ffi::c_int;
use std::ptr::null_mut;
use std::sync::Mutex;
use std::time::Duration;

use crate::C10dError;
use crate::ffi::{self, RawStore, check, milliseconds, text};

/// A connection to c10d's `TCPStore`, and in one process the server too.
///
/// Calls wait for each other, and none but [`get`](Self::get) has a time limit: where the
/// server is stopped they do not return. A thread that must not hang has its own.
pub struct Store {
    raw: Mutex<Raw>,
}

struct Raw(*mut RawStore);

// SAFETY: the store is libtorch's, which knows no threads; one call at a time is made.
unsafe impl Send for Raw {}

impl Store {
    /// Serves a store on every address of this machine. Keys begin with `prefix`, so that
    /// others' on the same server are not touched. [`get`](Self::get) waits for `timeout`.
    ///
    /// # Errors
    /// If the port is taken.
    pub fn serve(port: u16, prefix: &str, timeout: Duration) -> Result<Self, C10dError> {
        let prefix = text(prefix)?;
        let mut raw = null_mut();
        // SAFETY: the text lives over the call, and `raw` is written where there is no error.
        check(unsafe {
            ffi::l3net_c10d_store_serve(port, prefix.as_ptr(), milliseconds(timeout), &mut raw)
        })?;
        Ok(Self {
            raw: Mutex::new(Raw(raw)),
        })
    }

    /// Connects to a store; tries for `timeout`.
    ///
    /// # Errors
    /// If nobody answers, or not as a store.
    pub fn connect(
        host: &str,
        port: u16,
        prefix: &str,
        timeout: Duration,
    ) -> Result<Self, C10dError> {
        let (host, prefix) = (text(host)?, text(prefix)?);
        let mut raw = null_mut();
        // SAFETY: the texts live over the call, and `raw` is written where there is no error.
        check(unsafe {
            ffi::l3net_c10d_store_connect(
                host.as_ptr(),
                port,
                prefix.as_ptr(),
                milliseconds(timeout),
                &mut raw,
            )
        })?;
        Ok(Self {
            raw: Mutex::new(Raw(raw)),
        })
    }

    /// Sets a key.
    ///
    /// # Errors
    /// If the server has gone.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), C10dError> {
        let key = text(key)?;
        self.with(|store| {
            // SAFETY: key and value live over the call.
            check(unsafe {
                ffi::l3net_c10d_store_set(store, key.as_ptr(), value.as_ptr(), value.len())
            })
        })
    }

    /// The value of a key; waits until it is set.
    ///
    /// # Errors
    /// If the server has gone, or the time is over.
    pub fn get(&self, key: &str) -> Result<Vec<u8>, C10dError> {
        let key = text(key)?;
        self.with(|store| {
            let (mut bytes, mut len) = (null_mut(), 0);
            // SAFETY: without an error the bytes are handed over to us.
            unsafe {
                check(ffi::l3net_c10d_store_get(
                    store,
                    key.as_ptr(),
                    &mut bytes,
                    &mut len,
                ))?;
                Ok(ffi::taken(bytes, len))
            }
        })
    }

    /// Whether a key is set.
    ///
    /// # Errors
    /// If the server has gone.
    pub fn has(&self, key: &str) -> Result<bool, C10dError> {
        let key = text(key)?;
        self.with(|store| {
            let mut found: c_int = 0;
            // SAFETY: the key lives over the call.
            check(unsafe { ffi::l3net_c10d_store_has(store, key.as_ptr(), &mut found) })?;
            Ok(found != 0)
        })
    }

    /// Adds to a number, 0 before; the sum.
    ///
    /// # Errors
    /// If the server has gone.
    pub fn add(&self, key: &str, amount: i64) -> Result<i64, C10dError> {
        let key = text(key)?;
        self.with(|store| {
            let mut sum = 0;
            // SAFETY: the key lives over the call.
            check(unsafe { ffi::l3net_c10d_store_add(store, key.as_ptr(), amount, &mut sum) })?;
            Ok(sum)
        })
    }

    /// Sets a key that nobody has set before; the value that it has now.
    ///
    /// # Errors
    /// If the server has gone.
    pub fn set_first(&self, key: &str, value: &[u8]) -> Result<Vec<u8>, C10dError> {
        let key = text(key)?;
        self.with(|store| {
            let (mut bytes, mut len) = (null_mut(), 0);
            // SAFETY: without an error the bytes are handed over to us.
            unsafe {
                check(ffi::l3net_c10d_store_set_first(
                    store,
                    key.as_ptr(),
                    value.as_ptr(),
                    value.len(),
                    &mut bytes,
                    &mut len,
                ))?;
                Ok(ffi::taken(bytes, len))
            }
        })
    }

    /// The numbers `KEY/0` to `KEY/count-1`, each of which was [added](Self::add) to.
    ///
    /// # Errors
    /// If the server has gone.
    pub fn counts(&self, key: &str, count: usize) -> Result<Vec<i64>, C10dError> {
        let key = text(key)?;
        self.with(|store| {
            let mut counts = vec![0; count];
            // SAFETY: there is room for `count` numbers.
            check(unsafe {
                ffi::l3net_c10d_store_counts(store, key.as_ptr(), count, counts.as_mut_ptr())
            })?;
            Ok(counts)
        })
    }

    pub(crate) fn with<T>(&self, call: impl FnOnce(*mut RawStore) -> T) -> T {
        // A panic between two calls leaves the store as it is.
        let raw = self.raw.lock();
        call(raw.unwrap_or_else(std::sync::PoisonError::into_inner).0)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: made by the shim, and dropped once.
        unsafe { ffi::l3net_c10d_store_drop(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const LIMIT: Duration = Duration::from_secs(20);

    fn free_port() -> u16 {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        socket.local_addr().expect("its number").port()
    }

    #[test]
    fn what_one_sets_another_sees() {
        let port = free_port();
        let first = Store::serve(port, "a", LIMIT).expect("a server");
        let second = Store::connect("127.0.0.1", port, "a", LIMIT).expect("connected");
        assert!(!second.has("k").expect("an answer"));
        first.set("k", b"v\0w").expect("set");
        assert_eq!(second.get("k").expect("there"), b"v\0w");
        assert_eq!(first.add("n/0", 2).expect("added"), 2);
        assert_eq!(second.add("n/1", 3).expect("added"), 3);
        assert_eq!(first.counts("n", 2).expect("numbers"), [2, 3]);
        assert_eq!(second.set_first("w", b"2").expect("set"), b"2");
        assert_eq!(first.set_first("w", b"1").expect("told"), b"2");
        let other = Store::connect("127.0.0.1", port, "b", LIMIT).expect("connected");
        assert!(!other.has("k").expect("an answer"));
    }

    #[test]
    fn a_port_that_is_taken_is_an_error_of_one_line() {
        let socket = TcpListener::bind("0.0.0.0:0").expect("a port");
        let port = socket.local_addr().expect("its number").port();
        let error = Store::serve(port, "a", LIMIT).err().expect("taken");
        assert!(error.0.contains("EADDRINUSE"), "{error}");
        assert_eq!(error.0.lines().count(), 1, "{error}");
    }
}
