//! Parameter sets of H.264 and H.265 in byte streams.
//!
//! With start codes (RTP, MPEG-TS) the parameter sets are between the pictures, and some
//! cameras send them once. A clip that begins later needs them before its first picture.

use gstreamer as gst;

/// The parameter sets before the first slice of a picture; `None` if there are none, or if
/// the format has another place for them. Copies no data.
pub(super) fn find(caps: &gst::CapsRef, buffer: &gst::Buffer) -> Option<gst::Buffer> {
    let format = caps.structure(0)?;
    if format.get::<&str>("stream-format") != Ok("byte-stream") {
        return None;
    }
    let codec = match format.name().as_str() {
        "video/x-h264" => Codec::H264,
        "video/x-h265" => Codec::H265,
        _ => return None,
    };
    let end = {
        let map = buffer.map_readable().ok()?;
        parameter_sets(codec, map.as_slice())?
    };
    let whole = gst::BufferCopyFlags::MEMORY;
    buffer.copy_region(whole, 0..end).ok()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    H264,
    H265,
}

impl Codec {
    /// Whether a unit is a sequence or picture parameter set; `None` for a slice.
    fn is_parameter_set(self, first: u8) -> Option<bool> {
        let is_set = match self {
            Self::H264 => match first & 0x1f {
                1..=5 => return None,
                unit => matches!(unit, 7 | 8),
            },
            Self::H265 => match (first >> 1) & 0x3f {
                0..=31 => return None,
                unit => matches!(unit, 32..=34),
            },
        };
        Some(is_set)
    }
}

/// Where the first slice begins, if there are parameter sets before it.
fn parameter_sets(codec: Codec, bytes: &[u8]) -> Option<usize> {
    let mut found = false;
    let mut at = 0;
    while let Some(code) = next_start_code(bytes, at) {
        let first = *bytes.get(code + 3)?;
        match codec.is_parameter_set(first) {
            Some(is_set) => found |= is_set,
            None => {
                // The zero before a start code is a part of it.
                let end = match code.checked_sub(1) {
                    Some(before) if bytes[before] == 0 => before,
                    _ => code,
                };
                return found.then_some(end);
            }
        }
        at = code + 3;
    }
    found.then_some(bytes.len())
}

/// The next `00 00 01`.
fn next_start_code(bytes: &[u8], from: usize) -> Option<usize> {
    let found = bytes.get(from..)?.windows(3).position(|b| b == [0, 0, 1])?;
    Some(from + found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_sets_end_where_the_first_slice_begins() {
        let (sps, pps, slice) = (
            [0, 0, 0, 1, 0x67, 9, 9],
            [0, 0, 1, 0x68, 9],
            [0, 0, 0, 1, 0x65],
        );
        let aud = [0, 0, 0, 1, 0x09, 0x10];
        let find = |parts: &[&[u8]]| parameter_sets(Codec::H264, &parts.concat());
        assert_eq!(find(&[&aud, &sps, &pps, &slice, &[7; 100]]), Some(18));
        assert_eq!(find(&[&sps, &slice]), Some(7));
        assert_eq!(find(&[&sps, &pps]), Some(12));
        assert_eq!(
            find(&[&aud, &slice, &sps]),
            None,
            "what follows is of another picture"
        );
        assert_eq!(find(&[&[0, 0, 1]]), None);
        assert_eq!(find(&[]), None);
        // H.265: video, sequence and picture parameter sets, then an IDR slice.
        let units = [0x40, 0x42, 0x44, 0x26].map(|first| [0, 0, 1, first, 1, 9]);
        assert_eq!(parameter_sets(Codec::H265, &units.concat()), Some(18));
    }
}
