//! What GStreamer's RTSP source gets wrong (1.22).

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use gst::prelude::*;
use gstreamer as gst;

use crate::sync::lock;

/// Adding a pad takes milliseconds. One that takes longer is not waited for: a late pad is
/// better than a source that stands.
const LONGEST: Duration = Duration::from_secs(2);

/// Has `rtspsrc` add one pad at a time. To be called when its manager is added to it.
///
/// Sound and picture appear on threads of their own. `rtspsrc` counts a stream as added
/// before it adds its pad, so one thread may tell that there are no more pads while the
/// other is about to add one. Nobody links that pad any more: half of a camera is missing
/// for as long as it is open, and nothing tells of it, because `rtspsrc` takes one stream
/// of two for enough.
pub(super) fn add_pads_one_by_one(manager: &gst::Element) {
    let is_of_rtspsrc = manager
        .parent()
        .and_then(|parent| parent.downcast::<gst::Element>().ok()?.factory())
        .is_some_and(|factory| factory.name() == "rtspsrc");
    if is_of_rtspsrc {
        one_by_one(manager);
    }
}

fn one_by_one(manager: &gst::Element) {
    let turn = Arc::new(Turn::default());
    let after = Arc::clone(&turn);
    // The source's own handler is connected later, so it runs between these two.
    manager.connect("pad-added", false, move |_| {
        turn.take();
        None
    });
    manager.connect("pad-added", true, move |_| {
        after.give_back();
        None
    });
}

/// What one thread has at a time.
#[derive(Default)]
struct Turn {
    is_taken: Mutex<bool>,
    given_back: Condvar,
}

impl Turn {
    fn take(&self) {
        let is_taken = lock(&self.is_taken);
        let waited = self
            .given_back
            .wait_timeout_while(is_taken, LONGEST, |is_taken| *is_taken);
        let (mut is_taken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *is_taken = true;
    }

    fn give_back(&self) {
        *lock(&self.is_taken) = false;
        self.given_back.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn pads_that_appear_at_once_are_added_one_by_one() {
        gst::init().expect("GStreamer");
        let manager = gst::Bin::new();
        one_by_one(manager.upcast_ref());
        let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        manager.connect_pad_added({
            let most = Arc::clone(&most);
            move |_, _| {
                let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(20));
                inside.fetch_sub(1, Ordering::SeqCst);
            }
        });
        std::thread::scope(|scope| {
            for name in ["sound", "picture", "more"] {
                let pad = gst::Pad::builder(gst::PadDirection::Src).name(name).build();
                let manager = &manager;
                scope.spawn(move || manager.add_pad(&pad).expect("a new name"));
            }
        });
        assert_eq!(manager.src_pads().len(), 3);
        assert_eq!(most.load(Ordering::SeqCst), 1);
    }
}
