//! Headers as encoders write them.

use super::*;

/// `avcC` of x264: it says how far pictures are out of order.
const X264: &[u8] = b"\x01\x64\x00\x1f\xff\xe1\x00\x1c\x67\x64\x00\x1f\xac\xd9\x40\x50\x05\xbb\x01\x6a\x04\x04\x0a\x80\
\x00\x00\x03\x00\x80\x00\x00\x19\x07\x8c\x18\xcb\x01\x00\x06\x68\xeb\xe3\xcb\x22\xc0\xfd\xf8\xf8\x00";

fn x264() -> Format {
    let mut h264 = H264::default();
    let size = h264.configure(X264).expect("a configuration");
    assert_eq!((size, h264.plain), (4, Some(true)));
    Format::H264(Units::Lengths(size), h264)
}

fn packet(units: &[&[u8]]) -> Vec<u8> {
    let unit = |unit: &&[u8]| [&(unit.len() as u32).to_be_bytes(), *unit].concat();
    units.iter().flat_map(unit).collect()
}

#[test]
fn pictures_of_h264_tell_whether_others_refer_to_them() {
    let message: &[u8] = &[0x06, 5, 4];
    let set: &[u8] = &[0x68, 0xeb];
    let cases: [(&[&[u8]], Coded); 8] = [
        (&[&[0x65, 1]], Coded::Start),
        (&[message, &[0x41, 1]], Coded::Reference),
        (&[message, &[0x01, 1]], Coded::Unreferenced),
        (&[set, &[0x01, 1]], Coded::Apart),
        (&[message], Coded::Apart),
        (&[&[0x02, 1]], Coded::Unknown),
        (&[&[0x6e, 1], &[0x01, 1]], Coded::Unknown),
        (&[&[]], Coded::Unknown),
    ];
    for (units, coded) in cases {
        assert_eq!(x264().picture(&packet(units)), coded, "{units:x?}");
    }
    assert_eq!(
        x264().picture(&[0, 0, 0, 9, 1]),
        Coded::Apart,
        "it ends early"
    );
    let sets = [&[0, 0, 0, 1], &X264[8..36], &[0, 0, 1], &X264[39..45]].concat();
    let mut by_codes = Format::H264(Units::StartCodes, H264::default());
    let slice = [0, 0, 1, 0x01, 9];
    assert_eq!(by_codes.picture(&slice), Coded::Unknown, "no set yet");
    let key = [&sets[..], &[0, 0, 1, 0x65, 9]].concat();
    assert_eq!(by_codes.picture(&key), Coded::Start);
    assert_eq!(by_codes.picture(&slice), Coded::Unreferenced);
}

#[test]
fn an_order_that_has_to_be_guessed_is_not_plain() {
    assert_eq!(is_plain_sequence(&X264[9..36]), Some(true));
    // Of an encoder that writes no usability information.
    assert_eq!(
        is_plain_sequence(&[0x42, 0xc0, 0x15, 0xda, 0x05, 0x07, 0xe4]),
        Some(false)
    );
    assert_eq!(is_plain_sequence(&X264[9..20]), None, "it ends early");
}

#[test]
fn pictures_of_h265_tell_in_which_layer_nothing_refers_to_them() {
    let mut h265 = H265::default();
    assert!(h265.note_set(&[0x42, 0x01, 0x01, 0x60]));
    assert!(h265.note_set(&[0x44, 0x01, 0xc1, 0x72]));
    assert_eq!((h265.plain, h265.highest), (Some(true), 0));
    let mut format = Format::H265(Units::Lengths(4), h265);
    let cases: [(&[u8], Coded); 7] = [
        (&[0x26, 0x01, 9], Coded::Start),
        (&[0x02, 0x01, 9], Coded::Reference),
        (&[0x00, 0x01, 9], Coded::Unreferenced),
        (&[0x00, 0x02, 9], Coded::Reference),
        (&[0x10, 0x01, 9], Coded::Apart),
        (&[0x2a, 0x01, 9], Coded::Key),
        (&[0x16, 0x01, 9], Coded::Unknown),
    ];
    for (unit, coded) in cases {
        assert_eq!(format.picture(&packet(&[unit])), coded, "{unit:x?}");
    }
}

#[test]
fn pictures_of_mpeg_are_what_their_headers_say() {
    let picture = |kind: u8| [0, 0, 1, 0, 0x01, kind << 3, 0xff, 0xf8];
    let frame = [0, 0, 1, 0xb5, 0x8f, 0xff, 0xf3, 0x41, 0x80];
    let field = [0, 0, 1, 0xb5, 0x8f, 0xff, 0xf1, 0x41, 0x80];
    let slice = [0, 0, 1, 0x01, 0x12];
    let group = [0, 0, 1, 0xb8, 0, 8, 0, 0x40];
    let of = |parts: &[&[u8]]| mpeg(&parts.concat());
    for (kind, coded) in [
        (1, Coded::Key),
        (2, Coded::Reference),
        (3, Coded::Unreferenced),
        (4, Coded::Unknown),
    ] {
        assert_eq!(of(&[&picture(kind), &slice]), coded);
        assert_eq!(of(&[&picture(kind), &frame, &slice]), coded);
        assert_eq!(of(&[&picture(kind), &field, &slice]), Coded::Unknown);
    }
    assert_eq!(of(&[&group, &picture(3), &slice]), Coded::Apart);
    assert_eq!(of(&[&group, &picture(1), &slice]), Coded::Start, "closed");
    let open = [0, 0, 1, 0xb8, 0, 8, 0, 0];
    assert_eq!(of(&[&open, &picture(1), &slice]), Coded::Key);
    assert_eq!(of(&[&picture(3)]), Coded::Unknown, "no slice");
}

#[test]
fn frames_of_vp8_and_vp9_are_what_their_first_bits_say() {
    for (tag, coded) in [
        (0x10, Coded::Start),
        (0x11, Coded::Reference),
        (0x01, Coded::Apart),
        (0x00, Coded::Unknown),
    ] {
        assert_eq!(vp8(&[tag, 2, 0, 0x9d]), coded, "{tag:x}");
    }
    // Marker 10, profile 00, shown before 0, kind, shown.
    for (first, last, coded) in [
        (0b1000_0010, 0, Coded::Start),
        (0b1000_0110, 0, Coded::Reference),
        (0b1000_0100, 0, Coded::Apart),
        (0b1000_0100, 0xc1, Coded::Reference),
        (0b1000_0000, 0xc1, Coded::Start),
        (0b1000_0000, 0, Coded::Unknown),
        (0b1000_1000, 0, Coded::Reference),
        (0b0100_0010, 0, Coded::Unknown),
        (0b1011_1010, 0, Coded::Unknown),
    ] {
        assert_eq!(vp9(&[first, 0x49, 0x83, last]), coded, "{first:b} {last:x}");
    }
    assert_eq!(
        [vp8(&[]), vp9(&[]), vp9(&[0x82])],
        [Coded::Unknown, Coded::Unknown, Coded::Start]
    );
}
