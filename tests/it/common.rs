//! Running the built program and reading what it says.
//!
//! Deadlines here only catch a program that hangs; no test depends on how fast
//! the machine is.

#![allow(dead_code, reason = "without GStreamer a part of it is unused")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use l3net::result::{Failure, Gap, Qc, Record, Summary, Verdict};

/// Nothing here takes three minutes on two slow cores; what takes this long hangs.
pub const DEADLINE: Duration = Duration::from_secs(600);

/// A file of the tests' data.
pub fn data(name: &str) -> PathBuf {
    repo().join("tests/data").join(name)
}

/// Runs ffmpeg; what it says.
pub fn ffmpeg(arguments: &[&str], input: Option<&Path>, output: &Path) -> String {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-hide_banner", "-y"]);
    if let Some(input) = input {
        command.arg("-i").arg(input);
    }
    let done = command.args(arguments).arg(output).output();
    let done = done.expect("ffmpeg is there: scripts/setup.sh tests installs it");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{arguments:?}: {said}");
    said
}

/// A WAV file of 16 bits, mono.
pub fn wav(rate: u32, samples: impl Iterator<Item = i16>) -> Vec<u8> {
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend(rate.to_le_bytes());
    bytes.extend((2 * rate).to_le_bytes());
    bytes.extend(b"\x02\0\x10\0data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

include!("float_wav.rs");

/// Seconds of a tone as a WAV file.
pub fn tone(rate: u32, seconds: u32, hertz: f32, level: f32) -> Vec<u8> {
    let value = |i: u32| {
        let turn = std::f32::consts::TAU * hertz * i as f32 / rate as f32;
        (level * turn.sin() * 32767.0) as i16
    };
    wav(rate, (0..rate * seconds).map(value))
}

/// The root of the repo.
pub fn repo() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program, in the state that every user finds it in.
pub fn l3net<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_l3net"));
    command
        .args(args)
        .current_dir(repo())
        .env_remove("RUST_LOG")
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null());
    command
}

/// What a run left behind.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    pub took: Duration,
}

impl Done {
    /// The JSON lines of stdout; nothing else may be there.
    pub fn records(&self) -> Vec<Record> {
        parse(&self.out)
    }

    /// What people should never see.
    pub fn assert_no_panic(&self) {
        for word in ["panicked", "RUST_BACKTRACE", "stack backtrace"] {
            assert!(!self.err.contains(word), "{word} in:\n{}", self.err);
        }
        assert!(self.code.is_some(), "killed by a signal:\n{}", self.err);
    }
}

/// A program that runs, with its output being read.
pub struct Running {
    pub child: Owned,
    out: Reading,
    err: Reading,
    begun: Instant,
}

/// A process that goes with the test: one that fails leaves none behind.
pub struct Owned(Child);

impl std::ops::Deref for Owned {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl std::ops::DerefMut for Owned {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // One that has ended cannot be killed, nor need be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends a signal to a process by its name; whether it was there.
pub fn kill(pid: u32, name: &str) -> bool {
    let mut kill = Command::new("kill");
    kill.args([format!("-{name}"), pid.to_string()]);
    kill.stderr(Stdio::null());
    kill.status().expect("there is a kill").success()
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let out = Reading::of(child.stdout.take().expect("piped"));
        let err = Reading::of(child.stderr.take().expect("piped"));
        Self {
            child: Owned(child),
            out,
            err,
            begun: Instant::now(),
        }
    }

    /// What it has said on stderr so far.
    pub fn said(&self) -> String {
        self.err.so_far()
    }

    /// Sends a signal by its name, as a terminal or an init system does.
    pub fn signal(&self, name: &str) {
        assert!(kill(self.child.id(), name), "kill -{name}");
    }

    /// Waits for its end.
    pub fn wait(self) -> Done {
        self.wait_at_most(DEADLINE)
    }

    /// Waits for the end of one that takes long.
    pub fn wait_at_most(mut self, deadline: Duration) -> Done {
        let status = self.wait_status(deadline);
        Done {
            code: status.code(),
            out: self.out.all(),
            err: self.err.all(),
            took: self.begun.elapsed(),
        }
    }

    fn wait_status(&mut self, deadline: Duration) -> ExitStatus {
        let end = Instant::now() + deadline;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            if Instant::now() > end {
                let _ = self.child.kill();
                panic!("still running after {deadline:?}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// An output that is being read.
struct Reading {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: std::thread::JoinHandle<()>,
}

impl Reading {
    fn of(mut from: impl Read + Send + 'static) -> Self {
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let so_far = Arc::clone(&bytes);
        let thread = std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = from.read(&mut chunk) {
                so_far.lock().expect("no panic").extend(&chunk[..n]);
            }
        });
        Self { bytes, thread }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("no panic")).into_owned()
    }

    fn all(self) -> String {
        self.thread.join().expect("no panic");
        let bytes = std::mem::take(&mut *self.bytes.lock().expect("no panic"));
        String::from_utf8(bytes).expect("text")
    }
}

/// Runs the program to its end; it must not panic.
pub fn run<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Done {
    run_command(l3net(args))
}

/// As [`run`], of a command that was prepared.
pub fn run_command(command: Command) -> Done {
    let done = Running::start(command).wait();
    done.assert_no_panic();
    done
}

/// `l3net batch SOURCES -o OUT`, quietly.
pub fn batch(sources: &[&Path], out: &Path) -> Done {
    batch_with(sources, out, &[])
}

/// As [`batch`], with more arguments.
pub fn batch_with(sources: &[&Path], out: &Path, more: &[&str]) -> Done {
    run(batch_args(sources, out, more))
}

/// The arguments of [`batch_with`].
pub fn batch_args(sources: &[&Path], out: &Path, more: &[&str]) -> Vec<std::ffi::OsString> {
    let mut args: Vec<std::ffi::OsString> = vec!["batch".into()];
    args.extend(sources.iter().map(|s| s.as_os_str().to_owned()));
    args.extend(["-o".into(), out.as_os_str().to_owned()]);
    args.extend(more.iter().map(Into::into));
    args
}

/// Waits until something is so.
pub fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Every line is one of our records.
pub fn parse(lines: &str) -> Vec<Record> {
    lines
        .lines()
        .map(|line| {
            serde_json::from_str(line).unwrap_or_else(|e| panic!("no record ({e}): {line}"))
        })
        .collect()
}

/// The records of a file of JSON lines.
pub fn read(path: &Path) -> Vec<Record> {
    parse(&std::fs::read_to_string(path).expect("OUT is there"))
}

/// All records of one stream, in their order.
#[derive(Debug, Default)]
pub struct StreamRecords {
    pub moments: Vec<Verdict>,
    pub gaps: Vec<Gap>,
    pub measured: Vec<Qc>,
    pub summaries: Vec<Summary>,
    pub errors: Vec<Failure>,
}

/// Records by stream, in their order.
pub fn by_stream(records: Vec<Record>) -> BTreeMap<String, StreamRecords> {
    let mut streams: BTreeMap<String, StreamRecords> = BTreeMap::new();
    for record in records {
        let of_stream = streams.entry(record.stream().to_string()).or_default();
        match record {
            Record::Moment(r) => of_stream.moments.push(r),
            Record::Gap(r) => of_stream.gaps.push(r),
            Record::Qc(r) => of_stream.measured.push(r),
            Record::Summary(r) => of_stream.summaries.push(r),
            Record::Error(r) => of_stream.errors.push(r),
        }
    }
    streams
}

/// The streams of a file of JSON lines.
pub fn streams_in(path: &Path) -> BTreeMap<String, StreamRecords> {
    by_stream(read(path))
}

/// The only stream there is.
pub fn only(mut streams: BTreeMap<String, StreamRecords>) -> StreamRecords {
    assert_eq!(streams.len(), 1, "{:?}", streams.keys());
    streams.pop_first().expect("one").1
}

/// The shared data beside the repo, where it is there.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = repo().join("../shared").join(name);
    path.exists().then_some(path)
}

/// The arrays as Python reads them.
pub struct Arrays(BTreeMap<String, serde_json::Value>);

impl Arrays {
    pub fn read(npz: &Path) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/read_npz.py");
        let mut python = std::process::Command::new("python3");
        let read = python.arg(script).arg(npz).output();
        let read = read.expect("python3 is there");
        let errors = String::from_utf8_lossy(&read.stderr);
        assert!(read.status.success(), "{errors}");
        Self(serde_json::from_slice(&read.stdout).expect("JSON"))
    }

    pub fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    pub fn values<T: serde::de::DeserializeOwned>(&self, name: &str) -> Vec<T> {
        serde_json::from_value(self.0[name]["values"].clone()).expect("values")
    }

    pub fn shape(&self, name: &str) -> Vec<usize> {
        serde_json::from_value(self.0[name]["shape"].clone()).expect("a shape")
    }

    pub fn matrix(&self, name: &str) -> Vec<Vec<f32>> {
        let shape = self.shape(name);
        let values: Vec<f32> = self.values(name);
        let rows: Vec<Vec<f32>> = values.chunks_exact(shape[1]).map(<[f32]>::to_vec).collect();
        assert_eq!(rows.len(), shape[0]);
        rows
    }
}

/// A thing with a look and a sound of its own.
struct Thing {
    class: &'static str,
    colour: [u8; 3],
    is_round: bool,
    pitch: f32,
}

/// Eight cut-out pictures and eight sounds of each of two things: a red disc with a
/// high sound, a blue square with a low one. The folders of pictures and of sounds.
pub fn things(folder: &Path) -> (PathBuf, PathBuf) {
    let things = [
        Thing {
            class: "bell",
            colour: [220, 30, 30],
            is_round: true,
            pitch: 3000.0,
        },
        Thing {
            class: "drum",
            colour: [30, 60, 220],
            is_round: false,
            pitch: 300.0,
        },
    ];
    let (sprites, sounds) = (folder.join("sprites"), folder.join("sounds"));
    for thing in things {
        std::fs::create_dir_all(sprites.join(thing.class)).expect("a folder");
        std::fs::create_dir_all(sounds.join(thing.class)).expect("a folder");
        for i in 0..8_u8 {
            let picture = image::RgbaImage::from_fn(64, 64, |x, y| {
                let (dx, dy) = (x.abs_diff(32), y.abs_diff(32));
                let inside = match thing.is_round {
                    true => dx * dx + dy * dy < 900 - 20 * u32::from(i),
                    false => dx.max(dy) < 28 - u32::from(i),
                };
                let [r, g, b] = thing.colour.map(|c| c.saturating_add(3 * i));
                image::Rgba([r, g, b, if inside { 255 } else { 0 }])
            });
            let file = sprites.join(thing.class).join(format!("s{i}.png"));
            picture.save(file).expect("a picture");
            let pitch = thing.pitch + 10.0 * f32::from(i);
            let file = sounds.join(thing.class).join(format!("s{i}.wav"));
            std::fs::write(file, tone(48_000, 2, pitch, 0.27)).expect("a sound");
        }
    }
    (sprites, sounds)
}

/// Says plainly that a test had nothing to run on. Not by `eprintln!`, which the test
/// runner keeps to itself.
pub fn skipped(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}
