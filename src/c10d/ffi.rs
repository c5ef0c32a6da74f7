//! The functions of `shim.cpp`, and its errors as Rust's.
#![allow(unsafe_code, reason = "calls of C functions")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};

use crate::C10dError;

/// glog's level above every message of c10d.
pub const FATAL: c_int = 3;

/// Opaque types of the shim.
#[repr(C)]
pub struct RawStore {
    _opaque: [u8; 0],
}
#[repr(C)]
pub struct RawGroup {
    _opaque: [u8; 0],
}
#[repr(C)]
pub struct RawWork {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn l3net_c10d_free(pointer: *mut c_void);
    fn l3net_c10d_log_level(level: c_int);
    pub fn l3net_c10d_store_serve(
        port: u16,
        prefix: *const c_char,
        timeout_ms: i64,
        out: *mut *mut RawStore,
    ) -> *mut c_char;
    pub fn l3net_c10d_store_connect(
        host: *const c_char,
        port: u16,
        prefix: *const c_char,
        timeout_ms: i64,
        out: *mut *mut RawStore,
    ) -> *mut c_char;
    pub fn l3net_c10d_store_drop(store: *mut RawStore);
    pub fn l3net_c10d_store_set(
        store: *mut RawStore,
        key: *const c_char,
        value: *const u8,
        len: usize,
    ) -> *mut c_char;
    pub fn l3net_c10d_store_get(
        store: *mut RawStore,
        key: *const c_char,
        out: *mut *mut u8,
        len: *mut usize,
    ) -> *mut c_char;
    pub fn l3net_c10d_store_has(
        store: *mut RawStore,
        key: *const c_char,
        out: *mut c_int,
    ) -> *mut c_char;
    pub fn l3net_c10d_store_add(
        store: *mut RawStore,
        key: *const c_char,
        amount: i64,
        out: *mut i64,
    ) -> *mut c_char;
    pub fn l3net_c10d_store_set_first(
        store: *mut RawStore,
        key: *const c_char,
        value: *const u8,
        len: usize,
        out: *mut *mut u8,
        out_len: *mut usize,
    ) -> *mut c_char;
    pub fn l3net_c10d_store_counts(
        store: *mut RawStore,
        key: *const c_char,
        count: usize,
        out: *mut i64,
    ) -> *mut c_char;
    pub fn l3net_c10d_group_new(
        store: *mut RawStore,
        rank: c_int,
        size: c_int,
        host: *const c_char,
        is_interface: c_int,
        timeout_ms: i64,
        out: *mut *mut RawGroup,
    ) -> *mut c_char;
    pub fn l3net_c10d_group_drop(group: *mut RawGroup);
    pub fn l3net_c10d_all_reduce(
        group: *mut RawGroup,
        tensor: *const c_void,
        out: *mut *mut RawWork,
    ) -> *mut c_char;
    pub fn l3net_c10d_broadcast(
        group: *mut RawGroup,
        tensor: *const c_void,
        out: *mut *mut RawWork,
    ) -> *mut c_char;
    pub fn l3net_c10d_work_wait(
        work: *mut RawWork,
        timeout_ms: i64,
        done: *mut c_int,
    ) -> *mut c_char;
    pub fn l3net_c10d_work_drop(work: *mut RawWork);
}

pub fn log_level(level: c_int) {
    // SAFETY: sets one number of libtorch's, before threads of it run that read it.
    unsafe { l3net_c10d_log_level(level) }
}

/// Makes an error of the text that a function returned.
pub fn check(text: *mut c_char) -> Result<(), C10dError> {
    if text.is_null() {
        return Ok(());
    }
    // SAFETY: every function of the shim returns null or a text that is the caller's.
    let error = unsafe {
        let copy = CStr::from_ptr(text).to_string_lossy().into_owned();
        l3net_c10d_free(text.cast());
        copy
    };
    Err(C10dError(error))
}

/// A copy of bytes that a function handed over.
///
/// # Safety
/// `bytes` are `len` bytes, and the caller's to free.
pub unsafe fn taken(bytes: *mut u8, len: usize) -> Vec<u8> {
    // SAFETY: as the caller promises.
    unsafe {
        let copy = std::slice::from_raw_parts(bytes, len).to_vec();
        l3net_c10d_free(bytes.cast());
        copy
    }
}

/// A text for C.
pub fn text(text: &str) -> Result<CString, C10dError> {
    CString::new(text).map_err(|_| C10dError(format!("{text:?} has a zero byte")))
}

/// A duration for C: at least a millisecond, as 0 stands for no limit.
pub fn milliseconds(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX).max(1)
}
