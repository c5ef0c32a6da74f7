//! A child process as its parent sees it: its channels, its frames, how it died.

use std::io::{self, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use tracing::level_filters::LevelFilter;

use super::limits::OUT_OF_MEMORY;
use super::pixels::{self, Wish};
use super::wire::{self, Event, FrameFacts, Request};
use crate::features::{Crop, Seen};
use crate::media::error::MediaError;
use crate::media::frame::Frame;
use crate::picture::{Picture, ToPicture};
use crate::sync::lock;

/// Events that may wait for the reader; then the child waits too.
const QUEUED_EVENTS: usize = 64;

/// How long a child may take to read a request or to send a picture.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a child may live on after its channel has ended.
const DEATH_TIMEOUT: Duration = Duration::from_secs(2);

/// A process that decodes. Ends with this value.
pub(super) struct Child {
    process: std::process::Child,
    /// What it sends. Disconnected once it has died, or sent nonsense.
    pub events: Receiver<Event>,
    channels: Arc<Channels>,
    memory_bytes: u64,
    files: usize,
}

/// What frames share with the child that holds their pixels.
struct Channels {
    requests: Mutex<UnixStream>,
    pictures: Mutex<UnixStream>,
}

impl Child {
    /// Starts one.
    pub fn start(program: &Path, memory_bytes: u64) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let (pictures, their_pictures) = UnixStream::pair()?;
        ours.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        pictures.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        pictures.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        let process = Command::new(program)
            .args(["decode", "--memory", &memory_bytes.to_string()])
            .args(log_level())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(OwnedFd::from(their_pictures)))
            // A group of its own: Ctrl-C in a terminal is for the parent, which ends the
            // child. However the parent dies, its end of the channels closes with it.
            .process_group(0)
            .spawn()?;
        let (sender, events) = crossbeam_channel::bounded(QUEUED_EVENTS);
        let mut from = BufReader::new(ours.try_clone()?);
        std::thread::Builder::new().spawn(move || {
            while let Ok(event) = wire::read_event(&mut from) {
                if sender.send(event).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self {
            process,
            events,
            channels: Arc::new(Channels {
                requests: Mutex::new(ours),
                pictures: Mutex::new(pictures),
            }),
            memory_bytes,
            files: 0,
        })
    }

    /// Files that it was told to open.
    pub fn files(&self) -> usize {
        self.files
    }

    /// Sends a request. If it fails, the events end too.
    pub fn request(&mut self, request: &Request) {
        self.files += usize::from(matches!(request, Request::Open { .. }));
        self.channels.request(request);
    }

    /// A frame that it holds.
    pub fn frame(&self, facts: FrameFacts) -> Frame {
        let channels = Arc::clone(&self.channels);
        Frame::in_child(facts.at, RemoteFrame { facts, channels })
    }

    /// Why its events have ended.
    pub fn cause_of_death(&mut self) -> MediaError {
        let memory_bytes = self.memory_bytes;
        self.wait_for_death()
            .map_or_else(nonsense, |status| explain(status, memory_bytes))
    }

    /// How it ended; `None` if it lives on. Not for ever: a process that waits for a disk
    /// that is gone does not die.
    fn wait_for_death(&mut self) -> Option<ExitStatus> {
        let end = Instant::now() + DEATH_TIMEOUT;
        loop {
            match self.process.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(1)),
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

/// What it sent makes no sense, or it sends nothing more and lives on.
pub(super) fn nonsense() -> MediaError {
    MediaError::Crashed("its memory was overwritten".to_owned())
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        self.wait_for_death();
    }
}

/// The arguments by which it logs as much as this process.
fn log_level() -> &'static [&'static str] {
    match LevelFilter::current() {
        LevelFilter::OFF | LevelFilter::ERROR => &["--quiet"],
        LevelFilter::WARN => &[],
        LevelFilter::INFO => &["-v"],
        _ => &["-vv"],
    }
}

fn explain(status: ExitStatus, memory_bytes: u64) -> MediaError {
    match (status.signal(), status.code()) {
        (_, Some(OUT_OF_MEMORY)) => MediaError::TooMuchMemory(memory_bytes >> 20),
        (Some(signal), _) => MediaError::Crashed(match signal {
            libc::SIGSEGV => "SIGSEGV, invalid memory access".to_owned(),
            libc::SIGBUS => "SIGBUS, the file became shorter or memory ran out".to_owned(),
            libc::SIGABRT => "SIGABRT, it found itself in an impossible state".to_owned(),
            libc::SIGFPE => "SIGFPE, division by zero".to_owned(),
            libc::SIGILL => "SIGILL, an instruction that this processor lacks".to_owned(),
            libc::SIGTRAP => "SIGTRAP, it found itself in an impossible state".to_owned(),
            libc::SIGKILL => "SIGKILL, most likely because memory ran out".to_owned(),
            other => format!("signal {other}"),
        }),
        (None, code) => MediaError::Crashed(format!("exit code {}", code.unwrap_or(-1))),
    }
}

impl Channels {
    fn request(&self, request: &Request) {
        let mut to = lock(&self.requests);
        let mut bytes = Vec::new();
        let written = wire::write_request(&mut bytes, request).and_then(|()| to.write_all(&bytes));
        if written.is_err() {
            // Half a request may have been sent: the child cannot be used any more.
            let _ = to.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Asks for a frame, and reads the answer with `read`.
    fn ask<T>(
        &self,
        what: Wish,
        read: impl FnOnce(&mut &UnixStream) -> io::Result<Result<T, String>>,
    ) -> Result<T, String> {
        let line = lock(&self.pictures);
        let ask = || {
            (&*line).write_all(&what.to_bytes())?;
            read(&mut &*line)
        };
        ask().unwrap_or_else(|_| {
            let _ = line.shutdown(std::net::Shutdown::Both);
            Err("a frame was lost with its decoder".to_owned())
        })
    }
}

/// A frame whose pixels a child holds until this is dropped.
pub struct RemoteFrame {
    facts: FrameFacts,
    channels: Arc<Channels>,
}

impl RemoteFrame {
    /// How long it is shown in nanoseconds, where the source says.
    pub fn duration_ns(&self) -> Option<u64> {
        self.facts.duration_ns
    }

    /// Memory that it occupies in the child.
    pub fn bytes(&self) -> usize {
        self.facts.bytes
    }
}

impl RemoteFrame {
    /// As [`Frame::look`].
    pub fn look(&self, crop: Crop) -> Result<Seen, String> {
        let what = Wish {
            id: self.facts.id,
            crop: Some(crop),
        };
        self.channels.ask(what, |from| pixels::read_seen(from))
    }
}

impl ToPicture for RemoteFrame {
    fn to_picture(&self) -> Result<Picture, String> {
        let what = Wish {
            id: self.facts.id,
            crop: None,
        };
        self.channels.ask(what, |from| pixels::read_picture(from))
    }
}

impl Drop for RemoteFrame {
    fn drop(&mut self) {
        self.channels.request(&Request::Release(self.facts.id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deaths_are_explained() {
        let of = |raw| explain(ExitStatus::from_raw(raw), 3 << 30).to_string();
        assert!(of(libc::SIGSEGV).contains("crashed (SIGSEGV"), "{}", of(11));
        assert!(of(libc::SIGKILL).contains("memory ran out"));
        assert!(of(OUT_OF_MEMORY << 8).contains("3072 MiB"));
        assert!(of(101 << 8).contains("exit code 101"));
    }
}
