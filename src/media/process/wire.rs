//! What goes between a child and its parent.
//!
//! Belongs here: messages and their bytes. Does not: who sends them when, pixels
//! ([`super::pixels`]).
//!
//! A message is a kind (1 byte), a length (4 bytes) and as many bytes: JSON, or, for what
//! comes many times a second, plain numbers. Numbers are little endian.

use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::media::error::MediaError;
use crate::media::graph_files::GraphFiles;
use crate::media::skip::Looks;
use crate::media::source::{Source, SourceKind};
use crate::media::tracks::AskedTracks;
use crate::qc;
use crate::time::{MediaTime, SamplePos};

const JSON: u8 = b'j';
const SOUND: u8 = b's';
const FRAME: u8 = b'f';
const RELEASE: u8 = b'r';

/// The longest message: a second of sound has 192 kB, and a block a tenth of that.
pub(super) const MAX_BYTES: u32 = 64 << 20;

/// To the child.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Request {
    /// Open a file. Answered by [`Event::Opened`] or [`Event::Refused`].
    Open {
        name: String,
        place: Place,
        tracks: AskedTracks,
        offset_ns: u64,
        decoder_threads: Option<u32>,
        /// Measure all of it.
        measure: bool,
        graphs: Option<GraphFiles>,
        /// Which frames are looked at.
        looks: Option<Looks>,
    },
    /// A frame that is no longer needed.
    #[serde(skip)]
    Release(u64),
    /// Close the file. Answered by [`Event::Closed`].
    Close,
}

/// What a child can open.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Place {
    /// A path, which need not be UTF-8.
    File(Vec<u8>),
    /// An address.
    Uri(String),
}

impl Place {
    /// `None` for a source that is not for a child.
    pub fn of(source: &Source) -> Option<Self> {
        match &source.kind {
            SourceKind::File(path) => Some(Self::File(path.as_os_str().as_bytes().to_vec())),
            SourceKind::Uri { uri, live: false } => Some(Self::Uri(uri.clone())),
            _ => None,
        }
    }

    /// The source of that name.
    pub fn into_source(self, name: String, tracks: AskedTracks) -> Source {
        Source {
            name: name.as_str().into(),
            kind: match self {
                Self::File(path) => {
                    SourceKind::File(PathBuf::from(std::ffi::OsString::from_vec(path)))
                }
                Self::Uri(uri) => SourceKind::Uri { uri, live: false },
            },
            label: None,
            tracks,
        }
    }
}

/// From the child.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Event {
    /// The file is open.
    Opened,
    /// It cannot be opened; nothing is left to close.
    Refused(Cause),
    /// Sound.
    #[serde(skip)]
    Sound(SamplePos, Vec<f32>),
    /// A frame, which the child keeps.
    #[serde(skip)]
    Frame(FrameFacts),
    /// Something of it has changed.
    State(State),
    /// What was measured of the whole file; its end follows.
    Measured(qc::Report),
    /// The end of the file, and why it failed if it did.
    Ended(Option<Cause>),
    /// The file is closed.
    Closed,
}

/// Why a file failed. The parent only reports it, so its text is enough; but for the one
/// error that makes it open the file again.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cause {
    text: String,
    silent: bool,
}

impl From<MediaError> for Cause {
    fn from(error: MediaError) -> Self {
        Self {
            text: error.to_string(),
            silent: error == MediaError::SilentFailure,
        }
    }
}

impl From<Cause> for MediaError {
    fn from(cause: Cause) -> Self {
        match cause.silent {
            true => Self::SilentFailure,
            false => Self::Pipeline(cause.text),
        }
    }
}

/// A frame without its pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct FrameFacts {
    pub id: u64,
    pub at: MediaTime,
    pub duration_ns: Option<u64>,
    pub bytes: usize,
}

/// The duration of a frame that has none.
const UNKNOWN: u64 = u64::MAX;

impl FrameFacts {
    fn to_numbers(self) -> [u64; 4] {
        let duration = self.duration_ns.unwrap_or(UNKNOWN);
        [self.id, self.at.0, duration, self.bytes as u64]
    }

    fn from_numbers([id, at, duration, bytes]: [u64; 4]) -> Self {
        Self {
            id,
            at: MediaTime(at),
            duration_ns: Some(duration).filter(|duration| *duration != UNKNOWN),
            bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        }
    }
}

/// What a [`Feed`](crate::media::Feed) tells beside sound and frames.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub sound_is_done: bool,
    pub picture_is_done: bool,
    pub missing_decoder: Option<String>,
    pub tail_samples: usize,
    pub untimed: u64,
    pub duration: Option<u64>,
    pub frame_rate: Option<f64>,
}

pub(super) fn broken(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

pub(super) fn write(to: &mut impl Write, kind: u8, parts: &[&[u8]]) -> io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length = u32::try_from(length).map_err(broken)?;
    to.write_all(&[kind])?;
    to.write_all(&length.to_le_bytes())?;
    parts.iter().try_for_each(|part| to.write_all(part))
}

/// Writes an event other than sound and frames.
pub(super) fn write_json(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    write(to, JSON, &[&serde_json::to_vec(message)?])
}

/// Writes [`Event::Sound`].
pub(super) fn write_sound(to: &mut impl Write, at: SamplePos, pcm: &[f32]) -> io::Result<()> {
    let samples: Vec<[u8; 4]> = pcm.iter().map(|v| v.to_le_bytes()).collect();
    write(to, SOUND, &[&at.0.to_le_bytes(), samples.as_flattened()])
}

fn write_numbers(to: &mut impl Write, kind: u8, numbers: &[u64]) -> io::Result<()> {
    let bytes: Vec<[u8; 8]> = numbers.iter().map(|n| n.to_le_bytes()).collect();
    write(to, kind, &[bytes.as_flattened()])
}

fn numbers<const N: usize>(bytes: &[u8]) -> io::Result<[u64; N]> {
    let (chunks, _) = bytes.as_chunks();
    let chunks: &[[u8; 8]; N] = chunks.try_into().map_err(broken)?;
    Ok(chunks.map(u64::from_le_bytes))
}

/// Writes [`Event::Frame`].
pub(super) fn write_frame(to: &mut impl Write, frame: FrameFacts) -> io::Result<()> {
    write_numbers(to, FRAME, &frame.to_numbers())
}

/// Writes a request.
pub(super) fn write_request(to: &mut impl Write, request: &Request) -> io::Result<()> {
    match request {
        Request::Release(id) => write_numbers(to, RELEASE, &[*id]),
        other => write_json(to, other),
    }
}

fn read(from: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let length = u32::from_le_bytes(length);
    if length > MAX_BYTES {
        return Err(broken("a message that is too long"));
    }
    let mut bytes = vec![0; length as usize];
    from.read_exact(&mut bytes)?;
    Ok((kind, bytes))
}

/// Reads a request.
pub(super) fn read_request(from: &mut impl Read) -> io::Result<Request> {
    Ok(match read(from)? {
        (RELEASE, bytes) => Request::Release(numbers::<1>(&bytes)?[0]),
        (_, bytes) => serde_json::from_slice(&bytes)?,
    })
}

/// Reads an event. A child whose memory is damaged may send anything.
pub(super) fn read_event(from: &mut impl Read) -> io::Result<Event> {
    let bytes = match read(from)? {
        (SOUND, bytes) => bytes,
        (FRAME, bytes) => return Ok(Event::Frame(FrameFacts::from_numbers(numbers(&bytes)?))),
        (_, bytes) => return Ok(serde_json::from_slice(&bytes)?),
    };
    let (at, samples) = bytes.split_first_chunk().ok_or_else(|| broken("no time"))?;
    let (samples, _) = samples.as_chunks();
    let pcm = samples.iter().map(|v| f32::from_le_bytes(*v)).collect();
    Ok(Event::Sound(SamplePos(u64::from_le_bytes(*at)), pcm))
}

#[cfg(test)]
mod tests {
    use super::super::pixels::{read_picture, read_seen};
    use super::*;
    use std::path::Path;

    #[test]
    fn messages_arrive_as_they_were_sent() {
        let mut bytes = Vec::new();
        let path = Place::File(b"/films/\xff\xfe.mp4".to_vec());
        let open = Request::Open {
            name: "a \"film\"\n.mp4".to_owned(),
            place: path,
            tracks: AskedTracks {
                audio: Some(2),
                video: None,
            },
            offset_ns: 7,
            decoder_threads: Some(1),
            measure: true,
            graphs: Some(GraphFiles::in_folder(Path::new("/graphs"), "a")),
            looks: Some(Looks::Steps(7)),
        };
        write_request(&mut bytes, &open).expect("written");
        write_request(&mut bytes, &Request::Release(9)).expect("written");
        let frames = [Some(40_000_000), None].map(|duration_ns| FrameFacts {
            id: 9,
            at: MediaTime(u64::MAX),
            duration_ns,
            bytes: 7,
        });
        for frame in frames {
            write_frame(&mut bytes, frame).expect("written");
        }
        write_sound(&mut bytes, SamplePos(u64::MAX), &[0.5, -1.0]).expect("written");
        let ended = Event::Ended(Some(MediaError::Stalled(60).into()));
        write_json(&mut bytes, &ended).expect("written");
        let mut from = &bytes[..];
        assert_eq!(read_request(&mut from).expect("read"), open);
        assert_eq!(read_request(&mut from).expect("read"), Request::Release(9));
        for frame in frames {
            assert_eq!(read_event(&mut from).expect("read"), Event::Frame(frame));
        }
        let sound = read_event(&mut from).expect("read");
        assert_eq!(sound, Event::Sound(SamplePos(u64::MAX), vec![0.5, -1.0]));
        assert_eq!(read_event(&mut from).expect("read"), ended);
        let end = read_event(&mut from).expect_err("nothing is left");
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn errors_arrive_as_they_were() {
        for error in [MediaError::Stalled(60), MediaError::SilentFailure] {
            let text = error.to_string();
            let silent = error == MediaError::SilentFailure;
            let there = MediaError::from(Cause::from(error));
            assert_eq!(there.to_string(), text);
            assert_eq!(there == MediaError::SilentFailure, silent);
        }
    }

    #[test]
    fn a_damaged_child_can_send_anything() {
        let texts: [&[u8]; 7] = [
            b"f\x08\0\0\0abcdefgh",
            b"",
            b"j\xff\xff\xff\xff",
            b"j\x02\0\0\0{}",
            b"s\x03\0\0\0abc",
            b"x\x01\0\0\0?",
            b"\x01\0\0\0\0\0\0\0\0",
        ];
        for text in texts {
            assert!(read_event(&mut &text[..]).is_err(), "{text:?}");
            assert!(read_picture(&mut &text[..]).is_err(), "{text:?}");
            assert!(read_seen(&mut &text[..]).is_err(), "{text:?}");
        }
    }
}
