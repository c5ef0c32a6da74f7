//! The window and the Fourier transform that OpenL3's spectrograms are computed with: those of
//! Eigen, in single precision, which TensorFlow uses on the CPU.
//!
//! The transform is less precise than others: twiddle factors are products of products, so
//! that values of a loud frame are off by 1e-5 of its loudest. OpenL3's decibels reach down
//! to 1e-16 of the peak, so in the quiet bins of a sound (over 20 kHz, where it was recorded
//! at 44.1 kHz) that error is all there is, and the trunks hear it. With an exact transform
//! the embeddings of such a sound were off by 5 to 16 % of their mean; with this one they
//! agree to 1e-5.
//!
//! Multiplications and additions are done in Eigen's order and are all rounded: the result is
//! the same to the last bit. Radix 2, decimation in time, the first three stages in one.

/// Value `i` of a periodic Hann window of `len` values.
pub(super) fn hann(i: usize, len: usize) -> f32 {
    0.5 - 0.5 * cos(std::f32::consts::TAU * i as f32 / len as f32)
}

/// The cosine of 0 to 2π: reduced by quarters of a turn in four parts, then a polynomial of
/// the cosine or the sine.
fn cos(x: f32) -> f32 {
    const QUARTER: [f32; 4] = [
        -1.570_312_5,
        -4.839_897_2e-4,
        1.628_650_4e-7,
        5.564_431_6e-11,
    ];
    const OF_COS: [f32; 5] = [2.437_226_6e-5, -1.388_652e-3, 0.041_666_62, -0.5, 1.0];
    const OF_SIN: [f32; 3] = [-1.959_234e-4, 8.332_687e-3, -0.166_666_63];
    let quarters = (x * std::f32::consts::FRAC_2_PI).round_ties_even();
    let x = QUARTER.iter().fold(x, |x, part| x + quarters * part);
    let square = x * x;
    let horner = |sum, factor: &f32| sum * square + factor;
    let value = match quarters as u32 % 2 {
        0 => OF_COS[1..].iter().fold(OF_COS[0], horner),
        _ => OF_SIN[1..].iter().fold(OF_SIN[0], horner) * square * x + x,
    };
    match (quarters as u32 + 1) % 4 {
        0 | 1 => value,
        _ => -value,
    }
}

/// Computes transforms of one length; a power of two, 16 at least.
pub(super) struct EigenFft {
    /// Where each value of the input goes.
    order: Vec<u32>,
    re: Vec<f32>,
    im: Vec<f32>,
    /// Of each stage after the third.
    stages: Vec<Twiddles>,
}

/// The factors of the upper half of a stage: it is multiplied by `coarse`, then by `fine`.
struct Twiddles {
    coarse_re: Vec<f32>,
    coarse_im: Vec<f32>,
    fine_re: Vec<f32>,
    fine_im: Vec<f32>,
}

/// (a + ib)(c + id) with every product and sum rounded.
#[inline(always)]
fn product((a, b): (f32, f32), (c, d): (f32, f32)) -> (f32, f32) {
    (a * c - b * d, a * d + b * c)
}

impl Twiddles {
    /// Of a stage that makes transforms of length `n`.
    fn new(n: usize) -> Self {
        let turn = std::f64::consts::TAU / n as f64;
        let one = (
            1.0 + (-2.0 * (turn / 2.0).sin().powi(2)) as f32,
            (-turn.sin()) as f32,
        );
        let two = product(one, one);
        let three = product(two, one);
        let four = product(three, one);
        let fine = [(1.0, 0.0), one, two, three];
        let mut coarse = (1.0, 0.0);
        let mut made = Self {
            coarse_re: Vec::with_capacity(n / 2),
            coarse_im: Vec::with_capacity(n / 2),
            fine_re: Vec::with_capacity(n / 2),
            fine_im: Vec::with_capacity(n / 2),
        };
        for _ in 0..n / 8 {
            for (re, im) in fine {
                made.coarse_re.push(coarse.0);
                made.coarse_im.push(coarse.1);
                made.fine_re.push(re);
                made.fine_im.push(im);
            }
            coarse = product(coarse, four);
        }
        made
    }

    /// Merges two transforms into one of twice the length.
    fn merge(&self, re: &mut [f32], im: &mut [f32]) {
        let half = self.coarse_re.len();
        let (low_re, high_re) = re.split_at_mut(half);
        let (low_im, high_im) = im.split_at_mut(half);
        let factors = (self.coarse_re.iter().zip(&self.coarse_im))
            .zip(self.fine_re.iter().zip(&self.fine_im));
        let low = low_re.iter_mut().zip(low_im);
        let high = high_re.iter_mut().zip(high_im);
        for (((lr, li), (hr, hi)), ((cr, ci), (fr, fi))) in low.zip(high).zip(factors) {
            let turned = product(product((*hr, *hi), (*cr, *ci)), (*fr, *fi));
            (*hr, *hi) = (*lr - turned.0, *li - turned.1);
            (*lr, *li) = (*lr + turned.0, *li + turned.1);
        }
    }
}

impl EigenFft {
    pub fn new(len: usize) -> Self {
        let bits = len.trailing_zeros();
        let order = (0..len as u32).map(|i| i.reverse_bits() >> (32 - bits));
        Self {
            order: order.collect(),
            re: vec![0.0; len],
            im: vec![0.0; len],
            stages: (4..=bits).map(|k| Twiddles::new(1 << k)).collect(),
        }
    }

    /// Magnitudes of the transform of real values, from 0 Hz to half the sample rate.
    pub fn magnitudes(&mut self, input: &[f32], out: &mut [f32]) {
        for (value, &from) in self.re.iter_mut().zip(&self.order) {
            *value = input[from as usize];
        }
        self.im.fill(0.0);
        let (re, im) = (&mut self.re[..], &mut self.im[..]);
        for (re, im) in re.chunks_exact_mut(8).zip(im.chunks_exact_mut(8)) {
            first_stages(re, im);
        }
        for stage in &self.stages {
            let len = 2 * stage.coarse_re.len();
            for (re, im) in re.chunks_exact_mut(len).zip(im.chunks_exact_mut(len)) {
                stage.merge(re, im);
            }
        }
        for ((out, re), im) in out.iter_mut().zip(re).zip(im) {
            *out = (*re * *re + *im * *im).sqrt();
        }
    }
}

/// A transform of length 8, in place.
fn first_stages(re: &mut [f32], im: &mut [f32]) {
    type Complex = (f32, f32);
    const HALF_ROOT: f32 = std::f32::consts::FRAC_1_SQRT_2;
    let add = |a: Complex, b: Complex| (a.0 + b.0, a.1 + b.1);
    let sub = |a: Complex, b: Complex| (a.0 - b.0, a.1 - b.1);
    // Times -i.
    let turned = |(re, im): Complex| (im, -re);
    let x: [Complex; 8] = std::array::from_fn(|i| (re[i], im[i]));
    let (a, b) = (add(x[0], x[1]), sub(x[0], x[1]));
    let (c, d) = (add(x[2], x[3]), turned(sub(x[2], x[3])));
    let (e, f) = (add(x[4], x[5]), sub(x[4], x[5]));
    let (g, h) = (add(x[6], x[7]), turned(sub(x[6], x[7])));
    let low = [add(a, c), add(b, d), sub(a, c), sub(b, d)];
    let high = [
        add(e, g),
        product(add(f, h), (HALF_ROOT, -HALF_ROOT)),
        turned(sub(e, g)),
        product(sub(f, h), (-HALF_ROOT, -HALF_ROOT)),
    ];
    for i in 0..4 {
        (re[i], im[i]) = add(low[i], high[i]);
        (re[i + 4], im[i + 4]) = sub(low[i], high[i]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_is_one() {
        for i in 0..10_000 {
            let x = i as f32 * 6.283e-4;
            let off = f64::from(cos(x)) - f64::from(x).cos();
            assert!(off.abs() < 2e-7, "{x}: {off}");
        }
        assert_eq!([hann(0, 512), hann(256, 512)], [0.0, 1.0]);
    }

    #[test]
    fn it_is_a_fourier_transform() {
        for len in [16, 512, 2048] {
            let input: Vec<f32> = (0..len).map(|i| ((i * i) as f32 * 0.37).sin()).collect();
            let mut found = vec![0.0; len / 2 + 1];
            EigenFft::new(len).magnitudes(&input, &mut found);
            for (bin, found) in found.iter().enumerate().step_by(len / 16) {
                let (mut re, mut im) = (0.0, 0.0);
                for (i, &x) in input.iter().enumerate() {
                    let turn = std::f64::consts::TAU * (bin * i % len) as f64 / len as f64;
                    re += f64::from(x) * turn.cos();
                    im -= f64::from(x) * turn.sin();
                }
                let expected = re.hypot(im);
                let off = (expected - f64::from(*found)).abs();
                assert!(off < 1e-4 * (len as f64).sqrt(), "{len}, {bin}: {off}");
            }
        }
    }
}
