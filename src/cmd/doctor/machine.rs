//! Processor, libtorch and GPU.
//!
//! Belongs here: what the system's files and libtorch report. Does not: measurements
//! (`l3net bench`).

use std::path::PathBuf;
use std::process::Command;

use serde::Serialize;

use super::Missing;
use tch::Kind;

use crate::net::{self, PrecisionProbe, precision_name};
use crate::proc::{self, field};

/// Instruction sets that speed up the network: flag and name.
const FEATURES: &[(&str, &str)] = &[
    ("avx2", "AVX2"),
    ("avx512f", "AVX-512"),
    ("avx512_bf16", "AVX-512 bf16"),
    ("amx_bf16", "AMX bf16"),
    ("asimd", "NEON"),
    ("bf16", "Arm bf16"),
];

/// The processor.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Cpu {
    pub name: Option<String>,
    /// Cores that this process may use, within the limits of a container.
    pub cores: usize,
    /// The instruction sets present, of those that speed up the network.
    pub features: Vec<&'static str>,
    /// What `--precision auto` is: `f32` or `bf16`.
    pub auto_precision: &'static str,
    /// The time of bf16 of that of f32, where both were measured.
    pub bf16_time: Option<f64>,
    /// Instruction set of our own convolutions, in f32.
    pub convolutions: String,
    pub memory_bytes: Option<u64>,
}

pub(super) fn cpu() -> Cpu {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let cores = crate::cores::cores();
    cpu_from(&text, &memory, cores, PrecisionProbe::of_cpu(cores))
}

fn cpu_from(cpuinfo: &str, meminfo: &str, cores: usize, probe: Option<PrecisionProbe>) -> Cpu {
    // "flags" on x86, "Features" on Arm.
    let flags = field(cpuinfo, "flags").or_else(|| field(cpuinfo, "Features"));
    let flags: Vec<&str> = flags.iter().flat_map(|f| f.split_whitespace()).collect();
    Cpu {
        name: field(cpuinfo, "model name").map(str::to_owned),
        cores,
        features: FEATURES
            .iter()
            .filter(|(flag, _)| flags.contains(flag))
            .map(|&(_, name)| name)
            .collect(),
        auto_precision: precision_name(probe.map_or(Kind::Float, |probe| probe.kind())),
        bf16_time: probe.map(|probe| probe.ratio()),
        convolutions: l3net_conv::Isa::best().to_string(),
        memory_bytes: field(meminfo, "MemTotal").and_then(proc::bytes),
    }
}

/// The loaded libtorch.
#[derive(Debug, Serialize)]
pub(super) struct Libtorch {
    /// Its version, where its folder says.
    pub version: Option<String>,
    /// Its file.
    pub path: Option<PathBuf>,
    /// Threads of one operation.
    pub threads: i32,
}

pub(super) fn libtorch() -> Libtorch {
    // First, as it makes sure that the library is loaded.
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

/// The file of a library that this process has loaded.
fn loaded(name: &str) -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines()
        .filter_map(|line| line.find('/').map(|at| PathBuf::from(&line[at..])))
        .find(|path| path.file_name().is_some_and(|file| file == name))
}

/// NVIDIA GPUs, as the driver and as libtorch see them.
#[derive(Debug, Serialize)]
pub(super) struct Gpu {
    /// Name, memory and driver of each, from `nvidia-smi`.
    pub devices: Vec<String>,
    /// Whether the kernel driver is loaded.
    pub driver: bool,
    /// Number that libtorch can use.
    pub usable: i64,
    /// libtorch's CUDA library, once loaded.
    pub library: Option<PathBuf>,
    /// Why libtorch cannot use a GPU.
    pub error: Option<String>,
}

pub(super) fn gpu() -> Gpu {
    // Before libtorch is queried: it caches its first answer.
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
    /// A GPU that cannot be used; a machine without one lacks nothing.
    pub(super) fn missing(&self) -> Option<Missing> {
        if (self.devices.is_empty() && !self.driver) || self.usable > 0 {
            return None;
        }
        let why = self.error.as_deref().unwrap_or("libtorch finds none");
        Some(Missing {
            what: format!("the GPU: {why}"),
            needed: false,
            package: None,
            // With the libraries installed, the cause is another.
            command: self.library.is_none().then_some("make setup CUDA=1"),
        })
    }
}

/// Whether `sudo` is not needed.
pub(super) fn is_root() -> bool {
    let ids = proc::of_this_process("Uid").unwrap_or_default();
    ids.split_whitespace().nth(1) == Some("0")
}

/// Whether this is Debian or a derivative.
pub(super) fn has_apt() -> bool {
    std::path::Path::new("/usr/bin/apt-get").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instruction_sets_of_a_server_and_a_laptop() {
        let server =
            "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu avx2 avx512f avx512_bf16\n";
        let cpu = cpu_from(server, "MemTotal:       1024 kB\n", 2, None);
        assert_eq!(cpu.name.as_deref(), Some("Some CPU"));
        assert_eq!(cpu.features, ["AVX2", "AVX-512", "AVX-512 bf16"]);
        assert_eq!(cpu.memory_bytes, Some(1 << 20));
        assert_eq!((cpu.auto_precision, cpu.bf16_time), ("f32", None));
        let probe = PrecisionProbe {
            f32_ms: 4.0,
            bf16_ms: 2.0,
            off: 0.0,
        };
        let cpu = cpu_from(server, "", 2, Some(probe));
        assert_eq!((cpu.auto_precision, cpu.bf16_time), ("bf16", Some(0.5)));
        let laptop = cpu_from("flags : fpu avx2\n", "", 4, None);
        assert_eq!(laptop.features, ["AVX2"]);
        assert_eq!(laptop.memory_bytes, None);
    }

    #[test]
    fn an_arm_processor_has_features_and_no_name() {
        let cpu = cpu_from("Features\t: fp asimd bf16\n", "", 8, None);
        assert_eq!(cpu.features, ["NEON", "Arm bf16"]);
    }

    #[test]
    fn the_loaded_libtorch_is_found() {
        let found = libtorch();
        assert!(found.path.is_some_and(|path| path.exists()));
        assert!(found.threads >= 1);
    }

    #[test]
    fn libraries_are_missing_only_with_a_gpu() {
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
