//! What a coded picture is to others, from the first bytes of its packet.
//!
//! Belongs here: formats and their headers. Does not: what is dropped.

use gstreamer as gst;

use super::bits::Bits;

/// What a packet holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coded {
    /// A picture with which a decoder starts anew: nothing that follows refers to anything
    /// before it.
    Start,
    /// A picture from which on a decoder knows everything. What follows and is shown before it
    /// may refer to others.
    Key,
    /// A picture that others may refer to. It comes out of the decoder.
    Reference,
    /// A picture that no other refers to, and nothing else.
    Unreferenced,
    /// Something that is passed on, and may not come out.
    Apart,
    /// Something that these rules do not cover.
    Unknown,
}

/// The format of a decoder's input.
#[derive(Debug)]
pub enum Format {
    /// H.264 in whole access units.
    H264(Units, H264),
    /// H.265 in whole access units.
    H265(Units, H265),
    /// MPEG-1 and MPEG-2 in whole pictures.
    Mpeg,
    /// VP8 in whole frames.
    Vp8,
    /// VP9 in whole frames.
    Vp9,
    /// Each picture stands for itself.
    Intra,
}

/// Formats of which each picture stands for itself.
const INTRA: [&str; 5] = [
    "image/jpeg",
    "video/x-prores",
    "video/x-dnxhd",
    "video/x-dv",
    "video/x-huffyuv",
];

/// How units are told apart.
#[derive(Clone, Copy, Debug)]
pub enum Units {
    /// Each follows its length in so many bytes.
    Lengths(usize),
    /// Each follows a start code.
    StartCodes,
}

/// What is known of the parameter sets of H.264.
#[derive(Debug, Default)]
pub struct H264 {
    /// Those that were seen are all of the plain kind; `None` before the first.
    plain: Option<bool>,
}

/// What is known of the parameter sets of H.265.
#[derive(Debug, Default)]
pub struct H265 {
    plain: Option<bool>,
    /// The highest temporal sub-layer.
    highest: u8,
}

impl Format {
    /// Of the caps of a decoder's input; `None` if it is another.
    pub fn of(caps: &gst::CapsRef) -> Option<Self> {
        let caps = caps.structure(0)?;
        let config = caps.get::<gst::Buffer>("codec_data").ok();
        let config = config.and_then(|c| Some(c.map_readable().ok()?.as_slice().to_vec()));
        let is_whole = caps.get::<&str>("alignment") == Ok("au");
        let by_codes = caps.get::<&str>("stream-format") == Ok("byte-stream");
        let units = |configure: &mut dyn FnMut(&[u8]) -> Option<usize>| match by_codes {
            true => Some(Units::StartCodes),
            false => configure(config.as_deref()?).map(Units::Lengths),
        };
        match caps.name().as_str() {
            "video/x-h264" if is_whole => {
                let mut h264 = H264::default();
                let units = units(&mut |config| h264.configure(config))?;
                Some(Self::H264(units, h264))
            }
            "video/x-h265" if is_whole => {
                let mut h265 = H265::default();
                let units = units(&mut |config| h265.configure(config))?;
                Some(Self::H265(units, h265))
            }
            "video/mpeg" if matches!(caps.get::<i32>("mpegversion"), Ok(1 | 2)) => {
                (caps.get::<bool>("parsed") == Ok(true)).then_some(Self::Mpeg)
            }
            "video/x-vp8" => Some(Self::Vp8),
            "video/x-vp9" => Some(Self::Vp9),
            name => INTRA.contains(&name).then_some(Self::Intra),
        }
    }

    /// What a packet holds.
    pub fn picture(&mut self, bytes: &[u8]) -> Coded {
        match self {
            Self::H264(units, h264) => h264.picture(units.of(bytes)),
            Self::H265(units, h265) => h265.picture(units.of(bytes)),
            Self::Mpeg => mpeg(bytes),
            Self::Vp8 => vp8(bytes),
            Self::Vp9 => vp9(bytes),
            Self::Intra => Coded::Start,
        }
    }
}

impl Units {
    /// The units in a packet, up to the first that is damaged.
    fn of(self, bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
        let mut rest = match self {
            Self::Lengths(_) => bytes,
            Self::StartCodes => after_start_code(bytes),
        };
        std::iter::from_fn(move || match self {
            Self::Lengths(size) => {
                let (length, behind) = rest.split_at_checked(size)?;
                let length = length.iter().fold(0, |n, &byte| n << 8 | usize::from(byte));
                let (unit, behind) = behind.split_at_checked(length)?;
                rest = behind;
                Some(unit)
            }
            Self::StartCodes if rest.is_empty() => None,
            Self::StartCodes => {
                let unit = rest;
                rest = after_start_code(unit);
                Some(&unit[..unit.len() - rest.len()])
            }
        })
    }
}

/// What follows the first start code; empty if there is none.
fn after_start_code(bytes: &[u8]) -> &[u8] {
    let code = bytes.windows(3).position(|b| b == [0, 0, 1]);
    code.map_or(&[], |at| &bytes[at + 3..])
}

impl H264 {
    /// Reads an `avcC`; the size of lengths.
    fn configure(&mut self, config: &[u8]) -> Option<usize> {
        let size = usize::from(config.get(4)? & 3) + 1;
        let mut rest = config.get(6..)?;
        for _ in 0..config.get(5)? & 0x1f {
            let (unit, behind) = Units::Lengths(2).of(rest).next().map(|unit| {
                let behind = &rest[2 + unit.len()..];
                (unit, behind)
            })?;
            self.note_sequence(unit);
            rest = behind;
        }
        Some(size)
    }

    fn note_sequence(&mut self, unit: &[u8]) {
        let plain = unit.get(1..).and_then(is_plain_sequence) == Some(true);
        self.plain = Some(self.plain != Some(false) && plain);
    }

    fn picture<'a>(&mut self, units: impl Iterator<Item = &'a [u8]>) -> Coded {
        let mut has_sets = false;
        for unit in units {
            let Some(&first) = unit.first() else {
                return Coded::Unknown;
            };
            match (first & 0x1f, first >> 5 & 3) {
                (7, _) => {
                    self.note_sequence(unit);
                    has_sets = true;
                }
                (8 | 13, _) => has_sets = true,
                // Delimiters, messages, filling.
                (6 | 9 | 12, _) => {}
                (1 | 5, _) if self.plain != Some(true) => return Coded::Unknown,
                // All slices of a picture are referred to, or none; no set follows them.
                (1, 0) if has_sets => return Coded::Apart,
                (1, 0) => return Coded::Unreferenced,
                (1, _) => return Coded::Reference,
                (5, _) => return Coded::Start,
                _ => return Coded::Unknown,
            }
        }
        Coded::Apart
    }
}

/// Whether a sequence has whole frames only, without holes in their numbers, and says how far
/// they are out of order. Where it does not, libav's decoder guesses that from the pictures
/// that it gets, and may lose some while it learns.
fn is_plain_sequence(unit: &[u8]) -> Option<bool> {
    const WITH_CHROMA: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
    let mut bits = Bits::of_unit(unit);
    let profile = bits.number(8)?;
    bits.number(16)?;
    bits.ue()?;
    if WITH_CHROMA.contains(&profile) {
        let chroma = bits.ue()?;
        if chroma == 3 {
            bits.flag()?;
        }
        bits.skip_ue(2)?;
        bits.flag()?;
        if bits.flag()? {
            let lists = if chroma == 3 { 12 } else { 8 };
            for list in 0..lists {
                if bits.flag()? {
                    skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.ue()?;
    match bits.ue()? {
        0 => drop(bits.ue()?),
        1 => {
            bits.flag()?;
            bits.skip_ue(2)?;
            let cycle = bits.ue()?;
            bits.skip_ue(cycle.min(255))?;
        }
        _ => {}
    }
    bits.ue()?;
    let has_holes = bits.flag()?;
    bits.skip_ue(2)?;
    let whole_frames = bits.flag()?;
    if has_holes || !whole_frames {
        return Some(false);
    }
    bits.flag()?;
    if bits.flag()? {
        bits.skip_ue(4)?;
    }
    if !bits.flag()? {
        return Some(false);
    }
    says_order(&mut bits)
}

fn skip_scaling_list(bits: &mut Bits, size: u32) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.se()? + 256).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

/// Reads a sequence's usability information up to whether it says how far pictures are out of
/// order.
fn says_order(bits: &mut Bits) -> Option<bool> {
    if bits.flag()? && bits.number(8)? == 255 {
        bits.number(32)?;
    }
    if bits.flag()? {
        bits.flag()?;
    }
    if bits.flag()? {
        bits.number(4)?;
        if bits.flag()? {
            bits.number(24)?;
        }
    }
    if bits.flag()? {
        bits.skip_ue(2)?;
    }
    if bits.flag()? {
        bits.number(32)?;
        bits.number(32)?;
        bits.flag()?;
    }
    let mut has_buffer = false;
    for _ in 0..2 {
        if bits.flag()? {
            has_buffer = true;
            let buffers = bits.ue()?.min(31) + 1;
            bits.number(8)?;
            for _ in 0..buffers {
                bits.skip_ue(2)?;
                bits.flag()?;
            }
            bits.number(20)?;
        }
    }
    if has_buffer {
        bits.flag()?;
    }
    bits.flag()?;
    bits.flag()
}

impl H265 {
    /// Reads an `hvcC`; the size of lengths.
    fn configure(&mut self, config: &[u8]) -> Option<usize> {
        let size = usize::from(config.get(21)? & 3) + 1;
        let mut rest = config.get(23..)?;
        for _ in 0..*config.get(22)? {
            let (head, behind) = rest.split_at_checked(3)?;
            rest = behind;
            for _ in 0..u16::from_be_bytes([head[1], head[2]]) {
                let unit = Units::Lengths(2).of(rest).next()?;
                rest = &rest[2 + unit.len()..];
                self.note_set(unit);
            }
        }
        Some(size)
    }

    /// Whether a unit is a parameter set, which is then noted.
    fn note_set(&mut self, unit: &[u8]) -> bool {
        let kind = unit.first().map(|first| first >> 1 & 0x3f);
        let plain = match (kind, unit.get(2..)) {
            (Some(33), Some([first, ..])) => {
                self.highest = first >> 1 & 7;
                true
            }
            // Pictures may be decoded and not come out: that is not for here.
            (Some(34), Some(set)) => hides_pictures(set) == Some(false),
            (Some(32..=34), _) => return true,
            _ => return false,
        };
        self.plain = Some(self.plain != Some(false) && plain);
        true
    }

    fn picture<'a>(&mut self, units: impl Iterator<Item = &'a [u8]>) -> Coded {
        let mut has_sets = false;
        for unit in units {
            let [first, second, ..] = *unit else {
                return Coded::Unknown;
            };
            let is_base = first & 1 == 0 && second >> 3 == 0;
            let sub_layer = (second & 7).saturating_sub(1);
            if !is_base || self.note_set(unit) {
                has_sets = true;
                continue;
            }
            return match first >> 1 & 0x3f {
                0..=31 if self.plain != Some(true) => Coded::Unknown,
                // Those that nothing in their own sub-layer refers to; higher ones may.
                0 | 2 | 4 if sub_layer == self.highest && !has_sets => Coded::Unreferenced,
                0..=5 => Coded::Reference,
                // Shown before a key picture, and perhaps not decoded.
                6..=9 => Coded::Apart,
                // No picture that is shown before it refers to earlier ones, or none is shown.
                16..=20 => Coded::Start,
                21 => Coded::Key,
                // Delimiters, messages, filling.
                35 | 38 | 39 => continue,
                _ => Coded::Unknown,
            };
        }
        Coded::Apart
    }
}

/// Whether a picture parameter set lets pictures say that they do not come out.
fn hides_pictures(set: &[u8]) -> Option<bool> {
    let mut bits = Bits::of_unit(set);
    bits.skip_ue(2)?;
    bits.flag()?;
    bits.flag()
}

/// A picture of MPEG-1 or MPEG-2.
fn mpeg(bytes: &[u8]) -> Coded {
    let mut kind = None;
    let (mut has_more, mut is_closed) = (false, false);
    let mut rest = after_start_code(bytes);
    while let Some((&code, behind)) = rest.split_first() {
        match (code, behind) {
            (0x00, [_, second, ..]) => kind = Some(second >> 3 & 7),
            // Fields of a picture in packets of their own.
            (0xb5, [first, _, third, ..]) if first >> 4 == 8 && third & 3 != 3 => {
                return Coded::Unknown;
            }
            (0xb2 | 0xb5, _) => {}
            (0x01..=0xaf, _) => {
                return match kind {
                    Some(1) if is_closed => Coded::Start,
                    Some(1) => Coded::Key,
                    Some(2) => Coded::Reference,
                    Some(3) if !has_more => Coded::Unreferenced,
                    Some(3) => Coded::Apart,
                    _ => Coded::Unknown,
                };
            }
            // The head of a group: whether those shown before its first refer to no other.
            (0xb8, [_, _, _, flags, ..]) => {
                has_more = true;
                is_closed = flags & 0x40 != 0;
            }
            _ => has_more = true,
        }
        rest = after_start_code(behind);
    }
    Coded::Unknown
}

/// A frame of VP8 (RFC 6386, section 9.1).
fn vp8(bytes: &[u8]) -> Coded {
    match bytes.first().map(|tag| (tag & 1 == 0, tag & 0x10 != 0)) {
        Some((true, true)) => Coded::Start,
        Some((false, true)) => Coded::Reference,
        Some((false, false)) => Coded::Apart,
        _ => Coded::Unknown,
    }
}

/// A frame of VP9 (bitstream specification, section 6.2), or several, of which the last is
/// shown.
fn vp9(bytes: &[u8]) -> Coded {
    let mut bits = Bits::of_unit(&bytes[..bytes.len().min(4)]);
    let mut read = || {
        let marker = bits.number(2)?;
        let profile = bits.number(2)?;
        let reserved = profile == 3 && bits.flag()?;
        let repeats = bits.flag()?;
        let is_key = !repeats && !bits.flag()?;
        let is_shown = repeats || bits.flag()?;
        (marker == 2 && !reserved).then_some((is_key, is_shown))
    };
    let has_several = bytes.last().is_some_and(|last| last & 0xe0 == 0xc0);
    match read() {
        Some((true, is_shown)) if is_shown || has_several => Coded::Start,
        Some((false, is_shown)) if is_shown || has_several => Coded::Reference,
        Some((false, false)) => Coded::Apart,
        _ => Coded::Unknown,
    }
}

#[cfg(test)]
#[path = "coded_tests.rs"]
mod tests;
