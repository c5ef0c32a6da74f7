//! The appsink callbacks of a live source allocate nothing.
//!
//! The allocator of this test counts what Rust allocates on threads that are not
//! the test's own: with a live source open, those are GStreamer's, and the only
//! Rust on them is the callbacks. (What GStreamer allocates in C is its own.)

#![cfg(feature = "gst")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use l3net::media::packets::PacketRing;
use l3net::media::{Session, SessionOptions, expand, sound_ring};
use l3net::time::SamplePos;

#[global_allocator]
static COUNTING: counting::Counting = counting::Counting;

mod counting {
    #![allow(unsafe_code, reason = "a global allocator cannot be written without")]

    use std::alloc::{GlobalAlloc, Layout, System};
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU64, Ordering};

    thread_local! {
        static OURS: Cell<bool> = const { Cell::new(false) };
        static HERE: Cell<u64> = const { Cell::new(0) };
    }
    static ELSEWHERE: AtomicU64 = AtomicU64::new(0);

    /// The system's allocator, with a count.
    pub struct Counting;

    /// Allocations of this thread count apart from those of others from now on.
    pub fn this_thread_is_ours() {
        OURS.set(true);
    }

    /// Allocations of threads that are not ours.
    pub fn elsewhere() -> u64 {
        ELSEWHERE.load(Ordering::Relaxed)
    }

    /// Allocations of this thread.
    pub fn here() -> u64 {
        HERE.get()
    }

    fn count() {
        // A thread that ends has no locals any more; it is none of those measured.
        let _ = HERE.try_with(|n| n.set(n.get() + 1));
        if OURS.try_with(|ours| !ours.get()).unwrap_or(false) {
            ELSEWHERE.fetch_add(1, Ordering::Relaxed);
        }
    }

    // SAFETY: everything is passed on to the system's allocator unchanged; counting
    // touches an atomic and two thread locals without destructors, which neither
    // allocate nor unwind.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            count();
            // SAFETY: the caller keeps the contract of `alloc`, which is the same.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: the block came from `System` through this allocator.
            unsafe { System.dealloc(block, layout) }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            count();
            // SAFETY: as in `alloc`.
            unsafe { System.alloc_zeroed(layout) }
        }

        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            count();
            // SAFETY: the block came from `System` through this allocator.
            unsafe { System.realloc(block, layout, size) }
        }
    }
}

/// One test: libtest's own threads allocate when another one ends.
#[test]
fn callbacks_allocate_nothing() {
    counting::this_thread_is_ours();
    assert_what_is_allocated_is_counted();
    the_ring_takes_blocks_without_allocating();
    // Not `test`: what makes that scene allocates, and is on threads of its own.
    let picture = "videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=30/1";
    let sound = "audiotestsrc is-live=true samplesperbuffer=480 ! audio.";
    a_live_source_is_tapped_without_allocating(&format!("{picture} ! video.  {sound}"), None);
    let ring = Arc::new(PacketRing::new(Duration::from_secs(60), 64 << 20));
    let encoded = format!("{picture} ! jpegenc ! jpegdec ! video.  {sound}");
    a_live_source_is_tapped_without_allocating(&encoded, Some(Arc::clone(&ring)));
    ring.collect(jiff::Timestamp::now());
    assert!(ring.find(jiff::Timestamp::now()).is_ok() && ring.lost() == 0);
}

fn assert_what_is_allocated_is_counted() {
    let before = counting::elsewhere();
    std::thread::spawn(|| std::hint::black_box(Box::new(1)))
        .join()
        .expect("no panic");
    assert!(counting::elsewhere() > before);
}

fn the_ring_takes_blocks_without_allocating() {
    let (mut writer, mut reader) = sound_ring(4 * 480, 16);
    let block = [0.5_f32; 480];
    let now = Instant::now();
    let mut dropped = 0;
    let before = counting::here();
    for k in 0..10_000_u64 {
        let fitted = writer.accept(SamplePos(k * 480), now, block.iter().copied());
        dropped += u64::from(!fitted);
        // Slower than the writer: a full ring allocates no more than one with room.
        if k % 3 == 0 {
            reader.next_block();
        }
    }
    assert_eq!(counting::here(), before);
    assert!(dropped > 1_000);
    assert_eq!(reader.dropped_blocks(), dropped);
}

fn a_live_source_is_tapped_without_allocating(camera: &str, packets: Option<Arc<PacketRing>>) {
    let sources = expand(&[camera.to_owned()]).expect("a description");
    let options = SessionOptions {
        real_time: true,
        packets,
        ..SessionOptions::default()
    };
    gstreamer::init().expect("GStreamer starts");
    let mut session = Session::open(&sources[0], options).expect("it needs no device");
    assert!(session.is_by_clock());
    // What is set up once, at the first blocks, may allocate.
    take(&mut session, 30, 10);
    let before = counting::elsewhere();
    take(&mut session, 200, 40);
    assert_eq!(counting::elsewhere() - before, 0, "in callbacks");
}

/// Takes at least so many blocks and frames.
fn take(session: &mut Session, blocks: usize, frames: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let (mut sound, mut pictures) = (0, 0);
    while sound < blocks || pictures < frames {
        assert!(
            Instant::now() < deadline,
            "{sound} blocks, {pictures} frames"
        );
        sound += usize::from(session.sound.next_block().is_some());
        pictures += usize::from(session.frames.try_recv().is_ok());
        std::thread::sleep(Duration::from_millis(1));
    }
}
