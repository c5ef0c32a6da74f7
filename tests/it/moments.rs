//! Reads a file through the library as a run does, without a network.

use std::time::Instant;

use l3net::clock::SystemClock;
use l3net::media::{
    AudioBlock, Doubting, Ending, Feed, Frame, GstOpener, Listener, Opener, Origin, SessionOptions,
    Source, drive,
};
use l3net::stats::StreamStats;
use l3net::time::MediaTime;
use l3net::window::{MomentMaker, MomentOrGap};

/// What a file was, besides its moments.
pub struct ReadFile {
    pub ending: Ending,
    pub length: MediaTime,
    /// Frames that were decoded.
    pub frames: usize,
}

/// Reads it to its end; `take` gets what is made of it.
pub fn read(
    source: &Source,
    options: SessionOptions,
    maker: MomentMaker<Frame>,
    take: impl FnMut(MomentOrGap<Frame>),
) -> ReadFile {
    let mut reader = Reader {
        maker,
        made: Vec::new(),
        frames: 0,
        take,
    };
    let ending = match GstOpener.open(source, options) {
        Ok(mut feed) => {
            let stats = StreamStats::default();
            let mut doubting = Doubting::new(
                &mut reader,
                Origin::File,
                MediaTime::ZERO,
                &SystemClock,
                &source.name,
                &stats,
            );
            let ending = drive(&mut *feed, &SystemClock, source.stall(), &mut doubting);
            let whole = ending == Ending::Whole;
            (reader.maker).finish(whole, feed.tail_samples(), &mut reader.made);
            reader.hand_on(&*feed);
            ending
        }
        Err(cause) => Ending::Failed(cause),
    };
    ReadFile {
        ending,
        length: reader.maker.length(),
        frames: reader.frames,
    }
}

struct Reader<F> {
    maker: MomentMaker<Frame>,
    made: Vec<MomentOrGap<Frame>>,
    frames: usize,
    take: F,
}

impl<F: FnMut(MomentOrGap<Frame>)> Listener for Reader<F> {
    fn sound(&mut self, block: &AudioBlock<'_>) {
        self.maker
            .push_sound(block.at, block.pcm, block.arrived, &mut self.made);
    }

    fn has_enough_sound(&self) -> bool {
        self.maker.has_enough_sound()
    }

    fn frame(&mut self, frame: Frame) {
        self.frames += 1;
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
        self.made.drain(..).for_each(&mut self.take);
    }

    fn over(&mut self, _: &dyn Feed) -> Option<Ending> {
        None
    }

    fn is_stopped(&self) -> bool {
        false
    }
}
