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
