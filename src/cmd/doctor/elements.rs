//! GStreamer's elements, by purpose.
//!
//! Belongs here: the list of purposes, the elements for each and their Debian
//! package. Any of the elements is enough, as GStreamer picks by rank; the package is
//! that of the first.

use serde::Serialize;

use super::Missing;

const BASE: &str = "gstreamer1.0-plugins-base";
const GOOD: &str = "gstreamer1.0-plugins-good";
const BAD: &str = "gstreamer1.0-plugins-bad";
const UGLY: &str = "gstreamer1.0-plugins-ugly";
const LIBAV: &str = "gstreamer1.0-libav";

/// How much is lost without something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Importance {
    /// Little or nothing works without it.
    Needed,
    /// Some sources do not work without it.
    Useful,
    /// An alternative to something else; not reported as missing.
    Extra,
}

struct Row {
    group: &'static str,
    what: &'static str,
    any_of: &'static [&'static str],
    package: &'static str,
    weight: Importance,
}

const fn row(
    group: &'static str,
    what: &'static str,
    any_of: &'static [&'static str],
    package: &'static str,
    weight: Importance,
) -> Row {
    Row {
        group,
        what,
        any_of,
        package,
        weight,
    }
}

use Importance::{Extra, Needed, Useful};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("core", "finding the right decoders", &["uridecodebin", "decodebin"], BASE, Needed),
    row("core", "sound to 48 kHz mono", &["audioresample"], BASE, Needed),
    row("core", "sound formats and downmix", &["audioconvert"], BASE, Needed),
    row("core", "picture formats", &["videoconvert"], BASE, Needed),
    row("core", "handing over to l3net", &["appsink"], BASE, Needed),
    row("core", "the built-in test source", &["appsrc"], BASE, Useful),

    row("containers", "mp4, mov, m4a, 3gp", &["qtdemux"], GOOD, Needed),
    row("containers", "mkv, webm", &["matroskademux"], GOOD, Useful),
    row("containers", "avi", &["avidemux"], GOOD, Useful),
    row("containers", "ts, mts, m2ts", &["tsdemux"], BAD, Useful),
    row("containers", "mpg, vob", &["mpegpsdemux"], BAD, Useful),
    row("containers", "ogg, ogv", &["oggdemux"], BASE, Useful),
    row("containers", "flv", &["flvdemux"], GOOD, Useful),
    row("containers", "wmv, asf", &["asfdemux"], UGLY, Useful),

    row("picture", "H.264", &["avdec_h264", "openh264dec"], LIBAV, Needed),
    row("picture", "H.265", &["avdec_h265", "libde265dec"], LIBAV, Useful),
    row("picture", "VP8", &["vp8dec", "avdec_vp8"], GOOD, Useful),
    row("picture", "VP9", &["vp9dec", "avdec_vp9"], GOOD, Useful),
    row("picture", "AV1", &["dav1ddec", "av1dec", "avdec_av1"], BAD, Useful),
    row("picture", "MPEG-1, MPEG-2", &["avdec_mpeg2video", "mpeg2dec"], LIBAV, Useful),
    row("picture", "MPEG-4, DivX, H.263", &["avdec_mpeg4"], LIBAV, Useful),
    row("picture", "Theora", &["theoradec", "avdec_theora"], BASE, Useful),
    row("picture", "MJPEG (many cameras)", &["jpegdec", "avdec_mjpeg"], GOOD, Useful),
    row("picture", "H.264 on an NVIDIA GPU", &["nvh264dec", "nvh264sldec"], BAD, Extra),
    row("picture", "H.264 on an Intel or AMD GPU", &["vah264dec", "vaapih264dec"], BAD, Extra),

    row("sound", "AAC", &["avdec_aac", "fdkaacdec", "faad"], LIBAV, Needed),
    row("sound", "MP3, MP2", &["mpg123audiodec", "avdec_mp3"], GOOD, Useful),
    row("sound", "Opus", &["opusdec", "avdec_opus"], BASE, Useful),
    row("sound", "Vorbis", &["vorbisdec"], BASE, Useful),
    row("sound", "FLAC", &["flacdec", "avdec_flac"], GOOD, Useful),
    row("sound", "AC-3, E-AC-3", &["avdec_ac3", "a52dec"], LIBAV, Useful),
    row("sound", "AMR (phones)", &["avdec_amrnb", "amrnbdec"], LIBAV, Useful),

    row("live", "cameras (V4L2)", &["v4l2src"], GOOD, Useful),
    row("live", "microphones (ALSA)", &["alsasrc"], "gstreamer1.0-alsa", Useful),
    row("live", "microphones (PulseAudio)", &["pulsesrc"], "gstreamer1.0-pulseaudio", Useful),
    row("live", "cameras and sound (PipeWire)", &["pipewiresrc"], "gstreamer1.0-pipewire", Extra),
    row("live", "RTSP cameras", &["rtspsrc"], GOOD, Useful),
    row("live", "RTSP's H.264 packets", &["rtph264depay"], GOOD, Useful),
    row("live", "http and https", &["souphttpsrc", "curlhttpsrc"], GOOD, Useful),
    row("live", "HLS streams", &["hlsdemux2", "hlsdemux"], BAD, Useful),
    row("live", "the screen (X11)", &["ximagesrc"], GOOD, Useful),

    row("overlay", "picture into the overlay video", &["x264enc", "openh264enc", "vp8enc"], UGLY, Useful),
    row("overlay", "sound into the overlay video", &["opusenc", "avenc_aac", "vorbisenc"], BASE, Useful),
    row("overlay", "Matroska files", &["matroskamux"], GOOD, Useful),
    row("overlay", "MP4 files", &["mp4mux"], GOOD, Useful),
];

/// GStreamer on this machine.
#[derive(Debug, Serialize)]
pub(super) struct GStreamer {
    /// Whether the program was built with it.
    pub built_in: bool,
    /// The version at run time.
    pub version: Option<String>,
    /// Why it cannot be initialised.
    pub error: Option<String>,
    /// What it is needed for, with the elements found.
    pub purposes: Vec<Purpose>,
}

/// A purpose, and the element found for it.
#[derive(Debug, Serialize)]
pub(super) struct Purpose {
    pub group: &'static str,
    pub what: &'static str,
    pub weight: Importance,
    /// The first of the elements that is installed.
    pub element: Option<&'static str>,
    /// The elements that would do.
    pub any_of: &'static [&'static str],
    /// The package of the first.
    pub package: &'static str,
}

impl GStreamer {
    pub(super) fn missing(&self) -> Vec<Missing> {
        if let Some(error) = &self.error {
            return vec![Missing {
                what: format!("GStreamer, which cannot be initialised: {error}"),
                needed: true,
                package: Some("gstreamer1.0-plugins-base"),
                command: None,
            }];
        }
        self.purposes
            .iter()
            .filter(|p| p.element.is_none() && p.weight != Extra)
            .map(|p| Missing {
                what: format!("{}: {}", p.what, p.any_of[0]),
                needed: p.weight == Needed,
                package: Some(p.package),
                command: None,
            })
            .collect()
    }
}

fn purposes(is_installed: impl Fn(&str) -> bool) -> Vec<Purpose> {
    ROWS.iter()
        .map(|row| Purpose {
            group: row.group,
            what: row.what,
            weight: row.weight,
            element: row.any_of.iter().copied().find(|name| is_installed(name)),
            any_of: row.any_of,
            package: row.package,
        })
        .collect()
}

pub(super) fn check() -> GStreamer {
    let nothing = GStreamer {
        built_in: true,
        version: None,
        error: None,
        purposes: Vec::new(),
    };
    match start() {
        Ok(None) => GStreamer {
            built_in: false,
            ..nothing
        },
        Ok(version) => GStreamer {
            version,
            purposes: purposes(has),
            ..nothing
        },
        Err(error) => GStreamer {
            error: Some(error),
            ..nothing
        },
    }
}

/// The version at run time; `None` where the program was built without GStreamer.
#[cfg(feature = "gst")]
fn start() -> Result<Option<String>, String> {
    gstreamer::init().map_err(|error| error.to_string())?;
    let (major, minor, micro, _) = gstreamer::version();
    Ok(Some(format!("{major}.{minor}.{micro}")))
}

#[cfg(feature = "gst")]
fn has(element: &str) -> bool {
    gstreamer::ElementFactory::find(element).is_some()
}

#[cfg(not(feature = "gst"))]
fn start() -> Result<Option<String>, String> {
    Ok(None)
}

#[cfg(not(feature = "gst"))]
fn has(_: &str) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(is_installed: impl Fn(&str) -> bool) -> GStreamer {
        GStreamer {
            built_in: true,
            version: None,
            error: None,
            purposes: purposes(is_installed),
        }
    }

    #[test]
    fn any_of_the_elements_is_enough() {
        let found = with(|name| name == "openh264dec");
        let h264 = found
            .purposes
            .iter()
            .find(|p| p.what == "H.264")
            .expect("it is on the list");
        assert_eq!(h264.element, Some("openh264dec"));
    }

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        let missing = with(|name| name != "avidemux").missing();
        assert_eq!(
            missing,
            [Missing {
                what: "avi: avidemux".to_owned(),
                needed: false,
                package: Some("gstreamer1.0-plugins-good"),
                command: None,
            }]
        );
    }

    #[test]
    fn alternatives_are_not_reported_as_missing() {
        assert!(
            with(|name| name != "nvh264dec" && name != "nvh264sldec")
                .missing()
                .is_empty()
        );
    }

    #[test]
    fn nothing_works_without_the_core() {
        assert!(with(|name| name != "appsink").missing()[0].needed);
    }
}
