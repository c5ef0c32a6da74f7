//! Processor, libtorch and GPU.
//!
//! Belongs here: what the system's own files tell, and what libtorch says of
//! itself. Nothing is measured; that is what `l3net bench` is for.

use std::path::PathBuf;
use std::process::Command;

use serde::Serialize;

use super::Missing;
use crate::net;

/// Instruction sets that the network gains from, and what for.
const FEATURES: &[(&str, &str)] = &[
    ("avx2", "AVX2"),
    ("avx512f", "AVX-512"),
    ("avx512_bf16", "AVX-512 bf16"),
    ("amx_bf16", "AMX bf16"),
    ("asimd", "NEON"),
    ("bf16", "Arm bf16"),
];

/// The processor.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Cpu {
    pub name: Option<String>,
    /// What this process may use: limits of containers count.
    pub cores: usize,
    /// Of the instruction sets that matter, those that are there.
    pub features: Vec<&'static str>,
    /// Quicker in bf16 than in f32, so that `--precision auto` is bf16.
    pub fast_bf16: bool,
    pub memory_bytes: Option<u64>,
}

pub(super) fn cpu() -> Cpu {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    cpu_from(&text, &memory, crate::cores::cores())
}

fn cpu_from(cpuinfo: &str, meminfo: &str, cores: usize) -> Cpu {
    let value = |text: &str, key: &str| {
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.trim() == key)
            .map(|(_, value)| value.trim().to_owned())
    };
    // x86 says "flags", Arm "Features".
    let flags = value(cpuinfo, "flags").or_else(|| value(cpuinfo, "Features"));
    let flags: Vec<&str> = flags.iter().flat_map(|f| f.split_whitespace()).collect();
    Cpu {
        name: value(cpuinfo, "model name"),
        cores,
        features: FEATURES
            .iter()
            .filter(|(flag, _)| flags.contains(flag))
            .map(|&(_, name)| name)
            .collect(),
        fast_bf16: net::bf16_is_faster_on_cpu(),
        memory_bytes: value(meminfo, "MemTotal")
            .and_then(|v| v.strip_suffix(" kB")?.trim().parse::<u64>().ok())
            .map(|kb| kb * 1024),
    }
}

/// The libtorch that is loaded.
#[derive(Debug, Serialize)]
pub(super) struct Libtorch {
    /// Of the loaded library, where its folder tells.
    pub version: Option<String>,
    /// The library's file.
    pub path: Option<PathBuf>,
    /// Threads that one operation uses.
    pub threads: i32,
}

pub(super) fn libtorch() -> Libtorch {
    // Asked first: it makes sure that the library is loaded.
    let threads = tch::get_num_threads();
    let path = loaded("libtorch_cpu.so");
    let version = path.as_ref().and_then(|path| {
        let folder = path.parent()?.parent()?;
        let text = std::fs::read_to_string(folder.join("build-version")).ok()?;
        Some(text.trim().to_owned())
    });
    Libtorch {
        version,
        path,
        threads,
    }
}

/// The file of a library that is mapped into this process.
fn loaded(name: &str) -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines()
        .filter_map(|line| line.find('/').map(|at| PathBuf::from(&line[at..])))
        .find(|path| path.file_name().is_some_and(|file| file == name))
}

/// NVIDIA GPUs, as the driver and as libtorch see them.
#[derive(Debug, Serialize)]
pub(super) struct Gpu {
    /// Name, memory and driver of each, as `nvidia-smi` gives them.
    pub devices: Vec<String>,
    /// The kernel's driver is there.
    pub driver: bool,
    /// How many libtorch can use.
    pub usable: i64,
    /// The library that has been opened for them.
    pub library: Option<PathBuf>,
    /// Why libtorch cannot use a GPU.
    pub error: Option<String>,
}

pub(super) fn gpu() -> Gpu {
    // Before libtorch is asked: it remembers its first answer.
    let opened = net::cuda::open();
    Gpu {
        devices: nvidia_smi(),
        driver: std::path::Path::new("/proc/driver/nvidia/version").exists(),
        usable: opened.as_ref().map_or(0, |()| tch::Cuda::device_count()),
        library: loaded("libtorch_cuda.so"),
        error: opened.err(),
    }
}

fn nvidia_smi() -> Vec<String> {
    let query = "--query-gpu=name,memory.total,driver_version";
    let Ok(out) = Command::new("nvidia-smi")
        .args([query, "--format=csv,noheader"])
        .output()
    else {
        return Vec::new();
    };
    if !out.status.success() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&out.stdout);
    text.lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

impl Gpu {
    /// A GPU that is there and cannot be used; a machine without one lacks nothing.
    pub(super) fn missing(&self) -> Option<Missing> {
        if (self.devices.is_empty() && !self.driver) || self.usable > 0 {
            return None;
        }
        let why = self.error.as_deref().unwrap_or("libtorch finds none");
        Some(Missing {
            what: format!("the GPU: {why}"),
            needed: false,
            package: None,
            // Where the libraries are there, something else is wrong with it.
            command: self.library.is_none().then_some("make setup CUDA=1"),
        })
    }
}

/// No `sudo` needed.
pub(super) fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .and_then(|ids| ids.split_whitespace().nth(1))
        .is_some_and(|effective| effective == "0")
}

/// A Debian or one of its children.
pub(super) fn has_apt() -> bool {
    std::path::Path::new("/usr/bin/apt-get").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_with_bf16_is_told_from_an_old_laptop() {
        let server =
            "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu avx2 avx512f avx512_bf16\n";
        let cpu = cpu_from(server, "MemTotal:       1024 kB\n", 2);
        assert_eq!(cpu.name.as_deref(), Some("Some CPU"));
        assert_eq!(cpu.features, ["AVX2", "AVX-512", "AVX-512 bf16"]);
        assert_eq!(cpu.memory_bytes, Some(1 << 20));
        let laptop = cpu_from("flags : fpu avx2\n", "", 4);
        assert_eq!(laptop.features, ["AVX2"]);
        assert_eq!(laptop.memory_bytes, None);
    }

    #[test]
    fn an_arm_processor_says_features_and_no_name() {
        let cpu = cpu_from("Features\t: fp asimd bf16\n", "", 8);
        assert_eq!(cpu.features, ["NEON", "Arm bf16"]);
    }

    #[test]
    fn the_loaded_libtorch_is_found() {
        let found = libtorch();
        assert!(found.path.is_some_and(|path| path.exists()));
        assert!(found.threads >= 1);
    }

    #[test]
    fn a_gpu_without_libraries_is_missing_them_and_none_at_all_is_fine() {
        let none = Gpu {
            devices: Vec::new(),
            driver: false,
            usable: 0,
            library: None,
            error: Some("no device".to_owned()),
        };
        assert_eq!(none.missing(), None);
        let mut gpu = Gpu {
            devices: vec!["Some GPU, 8192 MiB, 580.1".to_owned()],
            driver: true,
            ..none
        };
        assert_eq!(
            gpu.missing().and_then(|m| m.command),
            Some("make setup CUDA=1")
        );
        gpu.library = Some("libtorch_cuda.so".into());
        assert_eq!(gpu.missing().map(|m| m.command), Some(None));
        gpu.usable = 1;
        assert_eq!(gpu.missing(), None);
    }
}
