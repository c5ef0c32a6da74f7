//! Opening the CUDA half of libtorch at start-up.
//!
//! The program is linked with libtorch's CPU libraries only, so one binary runs
//! on any machine. Where the CUDA libraries of the same libtorch version are
//! installed, opening `libtorch_cuda.so` with global symbols makes its kernels
//! register themselves, and the GPU can be used.
//!
//! Belongs here: that, and nothing else of CUDA. It must happen before libtorch is
//! first queried for a GPU: it caches the answer.
#![allow(
    unsafe_code,
    reason = "opening a shared library runs its initialisers; setting an environment variable is not thread-safe"
)]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::cache;
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

const LIBRARY: &str = "libtorch_cuda.so";
/// Where `make setup CUDA=1` puts it, below the cache folder.
const IN_CACHE: &str = "libtorch-2.11.0-cuda/torch/lib";

/// Opens libtorch's CUDA half, once. Fast on machines without a GPU.
///
/// # Errors
/// Says why CUDA is not available and what to do.
pub fn open() -> Result<(), String> {
    static OPENED: OnceLock<Result<(), String>> = OnceLock::new();
    OPENED.get_or_init(try_open).clone()
}

fn try_open() -> Result<(), String> {
    if !has_nvidia_device(Path::new("/dev")) {
        return Err("this machine has no NVIDIA device (no /dev/nvidia0)".to_owned());
    }
    exact_f32();
    load(&candidates())?;
    if tch::Cuda::is_available() {
        Ok(())
    } else {
        Err(
            "libtorch finds no usable GPU; does nvidia-smi list one, and is its driver \
             new enough for CUDA 13?"
                .to_owned(),
        )
    }
}

/// Turns TF32 off, which would silently round every factor of an f32 product to 10
/// bits. tch does not expose libtorch's own switch; this is CUDA's.
fn exact_f32() {
    const SWITCH: &str = "NVIDIA_TF32_OVERRIDE";
    if std::env::var_os(SWITCH).is_none() {
        // SAFETY: called once, while the device is being chosen; no other thread of
        // this program reads the environment through C at that time.
        unsafe { std::env::set_var(SWITCH, "0") };
    }
}

fn load(candidates: &[PathBuf]) -> Result<(), String> {
    let mut first_error = None;
    for path in candidates {
        // A path in a folder must exist; a bare name is for the loader to find.
        if path.components().count() > 1 && !path.exists() {
            continue;
        }
        // SAFETY: the library is libtorch's own; its initialisers register kernels
        // with the loaded libtorch and are made to run on loading.
        match unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) } {
            Ok(library) => {
                // Registered kernels point into it until the program ends.
                std::mem::forget(library);
                return Ok(());
            }
            Err(error) if path.components().count() > 1 => {
                first_error.get_or_insert(format!("{}: {error}", path.display()));
            }
            Err(_) => {}
        }
    }
    Err(first_error.unwrap_or_else(|| {
        "there is an NVIDIA device, but libtorch's CUDA libraries are not installed; \
         run `make setup CUDA=1`, or set L3NET_CUDA to the folder of libtorch_cuda.so"
            .to_owned()
    }))
}

fn candidates() -> Vec<PathBuf> {
    let named = std::env::var_os("L3NET_CUDA").map(PathBuf::from);
    // The bare name first: it finds the CUDA half of a linked libtorch that has one
    // (LIBTORCH set by hand).
    let mut places = vec![PathBuf::from(LIBRARY)];
    places.extend(named.map(|path| {
        if path.is_dir() {
            path.join(LIBRARY)
        } else {
            path
        }
    }));
    places.push(cache::folder().join(IN_CACHE).join(LIBRARY));
    places
}

/// Containers number devices as the host does, so any number counts. `dxg` is the GPU
/// of WSL.
fn has_nvidia_device(dev: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(dev) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let number = name.strip_prefix("nvidia").unwrap_or_default();
        name == "dxg" || (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbered_nvidia_devices_count() {
        let dev = tempfile::tempdir().expect("a folder");
        std::fs::write(dev.path().join("nvidia-uvm"), "").expect("a file");
        assert!(!has_nvidia_device(dev.path()));
        std::fs::write(dev.path().join("nvidia3"), "").expect("a file");
        assert!(has_nvidia_device(dev.path()));
    }

    #[test]
    fn a_library_that_cannot_be_opened_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(LIBRARY);
        std::fs::write(&path, "no library").expect("a file");
        let error = load(std::slice::from_ref(&path)).expect_err("not a library");
        assert!(error.contains(&path.display().to_string()), "{error}");
        let error = load(&[dir.path().join("none")]).expect_err("not there");
        assert!(error.contains("make setup CUDA=1"), "{error}");
    }
}
