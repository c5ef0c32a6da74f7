//! A picture as a person sees it: upright, square pixels, RGB, 8 bits.
//!
//! Belongs here: the plain type that frames become once and everything behind
//! shares. Does not: scaling for the network (`features`), drawing (`sink`),
//! the many formats of decoders (`media`).

/// An upright RGB picture with square pixels.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// `height × width × 3` bytes, rows from the top, no padding.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// A picture of one colour.
    pub fn filled(width: u32, height: u32, colour: [u8; 3]) -> Self {
        let rgb = colour.repeat(width as usize * height as usize);
        Self { width, height, rgb }
    }

    /// Puts channels in place that came as green, blue, red.
    pub fn rotate_channels(&mut self) {
        for pixel in self.rgb.chunks_exact_mut(3) {
            pixel.rotate_right(1);
        }
    }

    /// Of rows of RGB that begin `stride` bytes after each other; `None` if there are too
    /// few.
    pub fn from_rgb(width: u32, height: u32, bytes: &[u8], stride: usize) -> Option<Self> {
        let len = width as usize * 3;
        let mut rgb = Vec::with_capacity(len * height as usize);
        for y in 0..height as usize {
            let row = bytes.get(y * stride..)?.get(..len)?;
            rgb.extend_from_slice(row);
        }
        Some(Self { width, height, rgb })
    }

    /// As [`from_rgb`](Self::from_rgb), of pixels of alpha, red, green and blue with 16 bits
    /// each in the byte order of this machine; rounded.
    pub fn from_argb64(width: u32, height: u32, bytes: &[u8], stride: usize) -> Option<Self> {
        let len = width as usize * 8;
        let eight_bits = |first: u8, second: u8| {
            let value = u32::from(u16::from_ne_bytes([first, second]));
            // value / 257, without a division.
            ((value * 255 + 32_895) >> 16) as u8
        };
        let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
        for y in 0..height as usize {
            let row = bytes.get(y * stride..)?.get(..len)?;
            rgb.extend(row.chunks_exact(8).flat_map(|p| {
                [
                    eight_bits(p[2], p[3]),
                    eight_bits(p[4], p[5]),
                    eight_bits(p[6], p[7]),
                ]
            }));
        }
        Some(Self { width, height, rgb })
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} × {})", self.width, self.height)
    }
}

/// Something that can become a [`Picture`] when somebody wants to see it.
///
/// Decoded frames keep the decoder's format and memory; most are never looked
/// at, so the conversion waits until one is.
pub trait ToPicture: Send {
    /// Converts to an upright RGB picture.
    ///
    /// # Errors
    /// Says in one line why the frame cannot be converted.
    fn to_picture(&self) -> Result<Picture, String>;
}

impl ToPicture for Picture {
    fn to_picture(&self) -> Result<Picture, String> {
        Ok(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_taken_without_their_padding() {
        let bytes: Vec<u8> = (0..16).collect();
        let picture = Picture::from_rgb(2, 2, &bytes, 8).expect("all of it is there");
        assert_eq!(picture.rgb, [0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13]);
        assert_eq!(Picture::from_rgb(2, 3, &bytes, 8), None);
        assert_eq!(Picture::from_argb64(2, 2, &bytes, 8), None);
    }

    #[test]
    fn green_blue_red_becomes_red_green_blue() {
        let mut picture = Picture::filled(2, 1, [20, 30, 10]);
        picture.rotate_channels();
        assert_eq!(picture.rgb, [10, 20, 30, 10, 20, 30]);
    }

    #[test]
    fn sixteen_bits_are_rounded_to_eight() {
        for value in 0..=u16::MAX {
            let pixel = [0xabcd, value, 0, u16::MAX].map(u16::to_ne_bytes);
            let picture = Picture::from_argb64(1, 1, &pixel.concat(), 8).expect("a pixel");
            let exact = (f64::from(value) / 257.0).round() as u8;
            assert_eq!(picture.rgb, [exact, 0, 255], "{value}");
        }
    }
}
