//! Recognises a codec by its data: frames in a row, each as long as its header says.

/// Frames in a row that make it certain: a header's pattern may occur in any data.
const IN_A_ROW: usize = 3;

/// What a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    /// AAC with a header in each frame.
    Adts,
    /// AAC in multiplexed frames.
    Loas,
    /// MPEG-1 or MPEG-2 audio of any layer.
    MpegAudio,
    Ac3,
    Eac3,
    Dts,
    Mpeg1Video,
    Mpeg2Video,
    Mpeg4Video,
    H264,
    H265,
}

impl Codec {
    /// Recognises what `data`, the first bytes of a stream of sound, is.
    pub fn of_sound(data: &[u8]) -> Option<Self> {
        let readers: [(Self, Reader); 6] = [
            (Self::Dts, dts),
            (Self::Ac3, ac3),
            (Self::Eac3, eac3),
            (Self::Adts, adts),
            (Self::Loas, loas),
            (Self::MpegAudio, mpeg),
        ];
        let found = readers.iter().find(|(_, reader)| is_row(data, *reader));
        found.map(|(codec, _)| *codec)
    }

    /// The same of pictures, which begin with their parameters. Codes as short as theirs
    /// occur in sound.
    pub fn of_pictures(data: &[u8]) -> Option<Self> {
        let mut codes = data
            .windows(5)
            .filter(|bytes| bytes.starts_with(&[0, 0, 1]));
        codes.find_map(|code| match (code[3], code[4]) {
            (0xb3, _) => {
                let is_second = data.windows(4).any(|bytes| bytes == [0, 0, 1, 0xb5]);
                Some(if is_second {
                    Self::Mpeg2Video
                } else {
                    Self::Mpeg1Video
                })
            }
            (0xb0, _) | (0x20..=0x26, _) => Some(Self::Mpeg4Video),
            (0x40, 1) => Some(Self::H265),
            (0x67 | 0x47 | 0x27, _) => Some(Self::H264),
            _ => None,
        })
    }

    /// The type by which tsdemux (1.22) knows it.
    pub fn stream_type(self, is_bluray: bool) -> u8 {
        match self {
            Self::Mpeg1Video => 0x01,
            Self::Mpeg2Video => 0x02,
            Self::MpegAudio => 0x03,
            Self::Adts => 0x0f,
            Self::Mpeg4Video => 0x10,
            Self::Loas => 0x11,
            Self::H264 => 0x1b,
            Self::H265 => 0x24,
            Self::Ac3 => 0x81,
            Self::Eac3 if is_bluray => 0x84,
            Self::Eac3 => 0x87,
            // Blu-ray's 0x82 is not known to it.
            Self::Dts => 0x8a,
        }
    }
}

/// Reads a header: the length of its frame in bytes.
type Reader = fn(&[u8]) -> Option<usize>;

/// The stream may begin within a frame.
fn is_row(data: &[u8], length: Reader) -> bool {
    let row = |from: usize| {
        let mut at = from;
        (0..IN_A_ROW).all(|_| {
            let length = data.get(at..).and_then(length);
            at += length.unwrap_or_default();
            length.is_some()
        })
    };
    (0..data.len()).any(row)
}

fn adts(data: &[u8]) -> Option<usize> {
    let &[0xff, kind, rate, high, middle, low, _, ..] = data else {
        return None;
    };
    let length = usize::from(high & 3) << 11 | usize::from(middle) << 3 | usize::from(low >> 5);
    let is_one = kind & 0xf6 == 0xf0 && (rate >> 2) & 15 < 13 && length > 7;
    is_one.then_some(length)
}

fn loas(data: &[u8]) -> Option<usize> {
    let &[0x56, high, low, ..] = data else {
        return None;
    };
    let length = usize::from(high & 0x1f) << 8 | usize::from(low);
    (high & 0xe0 == 0xe0 && length > 0).then_some(3 + length)
}

fn mpeg(data: &[u8]) -> Option<usize> {
    /// kbit/s: MPEG-1 layers I, II, III; MPEG-2 layer I, then II and III.
    const KBITS: [[usize; 15]; 5] = [
        [
            0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448,
        ],
        [
            0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384,
        ],
        [
            0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
        ],
        [
            0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256,
        ],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];
    let &[0xff, kind, rates, _, ..] = data else {
        return None;
    };
    let (version, layer) = ((kind >> 3) & 3, 4 - ((kind >> 1) & 3));
    if kind & 0xe0 != 0xe0 || version == 1 || layer == 4 {
        return None;
    }
    let is_first = version == 3;
    let table = match (is_first, layer) {
        (true, layer) => usize::from(layer) - 1,
        (false, 1) => 3,
        (false, _) => 4,
    };
    let kbits = *KBITS[table]
        .get(usize::from(rates >> 4))
        .filter(|&&kbits| kbits > 0)?;
    let full = *[44_100, 48_000, 32_000].get(usize::from((rates >> 2) & 3))?;
    let rate = full >> [2, 0, 1, 0][usize::from(version)];
    let padding = usize::from((rates >> 1) & 1);
    Some(match (layer, is_first) {
        (1, _) => (12 * kbits * 1_000 / rate + padding) * 4,
        (3, false) => 72 * kbits * 1_000 / rate + padding,
        _ => 144 * kbits * 1_000 / rate + padding,
    })
}

fn ac3(data: &[u8]) -> Option<usize> {
    const KBITS: [usize; 19] = [
        32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640,
    ];
    let &[0x0b, 0x77, _, _, size, version, ..] = data else {
        return None;
    };
    let kbits = *KBITS.get(usize::from(size & 0x3f) / 2)?;
    let words = match size >> 6 {
        0 => kbits * 2,
        1 => kbits * 96_000 / 44_100 + usize::from(size & 1),
        2 => kbits * 3,
        _ => return None,
    };
    (version >> 3 <= 10).then_some(words * 2)
}

fn eac3(data: &[u8]) -> Option<usize> {
    let &[0x0b, 0x77, high, low, _, version, ..] = data else {
        return None;
    };
    let words = 1 + (usize::from(high & 7) << 8 | usize::from(low));
    (11..=16).contains(&(version >> 3)).then_some(words * 2)
}

/// The core; an extension may follow each frame.
fn dts(data: &[u8]) -> Option<usize> {
    const CORE: &[u8] = &[0x7f, 0xfe, 0x80, 0x01];
    const EXTENSION: &[u8] = &[0x64, 0x58, 0x20, 0x25];
    let &[_, _, _, _, _, high, middle, low, ..] = data.strip_prefix(CORE).and(Some(data))? else {
        return None;
    };
    let length =
        1 + (usize::from(high & 3) << 12 | usize::from(middle) << 4 | usize::from(low >> 4));
    let rest = data.get(length..)?;
    if !rest.starts_with(EXTENSION) {
        return Some(length);
    }
    let next = rest.windows(CORE.len()).position(|bytes| bytes == CORE);
    next.map(|more| length + more)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames with this header, each as long as `length`, after the end of another.
    fn frames(header: &[u8], length: usize) -> Vec<u8> {
        let mut data = vec![0x5a; 100];
        for _ in 0..IN_A_ROW {
            let begins = data.len();
            data.extend_from_slice(header);
            data.resize(begins + length, 0x5a);
        }
        data
    }

    #[test]
    fn codecs_are_recognised_by_frames_in_a_row() {
        // Headers from ffmpeg's encoders.
        let cases: &[(Codec, &[u8], usize)] = &[
            (
                Codec::Adts,
                &[0xff, 0xf1, 0x4c, 0x40, 0x1a, 0xff, 0xfc],
                215,
            ),
            (Codec::Loas, &[0x56, 0xe0, 0xc6, 0x20], 201),
            (Codec::MpegAudio, &[0xff, 0xfd, 0xe4, 0xc4], 1_152),
            (Codec::MpegAudio, &[0xff, 0xfb, 0x54, 0xc4], 192),
            (Codec::MpegAudio, &[0xff, 0xf3, 0x44, 0xc4], 96),
            (Codec::Ac3, &[0x0b, 0x77, 0x12, 0x34, 0x0c, 0x40, 0], 384),
            (Codec::Ac3, &[0x0b, 0x77, 0x12, 0x34, 0x54, 0x40, 0], 834),
            (Codec::Eac3, &[0x0b, 0x77, 0x01, 0x7f, 0x3f, 0x86, 0], 768),
            (
                Codec::Dts,
                &[0x7f, 0xfe, 0x80, 0x01, 0xfc, 0x3c, 0x80, 0x02],
                2_049,
            ),
        ];
        for (codec, header, length) in cases {
            let data = frames(header, *length);
            assert_eq!(Codec::of_sound(&data), Some(*codec), "{header:x?}");
            assert_eq!(
                Codec::of_sound(&data[..data.len() - 2 * length]),
                None,
                "{codec:?}: one frame"
            );
            let longer = frames(header, length + 1);
            assert_eq!(Codec::of_sound(&longer), None, "{codec:?}: another length");
        }
    }

    #[test]
    fn pictures_are_recognised_by_their_parameters() {
        let cases: &[(Codec, &[u8])] = &[
            (Codec::Mpeg1Video, &[0, 0, 1, 0xb3, 0x14]),
            (
                Codec::Mpeg2Video,
                &[0, 0, 1, 0xb3, 0x14, 0, 0, 1, 0xb5, 0x14],
            ),
            (Codec::Mpeg4Video, &[0, 0, 1, 0xb0, 0x01]),
            (
                Codec::H264,
                &[0, 0, 0, 1, 0x09, 0xf0, 0, 0, 0, 1, 0x67, 0x42],
            ),
            (
                Codec::H265,
                &[0, 0, 0, 1, 0x46, 0x01, 0, 0, 0, 1, 0x40, 0x01],
            ),
        ];
        for (codec, data) in cases {
            assert_eq!(Codec::of_pictures(data), Some(*codec));
        }
        assert_eq!(Codec::of_pictures(&[0x55; 4_000]), None);
        assert_eq!(Codec::of_pictures(&[0xff; 4_000]), None);
        assert_eq!(Codec::of_pictures(&[0; 4_000]), None);
    }

    #[test]
    fn noise_is_no_codec() {
        let mut state = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(1 << 16)
        .collect();
        for piece in noise.chunks(1 << 13) {
            let found = Codec::of_sound(piece);
            assert!(found.is_none(), "{found:?}");
        }
    }
}
