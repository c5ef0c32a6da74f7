//! Which frame a window gets, and which frames are kept.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of a test are small"
)]

use super::*;
use proptest::prelude::*;

impl Timed for u64 {
    fn at(&self) -> MediaTime {
        MediaTime(*self)
    }
    fn duration_ns(&self) -> Option<u64> {
        None
    }
    fn bytes(&self) -> usize {
        4 << 20 // 32 frames fill the memory
    }
}

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

fn buffer<F: Timed>() -> FrameBuffer<F> {
    FrameBuffer::new(MediaTime(SECOND))
}

fn nearest(frames: &FrameBuffer<u64>, start: u64, patient: bool) -> NearestFrame<'_, u64> {
    frames.nearest(
        MediaTime(start),
        MediaTime(start + SECOND / 2),
        MediaTime(start + SECOND),
        patient,
        true,
    )
}

fn the_nearest_is_found(steps: &[u64], hop_ms: u64, ahead: usize) -> Result<(), TestCaseError> {
    let mut at = 0;
    let all: Vec<u64> = steps
        .iter()
        .map(|s| {
            at += s * MS;
            at
        })
        .collect();
    let hop = hop_ms * MS;
    let mut frames = buffer();
    let mut fed = 0;
    for start in (0..at.saturating_sub(SECOND)).step_by(hop as usize) {
        let middle = start + SECOND / 2;
        let arrived = all.partition_point(|&f| f < middle) + 1 + ahead;
        while fed < arrived.min(all.len()) {
            frames.push(all[fed]);
            fed += 1;
        }
        if fed == all.len() {
            frames.end();
        }
        frames.drop_unneeded(MediaTime(middle), hop);
        let shown = all.iter().copied().filter(|&f| f < start + SECOND);
        let best = shown.min_by_key(|&f| f.abs_diff(middle));
        match nearest(&frames, start, true) {
            NearestFrame::Found(&f) => prop_assert_eq!(Some(f), best),
            NearestFrame::Missing => prop_assert_eq!(best, None),
            NearestFrame::NotYet => prop_assert!(false, "all frames were there"),
        }
    }
    Ok(())
}

proptest! {
    /// Frames at any intervals, ahead of the sound by any amount: each window
    /// gets the frame that a search over all of them finds.
    #[test]
    fn the_nearest_of_all_frames_is_found(
        steps in prop::collection::vec(1_u64..2_000, 1..400),
        hop_ms in 100_u64..=1_000,
        ahead in 0_usize..100,
    ) {
        the_nearest_is_found(&steps, hop_ms, ahead)?;
    }
}

proptest! {
    /// One frame in each step is looked at, each window has one that is shown during it, and
    /// no window waits for frames after its end.
    #[test]
    fn with_steps_each_window_has_a_frame_in_time(
        steps_ms in prop::collection::vec(5_u64..200, 20..400),
        every_ms in prop::sample::select(vec![100_u64, 400, 500, 1_000]),
        hop_ms in 100_u64..=1_000,
    ) {
        let mut at = 0;
        let all: Vec<u64> = std::iter::once(0)
            .chain(steps_ms.iter().map(|step| { at += step * MS; at }))
            .collect();
        let mut frames = buffer().with_steps(MediaTime(every_ms * MS));
        let (mut start, mut looked_at) = (0, Vec::new());
        for (n, frame) in all.iter().enumerate() {
            frames.push(*frame);
            if n + 1 == all.len() {
                frames.end();
            }
            while start + SECOND <= at {
                match nearest(&frames, start, true) {
                    NearestFrame::NotYet => {
                        // A step may be longer than the time to the end of the window.
                        prop_assert!(*frame < start + SECOND + 200 * MS, "waits too long");
                        break;
                    }
                    NearestFrame::Missing => prop_assert!(false, "none at {start}"),
                    NearestFrame::Found(&found) => {
                        // A frame stays until the next one.
                        prop_assert!(found < start + SECOND && found + 200 * MS > start);
                        looked_at.push(found);
                    }
                }
                start += hop_ms * MS;
                frames.drop_unneeded(MediaTime(start + SECOND / 2), hop_ms * MS);
            }
        }
        prop_assert!(start + SECOND > at, "all windows have one");
        looked_at.dedup();
        let steps = at / (every_ms * MS) + 2;
        prop_assert!(looked_at.len() as u64 <= steps, "{} of {steps}", looked_at.len());
    }
}

/// An input that the property above once failed on.
#[test]
fn the_nearest_is_found_with_frames_a_millisecond_apart() {
    let mut steps = vec![1; 35];
    steps[..4].copy_from_slice(&[1_754, 178, 878, 1_342]);
    the_nearest_is_found(&steps, 373, 31).expect("it is");
}

#[test]
fn not_yet_is_a_value() {
    let mut frames = buffer();
    assert_eq!(nearest(&frames, 0, true), NearestFrame::NotYet);
    frames.push(400 * MS);
    assert_eq!(nearest(&frames, 0, true), NearestFrame::NotYet);
    assert_eq!(nearest(&frames, 0, false), NearestFrame::Found(&(400 * MS)));
    frames.push(650 * MS);
    assert_eq!(nearest(&frames, 0, true), NearestFrame::Found(&(400 * MS)));
}

#[test]
fn after_the_end_of_the_picture_no_frame_is_found() {
    let mut frames = buffer();
    frames.push(0);
    frames.push(40 * MS);
    frames.end();
    assert_eq!(nearest(&frames, 0, true), NearestFrame::Found(&(40 * MS)));
    assert_eq!(nearest(&frames, SECOND, true), NearestFrame::Missing);
}

#[test]
fn a_slow_picture_is_shown_until_the_next() {
    // One frame in ten seconds: it stays on the screen.
    let mut frames = buffer();
    frames.push(0);
    frames.push(10 * SECOND);
    assert_eq!(nearest(&frames, 3 * SECOND, true), NearestFrame::Found(&0));
}

#[test]
fn memory_stays_bounded_when_the_picture_runs_ahead() {
    let mut frames = buffer();
    for k in 0..18_000 {
        frames.push(k * 16_666_667);
        frames.drop_unneeded(MediaTime(SECOND / 2), SECOND);
        assert!(
            frames.bytes <= FRAME_MEMORY,
            "{} frames",
            frames.frames.len()
        );
    }
    // Sound that restarts near the newest frame finds all frames around it.
    let newest = frames.newest().unwrap().0;
    let start = newest - 3 * SECOND / 4;
    frames.drop_unneeded(MediaTime(start + SECOND / 2), SECOND);
    let NearestFrame::Found(frame) = nearest(&frames, start, true) else {
        panic!("no frame")
    };
    assert!(frame.abs_diff(start + SECOND / 2) <= 9 * MS);
}

#[test]
fn frames_of_any_size_are_bounded_in_number() {
    struct Tiny(u64);
    impl Timed for Tiny {
        fn at(&self) -> MediaTime {
            MediaTime(self.0)
        }
        fn duration_ns(&self) -> Option<u64> {
            None
        }
        fn bytes(&self) -> usize {
            0
        }
    }
    let most = FRAME_MEMORY / MIN_FRAME_BYTES;
    let mut frames = buffer();
    // Each beyond the limit goes through all that are kept.
    for k in 0..most as u64 + 1_000 {
        frames.push(Tiny(k));
        frames.drop_unneeded(MediaTime(0), 1);
    }
    assert_eq!(frames.frames.len(), most);
}

#[test]
fn after_the_last_middle_no_later_frames_are_kept() {
    let mut frames = buffer();
    for k in 0..10 {
        frames.push(k * 100 * MS);
    }
    frames.set_last_middle(Some(MediaTime(SECOND / 2)));
    for k in 10..1_000 {
        frames.push(k * 100 * MS);
    }
    assert_eq!(frames.frames, [0, 1, 2, 3, 4, 5].map(|k| k * 100 * MS));
    assert_eq!(nearest(&frames, 0, true), NearestFrame::Found(&(500 * MS)));
    assert_eq!(frames.shown_until(), MediaTime(100 * SECOND));
}

#[test]
fn frames_from_before_an_outage_are_not_used_after_it() {
    let mut frames = buffer();
    frames.push(SECOND);
    frames.reopen();
    frames.push(8 * SECOND);
    assert_eq!(nearest(&frames, 5 * SECOND, true), NearestFrame::Missing);
    assert_eq!(
        nearest(&frames, 8 * SECOND, false),
        NearestFrame::Found(&(8 * SECOND))
    );
}

#[test]
fn a_window_never_gets_what_is_shown_after_it() {
    let mut frames = buffer();
    frames.push(2_100 * MS);
    frames.push(6_300 * MS);
    // Nearer to the middle of the window from 5 s to 6 s, and not there yet.
    assert_eq!(
        nearest(&frames, 5 * SECOND, true),
        NearestFrame::Found(&(2_100 * MS))
    );
    assert_eq!(
        nearest(&frames, 6 * SECOND, false),
        NearestFrame::Found(&(6_300 * MS))
    );
}
