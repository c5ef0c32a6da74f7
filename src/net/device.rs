//! The device and the precision that the network runs in.

use std::fmt;
use std::str::FromStr;

use tch::Kind;

use super::cuda;
use super::error::NetError;
use super::probe::{PrecisionProbe, has_amx};

/// `--device`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The first GPU if there is one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// An NVIDIA GPU by its number.
    Cuda(usize),
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|n| n.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| format!("a device is auto, cpu, cuda or cuda:N, not {text}")),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
        }
    }
}

impl Device {
    /// libtorch's device; opens CUDA if needed.
    ///
    /// # Errors
    /// If a GPU was requested by name and is not available.
    pub fn resolve(self) -> Result<tch::Device, NetError> {
        match self {
            Self::Cpu => Ok(tch::Device::Cpu),
            Self::Auto => Ok(match cuda::open() {
                Ok(()) => tch::Device::Cuda(0),
                Err(_) => tch::Device::Cpu,
            }),
            Self::Cuda(n) => {
                let refuse = |why| NetError::Device {
                    device: self.to_string(),
                    why,
                };
                cuda::open().map_err(|why| refuse(format!("{why}; --device cpu always works")))?;
                let count = usize::try_from(tch::Cuda::device_count()).unwrap_or_default();
                if n < count {
                    Ok(tch::Device::Cuda(n))
                } else {
                    Err(refuse(format!("this machine has {count} (from cuda:0 on)")))
                }
            }
        }
    }
}

/// `--precision`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// bf16 where it is faster, else f32.
    #[default]
    Auto,
    /// 32 bits.
    F32,
    /// 16 bits, 8 of them mantissa; about twice as fast on GPUs and some CPUs.
    Bf16,
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            _ => Err(format!("a precision is auto, f32 or bf16, not {text}")),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        })
    }
}

impl Precision {
    /// libtorch's kind of number on a device, for training: there the convolutions are
    /// libtorch's in both precisions.
    pub fn resolve(self, device: tch::Device) -> Kind {
        match self {
            Self::F32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
            Self::Auto if device.is_cuda() || bf16_is_faster_by_libtorch() => Kind::BFloat16,
            Self::Auto => Kind::Float,
        }
    }

    /// The same for inference with so many threads on the CPU. What is faster there is
    /// measured, see [`PrecisionProbe`].
    pub fn resolve_for_inference(
        self,
        device: tch::Device,
        convolutions: Convolutions,
        threads: usize,
    ) -> Kind {
        match self {
            Self::Auto if convolutions.are_own(device, Kind::Float) => {
                PrecisionProbe::of_cpu(threads).map_or(Kind::Float, |probe| probe.kind())
            }
            _ => self.resolve(device),
        }
    }
}

/// Who computes the convolutions of the trunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Convolutions {
    /// The fastest: our own in f32 on the CPU, else libtorch.
    #[default]
    Auto,
    /// libtorch everywhere, to compare with.
    Libtorch,
}

impl FromStr for Convolutions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "libtorch" => Ok(Self::Libtorch),
            _ => Err(format!("convolutions are auto or libtorch, not {text}")),
        }
    }
}

impl fmt::Display for Convolutions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Libtorch => "libtorch",
        })
    }
}

impl Convolutions {
    /// Whether they are our own.
    pub fn are_own(self, device: tch::Device, kind: Kind) -> bool {
        self == Self::Auto && device == tch::Device::Cpu && kind == Kind::Float
    }
}

/// Whether libtorch is faster in bf16 than in f32 on the CPU. AVX512-BF16 alone does not
/// tell: with it AMD's CPUs multiply twice as fast as in f32, Intel's without AMX (as in
/// many virtual machines) half as fast (`benches/RESULTS.md`).
fn bf16_is_faster_by_libtorch() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        if !std::is_x86_feature_detected!("avx512bf16") {
            return false; // every CPU with AMX-BF16 has it, too
        }
        let leaf = std::arch::x86_64::__cpuid(0);
        let vendor = [leaf.ebx, leaf.edx, leaf.ecx].map(u32::to_le_bytes);
        vendor.as_flattened() == b"AuthenticAMD" || has_amx()
    }
    // On ARM oneDNN's bf16 uses other kernels, which were not measured.
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// The name of a precision, `f32` or `bf16`, by libtorch's kind of number.
pub fn precision_name(kind: Kind) -> &'static str {
    match kind {
        Kind::BFloat16 => "bf16",
        _ => "f32",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_precisions_read_what_they_print() {
        for device in [Device::Auto, Device::Cpu, Device::Cuda(0), Device::Cuda(3)] {
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        for precision in [Precision::Auto, Precision::F32, Precision::Bf16] {
            assert_eq!(precision.to_string().parse(), Ok(precision));
        }
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
        for convolutions in [Convolutions::Auto, Convolutions::Libtorch] {
            assert_eq!(convolutions.to_string().parse(), Ok(convolutions));
        }
        assert!("own".parse::<Convolutions>().is_err());
        for wrong in ["", "gpu", "cuda:", "cuda:x", "cuda:-1"] {
            assert!(wrong.parse::<Device>().is_err(), "{wrong}");
        }
        assert!("f16".parse::<Precision>().is_err());
    }

    #[test]
    fn an_explicit_precision_is_used_on_any_device() {
        for device in [tch::Device::Cpu, tch::Device::Cuda(0)] {
            assert_eq!(Precision::F32.resolve(device), Kind::Float);
            assert_eq!(Precision::Bf16.resolve(device), Kind::BFloat16);
        }
        let gpu = tch::Device::Cuda(0);
        assert_eq!(Precision::Auto.resolve(gpu), Kind::BFloat16);
        for convolutions in [Convolutions::Auto, Convolutions::Libtorch] {
            let kind = |p: Precision, d| p.resolve_for_inference(d, convolutions, 2);
            assert_eq!(kind(Precision::Auto, gpu), Kind::BFloat16);
            assert_eq!(kind(Precision::F32, tch::Device::Cpu), Kind::Float);
            assert_eq!(kind(Precision::Bf16, tch::Device::Cpu), Kind::BFloat16);
        }
    }
}
