//! The ring buffer of sound between an appsink and the thread that cuts windows.
//!
//! One writer, one reader, no locks. One ring holds samples, another a small header per
//! block: its position and arrival time. Neither side waits; callers that want to wait
//! do so themselves, and a writer that does is woken.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Instant;

use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use crate::time::SamplePos;

/// Consecutive sound as it arrived from the source.
#[derive(Debug, PartialEq)]
pub struct AudioBlock<'a> {
    /// Position of its first sample.
    pub at: SamplePos,
    /// When it arrived at the appsink.
    pub arrived: Instant,
    /// Mono samples at 48 kHz.
    pub pcm: &'a [f32],
}

#[derive(Clone, Copy, Debug)]
struct Header {
    at: SamplePos,
    arrived: Instant,
    samples: usize,
}

#[derive(Debug, Default)]
struct Shared {
    ended: AtomicBool,
    dropped_blocks: AtomicU64,
    /// Waits for room.
    writer: OnceLock<Thread>,
}

/// The appsink's side.
pub struct SoundWriter {
    pcm: HeapProd<f32>,
    headers: HeapProd<Header>,
    shared: Arc<Shared>,
}

/// The reader's side.
pub struct SoundReader {
    pcm: HeapCons<f32>,
    headers: HeapCons<Header>,
    shared: Arc<Shared>,
    block: Vec<f32>,
}

/// A ring for `samples` samples in at most `blocks` blocks.
pub fn sound_ring(samples: usize, blocks: usize) -> (SoundWriter, SoundReader) {
    let (pcm_in, pcm_out) = HeapRb::new(samples).split();
    let (headers_in, headers_out) = HeapRb::new(blocks).split();
    let shared = Arc::new(Shared::default());
    (
        SoundWriter {
            pcm: pcm_in,
            headers: headers_in,
            shared: Arc::clone(&shared),
        },
        SoundReader {
            pcm: pcm_out,
            headers: headers_out,
            shared,
            block: Vec::with_capacity(samples),
        },
    )
}

impl SoundWriter {
    /// Whether a block of this many samples fits now.
    pub fn has_room(&self, samples: usize) -> bool {
        self.pcm.vacant_len() >= samples && !self.headers.is_full()
    }

    /// Has this thread unparked whenever a block has been read.
    pub fn wake_when_read(&self, thread: Thread) {
        // One thread writes, so nothing is there already.
        let _ = self.shared.writer.set(thread);
    }

    /// Writes a block; false if it did not fit.
    ///
    /// Never allocates, locks, logs or waits. A full ring drops the *new* block and
    /// counts it; the reader sees the hole as a discontinuity.
    pub fn accept(
        &mut self,
        at: SamplePos,
        arrived: Instant,
        pcm: impl ExactSizeIterator<Item = f32>,
    ) -> bool {
        let samples = pcm.len();
        if !self.has_room(samples) {
            self.shared.dropped_blocks.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        self.pcm.push_iter(pcm);
        // The header goes last: a reader that sees it also sees the samples.
        let header = Header {
            at,
            arrived,
            samples,
        };
        self.headers.try_push(header).is_ok()
    }

    /// Marks the end of the sound.
    pub fn end(&self) {
        self.ender().end();
    }

    /// A handle that can mark the end from elsewhere.
    pub fn ender(&self) -> SoundEnder {
        SoundEnder(Arc::clone(&self.shared))
    }
}

/// Marks the end of a ring of sound.
pub struct SoundEnder(Arc<Shared>);

impl SoundEnder {
    /// Marks the end of the sound.
    pub fn end(&self) {
        self.0.ended.store(true, Ordering::Release);
    }
}

impl SoundReader {
    /// The next block, if there is one.
    pub fn next_block(&mut self) -> Option<AudioBlock<'_>> {
        let header = self.headers.try_pop()?;
        self.block.resize(header.samples, 0.0);
        let got = self.pcm.pop_slice(&mut self.block);
        debug_assert_eq!(got, header.samples, "samples go in before their header");
        if let Some(writer) = self.shared.writer.get() {
            writer.unpark();
        }
        Some(AudioBlock {
            at: header.at,
            arrived: header.arrived,
            pcm: &self.block,
        })
    }

    /// Whether everything has been read and nothing more will be written.
    pub fn is_done(&self) -> bool {
        self.shared.ended.load(Ordering::Acquire) && self.headers.is_empty()
    }

    /// Blocks that were dropped because the ring was full.
    pub fn dropped_blocks(&self) -> u64 {
        self.shared.dropped_blocks.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_out_as_they_went_in() {
        let (mut writer, mut reader) = sound_ring(8, 4);
        let now = Instant::now();
        for round in 0..100_u64 {
            assert!(writer.accept(SamplePos(round * 3), now, [1.0, 2.0, 3.0].into_iter()));
            let block = reader.next_block().expect("one is there");
            assert_eq!(
                (block.at, block.pcm),
                (SamplePos(round * 3), &[1.0, 2.0, 3.0][..])
            );
            assert!(reader.next_block().is_none());
        }
    }

    #[test]
    fn a_full_ring_drops_the_new_block_and_counts_it() {
        let (mut writer, mut reader) = sound_ring(4, 4);
        let now = Instant::now();
        assert!(writer.accept(SamplePos(0), now, [1.0; 3].into_iter()));
        assert!(!writer.accept(SamplePos(3), now, [2.0; 3].into_iter()));
        assert_eq!(reader.dropped_blocks(), 1);
        assert_eq!(reader.next_block().map(|b| b.at), Some(SamplePos(0)));
        assert!(writer.accept(SamplePos(6), now, [3.0; 3].into_iter()));
        assert_eq!(reader.next_block().map(|b| b.at), Some(SamplePos(6)));
    }

    #[test]
    fn the_end_is_seen_after_the_last_block() {
        let (mut writer, mut reader) = sound_ring(4, 4);
        writer.accept(SamplePos(0), Instant::now(), [1.0].into_iter());
        writer.end();
        assert!(!reader.is_done());
        reader.next_block();
        assert!(reader.is_done());
    }

    #[test]
    fn a_writer_that_waits_for_room_is_woken() {
        let (mut writer, mut reader) = sound_ring(4, 4);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                writer.wake_when_read(std::thread::current());
                for round in 0..1_000 {
                    while !writer.has_room(3) {
                        std::thread::park();
                    }
                    writer.accept(SamplePos(round * 3), Instant::now(), [1.0; 3].into_iter());
                }
                writer.end();
            });
            let mut read = 0;
            while !reader.is_done() {
                match reader.next_block() {
                    Some(_) => read += 1,
                    None => std::thread::yield_now(),
                }
            }
            assert_eq!(read, 1_000);
        });
    }

    /// What the block at this position holds: lengths that do not divide the ring, so
    /// that blocks wrap at every place, and samples that tell where they belong.
    fn samples_at(at: u64) -> impl ExactSizeIterator<Item = f32> {
        let len = 1 + (at * 37 % 211) as u32;
        (0..len).map(move |i| ((at + u64::from(i)) % 65_536) as f32)
    }

    #[test]
    fn between_two_threads_every_block_arrives_whole_or_is_counted() {
        const ARRIVE: u64 = 20_000;
        let (mut writer, mut reader) = sound_ring(1_000, 8);
        let arrived = AtomicU64::new(0);
        let full_once = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| {
                let (mut at, mut accepted, mut dropped, mut lost) = (0, 0_u64, 0_u64, 0);
                while arrived.load(Ordering::Relaxed) < ARRIVE {
                    let samples = samples_at(at);
                    let len = samples.len() as u64;
                    if writer.accept(SamplePos(at), Instant::now(), samples) {
                        accepted += 1;
                    } else {
                        dropped += 1;
                        lost += len;
                        // Nobody reads before this, so some are dropped on every machine.
                        match dropped {
                            10 => _ = full_once.wait(),
                            _ => std::thread::yield_now(),
                        }
                    }
                    at += len;
                }
                writer.end();
                (at, accepted, dropped, lost)
            });
            full_once.wait();
            let (mut expected, mut missing) = (0, 0);
            let mut wrong = None;
            while !reader.is_done() {
                let Some(block) = reader.next_block() else {
                    std::thread::yield_now();
                    continue;
                };
                let at = block.at.0;
                if at < expected || !block.pcm.iter().copied().eq(samples_at(at)) {
                    wrong.get_or_insert(at);
                }
                missing += at.saturating_sub(expected);
                expected = at + block.pcm.len() as u64;
                arrived.fetch_add(1, Ordering::Relaxed);
            }
            let (end, accepted, dropped, lost) = writing.join().expect("no panic");
            assert_eq!(wrong, None, "a block that came out of order or damaged");
            assert_eq!(arrived.load(Ordering::Relaxed), accepted);
            assert_eq!(reader.dropped_blocks(), dropped);
            assert_eq!(missing + (end - expected), lost);
            assert!(dropped >= 10 && accepted >= ARRIVE);
        });
    }
}
