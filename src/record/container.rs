//! Which file a format fits into.
//!
//! Belongs here: containers, and the element before the muxer that brings packets into
//! the form it takes. Does not: the pipeline ([`super::mux`]).

use gstreamer as gst;

use crate::media::packets::Kind;

/// A container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    /// Plays in browsers.
    Mp4,
    /// Takes nearly everything.
    Matroska,
}

impl Container {
    /// The extension of its files.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4",
            Self::Matroska => "mkv",
        }
    }

    pub fn muxer(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4mux",
            Self::Matroska => "matroskamux",
        }
    }

    /// The name of the muxer's pad for a kind.
    pub fn pad(kind: Kind) -> &'static str {
        match kind {
            Kind::Sound => "audio_%u",
            Kind::Picture => "video_%u",
        }
    }

    /// Whether its muxer takes packets as they are.
    fn takes(self, kind: Kind, caps: &gst::Caps) -> bool {
        let factory = gst::ElementFactory::find(self.muxer());
        factory.is_some_and(|factory| {
            let mut pads = factory.static_pad_templates().into_iter();
            pads.any(|pad| pad.name_template() == Self::pad(kind) && pad.caps().can_intersect(caps))
        })
    }
}

/// How packets of a format get into a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// Brings them into the form that muxers take; `None` if they are in it.
    pub parser: Option<&'static str>,
    /// Whether browsers play them in MP4.
    fits_mp4: bool,
}

/// The way of a format; `None` if no container takes it.
pub(super) fn way(kind: Kind, caps: &gst::Caps) -> Option<Way> {
    let format = caps.structure(0)?;
    let number = |field| format.get::<i32>(field).ok();
    let parsed = |parser, fits_mp4| {
        Some(Way {
            parser: Some(parser),
            fits_mp4,
        })
    };
    match (format.name().as_str(), number("mpegversion")) {
        ("video/x-h264", _) => parsed("h264parse", true),
        ("video/x-h265", _) => parsed("h265parse", true),
        ("video/x-av1", _) => parsed("av1parse", true),
        ("video/x-vp9", _) => parsed("vp9parse", true),
        ("video/mpeg", Some(4)) => parsed("mpeg4videoparse", true),
        ("video/mpeg", _) => parsed("mpegvideoparse", false),
        // LATM: the configuration is between the packets, where no muxer looks for it.
        ("audio/mpeg", Some(2 | 4)) if format.get::<&str>("stream-format") == Ok("loas") => None,
        ("audio/mpeg", Some(4)) => parsed("aacparse", true),
        ("audio/mpeg", Some(2)) => parsed("aacparse", false),
        ("audio/mpeg", _) => parsed("mpegaudioparse", number("layer") == Some(3)),
        ("audio/x-ac3", _) => parsed("ac3parse", true),
        ("audio/x-eac3", _) => parsed("ac3parse", false),
        ("audio/x-opus", _) => parsed("opusparse", true),
        ("audio/x-flac", _) => parsed("flacparse", false),
        _ => {
            let takes = |container: Container| container.takes(kind, caps);
            let way = |fits_mp4| Way {
                parser: None,
                fits_mp4,
            };
            match (takes(Container::Matroska), takes(Container::Mp4)) {
                (true, _) => Some(way(false)),
                (false, true) => Some(way(true)),
                (false, false) => None,
            }
        }
    }
}

/// The container that takes all of these: MP4 if possible.
pub(super) fn container(mut ways: impl Iterator<Item = Way>) -> Container {
    match ways.all(|way| way.fits_mp4) {
        true => Container::Mp4,
        false => Container::Matroska,
    }
}

/// The Debian package of an element.
pub(super) fn package(element: &str) -> &'static str {
    match element {
        "appsrc" => "gstreamer1.0-plugins-base",
        "filesink" => "libgstreamer1.0-0",
        "mp4mux" | "matroskamux" | "aacparse" | "mpegaudioparse" | "ac3parse" | "flacparse" => {
            "gstreamer1.0-plugins-good"
        }
        _ => "gstreamer1.0-plugins-bad",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(picture: &str, sound: &str) -> Option<Container> {
        gst::init().expect("GStreamer starts");
        let caps = |text: &str| text.parse::<gst::Caps>().expect("caps");
        let ways = [
            way(Kind::Picture, &caps(picture))?,
            way(Kind::Sound, &caps(sound))?,
        ];
        Some(container(ways.into_iter()))
    }

    #[test]
    fn browsers_get_mp4_and_everything_else_matroska() {
        use Container::{Matroska, Mp4};
        const H264: &str = "video/x-h264,width=64,height=64";
        const AAC: &str = "audio/mpeg,mpegversion=4,stream-format=adts,rate=8000,channels=1";
        const MULAW: &str = "audio/x-mulaw,rate=8000,channels=1";
        const RAW: &str = "audio/x-raw,format=S16LE,layout=interleaved,rate=8000,channels=1";
        for (picture, sound, container) in [
            (H264, AAC, Some(Mp4)),
            ("video/x-h265", AAC, Some(Mp4)),
            (H264, "audio/mpeg,mpegversion=1,layer=3", Some(Mp4)),
            (H264, "audio/mpeg,mpegversion=1,layer=2", Some(Matroska)),
            (H264, "audio/x-opus", Some(Mp4)),
            (H264, MULAW, Some(Matroska)),
            (H264, RAW, Some(Matroska)),
            (
                "video/x-vp8,width=64,height=64",
                "audio/x-opus",
                Some(Matroska),
            ),
            ("image/jpeg,width=64,height=64", MULAW, Some(Matroska)),
            (H264, "audio/mpeg,mpegversion=4,stream-format=loas", None),
            ("video/x-unheard-of", AAC, None),
        ] {
            assert_eq!(of(picture, sound), container, "{picture} {sound}");
        }
    }
}
