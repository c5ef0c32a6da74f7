//! Winograd's transforms in one dimension.
//!
//! F(m, 3) computes m outputs of a filter of 3 from m + 2 inputs with m + 2
//! multiplications: it evaluates both as polynomials at m + 1 points and at infinity,
//! multiplies the values and interpolates.
#![allow(unsafe_code, reason = "vectors of instructions that a CPU may lack")]

use crate::simd::Lanes;

/// Points of F(2, 3).
pub(super) const POINTS_OF_2: [f64; 3] = [0.0, 1.0, -1.0];

/// Points of F(4, 3): 0, ±A and ±B.
///
/// The usual ones are ±1 and ±2, whose powers up to 8 amplify rounding errors. With
/// these the largest error is a quarter of theirs: 1.7e-6 of the largest output instead
/// of 7.5e-6 (128 channels in; ±1/√2 and ±√2: 2.0e-6, ±1/2 and ±3/2: 3.0e-6). All that
/// follows from them is exact in f32.
pub(super) const POINTS_OF_4: [f64; 5] = [0.0, A as f64, -A as f64, B as f64, -B as f64];

const A: f32 = 0.75;
const B: f32 = 1.5;
const A2: f32 = A * A;
const B2: f32 = B * B;

/// Positions of a tile along a side, at most.
pub(super) const MAX_POSITIONS: usize = 6;

/// Bᵀ · d: `M` + 2 inputs at the points.
///
/// # Safety
/// That of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn input<L: Lanes, const M: usize>(d: [L; MAX_POSITIONS]) -> [L; MAX_POSITIONS] {
    // SAFETY: the caller's.
    unsafe {
        if M == 2 {
            let [d0, d1, d2, d3, ..] = d;
            let none = d[4];
            return [d2.sub(d0), d2.add(d1), d2.sub(d1), d3.sub(d1), none, none];
        }
        let [d0, d1, d2, d3, d4, d5] = d;
        let sum = L::splat(-A2 - B2);
        let product = L::splat(A2 * B2);
        let (a2, b2) = (L::splat(-A2), L::splat(-B2));
        let (even_a, odd_a) = (d2.mul_add(b2, d4), d1.mul_add(b2, d3));
        let (even_b, odd_b) = (d2.mul_add(a2, d4), d1.mul_add(a2, d3));
        [
            d0.mul_add(product, d2.mul_add(sum, d4)),
            odd_a.mul_add(L::splat(A), even_a),
            odd_a.mul_add(L::splat(-A), even_a),
            odd_b.mul_add(L::splat(B), even_b),
            odd_b.mul_add(L::splat(-B), even_b),
            d1.mul_add(product, d3.mul_add(sum, d5)),
        ]
    }
}

/// Aᵀ · m: products at the points to `M` outputs.
///
/// # Safety
/// That of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn output<L: Lanes, const M: usize>(m: [L; MAX_POSITIONS]) -> [L; 4] {
    // SAFETY: the caller's.
    unsafe {
        if M == 2 {
            let [m0, m1, m2, m3, ..] = m;
            return [m0.add(m1.add(m2)), m1.sub(m2).add(m3), m0, m0];
        }
        let [m0, a_plus, a_minus, b_plus, b_minus, last] = m;
        let (a_sum, a_difference) = (a_plus.add(a_minus), a_plus.sub(a_minus));
        let (b_sum, b_difference) = (b_plus.add(b_minus), b_plus.sub(b_minus));
        [
            m0.add(a_sum).add(b_sum),
            b_difference.mul_add(L::splat(B), a_difference.mul(L::splat(A))),
            b_sum.mul_add(L::splat(B2), a_sum.mul(L::splat(A2))),
            b_difference.mul_add(
                L::splat(B * B2),
                a_difference.mul_add(L::splat(A * A2), last),
            ),
        ]
    }
}

/// G · g: three values of a kernel at the points, as [`input`] expects them.
///
/// # Safety
/// That of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn kernel<L: Lanes, const M: usize>(g: [L; 3]) -> [L; MAX_POSITIONS] {
    // SAFETY: the caller's.
    unsafe {
        let [g0, g1, g2] = g;
        if M == 2 {
            let half = L::splat(0.5);
            let even = g0.add(g2).mul(half);
            let (plus, minus) = (g1.mul_add(half, even), g1.mul_add(L::splat(-0.5), even));
            return [g0.mul(L::splat(-1.0)), plus, minus, g2, g0, g0];
        }
        let pair = |of: (f32, f32, f32)| {
            let even = g0.mul_add(L::splat(of.0), g2.mul(L::splat(of.2)));
            [
                g1.mul_add(L::splat(of.1), even),
                g1.mul_add(L::splat(-of.1), even),
            ]
        };
        let [a_plus, a_minus] = pair(AT_A);
        let [b_plus, b_minus] = pair(AT_B);
        let at_0 = g0.mul(L::splat(AT_0));
        [at_0, a_plus, a_minus, b_plus, b_minus, g2]
    }
}

/// What the first value of a kernel counts at 0.
const AT_0: f32 = (1.0 / (A as f64 * A as f64 * B as f64 * B as f64)) as f32;
/// What each value of a kernel counts at ±A.
const AT_A: (f32, f32, f32) = at(A as f64, B as f64);
/// The same at ±B.
const AT_B: (f32, f32, f32) = at(B as f64, A as f64);

/// 1, p and p², divided by the product of the differences to the other points.
const fn at(p: f64, other: f64) -> (f32, f32, f32) {
    let n = 2.0 * p * p * (p * p - other * other);
    ((1.0 / n) as f32, (p / n) as f32, (p * p / n) as f32)
}
