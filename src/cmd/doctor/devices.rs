//! Cameras and microphones, and what to type for each.
//!
//! Belongs here: asking GStreamer's device monitor. `camera:N` is `/dev/videoN`;
//! other devices are named as elements of a description.

use serde::Serialize;

/// A camera or a microphone.
#[derive(Debug, Serialize)]
pub(super) struct Device {
    /// As the system calls it.
    pub name: String,
    /// What to give to `l3net live`, or to use in a description.
    pub source: String,
}

/// Cameras, then microphones.
#[cfg(not(feature = "gst"))]
pub(super) fn look() -> (Vec<Device>, Vec<Device>) {
    (Vec::new(), Vec::new())
}

/// Cameras, then microphones.
#[cfg(feature = "gst")]
pub(super) fn look() -> (Vec<Device>, Vec<Device>) {
    use gstreamer::prelude::*;

    if gstreamer::init().is_err() {
        return (Vec::new(), Vec::new());
    }
    let of = |class: &str| {
        let monitor = gstreamer::DeviceMonitor::new();
        monitor.add_filter(Some(class), None);
        // No provider for this class: then there are no devices either.
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
        // What the loudspeakers play is no microphone.
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
    // As V4L2's own provider and PipeWire's spell it.
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
fn description(device: &gstreamer::Device, otherwise: &str) -> String {
    use gstreamer::prelude::*;

    let Ok(element) = device.create_element(None) else {
        return otherwise.to_owned();
    };
    let factory = element
        .factory()
        .map_or_else(|| otherwise.to_owned(), |f| f.name().to_string());
    // ALSA and PulseAudio say `device`, PipeWire says `target-object`.
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
    fn a_camera_is_called_by_the_number_of_its_device() {
        assert_eq!(camera_source("/dev/video2").as_deref(), Some("camera:2"));
        assert_eq!(camera_source("/dev/v4l/by-id/x"), None);
    }
}
