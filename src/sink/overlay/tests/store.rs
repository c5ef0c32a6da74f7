//! What happens to waiting frames at the memory limit.

use super::*;

/// Room for a second and a half of 320 × 180 at 25 frames a second.
fn narrow(timeout_ms: u64) -> Limits {
    Limits {
        store_bytes: 38 * 320 * 180 * 3,
        timeout: Duration::from_millis(timeout_ms),
        ..LIMITS
    }
}

#[test]
fn a_full_store_makes_the_sender_wait_and_loses_nothing() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("out.mkv");
    let overlay = Overlay::create_within(&path, options(), narrow(20_000)).unwrap();
    let sender = overlay.sender();
    let frames = std::thread::spawn({
        let sender = sender.clone();
        move || (0..8).for_each(|s| second(&sender, s, 25, 320, 180))
    });
    std::thread::sleep(Duration::from_millis(300));
    assert!(!frames.is_finished(), "the store has no limit");
    for s in 0..8 {
        sender.verdict(&verdict(s, 0.9));
        std::thread::sleep(Duration::from_millis(20));
    }
    frames.join().unwrap();
    let report = overlay.finish().unwrap();
    assert_eq!((report.frames, report.late, report.dropped), (200, 0, 0));
    assert_eq!(pictures(&path).len(), 200);
}

#[test]
fn a_full_store_to_which_nothing_is_said_is_drawn_after_a_while() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("out.mkv");
    let overlay = Overlay::create_within(&path, options(), narrow(50)).unwrap();
    (0..8).for_each(|s| second(&overlay.sender(), s, 25, 320, 180));
    let report = overlay.finish().unwrap();
    assert_eq!((report.frames, report.dropped), (200, 0));
    assert!(report.late > 100, "{report:?}");
}

/// The sound ends but the picture continues, so no verdict arrives.
#[test]
fn timeout_runs_out_once() {
    let dir = TempDir::new().unwrap();
    let overlay = Overlay::create_within(&dir.path().join("out.mkv"), options(), narrow(5_000));
    let overlay = overlay.unwrap();
    let sender = overlay.sender();
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        (0..30).for_each(|s| second(&sender, s, 25, 320, 180));
        done.send(()).unwrap();
    });
    // The store is full some forty times.
    let waited = is_done.recv_timeout(Duration::from_secs(90));
    waited.expect("it waits each time");
    assert_eq!(overlay.finish().unwrap().frames, 750);
}
