//! Events in sentences for people.

use std::time::Duration;

use crate::event::{Kind, StreamEvent};
use crate::time::UtcMs;

/// The event in a sentence.
pub(super) fn what(event: &StreamEvent, now: UtcMs) -> String {
    let time = spoken(event.end_ms.unwrap_or(now).since(event.begin_ms));
    match event.kind {
        Kind::Mismatch => format!("sound and picture have not belonged together for {time}"),
        Kind::Mute => format!("no sound for {time}"),
        Kind::Frozen => format!("the picture has not moved for {time}"),
        Kind::Black => format!("the picture has been black for {time}"),
        Kind::Lost => format!("nothing has arrived for {time}"),
        Kind::Loud => format!("much louder than usual for {time}"),
        Kind::OutOfSync => format!("sound and picture have been out of sync for {time}"),
    }
}

/// A time for people.
fn spoken(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
