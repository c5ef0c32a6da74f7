//! Containers and their encoders, best first, each with its Debian package.
//!
//! A Matroska file plays even if it was not closed. MP4 is written in fragments for the same
//! reason, and becomes a plain MP4 when it is closed.

use std::path::Path;

use gstreamer as gst;

/// The container format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    Matroska,
    Mp4,
}

impl Container {
    /// From the file extension.
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "mkv" => Some(Self::Matroska),
            "mp4" | "m4v" => Some(Self::Mp4),
            _ => None,
        }
    }
}

/// An encoder: its element, its Debian package, its gst-launch chain.
pub struct Encoder {
    pub element: &'static str,
    package: &'static str,
    pub chain: &'static str,
    /// It needs a constant frame rate.
    pub steady: bool,
}

// About x264's quality 23: good enough to watch, small enough to keep. No B-frames, so that
// pictures are written in order. Short look-ahead, because it holds raw frames in memory.
const H264: [Encoder; 2] = [
    Encoder {
        element: "x264enc",
        package: "gstreamer1.0-plugins-ugly",
        chain: "x264enc pass=qual quantizer=23 speed-preset=superfast bframes=0 \
                key-int-max=60 rc-lookahead=10 ! video/x-h264,profile=high",
        steady: false,
    },
    Encoder {
        element: "openh264enc",
        package: "gstreamer1.0-plugins-bad",
        chain: "openh264enc rate-control=bitrate bitrate=3000000 gop-size=60 ! h264parse",
        steady: true,
    },
];
const VP8: Encoder = Encoder {
    element: "vp8enc",
    package: "gstreamer1.0-plugins-good",
    chain: "vp8enc deadline=1 cpu-used=8 target-bitrate=3000000 keyframe-max-dist=60",
    steady: false,
};
const MPEG4: Encoder = Encoder {
    element: "avenc_mpeg4",
    package: "gstreamer1.0-libav",
    chain: "avenc_mpeg4 bitrate=4000000 ! mpeg4videoparse",
    steady: true,
};
const OPUS: Encoder = Encoder {
    element: "opusenc",
    package: "gstreamer1.0-plugins-base",
    chain: "opusenc bitrate=96000",
    steady: false,
};
const VORBIS: Encoder = Encoder {
    element: "vorbisenc",
    package: "gstreamer1.0-plugins-base",
    chain: "vorbisenc",
    steady: false,
};
const AAC: [Encoder; 3] = [
    Encoder {
        element: "fdkaacenc",
        package: "gstreamer1.0-fdkaac",
        chain: "fdkaacenc bitrate=128000",
        steady: false,
    },
    Encoder {
        element: "avenc_aac",
        package: "gstreamer1.0-libav",
        chain: "avenc_aac bitrate=128000",
        steady: false,
    },
    Encoder {
        element: "voaacenc",
        package: "gstreamer1.0-plugins-bad",
        chain: "voaacenc bitrate=128000",
        steady: false,
    },
];

impl Container {
    pub fn video(self) -> Vec<&'static Encoder> {
        match self {
            Self::Matroska => vec![&H264[0], &H264[1], &VP8, &MPEG4],
            // GStreamer's MP4 muxer does not take MPEG-4 part 2 in fragments.
            Self::Mp4 => vec![&H264[0], &H264[1]],
        }
    }

    pub fn audio(self) -> Vec<&'static Encoder> {
        match self {
            Self::Matroska => vec![&OPUS, &VORBIS, &AAC[0], &AAC[1], &AAC[2]],
            Self::Mp4 => vec![&AAC[0], &AAC[1], &AAC[2]],
        }
    }

    pub fn muxer(self) -> &'static str {
        match self {
            Self::Matroska => "matroskamux name=mux writing-app=l3net",
            Self::Mp4 => {
                "mp4mux name=mux fragment-duration=1000 fragment-mode=first-moov-then-finalise"
            }
        }
    }

    /// The other elements, and the package of each.
    fn needs(self) -> [(&'static str, &'static str); 6] {
        let good = "gstreamer1.0-plugins-good";
        let base = "gstreamer1.0-plugins-base";
        [
            match self {
                Self::Matroska => ("matroskamux", good),
                Self::Mp4 => ("mp4mux", good),
            },
            ("appsrc", base),
            ("videoconvert", base),
            ("audioconvert", base),
            ("queue", "libgstreamer1.0-0"),
            ("filesink", "libgstreamer1.0-0"),
        ]
    }

    /// Checks that everything is installed; the error names the missing package.
    pub fn check(self) -> Result<(), String> {
        gst::init().map_err(|e| format!("GStreamer does not start: {e}"))?;
        for (element, package) in self.needs() {
            if !exists(element) {
                return Err(missing(&[element], package));
            }
        }
        choose(&self.video())?;
        choose(&self.audio())?;
        Ok(())
    }
}

pub fn exists(element: &str) -> bool {
    gst::ElementFactory::find(element).is_some()
}

/// The first encoder that is installed.
pub fn choose<'a>(encoders: &[&'a Encoder]) -> Result<&'a Encoder, String> {
    let there = encoders.iter().find(|e| exists(e.element));
    there.copied().ok_or_else(|| {
        let names: Vec<&str> = encoders.iter().map(|e| e.element).collect();
        missing(&names, encoders[0].package)
    })
}

fn missing(elements: &[&str], package: &str) -> String {
    format!(
        "GStreamer lacks {}; install the package {package}",
        elements.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_encoder_is_named_with_its_package() {
        gst::init().unwrap();
        let none = Encoder {
            element: "nosuchenc",
            package: "gstreamer1.0-nosuch",
            ..VP8
        };
        let said = choose(&[&none]).err().unwrap();
        assert_eq!(
            said,
            "GStreamer lacks nosuchenc; install the package gstreamer1.0-nosuch"
        );
        assert_eq!(choose(&[&none, &OPUS]).unwrap().element, "opusenc");
    }
}
