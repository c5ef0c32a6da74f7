//! The most that a core can compute, to compare the layers with.
#![allow(unsafe_code, reason = "vectors of instructions that a CPU may lack")]

use std::hint::black_box;

use crate::simd::{Isa, Lanes, dispatch};

/// Multiplications and additions of one call of [`multiply_add`], for each lane.
const STEPS: usize = 10_000;
/// Independent sums: enough to hide the latency of 4 or 5 cycles on 2 units.
const SUMS: usize = 12;

/// Keeps one core busy with fused multiply-adds in registers, and returns how many
/// floating-point operations that were.
///
/// # Panics
/// If the CPU does not have `isa`.
pub fn multiply_add(isa: Isa) -> f64 {
    assert!(isa.is_available(), "the CPU has no {isa}");
    let mut sum = 0.0;
    // SAFETY: the CPU has the instruction set.
    unsafe { busy(isa, &mut sum) };
    black_box(sum);
    2.0 * (STEPS * SUMS * isa.lanes()) as f64
}

dispatch! {
    /// # Safety
    /// The CPU must have `isa`.
    unsafe fn busy = steps<_>(sum: &mut f32)
}

#[inline(always)]
unsafe fn steps<L: Lanes>(sum: &mut f32) {
    // SAFETY: the caller's; the values are as many as a vector has.
    unsafe {
        let factor = L::splat(black_box(0.999));
        let summand = L::splat(black_box(1e-3));
        let mut sums = [summand; SUMS];
        for _ in 0..STEPS {
            for value in &mut sums {
                *value = value.mul_add(factor, summand);
            }
        }
        let mut all = [0.0_f32; 16];
        for value in sums {
            value.store(all.as_mut_ptr());
            *sum += all[0];
        }
    }
}
