//! Cameras and microphones, and the SOURCE of each.
//!
//! Belongs here: querying GStreamer's device monitor. `camera:N` is `/dev/videoN`;
//! other devices are elements of a description.

use serde::Serialize;

/// A camera or a microphone.
#[derive(Debug, Serialize)]
pub(super) struct Device {
    /// Its name in the system.
    pub name: String,
    /// The SOURCE for `l3net live`, or the element in a description.
    pub source: String,
}

/// Cameras, then microphones.
#[cfg(not(feature = "gst"))]
pub(super) fn list() -> (Vec<Device>, Vec<Device>) {
    (Vec::new(), Vec::new())
}

/// Cameras, then microphones.
#[cfg(feature = "gst")]
pub(super) fn list() -> (Vec<Device>, Vec<Device>) {
    use gstreamer::prelude::*;

    if gstreamer::init().is_err() {
        return (Vec::new(), Vec::new());
    }
    let of = |class: &str| {
        let monitor = gstreamer::DeviceMonitor::new();
        monitor.add_filter(Some(class), None);
        // Without a provider for this class there are no devices either.
        if monitor.start().is_err() {
            return Vec::new();
        }
        let devices: Vec<_> = monitor.devices().into_iter().collect();
        monitor.stop();
        devices
    };
    let cameras = of("Video/Source")
        .iter()
        .map(|device| Device {
            name: device.display_name().into(),
            source: v4l2_path(device)
                .as_deref()
                .and_then(camera_source)
                .unwrap_or_else(|| description(device, "autovideosrc")),
        })
        .collect();
    let microphones = of("Audio/Source")
        .iter()
        // Monitors record what the loudspeakers play.
        .filter(|device| !is_monitor(device))
        .map(|device| Device {
            name: device.display_name().into(),
            source: description(device, "autoaudiosrc"),
        })
        .collect();
    (cameras, microphones)
}

#[cfg(feature = "gst")]
fn is_monitor(device: &gstreamer::Device) -> bool {
    use gstreamer::prelude::*;

    device
        .properties()
        .and_then(|p| p.get::<String>("device.class").ok())
        .is_some_and(|class| class == "monitor")
}

#[cfg(feature = "gst")]
fn v4l2_path(device: &gstreamer::Device) -> Option<String> {
    use gstreamer::prelude::*;

    let properties = device.properties()?;
    // The names of V4L2's own provider and of PipeWire's.
    ["device.path", "api.v4l2.path"]
        .iter()
        .find_map(|&name| properties.get::<String>(name).ok())
}

/// `/dev/videoN` is `camera:N`.
#[cfg(any(feature = "gst", test))]
fn camera_source(path: &str) -> Option<String> {
    let n: u32 = path.strip_prefix("/dev/video")?.parse().ok()?;
    Some(format!("camera:{n}"))
}

/// The device as an element of a gst-launch description.
#[cfg(feature = "gst")]
fn description(device: &gstreamer::Device, fallback: &str) -> String {
    use gstreamer::prelude::*;

    let Ok(element) = device.create_element(None) else {
        return fallback.to_owned();
    };
    let factory = element
        .factory()
        .map_or_else(|| fallback.to_owned(), |f| f.name().to_string());
    // `device` in ALSA and PulseAudio, `target-object` in PipeWire.
    for property in ["device", "target-object"] {
        if element.find_property(property).is_none() {
            continue;
        }
        if let Ok(Some(name)) = element.property_value(property).get::<Option<String>>() {
            return format!("{factory} {property}={name}");
        }
    }
    factory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_has_the_number_of_its_device() {
        assert_eq!(camera_source("/dev/video2").as_deref(), Some("camera:2"));
        assert_eq!(camera_source("/dev/v4l/by-id/x"), None);
    }
}
