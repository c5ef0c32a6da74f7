//! Decoders that crash, hang, or fill the memory: each costs its own file, not the run.
//!
//! The culprits are healthy files whose decoding process gets a signal: the same as a
//! fault of its own, and on every machine.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use l3net::clock::{Clock, SystemClock};
use l3net::media::{
    AudioBlock, Ending, Feed, Frame, Listener, MediaError, Opener, ProcessOpener, SessionOptions,
    Source, Stall, drive, expand,
};
use l3net::picture::ToPicture;

use crate::common::{
    Done, Running, batch_args, data, kill, l3net, only, parse, run_command, streams_in, wait_for,
};

/// More than any file here needs.
const MEMORY: u64 = 4 << 30;

/// The decoding processes whose parent or command line fits.
fn decoders(fits: impl Fn(u32, &str) -> bool) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("Linux").flatten();
    let fits = |pid: &u32| {
        let read = |file| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let arguments = read("cmdline").replace('\0', " ");
        // pid (name) state parent …
        let stat = read("stat");
        let parent = stat
            .rsplit(") ")
            .next()
            .and_then(|s| s.split(' ').nth(1)?.parse().ok());
        arguments.contains(" decode ") && parent.is_some_and(|parent| fits(parent, &arguments))
    };
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(fits)
        .collect()
}

/// The first decoding process of a run, once there is one.
fn decoder_of(running: &Running) -> u32 {
    let parent = running.child.id();
    let mut found = Vec::new();
    wait_for("a decoding process", || {
        found = decoders(|p, _| p == parent);
        !found.is_empty()
    });
    found[0]
}

/// Runs a command, and sends a signal to its first decoding process before that has
/// decoded its file. `command` prepares it anew for each try: on a busy machine the signal
/// may come too late.
fn run_with_fault(fault: &str, command: impl Fn() -> Vec<OsString>) -> Done {
    for _ in 0..20 {
        let running = Running::start(l3net(command()));
        let decoder = decoder_of(&running);
        // It may have ended meanwhile.
        for signal in ["STOP", fault, "CONT"] {
            kill(decoder, signal);
        }
        let done = running.wait();
        done.assert_no_panic();
        if done.code != Some(0) {
            return done;
        }
    }
    panic!("it is always too late for SIG{fault}");
}

fn clips() -> [PathBuf; 2] {
    ["clips/movie_5.mp4", "made/whole_3s_flac.mkv"].map(data)
}

fn arguments(command: &str, out: &Path) -> Vec<OsString> {
    let [first, second] = clips();
    let mut args = batch_args(&[&first, &second], out, &["--jobs", "1"]);
    args[0] = command.into();
    args
}

#[test]
fn a_crash_costs_its_own_file_and_the_next_run_does_it_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.jsonl");
    let args = arguments("batch", &out);
    let done = run_with_fault("SEGV", || {
        let _ = fs::remove_file(&out);
        args.clone()
    });
    assert_eq!(done.code, Some(1), "{}", done.err);
    let records = streams_in(&out);
    let crashed = &records["movie_5.mp4"];
    let [error] = &crashed.errors[..] else {
        panic!("{crashed:?}");
    };
    assert!(
        error.error.contains("the decoder crashed (SIGSEGV"),
        "{}",
        error.error
    );
    assert!(
        done.err.contains("movie_5.mp4: the decoder crashed"),
        "{}",
        done.err
    );
    assert_eq!(records["whole_3s_flac.mkv"].moments.len(), 3);

    let again = run_command(l3net(&args));
    assert_eq!(again.code, Some(0), "{}", again.err);
    let records = streams_in(&out);
    assert_eq!(records["movie_5.mp4"].moments.len(), 5);
    assert_eq!(records["whole_3s_flac.mkv"].moments.len(), 3);
}

#[test]
fn embed_and_prepare_continue_after_a_crash() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.npz");
    let done = run_with_fault("ABRT", || {
        let _ = fs::remove_file(&out);
        arguments("embed", &out)
    });
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(
        done.err
            .contains("movie_5.mp4: the decoder crashed (SIGABRT"),
        "{}",
        done.err
    );
    assert!(done.err.contains("3 windows of 2 sources"), "{}", done.err);

    let out = dir.path().join("shards");
    let done = run_with_fault("KILL", || {
        let _ = fs::remove_dir_all(&out);
        arguments("prepare", &out)
    });
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(
        done.err
            .contains("movie_5.mp4: the decoder crashed (SIGKILL"),
        "{}",
        done.err
    );
    assert!(done.err.contains("1 recording prepared"), "{}", done.err);
}

#[test]
fn pixels_of_a_kind_that_gstreamer_does_not_know_crash_nothing() {
    // In this very process, without isolation. GStreamer 1.22 refuses it, 1.24 reads it.
    let file = data("made/gray10_ffv1.matroska");
    let mut feed = l3net::media::GstOpener
        .open(&source(&file), SessionOptions::default())
        .expect("it is opened before it fails");
    let mut reader = Reader {
        samples: 0,
        frames: 0,
        on_frame: |_| {},
    };
    match drive(&mut *feed, &SystemClock, Stall::Always, &mut reader) {
        Ending::Whole => assert_eq!(reader.frames, 10),
        Ending::Failed(cause) => assert!(cause.to_string().contains("format"), "{cause}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn decoders_end_with_the_run_however_it_ends() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out.jsonl");
    let mut running = Running::start(l3net(arguments("batch", &out)));
    let decoder = decoder_of(&running);
    running.child.kill().expect("it runs");
    drop(running.wait());
    // By then init or a sub-reaper is its parent.
    wait_for("its end", || {
        let left = decoders(|_, _| true);
        !left.contains(&decoder)
    });
}

/// A clock that runs a thousand times as fast as the real one.
struct Fast(Instant);

impl Clock for Fast {
    fn now(&self) -> Instant {
        self.0 + 1000 * self.0.elapsed()
    }

    fn utc(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time / 1000);
    }
}

/// Counts what it reads; `on_frame` is called with each.
struct Reader<F> {
    samples: usize,
    frames: usize,
    on_frame: F,
}

impl<F: FnMut(Frame)> Listener for Reader<F> {
    fn sound(&mut self, block: &AudioBlock<'_>) {
        self.samples += block.pcm.len();
    }

    fn frame(&mut self, frame: Frame) {
        self.frames += 1;
        (self.on_frame)(frame);
    }

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

fn opener(memory: u64) -> ProcessOpener {
    ProcessOpener::with_program(env!("CARGO_BIN_EXE_l3net").into(), memory)
}

fn source(file: &Path) -> Source {
    let found = expand(&[file.to_str().expect("UTF-8").to_owned()]);
    found.expect("good usage").remove(0)
}

fn open(opener: &ProcessOpener, file: &Path) -> Result<Box<dyn Feed>, MediaError> {
    opener.open(&source(file), SessionOptions::default())
}

/// Reads a file: the ending, samples and frames.
fn read(opener: &ProcessOpener, file: &Path) -> (Ending, usize, usize) {
    let mut reader = Reader {
        samples: 0,
        frames: 0,
        on_frame: |_| {},
    };
    let ending = match open(opener, file) {
        Ok(mut feed) => drive(&mut *feed, &SystemClock, Stall::Always, &mut reader),
        Err(cause) => Ending::Failed(cause),
    };
    (ending, reader.samples, reader.frames)
}

#[test]
fn a_decoder_that_hangs_is_ended_and_the_next_file_read() {
    // Its size tells our process from those of other tests.
    let memory = MEMORY + 1;
    let opener = opener(memory);
    let [file, other] = clips();
    let mut feed = open(&opener, &file).expect("it opens");
    let [child] = decoders(|_, args| args.contains(&memory.to_string()))[..] else {
        panic!("one process");
    };
    kill(child, "STOP");
    let mut reader = Reader {
        samples: 0,
        frames: 0,
        on_frame: |_| {},
    };
    let ending = drive(
        &mut *feed,
        &Fast(Instant::now()),
        Stall::Always,
        &mut reader,
    );
    assert_eq!(ending, Ending::Failed(MediaError::Stalled(60)));
    drop(feed);
    assert!(decoders(|_, _| true).iter().all(|pid| *pid != child));
    assert_eq!(read(&opener, &other), (Ending::Whole, 3 * 48_000, 75));
}

#[test]
fn a_decoder_that_fills_the_memory_is_ended() {
    // The program alone is larger.
    let opener = opener(8 << 20);
    let (ending, ..) = read(&opener, &clips()[0]);
    assert_eq!(ending, Ending::Failed(MediaError::TooMuchMemory(8)));
}

#[test]
fn a_process_serves_many_files_and_errors_cross() {
    let memory = MEMORY + 2;
    let opener = opener(memory);
    let ours = || decoders(|_, args| args.contains(&memory.to_string()));
    let [_, file] = clips();
    let whole = (Ending::Whole, 3 * 48_000, 75);
    assert_eq!(read(&opener, &file), whole);
    let first = ours();
    assert_eq!(read(&opener, &file), whole);
    assert_eq!(ours(), first, "the same one");
    let (ending, ..) = read(&opener, &data("made/text.mp4"));
    let Ending::Failed(cause) = ending else {
        panic!("{ending:?}");
    };
    assert!(cause.to_string().starts_with("not a media file"), "{cause}");
    assert_eq!(read(&opener, &file), whole);
    assert_ne!(ours(), first, "its memory may have been damaged");
    drop(opener);
    wait_for("their end", || ours().is_empty());
}

#[test]
fn pixels_come_from_the_process_also_after_its_file_is_closed() {
    let opener = opener(MEMORY);
    let kept = Mutex::new(Vec::new());
    let mut reader = Reader {
        samples: 0,
        frames: 0,
        on_frame: |frame| kept.lock().expect("no panic").push(frame),
    };
    let [_, file] = clips();
    let mut feed = open(&opener, &file).expect("it opens");
    drive(&mut *feed, &SystemClock, Stall::Always, &mut reader);
    drop(feed);
    let here = picture_of_first(&file);
    let kept = kept.into_inner().expect("no panic");
    let first = kept[0].to_picture().expect("pixels");
    assert_eq!((first.width, first.height), (here.width, here.height));
    assert_eq!(first.rgb, here.rgb, "the same as without a process");
    drop(opener);
    let lost = kept[1].to_picture().expect_err("the process has ended");
    assert!(lost.contains("lost with its decoder"), "{lost}");
}

/// The first picture of a file that is decoded in this process.
fn picture_of_first(file: &Path) -> l3net::picture::Picture {
    let mut feed = l3net::media::GstOpener
        .open(&source(file), SessionOptions::default())
        .expect("it opens");
    let mut frame = None;
    wait_for("a frame", || {
        frame = frame.take().or_else(|| feed.next_frame());
        while feed.next_block().is_some() {}
        frame.is_some()
    });
    frame.expect("a frame").to_picture().expect("pixels")
}

#[test]
fn nohup_is_respected() {
    let dir = tempfile::tempdir().expect("a folder");
    let lines = dir.path().join("lines");
    let mut command = Command::new("nohup");
    command
        .arg(env!("CARGO_BIN_EXE_l3net"))
        .args(["live", "test", "--seconds", "3", "--json"])
        .arg(&lines)
        .current_dir(crate::common::repo())
        .stdin(std::process::Stdio::null());
    let running = Running::start(command);
    wait_for("a moment", || {
        fs::read_to_string(&lines).is_ok_and(|t| !t.is_empty())
    });
    running.signal("HUP");
    let done = running.wait();
    assert_eq!(done.code, Some(0), "{}", done.err);
    let records = only(streams_in(&lines));
    let judged = records.moments.len() as u64 + records.gaps.iter().map(|g| g.lost).sum::<u64>();
    assert_eq!(judged, 3, "to its end: {records:?}");
    assert!(parse(&done.out).is_empty());
}
