//! The features that the network compares.

/// pool4 of both trunks for one moment: all that the fusion gets to see.
#[derive(Clone, Debug, PartialEq)]
pub struct Pooled {
    /// Of the picture, 512 values, none negative.
    pub vision: Vec<f32>,
    /// Of the sound, 512 values, none negative.
    pub audio: Vec<f32>,
}
