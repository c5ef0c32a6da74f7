//! Opening the CUDA half of libtorch at start-up.
//!
//! The program is linked with libtorch's CPU libraries only, so one binary runs
//! on any machine. Where the CUDA libraries of the very same libtorch are
//! installed, opening `libtorch_cuda.so` for all symbols makes its kernels
//! register themselves, and the GPU is there.
//!
//! Belongs here: that, and nothing else of CUDA. It must happen before libtorch
//! is asked for a GPU for the first time: it remembers the answer.
#![allow(
    unsafe_code,
    reason = "opening a shared library runs its initialisers; setting a variable of the environment is not thread-safe"
)]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::cache;
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

const LIBRARY: &str = "libtorch_cuda.so";
/// Where `make setup CUDA=1` puts it, below the cache folder.
const IN_CACHE: &str = "libtorch-2.11.0-cuda/torch/lib";

/// Makes the GPU known to libtorch, once. Fast where there is none.
///
/// # Errors
/// Says why there is no CUDA and what to do about it.
pub fn open() -> Result<(), String> {
    static OPENED: OnceLock<Result<(), String>> = OnceLock::new();
    OPENED.get_or_init(try_open).clone()
}

fn try_open() -> Result<(), String> {
    if !nvidia_device_is_there(Path::new("/dev")) {
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

/// f32 means f32: TF32 would round every product to 10 bits without a word.
/// libtorch's own switch for it is out of reach of tch; CUDA's is this.
fn exact_f32() {
    const SWITCH: &str = "NVIDIA_TF32_OVERRIDE";
    if std::env::var_os(SWITCH).is_none() {
        // SAFETY: called once, while the device is being chosen; no thread of this
        // program reads the environment through C meanwhile.
        unsafe { std::env::set_var(SWITCH, "0") };
    }
}

fn load(candidates: &[PathBuf]) -> Result<(), String> {
    let mut first_error = None;
    for path in candidates {
        // A path with a folder that is not there is no candidate; a bare name
        // is for the loader to find.
        if path.components().count() > 1 && !path.exists() {
            continue;
        }
        // SAFETY: the library is libtorch's own; its initialisers register kernels
        // with the libtorch that is loaded already and expect to be run like this.
        match unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) } {
            Ok(library) => {
                // Registered kernels point into it for as long as the program runs.
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
    // The bare name first: where a libtorch with CUDA of its own is linked
    // (LIBTORCH set by hand), that is the one.
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

/// Containers number devices as the host does: any `nvidia` and a number counts.
/// `dxg` is the GPU of Windows' Linux.
fn nvidia_device_is_there(dev: &Path) -> bool {
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
        assert!(!nvidia_device_is_there(dev.path()));
        std::fs::write(dev.path().join("nvidia3"), "").expect("a file");
        assert!(nvidia_device_is_there(dev.path()));
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
