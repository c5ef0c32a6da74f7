//! What a movie's header (`moov`) says that qtdemux misreads, and the bytes that
//! correct it. Pure.

use super::atoms::{Atom, FourCc, atoms, u16_at, u32_at, u64_at};

/// Bytes to put into a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Patch {
    /// Where, counted from the beginning of `moov`.
    pub at: usize,
    /// What.
    pub bytes: Vec<u8>,
}

/// What is worth knowing of a movie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Movie {
    /// Its length in ns, if it says so.
    pub length_ns: Option<u64>,
    /// Tracks whose PCM is little-endian, with the formats that qtdemux takes for
    /// big-endian.
    pub little_endian: Vec<(u32, &'static str)>,
    /// Corrections of its header.
    pub patches: Vec<Patch>,
}

impl Movie {
    /// Reads a whole `moov` atom. `None` if it is none, or too damaged.
    pub fn read(moov: &[u8]) -> Option<Self> {
        Self::corrected(moov, false)
    }

    /// Reads one for a demuxer whose input is pushed, as from a network.
    pub fn read_pushed(moov: &[u8]) -> Option<Self> {
        Self::corrected(moov, true)
    }

    fn corrected(moov: &[u8], is_pushed: bool) -> Option<Self> {
        let moov = atoms(moov).next().filter(|atom| atom.kind == *b"moov")?;
        let length = Length::read(&moov.first(b"mvhd")?, &MVHD)?;
        let mut movie = Self {
            length_ns: length.ns(),
            ..Self::default()
        };
        movie.forget_length(&length);
        let fragments = moov.first(b"mvex");
        if let Some(length) = fragments.and_then(|f| Length::read(&f.first(b"mehd")?, &MEHD)) {
            movie.forget_length(&length);
        }
        let tracks: Vec<_> = moov.atoms(0).filter_map(|a| Track::read(&a)).collect();
        if fragments.is_none() {
            movie.hide_short(&tracks, &length);
        }
        for track in &tracks {
            movie.mend_pcm(track);
            if is_pushed {
                movie.open_edit(track, length.timescale);
            }
        }
        Some(movie)
    }

    /// Lets a single edit end with the track, where it does so anyway.
    ///
    /// From a network, qtdemux (1.22) ends a track two seconds behind the end of its edits,
    /// but looks at the time in the media, so that what an edit skips is lost at the end.
    /// Other edits cannot be played there: it reads in the order of the file.
    fn open_edit(&mut self, track: &Track<'_>, timescale: u64) -> Option<()> {
        /// How much an edit may end before its media, as a part of a second.
        const SLACK: u128 = 10;
        let list = track.atom.first(b"edts")?.first(b"elst")?;
        let long = *list.body.first()? == 1;
        let size = if long { 20 } else { 12 };
        let edits = list.body.get(8..)?.chunks_exact(size);
        let edits = edits.take(u32_at(list.body, 4)? as usize);
        let read = |edit: &[u8]| match long {
            true => Some((
                u64_at(edit, 0)?,
                u64_at(edit, 8).filter(|at| *at != u64::MAX),
            )),
            false => {
                let begin = u32_at(edit, 4).filter(|at| *at != u32::MAX);
                Some((u64::from(u32_at(edit, 0)?), begin.map(u64::from)))
            }
        };
        let mut edits = edits.enumerate().filter_map(|(i, e)| Some((i, read(e)?)));
        // Empty ones may come first.
        let (i, (duration, begin)) = edits.find(|(_, (_, begin))| begin.is_some())?;
        let (media, movie) = (u128::from(track.length.timescale), u128::from(timescale));
        let end = u128::from(begin?) * movie + u128::from(duration) * media;
        let media_end = u128::from(track.length.value) * movie;
        if edits.next().is_none() && end + media * movie / SLACK >= media_end {
            self.patches.push(Patch {
                at: list.body_at + 8 + i * size,
                bytes: vec![0; if long { 8 } else { 4 }],
            });
        }
        Some(())
    }

    /// Writes the corrections into the header that it was read from; false if there are
    /// none.
    pub fn correct(&self, moov: &mut [u8]) -> bool {
        for Patch { at, bytes } in &self.patches {
            if let Some(place) = moov.get_mut(*at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        }
        !self.patches.is_empty()
    }

    /// Writes "unknown" for a length.
    ///
    /// qtdemux (1.22) ends a track where the time of its samples passes the length of the
    /// movie. But an edit list counts from its media time, so as much is lost at the end as
    /// it skips at the start: all of a clip that was cut without re-encoding, or the last
    /// block where only an encoder's priming is skipped. Without a length the edit list
    /// alone decides, as it should. A longer one would have to be as long as the longest
    /// track, and tracks that are short beside it would be skipped.
    fn forget_length(&mut self, length: &Length) {
        self.patches.push(Patch {
            at: length.at,
            bytes: vec![0; length.bytes],
        });
    }

    /// Hides tracks that last less than a fifth of the movie, such as previews and title
    /// pictures, if there is a longer one of their kind. qtdemux skips them all by
    /// itself, unless the length is unknown.
    fn hide_short(&mut self, tracks: &[Track<'_>], movie: &Length) {
        let is_short = |track: &Track<'_>| match (track.length.ns(), movie.ns()) {
            (Some(track), Some(movie)) => track < movie / 5,
            (None, Some(_)) => track.length.value == 0,
            _ => false,
        };
        for track in tracks.iter().filter(|track| is_short(track)) {
            let is_longer = |other: &Track<'_>| other.kind == track.kind && !is_short(other);
            if tracks.iter().any(is_longer) || !matches!(&track.kind, b"soun" | b"vide") {
                self.patches.push(Patch {
                    at: track.atom.at + 4,
                    bytes: b"free".to_vec(),
                });
            }
        }
    }

    /// Corrects the byte order and width of PCM.
    fn mend_pcm(&mut self, track: &Track<'_>) {
        let Some(entries) = track.entries().filter(|_| track.kind == *b"soun") else {
            return;
        };
        for entry in entries {
            match &entry.kind {
                b"in24" | b"in32" | b"fl32" | b"fl64" if is_little_endian(&entry) => {
                    let format = match &entry.kind {
                        b"in24" => "S24BE",
                        b"in32" => "S32BE",
                        b"fl32" => "F32BE",
                        _ => "F64BE",
                    };
                    self.little_endian.push((track.id, format));
                }
                b"ipcm" | b"fpcm" => _ = self.rename_pcm(track, &entry),
                _ => {}
            }
            if PCM.contains(&entry.kind) && track.counts_frames() {
                self.send_chunks(&entry);
            }
        }
    }

    /// Has qtdemux send PCM chunk by chunk.
    ///
    /// Where each frame is a sample of its own and the compression is called -2, as always
    /// in version 2 (rates above 65 535 Hz), it sends them frame by frame: it puts some
    /// hundred into a buffer, but counts the time of one.
    fn send_chunks(&mut self, entry: &Atom<'_>) {
        if u16_at(entry.body, COMPRESSION) == Some(0xfffe) {
            self.patches.push(Patch {
                at: entry.body_at + COMPRESSION,
                bytes: vec![0, 0],
            });
        }
    }

    /// Gives the PCM of ISO 23003-5, which qtdemux does not know, the names of QuickTime.
    fn rename_pcm(&mut self, track: &Track<'_>, entry: &Atom<'_>) -> Option<()> {
        let config = entry.atoms(ENTRY_V0).find(|a| a.kind == *b"pcmC")?.body;
        let (little, bits) = (config.get(4)? & 1 == 1, *config.get(5)?);
        let name = match (&entry.kind, little, bits) {
            (b"ipcm", true, 8 | 16 | 24 | 32) => b"sowt",
            (b"ipcm", false, 8 | 16 | 24 | 32) => b"twos",
            (b"fpcm", _, 32) => b"fl32",
            (b"fpcm", _, 64) => b"fl64",
            _ => return None,
        };
        if little && entry.kind == *b"fpcm" {
            let format = if bits == 32 { "F32BE" } else { "F64BE" };
            self.little_endian.push((track.id, format));
        }
        self.patches.push(Patch {
            at: entry.at + 4,
            bytes: name.to_vec(),
        });
        self.patches.push(Patch {
            at: entry.body_at + SAMPLE_SIZE,
            bytes: vec![0, bits],
        });
        if !track.counts_frames() {
            self.patches.push(Patch {
                at: entry.body_at + COMPRESSION,
                bytes: vec![0xff, 0xfe],
            });
        }
        Some(())
    }
}

/// Where a full atom keeps its timescale and length, by version 0 and 1.
struct Layout {
    timescale: Option<[usize; 2]>,
    length: [usize; 2],
}

const MVHD: Layout = Layout {
    timescale: Some([12, 20]),
    length: [16, 24],
};
const MDHD: Layout = MVHD;
const MEHD: Layout = Layout {
    timescale: None,
    length: [4, 4],
};

/// A length, and where it is written.
struct Length {
    at: usize,
    bytes: usize,
    value: u64,
    timescale: u64,
}

impl Length {
    fn read(atom: &Atom<'_>, layout: &Layout) -> Option<Self> {
        let version = usize::from(*atom.body.first()?);
        let at = *layout.length.get(version)?;
        let (bytes, value) = match version {
            0 => (4, u64::from(u32_at(atom.body, at)?)),
            _ => (8, u64_at(atom.body, at)?),
        };
        let timescale = match layout.timescale {
            Some(timescale) => u32_at(atom.body, timescale[version])?,
            None => 0,
        };
        Some(Self {
            at: atom.body_at + at,
            bytes,
            value,
            timescale: u64::from(timescale),
        })
    }

    /// In ns; `None` if it is unknown or cannot be.
    fn ns(&self) -> Option<u64> {
        let unknown = self.value == 0 || self.timescale == 0;
        let unknown = unknown || self.bytes == 4 && self.value == u64::from(u32::MAX);
        let ns = u128::from(self.value) * 1_000_000_000;
        let ns = ns.checked_div(u128::from(self.timescale))?;
        u64::try_from(ns).ok().filter(|_| !unknown)
    }
}

struct Track<'a> {
    atom: Atom<'a>,
    id: u32,
    /// `soun`, `vide`, …
    kind: FourCc,
    length: Length,
}

impl<'a> Track<'a> {
    fn read(atom: &Atom<'a>) -> Option<Self> {
        if atom.kind != *b"trak" {
            return None;
        }
        let head = atom.first(b"tkhd")?.body;
        let id_at = if *head.first()? == 1 { 20 } else { 12 };
        let media = atom.first(b"mdia")?;
        let handler = media.first(b"hdlr")?.body;
        Some(Self {
            atom: *atom,
            id: u32_at(head, id_at)?,
            kind: *handler.get(8..)?.first_chunk()?,
            length: Length::read(&media.first(b"mdhd")?, &MDHD)?,
        })
    }

    fn table(&self, kind: &FourCc) -> Option<Atom<'a>> {
        let media = self.atom.first(b"mdia")?.first(b"minf")?;
        media.first(b"stbl")?.first(kind)
    }

    /// Its sample descriptions.
    fn entries(&self) -> Option<impl Iterator<Item = Atom<'a>> + use<'a>> {
        Some(self.table(b"stsd")?.atoms(8))
    }

    /// Whether each of its samples lasts one unit of its time: frames of PCM.
    fn counts_frames(&self) -> bool {
        let times = self.table(b"stts").and_then(|t| t.body.get(8..));
        times.is_some_and(|times| times.chunks_exact(8).all(|t| t[4..] == [0, 0, 0, 1]))
    }
}

/// QuickTime's names of PCM that has nothing but frames.
const PCM: [FourCc; 10] = [
    *b"lpcm", *b"sowt", *b"twos", *b"raw ", *b"NONE", *b"in24", *b"in32", *b"fl32", *b"fl64",
    *b"s16l",
];

/// Fields of a sound's sample description, counted behind its head.
const VERSION: usize = 8;
const SAMPLE_SIZE: usize = 18;
const COMPRESSION: usize = 20;
/// Where the atoms in it begin, in version 0 and 1. Version 2 says so itself, counted from
/// the head.
const ENTRY_V0: usize = 28;
const ENTRY_V1: usize = ENTRY_V0 + 16;
const ENTRY_V2_SIZE: usize = 28;

/// Whether the `enda` atom of a QuickTime sound says so. qtdemux (1.22) reads it for `in24`
/// in version 1 only.
fn is_little_endian(entry: &Atom<'_>) -> bool {
    let skip = match u16_at(entry.body, VERSION) {
        Some(0) => ENTRY_V0,
        Some(1) => ENTRY_V1,
        _ => u32_at(entry.body, ENTRY_V2_SIZE)
            .map_or(0, |size| size as usize)
            .saturating_sub(8),
    };
    let inside = |kind: &FourCc| entry.atoms(skip).find(|atom| atom.kind == *kind);
    let order = inside(b"enda").or_else(|| inside(b"wave")?.first(b"enda"));
    order.is_some_and(|order| u16_at(order.body, 0).is_some_and(|value| value != 0))
}

#[cfg(test)]
#[path = "header_tests.rs"]
mod tests;
