//! Vectors of f32, one type for each instruction set.
//!
//! Belongs here: the few operations that the kernels are written in, and which of their
//! implementations this CPU has. A kernel is written once, generic over [`Lanes`], and
//! compiled for each. So the tests of the instruction sets that a machine has hold for
//! the kernels of those that it lacks, but for the dozen operations here.
//!
//! Rejected: the `pulp` crate, which does the same for many more types. The kernels need
//! nine operations and have to name the number of registers, which it does not offer.

#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use portable::{Narrow, Wide};
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

/// A vector of f32 in the registers of one instruction set.
///
/// # Safety
/// All functions require that the CPU has the instruction set. They are to be inlined
/// into a function that is compiled for it, see [`dispatch`].
#[allow(
    unsafe_code,
    reason = "instructions that a CPU may lack cannot be called safely"
)]
pub(crate) unsafe trait Lanes: Copy {
    /// Values in a vector.
    const N: usize;
    /// Rows of the matrix kernel: as many as leave registers for a row of weights.
    const ROWS: usize;

    /// All lanes the same.
    unsafe fn splat(value: f32) -> Self;
    /// Reads N values; the address needs no alignment.
    unsafe fn load(from: *const f32) -> Self;
    /// Writes N values; the address needs no alignment.
    unsafe fn store(self, to: *mut f32);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// `self · factor + summand`, rounded once where the CPU can.
    unsafe fn mul_add(self, factor: Self, summand: Self) -> Self;
    /// The larger; `other` if one is NaN.
    unsafe fn max(self, other: Self) -> Self;
    /// Starts reading the cache line of an address, which need not exist, into the
    /// second-level cache: what is read ahead may not fit the first. Does nothing where
    /// there is no such instruction.
    unsafe fn prefetch(at: *const f32);
}

/// An instruction set that the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// What the compiler makes of plain arithmetic: SSE2 on x86-64.
    Portable,
    /// The same in vectors as wide as those of AVX-512: for tests of what depends on that.
    Wide,
    /// NEON of 64-bit ARM.
    Neon,
    /// AVX2 with fused multiply-add.
    Avx2,
    /// AVX-512.
    Avx512,
}

impl Isa {
    /// The fastest that this CPU has.
    ///
    /// ```
    /// use l3net_conv::Isa;
    ///
    /// assert_eq!(Isa::available().last(), Some(&Isa::best()));
    /// ```
    pub fn best() -> Self {
        *Self::available().last().unwrap_or(&Self::Portable)
    }

    /// Those that this CPU has, the fastest last.
    pub fn available() -> &'static [Self] {
        #[cfg(target_arch = "x86_64")]
        {
            if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
                if std::is_x86_feature_detected!("avx512f") {
                    return &[Self::Portable, Self::Avx2, Self::Avx512];
                }
                return &[Self::Portable, Self::Avx2];
            }
        }
        if cfg!(target_arch = "aarch64") {
            return &[Self::Portable, Self::Neon];
        }
        &[Self::Portable]
    }

    /// Whether this CPU can compute by it.
    pub fn is_available(self) -> bool {
        self == Self::Wide || Self::available().contains(&self)
    }

    /// Values in a vector.
    pub(crate) fn lanes(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Avx2::N,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Avx512::N,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => Neon::N,
            Self::Wide => Wide::N,
            _ => Narrow::N,
        }
    }
}

impl std::fmt::Display for Isa {
    /// As compilers name it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            Self::Wide => "portable, wide",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        })
    }
}

/// Defines a function that takes an [`Isa`] first and calls the generic `$kernel`
/// compiled for it. It is as unsafe as the kernel is, and the CPU must have the
/// instruction set.
macro_rules! dispatch {
    ($(#[$doc:meta])* $vis:vis unsafe fn $name:ident = $kernel:ident<_ $(, $tile:ident)?>($($arg:ident: $type:ty),* $(,)?)) => {
        $(#[$doc])*
        $vis unsafe fn $name$(<const $tile: usize>)?(isa: $crate::simd::Isa, $($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2$(<const $tile: usize>)?($($arg: $type),*) {
                // SAFETY: the caller's.
                unsafe { $kernel::<$crate::simd::Avx2 $(, $tile)?>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx2,fma")]
            unsafe fn avx512$(<const $tile: usize>)?($($arg: $type),*) {
                // SAFETY: the caller's.
                unsafe { $kernel::<$crate::simd::Avx512 $(, $tile)?>($($arg),*) }
            }
            // SAFETY: the caller's.
            unsafe {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    $crate::simd::Isa::Avx2 => avx2$(::<$tile>)?($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::simd::Isa::Avx512 => avx512$(::<$tile>)?($($arg),*),
                    #[cfg(target_arch = "aarch64")]
                    $crate::simd::Isa::Neon => $kernel::<$crate::simd::Neon $(, $tile)?>($($arg),*),
                    $crate::simd::Isa::Wide => $kernel::<$crate::simd::Wide $(, $tile)?>($($arg),*),
                    _ => $kernel::<$crate::simd::Narrow $(, $tile)?>($($arg),*),
                }
            }
        }
    };
}
pub(crate) use dispatch;
