//! What one step learns from, as plain numbers.

/// Pictures, sounds, and which of them are held against each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The step that it is for.
    pub step: u64,
    /// Side of the square images in pixels.
    pub side: u32,
    /// B × side × side × 3 bytes of RGB.
    pub images: Vec<u8>,
    /// B × [`BINS`](crate::features::BINS) × [`FRAMES`](crate::features::FRAMES).
    pub spectrograms: Vec<f32>,
    /// The pairs.
    pub pairs: Vec<PairOf>,
    /// Where each picture and its sound are from, for errors.
    pub origins: Vec<String>,
}

/// Two rows of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairOf {
    /// Row of the image.
    pub seen: u32,
    /// Row of the spectrogram.
    pub heard: u32,
    /// Whether they correspond.
    pub corresponds: bool,
}
