//! What can be wrong with a source, as one line for a person.

/// A source that cannot be read, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// There is nothing under that name.
    #[error("no such file or directory: check the path")]
    NotFound,
    /// The file cannot be opened.
    #[error("cannot be opened: {0}")]
    Unreadable(String),
    /// A directory in which nothing looks like media.
    #[error("a directory without media: no file in it ends in one of {0}")]
    NoMedia(String),
    /// A file of zero bytes.
    #[error("an empty file (0 bytes): copy or record it again")]
    Empty,
    /// Content of no known format.
    #[error("not a media file: {0}")]
    NotMedia(String),
    /// Decoders that this machine lacks.
    #[error(
        "cannot be decoded here: {0} is missing; `l3net doctor` says which package brings the usual ones"
    )]
    MissingPlugin(String),
    /// Content that breaks off or contradicts itself.
    #[error("damaged or truncated media: {0}; copy it again from its source")]
    Damaged(String),
    /// A demuxer gave up without an error.
    #[error("damaged media: its demuxer gave up at the start; `ffprobe` may say more")]
    SilentFailure,
    /// Protected content.
    #[error("encrypted media: decrypt it first")]
    Encrypted,
    /// A container from which nothing came.
    #[error("holds neither sound nor picture that can be decoded")]
    Nothing,
    /// No sound to hold against the picture.
    #[error("no sound in it{0}: without sound there is nothing to compare the picture with")]
    NoSound(String),
    /// No picture to hold against the sound.
    #[error("no picture in it{0}: without picture there is nothing to compare the sound with")]
    NoPicture(String),
    /// A device that does not open.
    #[error("cannot open the device: {0}; `l3net doctor` lists cameras and microphones")]
    Device(String),
    /// A network stream that does not open, or broke off.
    #[error("network stream failed: {0}")]
    Network(String),
    /// Nothing came for a long time.
    #[error("nothing came for {0} seconds: the source hangs")]
    Stalled(u64),
    /// Anything else that GStreamer says.
    #[error("{0}")]
    Pipeline(String),
}

impl MediaError {
    /// What is to be told of a source that was read to its end, if anything: it
    /// had no sound or no picture. `missing` is the decoder that would have been
    /// needed, where there was none.
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
