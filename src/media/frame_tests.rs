//! Frames for tests, and how pictures are turned upright.

use super::*;

impl Frame {
    /// A frame that holds a picture, as if it had been decoded.
    pub(crate) fn of_picture(at: MediaTime, picture: &Picture) -> Self {
        gst::init().expect("GStreamer starts");
        let (width, height) = (picture.width, picture.height);
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgb, width, height)
            .fps(gst::Fraction::new(30, 1))
            .build()
            .expect("a format");
        // GStreamer's rows are of whole words.
        let stride = usize::try_from(info.stride()[0]).expect("positive");
        let row = width as usize * 3;
        let mut bytes = vec![0; info.size()];
        for (to, from) in bytes.chunks_mut(stride).zip(picture.rgb.chunks(row)) {
            to[..row].copy_from_slice(from);
        }
        let buffer = gst::Buffer::from_mut_slice(bytes);
        let caps = info.to_caps().expect("caps");
        let sample = gst::Sample::builder().buffer(&buffer).caps(&caps);
        Self::decoded(at, sample.build(), Arc::default())
    }

    /// A frame with less data than its format has, as of a damaged stream.
    pub(crate) fn torn(at: MediaTime) -> Self {
        gst::init().expect("GStreamer starts");
        let caps = gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgb, 32, 32)
            .fps(gst::Fraction::new(30, 1))
            .build()
            .and_then(|info| info.to_caps())
            .expect("caps");
        let buffer = gst::Buffer::from_mut_slice(vec![0; 10]);
        let sample = gst::Sample::builder().buffer(&buffer).caps(&caps);
        Self::decoded(at, sample.build(), Arc::default())
    }
}

/// A 3 × 2 picture with the numbers 1 to 6 as its reds.
fn numbered() -> Picture {
    Picture {
        width: 3,
        height: 2,
        rgb: (1..=6).flat_map(|v| [v, 0, 0]).collect(),
    }
}

fn reds(tag: &str) -> (u32, Vec<u8>) {
    let orientation = Orientation::from_tag(tag).expect("a known tag");
    let orientation = Orientation::unpack(orientation.pack());
    let p = upright(numbered(), orientation);
    (p.width, p.rgb.iter().step_by(3).copied().collect())
}

#[test]
fn pictures_are_turned_clockwise_and_mirrored() {
    assert_eq!(reds("rotate-0"), (3, vec![1, 2, 3, 4, 5, 6]));
    assert_eq!(reds("rotate-90"), (2, vec![4, 1, 5, 2, 6, 3]));
    assert_eq!(reds("rotate-180"), (3, vec![6, 5, 4, 3, 2, 1]));
    assert_eq!(reds("rotate-270"), (2, vec![3, 6, 2, 5, 1, 4]));
    assert_eq!(reds("flip-rotate-0"), (3, vec![3, 2, 1, 6, 5, 4]));
    assert_eq!(reds("flip-rotate-90"), (2, vec![6, 3, 5, 2, 4, 1]));
}

#[test]
fn one_field_of_an_interlaced_picture_is_kept() {
    let mut p = Picture {
        width: 1,
        height: 4,
        rgb: [10, 99, 30, 99].iter().flat_map(|&v| [v; 3]).collect(),
    };
    bob(&mut p);
    assert_eq!(
        p.rgb.iter().step_by(3).copied().collect::<Vec<_>>(),
        [10, 20, 30, 30]
    );
}
