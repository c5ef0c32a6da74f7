//! The samples of a picture, as decoders lay them out.

/// One plane: rows of bytes, or of 16-bit words (little endian) if samples have more than 8
/// bits.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a> {
    /// All rows, with what lies between them.
    pub bytes: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Bytes of a row that are picture.
    pub row_bytes: usize,
    /// Number of rows.
    pub rows: usize,
}

impl<'a> Plane<'a> {
    /// The complete rows.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &'a [u8]> {
        let (bytes, stride, row_bytes) = (self.bytes, self.stride, self.row_bytes);
        let row = move |y: usize| {
            let begin = y.checked_mul(stride)?;
            bytes.get(begin..begin.checked_add(row_bytes)?)
        };
        (0..self.rows).map_while(row)
    }

    /// Number of samples of this many bits.
    pub(crate) fn samples(&self, depth: u32) -> u64 {
        let bytes = if depth > 8 { 2 } else { 1 };
        (self.row_bytes / bytes * self.rows) as u64
    }
}

/// The 16-bit words of a row.
pub(crate) fn words(row: &[u8]) -> impl Iterator<Item = u16> {
    let (words, _) = row.as_chunks();
    words.iter().map(|word| u16::from_le_bytes(*word))
}

/// A plane without padding.
#[cfg(test)]
pub(crate) fn plane(bytes: &[u8], row_bytes: usize) -> Plane<'_> {
    Plane {
        bytes,
        stride: row_bytes,
        row_bytes,
        rows: bytes.len() / row_bytes,
    }
}
