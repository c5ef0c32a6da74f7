//! Which precision is the quicker one for inference on this CPU: measured, once.
//!
//! Belongs here: two layers of the network in both precisions, by turns, and what of it
//! is kept. Rejected: to decide by the CPU's features. With the same AVX512-BF16 one CPU
//! multiplies bf16 twice as fast as f32 and another half as fast; and f32 has our own
//! convolutions, bf16 has not.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use l3net_conv::{After, Conv3x3, Isa, Map, Tile, Workers};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::error::NetError;
use super::threads::sleep_while_waiting;
use crate::{atomic_file, cache, proc};

/// Channels in, channels, and side of the map: conv2_2 and conv4_1 for 224 × 224.
const LAYERS: [(usize, usize, usize); 2] = [(128, 128, 56), (256, 512, 14)];

/// Rounds, the first of which warms up.
const ROUNDS: usize = 5;

/// How far the outputs may be off, of the largest: bf16 has 8 bits, sums of a thousand
/// values come to a quarter of this.
const TOLERANCE: f64 = 2e-2;

/// What bf16 has to take at most of the time of f32: for less it is not worth its errors.
const WORTH_IT: f64 = 0.9;

/// The file in the cache folder.
const FILE: &str = "precision.json";

/// Changes with what is measured, so that older findings are not used.
const METHOD: u32 = 1;

/// The time of bf16 against that of f32 in two layers of the network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrecisionProbe {
    /// Milliseconds by our own convolutions in f32.
    pub f32_ms: f64,
    /// Milliseconds by libtorch in bf16.
    pub bf16_ms: f64,
    /// The largest difference between the two, of the largest value.
    pub off: f64,
}

impl PrecisionProbe {
    /// The time of bf16, of that of f32.
    pub fn ratio(&self) -> f64 {
        self.bf16_ms / self.f32_ms
    }

    /// The precision to use: bf16 where it is quicker and right.
    pub fn kind(&self) -> Kind {
        match self.ratio() < WORTH_IT && self.off < TOLERANCE {
            true => Kind::BFloat16,
            false => Kind::Float,
        }
    }

    /// Of this CPU with so many threads: kept from an earlier run, or measured now, which
    /// takes some tens of milliseconds.
    ///
    /// `None` where there is nothing to choose: the CPU has no instructions for bf16, or
    /// it could not be measured.
    pub fn of_cpu(threads: usize) -> Option<Self> {
        if !has_bf16() {
            return None;
        }
        static KNOWN: Mutex<BTreeMap<usize, Option<PrecisionProbe>>> = Mutex::new(BTreeMap::new());
        // Held while it measures: two at a time would measure each other.
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(threads).or_insert_with(|| {
            let file = cache::folder().join(FILE);
            kept_or(&file, &key(threads), || match measure(threads) {
                Ok(probe) => Some(probe),
                Err(error) => {
                    tracing::debug!("cannot compare precisions: {error}");
                    None
                }
            })
        })
    }
}

/// From the file, or by `measure`, which is then kept there if the file can be written.
fn kept_or(
    file: &Path,
    key: &str,
    measure: impl FnOnce() -> Option<PrecisionProbe>,
) -> Option<PrecisionProbe> {
    // What cannot be read is made again.
    let text = std::fs::read(file).unwrap_or_default();
    let mut all: BTreeMap<String, PrecisionProbe> =
        serde_json::from_slice(&text).unwrap_or_default();
    let usable = |probe: &&PrecisionProbe| probe.f32_ms > 0.0 && probe.bf16_ms > 0.0;
    if let Some(probe) = all.get(key).filter(usable) {
        return Some(*probe);
    }
    let probe = measure()?;
    all.insert(key.to_owned(), probe);
    let written = serde_json::to_vec_pretty(&all)
        .map_err(std::io::Error::from)
        .and_then(|text| {
            file.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            atomic_file::write(file, &text)
        });
    if let Err(error) = written {
        tracing::debug!("{}: cannot keep it: {error}", file.display());
    }
    Some(probe)
}

/// What the finding depends on. Many virtual machines share the name of their CPU, hence
/// its numbers.
fn key(threads: usize) -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let numbers = [
        "model name",
        "cpu family",
        "model",
        "stepping",
        "CPU implementer",
        "CPU part",
    ];
    let cpu: Vec<&str> = (numbers.iter())
        .filter_map(|name| proc::field(&cpuinfo, name))
        .collect();
    let (cpu, isa, version) = (cpu.join(" "), Isa::best(), env!("CARGO_PKG_VERSION"));
    format!(
        "{cpu}, {isa}, amx {}, {threads} threads, l3net {version}, method {METHOD}",
        has_amx()
    )
}

/// Both precisions by turns; the least of each layer counts.
fn measure(threads: usize) -> Result<PrecisionProbe, NetError> {
    if threads > 1 {
        sleep_while_waiting();
    }
    let before = tch::get_num_threads();
    tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
    let _guard = tch::no_grad_guard();
    let probe = measure_layers(threads);
    tch::set_num_threads(before);
    probe
}

fn measure_layers(threads: usize) -> Result<PrecisionProbe, NetError> {
    let mut workers = Workers::new(threads).map_err(NetError::Threads)?;
    let mut probe = PrecisionProbe {
        f32_ms: 0.0,
        bf16_ms: 0.0,
        off: 0.0,
    };
    for (channels_in, channels, side) in LAYERS {
        let kernels = values(channels * channels_in * 9);
        let bias = vec![0.0; channels];
        // As after a ReLU.
        let x: Vec<f32> = values(side * side * channels_in)
            .iter()
            .map(|x| x.max(0.0))
            .collect();
        let own = Conv3x3::new(&kernels, &bias, Tile::Four, Isa::best())?;
        let map = Map::from_channels_last(&x, 1, side, side, channels_in)?;
        let mut y = Map::default();
        let after = After {
            relu: true,
            pool: false,
        };
        let [c_in, c, s] = [channels_in, channels, side].map(|n| n as i64);
        let bf16 = |x: Tensor| x.f_to_device(Device::Cpu)?.f_to_kind(Kind::BFloat16);
        let weight = bf16(Tensor::f_from_slice(&kernels)?.f_view([c, c_in, 3, 3])?)?;
        let weight = (weight.f_permute([0, 2, 3, 1])?.f_contiguous()?).f_permute([0, 3, 1, 2])?;
        let input = bf16(Tensor::f_from_slice(&x)?.f_view([1, s, s, c_in])?)?;
        let input = input.f_permute([0, 3, 1, 2])?;
        let none: Option<&Tensor> = None;
        let [mut least_f32, mut least_bf16] = [f64::INFINITY; 2];
        for round in 0..ROUNDS {
            let start = Instant::now();
            own.run(&map, after, &mut y, &mut workers)?;
            let between = Instant::now();
            let found = (input.f_conv2d(&weight, none, [1, 1], [1, 1], [1, 1], 1)?).f_relu_()?;
            let end = Instant::now();
            if round == 0 {
                let own = Tensor::f_from_slice(&y.to_channels_last())?.f_view([1, s, s, c])?;
                let found = found.f_to_kind(Kind::Float)?.f_permute([0, 2, 3, 1])?;
                let off = (&own - found).f_abs()?.f_max()?.f_double_value(&[])?;
                let off = off / own.f_abs()?.f_max()?.f_double_value(&[])?;
                // The greater of a number and none is the number.
                probe.off = match off.is_finite() {
                    true => probe.off.max(off),
                    false => f64::MAX,
                };
                continue;
            }
            least_f32 = least_f32.min((between - start).as_secs_f64() * 1e3);
            least_bf16 = least_bf16.min((end - between).as_secs_f64() * 1e3);
        }
        probe.f32_ms += least_f32;
        probe.bf16_ms += least_bf16;
    }
    Ok(probe)
}

/// Values in -0.5 to 0.5 that repeat late.
fn values(len: usize) -> Vec<f32> {
    let value = |i: usize| (i * 7919 % 1009) as f32 / 1009.0 - 0.5;
    (0..len).map(value).collect()
}

/// Whether the CPU multiplies bf16. Without such instructions it is emulated, which is
/// never faster.
fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        // Every CPU with AMX-BF16 has it, too.
        std::is_x86_feature_detected!("avx512bf16")
    }
    #[cfg(target_arch = "aarch64")]
    {
        std::arch::is_aarch64_feature_detected!("bf16")
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        false
    }
}

/// Whether the CPU multiplies matrices of bf16, which a virtual machine may hide.
pub(super) fn has_amx() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        // Rust's own detection of AMX is not stable yet.
        const AMX_BF16: u32 = 1 << 22;
        std::arch::x86_64::__cpuid_count(7, 0).edx & AMX_BF16 != 0
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: PrecisionProbe = PrecisionProbe {
        f32_ms: 2.0,
        bf16_ms: 1.0,
        off: 5e-3,
    };

    #[test]
    fn bf16_is_chosen_where_it_is_quicker_and_right() {
        assert_eq!(QUICK.kind(), Kind::BFloat16);
        for other in [
            PrecisionProbe {
                bf16_ms: 1.9,
                ..QUICK
            },
            PrecisionProbe {
                bf16_ms: 6.0,
                ..QUICK
            },
            PrecisionProbe { off: 0.1, ..QUICK },
            PrecisionProbe {
                off: f64::NAN,
                ..QUICK
            },
        ] {
            assert_eq!(other.kind(), Kind::Float, "{other:?}");
        }
    }

    #[test]
    fn a_finding_is_kept_for_its_key_and_a_damaged_file_is_made_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("new").join(FILE);
        let measured = || Some(QUICK);
        assert_eq!(kept_or(&file, "a", measured), Some(QUICK));
        assert_eq!(kept_or(&file, "a", || unreachable!("kept")), Some(QUICK));
        assert_eq!(kept_or(&file, "b", || None), None);
        assert_eq!(kept_or(&file, "b", measured), Some(QUICK));
        assert_eq!(kept_or(&file, "a", || unreachable!("kept")), Some(QUICK));
        std::fs::write(&file, b"{\"a\": {\"f32_ms\"").expect("a file");
        assert_eq!(kept_or(&file, "a", measured), Some(QUICK));
        assert_eq!(kept_or(&file, "a", || unreachable!("kept")), Some(QUICK));
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_no_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let in_the_way = folder.path().join("file");
        std::fs::write(&in_the_way, b"").expect("a file");
        let file = in_the_way.join(FILE);
        assert_eq!(kept_or(&file, "a", || Some(QUICK)), Some(QUICK));
    }

    #[test]
    fn both_precisions_compute_the_same_layers() {
        let probe = measure(2).expect("a measurement");
        assert!(probe.f32_ms > 0.0 && probe.bf16_ms > 0.0);
        assert!(probe.off > 0.0 && probe.off < TOLERANCE, "{}", probe.off);
    }
}
