//! Vectors of NEON, which every 64-bit ARM has.
#![allow(
    unsafe_code,
    reason = "reads and writes through pointers, as its trait says"
)]

use std::arch::aarch64::{
    float32x4_t, vaddq_f32, vbslq_f32, vcgtq_f32, vdupq_n_f32, vfmaq_f32, vld1q_f32, vmulq_f32,
    vst1q_f32, vsubq_f32,
};

use super::Lanes;

/// Two registers: of 32, 24 hold sums then, 4 a row of weights, and a value of the input
/// serves 4 multiplications.
#[derive(Clone, Copy)]
pub(crate) struct Neon(float32x4_t, float32x4_t);

// SAFETY: it needs nothing that the architecture may lack.
unsafe impl Lanes for Neon {
    const N: usize = 8;
    const ROWS: usize = 6;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: NEON is always there.
        let all = unsafe { vdupq_n_f32(value) };
        Self(all, all)
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: N values may be read, the caller says.
        unsafe { Self(vld1q_f32(from), vld1q_f32(from.add(4))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: N values may be written, the caller says.
        unsafe {
            vst1q_f32(to, self.0);
            vst1q_f32(to.add(4), self.1);
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: NEON is always there.
        unsafe { Self(vaddq_f32(self.0, other.0), vaddq_f32(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self(vsubq_f32(self.0, other.0), vsubq_f32(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self(vmulq_f32(self.0, other.0), vmulq_f32(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, summand: Self) -> Self {
        // SAFETY: as above.
        unsafe {
            Self(
                vfmaq_f32(summand.0, self.0, factor.0),
                vfmaq_f32(summand.1, self.1, factor.1),
            )
        }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // Not `vmaxq_f32`: of two numbers the larger, else `other`, as on the others.
        // SAFETY: as above.
        unsafe {
            Self(
                vbslq_f32(vcgtq_f32(self.0, other.0), self.0, other.0),
                vbslq_f32(vcgtq_f32(self.1, other.1), self.1, other.1),
            )
        }
    }

    #[inline(always)]
    unsafe fn prefetch(_: *const f32) {}
}
