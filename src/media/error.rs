//! What can be wrong with a source, as one line for users.

use super::source::MEDIA_ENDINGS;

/// A source that cannot be read, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// No such file or directory.
    #[error("no such file or directory: check the path")]
    NotFound,
    /// The file cannot be opened.
    #[error("cannot be opened: {0}")]
    Unreadable(String),
    /// A directory without media files.
    #[error("a directory without media: no file in it ends in one of {0}")]
    NoMedia(String),
    /// A file of zero bytes.
    #[error("an empty file (0 bytes): copy or record it again")]
    Empty,
    /// Unknown format.
    #[error("not a media file: {0}")]
    NotMedia(String),
    /// This machine lacks a decoder.
    #[error(
        "cannot be decoded here: {0} is missing; `l3net doctor` says which package brings the usual ones"
    )]
    MissingPlugin(String),
    /// Truncated or inconsistent content.
    #[error("damaged or truncated media: {0}; copy it again from its source")]
    Damaged(String),
    /// A demuxer stopped without an error.
    #[error("damaged media: its demuxer gave up at the start; `ffprobe` may say more")]
    SilentFailure,
    /// Protected content.
    #[error("encrypted media: decrypt it first")]
    Encrypted,
    /// A container without any stream that can be decoded.
    #[error("holds neither sound nor picture that can be decoded")]
    Nothing,
    /// No sound to compare with the picture.
    #[error("no sound in it{0}: without sound there is nothing to compare the picture with")]
    NoSound(String),
    /// No picture to compare with the sound.
    #[error("no picture in it{0}: without picture there is nothing to compare the sound with")]
    NoPicture(String),
    /// No track of the asked-for number.
    #[error("no {what} track {asked}: there are {there}, counted from 1")]
    NoTrack {
        /// `audio` or `video`.
        what: &'static str,
        /// The number.
        asked: usize,
        /// How many can be decoded.
        there: usize,
    },
    /// A device that cannot be opened.
    #[error("cannot open the device: {0}; `l3net doctor` lists cameras and microphones")]
    Device(String),
    /// A network stream that cannot be opened, or broke off.
    #[error("network stream failed: {0}")]
    Network(String),
    /// An object store that does not give it.
    #[error("{0}")]
    Stored(String),
    /// Nothing arrived for this many seconds.
    #[error("nothing came for {0} seconds: the source hangs")]
    Stalled(u64),
    /// What is delivered comes no further.
    #[error(
        "its decoder goes round in circles: it delivers, but comes no further in the file; \
         damaged media, copy it again from its source or re-encode it with ffmpeg"
    )]
    Circling,
    /// Decoding has been behind the clock for long, by this many seconds.
    #[error(
        "decoding is {0} s behind and does not catch up: run fewer streams at once, or give \
         the camera a smaller picture"
    )]
    Behind(u64),
    /// Sound or pictures arrived for this many seconds, and no window came of them.
    #[error(
        "what came for {0} seconds gave not one window: its timestamps make no sense; \
         restart the sender, or set its clock"
    )]
    Unanswered(u64),
    /// One of several recordings in a file.
    #[error("recording {number} of the {of} that were joined in it: {cause}")]
    InPart {
        /// Which one, from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// What is wrong with it.
        cause: Box<MediaError>,
    },
    /// The process that decoded it died.
    #[error(
        "the decoder crashed ({0}): damaged media, or a fault of the decoder; what came before \
         it is kept, and re-encoding the file with ffmpeg may help"
    )]
    Crashed(String),
    /// The process that decoded it used more than this many MiB.
    #[error(
        "decoding it takes more than {0} MiB of memory: damaged media, or too large a picture; \
         re-encode it with ffmpeg, smaller, or give each file more memory with fewer --jobs"
    )]
    TooMuchMemory(u64),
    /// Any other error of GStreamer.
    #[error("{0}")]
    Pipeline(String),
}

impl MediaError {
    /// A directory, or a place in a store, without media files.
    pub(super) fn no_media() -> Self {
        Self::NoMedia(MEDIA_ENDINGS.join(" "))
    }

    /// The error of a source that was read to its end but had no sound or no picture;
    /// `None` if it had both. `missing` is the missing decoder, if known.
    pub fn lacking(sound: bool, picture: bool, missing: Option<&str>) -> Option<Self> {
        let because = match missing {
            Some(what) => {
                format!(" that can be decoded here ({what} is missing, see `l3net doctor`)")
            }
            None => String::new(),
        };
        match (sound, picture) {
            (true, true) => None,
            (true, false) => Some(Self::NoPicture(because)),
            (false, true) => Some(Self::NoSound(because)),
            (false, false) => Some(match missing {
                Some(what) => Self::MissingPlugin(what.to_owned()),
                None => Self::Nothing,
            }),
        }
    }
}
