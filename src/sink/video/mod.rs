//! Videos with sound: containers, encoders, a plain video file.
//!
//! Belongs here: writing pictures and sound to a file. Does not: drawing, waiting for
//! verdicts (`overlay`).

mod encode;
mod encoders;
mod sound;

use std::path::{Path, PathBuf};

pub(super) use encode::Encode;
pub(super) use encoders::Container;
pub(super) use sound::{BEHIND_NS, Track};

use super::SinkError;
use crate::picture::Picture;
use crate::time::MediaTime;

/// A Matroska video that is being written, whatever its extension. If dropped without
/// [`finish`](Self::finish) it lacks its end.
pub struct VideoFile {
    path: PathBuf,
    encode: Encode,
    track: Track,
    size: (u32, u32),
}

impl VideoFile {
    /// Starts a video with sound; an existing file is overwritten.
    ///
    /// # Errors
    /// If the file cannot be written, or if GStreamer lacks something (says which
    /// package brings it).
    pub fn create(path: &Path, size: (u32, u32)) -> Result<Self, SinkError> {
        let refuse = video_error(path);
        let container = Container::Matroska;
        container.check().map_err(&refuse)?;
        std::fs::File::create(path).map_err(SinkError::io(path, "write"))?;
        Ok(Self {
            path: path.to_owned(),
            encode: Encode::start(path, container, Some(size), true).map_err(&refuse)?,
            track: Track::default(),
            size,
        })
    }

    /// Writes a picture; times must increase. Waits while the encoder is behind.
    ///
    /// # Errors
    /// If the picture has another size, or the file cannot be written.
    pub fn picture(&mut self, at: MediaTime, picture: Picture) -> Result<(), SinkError> {
        let refuse = video_error(&self.path);
        if (picture.width, picture.height) != self.size {
            return Err(refuse(format!("{picture:?} is not of its size")));
        }
        self.encode.picture(at, padded(picture)).map_err(refuse)
    }

    /// Writes mono sound at 48 kHz that continues the previous sound.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn sound(&mut self, at: MediaTime, pcm: &[f32]) -> Result<(), SinkError> {
        for chunk in self.track.sound(at, pcm, 1) {
            self.encode.sound(&chunk).map_err(video_error(&self.path))?;
        }
        Ok(())
    }

    /// Closes the file so that all of it plays.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(self) -> Result<(), SinkError> {
        self.encode.finish().map_err(video_error(&self.path))
    }
}

pub(super) fn video_error(path: &Path) -> impl Fn(String) -> SinkError {
    let path = path.to_owned();
    move |cause| SinkError::Video {
        path: path.clone(),
        cause,
    }
}

/// The bytes as GStreamer lays out RGB: rows start at multiples of four.
fn padded(picture: Picture) -> Vec<u8> {
    let row = picture.width as usize * 3;
    let stride = row.next_multiple_of(4);
    if row == stride {
        return picture.rgb;
    }
    let mut bytes = Vec::with_capacity(stride * picture.height as usize);
    for pixels in picture.rgb.chunks_exact(row) {
        bytes.extend_from_slice(pixels);
        bytes.resize(bytes.len() + stride - row, 0);
    }
    bytes
}
