//! Bits of a parameter set of H.264 and H.265.

/// Reads bits from the highest of the first byte on; `None` once there are no more.
#[derive(Debug)]
pub struct Bits {
    bytes: Vec<u8>,
    at: usize,
}

impl Bits {
    /// Of a unit behind its header, without the bytes that keep start codes out of it.
    pub fn of_unit(unit: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(unit.len());
        let mut zeros = 0;
        for &byte in unit {
            if zeros >= 2 && byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            bytes.push(byte);
        }
        Self { bytes, at: 0 }
    }

    /// The next bit.
    pub fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// The next `count` bits, at most 32.
    pub fn number(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0_u32, |number, _| {
            Some(number << 1 | u32::from(self.flag()?))
        })
    }

    /// The next number in Exp-Golomb code.
    pub fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.number(zeros)?;
        Some((1_u32 << zeros) - 1 + rest)
    }

    /// The next number with a sign in Exp-Golomb code.
    pub fn se(&mut self) -> Option<i64> {
        let code = i64::from(self.ue()?);
        let half = (code + 1) / 2;
        Some(if code % 2 == 0 { -half } else { half })
    }

    /// Passes over so many numbers in Exp-Golomb code.
    pub fn skip_ue(&mut self, count: u32) -> Option<()> {
        (0..count).try_for_each(|_| self.ue().map(drop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_standards_have_them() {
        // 1, 010, 011, 00100, 00101: 0, 1, 2, 3, 4.
        let bits = || Bits::of_unit(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        let mut unsigned = bits();
        let read: Vec<_> = (0..5).map(|_| unsigned.ue()).collect();
        assert_eq!(read, [0, 1, 2, 3, 4].map(Some));
        let mut signed = bits();
        let read: Vec<_> = (0..5).map(|_| signed.se()).collect();
        assert_eq!(read, [0, 1, -1, 2, -2].map(Some));
        assert_eq!(unsigned.ue(), None, "only zeros are left");
        let mut kept_apart = Bits::of_unit(&[0, 0, 3, 1, 0, 3]);
        assert_eq!(kept_apart.number(32), Some(0x0000_0100));
    }
}
