//! Feeds that never end by themselves, on a simulated clock.

use std::sync::Arc;

use super::*;
use crate::clock::SimulatedClock;
use crate::picture::Picture;
use crate::time::{MediaTime, SamplePos};

/// Time that it takes to deliver a block or frame.
const TAKES: Duration = Duration::from_millis(10);

/// Delivers sound or pictures at times that a function tells, `None` at the end.
struct Endless {
    clock: Arc<SimulatedClock>,
    sound: Option<fn(u64) -> Option<u64>>,
    picture: Option<fn(u64) -> Option<u64>>,
    delivered: u64,
    frame: Frame,
}

impl Endless {
    fn next(&mut self, at_ms: Option<fn(u64) -> Option<u64>>) -> Option<u64> {
        let at = at_ms?(self.delivered)?;
        self.delivered += 1;
        self.clock.sleep(TAKES);
        Some(at * 1_000_000)
    }
}

impl Feed for Endless {
    fn next_block(&mut self) -> Option<AudioBlock<'_>> {
        let at = self.next(self.sound)?;
        Some(AudioBlock {
            at: SamplePos::from_time(MediaTime(at)),
            arrived: self.clock.now(),
            pcm: &[0.1; 480],
        })
    }

    fn next_frame(&mut self) -> Option<Frame> {
        let at = self.next(self.picture)?;
        Some(self.frame.clone().moved_to(MediaTime(at)))
    }

    fn sound_is_done(&self) -> bool {
        self.sound.is_none()
    }

    fn picture_is_done(&self) -> bool {
        self.picture.is_none()
    }

    fn wait(&mut self, clock: &dyn Clock, at_most: Duration) {
        clock.sleep(at_most);
    }

    fn poll(&mut self) -> Option<End> {
        let tells = [self.sound, self.picture].into_iter().flatten().next()?;
        tells(self.delivered).is_none().then_some(End::Whole)
    }

    fn is_live(&self) -> bool {
        false
    }

    fn is_by_clock(&self) -> bool {
        false
    }
}

/// Takes all and keeps nothing.
struct Nobody;

impl Listener for Nobody {
    fn sound(&mut self, _: &AudioBlock<'_>) {}
    fn frame(&mut self, _: Frame) {}
    fn sound_ended(&mut self) {}
    fn picture_ended(&mut self) {}
    fn hand_on(&mut self, _: &dyn Feed) {}
    fn over(&mut self, _: &dyn Feed) -> Option<Ending> {
        None
    }
    fn is_stopped(&self) -> bool {
        false
    }
}

/// How reading ends, and after how many seconds.
fn read(
    sound: Option<fn(u64) -> Option<u64>>,
    picture: Option<fn(u64) -> Option<u64>>,
) -> (Ending, u64) {
    let clock = Arc::new(SimulatedClock::new());
    let mut feed = Endless {
        clock: Arc::clone(&clock),
        sound,
        picture,
        delivered: 0,
        frame: Frame::of_picture(MediaTime::ZERO, &Picture::filled(8, 8, [1, 2, 3])),
    };
    let ending = drive(&mut feed, &*clock, Stall::Always, &mut Nobody);
    (ending, clock.elapsed().as_secs())
}

#[test]
fn a_decoder_that_goes_round_in_circles_is_left_after_a_minute() {
    let circles = Ending::Failed(MediaError::Circling);
    let cases: [fn(u64) -> Option<u64>; 2] = [|k| Some(k.min(500)), |k| Some(k % 50 * 10)];
    for times in cases {
        for (sound, picture) in [(Some(times), None), (None, Some(times))] {
            let (ending, seconds) = read(sound, picture);
            assert_eq!(ending, circles);
            assert!((60..70).contains(&seconds), "{seconds}");
        }
    }
}

#[test]
fn a_decoder_that_repeats_a_part_for_ever_is_left() {
    let (ending, _) = read(Some(|k| Some(k % 3 * 1_000)), None);
    assert_eq!(ending, Ending::Failed(MediaError::Circling));
}

#[test]
fn a_file_that_comes_forward_is_read_to_its_end_however_slowly() {
    // An hour, a hundredth as fast as it plays.
    let slow: fn(u64) -> Option<u64> = |k| (k < 360_000).then_some(k / 10);
    assert_eq!(read(Some(slow), None), (Ending::Whole, 3_600));
    assert_eq!(read(None, Some(slow)), (Ending::Whole, 3_600));
}
