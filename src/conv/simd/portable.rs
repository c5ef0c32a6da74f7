//! Vectors of plain arithmetic, which the compiler turns into the instructions that
//! every CPU of the architecture has.
#![allow(
    unsafe_code,
    reason = "reads and writes through pointers, as its trait says"
)]

use super::Lanes;

/// A register of SSE2.
pub(crate) type Narrow = Portable<4, 6>;
/// As many lanes and rows as AVX-512 has.
pub(crate) type Wide = Portable<16, 12>;

#[derive(Clone, Copy)]
pub(crate) struct Portable<const LANES: usize, const ROWS: usize>([f32; LANES]);

impl<const LANES: usize, const ROWS: usize> Portable<LANES, ROWS> {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

// SAFETY: it needs nothing that the architecture may lack.
unsafe impl<const LANES: usize, const ROWS: usize> Lanes for Portable<LANES, ROWS> {
    const N: usize = LANES;
    const ROWS: usize = ROWS;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: N values may be read, the caller says.
        Self(unsafe { from.cast::<[f32; LANES]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: N values may be written, the caller says.
        unsafe { to.cast::<[f32; LANES]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, summand: Self) -> Self {
        // Rounded twice: without such an instruction `f32::mul_add` is a slow call.
        self.zip(factor, |a, b| a * b).zip(summand, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    unsafe fn prefetch(_: *const f32) {}
}
