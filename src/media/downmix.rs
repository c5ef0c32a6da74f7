//! Channels without positions, mixed to one.
//!
//! Belongs here: what `audioconvert` (1.22) refuses to mix by itself. Does not: mixing
//! tracks (`tracks`).

use gst::prelude::*;
use gstreamer as gst;

/// The name of the `audioconvert` in front of the resampler.
pub(super) const DOWNMIX: &str = "l3net-downmix";

/// Has `convert` mix what comes from `pad` to its mean if it has more than two channels and
/// none of them a position, as uncompressed sound in MOV. It would not agree to a format
/// otherwise: it knows no weights for such channels.
pub(super) fn mix_without_positions(convert: &gst::Element, pad: &gst::Pad) {
    let caps = pad.current_caps();
    let Some(format) = caps.as_ref().and_then(|caps| caps.structure(0)) else {
        return;
    };
    let channels = format.get::<i32>("channels").unwrap_or(1);
    let mask = format.get::<gst::Bitmask>("channel-mask");
    if channels > 2 && mask.is_ok_and(|mask| mask.0 == 0) {
        let row = gst::Array::new((0..channels).map(|_| 1.0 / channels as f32));
        convert.set_property("mix-matrix", gst::Array::new([row]));
    }
}
