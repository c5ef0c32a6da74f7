//! Videos while they are being made: nobody waits for what does not come.

use super::*;

/// Waits for another thread, however slow the machine is.
fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_file_that_was_never_ended_plays_as_far_as_it_came() {
    let dir = TempDir::new().unwrap();
    for name in ["out.mkv", "out.mp4"] {
        let path = dir.path().join(name);
        let overlay = Overlay::create(&path, options()).unwrap();
        for s in 0..10 {
            second(&overlay.sender(), s, 25, 320, 180);
            overlay.sender().verdict(&verdict(s, 0.9));
        }
        // The encoder has the rest some 100 ms later.
        let copy = dir.path().join(format!("killed.{name}"));
        until(|| {
            std::fs::copy(&path, &copy).unwrap();
            pictures(&copy).len() > 125
        });
        overlay.finish().unwrap();
    }
}

/// A live video, and where it lies.
fn live() -> (TempDir, PathBuf, Overlay) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("out.mkv");
    let live = Options {
        live: true,
        ..options()
    };
    let overlay = Overlay::create(&path, live).unwrap();
    (dir, path, overlay)
}

#[test]
fn live_nobody_waits_for_judgements_that_do_not_come() {
    let (_dir, _, overlay) = live();
    let sender = overlay.sender();
    // 13 s of pictures: far more than may be held while they wait for a verdict.
    for i in 0..400 {
        insist(|| {
            let frame = Box::new(Picture::filled(320, 180, [90; 3]));
            sender.frame(MediaTime(i * 33 * MS), frame)
        });
    }
    let report = overlay.finish().unwrap();
    assert_eq!(report.frames, 400);
    assert!(report.late > 0 && report.late < report.frames, "{report:?}");
}

/// Sends what a live video may have no room for just now.
fn insist(send: impl Fn() -> Delivery) {
    while send() == Delivery::Dropped {
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_live_picture_that_stalls_holds_up_no_sound() {
    let (_dir, path, overlay) = live();
    let sender = overlay.sender();
    let at = |ms: u64| MediaTime(ms * MS);
    let frame = |ms: u64| {
        insist(|| sender.frame(at(ms), Box::new(Picture::filled(320, 180, [90; 3]))));
    };
    frame(0);
    sender.verdict(&verdict(0, 0.9));
    for s in 0..120 {
        if s > 0 {
            sender.gap(at(s * 1000), at(s * 1000 + 1000), GapReason::NoVideo);
        }
        insist(|| sender.sound(at(s * 1000), vec![0.1; 48_000], 1));
    }
    let copy = path.with_file_name("so_far.mkv");
    until(|| {
        std::fs::copy(&path, &copy).unwrap();
        // Four bytes a sample. What is written so far may be nothing yet.
        let blocks = play(&copy, SOUND, 1);
        blocks.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() / 4 > 40 * 48_000
    });
    // It comes back in its place.
    (0..10).for_each(|i| frame(120_000 + i * 100));
    overlay.finish().unwrap();
    let shown = pictures(&path);
    assert!(shown.windows(2).all(|two| two[0].0 < two[1].0));
    assert_eq!(shown.iter().filter(|(at, _)| *at >= 120_000).count(), 10);
}
