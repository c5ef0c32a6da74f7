//! Walks through a recording, from one of its pieces to the next, to where another begins.
//! Pure.

use super::parts::ReadAt;

/// The most pieces that are looked at: atoms, elements, tags or pages. A day of fragments
/// of a second, four hours of FLV, 4 GB of Ogg.
const MOST: usize = 1 << 20;

/// Containers whose demuxers (1.22) end with the first recording. Those of MPEG continue with
/// others of their kind, but not with anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Movie,
    Avi,
    Matroska,
    Flv,
    Asf,
    Ogg,
    /// A program stream of MPEG.
    Program,
    /// A transport stream of MPEG.
    Transport(Packets),
}

/// The identifier of an object of ASF: the header.
const ASF_HEADER: [u8; 16] = [
    0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, 0xa6, 0xd9, 0x00, 0xaa, 0x00, 0x62, 0xce, 0x6c,
];

/// Bits in the head of a page of Ogg: it is the first of a track.
const BEGINS: u8 = 2;

/// Packets of a transport stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packets {
    len: u64,
    /// Where in each the byte is that all have.
    sync: u64,
}

impl Packets {
    /// As they are broadcast, and with four more bytes before each, as on Blu-rays.
    const KINDS: [Self; 2] = [Self { len: 188, sync: 0 }, Self { len: 192, sync: 4 }];

    /// Whether so many are at a place.
    fn are(self, bytes: &dyn ReadAt, at: u64, count: u64) -> bool {
        let place = |packet| at.saturating_add(packet * self.len + self.sync);
        (0..count).all(|packet| head(bytes, place(packet))[0] == 0x47)
    }
}

impl Container {
    /// What begins at a place.
    pub fn at(bytes: &dyn ReadAt, at: u64) -> Option<Self> {
        let head = head(bytes, at);
        match (&head[..4], &head[4..8], &head[8..12]) {
            (b"RIFF", _, b"AVI ") => Some(Self::Avi),
            (b"\x1a\x45\xdf\xa3", ..) => Some(Self::Matroska),
            (b"OggS", [0, kind, ..], _) if kind & BEGINS != 0 => Some(Self::Ogg),
            (b"FLV\x01", [flags, 0, 0, 0], [9, ..]) if flags & 0xfa == 0 => Some(Self::Flv),
            (b"\0\0\x01\xba", ..) => Some(Self::Program),
            _ if head.starts_with(&ASF_HEADER) => Some(Self::Asf),
            // In front of an index others than `ftyp` are possible, but in the middle of a file
            // they begin nothing.
            (_, b"ftyp", _) => Some(Self::Movie),
            (_, b"moov" | b"mdat" | b"wide" | b"free" | b"skip" | b"pnot", _) if at == 0 => {
                Some(Self::Movie)
            }
            _ => {
                let kinds = Packets::KINDS.into_iter();
                let mut found = kinds.filter(|packets| packets.are(bytes, at, 5));
                found.next().map(Self::Transport)
            }
        }
    }
}

/// The bytes at a place, and zeros behind the end: what the head of any piece takes.
type Head = [u8; 28];

fn head(bytes: &dyn ReadAt, at: u64) -> Head {
    let mut head = [0; 28];
    bytes.read_at(at, &mut head);
    head
}

fn u32_be(head: &[u8], at: usize) -> u64 {
    head[at..at + 4]
        .iter()
        .fold(0, |n, b| n << 8 | u64::from(*b))
}

fn u32_le(head: &[u8], at: usize) -> u64 {
    head[at..at + 4]
        .iter()
        .rev()
        .fold(0, |n, b| n << 8 | u64::from(*b))
}

/// What is at a place in a recording.
enum Piece {
    /// A piece of it, by its length.
    Of(u64),
    /// Another recording of the same kind.
    Another,
    /// Something else.
    Else,
}

/// Where the recording behind the one at `start` begins, if there is another.
pub(super) fn next_recording(bytes: &dyn ReadAt, container: Container, start: u64) -> Option<u64> {
    match container {
        Container::Movie => movie(bytes, start),
        Container::Matroska => matroska(bytes, start),
        Container::Transport(packets) => transport(bytes, start, packets),
        Container::Program => walk(bytes, start, start, |head, _| program(head)),
        Container::Avi => walk(bytes, start, start, |head, at| riff(head, at == start)),
        Container::Asf => walk(bytes, start, start, |head, at| asf(head, at == start)),
        // After the header, and the length of the tag before the first.
        Container::Flv => walk(bytes, start, start + 13, |head, _| flv(head)),
        Container::Ogg => {
            let mut has_content = false;
            walk(bytes, start, start, |head, at| {
                ogg(bytes, head, at, &mut has_content)
            })
        }
    }
}

/// Goes from piece to piece.
fn walk(
    bytes: &dyn ReadAt,
    start: u64,
    first: u64,
    mut piece: impl FnMut(&Head, u64) -> Piece,
) -> Option<u64> {
    let mut at = first;
    for _ in 0..MOST {
        match piece(&head(bytes, at), at) {
            Piece::Of(size) => at = at.checked_add(size).filter(|next| *next < bytes.len())?,
            Piece::Another => return Some(at),
            Piece::Else => return other(bytes, start, at),
        }
    }
    None
}

/// A recording in another container, where what was before has ended.
fn other(bytes: &dyn ReadAt, start: u64, at: u64) -> Option<u64> {
    (at > start && Container::at(bytes, at).is_some()).then_some(at)
}

/// Movies begin at each `ftyp` that follows an index (`moov`) and has one itself. Those of
/// fragments are `styp`.
fn movie(bytes: &dyn ReadAt, start: u64) -> Option<u64> {
    let (mut at, mut has_index, mut begins) = (start, false, None);
    for _ in 0..MOST {
        if at >= bytes.len() {
            break;
        }
        let head = head(bytes, at);
        match &head[4..8] {
            b"ftyp" if has_index => begins = Some(at),
            b"moov" if begins.is_some() => return begins,
            b"moov" => has_index = true,
            _ if has_index && begins.is_none() && Container::at(bytes, at).is_some() => {
                return Some(at);
            }
            _ => {}
        }
        let size = match u32_be(&head, 0) {
            1 => u32_be(&head, 8) << 32 | u32_be(&head, 12),
            size => size,
        };
        at = at.checked_add(size).filter(|_| size >= 8)?;
    }
    None
}

/// A chunk of AVI. `AVIX` continues a long one.
fn riff(head: &Head, is_first: bool) -> Piece {
    let size = u32_le(head, 4);
    match (&head[..4], &head[8..12]) {
        (b"RIFF", b"AVI ") if !is_first => Piece::Another,
        (b"RIFF", b"AVI " | b"AVIX") if size > 0 => Piece::Of(8 + size + size % 2),
        _ => Piece::Else,
    }
}

/// An object of ASF: its identifier and its length.
fn asf(head: &Head, is_first: bool) -> Piece {
    let size = u32_le(head, 20) << 32 | u32_le(head, 16);
    match head.starts_with(&ASF_HEADER) {
        true if !is_first => Piece::Another,
        // The identifiers of all have this variant; streams of unknown length say 0.
        _ if size >= 24 && head[8] & 0xc0 == 0x80 => Piece::Of(size),
        _ => Piece::Else,
    }
}

/// A tag of FLV, with the length of it that follows.
fn flv(head: &Head) -> Piece {
    match head[0] & 0x1f {
        _ if head.starts_with(b"FLV\x01") => Piece::Another,
        // Sound, pictures, data.
        8 | 9 | 18 if head[0] & 0xc0 == 0 && head[8..11] == [0; 3] => {
            Piece::Of(11 + (u32_be(head, 0) & 0xff_ffff) + 4)
        }
        _ => Piece::Else,
    }
}

/// A page of Ogg. Tracks begin together; those that begin after other pages are of another
/// recording.
fn ogg(bytes: &dyn ReadAt, head: &Head, at: u64, has_content: &mut bool) -> Piece {
    if !head.starts_with(b"OggS\0") {
        return Piece::Else;
    }
    let begins = head[5] & BEGINS != 0;
    if begins && *has_content {
        return Piece::Another;
    }
    *has_content |= !begins;
    let mut lengths = [0; 255];
    let lengths = &mut lengths[..usize::from(head[26])];
    bytes.read_at(at + 27, lengths);
    let content: u64 = lengths.iter().map(|length| u64::from(*length)).sum();
    Piece::Of(27 + lengths.len() as u64 + content)
}

/// A pack or packet of a program stream, of MPEG-1 or MPEG-2.
fn program(head: &Head) -> Piece {
    match head[..4] {
        [0, 0, 1, 0xba] if head[4] & 0xc0 == 0x40 => Piece::Of(14 + u64::from(head[13] & 7)),
        [0, 0, 1, 0xba] => Piece::Of(12),
        [0, 0, 1, 0xb9] => Piece::Of(4),
        [0, 0, 1, kind] if kind >= 0xbb => Piece::Of(6 + (u32_be(head, 2) & 0xffff)),
        _ => Piece::Else,
    }
}

/// What is behind the packets of a transport stream. They are many, and all alike: most are
/// jumped over.
fn transport(bytes: &dyn ReadAt, start: u64, packets: Packets) -> Option<u64> {
    let mut at = start;
    for (jump, count) in [(4_096, 3), (1, 1)] {
        while let Some(next) = at.checked_add(jump * packets.len)
            && packets.are(bytes, next, count)
        {
            at = next;
        }
    }
    other(bytes, start, at.checked_add(packets.len)?)
}

/// Matroska begins at each later EBML header with a segment. Elements of unknown size, as
/// recorders write them, are searched through.
fn matroska(bytes: &dyn ReadAt, start: u64) -> Option<u64> {
    const HEADER: u32 = 0x1a45_dfa3;
    const SEGMENT: u32 = 0x1853_8067;
    let (mut at, mut begins) = (start, None);
    for _ in 0..MOST {
        let found = element(&head(bytes, at));
        // What is in a segment or cluster has identifiers of one or four bytes.
        if found.is_none_or(|(id, ..)| (0x100..0x1000_0000).contains(&id))
            && let Some(other) = other(bytes, start, at)
        {
            return Some(other);
        }
        let (id, len, size) = found?;
        match id {
            HEADER if at > start => begins = Some(at),
            SEGMENT if begins.is_some() => return begins,
            _ => {}
        }
        let next = at.checked_add(len as u64 + size.unwrap_or(0));
        at = next.filter(|next| *next < bytes.len())?;
    }
    None
}

/// An element's identifier, the bytes of its head, and its size, if known.
pub(in crate::media) fn element(head: &[u8]) -> Option<(u32, usize, Option<u64>)> {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b));
    let id_len = head.first()?.leading_zeros() as usize + 1;
    let id = u32::try_from(number(head.get(..id_len)?)).ok()?;
    let size_len = head.get(id_len)?.leading_zeros() as usize + 1;
    let len = id_len + size_len;
    let size = number(head.get(id_len..len).filter(|size| size.len() <= 8)?);
    let size = size & ((1 << (7 * size_len)) - 1);
    let unknown = size == (1 << (7 * size_len)) - 1;
    Some((id, len, (!unknown).then_some(size)))
}
