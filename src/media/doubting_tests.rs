//! What passes through with jumps, and a file whose sound clock is slow.

use super::*;
use crate::clock::SystemClock;
use crate::media::{Session, SessionOptions, Stall, drive, find};
use crate::picture::Picture;
use crate::time::Hop;
use crate::window::{MomentMaker, MomentOrGap, Pace};
use crate::window_spec::WindowSpec;

/// Writes down what passes, and makes moments of it.
struct Notes {
    heard: Vec<(u64, usize)>,
    seen: Vec<u64>,
    maker: MomentMaker<Frame>,
    made: Vec<MomentOrGap<Frame>>,
}

impl Notes {
    fn new() -> Self {
        Self {
            heard: Vec::new(),
            seen: Vec::new(),
            maker: MomentMaker::new(WindowSpec::PAPER, Hop::SECOND, Pace::File),
            made: Vec::new(),
        }
    }
}

impl Listener for Notes {
    fn sound(&mut self, block: &AudioBlock<'_>) {
        self.heard.push((block.at.0 / 48, block.pcm.len()));
        (self.maker).push_sound(block.at, block.pcm, block.arrived, &mut self.made);
    }
    fn frame(&mut self, frame: Frame) {
        self.seen.push(frame.at().0 / 1_000_000);
        self.maker.push_frame(frame);
    }
    fn sound_ended(&mut self) {
        self.maker.end_sound();
    }
    fn picture_ended(&mut self) {
        self.maker.end_picture();
    }
    fn hand_on(&mut self, _: &dyn Feed) {
        self.maker.poll(Instant::now(), &mut self.made);
    }
    fn over(&mut self, _: &dyn Feed) -> Option<Ending> {
        None
    }
    fn is_stopped(&self) -> bool {
        false
    }
}

fn doubting<'a>(notes: &'a mut Notes, stats: &'a StreamStats) -> Doubting<'a, Notes> {
    Doubting::new(
        notes,
        Origin::File,
        MediaTime::ZERO,
        &SystemClock,
        "clip",
        stats,
    )
}

#[test]
fn what_is_held_back_comes_out_whole_and_in_order() {
    // Three frames and blocks of 100 ms, two that are wrong, and a jump by a minute.
    let times = [
        0, 100, 200, 9_000_000, 400, 500, 60_600, 60_700, 60_800, 60_900,
    ];
    let mut notes = Notes::new();
    let stats = StreamStats::default();
    let mut doubting = doubting(&mut notes, &stats);
    let picture = Frame::of_picture(MediaTime::ZERO, &Picture::filled(8, 8, [9; 3]));
    for ms in times {
        let at = MediaTime(ms * 1_000_000);
        doubting.frame(picture.clone().moved_to(at));
        doubting.sound(&AudioBlock {
            at: SamplePos::from_time(at),
            arrived: Instant::now(),
            pcm: &[0.5; 4_800],
        });
    }
    doubting.sound_ended();
    doubting.picture_ended();
    let right = [0, 100, 200, 300, 400, 500, 60_600, 60_700, 60_800, 60_900];
    assert_eq!(notes.heard, right.map(|ms| (ms, 4_800)));
    let shown = [0, 100, 200, 400, 500, 60_600, 60_700, 60_800, 60_900];
    assert_eq!(notes.seen, shown);
}

#[test]
fn a_file_whose_sound_clock_is_slow_has_no_gap() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/made/slow_clock_8khz.flashvideo"
    );
    let source = find(&[path.to_owned()]).expect("it is there").remove(0);
    let mut session = Session::open(&source, SessionOptions::default()).expect("it opens");
    let mut notes = Notes::new();
    let stats = StreamStats::default();
    let mut doubting = doubting(&mut notes, &stats);
    let ending = drive(&mut session, &SystemClock, Stall::Never, &mut doubting);
    assert_eq!(ending, Ending::Whole);
    let mut made = notes.made;
    notes.maker.finish(true, session.tail_samples(), &mut made);
    assert!((14..=15).contains(&made.len()), "{}", made.len());
    for (second, made) in (0_u64..).zip(made) {
        let MomentOrGap::Moment(moment) = made else {
            panic!("a gap at {second} s")
        };
        assert_eq!(moment.start.0 / 1_000_000, second * 1_000);
        let middle = MediaTime(moment.start.0 + 500_000_000);
        assert!(
            moment.frame.at().distance(middle) <= 20_000_000,
            "{second} s"
        );
    }
}
