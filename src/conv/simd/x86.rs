//! Vectors of AVX2 and AVX-512.
#![allow(unsafe_code, reason = "these instructions may be missing from a CPU")]

use std::arch::x86_64::{
    __m256, __m512, _MM_HINT_T1, _mm_prefetch, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_max_ps, _mm256_mul_ps, _mm256_set1_ps, _mm256_storeu_ps, _mm256_sub_ps, _mm512_add_ps,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_max_ps, _mm512_mul_ps, _mm512_set1_ps,
    _mm512_storeu_ps, _mm512_sub_ps,
};

use super::Lanes;

macro_rules! vector {
    ($name:ident($register:ty), $lanes:literal lanes, $rows:literal rows: $splat:ident $load:ident
     $store:ident $add:ident $sub:ident $mul:ident $mul_add:ident $max:ident) => {
        #[derive(Clone, Copy)]
        pub(crate) struct $name($register);

        // SAFETY: the trait asks of the caller what these instructions need: a CPU that has
        // them, and N values behind a pointer.
        unsafe impl Lanes for $name {
            const N: usize = $lanes;
            const ROWS: usize = $rows;

            #[inline(always)]
            unsafe fn splat(value: f32) -> Self {
                // SAFETY: as above.
                Self(unsafe { $splat(value) })
            }

            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: as above.
                Self(unsafe { $load(from) })
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: as above.
                unsafe { $store(to, self.0) }
            }

            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $add(self.0, other.0) })
            }

            #[inline(always)]
            unsafe fn sub(self, other: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $sub(self.0, other.0) })
            }

            #[inline(always)]
            unsafe fn mul(self, other: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $mul(self.0, other.0) })
            }

            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, summand: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $mul_add(self.0, factor.0, summand.0) })
            }

            #[inline(always)]
            unsafe fn max(self, other: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $max(self.0, other.0) })
            }

            #[inline(always)]
            unsafe fn prefetch(at: *const f32) {
                // SAFETY: it reads nothing that the program would see.
                unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
            }
        }
    };
}

// Of 16 registers, 12 hold sums, 2 a row of weights, 1 a value of the input.
vector!(Avx2(__m256), 8 lanes, 6 rows: _mm256_set1_ps _mm256_loadu_ps
    _mm256_storeu_ps _mm256_add_ps _mm256_sub_ps _mm256_mul_ps _mm256_fmadd_ps _mm256_max_ps);
// Of 32 registers, 24 hold sums; inputs are broadcast by the multiplication itself.
vector!(Avx512(__m512), 16 lanes, 12 rows: _mm512_set1_ps _mm512_loadu_ps
    _mm512_storeu_ps _mm512_add_ps _mm512_sub_ps _mm512_mul_ps _mm512_fmadd_ps _mm512_max_ps);
